//! Routes, and what source addresses are compared by (RFC 6724).
use crate::base::addr::{IpAddr, Ipv6Addr};
use crate::stack::api::*;

/// Where a packet goes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::stack) struct Hop {
    /// The interface that it leaves through; [`IfIndex::LOOPBACK`] for our own addresses.
    pub interface: IfIndex,
    /// The neighbour that takes it: a gateway, or the destination itself.
    pub next: IpAddr,
}

/// All routes, best first.
#[derive(Clone, Debug, Default)]
pub(in crate::stack) struct Routes(Vec<Route>);

impl Routes {
    /// Adds a route behind those that are as good.
    pub fn add(&mut self, route: Route) {
        let rank = |r: &Route| (core::cmp::Reverse(r.prefix.prefix_len), r.metric);
        let at = self.0.partition_point(|r| rank(r) <= rank(&route));
        self.0.insert(at, route);
    }
    /// The longest prefix, then the lowest metric, then the first added.
    pub fn lookup(&self, dst: IpAddr) -> Option<&Route> {
        self.0.iter().find(|route| route.prefix.contains(dst))
    }
    /// Takes out those that are `unwanted`.
    pub fn remove(&mut self, unwanted: impl Fn(&Route) -> bool) {
        self.0.retain(|route| !unwanted(route));
    }
    /// All, best first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }
}

/// fe80::/10 (RFC 4291 2.5.6).
pub(in crate::stack) const fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

/// How far an address reaches (RFC 6724 3.1, RFC 4291 2.7; IPv4 by RFC 6724 3.2): 2 is the link, 14
/// the world.
pub(in crate::stack) fn scope(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(v4) if v4.is_link_local() || v4.is_loopback() => 2,
        IpAddr::V4(_) => 14,
        IpAddr::V6(v6) if v6.is_multicast() => v6.octets()[1] & 0xf,
        IpAddr::V6(v6) if is_link_local(v6) || v6.is_loopback() => 2,
        IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfec0 => 5,
        IpAddr::V6(_) => 14,
    }
}

/// RFC 6724 2.1: the labels of its default policy table.
pub(in crate::stack) fn label(ip: IpAddr) -> u8 {
    let IpAddr::V6(v6) = ip else { return 4 };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => 0,
        [0, 0, 0, 0, 0, 0xffff, ..] => 4,
        [0, 0, 0, 0, 0, 0, ..] => 3,
        [0x2002, ..] => 2,
        [0x2001, 0, ..] => 5,
        [0x3ffe, ..] => 12,
        [first, ..] if first & 0xffc0 == 0xfec0 => 11,
        [first, ..] if first & 0xfe00 == 0xfc00 => 13,
        _ => 1,
    }
}

/// Length of the common prefix in bits; 0 across families.
pub(in crate::stack) fn common_prefix(a: IpAddr, b: IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: &str, metric: u32, interface: u16) -> Route {
        let prefix = prefix.parse().unwrap();
        Route { prefix, via: None, interface: IfIndex(interface), metric }
    }

    /// RFC 1122 3.3.1: the longest prefix decides, then the metric.
    #[test]
    fn longest_prefix_then_metric_then_first() {
        let mut routes = Routes::default();
        routes.add(route("0.0.0.0/0", 10, 1));
        routes.add(route("::/0", 0, 2));
        routes.add(route("10.0.0.0/8", 0, 3));
        routes.add(route("10.1.0.0/16", 5, 4));
        routes.add(route("10.1.0.0/16", 1, 5));
        routes.add(route("10.1.0.0/16", 1, 6));
        let at = |ip: &str| routes.lookup(ip.parse().unwrap()).map(|r| r.interface.0);
        assert_eq!(at("10.1.2.3"), Some(5));
        assert_eq!(at("10.2.2.3"), Some(3));
        assert_eq!(at("8.8.8.8"), Some(1));
        assert_eq!(at("fd00::1"), Some(2));
    }
}
