//! Where the packets of this host go, and which source address they have.
use super::route::{Hop, common_prefix, is_link_local, label, scope};
use crate::base::addr::{IpAddr, Ipv6Addr};
use crate::base::{Cidr, MacAddr};
use crate::stack::api::*;
use crate::stack::core::Stack;

impl Stack {
    /// Whether `ip` is an address of ours. All of 127.0.0.0/8 is.
    pub fn is_local(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.owner(ip).is_some()
    }
    /// The interface that has this address.
    pub(in crate::stack) fn owner(&self, ip: IpAddr) -> Option<IfIndex> {
        let has = |config: &InterfaceConfig| config.addresses.iter().any(|c| c.address == ip);
        self.interfaces().find(|(_, config)| has(config)).map(|(index, _)| index)
    }
    /// Whether `ip` is the limited broadcast address or that of a network we are on.
    pub fn is_broadcast(&self, ip: IpAddr) -> bool {
        let IpAddr::V4(v4) = ip else { return false };
        v4.is_broadcast()
            || self
                .interfaces()
                .flat_map(|(_, config)| &config.addresses)
                .any(|cidr| cidr.broadcast() == Some(v4) && !cidr.address.is_loopback())
    }
    /// Where a packet to `dst` goes. `from` says which link a link-local destination is on.
    pub(in crate::stack) fn hop(&self, dst: IpAddr, from: Option<IpAddr>) -> Option<Hop> {
        if self.is_local(dst) {
            return Some(Hop { interface: IfIndex::LOOPBACK, next: dst });
        }
        let on_link = match dst {
            IpAddr::V4(v4) => v4.is_broadcast() || v4.is_multicast(),
            IpAddr::V6(v6) => v6.is_multicast() || is_link_local(v6),
        };
        if on_link {
            let routed = || self.routes.lookup(dst).map(|route| route.interface);
            let owner = from.and_then(|ip| self.owner(ip)).filter(|i| *i != IfIndex::LOOPBACK);
            let found = owner.or_else(routed).or_else(|| self.first_link(dst));
            // A host without links still has groups, inside itself.
            let inside = || Some(IfIndex::LOOPBACK).filter(|_| dst.is_multicast());
            return Some(Hop { interface: found.or_else(inside)?, next: dst });
        }
        if let Some(hop) = self.redirects.get(dst) {
            return Some(hop);
        }
        let route = self.routes.lookup(dst)?;
        self.interface(route.interface)?;
        Some(Hop { interface: route.interface, next: route.via.unwrap_or(dst) })
    }
    /// Where a packet to `dst` goes that must leave by `interface`: to the gateway of the best
    /// route there, else to the destination itself.
    pub(in crate::stack) fn hop_through(&self, interface: IfIndex, dst: IpAddr) -> Option<Hop> {
        let group = dst.is_multicast() || self.is_broadcast(dst);
        let mut routes = self.routes.iter().filter(|r| r.interface == interface);
        let route = routes.find(|r| !group && r.prefix.contains(dst));
        Some(Hop { interface, next: route.and_then(|r| r.via).unwrap_or(dst) })
    }
    /// The first interface that is not the loopback and has an address of the family of `ip`.
    fn first_link(&self, ip: IpAddr) -> Option<IfIndex> {
        let speaks = |config: &InterfaceConfig| {
            config.addresses.iter().any(|cidr| cidr.address.is_ipv4() == ip.is_ipv4())
        };
        self.interfaces().skip(1).find(|(_, config)| speaks(config)).map(|(index, _)| index)
    }
    /// The address that packets to `dst` come from; `None` without a route or an address.
    ///
    /// RFC 6724 5: the destination itself if it is ours (rule 1); then the best address of the
    /// outgoing interface (rule 5), or else of another: one address belongs to the whole host.
    pub fn source_for(&self, dst: IpAddr) -> Option<IpAddr> {
        let hop = self.hop(dst, None)?;
        if hop.interface == IfIndex::LOOPBACK && !dst.is_multicast() {
            return Some(dst);
        }
        self.source_on(hop.interface, dst, hop.next).or_else(|| {
            let others = self.interfaces().skip(1).map(|(index, _)| index);
            others.filter_map(|index| self.source_on(index, dst, hop.next)).next()
        })
    }
    /// The best source on one interface (RFC 6724 5): of the right scope (rule 2), not deprecated
    /// (rule 3), with the label of the destination (rule 6), of the longest common prefix (rule 8);
    /// of IPv4 the one whose network the next hop is in, as Linux. Rules 4 and 7 are about
    /// addresses that we do not have.
    pub(in crate::stack) fn source_on(
        &self,
        interface: IfIndex,
        dst: IpAddr,
        next: IpAddr,
    ) -> Option<IpAddr> {
        let on = self.interface(interface)?;
        let wanted = scope(dst);
        let rank = |cidr: &Cidr| {
            let ip = cidr.address;
            let reach = scope(ip);
            // The smallest scope that reaches, else the one that nearly does.
            let scope = if reach >= wanted { (true, 15 - reach) } else { (false, reach) };
            let alive = !on.autoconf.is_deprecated(ip);
            let on_link = ip.is_ipv4() && cidr.contains(next);
            let prefix = common_prefix(ip, dst).min(u32::from(cidr.prefix_len));
            (scope, alive, on_link, label(ip) == label(dst), prefix)
        };
        let mut best: Option<&Cidr> = None;
        for cidr in on.config.addresses.iter().filter(|c| c.address.is_ipv4() == dst.is_ipv4()) {
            if best.is_none_or(|b| rank(cidr) > rank(b)) {
                best = Some(cidr);
            }
        }
        best.map(|cidr| cidr.address)
    }
    /// Our address when we speak first by a route.
    pub fn source_by(&self, route: &Route) -> Option<IpAddr> {
        let far = match route.prefix.address {
            IpAddr::V6(_) if route.prefix.prefix_len == 0 => {
                IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0))
            }
            address if route.prefix.prefix_len == 0 => route.via.unwrap_or(address),
            address => address,
        };
        self.source_on(route.interface, far, route.via.unwrap_or(far))
    }
    /// The group address on Ethernet of a destination that is not unicast.
    pub(in crate::stack) fn group_mac(&self, next: IpAddr) -> Option<MacAddr> {
        if self.is_broadcast(next) {
            return Some(MacAddr::BROADCAST);
        }
        MacAddr::for_multicast(next)
    }
}
