//! TCP by RFC 9293, cut by the life of a connection: one file a concern. Sans-IO.
//!
//! [`Tcp`] is the set of all connections and listeners. Segments come in through
//! [`Tcp::segment_arrives`], leave through [`Tcp::poll_transmit`]; bytes go through
//! [`Tcp::send`] and [`Tcp::receive`]; time through [`Tcp::handle_timeout`]. After any of them:
//! poll `poll_transmit` and `poll_event` until they have no more, and come back at `poll_timeout`.
//!
//! | file | concern |
//! |---|---|
//! | `api` | words shared with IP, the engine and `ss` |
//! | `table`, `demux`, `commands` | which connection; what comes to it; the program's calls |
//! | `conn`, `sides`, `state`, `seq`, `ring` | a connection's variables, its state table, its buffers |
//! | `listen`, `half_open`, `syn_queue`, `cookie` | opening by a SYN that arrives |
//! | `handshake`, `fast_open`, `fast_client` | opening: the rest |
//! | `segment_arrives` | RFC 9293 3.10.7.4 as a walk |
//! | `receive`, `reassembly`, `delack` | data in, ACKs owed |
//! | `window`, `autotune` | the window offered, the buffer behind it |
//! | `mtu_probe` | path-MTU discovery without ICMP |
//! | `urgent` | the urgent pointer, both ways |
//! | `flight/` | what is outstanding, piece by piece |
//! | `ack`, `sack`, `rtt`, `rate` | what ACKs tell |
//! | `recovery`, `rack`, `tlp`, `undo`, `prr` | what is lost, or was not; when it goes again |
//! | `congestion/`, `ecn` | how much may be in flight |
//! | `send`, `burst`, `pacing`, `retransmit`, `timers`, `keepalive` | what leaves when |
//! | `close`, `reset`, `icmp` | how it ends |
//! | `info`, `chrono`, `counters` | what can be seen |
//!
//! Every call on a connection ends in `settle`, which looks at what it left behind: something to
//! send, something to tell, an earlier deadline, the end.
mod ack;
mod ack_points;
pub mod api;
mod autotune;
mod burst;
mod chrono;
mod close;
mod commands;
pub mod congestion;
mod conn;
mod cookie;
mod counters;
mod delack;
mod demux;
mod dsack;
mod ecn;
mod fast_client;
mod fast_open;
mod flight;
mod half_open;
mod handshake;
mod icmp;
mod info;
mod keepalive;
mod listen;
mod mtu_probe;
mod nagle;
mod pacing;
mod prr;
mod rack;
mod rate;
mod reassembly;
mod receive;
mod recovery;
mod reset;
mod retransmit;
mod ring;
mod rtt;
mod sack;
mod segment_arrives;
mod send;
mod seq;
mod sides;
mod state;
mod syn_queue;
mod table;
#[cfg(test)]
mod tests;
mod timers;
mod tlp;
mod undo;
mod urgent;
mod window;

pub use api::*;
pub use nagle::Mark;

use crate::base::{FourTuple, Instant, NetError, addr::SocketAddr, rng::Secret};
use crate::stack::{ConnId, Event};
use conn::{Conn, Cx};
use counters::{Count, Counters};
use listen::Listeners;
use reset::{Replies, Reply};
use std::collections::VecDeque;
use syn_queue::SynQueue;
use table::{Keyed, Table};
use timers::TimerHeap;

/// All TCP connections and listeners of one stack.
#[derive(Debug)]
pub struct Tcp {
    config: TcpConfig,
    secret: Secret,
    table: Table,
    listeners: Listeners,
    syn_queue: SynQueue,
    /// Hosts as a fast open client knows them.
    hosts: fast_client::Hosts,
    timers: TimerHeap,
    /// Connections that may have something to send, in turn.
    dirty: VecDeque<ConnId>,
    /// Orphans in TIME-WAIT, oldest first (some may have ended since).
    resting: VecDeque<ConnId>,
    events: VecDeque<Event>,
    replies: Replies,
    /// The last segment that left was an answer without a connection: one of a connection is next.
    answered: bool,
    /// Connections whose program is gone.
    orphans: usize,
    /// Connections in TIME-WAIT.
    time_waits: usize,
    counters: Counters,
}

