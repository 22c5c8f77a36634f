//! Fast open (RFC 7413): data in the SYN, for a peer that has shown before that it is where it
//! says. Here: a connection's part in it, and the server. The client is `fast_client`.
//!
//! A good cookie makes the connection at once: the program reads the data and may answer before the
//! handshake is done. How many such connections there may be is the listener's `TCP_FASTOPEN`;
//! beyond that, and with a bad cookie, the handshake is an ordinary one.
use super::Tcp;
use super::api::{FastOpenBits, State};
use super::conn::{Conn, Cx, Segment};
use super::counters::Count;
use super::fast_client::{Failure, News};
use super::listen::{Arrival, ListenerKey};
use super::syn_queue::Request;
use crate::base::{FourTuple, addr::IpAddr, rng::Secret};
use crate::wire::tcp::Cookie;

/// A connection's part in fast open.
#[derive(Debug, Default)]
pub(super) struct Fast {
    /// Bytes of data that may go with the SYN (0: none may).
    pub room: u32,
    /// Bytes of data that went with the SYN.
    pub syn_data: u32,
    /// A SYN with any of this was not answered in time.
    pub lost: bool,
    /// The program waits for the handshake to write more.
    pub more: bool,
    /// Data of a SYN was taken (`TCPI_OPT_SYN_DATA`).
    pub taken: bool,
    /// Why it did not work, as a client.
    pub failure: Failure,
    /// Opened by the peer's SYN: the program has it before the handshake is done.
    pub child: bool,
    /// What most connections do without.
    pub rest: Option<Box<Rest>>,
}

/// See [`Fast`].
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// What our SYN or SYN-ACK carries.
    option: Option<Cookie>,
    /// Counts as one whose handshake is not done.
    pending: Option<ListenerKey>,
    /// What was learned of the peer, to be remembered.
    pub news: Option<News>,
}

impl Fast {
    pub fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// What our SYN or SYN-ACK carries.
    pub fn option(&self) -> Option<Cookie> {
        self.rest.as_ref().and_then(|rest| rest.option)
    }

    /// Our SYN had the option, or data.
    pub fn tried(&self) -> bool {
        self.option().is_some() || self.syn_data > 0
    }

    /// Our SYN or SYN-ACK carries this.
    pub fn set_option(&mut self, option: Option<Cookie>) {
        if option.is_some() {
            self.rest().option = option;
        }
    }

    /// The listener that counts it as one whose handshake is not done; once.
    pub fn take_pending(&mut self) -> Option<ListenerKey> {
        self.rest.as_mut().and_then(|rest| rest.pending.take())
    }

    /// What was learned of the peer; once.
    pub fn take_news(&mut self) -> Option<News> {
        self.rest.as_mut().and_then(|rest| rest.news.take())
    }
}

/// What is to be done about fast open with a SYN.
pub(super) enum Judgment {
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
        conn.fast.child = true;
        conn.fast.rest().pending = conn.listener;
        if let Some(listener) = self.listeners.get_mut(&request.listener) {
            listener.fast_open += 1;
        }
        self.counters.add(Count::FastOpened);
        let id = self.table.insert(conn);
        self.with(now, id, |conn, cx| conn.take_syn_data(cx, segment));
    }
}

impl Conn {
    /// The data of a SYN with a good cookie.
    fn take_syn_data(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        self.cc.opened(&self.congestion_start(cx));
        let window = usize::from(self.first_window());
        let data = &segment.payload[..segment.payload.len().min(window)];
        self.keep_syn_data(data);
        self.stats.segs_in += 1;
    }

    /// Data that came with a SYN or SYN-ACK, as far as the window takes it.
    pub fn keep_syn_data(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.rx.ring.write(data);
            self.rx.nxt += data.len() as u32;
            self.stats.bytes_received += data.len() as u64;
            self.stats.data_segs_in += 1;
            self.fast.taken = true;
        }
    }

    /// The program has this connection and may write, though the handshake is not done.
    pub fn is_fast_child(&self) -> bool {
        self.fast.child && self.state == State::SynReceived && !self.tx.close_wanted
    }

    /// The program may queue data.
    pub fn takes_data(&self) -> bool {
        self.state.sends() || self.is_fast_child()
    }
}

impl FastOpenBits {
    /// All bits of `other` are set.
    pub const fn has(self, other: FastOpenBits) -> bool {
        self.0 & other.0 == other.0
    }
}
