//! Additive increase, multiplicative decrease (RFC 5681 3.1): the window of the Reno family, and
//! the parts of it that others share.
use super::{Acked, CWND_MAX, Start, initial_window};

/// cwnd and ssthresh, bytes, and how they move.
#[derive(Clone, Debug)]
pub(super) struct Aimd {
    pub cwnd: u32,
    pub ssthresh: u32,
    /// What a connection starts with, and starts again with after it was idle.
    pub initial: u32,
    /// Bytes acknowledged towards the next segment of additive increase.
    credit: u32,
    /// cwnd and ssthresh before the last reduction.
    before: (u32, u32),
}

impl Default for Aimd {
    fn default() -> Self {
        let initial = initial_window(536);
        Aimd { cwnd: initial, ssthresh: CWND_MAX, initial, credit: 0, before: (0, 0) }
    }
}

impl Aimd {
    pub fn opened(&mut self, start: &Start) {
        self.initial = start.initial;
        self.cwnd = start.cwnd;
        self.ssthresh = start.ssthresh;
    }

    /// RFC 5681 3.1: slow start below ssthresh, then one segment for each window.
    pub fn acked(&mut self, acked: &Acked) {
        let mut bytes = acked.bytes;
        if acked.recovering || bytes == 0 {
            return;
        }
        if self.cwnd < self.ssthresh {
            bytes = self.slow_start(acked, bytes);
        }
        if bytes == 0 || !acked.limited {
            return;
        }
        // RFC 5681 3.1, the byte counting form: one segment for each window acknowledged.
        self.credit = self.credit.saturating_add(bytes);
        if self.credit >= self.cwnd {
            self.credit -= self.cwnd;
            self.cwnd = (self.cwnd + acked.mss).min(CWND_MAX);
        }
    }

    /// Grows by `bytes` up to ssthresh; what is left of them is for congestion avoidance. Like
    /// Linux, a stretch ACK counts in full (RFC 3465 with L unlimited), and a window that was
    /// filled to more than the half counts as limited.
    pub fn slow_start(&mut self, acked: &Acked, bytes: u32) -> u32 {
        if !acked.limited {
            return 0;
        }
        let step = bytes.min(self.ssthresh.saturating_sub(self.cwnd));
        self.cwnd = (self.cwnd + step).min(CWND_MAX);
        bytes - step
    }

    /// RFC 5681 equation 4.
    pub fn reduce(&mut self, ssthresh: u32, mss: u32) {
        self.before = (self.cwnd, self.ssthresh);
        self.ssthresh = ssthresh.max(2 * mss);
        self.credit = 0;
    }

    /// The last reduction was for nothing.
    pub fn undo(&mut self) {
        self.cwnd = self.cwnd.max(self.before.0);
        self.ssthresh = self.ssthresh.max(self.before.1);
    }

    /// RFC 2861 3: halfway to what was used.
    pub fn application_limited(&mut self, used: u32) {
        let used = used.max(self.initial);
        if used < self.cwnd {
            self.ssthresh = self.ssthresh.max(self.cwnd / 4 * 3);
            self.cwnd = self.cwnd.midpoint(used);
        }
    }

    /// RFC 2861 3, RFC 5681 4.1: half the window for each timeout without sending, down to the
    /// initial window; what was learned is kept in ssthresh.
    pub fn idled(&mut self, rtos: u32) {
        let restart = self.initial.min(self.cwnd);
        self.ssthresh = self.ssthresh.max(self.cwnd / 4 * 3);
        self.cwnd = self.cwnd.checked_shr(rtos).unwrap_or(0).max(restart);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ack, start};
    use super::*;

    /// RFC 5681 3.1: slow start doubles the window in a round trip, congestion avoidance adds a
    /// segment; a window that was not used does not grow.
    #[test]
    fn slow_start_doubles_and_avoidance_adds_one_segment_a_window() {
        let mut w = Aimd::default();
        w.opened(&start(1000));
        assert_eq!(w.cwnd, 10_000);
        w.acked(&ack(10_000, true));
        assert_eq!(w.cwnd, 20_000);
        w.ssthresh = 20_000;
        for _ in 0..20 {
            w.acked(&ack(1000, true));
        }
        assert_eq!(w.cwnd, 21_000);
        w.acked(&ack(100, false));
        assert_eq!(w.cwnd, 21_000);
    }

    /// RFC 5681 4.1, RFC 2861 3: half for each timeout of idleness, at least the initial window.
    #[test]
    fn an_idle_window_decays() {
        let mut w = Aimd::default();
        w.opened(&start(1000));
        w.cwnd = 80_000;
        w.ssthresh = 30_000;
        w.idled(2);
        assert_eq!((w.cwnd, w.ssthresh), (20_000, 60_000));
        w.idled(9);
        assert_eq!((w.cwnd, w.ssthresh), (10_000, 60_000));
        w.cwnd = 3_000;
        w.idled(1);
        assert_eq!(w.cwnd, 3_000);
    }
}
