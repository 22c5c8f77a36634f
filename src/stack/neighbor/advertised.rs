//! What an interface has from routers: default routers, on-link prefixes, addresses made of
//! prefixes, name servers. All of it has a lifetime and a limit.
use crate::base::addr::{IpAddr, Ipv6Addr};
use crate::base::limits::ADVERTISED;
use crate::base::time::Duration;
use crate::base::{Cidr, Instant};
use crate::stack::api::*;
use crate::wire::router::{Advertisement, Preference, Prefix};

/// Metric of an advertised default route of medium preference (Linux `IP6_RT_PRIO_USER`).
const METRIC: u32 = 1024;

/// A router that does not answer comes behind all that do (RFC 4861 6.3.6).
const SILENT: u32 = 1 << 16;

/// A default router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Router {
    pub(super) ip: Ipv6Addr,
    pub(super) preference: Preference,
    pub(super) until: Instant,
    /// It did not answer when it was last asked.
    pub(super) silent: bool,
}

/// An address made of a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Made {
    pub(super) ip: IpAddr,
    pub(super) valid: Instant,
    pub(super) preferred: Instant,
    /// `preferred` is over.
    pub(super) deprecated: bool,
}

/// What an interface has from routers.
#[derive(Debug)]
pub(in crate::stack) struct Autoconf {
    pub(super) routers: Vec<Router>,
    /// On-link prefixes, until when.
    pub(super) prefixes: Vec<(Cidr, Instant)>,
    pub(super) made: Vec<Made>,
    pub(super) servers: Vec<(Ipv6Addr, Instant)>,
    /// The routes that all this makes.
    pub(super) routes: Vec<Route>,
    /// Hop limit of what we send.
    pub hop_limit: u8,
    /// MTU of IPv6 packets, if less than the link's.
    pub mtu: Option<u16>,
    /// When the next solicitation is due, and the pause behind it.
    pub(super) solicit: Option<(Instant, Duration)>,
    /// An advertisement has come.
    pub heard: bool,
    /// Addresses that others had already.
    pub duplicates: Vec<IpAddr>,
}

impl Default for Autoconf {
    fn default() -> Autoconf {
        Autoconf {
            routers: Vec::new(),
            prefixes: Vec::new(),
            made: Vec::new(),
            servers: Vec::new(),
            routes: Vec::new(),
            hop_limit: 64,
            mtu: None,
            solicit: None,
            heard: false,
            duplicates: Vec::new(),
        }
    }
}

impl Autoconf {
    /// When something ends, or a solicitation is due.
    pub fn deadline(&self) -> Option<Instant> {
        let all = self.routers.iter().map(|r| r.until);
        let all = all.chain(self.prefixes.iter().map(|(_, until)| *until));
        let end = |made: &Made| if made.deprecated { made.valid } else { made.preferred };
        let all = all.chain(self.made.iter().map(|made| end(made).min(made.valid)));
        let all = all.chain(self.servers.iter().map(|(_, until)| *until));
        let all = all.chain(self.solicit.map(|(at, _)| at));
        all.filter(|at| *at != Instant::FAR_FUTURE).min()
    }
    /// Whether an address should not be used for new conversations any more (RFC 4862 5.5.4).
    pub fn is_deprecated(&self, ip: IpAddr) -> bool {
        self.made.iter().any(|made| made.ip == ip && made.deprecated)
    }
}

/// So many seconds from now; all ones are for ever (RFC 4861 4.6.2).
pub(super) fn until(now: Instant, seconds: u32) -> Instant {
    match seconds {
        u32::MAX => Instant::FAR_FUTURE,
        seconds => now + Duration::from_secs(u64::from(seconds)),
    }
}

impl Autoconf {
    pub(super) fn default_router(&mut self, now: Instant, ip: Ipv6Addr, got: &Advertisement<'_>) {
        let lifetime = u32::from(got.lifetime_s);
        let known = self.routers.iter().position(|router| router.ip == ip);
        match (known, lifetime) {
            (Some(at), 0) => drop(self.routers.remove(at)),
            (Some(at), _) => {
                if let Some(router) = self.routers.get_mut(at) {
                    router.until = until(now, lifetime);
                    router.preference = got.preference;
                }
            }
            (None, 0) => {}
            (None, _) if self.routers.len() < ADVERTISED => {
                let (until, preference) = (until(now, lifetime), got.preference);
                self.routers.push(Router { ip, preference, until, silent: false });
            }
            (None, _) => {}
        }
    }
    pub(super) fn on_link(&mut self, now: Instant, prefix: &Prefix) {
        let bits = prefix.prefix;
        let same = |c: &Cidr| c.prefix_len == bits.prefix_len && c.contains(bits.address);
        let known = self.prefixes.iter().position(|(c, _)| same(c));
        match (known, prefix.valid_s) {
            (Some(at), 0) => drop(self.prefixes.remove(at)),
            (Some(at), seconds) => {
                if let Some(entry) = self.prefixes.get_mut(at) {
                    entry.1 = until(now, seconds);
                }
            }
            (None, 1..) if self.prefixes.len() < ADVERTISED => {
                self.prefixes.push((bits, until(now, prefix.valid_s)));
            }
            (None, _) => {}
        }
    }
    pub(super) fn name_server(&mut self, until: Instant, ip: Ipv6Addr, seconds: u32) {
        self.servers.retain(|(known, _)| *known != ip);
        if seconds > 0 && self.servers.len() < ADVERTISED {
            self.servers.push((ip, until));
        }
    }
    pub(super) fn wanted_routes(&self, interface: IfIndex) -> Vec<Route> {
        let any = Cidr { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix_len: 0 };
        let defaults = self.routers.iter().map(|router| {
            // RFC 4191 3.1: the preferred ones first.
            let liked = match router.preference {
                Preference::High => METRIC - 1,
                Preference::Medium => METRIC,
                Preference::Low => METRIC + 1,
            };
            let metric = if router.silent { liked + SILENT } else { liked };
            Route { prefix: any, via: Some(router.ip.into()), interface, metric }
        });
        let near = self.prefixes.iter();
        let near =
            near.map(|(prefix, _)| Route { prefix: *prefix, via: None, interface, metric: 256 });
        defaults.chain(near).collect()
    }
}
