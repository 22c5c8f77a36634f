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
use super::recovery::Pending;
use super::seq::Seq;
use super::table::Keyed;
use crate::base::limits::FAST_OPEN_COOKIES;
use crate::base::{Instant, addr::IpAddr, time::Duration};
use crate::stack::ConnId;
use crate::wire::tcp::{Cookie, Flags, HEADER_LEN, HEADER_LEN_MAX};
use std::collections::{HashMap, VecDeque};

/// RFC 9293 3.7.1: the peer's MSS if its SYN-ACK does not say, bytes.
const MSS_DEFAULT: u16 = 536;
/// Losses in a row from which on a way is avoided, and for how long at first; it doubles.
const LOSSES_ALLOWED: u8 = 1;
const AVOIDED: Duration = Duration::from_secs(60);
/// Doublings of it: about five days.
const DOUBLINGS_MAX: u8 = 13;

/// Why data did not go with a SYN, or was not taken: what `tcpi_fastopen_client_fail` shows, with
/// Linux's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub(super) enum Failure {
    /// It worked, or was not tried.
    #[default]
    None = 0,
    NoCookie = 1,
    NotTaken = 2,
    SynAgain = 3,
}

/// What a handshake in which fast open was tried told of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct News {
    /// It gave this cookie.
    cookie: Option<Cookie>,
    /// Its MSS.
    mss: u16,
    /// The SYN with the option was lost, the one without got through.
    lost: Option<Instant>,
    /// It did not know the option in this form.
    unknown: Option<Form>,
}

/// The two forms of the option: RFC 7413's, and the experimental one of before (RFC 6994, kind 254)
/// that some servers still know alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Form {
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

    /// Linux `tcp_fastopen_cache_set`.
    pub fn learn(&mut self, host: IpAddr, news: News) {
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

    fn is_avoided(&self, host: IpAddr, now: Instant) -> bool {
        self.map.get(&host).is_some_and(|known| {
            let over = known.losses.saturating_sub(LOSSES_ALLOWED);
            over > 0 && now.since(known.lost_at) < AVOIDED * (1 << over.min(DOUBLINGS_MAX))
        })
    }
}

/// What a SYN may show and carry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    option: Option<Cookie>,
    /// The host's MSS if it is known; else data may fill a packet, as on Linux (RFC 7413 4.1.3
    /// would have 536 bytes).
    mss: Option<u16>,
}

impl Offer {
    fn takes_data(&self) -> bool {
        self.option.is_none_or(|cookie| !cookie.is_request())
    }

    /// Bytes of data that fit, if ours are segments of `mss` bytes: Linux leaves room for all
    /// options that could be.
    fn room(&self, mss: u32) -> u32 {
        let options = (HEADER_LEN_MAX - HEADER_LEN) as u32;
        let mss = self.mss.map_or(mss, |known| mss.min(known.into()));
        if self.takes_data() { mss.saturating_sub(options) } else { 0 }
    }
}

impl Tcp {
    /// Whether this net's programs may use fast open at all.
    pub fn offers_fast_open(&self) -> bool {
        self.config.fast_open.has(FastOpenBits::CLIENT)
    }

    /// What a client's SYN to that host may show and carry.
    pub(super) fn fast_open_of(
        &self,
        now: Instant,
        host: IpAddr,
        options: &TcpOptions,
    ) -> Option<Offer> {
        if !self.offers_fast_open() || self.hosts.is_avoided(host, now) {
            return None;
        }
        let known = self.hosts.map.get(&host);
        let mss = known.map(|known| known.mss).filter(|mss| *mss > 0);
        let bare = self.config.fast_open.has(FastOpenBits::CLIENT_WITHOUT_COOKIE);
        let option = if options.fast_open_no_cookie || bare {
            None
        } else {
            Some(known.map_or(Cookie::REQUEST, Known::shown))
        };
        Some(Offer { option, mss })
    }

    /// How many bytes a SYN to `host` could carry now; 0: none, there is no cookie yet.
    pub fn fast_open_room(
        &self,
        now: Instant,
        host: IpAddr,
        mtu: u16,
        options: &TcpOptions,
    ) -> usize {
        let headers = if host.is_ipv4() { 40 } else { 60 };
        let mss = match options.max_segment {
            0 => mtu.saturating_sub(headers),
            asked => mtu.saturating_sub(headers).min(asked),
        };
        self.fast_open_of(now, host, options).map_or(0, |offer| offer.room(mss.into()) as usize)
    }

