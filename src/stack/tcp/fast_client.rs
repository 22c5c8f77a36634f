//! Fast open (RFC 7413) as a client.
//!
//! The first connection to a host asks for a cookie; later ones show it, with data. A SYN that is
//! lost is repeated without either, and what the peer did not take is sent again when the handshake
//! is done. A way on which such SYNs are lost again and again is not tried for a while
//! (RFC 7413 7.1, as Linux's `tcp_metrics` did).
use super::Tcp;
use super::api::{FastOpenBits, State, TcpOptions};
use super::conn::{Conn, Cx, Segment};
use super::counters::Count;
use super::table::Keyed;
use crate::base::limits::FAST_OPEN_COOKIES;
use crate::base::{Instant, addr::IpAddr, time::Duration};
use crate::wire::tcp::{Cookie, HEADER_LEN, HEADER_LEN_MAX};
use std::collections::{HashMap, VecDeque};

/// RFC 7413 4.1.3: MSS if none is remembered, bytes.
const MSS_DEFAULT: u16 = 536;
/// Losses in a row from which on a way is avoided, and for how long at first; it doubles.
const LOSSES_ALLOWED: u8 = 1;
const AVOIDED: Duration = Duration::from_secs(60);
/// Doublings of it: about five days.
const DOUBLINGS_MAX: u8 = 13;

/// What a handshake told of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// It gave a cookie, and this is its MSS.
    Given(Cookie, u16),
    /// The SYN with the option was lost, the one without got through.
    Lost(Instant),
    /// It went well.
    Taken,
}

#[derive(Debug, Default)]
struct Known {
    cookie: Option<Cookie>,
    mss: u16,
    losses: u8,
    lost_at: Instant,
}

/// What is known of hosts, as a client (RFC 7413 4.1.3).
#[derive(Debug)]
pub(super) struct Hosts {
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

    pub fn learn(&mut self, host: IpAddr, news: News) {
        match news {
            News::Given(cookie, mss) => {
                let known = self.entry(host);
                (known.cookie, known.mss, known.losses) = (Some(cookie), mss, 0);
            }
            News::Lost(at) => {
                let known = self.entry(host);
                known.losses = known.losses.saturating_add(1);
                known.lost_at = at;
            }
            News::Taken => {
                if let Some(known) = self.map.get_mut(&host) {
                    known.losses = 0;
                }
            }
        }
    }

    fn is_avoided(&self, host: IpAddr, now: Instant) -> bool {
        self.map.get(&host).is_some_and(|known| {
            let over = known.losses.saturating_sub(LOSSES_ALLOWED);
            over > 0 && now.since(known.lost_at) < AVOIDED * (1 << over.min(DOUBLINGS_MAX))
        })
    }
}

impl Tcp {
    /// What a client's SYN to that host may show and carry.
    pub(super) fn fast_open_of(
        &self,
        now: Instant,
        host: IpAddr,
        options: &TcpOptions,
    ) -> Option<(Option<Cookie>, u16)> {
        let bits = self.config.fast_open;
        if !bits.has(FastOpenBits::CLIENT) || self.hosts.is_avoided(host, now) {
            return None;
        }
        let known = self.hosts.map.get(&host);
        let mss = known.map(|known| known.mss).filter(|mss| *mss > 0).unwrap_or(MSS_DEFAULT);
        if options.fast_open_no_cookie || bits.has(FastOpenBits::CLIENT_WITHOUT_COOKIE) {
            return Some((None, mss));
        }
        let cookie = known.and_then(|known| known.cookie).unwrap_or(Cookie::REQUEST);
        Some((Some(cookie), mss))
    }

    /// How many bytes a SYN to `host` could carry now; 0: none, there is no cookie yet.
    pub fn fast_open_room(
        &self,
        now: Instant,
        host: IpAddr,
        mtu: u16,
        options: &TcpOptions,
    ) -> usize {
        match self.fast_open_of(now, host, options) {
            Some((cookie, mss)) if cookie.is_none_or(|cookie| !cookie.is_request()) => {
                room(host, mtu, mss) as usize
            }
            _ => 0,
        }
    }

    /// Data to go with the SYN of a connection that was just opened, as far as there is a cookie;
    /// the rest after the handshake. How much was taken.
    pub fn preload(&mut self, now: Instant, id: crate::stack::ConnId, data: &[u8]) -> usize {
        let load = |conn: &mut Conn, _: &mut Cx<'_>| {
            let fresh = conn.state == State::SynSent && conn.tx.nxt == conn.tx.iss;
            let room = conn.tx.limit.saturating_sub(conn.tx.ring.len());
            let taken = if fresh { data.len().min(room) } else { 0 };
            conn.tx.ring.write(&data[..taken]);
            taken
        };
        self.with(now, id, load).unwrap_or(0)
    }
}

/// Bytes of data that fit a SYN with all options (Linux leaves room for 40).
fn room(host: IpAddr, mtu: u16, mss: u16) -> u32 {
    let headers = if host.is_ipv4() { 40 } else { 60 };
    let options = (HEADER_LEN_MAX - HEADER_LEN) as u16;
    u32::from(mtu.saturating_sub(headers).min(mss).saturating_sub(options))
}

impl Conn {
    /// An active open that may use fast open.
    pub fn ask_fast_open(&mut self, (cookie, mss): (Option<Cookie>, u16)) {
        self.fast.set_option(cookie);
        if cookie.is_none_or(|cookie| !cookie.is_request()) {
            self.fast.room = room(self.tuple.remote.ip(), self.path.mtu, mss);
        }
    }

    /// Our SYN is answered: what it carried was taken, or goes again.
    pub fn syn_answered(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        if self.fast.syn_data > 0 {
            self.fast.taken = segment.ack.after(self.tx.iss + 1);
            if !self.fast.taken {
                // RFC 7413 4.2.1: the data as new, with what the SYN-ACK told.
                cx.counters.add(Count::FastOpenRefused);
                self.stats.total_retrans = self.stats.total_retrans.wrapping_add(1);
            }
            self.tx.nxt = segment.ack;
            self.tx.small_end = segment.ack;
        }
        let given = segment.options.fast_open.filter(|cookie| !cookie.is_request());
        let mss = segment.options.mss.unwrap_or(MSS_DEFAULT);
        let news = match given {
            Some(cookie) => Some(News::Given(cookie, mss)),
            None if self.fast.lost && !self.fast.taken => Some(News::Lost(cx.now)),
            None if self.fast.taken => Some(News::Taken),
            None => None,
        };
        if news.is_some() {
            self.fast.rest().news = news;
        }
    }

    /// Data that goes with the SYN that is about to leave.
    pub fn syn_data_now(&mut self, cx: &mut Cx<'_>) -> u32 {
        if self.state != State::SynSent || self.fast.lost {
            return 0;
        }
        let len = (self.tx.ring.len() as u32).min(self.fast.room);
        if len > 0 {
            cx.counters.add(Count::FastOpenData);
            self.stats.bytes_sent += u64::from(len);
        }
        self.fast.syn_data = len;
        len
    }

    /// Our SYN was not answered in time: it goes again without data and option.
    pub fn syn_lost(&mut self) {
        if self.state == State::SynSent && (self.fast.option().is_some() || self.fast.syn_data > 0)
        {
            self.fast.lost = true;
        }
    }
}
