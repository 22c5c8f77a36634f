//! What decides how long an ACK waits: see `delack.rs`.
use crate::base::time::Duration;

/// ACKs sent at once in quick mode, at most (Linux `TCP_MAX_QUICKACKS`).
pub(crate) const QUICK_ACKS: u8 = 16;

/// Linux's `icsk_ack`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delack {
    /// How long an ACK is to wait; zero before the first data.
    pub(super) ato: Duration,
    /// ACKs that are still sent at once.
    pub(super) quick: u8,
    /// The exchange is interactive: no quick mode.
    pub(super) pingpong: bool,
    /// Something has come that no ACK has left for.
    pub(super) scheduled: bool,
    /// A push, or a segment that is not full, has come since the last ACK; and a second one.
    pub(super) pushed: bool,
    pub(super) pushed_again: bool,
    /// Size of the last segment that was not full.
    pub(super) last_size: u32,
}
