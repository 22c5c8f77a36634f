//! What routers advertise (RFC 4861 6.3), and addresses made of it (RFC 4862 5.5). All of it has a
//! lifetime and a limit; routers that nobody can see do not make us grow.
use super::advertised::{Made, until};
use crate::base::addr::{IpAddr, Ipv6Addr};
use crate::base::limits::ADVERTISED;
use crate::base::time::Duration;
use crate::base::{Cidr, Instant, MacAddr};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::Received;
use crate::stack::neighbor::Claim;
use crate::stack::route::is_link_local;
use crate::wire::router::{self, Advertisement, Prefix};
use crate::wire::{icmpv6, ipv6, ndp};

/// RFC 7559 2: the first pause between solicitations, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(4);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// RFC 4861 10: MAX_RTR_SOLICITATION_DELAY.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// RFC 4862 5.5.3 e: nobody may shorten what is left of an address below two hours.
const TWO_HOURS: Duration = Duration::from_secs(7200);
/// ff02::2.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

impl Stack {
    /// Begins to ask for routers, if advertisements are wanted.
    pub(in crate::stack) fn start_soliciting(&mut self, now: Instant, interface: IfIndex) {
        // RFC 4861 6.3.7: the first one waits a random while.
        let delay = Duration::from_nanos(self.rng.below(FIRST_DELAY.as_nanos() as u64));
        let Some(on) = self.interface_mut(interface) else { return };
        if on.settings.autoconf && on.autoconf.solicit.is_none() && !on.autoconf.heard {
            on.autoconf.solicit = Some((now + delay, FIRST_PAUSE));
        }
    }
    fn solicit_routers(&mut self, interface: IfIndex) {
        let Some(mac) = self.interface(interface).map(|on| on.config.mac) else { return };
        let from = self.link_local_on(interface);
        let src = from.unwrap_or(Ipv6Addr::UNSPECIFIED);
        let mut message = Vec::with_capacity(16);
        // RFC 4861 4.1: no Ethernet address from the unspecified address.
        router::solicit(src, ALL_ROUTERS, from.map(|_| mac), &mut message);
        self.send_nd(interface, src, ALL_ROUTERS, None, &message);
    }

