//! Proportional rate reduction (RFC 6937bis, as Linux `tcp_cwnd_reduction`): while the window is
//! being reduced, sending goes on at the pace of arrivals, down to the new window, instead of
//! halting until the pipe has drained.

/// Bytes of one reduction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prr {
    /// Delivered since it began.
    delivered: u32,
    /// Sent since.
    out: u32,
    /// RecoverFS: the window when it began.
    prior: u32,
    /// The window now.
    cwnd: u32,
}

impl Prr {
    pub fn new(cwnd: u32) -> Prr {
        Prr { delivered: 0, out: 0, prior: cwnd.max(1), cwnd }
    }

    /// RFC 6937bis 6: `delivered` bytes arrived and `lost` were found lost; `pipe` bytes are still
    /// in the network. `advanced`: snd_una moved, which without loss is safe progress.
    pub fn reduce(
        &mut self,
        (pipe, mss, ssthresh): (u32, u32, u32),
        delivered: u32,
        lost: u32,
        advanced: bool,
    ) {
        if delivered == 0 {
            return;
        }
        self.delivered = self.delivered.saturating_add(delivered);
        let mut count = if pipe > ssthresh {
            let share = u64::from(ssthresh) * u64::from(self.delivered);
            let share = share.div_ceil(u64::from(self.prior));
            u32::try_from(share).unwrap_or(u32::MAX).saturating_sub(self.out)
        } else {
            let bound = self.delivered.saturating_sub(self.out).max(delivered);
            let bound = bound + if advanced && lost == 0 { mss } else { 0 };
            bound.min(ssthresh - pipe)
        };
        if self.out == 0 {
            // The first retransmission goes at once.
            count = count.max(mss);
        }
        self.cwnd = pipe + count;
    }

    /// `bytes` leave.
    pub fn sent(&mut self, bytes: u32) {
        self.out = self.out.saturating_add(bytes);
    }

    /// The window now, bytes.
    pub fn cwnd(&self) -> u32 {
        self.cwnd
    }
}
