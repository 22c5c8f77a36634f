//! CUBIC (RFC 9438): in congestion avoidance the window follows a cubic function of the time since
//! the last loss, flat around the window where that loss happened, and never grows slower than Reno
//! would. Windows are in segments here, as in the RFC.
use super::{Acked, Aimd, Congestion};
use crate::base::Instant;

/// RFC 9438 4.1: how fast the cubic grows, segments per second cubed.
const C: f64 = 0.4;
/// RFC 9438 4.6: what remains of the window after a loss.
const BETA: f64 = 0.7;
/// RFC 9438 4.3: the increase that makes an AIMD with `BETA` as aggressive as Reno.
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// CUBIC's state. Slow start and the bytes are Reno's.
#[derive(Clone, Debug, Default)]
pub(super) struct Cubic {
    window: Aimd,
    /// When congestion avoidance began after the last loss; `None` until it has.
    epoch: Option<Instant>,
    /// Where the cubic is flat.
    w_max: f64,
    /// Seconds from the epoch to there.
    k: f64,
    /// What Reno would have now.
    w_est: f64,
    /// The window before the last loss.
    prior: f64,
    /// Fractions of a byte of increase.
    rest: f64,
    before: (f64, f64),
}

impl Cubic {
    fn reduce(&mut self, flight: u32, mss: u32) {
        let cwnd = f64::from(self.window.cwnd) / f64::from(mss);
        self.before = (self.w_max, self.prior);
        self.window.halve(flight, mss);
        self.window.ssthresh = ((f64::from(flight) * BETA) as u32).max(2 * mss);
        self.prior = cwnd;
        // RFC 9438 4.7, fast convergence: a flow whose maximum falls makes room for others.
        self.w_max = if cwnd < self.w_max { cwnd * (1.0 + BETA) / 2.0 } else { cwnd };
        self.epoch = None;
    }

    /// RFC 9438 4.2 to 4.5.
    fn avoid(&mut self, acked: &Acked) {
        let mss = f64::from(acked.mss);
        let cwnd = f64::from(self.window.cwnd) / mss;
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.w_max = self.w_max.max(cwnd);
            self.k = ((self.w_max - cwnd) / C).cbrt();
            self.w_est = cwnd;
            acked.now
        });
        let segments = f64::from(acked.bytes) / mss;
        let elapsed = acked.now.since(epoch).as_secs_f64();
        let rtt = acked.rtt.unwrap_or_default().as_secs_f64();
        let cubic = |t: f64| C * (t - self.k).powi(3) + self.w_max;
        let alpha = if self.w_est < self.prior { ALPHA } else { 1.0 };
        self.w_est += alpha * segments / cwnd;
        let grown = if cubic(elapsed) < self.w_est {
            cwnd.max(self.w_est)
        } else {
            let target = cubic(elapsed + rtt).clamp(cwnd, cwnd * 1.5);
            cwnd + (target - cwnd) / cwnd * segments
        };
        self.rest += (grown - cwnd) * mss;
        let whole = self.rest.floor();
        self.rest -= whole;
        self.window.cwnd = self.window.cwnd.saturating_add(whole as u32).min(super::CWND_MAX);
    }
}

impl Congestion for Cubic {
    fn name(&self) -> &'static str {
        "cubic"
    }
    fn cwnd(&self) -> u32 {
        self.window.cwnd
    }
    fn ssthresh(&self) -> u32 {
        self.window.ssthresh
    }
    fn opened(&mut self, mss: u32) {
        self.window.opened(mss);
    }
    fn acked(&mut self, acked: &Acked) {
        if self.window.cwnd < self.window.ssthresh {
            self.window.acked(acked);
        } else if acked.limited {
            self.avoid(acked);
        }
    }
    fn loss_found(&mut self, _now: Instant, flight: u32, mss: u32) {
        self.reduce(flight, mss);
        self.window.cwnd = self.window.ssthresh;
    }
    fn recovered(&mut self) {
        self.window.cwnd = self.window.cwnd.min(self.window.ssthresh);
    }
    fn timed_out(&mut self, _now: Instant, flight: u32, mss: u32) {
        self.reduce(flight, mss);
        self.window.cwnd = mss;
    }
    fn undo(&mut self) {
        self.window.undo();
        (self.w_max, self.prior) = self.before;
        self.epoch = None;
    }
    fn idled(&mut self, rtos: u32, mss: u32) {
        self.window.idled(rtos, mss);
        // RFC 9438 5.8: time without sending does not count.
        self.epoch = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    /// RFC 9438 4.2: back at the old window after K seconds, beyond it later.
    #[test]
    fn the_window_returns_to_where_the_loss_was() {
        let (mss, mut cc) = (1000, Cubic::default());
        cc.opened(mss);
        cc.window.cwnd = 1_000_000;
        cc.loss_found(Instant::ZERO, 1_000_000, mss);
        assert_eq!((cc.cwnd(), cc.ssthresh()), (700_000, 700_000));
        let rtt = Duration::from_millis(100);
        let k = (1000.0f64 * 0.3 / C).cbrt();
        let (mut now, mut at_k) = (Instant::ZERO, 0);
        for _ in 0..200 {
            now = now + rtt;
            let (bytes, rtt) = (cc.cwnd(), Some(rtt));
            cc.acked(&Acked { now, bytes, flight: bytes, limited: true, rtt, mss });
            if at_k == 0 && now.since(Instant::ZERO).as_secs_f64() > k {
                at_k = cc.cwnd();
            }
        }
        assert!((970_000..1_010_000).contains(&at_k), "{at_k}");
        assert!(cc.cwnd() > 1_300_000, "{}", cc.cwnd());
    }

    /// Where Reno would be faster, so is CUBIC (RFC 9438 4.3).
    #[test]
    fn short_round_trips_and_small_windows_are_reno_s() {
        let (mss, mut cc) = (1000, Cubic::default());
        cc.opened(mss);
        cc.loss_found(Instant::ZERO, 10_000, mss);
        assert_eq!(cc.cwnd(), 7_000);
        let rtt = Duration::from_millis(1);
        for i in 1..100u64 {
            let (bytes, now) = (cc.cwnd(), Instant::from_millis(i));
            cc.acked(&Acked { now, bytes, flight: bytes, limited: true, rtt: Some(rtt), mss });
        }
        assert!(cc.cwnd() > 60_000, "{}", cc.cwnd());
    }
}