    /// A router advertisement.
    pub(in crate::stack) fn router_arrives(
        &mut self,
        now: Instant,
        packet: &Received<'_>,
        header: &icmpv6::Header,
        body: &[u8],
    ) {
        let interface = packet.interface;
        let wanted = self.interface(interface).is_some_and(|on| on.settings.autoconf);
        if !wanted {
            return self.counters.add(Count::IcmpIgnored);
        }
        let IpAddr::V6(src) = packet.src else { return };
        // RFC 4861 6.1.2.
        let valid = packet.ttl == 255 && header.code == 0 && is_link_local(src);
        let Some(got) = Advertisement::parse(header, body).ok().filter(|_| valid) else {
            return self.counters.add(Count::NdInvalid);
        };
        self.counters.add(Count::RouterAdvertisements);
        if let Some(mac) = got.source_mac().filter(|mac| !mac.is_multicast()) {
            let ip = packet.src;
            let claim = Claim { ip, mac, solicited: false, overrides: true, create: true };
            self.learn(now, interface, &claim);
        }
        let Some(on) = self.interface_mut(interface) else { return };
        on.autoconf.heard = true;
        // RFC 7559 2.1: a default router has been found; others need not be asked for.
        if got.lifetime_s > 0 {
            on.autoconf.solicit = None;
        }
        // RFC 4861 6.3.4: parameters that it does not say stay as they are.
        if got.hop_limit != 0 {
            on.autoconf.hop_limit = got.hop_limit;
        }
        let retransmit = (got.retransmit_ms != 0).then_some(got.retransmit_ms);
        on.neighbors.set_timing(got.reachable_ms, retransmit);
        if let Some(mtu) = got.mtu() {
            let link = on.config.mtu;
            let mtu = u16::try_from(mtu).ok().filter(|m| (ipv6::MIN_MTU..=link).contains(m));
            on.autoconf.mtu = mtu.or(on.autoconf.mtu);
        }
        on.autoconf.default_router(now, src, &got);
        for (seconds, server) in got.name_servers() {
            on.autoconf.name_server(until(now, seconds), server, seconds);
        }
        for prefix in got.prefixes() {
            self.prefix_arrives(now, interface, &prefix);
        }
        self.sync_advertised(interface);
    }
    fn prefix_arrives(&mut self, now: Instant, interface: IfIndex, prefix: &Prefix) {
        // RFC 4861 6.3.4, RFC 4862 5.5.3 b: the link-local prefix is not for routers to say.
        let link_local = matches!(prefix.prefix.address, IpAddr::V6(v6) if is_link_local(v6));
        if link_local || prefix.prefix.address.is_multicast() {
            return;
        }
        let Some(on) = self.interface_mut(interface) else { return };
        if prefix.on_link {
            on.autoconf.on_link(now, prefix);
        }
        // RFC 4862 5.5.3 c, d: 64 bits of prefix and 64 of ours.
        if !prefix.autonomous
            || prefix.preferred_s > prefix.valid_s
            || prefix.prefix.prefix_len != 64
        {
            return;
        }
        let ip = made_of(prefix.prefix, on.config.mac);
        let (valid, preferred) = (until(now, prefix.valid_s), until(now, prefix.preferred_s));
        if let Some(made) = on.autoconf.made.iter_mut().find(|made| made.ip == ip) {
            // 5.5.3 e: what is said counts if it is more than two hours, or more than is left.
            (made.preferred, made.deprecated) = (preferred, preferred <= now);
            if valid > now + TWO_HOURS || valid > made.valid {
                made.valid = valid;
            } else if made.valid > now + TWO_HOURS {
                made.valid = now + TWO_HOURS;
            }
            return;
        }
        let given = on.config.addresses.iter().any(|c| c.address == ip);
        let failed = on.autoconf.duplicates.contains(&ip);
        if prefix.valid_s == 0 || given || failed || on.autoconf.made.len() >= ADVERTISED {
            return;
        }
        on.autoconf.made.push(Made { ip, valid, preferred, deprecated: preferred <= now });
        // The route of the prefix is the L flag's business (RFC 4862 5.5.3).
        self.begin_address(now, interface, Cidr { address: ip, prefix_len: 64 }, true);
    }
    /// A default router does not answer, or answers again (RFC 4861 6.3.6).
    pub(in crate::stack) fn router_seen(&mut self, interface: IfIndex, ip: IpAddr, silent: bool) {
        let Some(on) = self.interface_mut(interface) else { return };
        let found = on.autoconf.routers.iter_mut().find(|r| IpAddr::V6(r.ip) == ip);
        if let Some(router) = found.filter(|r| r.silent != silent) {
            router.silent = silent;
            self.sync_advertised(interface);
        }
    }
    /// A neighbour says that it is no router (any more): nothing goes through it.
    pub(in crate::stack) fn router_gone(&mut self, now: Instant, interface: IfIndex, ip: IpAddr) {
        self.redirects.forget_router(ip);
        let Some(on) = self.interface_mut(interface) else { return };
        let found = on.autoconf.routers.iter_mut().find(|r| IpAddr::V6(r.ip) == ip);
        if let Some(router) = found {
            router.until = now;
            self.autoconf_timeout(now, interface);
        }
    }
    /// What ends, and solicitations.
    pub(in crate::stack) fn autoconf_timeout(&mut self, now: Instant, interface: IfIndex) {
        let Some(on) = self.interface_mut(interface) else { return };
        if on.autoconf.deadline().is_none_or(|at| at > now) {
            return;
        }
        let auto = &mut on.autoconf;
        auto.routers.retain(|router| router.until > now);
        auto.prefixes.retain(|(_, until)| *until > now);
        auto.servers.retain(|(_, until)| *until > now);
        let ended: Vec<IpAddr> =
            auto.made.iter().filter(|made| made.valid <= now).map(|made| made.ip).collect();
        auto.made.retain(|made| made.valid > now);
        for made in &mut auto.made {
            made.deprecated = made.preferred <= now;
        }
        let due = auto.solicit.filter(|(at, _)| *at <= now);
        if let Some((_, pause)) = due {
            // RFC 7559 2, RFC 8415 15: each pause is about twice the one before.
            auto.solicit = Some((now + pause, (pause * 2).min(LONGEST_PAUSE)));
        }
        for ip in ended {
            self.remove_address(now, interface, ip);
        }
        self.sync_advertised(interface);
        if due.is_some() {
            self.solicit_routers(interface);
        }
    }
    /// Makes the routes what routers and prefixes say.
    fn sync_advertised(&mut self, interface: IfIndex) {
        let Some(on) = self.interfaces.get_mut(usize::from(interface.0)) else { return };
        let wanted = on.autoconf.wanted_routes(interface);
        if wanted == on.autoconf.routes {
            return;
        }
        let old = core::mem::replace(&mut on.autoconf.routes, wanted.clone());
        self.routes.remove(|route| old.contains(route));
        for route in wanted {
            self.routes.add(route);
        }
        self.changes += 1;
    }
    /// Name servers that routers advertise (RFC 8106), for status.
    pub fn name_servers(&self) -> impl Iterator<Item = (IfIndex, Ipv6Addr)> + '_ {
        let all = (0..).map(IfIndex).zip(&self.interfaces);
        all.flat_map(|(index, on)| on.autoconf.servers.iter().map(move |(ip, _)| (index, *ip)))
    }
    /// Whether an interface does not listen for routers, or has heard one and tested the addresses
    /// that it made.
    pub fn router_settled(&self, interface: IfIndex) -> bool {
        self.interface(interface).is_none_or(|on| !on.settings.autoconf || on.autoconf.heard)
    }
    /// The hop limit of what leaves by `interface` towards `dst`.
    pub(in crate::stack) fn hop_limit(&self, interface: IfIndex, dst: IpAddr) -> u8 {
        match self.interface(interface) {
            Some(on) if dst.is_ipv6() => on.autoconf.hop_limit,
            _ => 64,
        }
    }
}

/// The address of an interface with this MAC in a prefix of 64 bits (RFC 4862 5.5.3 d, RFC 2464 4).
fn made_of(prefix: Cidr, mac: MacAddr) -> IpAddr {
    let IpAddr::V6(net) = prefix.address else { return prefix.address };
    let (net, own) = (u128::from(net), u128::from(ndp::link_local(mac)));
    let low = u128::from(u64::MAX);
    IpAddr::V6(Ipv6Addr::from(net & !low | own & low))
}
