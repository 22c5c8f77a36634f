//! Listeners: which one a SYN is for, and how many half-open connections each may have.
use super::request::{ListenerKey, Request};
use crate::base::Instant;
use crate::base::addr::*;
use crate::base::time::Duration;
use crate::stack::tcp::words::Keyed;
use crate::stack::tcp::{TcpConfig, TcpOptions};
use std::collections::{HashMap, VecDeque};

/// Fewest half-open connections that a listener may have: a backlog is about accepted ones, and
/// several clients that connect at once must not lose their options to a SYN cookie.
const SYN_QUEUE_MIN: usize = 128;

/// How long one that was reset before its handshake counts as one that waits for it.
const FAST_OPEN_RESET: Duration = Duration::from_secs(60);

/// How long a queue of accepted connections that was full may be full again.
const DOUBT: Duration = Duration::from_secs(10);

/// A listener.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Most half-open connections.
    pub limit: usize,
    /// Half-open connections, and how many of them have not had a timeout.
    pub half_open: usize,
    pub young: usize,
    /// What its connections begin with.
    pub options: TcpOptions,
    /// Connections that the program may leave waiting, besides one (as on Linux).
    backlog: usize,
    /// Until then the program's queue of accepted connections is taken to be full.
    full_until: Instant,
    /// Connections that are announced, but that the driver has not heard of yet.
    announced: usize,
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
pub(crate) struct Listeners {
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
            backlog,
            announced: 0,
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
        listener.backlog = backlog;
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

    /// The program's queue of accepted connections is full until then.
    pub fn accept_queue_is_full(&mut self, until: Instant) {
        self.full_until = until;
    }

    /// Whether one more connection finds no room in that queue, as far as is known. The driver
    /// tells of a full queue when it has tried; until it has tried, no more handshakes are finished
    /// than the queue can take: one, if it was full lately.
    pub fn has_no_room(&self, now: Instant) -> bool {
        let doubtful = self.full_until != Instant::ZERO && now < self.full_until + DOUBT;
        let most = if doubtful { 1 } else { self.backlog.saturating_add(1) };
        now < self.full_until || self.announced >= most
    }

    /// A connection is announced; the driver has heard of it.
    pub fn announce(&mut self) {
        self.announced += 1;
    }
    pub fn heard(&mut self) {
        self.announced = self.announced.saturating_sub(1);
    }

    /// Counts a request that is no longer half-open.
    pub fn leave(&mut self, request: &Request) {
        self.half_open = self.half_open.saturating_sub(1);
        if request.timeouts == 0 {
            self.young = self.young.saturating_sub(1);
        }
    }
}
