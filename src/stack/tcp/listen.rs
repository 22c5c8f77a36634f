//! Listeners, and SEGMENT ARRIVES in LISTEN (RFC 9293 3.10.7.2).
//!
//! What happens to a SYN depends on three limits, as on Linux:
//!
//! | full | SYN | ACK of our SYN-ACK |
//! |---|---|---|
//! | the program's queue of accepted connections | dropped | ignored, the SYN-ACK is repeated; reset with `abort_on_overflow` |
//! | the listener's SYN queue | answered with a SYN cookie; dropped if those are off | a good cookie opens |
//! | SYN-ACKs on their way out | dropped | |
use super::api::{SegmentMeta, SynCookies, TcpConfig, TcpOptions};
use super::conn::Segment;
use super::counters::Count;
use super::seq::Seq;
use super::syn_queue::Request;
use super::table::Keyed;
use super::{Tcp, cookie, fast_open};
use crate::base::{FourTuple, Instant, addr::*, time::Duration};
use crate::wire::tcp::Flags;
use std::collections::{HashMap, VecDeque};

/// Fewest half-open connections that a listener may have: a backlog is about accepted ones, and
/// several clients that connect at once must not lose their options to a SYN cookie.
const SYN_QUEUE_MIN: usize = 128;

/// How long one that was reset before its handshake counts as one that waits for it.
const FAST_OPEN_RESET: Duration = Duration::from_secs(60);

/// Which listener: its address, and whether an IPv6 wildcard takes IPv4 as well.
pub(super) type ListenerKey = (SocketAddr, bool);

/// A listener.
#[derive(Debug)]
pub(super) struct Listener {
    /// Most half-open connections.
    pub limit: usize,
    /// Half-open connections, and how many of them have not had a timeout.
    pub half_open: usize,
    pub young: usize,
    /// What its connections begin with.
    pub options: TcpOptions,
    /// Until then the program's queue of accepted connections is taken to be full.
    pub full_until: Instant,
    /// When a SYN cookie was last given.
    pub cookie_at: Option<Instant>,
    /// Connections opened by fast open whose handshake is not done, and those of
    /// `fast_open_resets`.
    pub fast_open: usize,
    /// Until when those count that were reset before their handshake was done, the first first.
    fast_open_resets: VecDeque<Instant>,
    /// It is among those for whom a SYN is about to be answered.
    called: bool,
}

/// All listeners.
#[derive(Debug)]
pub(super) struct Listeners {
    map: HashMap<ListenerKey, Listener, Keyed>,
    /// Those for whom a SYN is about to be answered, each once.
    called: Vec<ListenerKey>,
}

impl Listeners {
    pub fn new(keyed: Keyed) -> Listeners {
        Listeners { map: HashMap::with_hasher(keyed), called: Vec::new() }
    }

    pub fn insert(&mut self, key: ListenerKey, backlog: usize, config: &TcpConfig) {
        let limit = backlog.max(SYN_QUEUE_MIN).min(config.syn_queue).max(1);
        let listener = self.map.entry(key).or_insert(Listener {
            limit,
            half_open: 0,
            young: 0,
            options: TcpOptions::default(),
            full_until: Instant::ZERO,
            cookie_at: None,
            fast_open: 0,
            fast_open_resets: VecDeque::new(),
            called: false,
        });
        listener.limit = limit;
    }

    pub fn remove(&mut self, key: &ListenerKey) -> bool {
        self.map.remove(key).is_some()
    }

    pub fn keys(&self) -> impl Iterator<Item = ListenerKey> {
        self.map.keys().copied()
    }

    pub fn get(&self, key: &ListenerKey) -> Option<&Listener> {
        self.map.get(key)
    }

    pub fn get_mut(&mut self, key: &ListenerKey) -> Option<&mut Listener> {
        self.map.get_mut(key)
    }

    /// A connection that fast open had begun has done its handshake, or has ended: until then it
    /// counts all the same if its peer has `reset` it. RFC 7413 5.1: hosts that were named as
    /// senders of SYNs and know nothing of them must not make room for more (Linux
    /// `reqsk_fastopen_remove`).
    pub fn fast_open_done(&mut self, key: &ListenerKey, reset: Option<Instant>) {
        let Some(listener) = self.map.get_mut(key) else { return };
        match reset {
            Some(at) => listener.fast_open_resets.push_back(at + FAST_OPEN_RESET),
            None => listener.fast_open = listener.fast_open.saturating_sub(1),
        }
    }

