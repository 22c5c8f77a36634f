//! Addresses before and after they are in use: duplicate address detection (RFC 4862 5.4, with the
//! nonce of RFC 7527), and for IPv4 the same in the form of RFC 5227.
//!
//! A *tentative* address is not ours yet: packets to it are dropped, nothing is sent from it,
//! source selection does not see it. It is asked for; whoever has it, or asks for it too, ends it.
use super::tentative::Tentative;
use crate::base::addr::{IpAddr, Ipv6Addr};
use crate::base::time::Duration;
use crate::base::{Cidr, Instant};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::route::is_link_local;

/// RFC 4861 10: MAX_RTR_SOLICITATION_DELAY, the longest delay of the first message (RFC 4862
/// 5.4.2).
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// RFC 4862 5.1: DupAddrDetectTransmits, and RETRANS_TIMER between.
const PROBES_V6: u8 = 1;
const WAIT_V6: Duration = Duration::from_secs(1);
/// RFC 5227 2.1.1 has 3 probes at 1 to 2 s and 2 s more, far longer than DHCP clients wait: we ask
/// twice, half a second apart.
const PROBES_V4: u8 = 2;
const WAIT_V4: Duration = Duration::from_millis(500);
/// RFC 5227 1.1: DEFEND_INTERVAL.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

