//! The timers of a connection, and the heap that finds the connection whose turn is next.
//!
//! A connection keeps its deadlines as plain fields. Setting one later costs nothing: the heap's
//! entry fires early, finds nothing due, and is put back. So a bulk transfer, which restarts its
//! retransmission timer with every ACK, touches the heap about once per timeout.
use crate::base::Instant;
use crate::stack::ConnId;
use core::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(super) enum Timer {
    /// Retransmission (RFC 6298).
    Retransmit,
    /// Zero or silly window (RFC 9293 3.8.6.1).
    Persist,
    /// Delayed ACK (RFC 9293 3.8.6.3).
    DelayedAck,
    /// Keep-alive (RFC 9293 3.8.4).
    KeepAlive,
    /// TIME-WAIT, and FIN-WAIT-2 of an orphan.
    Linger,
    /// The cork comes out.
    Cork,
    /// The next segment may leave.
    Pacing,
}

const LEN: usize = 7;
const ALL: [Timer; LEN] = [
    Timer::Retransmit,
    Timer::Persist,
    Timer::DelayedAck,
    Timer::KeepAlive,
    Timer::Linger,
    Timer::Cork,
    Timer::Pacing,
];

/// Deadlines of one connection.
#[derive(Clone, Debug)]
pub(super) struct Timers([Instant; LEN]);

impl Default for Timers {
    fn default() -> Self {
        Timers([Instant::FAR_FUTURE; LEN])
    }
}

impl Timers {
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = at;
    }
    pub fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = Instant::FAR_FUTURE;
    }
    /// When it is due, if it is set.
    pub fn get(&self, timer: Timer) -> Option<Instant> {
        Some(self.0[timer as usize]).filter(|at| *at != Instant::FAR_FUTURE)
    }
    pub fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Instant::FAR_FUTURE
    }
    /// The earliest deadline.
    pub fn next(&self) -> Instant {
        self.0.iter().copied().min().unwrap_or(Instant::FAR_FUTURE)
    }
    /// Takes one that is due.
    pub fn expired(&mut self, now: Instant) -> Option<Timer> {
        let timer = ALL.into_iter().find(|&t| self.0[t as usize] <= now)?;
        self.stop(timer);
        Some(timer)
    }
}

/// Deadlines of all connections; see above for why entries may be early or stale.
#[derive(Debug, Default)]
pub(super) struct TimerHeap(BinaryHeap<Reverse<(Instant, ConnId)>>);

impl TimerHeap {
    pub fn push(&mut self, at: Instant, id: ConnId) {
        self.0.push(Reverse((at, id)));
    }
    pub fn peek(&self) -> Option<Instant> {
        self.0.peek().map(|entry| entry.0.0)
    }
    /// The next entry that is due.
    pub fn pop(&mut self, now: Instant) -> Option<(Instant, ConnId)> {
        if self.peek()? > now {
            return None;
        }
        self.0.pop().map(|entry| entry.0)
    }
}
