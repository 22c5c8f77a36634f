//! Counts of one connection for `TCP_INFO`.
use crate::base::Instant;
use crate::base::time::Duration;

/// Monotonic counts for `TCP_INFO`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub bytes_acked: u64,
    pub bytes_sent: u64,
    pub bytes_retrans: u64,
    pub segs_out: u32,
    pub segs_in: u32,
    pub data_segs_out: u32,
    pub total_retrans: u32,
    /// Segments that are known to have arrived.
    pub delivered: u32,
    /// Windows that came back because a loss was none.
    pub undos: u32,
    /// Retransmission timeouts; series of them; what the ended series took.
    pub timeouts: u16,
    pub timeout_series: u16,
    pub timeout_time: Duration,
    /// When the present series began.
    pub timeouts_since: Option<Instant>,
    /// When an ACK last came.
    pub last_ack_in: Instant,
}
