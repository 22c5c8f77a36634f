//! Groups: joining and leaving, and speaking with routers about it (IGMP, MLD).
//!
//! A packet to a group is taken only on an interface where somebody has joined it, as Linux does
//! (ip_check_mc_rcu, ipv6_chk_mcast_addr). Joined without being asked: all hosts, and for each IPv6
//! address, tentative ones included, its solicited-node group (RFC 4291 2.8).
mod groups;

pub(in crate::stack) use groups::Groups;

use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr};
use crate::base::time::Duration;
use crate::base::{Instant, MacAddr, NetError};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::{Outgoing, Received};
use crate::stack::route::is_link_local;
use crate::wire::igmp::{self, Record, Version};
use crate::wire::{ethernet, icmpv6, ipv4, mld, ndp, protocol};
use groups::Say;

/// 224.0.0.22 (RFC 3376 4.2.14).
const ALL_IGMPV3: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);
/// 224.0.0.2 (RFC 2236 3).
const ALL_ROUTERS_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// ff02::16 (RFC 3810 5.2.14).
const ALL_MLDV2: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// ff02::2 (RFC 2710 4).
const ALL_ROUTERS_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// RFC 3376 4: internetwork control.
const TOS: u8 = 0xc0;
/// Records in one report: they must fit into the smallest MTU.
const RECORDS: usize = 50;

