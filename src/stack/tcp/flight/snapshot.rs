//! What a piece that left remembers of the connection, for delivery rates and congestion control.
use crate::base::Instant;

/// The connection's counts when a piece was (last) sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Bytes delivered by then.
    pub delivered: u64,
    /// When the last of them were.
    pub delivered_at: Instant,
    /// When the piece was sent whose delivery began this flight's sample.
    pub first_sent: Instant,
    /// Bytes found lost by then.
    pub lost: u64,
    /// Bytes in flight, this piece included.
    pub in_flight: u32,
    /// The program had left the window unused.
    pub app_limited: bool,
}