impl Stack {
    /// Takes an address for an interface: at once, or after nobody else was found to have it. Its
    /// prefix is on the link from now on.
    pub fn add_address(&mut self, now: Instant, interface: IfIndex, address: Cidr) {
        self.now = self.now.max(now);
        self.add_prefix_route(interface, address);
        self.begin_address(now, interface, address, address.address.is_ipv6());
    }
    /// The same without the route of its prefix. `test`: ask first, if the interface does that.
    pub(in crate::stack) fn begin_address(
        &mut self,
        now: Instant,
        interface: IfIndex,
        address: Cidr,
        test: bool,
    ) {
        let Some(on) = self.interfaces.get_mut(usize::from(interface.0)) else { return };
        let known = |c: &Cidr| c.address == address.address;
        if on.config.addresses.iter().any(known) || on.tentative.iter().any(|t| known(&t.address)) {
            return;
        }
        if !test || !on.settings.dad || on.config.medium != Medium::Ethernet {
            return self.assign(now, interface, address);
        }
        // RFC 4862 5.4.2: the first message of an interface waits a random while, so that hosts
        // which start together do not speak together.
        let delay = Duration::from_nanos(self.rng.below(FIRST_DELAY.as_nanos() as u64));
        let [n0, n1, n2, n3, n4, n5, ..] = self.rng.u64().to_ne_bytes();
        let nonce = [n0, n1, n2, n3, n4, n5];
        let at = if address.address.is_ipv6() { now + delay } else { now };
        on.tentative.push(Tentative { address, sent: 0, at, nonce });
        self.group_changed(now, interface, address.address, true);
    }
    /// Gives up an address, tentative or in use, with the route of its prefix if no other address
    /// needs it.
    pub fn remove_address(&mut self, now: Instant, interface: IfIndex, ip: IpAddr) {
        let Some(on) = self.interface_mut(interface) else { return };
        let before = on.config.addresses.len() + on.tentative.len();
        let gone: Vec<Cidr> = on
            .config
            .addresses
            .iter()
            .copied()
            .chain(on.tentative.iter().map(|t| t.address))
            .filter(|c| c.address == ip)
            .collect();
        on.config.addresses.retain(|c| c.address != ip);
        on.tentative.retain(|t| t.address.address != ip);
        if before == on.config.addresses.len() + on.tentative.len() {
            return;
        }
        let left: Vec<Cidr> = on.config.addresses.clone();
        for cidr in gone {
            let same = |c: &Cidr| c.prefix_len == cidr.prefix_len && c.contains(cidr.address);
            if !left.iter().any(same) {
                self.routes.remove(|r| {
                    r.interface == interface
                        && r.via.is_none()
                        && r.prefix.prefix_len == cidr.prefix_len
                        && r.prefix.contains(cidr.address)
                });
            }
        }
        self.group_changed(now, interface, ip, false);
        self.changes += 1;
    }
    pub(in crate::stack) fn add_prefix_route(&mut self, interface: IfIndex, prefix: Cidr) {
        let same = |r: &Route| {
            let this = (prefix.prefix_len, interface, None);
            (r.prefix.prefix_len, r.interface, r.via) == this && r.prefix.contains(prefix.address)
        };
        if !self.routes.iter().any(same) {
            self.routes.add(Route { prefix, via: None, interface, metric: 0 });
        }
    }
    /// An address is in use from now on: the link is told who has it.
    fn assign(&mut self, now: Instant, interface: IfIndex, address: Cidr) {
        let Some(on) = self.interface_mut(interface) else { return };
        on.config.addresses.push(address);
        let ethernet = on.config.medium == Medium::Ethernet;
        self.changes += 1;
        if !ethernet {
            return;
        }
        match address.address {
            IpAddr::V4(v4) => self.arp_announce(interface, v4), // RFC 5227 2.3.
            IpAddr::V6(v6) => {
                self.group_changed(now, interface, address.address, true);
                self.nd_announce(now, interface, v6);
                if is_link_local(v6) {
                    self.start_soliciting(now, interface);
                }
            }
        }
    }
    /// What is due for tentative addresses.
    pub(in crate::stack) fn tentative_timeout(&mut self, now: Instant, interface: IfIndex) {
        loop {
            let Some(on) = self.interface_mut(interface) else { return };
            let Some(at) = on.tentative.iter().position(|t| t.at <= now) else { return };
            let Some(tentative) = on.tentative.get_mut(at) else { return };
            let v6 = tentative.address.address.is_ipv6();
            let (probes, wait) = if v6 { (PROBES_V6, WAIT_V6) } else { (PROBES_V4, WAIT_V4) };
            if tentative.sent < probes {
                tentative.sent += 1;
                tentative.at = now + wait;
                let (ip, nonce) = (tentative.address.address, tentative.nonce);
                match ip {
                    IpAddr::V4(v4) => self.arp_probe(interface, v4),
                    IpAddr::V6(v6) => self.nd_probe(interface, v6, nonce),
                }
            } else {
                let address = on.tentative.remove(at).address;
                self.assign(now, interface, address);
            }
        }
    }
    /// Whether `ip` is tentative on this interface.
    pub(in crate::stack) fn is_tentative(&self, interface: IfIndex, ip: IpAddr) -> bool {
        let on = self.interface(interface);
        on.is_some_and(|on| on.tentative.iter().any(|t| t.address.address == ip))
    }
    /// Somebody asks for a tentative address too (`nonce`: with this number), or has it: it is
    /// given up, unless the question was our own.
    pub(in crate::stack) fn duplicate(
        &mut self,
        now: Instant,
        interface: IfIndex,
        ip: IpAddr,
        nonce: Option<[u8; 6]>,
    ) {
        let Some(on) = self.interface_mut(interface) else { return };
        let found = on.tentative.iter().find(|t| t.address.address == ip);
        // RFC 7527 4.2: a question that comes back to us is no other host's.
        if found.is_none_or(|t| nonce == Some(t.nonce)) {
            return;
        }
        self.counters.add(Count::DadFailed);
        if let Some(on) = self.interface_mut(interface) {
            if on.autoconf.duplicates.len() < crate::base::limits::ADVERTISED {
                on.autoconf.duplicates.push(ip);
            }
        }
        // RFC 4862 5.4.5: not assigned. (As Linux by default, IPv6 stays on with the others.)
        self.remove_address(now, interface, ip);
        self.dhcp_declines(now, interface, ip);
    }
    /// Somebody says that he has an address which is in use here (RFC 5227 2.4 b): says the same,
    /// once in a while. For IPv6 the host that came later does not get that far.
    pub(in crate::stack) fn defend(&mut self, now: Instant, interface: IfIndex, ip: IpAddr) {
        self.counters.add(Count::AddressConflict);
        let IpAddr::V4(v4) = ip else { return };
        if self.owner(ip) != Some(interface) {
            return;
        }
        let Some(on) = self.interface_mut(interface) else { return };
        if on.defended.is_none_or(|last| now.since(last) >= DEFEND_INTERVAL) {
            on.defended = Some(now);
            self.arp_announce(interface, v4);
        }
    }
    /// Whether every address has been tested that is not link-local.
    pub fn addresses_settled(&self) -> bool {
        let near = |ip: IpAddr| matches!(ip, IpAddr::V6(v6) if is_link_local(v6));
        let all = self.interfaces.iter().flat_map(|i| &i.tentative);
        all.into_iter().all(|t| near(t.address.address))
    }
    /// Addresses that were given up because somebody else has them.
    pub fn duplicates(&self) -> impl Iterator<Item = (IfIndex, IpAddr)> + '_ {
        let all = (0..).map(IfIndex).zip(&self.interfaces);
        all.flat_map(|(index, on)| on.autoconf.duplicates.iter().map(move |ip| (index, *ip)))
    }
    /// Addresses that are being tested.
    pub fn tentative(&self) -> impl Iterator<Item = (IfIndex, Cidr)> + '_ {
        let all = (0..).map(IfIndex).zip(&self.interfaces);
        all.flat_map(|(index, on)| on.tentative.iter().map(move |t| (index, t.address)))
    }
    /// Our link-local address on an interface.
    pub(in crate::stack) fn link_local_on(&self, interface: IfIndex) -> Option<Ipv6Addr> {
        self.interface(interface)?.config.addresses.iter().find_map(|cidr| match cidr.address {
            IpAddr::V6(v6) if is_link_local(v6) => Some(v6),
            _ => None,
        })
    }
}