impl Stack {
    /// Joins a group on an interface; each join wants a leave. Errors: `AddressNotAvailable` (no
    /// group, no such interface), `NoBuffers` (too many groups).
    pub fn join(
        &mut self,
        now: Instant,
        interface: IfIndex,
        group: IpAddr,
    ) -> Result<(), NetError> {
        self.now = self.now.max(now);
        let on = self.interface_mut(interface).filter(|_| group.is_multicast());
        let on = on.ok_or(NetError::AddressNotAvailable)?;
        if on.groups.join(now, group) { Ok(()) } else { Err(NetError::NoBuffers) }
    }
    /// Leaves a group. Error: `AddressNotAvailable`: nobody had joined.
    pub fn leave(
        &mut self,
        now: Instant,
        interface: IfIndex,
        group: IpAddr,
    ) -> Result<(), NetError> {
        self.now = self.now.max(now);
        let on = self.interface_mut(interface).ok_or(NetError::AddressNotAvailable)?;
        if on.groups.leave(now, group) { Ok(()) } else { Err(NetError::AddressNotAvailable) }
    }
    /// The interface on which a group is joined, or reached, by a program that names none: the one
    /// that routes say, else the first link (Linux ip_mc_find_dev); without links the loopback.
    pub fn group_interface(&self, group: IpAddr) -> IfIndex {
        self.hop(group, None).map_or(IfIndex::LOOPBACK, |hop| hop.interface)
    }
    /// The groups that programs have joined, and where; solicited-node groups are left out.
    pub fn groups(&self) -> impl Iterator<Item = (IfIndex, IpAddr)> + '_ {
        let all = (0..).map(IfIndex).zip(&self.interfaces);
        let all = all.flat_map(|(index, on)| on.groups.iter().map(move |group| (index, group)));
        all.filter(|(_, group)| !is_solicited_node(*group))
    }
    /// Whether packets to this group are for us.
    pub(in crate::stack) fn is_member(&self, interface: IfIndex, group: IpAddr) -> bool {
        let Some(on) = self.interface(interface) else { return false };
        let everybody = match group {
            IpAddr::V4(v4) => v4.octets() == [224, 0, 0, 1],
            IpAddr::V6(v6) => {
                let solicited = |ip: IpAddr| match ip {
                    IpAddr::V6(own) => ndp::solicited_node(own) == v6,
                    IpAddr::V4(_) => false,
                };
                let addresses = on.config.addresses.iter().map(|cidr| cidr.address);
                let tentative = on.tentative.iter().map(|t| t.address.address);
                // ff01::1 and ff02::1 (RFC 4291 2.7.1).
                let nodes = [1, 2].map(|scope| Ipv6Addr::new(0xff00 | scope, 0, 0, 0, 0, 0, 0, 1));
                nodes.contains(&v6)
                    || is_solicited_node(group) && addresses.chain(tentative).any(solicited)
            }
        };
        everybody || on.groups.is_member(group)
    }
    /// An IPv6 address begins or ends: its solicited-node group is joined or left, for the sake of
    /// switches that look at reports (RFC 4862 5.4.2).
    pub(in crate::stack) fn group_changed(
        &mut self,
        now: Instant,
        interface: IfIndex,
        address: IpAddr,
        begins: bool,
    ) {
        let IpAddr::V6(v6) = address else { return };
        let group = IpAddr::V6(ndp::solicited_node(v6));
        let Some(on) = self.interface_mut(interface).filter(|on| on.settings.reports) else {
            return;
        };
        // One membership for all addresses that share the group.
        match (begins, on.groups.is_member(group)) {
            (true, false) => drop(on.groups.join(now, group)),
            (false, true) if !self.is_solicited(interface, group) => {
                let _ = self.leave(now, interface, group);
            }
            _ => {}
        }
    }
    fn is_solicited(&self, interface: IfIndex, group: IpAddr) -> bool {
        let Some(on) = self.interface(interface) else { return false };
        let all = on.config.addresses.iter().map(|c| c.address);
        let all = all.chain(on.tentative.iter().map(|t| t.address.address));
        all.into_iter().any(|ip| match ip {
            IpAddr::V6(v6) => IpAddr::V6(ndp::solicited_node(v6)) == group,
            IpAddr::V4(_) => false,
        })
    }

    /// An IGMP message.
    pub(in crate::stack) fn igmp_arrives(&mut self, now: Instant, packet: &Received<'_>) {
        let message = match igmp::Message::parse(packet.payload()) {
            // RFC 3376 4, 9: it never comes from beyond the link.
            Ok(message) if packet.ttl == 1 => message,
            _ => return self.counters.add(Count::GroupInvalid),
        };
        let Some(on) = self.interfaces.get_mut(usize::from(packet.interface.0)) else { return };
        match message {
            igmp::Message::Query(query) => {
                let within = Duration::from_millis(u64::from(query.within_ms));
                let said = (query.version, within);
                on.groups.query(now, &mut self.rng, query.group.into(), said);
            }
            igmp::Message::Report(group) => on.groups.heard(group.into()),
            igmp::Message::Other => {}
        }
    }
    /// An MLD message.
    pub(in crate::stack) fn mld_arrives(
        &mut self,
        now: Instant,
        packet: &Received<'_>,
        header: &icmpv6::Header,
        body: &[u8],
    ) {
        // RFC 3810 5, 6.2: from this link, with a router alert in front.
        let link_local = matches!(packet.src, IpAddr::V6(src) if is_link_local(src));
        let alert = packet.packet.get(6) == Some(&protocol::HOP_BY_HOP);
        if packet.ttl != 1 || !link_local || !alert {
            return self.counters.add(Count::GroupInvalid);
        }
        let Some(on) = self.interfaces.get_mut(usize::from(packet.interface.0)) else { return };
        match header.kind {
            mld::kind::QUERY => match mld::Query::parse(header, body) {
                Ok(query) => {
                    let within = Duration::from_millis(u64::from(query.within_ms));
                    let said = (query.version, within);
                    on.groups.query(now, &mut self.rng, query.group.into(), said);
                }
                Err(_) => self.counters.add(Count::GroupInvalid),
            },
            mld::kind::REPORT => {
                if let Some(group) = mld::reported(body) {
                    on.groups.heard(group.into());
                }
            }
            _ => {}
        }
    }
    /// Sends the reports that are due.
    pub(in crate::stack) fn groups_timeout(&mut self, now: Instant, interface: IfIndex) {
        for v6 in [false, true] {
            let Some(on) = self.interfaces.get_mut(usize::from(interface.0)) else { return };
            if on.groups.deadline().is_none_or(|at| at > now) {
                return;
            }
            let said = on.groups.due(now, &mut self.rng, v6);
            // Nobody to tell inside ourselves.
            if on.settings.reports && interface != IfIndex::LOOPBACK {
                for say in &said {
                    if v6 { self.say_mld(interface, say) } else { self.say_igmp(interface, say) }
                }
            }
        }
    }
    fn say_igmp(&mut self, interface: IfIndex, say: &Say) {
        let of = |group: IpAddr| match group {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        match say {
            Say::Records(records) => {
                for part in records.chunks(RECORDS) {
                    let part: Vec<_> = part.iter().map(|(r, group)| (*r, of(*group))).collect();
                    self.send_igmp(interface, ALL_IGMPV3, &igmp::report(&part));
                }
            }
            Say::Report(version, group) => {
                let kind = match version {
                    Version::V1 => igmp::kind::REPORT_V1,
                    _ => igmp::kind::REPORT_V2,
                };
                self.send_igmp(interface, of(*group), &igmp::short(kind, of(*group)));
            }
            Say::Leave(group) => {
                let message = igmp::short(igmp::kind::LEAVE, of(*group));
                self.send_igmp(interface, ALL_ROUTERS_V4, &message);
            }
        }
    }
    /// RFC 3376 4: time to live 1, and a router alert.
    fn send_igmp(&mut self, interface: IfIndex, dst: Ipv4Addr, message: &[u8]) {
        let source = self.source_on(interface, dst.into(), dst.into());
        // RFC 3376 4.2.13: 0.0.0.0 without an address yet.
        let src = match source {
            Some(IpAddr::V4(v4)) => v4,
            _ => Ipv4Addr::UNSPECIFIED,
        };
        let Some(config) = self.interface(interface).map(|on| &on.config) else { return };
        let (mac, ethernet) = (config.mac, config.medium == Medium::Ethernet);
        let header = ipv4::Header {
            tos: TOS,
            total_len: u16::try_from(ipv4::LEN + 4 + message.len()).unwrap_or(u16::MAX),
            id: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 1,
            protocol: protocol::IGMP,
            src,
            dst,
        };
        let mut frame = self.queue.buffer();
        frame.offload = TxOffload::default();
        frame.bytes.clear();
        if ethernet {
            let to = MacAddr::for_multicast(dst.into()).unwrap_or(MacAddr::BROADCAST);
            let header = ethernet::Header { dst: to, src: mac, ethertype: ethernet::IPV4 };
            frame.bytes.extend_from_slice(&header.to_bytes());
        }
        frame.bytes.extend_from_slice(&header.to_bytes_with_alert());
        frame.bytes.extend_from_slice(message);
        self.counters.add(Count::GroupReports);
        self.enqueue(interface, frame);
    }
    fn say_mld(&mut self, interface: IfIndex, say: &Say) {
        let of = |group: IpAddr| match group {
            IpAddr::V6(v6) => v6,
            IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED,
        };
        // RFC 3590 4: the unspecified address until the link-local one is in use.
        let src = self.link_local_on(interface).unwrap_or(Ipv6Addr::UNSPECIFIED);
        match say {
            Say::Records(records) => {
                for part in records.chunks(RECORDS) {
                    let part: Vec<(Record, _)> = part.iter().map(|(r, g)| (*r, of(*g))).collect();
                    self.send_mld(interface, src, ALL_MLDV2, |out| {
                        mld::report(src, ALL_MLDV2, &part, out);
                    });
                }
            }
            Say::Report(_, group) => {
                let group = of(*group);
                self.send_mld(interface, src, group, |out| {
                    mld::short(mld::kind::REPORT, src, group, group, out);
                });
            }
            Say::Leave(group) => self.send_mld(interface, src, ALL_ROUTERS_V6, |out| {
                mld::short(mld::kind::DONE, src, ALL_ROUTERS_V6, of(*group), out);
            }),
        }
    }
    /// RFC 3810 5: hop limit 1, and a router alert in a hop-by-hop header.
    fn send_mld(
        &mut self,
        interface: IfIndex,
        src: Ipv6Addr,
        dst: Ipv6Addr,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut message = mld::ROUTER_ALERT.to_vec();
        write(&mut message);
        let out = Outgoing::new(src.into(), dst.into(), protocol::HOP_BY_HOP);
        let mut frame = self.queue.buffer();
        self.build(interface, &Outgoing { ttl: 1, ..out }, &message, &[], &mut frame);
        let ethernet = self.interface(interface).map(|on| on.config.medium);
        if ethernet == Some(Medium::Ethernet)
            && let (Some(field), Some(to)) =
                (frame.bytes.get_mut(..6), MacAddr::for_multicast(dst.into()))
        {
            field.copy_from_slice(&to.0);
        }
        self.counters.add(Count::GroupReports);
        self.enqueue(interface, frame);
    }
}

/// ff02::1:ff00:0/104.
fn is_solicited_node(group: IpAddr) -> bool {
    let IpAddr::V6(v6) = group else { return false };
    v6.octets().starts_with(&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff])
}
