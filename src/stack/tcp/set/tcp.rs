//! [`Tcp`]: all connections and listeners of one stack, and what every call on one of them ends in.
use super::deadlines::TimerHeap;
use super::table::Table;
use crate::base::addr::SocketAddr;
use crate::base::rng::Secret;
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::fast_open::Hosts;
use crate::stack::tcp::open::{ListenerKey, Listeners, SynQueue};
use crate::stack::tcp::words::{Count, Counters, Cx, Keyed, Replies};
use crate::stack::tcp::{State, TcpConfig};
use crate::stack::{ConnId, Event};
use std::collections::VecDeque;

/// All TCP connections and listeners of one stack.
#[derive(Debug)]
pub struct Tcp {
    pub(super) config: TcpConfig,
    pub(super) secret: Secret,
    pub(super) table: Table,
    pub(super) listeners: Listeners,
    pub(super) syn_queue: SynQueue,
    /// Hosts as a fast open client knows them.
    pub(super) hosts: Hosts,
    pub(super) timers: TimerHeap,
    /// Connections that may have something to send, in turn.
    pub(super) dirty: VecDeque<ConnId>,
    /// Orphans in TIME-WAIT, oldest first (some may have ended since).
    pub(super) resting: VecDeque<ConnId>,
    pub(super) events: VecDeque<Event>,
    /// The listeners of those that are announced in `events`, in their order.
    pub(super) announced: VecDeque<ListenerKey>,
    pub(super) replies: Replies,
    /// The last segment that left was an answer without a connection: one of a connection is next.
    pub(super) answered: bool,
    /// Connections whose program is gone.
    pub(super) orphans: usize,
    /// Connections in TIME-WAIT.
    pub(super) time_waits: usize,
    pub(super) counters: Counters,
}

impl Tcp {
    /// No connections. `secret` keys sequence numbers and tables; `seed` is for choices that need
    /// no secrecy.
    pub fn new(config: TcpConfig, secret: Secret, _seed: u64) -> Tcp {
        Tcp {
            table: Table::new(&secret),
            listeners: Listeners::new(Keyed::new(&secret)),
            syn_queue: SynQueue::new(Keyed::new(&secret)),
            hosts: Hosts::new(Keyed::new(&secret)),
            config,
            secret,
            timers: TimerHeap::default(),
            dirty: VecDeque::new(),
            resting: VecDeque::new(),
            events: VecDeque::new(),
            announced: VecDeque::new(),
            replies: Replies::default(),
            answered: false,
            orphans: 0,
            time_waits: 0,
            counters: Counters::default(),
        }
    }

    /// Runs `work` on a connection, then settles; `None` for a stale handle.
    pub(super) fn with<R>(
        &mut self,
        now: Instant,
        id: ConnId,
        work: impl FnOnce(&mut Conn, &mut Cx<'_>) -> R,
    ) -> Option<R> {
        let conn = self.table.get_mut(id)?;
        let mut cx = Cx {
            now,
            config: &self.config,
            counters: &mut self.counters,
            replies: &mut self.replies,
        };
        let result = work(conn, &mut cx);
        self.settle(id, true);
        Some(result)
    }

    /// Looks at what a call has left behind. `poll`: there may be something to send.
    pub(super) fn settle(&mut self, id: ConnId, poll: bool) {
        let Some(conn) = self.table.get_mut(id) else { return };
        debug_assert_eq!(conn.broken_invariant(), None, "{conn:#?}");
        let waits = conn.state() == State::TimeWait;
        let first = waits && !conn.membership().is_in_time_wait();
        if first && self.time_waits >= self.config.time_wait_max {
            // As on Linux the newest does without: its FIN is acknowledged, and that is the end.
            self.counters.add(Count::TooManyTimeWaits);
            self.replies.push(conn.acknowledgment(), &mut self.counters);
            conn.end(None);
        } else if conn.membership().count_time_wait(waits) {
            self.time_waits = if waits { self.time_waits + 1 } else { self.time_waits - 1 };
        }
        let closed = conn.state() == State::Closed;
        let orphan = conn.is_released() && !closed && !waits;
        if conn.membership().count_orphan(orphan) {
            self.orphans = if orphan { self.orphans + 1 } else { self.orphans - 1 };
        }
        if poll && !closed && conn.membership().queue() {
            self.dirty.push_back(id);
        }
        let next = conn.deadline();
        if conn.membership().arm(next) {
            self.timers.push(next, id);
        }
        self.settle_fast_open(id);
        let Some(conn) = self.table.get_mut(id) else { return };
        // A connection that a listener got is announced once, established or not any more; one that
        // never got so far vanishes in silence.
        let mut unknown = conn.membership().listener().is_some();
        if let Some(key) = conn.membership().listener()
            && (!conn.is_opening() || conn.is_fast_open())
            && !closed
        {
            unknown = false;
            conn.membership().announced();
            self.announced.push_back(key);
            if let Some(listener) = self.listeners.get_mut(&key) {
                listener.announce();
            }
            conn.take_changed();
            self.events.push_back(Event::TcpAccepted { conn: id, tuple: conn.tuple() });
        }
        let silent = unknown || conn.is_released();
        if conn.take_changed() && !silent && conn.membership().queue_event() {
            self.events.push_back(Event::TcpChanged(id));
        }
        if conn.state() == State::TimeWait && conn.is_released() && conn.membership().rest() {
            self.resting.push_back(id);
        }
        if closed {
            self.table.forget_tuple(id);
            if silent {
                self.table.remove(id);
                while self.resting.front().is_some_and(|old| self.table.get(*old).is_none()) {
                    self.resting.pop_front();
                }
            }
        }
    }

    /// What fast open has to remember of a handshake that is over.
    fn settle_fast_open(&mut self, id: ConnId) {
        let Some(conn) = self.table.get_mut(id) else { return };
        if !conn.is_opening() {
            if let Some(key) = conn.fast_open().take_pending() {
                self.listeners.fast_open_done(&key, conn.reset_at());
            }
        }
        if let Some(news) = conn.fast_open().take_news() {
            self.hosts.learn(conn.tuple().remote.ip(), news);
        }
    }

    /// Room for one more connection: if the table is full, the oldest orphan in TIME-WAIT gives way
    /// (as beyond Linux's `tcp_max_tw_buckets`).
    pub(super) fn make_room(&mut self, now: Instant) -> bool {
        while self.table.is_full() {
            let Some(old) = self.resting.pop_front() else { return false };
            self.with(now, old, |conn, _| conn.end(None));
        }
        true
    }
}

/// The same address without an IPv6 flow label and scope, which are no part of a name here.
pub(crate) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

pub(crate) fn plain_tuple(tuple: FourTuple) -> FourTuple {
    FourTuple { local: plain(tuple.local), remote: plain(tuple.remote) }
}

#[cfg(test)]
impl Tcp {
    /// Connections, and SYNs that wait for their ACK.
    pub(in crate::stack::tcp) fn sizes(&self) -> (usize, usize) {
        (self.table.iter().count(), self.syn_queue.iter().count())
    }
    /// One connection.
    pub(in crate::stack::tcp) fn conn(&self, id: ConnId) -> Option<&Conn> {
        self.table.get(id)
    }
    /// The initial sequence number that a connection would have now.
    pub(in crate::stack::tcp) fn sequence_now(&self, tuple: &FourTuple, now: Instant) -> u32 {
        self.initial_sequence(tuple, now).0
    }
}
