//! ARP (RFC 826, RFC 1122 2.3.2, announcements of RFC 5227 2.3).
use super::Claim;
use crate::base::addr::{IpAddr, Ipv4Addr};
use crate::base::{Instant, MacAddr};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::wire::{arp, ethernet};

impl Stack {
    pub(in crate::stack) fn arp_arrives(&mut self, now: Instant, interface: IfIndex, bytes: &[u8]) {
        let Ok(packet) = arp::Packet::parse(bytes) else {
            return self.counters.add(Count::ArpMalformed);
        };
        let sender = IpAddr::V4(packet.sender_ip);
        let probe = packet.sender_ip.is_unspecified(); // RFC 5227 2.1.1.
        if packet.sender_mac.is_multicast()
            || sender.is_multicast()
            || sender.is_loopback()
            || self.is_broadcast(sender)
        {
            return self.counters.add(Count::ArpMalformed);
        }
        let target = IpAddr::V4(packet.target_ip);
        // RFC 5227 2.1.1: somebody has the address, or asks for it as we do.
        let own = self.interface(interface).is_some_and(|i| i.config.mac == packet.sender_mac);
        for ip in [sender, target] {
            if !own && self.is_tentative(interface, ip) && (ip == sender || probe) {
                return self.duplicate(now, interface, ip, None);
            }
        }
        if self.is_local(sender) && !own {
            return self.defend(now, interface, sender);
        }
        if own {
            return;
        }
        let for_us = !target.is_loopback() && self.is_local(target);
        let request = packet.operation == arp::Operation::Request;
        if !probe {
            // Who asks for us will be answered and talked to: remember him. Everything else
            // (replies, announcements) only updates what we know.
            let create = request && for_us && self.is_on_link(interface, sender);
            let solicited = !request && for_us;
            let mac = packet.sender_mac;
            let claim = Claim { ip: sender, mac, solicited, overrides: true, create };
            self.learn(now, interface, &claim);
        }
        if request && for_us {
            let to = packet.sender_mac;
            self.send_arp(interface, arp::Operation::Reply, packet.target_ip, packet.sender_ip, to);
        }
    }
    /// Asks for `target`: everybody, or only `mac`.
    pub(in crate::stack) fn arp_solicit(
        &mut self,
        interface: IfIndex,
        target: Ipv4Addr,
        mac: Option<MacAddr>,
    ) {
        let to = mac.unwrap_or(MacAddr::BROADCAST);
        if let Some(IpAddr::V4(source)) = self.source_on(interface, target.into(), target.into()) {
            self.send_arp(interface, arp::Operation::Request, source, target, to);
        }
    }
    /// Asks whether anybody has `ip` (RFC 5227 2.1.1: from no address).
    pub(in crate::stack) fn arp_probe(&mut self, interface: IfIndex, ip: Ipv4Addr) {
        let (request, all) = (arp::Operation::Request, MacAddr::BROADCAST);
        self.send_arp(interface, request, Ipv4Addr::UNSPECIFIED, ip, all);
    }
    /// Tells everybody that we have `ip`, so that an old Ethernet address of ours is forgotten.
    pub(in crate::stack) fn arp_announce(&mut self, interface: IfIndex, ip: Ipv4Addr) {
        self.send_arp(interface, arp::Operation::Request, ip, ip, MacAddr::BROADCAST);
    }

    fn send_arp(
        &mut self,
        interface: IfIndex,
        operation: arp::Operation,
        sender_ip: Ipv4Addr,
        target_ip: Ipv4Addr,
        to: MacAddr,
    ) {
        let Some(src) = self.interface(interface).map(|i| i.config.mac) else { return };
        let target_mac = if to == MacAddr::BROADCAST { MacAddr::default() } else { to };
        let packet = arp::Packet { operation, sender_mac: src, sender_ip, target_mac, target_ip };
        let header = ethernet::Header { dst: to, src, ethertype: ethernet::ARP };
        let mut frame = self.queue.buffer();
        frame.offload = TxOffload::default();
        frame.bytes.clear();
        frame.bytes.extend_from_slice(&header.to_bytes());
        frame.bytes.extend_from_slice(&packet.to_bytes());
        self.enqueue(interface, frame);
    }
}
