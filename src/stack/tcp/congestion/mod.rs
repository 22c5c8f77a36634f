//! Congestion control: one trait, one file an algorithm. To add one: a file here, a line in
//! [`by_name`], a name in [`NAMES`].
//!
//! An algorithm owns `cwnd` and `ssthresh`, in bytes. What is lost, what is in flight and what to
//! send again is `recovery.rs`' business and the same for all: bytes that duplicate or selective
//! acknowledgments report as arrived leave the flight, so no window is inflated (RFC 5681 3.2 step
//! 4 in the form of RFC 6675 4).
mod cubic;
mod newreno;
mod reno;

use crate::base::{Instant, time::Duration};

/// The names that `TCP_CONGESTION` takes.
pub const NAMES: [&str; 3] = ["reno", "newreno", "cubic"];

/// A cumulative acknowledgment of something new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    /// When.
    pub now: Instant,
    /// Bytes newly acknowledged.
    pub bytes: u32,
    /// Bytes in flight before it.
    pub flight: u32,
    /// Sending had stopped at `cwnd` since the last acknowledgment (RFC 7661, Linux
    /// `tcp_is_cwnd_limited`): an unused window must not grow.
    pub limited: bool,
    /// Smoothed round-trip time.
    pub rtt: Option<Duration>,
    /// Sender's maximum segment size, bytes.
    pub mss: u32,
}

/// What an algorithm is told and asked.
pub(super) trait Congestion: core::fmt::Debug + Send {
    /// As `TCP_CONGESTION` shows it.
    fn name(&self) -> &'static str;
    /// Congestion window, bytes.
    fn cwnd(&self) -> u32;
    /// Slow start threshold, bytes.
    fn ssthresh(&self) -> u32;
    /// The handshake is done.
    fn opened(&mut self, mss: u32);
    /// Something new is acknowledged, outside fast recovery.
    fn acked(&mut self, acked: &Acked);
    /// Loss is inferred from acknowledgments; `flight` bytes were in flight.
    fn loss_found(&mut self, now: Instant, flight: u32, mss: u32);
    /// Recovery is over: everything that was outstanding when the loss was found has arrived.
    fn recovered(&mut self);
    /// The retransmission timer expired, for the first time since something new was acknowledged.
    fn timed_out(&mut self, now: Instant, flight: u32, mss: u32);
    /// Nothing was in flight for `rtos` retransmission timeouts (RFC 2861).
    fn idled(&mut self, rtos: u32, mss: u32);
    /// The last loss was none: the windows from before it (RFC 4015 in its simple form).
    fn undo(&mut self);
    /// RFC 5681's reno leaves recovery at the first new acknowledgment, RFC 6582's does not.
    fn partial_ack_ends_recovery(&self) -> bool {
        false
    }
}

/// The algorithm of that name; `None` if there is none.
pub(super) fn by_name(name: &str) -> Option<Box<dyn Congestion>> {
    match name {
        "reno" => Some(Box::new(reno::Reno::default())),
        "cubic" => Some(Box::new(cubic::Cubic::default())),
        "newreno" => Some(Box::new(newreno::NewReno::default())),
        _ => None,
    }
}

/// The default, when a configuration names none that exists.
pub(super) fn default() -> Box<dyn Congestion> {
    Box::new(newreno::NewReno::default())
}

/// RFC 6928 2: ten segments, but at most 14600 bytes or two segments.
pub(super) fn initial_window(mss: u32) -> u32 {
    (10 * mss).min((2 * mss).max(14_600))
}

/// Additive increase, multiplicative decrease (RFC 5681 3.1), shared by the Reno family.
#[derive(Clone, Debug)]
struct Aimd {
    cwnd: u32,
    ssthresh: u32,
    /// Bytes acknowledged towards the next segment of additive increase.
    credit: u32,
    /// cwnd and ssthresh before the last reduction.
    before: (u32, u32),
}

/// Windows are kept below this, so that sums of bytes stay far from overflow.
const CWND_MAX: u32 = 1 << 30;

impl Default for Aimd {
    fn default() -> Self {
        Aimd { cwnd: initial_window(536), ssthresh: CWND_MAX, credit: 0, before: (0, 0) }
    }
}

impl Aimd {
    fn opened(&mut self, mss: u32) {
        self.cwnd = initial_window(mss);
    }

    fn acked(&mut self, acked: &Acked) {
        let mut bytes = acked.bytes;
        if self.cwnd < self.ssthresh {
            // Slow start. Like Linux, a stretch ACK counts in full (RFC 3465 with L unlimited),
            // and a window that was filled to the half may grow.
            if !acked.limited && acked.flight.saturating_mul(2) < self.cwnd {
                return;
            }
            let step = bytes.min(self.ssthresh - self.cwnd);
            self.cwnd = (self.cwnd + step).min(CWND_MAX);
            bytes -= step;
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

    /// RFC 5681 equation 4.
    fn halve(&mut self, flight: u32, mss: u32) {
        self.before = (self.cwnd, self.ssthresh);
        self.ssthresh = (flight / 2).max(2 * mss);
        self.credit = 0;
    }

    fn undo(&mut self) {
        self.cwnd = self.cwnd.max(self.before.0);
        self.ssthresh = self.ssthresh.max(self.before.1);
    }

    fn idled(&mut self, rtos: u32, mss: u32) {
        let restart = initial_window(mss).min(self.cwnd);
        self.ssthresh = self.ssthresh.max(self.cwnd / 4 * 3);
        self.cwnd = self.cwnd.checked_shr(rtos).unwrap_or(0).max(restart);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(bytes: u32, limited: bool) -> Acked {
        Acked { now: Instant::ZERO, bytes, flight: bytes, limited, rtt: None, mss: 1000 }
    }

    #[test]
    fn slow_start_doubles_and_avoidance_adds_one_segment_a_window() {
        let mut w = Aimd::default();
        w.opened(1000);
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

    #[test]
    fn every_name_is_an_algorithm() {
        for name in NAMES {
            let mut cc = by_name(name).unwrap();
            assert_eq!(cc.name(), name);
            cc.opened(1460);
            assert_eq!(cc.cwnd(), 14_600);
            let kept = if name == "cubic" { 7 } else { 5 };
            cc.loss_found(Instant::ZERO, 100_000, 1460);
            assert_eq!((cc.cwnd(), cc.ssthresh()), (kept * 10_000, kept * 10_000));
            cc.timed_out(Instant::ZERO, 20_000, 1460);
            assert_eq!((cc.cwnd(), cc.ssthresh()), (1460, kept * 2_000));
            cc.undo();
            assert_eq!((cc.cwnd(), cc.ssthresh()), (kept * 10_000, kept * 10_000));
        }
        assert!(by_name("cubicle").is_none());
        assert!(by_name(default().name()).is_some());
    }

    #[test]
    fn initial_windows_of_rfc_6928() {
        assert_eq!(initial_window(1460), 14_600);
        assert_eq!(initial_window(536), 5_360);
        assert_eq!(initial_window(8_960), 17_920);
    }
}
