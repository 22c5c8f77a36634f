//! Fast open as a server (RFC 7413 4.2.2).
//!
//! A good cookie makes the connection at once: the program reads the data and may answer before the
//! handshake is done. How many such connections there may be is the listener's `TCP_FASTOPEN`;
//! beyond that, and with a bad cookie, the handshake is an ordinary one.
use super::arrival::Arrival;
use super::tcp::Tcp;
use crate::base::FourTuple;
use crate::base::addr::IpAddr;
use crate::base::rng::Secret;
use crate::stack::tcp::FastOpenBits;
use crate::stack::tcp::open::{ListenerKey, Request};
use crate::stack::tcp::words::Count;
use crate::wire::tcp::Cookie;

/// What is to be done about fast open with a SYN.
pub(crate) enum Judgment {
    /// The SYN-ACK brings a cookie.
    Offer(Cookie),
    /// The connection is there at once; the SYN-ACK brings a new cookie if the old one was made
    /// with a key that will soon be forgotten.
    Open(Option<Cookie>),
    /// Nothing.
    Plain,
}

impl Tcp {
    /// RFC 7413 4.2.2, with Linux's order (`tcp_try_fastopen`).
    pub(super) fn judge_fast_open(&mut self, arrival: &Arrival<'_>, key: ListenerKey) -> Judgment {
        let Arrival { now, tuple, segment, .. } = *arrival;
        let (shown, data) = (segment.options.fast_open, !segment.payload.is_empty());
        let bits = self.config.fast_open;
        let Some(listener) = self.listeners.get_mut(&key) else { return Judgment::Plain };
        let takes_part =
            listener.options.fast_open_queue > 0 || bits.has(FastOpenBits::ALL_LISTENERS);
        if shown.is_none() && !data || !bits.has(FastOpenBits::SERVER) || !takes_part {
            return Judgment::Plain;
        }
        if !listener.has_fast_open_room(now) {
            self.counters.add(Count::FastOpenFull);
            return Judgment::Plain;
        }
        let bare = bits.has(FastOpenBits::SERVER_WITHOUT_COOKIE);
        if bare || listener.options.fast_open_no_cookie {
            return Judgment::Open(None);
        }
        let Some(shown) = shown else { return Judgment::Plain };
        let keys = listener.options.fast_open_keys.or(self.config.fast_open_keys);
        let cookie = |key| self.cookie_for(&tuple, key).in_form_of(shown);
        let right = cookie(keys.map(|keys| keys.active));
        if shown == right {
            return Judgment::Open(None);
        }
        if keys.and_then(|keys| keys.backup).is_some_and(|key| shown == cookie(Some(key))) {
            return Judgment::Open(Some(right));
        }
        if !shown.is_request() {
            self.counters.add(Count::FastOpenBadCookie);
        }
        Judgment::Offer(right)
    }

    /// The cookie of a client: 8 bytes, and with a given key the very same as Linux's (SipHash of
    /// both addresses).
    fn cookie_for(&self, tuple: &FourTuple, key: Option<[u8; 16]>) -> Cookie {
        let mut bytes = Vec::with_capacity(48);
        for ip in [tuple.remote.ip(), tuple.local.ip()] {
            match ip {
                IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
                IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
            }
        }
        let hash = match key {
            Some(key) => Secret::new(key).hash_bytes(&bytes),
            None => self.secret.hash(&("fast open", bytes)),
        };
        Cookie::new(&hash.to_le_bytes()).unwrap_or(Cookie::REQUEST)
    }

    /// A good cookie: the connection is made and announced, with the data of its SYN.
    pub(super) fn open_fast(&mut self, arrival: &Arrival<'_>, request: &Request) {
        let Arrival { now, segment, .. } = *arrival;
        if !self.make_room(now) {
            return self.counters.add(Count::TableFull);
        }
        let mut conn = self.conn_of(request);
        conn.fast_open().set_child(request.listener);
        if let Some(listener) = self.listeners.get_mut(&request.listener) {
            listener.fast_open += 1;
        }
        self.counters.add(Count::FastOpened);
        let id = self.table.insert(conn);
        self.with(now, id, |conn, cx| conn.take_syn_data(cx, segment));
    }
}
