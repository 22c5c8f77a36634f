//! The heap that finds the connection whose deadline is next.
//!
//! A connection keeps its deadlines as plain fields. Setting one later costs nothing: the heap's
//! entry fires early, finds nothing due, and is put back. So a bulk transfer, which restarts its
//! retransmission timer with every ACK, touches the heap about once per timeout.
use crate::base::Instant;
use crate::stack::ConnId;
use core::cmp::Reverse;
use std::collections::BinaryHeap;

/// Deadlines of all connections; see above for why entries may be early or stale.
#[derive(Debug, Default)]
pub(crate) struct TimerHeap(BinaryHeap<Reverse<(Instant, ConnId)>>);

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