    /// Data to go with the SYN of a connection that was just opened, as far as there is a cookie;
    /// the rest after the handshake. `more`: the program waits to write more. How much was taken.
    pub fn preload(&mut self, now: Instant, id: ConnId, data: &[u8], more: bool) -> usize {
        let load = |conn: &mut Conn, _: &mut Cx<'_>| {
            let fresh = conn.state == State::SynSent && conn.tx.nxt == conn.tx.iss;
            let room = conn.tx.limit.saturating_sub(conn.tx.ring.len());
            let taken = if fresh { data.len().min(room) } else { 0 };
            conn.tx.ring.write(&data[..taken]);
            conn.fast.more = more;
            taken
        };
        self.with(now, id, load).unwrap_or(0)
    }
}

impl Conn {
    /// An active open that may use fast open.
    pub fn ask_fast_open(&mut self, offer: Offer) {
        self.fast.set_option(offer.option);
        self.fast.room = offer.room(self.tx.mss);
        if !offer.takes_data() {
            self.fast.failure = Failure::NoCookie;
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

    /// Our SYN was not answered in time, or was too large: it goes again without data and option.
    pub fn syn_lost(&mut self) {
        if self.state == State::SynSent && self.fast.tried() {
            self.fast.lost = true;
        }
    }

    /// The end of the data that went with our SYN.
    pub fn syn_data_end(&self) -> Seq {
        self.tx.iss + 1 + self.fast.syn_data
    }

    /// What of that data is not acknowledged is a piece of the flight like others. It left with the
    /// SYN.
    pub fn syn_data_flies(&mut self, cx: &Cx<'_>, from: Seq) {
        let end = self.syn_data_end();
        let snapshot = self.rate.sent(cx.now, true, end.past(from));
        let mss = self.tx.mss - self.options_now(cx).wire_len() as u32;
        self.tx.nxt = end;
        self.flight.push(from, end, self.tx.last_sent, mss, snapshot);
        if from.before(end) {
            // Linux `tcp_send_syn_data`.
            self.flight.mark_tail(true, false);
        }
    }

    /// A SYN-ACK has made the connection: what it says of fast open (Linux
    /// `tcp_rcv_fastopen_synack`). The ACK is owed.
    pub fn syn_answered(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        let missing = segment.ack.before(self.syn_data_end());
        if self.fast.tried() {
            self.fast.rest().news = Some(self.news(cx, segment, missing));
        }
        self.rx.ack_now = true;
        if missing {
            return self.syn_data_missing(cx, segment.ack);
        }
        self.fast.taken = self.fast.syn_data > 0;
        if self.fast.tried() {
            self.take_syn_ack_data(cx, segment);
        }
        if self.fast.more || self.rx.delack.pingpong {
            self.hold_first_ack(cx);
        }
    }

    fn news(&self, cx: &Cx<'_>, segment: &Segment<'_>, missing: bool) -> News {
        let (shown, answer) = (self.fast.option(), segment.options.fast_open);
        let again = self.stats.total_retrans > 0;
        // An answer to no question is no cookie.
        let answer = answer.filter(|_| shown.is_some());
        let silent = answer.is_none() && self.fast.syn_data == 0 && !again;
        News {
            cookie: answer.filter(|cookie| !cookie.is_request()),
            mss: segment.options.mss.unwrap_or(MSS_DEFAULT),
            lost: (again && answer.is_none() && missing).then_some(cx.now),
            unknown: shown.filter(|_| silent).map(|shown| match shown.is_experimental() {
                false => Form::Standard,
                true => Form::Experimental,
            }),
        }
    }

    /// RFC 7413 4.2.1: data of the SYN that the SYN-ACK does not acknowledge is sent again at once.
    fn syn_data_missing(&mut self, cx: &mut Cx<'_>, from: Seq) {
        cx.counters.add(Count::FastOpenRefused);
        self.fast.failure = match self.stats.total_retrans {
            0 => Failure::NotTaken,
            _ => Failure::SynAgain,
        };
        self.syn_data_flies(cx, from);
        self.lose(cx, 0);
        self.repair_alone();
        self.set_retransmit(Pending::Rto, cx.now + self.rtt.rto(cx.config));
    }

    /// Data and FIN that came with the SYN-ACK. Like Linux, they are taken only where fast open was
    /// asked for; else they come again.
    fn take_syn_ack_data(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        let room = self.rx.edge.past(self.rx.nxt) as usize;
        let mut rest = Segment { seq: segment.seq + 1, ..*segment };
        if rest.payload.len() > room {
            rest.payload = &rest.payload[..room];
            rest.flags.0 &= !Flags::FIN.0;
        }
        self.keep_syn_data(rest.payload);
        self.take_fin(cx, &rest);
    }
}
