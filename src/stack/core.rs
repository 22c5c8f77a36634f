//! `Stack`: the whole host in one value. It owns the interfaces, the routes, the neighbours, the
//! reassembly buffers and all of TCP; its methods are spread over the files of the layers they
//! belong to (`ip/`, `icmp/`, `neighbor/`, `routing.rs`, `udp/`, `segments.rs`).
//!
//! # How it is driven
//!
//! Frames go in through [`Stack::frame_arrives`], commands through the `tcp_*`, `udp_*` and
//! `tcp_mut` methods, time through [`Stack::handle_timeout`]. After any of them the driver calls
//! [`Stack::poll_transmit`] and [`Stack::poll_event`] until they return `None`, then sleeps until
//! [`Stack::poll_timeout`] or the next frame. While its link is full it does not call
//! `poll_transmit`: TCP makes segments only when it is asked for one.
//!
//! # Limits
//!
//! One address belongs to the whole host (the weak model of RFC 1122 3.3.4.2, as Linux has it).
//! Link-local IPv6 destinations have no zone: they are looked for on the link of the source
//! address, or on the first.
use crate::base::addr::IpAddr;
use crate::base::limits::IP_PACKET_MAX;
use crate::base::{Cidr, Instant, MacAddr, Rng};
use crate::stack::api::*;
use crate::stack::counters::{Count, Counters};
use crate::stack::icmp::{IcmpWanted, RateLimit};
use crate::stack::interface::{Interface, TransmitQueue};
use crate::stack::ip::Idents;
use crate::stack::ip::path_mtu::PathMtus;
use crate::stack::ip::reassembly::Reassembly;
use crate::stack::ip::recent::RecentFlows;
use crate::stack::neighbor::Redirects;
use crate::stack::route::{Routes, is_link_local};
use crate::stack::tcp::{SegmentOut, Tcp};
use crate::wire::{ethernet, ndp};
use std::collections::VecDeque;

/// Packets fed back inside, and TCP segments looked at, in one call of `poll_transmit` at most.
const WORK: usize = 256;
/// Bytes that datagrams may send in a row while TCP waits.
const TURN: usize = 64 << 10;

/// A host: its interfaces, routes, neighbours, TCP and UDP. Sans-IO.
pub struct Stack {
    pub(in crate::stack) tcp: Tcp,
    /// The loopback first.
    pub(in crate::stack) interfaces: Vec<Interface>,
    pub(in crate::stack) routes: Routes,
    pub(in crate::stack) redirects: Redirects,
    pub(in crate::stack) path_mtus: PathMtus,
    pub(in crate::stack) reassembly: Reassembly,
    pub(in crate::stack) idents: Idents,
    pub(in crate::stack) recent: RecentFlows,
    pub(in crate::stack) icmp_limit: RateLimit,
    pub(in crate::stack) answer_echo: bool,
    pub(in crate::stack) icmp_wanted: IcmpWanted,
    /// Ports that take UDP over IPv6 without a checksum.
    pub(in crate::stack) unchecked: Vec<u16>,
    pub(in crate::stack) queue: TransmitQueue,
    /// Packets to our own addresses, and to groups that we are in; the interface that they seem to
    /// arrive by.
    pub(in crate::stack) loopback: VecDeque<(IfIndex, TxFrame)>,
    /// The packet that is looked at is our own, fed back.
    pub(in crate::stack) own_packet: bool,
    /// For what must not be the same on every host.
    pub(in crate::stack) rng: Rng,
    /// How often addresses or advertised routes have changed.
    pub(in crate::stack) changes: u64,
    pub(in crate::stack) udp_events: VecDeque<Event>,
    pub(in crate::stack) counters: Counters,
    pub(in crate::stack) segment: SegmentOut,
    /// Bytes that the queue has sent more than TCP, while TCP had something to send.
    ahead: usize,
    /// Whether the last event came from UDP, to take turns.
    udp_had_its_turn: bool,
    /// Set when `poll_transmit` stopped with work left: go on then.
    unfinished: Option<Instant>,
    /// The latest time that we were told.
    pub(in crate::stack) now: Instant,
}

/// A neighbour, for `understudy status`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NeighborInfo {
    /// The interface it is on.
    pub interface: IfIndex,
    /// Its address.
    pub address: IpAddr,
    /// Its Ethernet address, once known.
    pub mac: Option<MacAddr>,
    /// `incomplete`, `reachable`, `stale`, `delay` or `probe`.
    pub state: &'static str,
}

