//! What a client knows of the hosts that it has opened connections to: their cookies, and whether
//! SYNs with data are lost on the way (RFC 7413 4.1.3, 7.1, as Linux's `tcp_metrics` did).
use crate::base::Instant;
use crate::base::addr::IpAddr;
use crate::base::limits::FAST_OPEN_COOKIES;
use crate::base::time::Duration;
use crate::stack::tcp::words::Keyed;
use crate::wire::tcp::{Cookie, HEADER_LEN, HEADER_LEN_MAX};
use std::collections::{HashMap, VecDeque};

/// Losses in a row from which on a way is avoided, and for how long at first; it doubles.
const LOSSES_ALLOWED: u8 = 1;

const AVOIDED: Duration = Duration::from_secs(60);

/// Doublings of it: about five days.
const DOUBLINGS_MAX: u8 = 13;

/// Why data did not go with a SYN, or was not taken: what `tcpi_fastopen_client_fail` shows, with
/// Linux's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub(crate) enum Failure {
    /// It worked, or was not tried.
    #[default]
    None = 0,
    NoCookie = 1,
    NotTaken = 2,
    SynAgain = 3,
}

/// What a handshake in which fast open was tried told of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HostNews {
    /// It gave this cookie.
    pub cookie: Option<Cookie>,
    /// Its MSS.
    pub mss: u16,
    /// The SYN with the option was lost, the one without got through.
    pub lost: Option<Instant>,
    /// It did not know the option in this form.
    pub unknown: Option<Form>,
}

/// The two forms of the option: RFC 7413's, and the experimental one of before (RFC 6994, kind 254)
/// that some servers still know alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Form {
    Standard,
    Experimental,
}

#[derive(Debug, Default)]
struct Known {
    cookie: Option<Cookie>,
    mss: u16,
    /// The last form of which it knew nothing: once the experimental one was tried as well, it is
    /// RFC 7413's again for ever (Linux `try_exp`).
    unknown: Option<Form>,
    losses: u8,
    lost_at: Instant,
}

impl Known {
    /// What a SYN is to show.
    fn shown(&self) -> Cookie {
        match (self.cookie, self.unknown) {
            (Some(cookie), _) => cookie,
            (None, Some(Form::Standard)) => Cookie::REQUEST.as_experimental(),
            (None, _) => Cookie::REQUEST,
        }
    }
}

/// What is known of hosts, as a client (RFC 7413 4.1.3).
#[derive(Debug)]
pub(crate) struct Hosts {
    map: HashMap<IpAddr, Known, Keyed>,
    /// In the order in which they became known.
    order: VecDeque<IpAddr>,
}

impl Hosts {
    pub fn new(keyed: Keyed) -> Hosts {
        Hosts { map: HashMap::with_hasher(keyed), order: VecDeque::new() }
    }

    fn entry(&mut self, host: IpAddr) -> &mut Known {
        if !self.map.contains_key(&host) {
            if self.order.len() >= FAST_OPEN_COOKIES {
                if let Some(oldest) = self.order.pop_front() {
                    self.map.remove(&oldest);
                }
            }
            self.order.push_back(host);
        }
        self.map.entry(host).or_default()
    }

    /// Linux `tcp_fastopen_cache_set`.
    pub fn learn(&mut self, host: IpAddr, news: HostNews) {
        let known = self.entry(host);
        known.mss = news.mss;
        if news.cookie.is_some() {
            known.cookie = news.cookie;
        } else if known.cookie.is_none() {
            known.unknown = known.unknown.max(news.unknown);
        }
        match news.lost {
            Some(at) => {
                known.losses = known.losses.saturating_add(1);
                known.lost_at = at;
            }
            None => known.losses = 0,
        }
    }

    /// What a SYN to `host` shows, and the host's MSS if it is known.
    pub fn known(&self, host: IpAddr) -> (Cookie, Option<u16>) {
        let known = self.map.get(&host);
        let mss = known.map(|known| known.mss).filter(|mss| *mss > 0);
        (known.map_or(Cookie::REQUEST, Known::shown), mss)
    }

    /// SYNs with fast open were lost again and again on the way to `host` (RFC 7413 7.1).
    pub fn is_avoided(&self, host: IpAddr, now: Instant) -> bool {
        self.map.get(&host).is_some_and(|known| {
            let over = known.losses.saturating_sub(LOSSES_ALLOWED);
            over > 0 && now.since(known.lost_at) < AVOIDED * (1 << over.min(DOUBLINGS_MAX))
        })
    }
}

/// What a SYN may show and carry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub option: Option<Cookie>,
    /// The host's MSS if it is known; else data may fill a packet, as on Linux (RFC 7413 4.1.3
    /// would have 536 bytes).
    pub mss: Option<u16>,
}

impl Offer {
    pub fn takes_data(&self) -> bool {
        self.option.is_none_or(|cookie| !cookie.is_request())
    }

    /// Bytes of data that fit, if ours are segments of `mss` bytes: Linux leaves room for all
    /// options that could be.
    pub fn room(&self, mss: u32) -> u32 {
        let options = (HEADER_LEN_MAX - HEADER_LEN) as u32;
        let mss = self.mss.map_or(mss, |known| mss.min(known.into()));
        if self.takes_data() { mss.saturating_sub(options) } else { 0 }
    }
}