impl Tcp {
    /// No connections. `secret` keys sequence numbers and tables; `seed` is for choices that need
    /// no secrecy.
    pub fn new(config: TcpConfig, secret: Secret, _seed: u64) -> Tcp {
        Tcp {
            table: Table::new(&secret),
            listeners: Listeners::new(Keyed::new(&secret)),
            syn_queue: SynQueue::new(Keyed::new(&secret)),
            hosts: fast_client::Hosts::new(Keyed::new(&secret)),
            config,
            secret,
            timers: TimerHeap::default(),
            dirty: VecDeque::new(),
            resting: VecDeque::new(),
            events: VecDeque::new(),
            replies: Replies::default(),
            answered: false,
            orphans: 0,
            time_waits: 0,
            counters: Counters::default(),
        }
    }

    /// Runs `work` on a connection, then settles; `None` for a stale handle.
    fn with<R>(
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
    fn settle(&mut self, id: ConnId, poll: bool) {
        let Some(conn) = self.table.get_mut(id) else { return };
        debug_assert_eq!(conn.broken_invariant(), None, "{conn:#?}");
        let (waits, was) = (conn.state == State::TimeWait, conn.in_time_wait);
        if waits && !was && self.time_waits >= self.config.time_wait_max {
            // As on Linux the newest does without: its FIN is acknowledged, and that is the end.
            self.counters.add(Count::TooManyTimeWaits);
            let ack = Reply::acknowledgment(conn.tuple, conn.tx.nxt, conn.rx.nxt);
            self.replies.push(ack, &mut self.counters);
            conn.end(None);
        } else if waits != was {
            conn.in_time_wait = waits;
            self.time_waits = if waits { self.time_waits + 1 } else { self.time_waits - 1 };
        }
        let closed = conn.state == State::Closed;
        let orphan = conn.released && !closed && !waits;
        if orphan != conn.is_orphan {
            conn.is_orphan = orphan;
            self.orphans = if orphan { self.orphans + 1 } else { self.orphans - 1 };
        }
        if poll && !closed && !conn.queued {
            conn.queued = true;
            self.dirty.push_back(id);
        }
        let next = conn.timers.next();
        if next < conn.armed {
            conn.armed = next;
            self.timers.push(next, id);
        }
        let opening = matches!(conn.state, State::SynReceived | State::SynSent);
        if !opening {
            if let Some(key) = conn.fast.take_pending() {
                let reset = conn.error == Some(NetError::Reset);
                let reset = reset.then_some(conn.rx.last_heard);
                self.listeners.fast_open_done(&key, reset);
            }
        }
        if let Some(news) = conn.fast.take_news() {
            self.hosts.learn(conn.tuple.remote.ip(), news);
        }
        // A connection that a listener got is announced once, established or not any more; one that
        // never got so far vanishes in silence.
        let mut unknown = conn.listener.is_some();
        if unknown && (!opening || conn.fast.child) && !closed {
            unknown = false;
            conn.listener = None;
            conn.changed = false;
            self.events.push_back(Event::TcpAccepted { conn: id, tuple: conn.tuple });
        }
        let silent = unknown || conn.released;
        if core::mem::take(&mut conn.changed) && !silent && !conn.event_queued {
            conn.event_queued = true;
            self.events.push_back(Event::TcpChanged(id));
        }
        if conn.state == State::TimeWait && conn.released && !conn.resting {
            conn.resting = true;
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

    /// Room for one more connection: if the table is full, the oldest orphan in TIME-WAIT gives way
    /// (as beyond Linux's `tcp_max_tw_buckets`).
    fn make_room(&mut self, now: Instant) -> bool {
        while self.table.is_full() {
            let Some(old) = self.resting.pop_front() else { return false };
            self.with(now, old, |conn, _| conn.end(None));
        }
        true
    }
}

/// The same address without an IPv6 flow label and scope, which are no part of a name here.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

fn plain_tuple(tuple: FourTuple) -> FourTuple {
    FourTuple { local: plain(tuple.local), remote: plain(tuple.remote) }
}
