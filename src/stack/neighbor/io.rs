//! What the neighbour table asks for is done here: questions sent, waiting frames released or
//! reported as failed.
use super::{Claim, Due};
use crate::base::addr::IpAddr;
use crate::base::{Instant, MacAddr, NetError};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::icmp::Report;
use crate::stack::tcp::IcmpError;
use crate::wire::ethernet;

impl Stack {
    /// Asks who has `ip`: everybody, or only `mac`.
    pub(in crate::stack) fn solicit(
        &mut self,
        interface: IfIndex,
        ip: IpAddr,
        mac: Option<MacAddr>,
    ) {
        match ip {
            IpAddr::V4(v4) => self.arp_solicit(interface, v4, mac),
            IpAddr::V6(v6) => self.nd_solicit(interface, v6, mac),
        }
    }
    /// Takes note of a claim, and sends what waited for it.
    pub(in crate::stack) fn learn(&mut self, now: Instant, interface: IfIndex, claim: &Claim) {
        self.router_seen(interface, claim.ip, false);
        let Some(on) = self.interface_mut(interface) else { return };
        let Some(frames) = on.neighbors.learn(now, claim) else { return };
        for mut frame in frames {
            if let Some(destination) = frame.bytes.get_mut(..6) {
                destination.copy_from_slice(&claim.mac.0);
            }
            self.enqueue(interface, frame);
        }
    }
    /// Whether `ip` may be a neighbour on `interface`: only those are remembered unasked.
    pub(in crate::stack) fn is_on_link(&self, interface: IfIndex, ip: IpAddr) -> bool {
        let unicast = !ip.is_multicast() && !ip.is_unspecified() && !ip.is_loopback();
        unicast
            && self.routes.iter().any(|route| {
                route.interface == interface && route.via.is_none() && route.prefix.contains(ip)
            })
    }
    /// Does what is due in the neighbour table of an interface.
    pub(in crate::stack) fn neighbors_timeout(&mut self, now: Instant, index: IfIndex) {
        while let Some(due) = self.interface_mut(index).and_then(|i| i.neighbors.due(now)) {
            match due {
                Due::Solicit(ip, mac) => self.solicit(index, ip, mac),
                Due::Failed(ip, frames) => {
                    self.counters.add(Count::NeighborFailed);
                    self.redirects.forget_hop(ip);
                    self.router_seen(index, ip, true);
                    for frame in frames {
                        self.counters.add(Count::NeighborUnreachable);
                        let packet = frame.bytes.get(ethernet::LEN..).unwrap_or(&[]);
                        let error = IcmpError::Unreachable(NetError::HostUnreachable);
                        let Some(report) = Report::neighbor_failed(packet) else { continue };
                        self.packet_failed(now, packet, error, report);
                    }
                }
            }
        }
    }
}
