//! Listeners, and SEGMENT ARRIVES in LISTEN (RFC 9293 3.10.7.2).
//!
//! What happens to a SYN depends on three limits, as on Linux:
//!
//! | full | SYN | ACK of our SYN-ACK |
//! |---|---|---|
//! | the program's queue of accepted connections | dropped | ignored, the SYN-ACK is repeated; reset with `abort_on_overflow` |
//! | the listener's SYN queue | answered with a SYN cookie; dropped if those are off | a good cookie opens |
//! | SYN-ACKs on their way out | dropped | |
use super::arrival::Arrival;
use super::fast_open;
use super::tcp::{Tcp, plain};
use crate::base::Instant;
use crate::base::addr::*;
use crate::stack::tcp::SynCookies;
use crate::stack::tcp::open::{FIRST_TIMEOUT, ListenerKey, Request, cookie, syn};
use crate::stack::tcp::words::{Count, Seq};
use crate::wire::tcp::Flags;

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
        if listener.has_no_room(now) {
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
        self.syn_queue.insert(request, now + FIRST_TIMEOUT);
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
        let syn = syn(irs, flags, segment.window, options);
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
        let key = self.listeners.find(plain(local));
        if let Some(listener) = key.and_then(|key| self.listeners.get_mut(&key)) {
            listener.accept_queue_is_full(until);
        }
    }

    /// Whether a full queue of accepted connections resets (Linux `tcp_abort_on_overflow`).
    pub fn aborts_on_overflow(&self) -> bool {
        self.config.abort_on_overflow
    }
}