    /// A SYN is about to be answered for this one.
    pub fn call(&mut self, key: ListenerKey) {
        if let Some(listener) = self.map.get_mut(&key)
            && !listener.called
        {
            listener.called = true;
            self.called.push(key);
        }
    }

    /// Who was called since this was last asked; each once.
    pub fn next_called(&mut self) -> Option<ListenerKey> {
        let key = self.called.pop()?;
        if let Some(listener) = self.map.get_mut(&key) {
            listener.called = false;
        }
        Some(key)
    }

    /// Who listens there: the specific address before the wildcard, IPv6's dual wildcard last.
    pub fn find(&self, local: SocketAddr) -> Option<ListenerKey> {
        let port = local.port();
        let any4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        let any6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
        let mapped = match local.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mapped = SocketAddr::new(IpAddr::V6(mapped), port);
        let specific = [(local, false), (local, true), (mapped, false), (mapped, true)];
        let wildcard = if local.is_ipv4() {
            [(any4, false), (any6, true)]
        } else {
            [(any6, false), (any6, true)]
        };
        let mut candidates = specific.into_iter().chain(wildcard);
        candidates.find(|key| self.map.contains_key(key))
    }
}

impl Listener {
    /// Whether so many connections wait for their handshake that fast open must not begin another.
    /// Room is made by one that was reset long ago.
    pub fn has_fast_open_room(&mut self, now: Instant) -> bool {
        let most = match usize::from(self.options.fast_open_queue) {
            0 => self.limit,
            most => most.min(self.limit),
        };
        if self.fast_open >= most && self.fast_open_resets.front().is_some_and(|at| *at <= now) {
            self.fast_open_resets.pop_front();
            self.fast_open -= 1;
        }
        self.fast_open < most
    }

    /// Counts a request that is no longer half-open.
    pub fn leave(&mut self, request: &Request) {
        self.half_open = self.half_open.saturating_sub(1);
        if request.timeouts == 0 {
            self.young = self.young.saturating_sub(1);
        }
    }
}

/// A segment and where it belongs.
pub(super) struct Arrival<'a> {
    pub now: Instant,
    pub meta: &'a SegmentMeta,
    pub tuple: FourTuple,
    pub segment: &'a Segment<'a>,
}

impl Tcp {
    /// RFC 9293 3.10.7.2. `after`: the earliest initial sequence number that is allowed (a
    /// connection in TIME-WAIT made way).
    pub(super) fn listen_arrives(
        &mut self,
        arrival: &Arrival<'_>,
        key: ListenerKey,
        after: Option<Seq>,
    ) {
        let segment = arrival.segment;
        // First: a RST is ignored. Second: an ACK is refused, unless it brings a cookie back.
        // Third: the SYN.
        if segment.has(Flags::RST) {
            return self.counters.add(Count::ListenNotSyn);
        }
        if segment.has(Flags::ACK) {
            if !self.cookie_arrives(arrival, key) {
                self.counters.add(Count::ListenNotSyn);
                self.refuse(arrival.tuple, segment);
            }
            return;
        }
        if !segment.has(Flags::SYN) || segment.has(Flags::FIN) {
            return self.counters.add(Count::ListenNotSyn);
        }
        self.syn_arrives(arrival, key, after);
    }

