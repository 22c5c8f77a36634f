//! Neighbour discovery for IPv6 (RFC 4861 7): who has an address. Routers are in `autoconf.rs`.
use super::Claim;
use crate::base::addr::{IpAddr, Ipv6Addr};
use crate::base::{Instant, MacAddr};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::{Outgoing, Received};
use crate::stack::route::Hop;
use crate::wire::{icmpv6, ndp, protocol};

/// ff02::1.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

impl Stack {
    /// A solicitation or advertisement.
    pub(in crate::stack) fn nd_arrives(
        &mut self,
        now: Instant,
        packet: &Received<'_>,
        header: &icmpv6::Header,
        body: &[u8],
    ) {
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (packet.src, packet.dst) else { return };
        // RFC 4861 7.1.1, 7.1.2: a hop limit of 255 shows that it comes from this link.
        let solicitation = header.kind == icmpv6::kind::NEIGHBOR_SOLICITATION;
        let done = if packet.ttl != 255 || header.code != 0 {
            None
        } else if solicitation {
            ndp::Solicitation::parse(body)
                .ok()
                .and_then(|s| self.solicitation_arrives(now, packet.interface, src, dst, &s))
        } else {
            ndp::Advertisement::parse(header, body)
                .ok()
                .and_then(|a| self.advertisement_arrives(now, packet.interface, dst, &a))
        };
        if done.is_none() {
            self.counters.add(Count::NdInvalid);
        }
    }
    fn solicitation_arrives(
        &mut self,
        now: Instant,
        interface: IfIndex,
        src: Ipv6Addr,
        dst: Ipv6Addr,
        solicitation: &ndp::Solicitation,
    ) -> Option<()> {
        let target = solicitation.target;
        let testing = src.is_unspecified();
        if target.is_multicast() || solicitation.source_mac.is_some_and(MacAddr::is_multicast) {
            return None;
        }
        // RFC 4861 7.1.1: from the unspecified address only to the solicited-node group, without
        // an Ethernet address.
        if testing && (dst != ndp::solicited_node(target) || solicitation.source_mac.is_some()) {
            return None;
        }
        if self.is_tentative(interface, target.into()) {
            // RFC 4862 5.4.3: who resolves the address is not answered; who tests it too has it as
            // little as we.
            if testing {
                self.duplicate(now, interface, target.into(), solicitation.nonce);
            }
            return Some(());
        }
        if target.is_loopback() || !self.is_local(IpAddr::V6(target)) {
            return Some(());
        }
        if let Some(mac) = solicitation.source_mac {
            let ip = IpAddr::V6(src);
            // RFC 4861 7.2.3: the entry becomes STALE if it is new or different.
            let create = self.is_on_link(interface, ip);
            let claim = Claim { ip, mac, solicited: false, overrides: true, create };
            self.learn(now, interface, &claim);
        }
        let to = if testing { ALL_NODES } else { src }; // RFC 4861 7.2.4.
        self.send_advertisement(now, interface, target, to, !testing);
        Some(())
    }
    fn advertisement_arrives(
        &mut self,
        now: Instant,
        interface: IfIndex,
        dst: Ipv6Addr,
        advertisement: &ndp::Advertisement,
    ) -> Option<()> {
        let ip = IpAddr::V6(advertisement.target);
        let solicited = advertisement.solicited;
        if ip.is_multicast() || (dst.is_multicast() && solicited) {
            return None;
        }
        // RFC 4862 5.4.4.
        if self.is_tentative(interface, ip) {
            self.duplicate(now, interface, ip, None);
            return Some(());
        }
        if self.is_local(ip) {
            self.defend(now, interface, ip);
            return Some(());
        }
        // RFC 4861 4.4: an answer to who already knows the address may leave it out.
        let known = || self.interface(interface).and_then(|i| i.neighbors.mac(ip));
        let mac = advertisement.target_mac.filter(|mac| !mac.is_multicast()).or_else(known)?;
        let overrides = advertisement.overrides;
        self.learn(now, interface, &Claim { ip, mac, solicited, overrides, create: false });
        // RFC 4861 7.2.5: a router that is none any more is no default router.
        if !advertisement.router {
            self.router_gone(now, interface, ip);
        }
        Some(())
    }
    /// Asks for `target`: its group, or only `mac`.
    pub(in crate::stack) fn nd_solicit(
        &mut self,
        interface: IfIndex,
        target: Ipv6Addr,
        mac: Option<MacAddr>,
    ) {
        let Some(IpAddr::V6(src)) = self.source_on(interface, target.into(), target.into()) else {
            return;
        };
        let dst = if mac.is_some() { target } else { ndp::solicited_node(target) };
        let source_mac = self.interface(interface).map(|i| i.config.mac);
        let mut message = Vec::with_capacity(32);
        ndp::Solicitation { target, source_mac, nonce: None }.emit(src, dst, &mut message);
        self.send_nd(interface, src, dst, mac, &message);
    }
    /// Asks whether anybody has `target` (RFC 4862 5.4.2).
    pub(in crate::stack) fn nd_probe(
        &mut self,
        interface: IfIndex,
        target: Ipv6Addr,
        nonce: [u8; 6],
    ) {
        let (src, dst) = (Ipv6Addr::UNSPECIFIED, ndp::solicited_node(target));
        let mut message = Vec::with_capacity(32);
        let question = ndp::Solicitation { target, source_mac: None, nonce: Some(nonce) };
        question.emit(src, dst, &mut message);
        self.send_nd(interface, src, dst, None, &message);
    }
    /// Tells everybody that we have `ip` (RFC 4861 7.2.6).
    pub(in crate::stack) fn nd_announce(&mut self, now: Instant, interface: IfIndex, ip: Ipv6Addr) {
        self.send_advertisement(now, interface, ip, ALL_NODES, false);
    }
    fn send_advertisement(
        &mut self,
        now: Instant,
        interface: IfIndex,
        target: Ipv6Addr,
        dst: Ipv6Addr,
        solicited: bool,
    ) {
        let target_mac = self.interface(interface).map(|i| i.config.mac);
        let answer =
            ndp::Advertisement { router: false, solicited, overrides: true, target, target_mac };
        let mut message = Vec::with_capacity(32);
        answer.emit(target, dst, &mut message);
        if dst.is_multicast() {
            return self.send_nd(interface, target, dst, None, &message);
        }
        let hop = Hop { interface, next: dst.into() };
        let out = nd_packet(target, dst);
        let _ = self.ip_send_by(now, hop, &out, &message, &[]);
    }
    /// Sends to a group, or to the Ethernet address `mac`, without looking for the neighbour.
    pub(in crate::stack) fn send_nd(
        &mut self,
        interface: IfIndex,
        src: Ipv6Addr,
        dst: Ipv6Addr,
        mac: Option<MacAddr>,
        message: &[u8],
    ) {
        let Some(to) = mac.or_else(|| MacAddr::for_multicast(dst.into())) else { return };
        let mut frame = self.queue.buffer();
        self.build(interface, &nd_packet(src, dst), message, &[], &mut frame);
        if let Some(destination) = frame.bytes.get_mut(..6) {
            destination.copy_from_slice(&to.0);
        }
        self.enqueue(interface, frame);
    }
}

fn nd_packet(src: Ipv6Addr, dst: Ipv6Addr) -> Outgoing {
    Outgoing { ttl: 255, ..Outgoing::new(src.into(), dst.into(), protocol::ICMPV6) }
}