impl Stack {
    /// A host with nothing but its loopback ([`IfIndex::LOOPBACK`], 127.0.0.1/8 and ::1/128).
    pub fn new(config: StackConfig) -> Stack {
        let mut rng = Rng::seeded(config.seed);
        Stack {
            idents: Idents::new(config.secret.clone(), &mut rng),
            recent: RecentFlows::new(config.secret.clone()),
            tcp: Tcp::new(config.tcp, config.secret, rng.u64()),
            interfaces: vec![Interface::loopback()],
            routes: Routes::default(),
            redirects: Redirects::default(),
            path_mtus: PathMtus::default(),
            reassembly: Reassembly::default(),
            icmp_limit: RateLimit::default(),
            answer_echo: config.answer_echo,
            icmp_wanted: IcmpWanted::default(),
            unchecked: Vec::new(),
            queue: TransmitQueue::default(),
            loopback: VecDeque::new(),
            own_packet: false,
            changes: 0,
            udp_events: VecDeque::new(),
            counters: Counters::new(),
            segment: SegmentOut::empty(),
            ahead: 0,
            udp_had_its_turn: false,
            unfinished: None,
            now: Instant::ZERO,
            rng,
        }
    }
    /// Adds an interface that does nothing by itself but tell who has its addresses: see
    /// [`Stack::add_interface_with`].
    pub fn add_interface(&mut self, now: Instant, config: InterfaceConfig) -> IfIndex {
        self.add_interface_with(now, config, InterfaceSettings::default())
    }
    /// Adds an interface; its addresses become ours and their prefixes on-link routes. An Ethernet
    /// interface without an IPv6 link-local address gets the one made from its MAC. The neighbours
    /// are told who has these addresses now, after they were asked whether somebody has them if the
    /// settings say so.
    pub fn add_interface_with(
        &mut self,
        now: Instant,
        mut config: InterfaceConfig,
        settings: InterfaceSettings,
    ) -> IfIndex {
        self.now = self.now.max(now);
        let index = IfIndex(u16::try_from(self.interfaces.len()).unwrap_or(u16::MAX));
        let link_local = |cidr: &Cidr| match cidr.address {
            IpAddr::V6(v6) => is_link_local(v6),
            IpAddr::V4(_) => false,
        };
        let mut addresses = core::mem::take(&mut config.addresses);
        if config.medium == Medium::Ethernet && !addresses.iter().any(link_local) {
            let address = IpAddr::V6(ndp::link_local(config.mac));
            addresses.push(Cidr { address, prefix_len: 64 });
        }
        self.interfaces.push(Interface { settings, ..Interface::new(config) });
        for address in addresses {
            self.add_address(now, index, address);
        }
        index
    }
    /// Adds a route.
    pub fn add_route(&mut self, route: Route) {
        self.routes.add(route);
    }
    /// A frame came in through `interface`. Up to 64 KB: what a link merged (GRO) is welcome.
    pub fn frame_arrives(
        &mut self,
        now: Instant,
        interface: IfIndex,
        frame: &[u8],
        checksum: RxChecksum,
    ) {
        self.now = self.now.max(now);
        self.counters.add(Count::FramesIn);
        let ours = match self.interface(interface).map(|i| (i.config.medium, i.config.mac)) {
            Some((Medium::Ip, _)) => {
                return self.ip_arrives(now, interface, frame, true, checksum);
            }
            Some((Medium::Ethernet, mac)) => mac,
            None => return self.counters.add(Count::NoInterface),
        };
        let Ok((header, payload)) = ethernet::Header::parse(frame) else {
            return self.counters.add(Count::EthernetShort);
        };
        let unicast = !header.dst.is_multicast();
        if unicast && header.dst != ours {
            return self.counters.add(Count::EthernetOther);
        }
        match header.ethertype {
            ethernet::IPV4 => self.ipv4_arrives(now, interface, payload, unicast, checksum),
            ethernet::IPV6 => self.ipv6_arrives(now, interface, payload, unicast, checksum),
            ethernet::ARP => self.arp_arrives(now, interface, payload),
            _ => self.counters.add(Count::EthernetType),
        }
    }
    /// Writes the next frame to send into `frame`, if any, and says through which interface. Never
    /// [`IfIndex::LOOPBACK`]: those packets are fed back inside.
    pub fn poll_transmit(&mut self, now: Instant, frame: &mut TxFrame) -> Option<IfIndex> {
        self.now = self.now.max(now);
        self.unfinished = None;
        for _ in 0..WORK {
            if let Some((interface, mut packet)) = self.loopback.pop_front() {
                self.counters.add(Count::Loopback);
                let bytes = core::mem::take(&mut packet.bytes);
                self.own_packet = true;
                self.ip_arrives(now, interface, &bytes, true, RxChecksum::Trusted);
                self.own_packet = false;
                packet.bytes = bytes;
                self.queue.recycle(packet);
                continue;
            }
            // The queue (ARP, ND, ICMP, UDP) goes first, until it is too far ahead of TCP.
            if self.ahead < TURN {
                if let Some(interface) = self.queue.pop(frame) {
                    self.ahead += frame.bytes.len();
                    return Some(self.leaves(interface));
                }
            }
            let mut segment = core::mem::replace(&mut self.segment, SegmentOut::empty());
            let any = self.tcp.poll_transmit(now, &mut segment);
            let sent = if any { self.send_segment(now, &segment, frame) } else { None };
            self.segment = segment;
            if let Some(interface) = sent {
                self.ahead = self.ahead.saturating_sub(frame.bytes.len());
                return Some(self.leaves(interface));
            }
            if !any {
                self.ahead = 0;
                return self.queue.pop(frame).map(|interface| self.leaves(interface));
            }
        }
        self.unfinished = Some(now);
        None
    }
    fn leaves(&mut self, interface: IfIndex) -> IfIndex {
        self.counters.add(Count::FramesOut);
        interface
    }
    /// The next thing that happened. TCP and UDP take turns.
    pub fn poll_event(&mut self) -> Option<Event> {
        let first = if self.udp_had_its_turn { self.tcp.poll_event() } else { None };
        if let Some(event) = first {
            self.udp_had_its_turn = false;
            return Some(event);
        }
        if let Some(event) = self.udp_events.pop_front() {
            self.udp_had_its_turn = true;
            return Some(event);
        }
        self.tcp.poll_event()
    }
    /// When [`Stack::handle_timeout`] is to be called, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        // Packets to ourselves wait for the next `poll_transmit`.
        let loopback = (!self.loopback.is_empty()).then_some(self.now);
        let interfaces = self.interfaces.iter().filter_map(Interface::deadline).min();
        [
            self.tcp.poll_timeout(),
            interfaces,
            self.redirects.deadline(),
            self.reassembly.deadline(),
            self.path_mtus.deadline(),
            self.unfinished,
            loopback,
        ]
        .into_iter()
        .flatten()
        .min()
    }
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        for index in (0..).map(IfIndex).take(self.interfaces.len()) {
            self.neighbors_timeout(now, index);
            self.tentative_timeout(now, index);
            self.autoconf_timeout(now, index);
            self.groups_timeout(now, index);
            self.dhcp_timeout(now, index);
        }
        self.redirects.expire(now);
        self.expire_fragments(now);
        for ip in self.path_mtus.expire(now) {
            self.path_is_unknown(now, ip);
        }
        self.tcp.handle_timeout(now);
    }
    /// TCP.
    pub fn tcp(&self) -> &Tcp {
        &self.tcp
    }
    /// TCP, to give commands to.
    pub fn tcp_mut(&mut self) -> &mut Tcp {
        &mut self.tcp
    }
    /// The neighbours.
    pub fn neighbors(&self) -> Vec<NeighborInfo> {
        let tables = self.interfaces().map(|(index, _)| index).zip(&self.interfaces);
        tables
            .flat_map(|(interface, i)| i.neighbors.iter(self.now).map(move |n| (interface, n)))
            .map(|(interface, (address, mac, state))| NeighborInfo {
                interface,
                address,
                mac,
                state,
            })
            .collect()
    }
    /// The routes, on-link ones included, best first.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }
    /// The interfaces, the loopback first. Link-local addresses that the stack made are included.
    pub fn interfaces(&self) -> impl Iterator<Item = (IfIndex, &InterfaceConfig)> {
        (0..).map(IfIndex).zip(self.interfaces.iter().map(|i| &i.config))
    }
    /// How often the addresses or the routes that routers advertise have changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }
    /// What happened how often, drops by reason; TCP's counters included.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut all: Vec<_> = self.counters.iter().collect();
        all.extend(self.tcp.counters());
        all
    }

    pub(in crate::stack) fn interface(&self, index: IfIndex) -> Option<&Interface> {
        self.interfaces.get(usize::from(index.0))
    }
    pub(in crate::stack) fn interface_mut(&mut self, index: IfIndex) -> Option<&mut Interface> {
        self.interfaces.get_mut(usize::from(index.0))
    }
}

impl core::fmt::Debug for Stack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<&str> = self.interfaces().map(|(_, c)| c.name.as_str()).collect();
        f.debug_struct("Stack").field("interfaces", &names).finish_non_exhaustive()
    }
}

const _: () = assert!(IP_PACKET_MAX == u16::MAX as usize);