    fn syn_arrives(&mut self, arrival: &Arrival<'_>, key: ListenerKey, after: Option<Seq>) {
        let Arrival { now, meta, tuple, segment } = *arrival;
        let Some(listener) = self.listeners.get(&key) else { return };
        if now < listener.full_until {
            return self.counters.add(Count::AcceptQueueFull);
        }
        // A connection that makes way for this one has shown that the peer is real.
        let full =
            after.is_none() && (listener.half_open >= listener.limit || self.syn_queue.is_full());
        if !full {
            // Nobody looks for him in a flood: it is a system call for the engine.
            self.listeners.call(key);
        }
        let cookies = self.config.syn_cookies;
        if cookies == SynCookies::Always && after.is_none() || full {
            if cookies == SynCookies::Off {
                return self.counters.add(Count::SynQueueFull);
            }
            return self.give_cookie(arrival, key);
        }
        let mut iss = self.initial_sequence(&tuple, now);
        if let Some(after) = after.filter(|after| iss.before(*after)) {
            iss = after;
        }
        let mut request = Request::new(tuple, key, meta.path, segment, iss, now);
        match self.judge_fast_open(arrival, key) {
            fast_open::Judgment::Open(cookie) => {
                request.fast_open = cookie;
                return self.open_fast(arrival, &request);
            }
            fast_open::Judgment::Offer(cookie) => request.fast_open = Some(cookie),
            fast_open::Judgment::Plain => {}
        }
        if !self.syn_queue.answer(request.clone()) {
            return self.counters.add(Count::RepliesFull);
        }
        if let Some(listener) = self.listeners.get_mut(&key) {
            listener.half_open += 1;
            listener.young += 1;
        }
        self.syn_queue.insert(request, now + super::half_open::FIRST_TIMEOUT);
    }

    /// RFC 4987 3.6: answers without keeping anything.
    fn give_cookie(&mut self, arrival: &Arrival<'_>, key: ListenerKey) {
        let Arrival { now, meta, tuple, segment } = *arrival;
        let mss = segment.options.mss.unwrap_or(0);
        let iss = cookie::make(&self.secret, &tuple, segment.seq, mss, now);
        let mut request = Request::new(tuple, key, meta.path, segment, iss, now);
        if request.stamp.is_some() && self.config.timestamps {
            let value = (now.as_millis() as u32).wrapping_add(self.stamp_offset(&tuple));
            request.stamped = Some(cookie::stamp(value, &request.syn()));
        } else {
            // Nothing can be brought back but the MSS.
            (request.shift, request.sack, request.flags) = (None, false, Flags::SYN);
        }
        if !self.syn_queue.answer(request) {
            return self.counters.add(Count::RepliesFull);
        }
        self.counters.add(Count::CookiesSent);
        if let Some(listener) = self.listeners.get_mut(&key) {
            listener.cookie_at = Some(now);
        }
    }

    /// An ACK that nothing is known of may bring a cookie back. False: it does not.
    fn cookie_arrives(&mut self, arrival: &Arrival<'_>, key: ListenerKey) -> bool {
        let Arrival { now, meta, tuple, segment } = *arrival;
        let given = self.listeners.get(&key).and_then(|listener| listener.cookie_at);
        let expected = given.is_some_and(|at| now.since(at) < cookie::VALID);
        if self.config.syn_cookies == SynCookies::Off || !expected || segment.has(Flags::SYN) {
            return false;
        }
        let (irs, iss) = (segment.seq - 1, segment.ack - 1);
        let Some(mss) = cookie::open(&self.secret, &tuple, irs, iss, now) else {
            self.counters.add(Count::CookiesBad);
            return false;
        };
        self.counters.add(Count::CookiesGood);
        let stamps = segment.options.timestamps.filter(|_| self.config.timestamps);
        let (flags, options) = cookie::unstamp(mss, stamps);
        let syn = super::syn_queue::syn(irs, flags, segment.window, options);
        let mut request = Request::new(tuple, key, meta.path, &syn, iss, now);
        // Nothing was timed, and it may have been sent more than once.
        request.timeouts = 1;
        if self.is_let_in(now, &request, segment) {
            self.open_request(now, &request, segment);
        }
        true
    }

    /// The program's queue of accepted connections is full until then, as far as is known: SYNs to
    /// `local` are dropped and handshakes not finished.
    pub fn accept_queue_is_full(&mut self, local: SocketAddr, until: Instant) {
        let key = self.listeners.find(super::plain(local));
        if let Some(listener) = key.and_then(|key| self.listeners.get_mut(&key)) {
            listener.full_until = until;
        }
    }

    /// Whether a full queue of accepted connections resets (Linux `tcp_abort_on_overflow`).
    pub fn aborts_on_overflow(&self) -> bool {
        self.config.abort_on_overflow
    }
}
