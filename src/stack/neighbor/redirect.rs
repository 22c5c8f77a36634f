//! Redirects: a router knows a better first hop for one destination (RFC 4861 8, RFC 792, RFC 1122
//! 3.2.2.2). Only the router that we use for that destination may say so, and only of a packet that
//! we have sent through it: the redirect has to quote one of a connection of ours, or of datagrams
//! that left lately. (RFC 4861 4.5 leaves the quote out where it does not fit; a host that has sent
//! nothing needs no better hop.) A destination on the link is no router: it redirects nothing.
use crate::base::addr::{IpAddr, Ipv4Addr};
use crate::base::{Instant, MacAddr};
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::Received;
use crate::stack::neighbor::Claim;
use crate::stack::route::{Hop, is_link_local};
use crate::wire::router::Redirect;
use crate::wire::{icmpv4, icmpv6};

impl Stack {
    /// An ICMPv6 redirect.
    pub(in crate::stack) fn redirect_v6(
        &mut self,
        now: Instant,
        packet: &Received<'_>,
        header: &icmpv6::Header,
        body: &[u8],
    ) {
        let IpAddr::V6(router) = packet.src else { return };
        // RFC 4861 8.1: from this link, and from a router's link-local address.
        let valid = packet.ttl == 255 && header.code == 0 && is_link_local(router);
        let redirect = Redirect::parse(body).ok().filter(|_| valid).filter(|r| {
            !r.destination.is_multicast()
                && !r.target.is_multicast()
                && (is_link_local(r.target) || r.target == r.destination)
        });
        let Some(redirect) = redirect else { return self.counters.add(Count::RedirectInvalid) };
        let (dst, next) = (IpAddr::V6(redirect.destination), IpAddr::V6(redirect.target));
        let sent = Redirect::quote(body).and_then(|quote| self.has_sent(quote));
        if sent.is_none_or(|tuple| tuple.remote.ip() != dst) {
            return self.counters.add(Count::RedirectInvalid);
        }
        self.follow(now, packet, dst, next, redirect.target_mac);
    }
    /// An ICMP redirect. Of a network it is taken as one of a host (RFC 1122 3.2.2.2).
    pub(in crate::stack) fn redirect_v4(
        &mut self,
        now: Instant,
        packet: &Received<'_>,
        header: &icmpv4::Header,
        quote: &[u8],
    ) {
        let Some(sent) = self.has_sent(quote).filter(|_| header.code <= 3) else {
            return self.counters.add(Count::RedirectInvalid);
        };
        let gateway = IpAddr::V4(Ipv4Addr::from(header.rest));
        // RFC 1122 3.2.2.2: the new gateway must be on the connected network.
        let usable = self.is_on_link(packet.interface, gateway) && !self.is_broadcast(gateway);
        if !usable {
            return self.counters.add(Count::RedirectInvalid);
        }
        self.follow(now, packet, sent.remote.ip(), gateway, None);
    }
    fn follow(
        &mut self,
        now: Instant,
        packet: &Received<'_>,
        dst: IpAddr,
        next: IpAddr,
        mac: Option<MacAddr>,
    ) {
        let interface = packet.interface;
        let wanted = self.interface(interface).is_some_and(|on| on.settings.redirects);
        // RFC 4861 8.1, RFC 1122 3.2.2.2: from the current first hop alone.
        let hop = self.hop(dst, Some(packet.dst));
        let from_hop = hop == Some(Hop { interface, next: packet.src }) && packet.src != dst;
        if !wanted || !from_hop || !packet.unicast || self.is_local(next) || next == packet.src {
            return self.counters.add(Count::RedirectInvalid);
        }
        self.counters.add(Count::Redirects);
        self.redirects.set(now, dst, Hop { interface, next });
        if let Some(mac) = mac.filter(|mac| !mac.is_multicast()) {
            let claim = Claim { ip: next, mac, solicited: false, overrides: true, create: true };
            self.learn(now, interface, &claim);
        }
    }
}
