//! The deadlines of one connection. Setting and stopping one writes a field; see
//! `set/deadlines.rs` for how the connection is found whose deadline has come.
use crate::base::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(crate) enum Timer {
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
pub(crate) struct Timers([Instant; LEN]);

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
