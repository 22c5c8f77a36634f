//! Proportional rate reduction (RFC 6937bis, as Linux `tcp_cwnd_reduction`): while the window is
//! being reduced, sending goes on at the pace of arrivals, down to the new window, instead of
//! halting until the pipe has drained.
use super::conn::Conn;

/// Bytes of one reduction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prr {
    /// Delivered since it began.
    delivered: u32,
    /// Sent since.
    pub out: u32,
    /// RecoverFS: the window when it began.
    prior: u32,
    /// The window now.
    pub cwnd: u32,
}

impl Prr {
    pub fn new(cwnd: u32) -> Prr {
        Prr { delivered: 0, out: 0, prior: cwnd.max(1), cwnd }
    }
}

impl Conn {
    /// RFC 6937bis 6: `delivered` bytes arrived and `lost` were found lost; `advanced`: snd_una
    /// moved, which without loss is safe progress.
    pub fn reduce_window(&mut self, delivered: u32, lost: u32, advanced: bool) {
        let (pipe, mss, ssthresh) = (self.pipe(), self.tx.mss, self.cc.ssthresh());
        let prr = &mut self.recovery.prr;
        if delivered == 0 {
            return;
        }
        prr.delivered = prr.delivered.saturating_add(delivered);
        let mut count = if pipe > ssthresh {
            let share = u64::from(ssthresh) * u64::from(prr.delivered);
            let share = share.div_ceil(u64::from(prr.prior));
            u32::try_from(share).unwrap_or(u32::MAX).saturating_sub(prr.out)
        } else {
            let bound = prr.delivered.saturating_sub(prr.out).max(delivered);
            let bound = bound + if advanced && lost == 0 { mss } else { 0 };
            bound.min(ssthresh - pipe)
        };
        if prr.out == 0 {
            // The first retransmission goes at once.
            count = count.max(mss);
        }
        prr.cwnd = pipe + count;
    }
}
