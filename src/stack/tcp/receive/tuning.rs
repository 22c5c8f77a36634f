//! What the growth of the receive buffer is measured by: see `buffer.rs`.
use crate::base::{Instant, time::Duration};
use crate::stack::tcp::TcpConfig;
use crate::stack::tcp::words::Seq;

/// The largest window (RFC 7323 2.3).
pub(crate) const MOST: u32 = 0xffff << 14;

/// What is measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tuning {
    /// The receiver's estimate of the round trip; zero before the first.
    pub(super) rtt: Duration,
    /// Without timestamps: since when a window's worth is waited for, and its end.
    pub(super) waiting: Option<(Instant, Seq)>,
    pub(super) last_echo: u32,
    /// Bytes read in the last round trip.
    pub(super) space: u32,
    /// Where reading stood when this round trip began, and when that was.
    pub(super) began: Option<(Instant, Seq)>,
}

/// The largest buffer that the net allows, bytes.
pub(crate) fn most(config: &TcpConfig) -> u32 {
    u32::try_from(config.receive_buffer).unwrap_or(u32::MAX).min(MOST)
}
