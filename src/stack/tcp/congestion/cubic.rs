//! CUBIC (RFC 9438): in congestion avoidance the window follows a cubic function of the time since
//! the last loss, flat around the window where that loss happened, and never grows slower than Reno
//! would. Windows are in segments here, as in the RFC. The first slow start is HyStart++'s.
use super::aimd::Aimd;
use super::hystart::{Advice, HyStart};
use super::{Acked, CWND_MAX, Congestion, Start};
use crate::base::Instant;
use crate::base::time::Duration;

/// RFC 9438 4.1, 5.1: how fast the cubic grows, segments per second cubed.
const C: f64 = 0.4;
/// RFC 9438 4.6: what remains of the window after a loss.
const BETA: f64 = 0.7;
/// RFC 9438 4.3: the increase that makes an AIMD with `BETA` as aggressive as Reno.
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// The cubic and what stands beside it.
#[derive(Clone, Copy, Debug, Default)]
struct Curve {
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
}

/// CUBIC's state. Slow start and the bytes are Reno's.
#[derive(Clone, Debug, Default)]
pub(super) struct Cubic {
    window: Aimd,
    curve: Curve,
    /// As it was before the last reduction.
    before: Curve,
    /// `None` once there has been a loss: later slow starts know where to end.
    hystart: Option<HyStart>,
    /// Fractions of a byte of increase.
    rest: f64,
    /// When congestion avoidance last heard of something new.
    heard: Instant,
}

impl Cubic {
    fn reduce(&mut self, mss: u32) {
        let cwnd = f64::from(self.window.cwnd) / f64::from(mss);
        self.before = self.curve;
        // RFC 9438 4.6: of cwnd, not of what is in flight, because cwnd is kept valid (RFC 7661).
        self.window.reduce((f64::from(self.window.cwnd) * BETA) as u32, mss);
        self.curve.prior = cwnd;
        // RFC 9438 4.7, fast convergence: a flow whose maximum falls makes room for others.
        let falls = cwnd < self.curve.w_max;
        self.curve.w_max = if falls { cwnd * (1.0 + BETA) / 2.0 } else { cwnd };
        self.curve.epoch = None;
        self.hystart = None;
    }

    fn slow_start(&mut self, acked: &Acked) {
        let Some(hystart) = &mut self.hystart else {
            self.window.slow_start(acked, acked.bytes);
            return;
        };
        match hystart.acked(acked) {
            Advice::Grow(bytes) => {
                self.window.slow_start(acked, bytes);
            }
            Advice::Leave => self.window.ssthresh = self.window.cwnd,
        }
    }

    /// RFC 9438 4.2 to 4.5.
    fn avoid(&mut self, acked: &Acked) {
        let mss = f64::from(acked.mss);
        let cwnd = f64::from(self.window.cwnd) / mss;
        let curve = &mut self.curve;
        let epoch = *curve.epoch.get_or_insert_with(|| {
            // RFC 9438 4.8, 4.10: after a timeout, or a slow start without a loss, K is 0.
            curve.w_max = curve.w_max.max(cwnd);
            curve.k = ((curve.w_max - cwnd) / C).cbrt();
            curve.w_est = cwnd;
            acked.now
        });
        let segments = f64::from(acked.bytes) / mss;
        let elapsed = acked.now.since(epoch).as_secs_f64();
        let rtt = acked.rtt.unwrap_or_default().as_secs_f64();
        let cubic = |t: f64| C * (t - curve.k).powi(3) + curve.w_max;
        // RFC 9438 4.3: at Reno's own pace once the old window is reached.
        let alpha = if curve.w_est < curve.prior { ALPHA } else { 1.0 };
        curve.w_est += alpha * segments / cwnd;
        let grown = if cubic(elapsed) < curve.w_est {
            // RFC 9438 4.3: the Reno-friendly region.
            cwnd.max(curve.w_est)
        } else {
            // RFC 9438 4.4, 4.5: towards where the cubic will be a round trip later, at most half
            // as much again.
            let target = cubic(elapsed + rtt).clamp(cwnd, cwnd * 1.5);
            cwnd + (target - cwnd) / cwnd * segments
        };
        self.rest += (grown - cwnd) * mss;
        let whole = self.rest.floor();
        self.rest -= whole;
        self.window.cwnd = self.window.cwnd.saturating_add(whole as u32).min(CWND_MAX);
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
    fn opened(&mut self, start: &Start) {
        self.window.opened(start);
        // RFC 9406 4.3: only where ssthresh is the arbitrary one from the start.
        self.hystart = (start.ssthresh == CWND_MAX).then(HyStart::default);
    }
    fn acked(&mut self, acked: &Acked) {
        if acked.recovering || acked.bytes == 0 {
            return;
        }
        if self.window.cwnd < self.window.ssthresh {
            self.slow_start(acked);
        } else if acked.limited {
            self.avoid(acked);
        } else if let Some(epoch) = &mut self.curve.epoch {
            // RFC 9438 4.2, 5.8: time in which the program left the window unused does not count.
            *epoch = (*epoch + acked.now.since(self.heard)).min(acked.now);
        }
        self.heard = acked.now;
    }
    fn loss_found(&mut self, _now: Instant, _flight: u32, mss: u32) {
        self.reduce(mss);
        self.window.cwnd = self.window.ssthresh;
    }
    fn recovered(&mut self) {
        self.window.cwnd = self.window.cwnd.min(self.window.ssthresh);
    }
    fn timed_out(&mut self, _now: Instant, first: bool, _flight: u32, in_flight: u32, mss: u32) {
        if first {
            self.reduce(mss);
            // RFC 9438 4.8: then from where slow start ends, as if that were the maximum.
            self.curve.w_max = 0.0;
        }
        self.window.cwnd = in_flight + mss;
    }
    fn application_limited(&mut self, used: u32) {
        self.window.application_limited(used);
    }
    fn undo(&mut self) {
        // RFC 9438 4.9: all of it as it was.
        self.window.undo();
        self.curve = self.before;
    }
    fn idled(&mut self, rtos: u32) {
        self.window.idled(rtos);
    }
    fn restarted(&mut self, now: Instant, idle: Duration) {
        // RFC 9438 5.8, Linux `cubictcp_cwnd_event`: time without sending does not count.
        if let Some(epoch) = &mut self.curve.epoch {
            *epoch = (*epoch + idle).min(now);
        }
        self.heard = now;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ack, start};
    use super::*;

    const MSS: u32 = 1000;
    const RTT: Duration = Duration::from_millis(100);

    fn after_loss_at(cwnd: u32) -> Cubic {
        let mut cc = Cubic::default();
        cc.opened(&start(MSS));
        cc.window.cwnd = cwnd;
        cc.loss_found(Instant::ZERO, cwnd, MSS);
        cc
    }

    /// Acknowledges the whole window.
    fn window(cc: &mut Cubic, now: Instant, rtt: Duration) {
        let (bytes, rtt) = (cc.cwnd(), Some(rtt));
        cc.acked(&Acked { now, rtt, ..ack(bytes, true) });
    }

    /// RFC 9438 4.2, 4.4, 4.5: back at the old window after K seconds, slowly near it (concave),
    /// ever faster beyond it (convex).
    #[test]
    fn the_window_returns_to_where_the_loss_was() {
        let mut cc = after_loss_at(1_000_000);
        assert_eq!((cc.cwnd(), cc.ssthresh()), (700_000, 700_000));
        let k = (1000.0f64 * 0.3 / C).cbrt();
        let (mut now, mut seen) = (Instant::ZERO, Vec::new());
        for _ in 0..200 {
            now = now + RTT;
            window(&mut cc, now, RTT);
            seen.push((now.since(Instant::ZERO).as_secs_f64(), f64::from(cc.cwnd())));
        }
        let at = |t: f64| seen.iter().find(|s| s.0 >= t).map(|s| s.1).unwrap();
        assert!((970_000.0..1_010_000.0).contains(&at(k)), "{}", at(k));
        assert!(at(k / 4.0) - at(0.0) > 5.0 * (at(k) - at(k * 0.75)), "concave");
        assert!(at(k * 2.0) - at(k * 1.75) > 5.0 * (at(k * 1.25) - at(k)), "convex");
        // W_cubic(t) = C * (t - K)^3 + W_max, a round trip behind at most.
        let end = now.since(Instant::ZERO).as_secs_f64();
        let exact = (C * (end - k).powi(3) + 1000.0) * 1000.0;
        assert!((f64::from(cc.cwnd()) / exact - 1.0).abs() < 0.05, "{} {exact}", cc.cwnd());
    }

    /// RFC 9438 4.1: the constants are the recommended ones, and the variables are what the section
    /// says at each moment: windows in segments, times in seconds.
    #[test]
    fn constants_and_variables() {
        assert_eq!((BETA, C), (0.7, 0.4));
        assert!((ALPHA - 9.0 / 17.0).abs() < 1e-9);
        let mut cc = after_loss_at(200_000);
        // cwnd_prior and W_max: the window of the loss. ssthresh: 0.7 of it. No epoch yet.
        assert_eq!((cc.curve.prior, cc.curve.w_max), (200.0, 200.0));
        assert_eq!((cc.cwnd(), cc.ssthresh(), cc.curve.epoch), (140_000, 140_000, None));
        // epoch_start: where congestion avoidance begins; from there K seconds to W_max, and W_est
        // begins at cwnd_epoch.
        let begin = Instant::from_millis(5_000);
        cc.acked(&Acked { now: begin, rtt: Some(RTT), ..ack(1_000, true) });
        assert_eq!(cc.curve.epoch, Some(begin));
        let k = (60.0f64 / 0.4).cbrt();
        assert!((cc.curve.k - k).abs() < 1e-9, "{} {k}", cc.curve.k);
        assert!((cc.curve.w_est - (140.0 + ALPHA / 140.0)).abs() < 1e-9, "{}", cc.curve.w_est);
        // Later ACKs move W_est alone.
        let before = cc.curve;
        window(&mut cc, begin + RTT, RTT);
        let now = cc.curve;
        assert_eq!((now.epoch, now.k, now.w_max, now.prior), {
            (before.epoch, before.k, before.w_max, before.prior)
        });
        assert!((now.w_est - before.w_est - ALPHA).abs() < 1e-2, "one round trip of Reno's");
    }

    /// RFC 9438 4.4: never more than half as much again in one round trip.
    #[test]
    fn growth_is_bounded() {
        let mut cc = after_loss_at(100_000);
        window(&mut cc, Instant::from_millis(100), RTT);
        let before = cc.cwnd();
        window(&mut cc, Instant::from_millis(60_000), RTT);
        assert!((before * 14 / 10..=before * 15 / 10).contains(&cc.cwnd()), "{}", cc.cwnd());
    }

    /// RFC 9438 4.3: where Reno would be faster, so is CUBIC: 0.53 segments in a round trip until
    /// the old window, one beyond it.
    #[test]
    fn short_round_trips_and_small_windows_are_reno_s() {
        let mut cc = after_loss_at(10_000);
        assert_eq!(cc.cwnd(), 7_000);
        let mut steps = Vec::new();
        for i in 1..100u64 {
            let before = cc.cwnd();
            window(&mut cc, Instant::from_millis(i), Duration::from_millis(1));
            steps.push((before, cc.cwnd() - before));
        }
        for (at, step) in steps {
            let expected = if at < 9_500 { 529 } else { 1_000 };
            let crossing = (9_400..10_600).contains(&at);
            assert!(crossing || step.abs_diff(expected) < 60, "{step} at {at}");
        }
        assert!(cc.cwnd() > 60_000, "{}", cc.cwnd());
    }

    /// RFC 9438 4.7: a loss below the last maximum releases more than the window fell.
    #[test]
    fn fast_convergence_makes_room() {
        let mut cc = after_loss_at(100_000);
        assert_eq!(cc.curve.w_max, 100.0);
        cc.window.cwnd = 80_000;
        cc.loss_found(Instant::ZERO, 80_000, MSS);
        assert_eq!((cc.cwnd(), cc.curve.w_max), (56_000, 80.0 * 0.85));
        cc.window.cwnd = 90_000;
        cc.loss_found(Instant::ZERO, 90_000, MSS);
        assert_eq!(cc.curve.w_max, 90.0);
    }

    /// RFC 9438 4.8: after a timeout slow start up to 0.7 of the window, and then K is 0 and the
    /// maximum is where congestion avoidance begins.
    #[test]
    fn a_timeout_forgets_the_maximum() {
        let mut cc = after_loss_at(100_000);
        cc.timed_out(Instant::ZERO, true, 50_000, 0, MSS);
        assert_eq!((cc.cwnd(), cc.ssthresh()), (1_000, 49_000));
        for i in 0..10 {
            window(&mut cc, Instant::from_millis(100 * i), RTT);
        }
        assert_eq!((cc.curve.k, cc.curve.w_max), (0.0, 49.0));
        assert!(cc.cwnd() > 49_000);
    }

    /// RFC 9438 4.9: a loss that was none is taken back with the whole curve.
    #[test]
    fn a_spurious_loss_is_taken_back() {
        let mut cc = after_loss_at(100_000);
        for i in 1..20 {
            window(&mut cc, Instant::from_millis(100 * i), RTT);
        }
        let (cwnd, ssthresh, curve) = (cc.cwnd(), cc.ssthresh(), cc.curve);
        for timeout in [false, true] {
            let now = Instant::from_millis(2_000);
            if timeout {
                cc.timed_out(now, true, cwnd, 0, MSS);
            } else {
                cc.loss_found(now, cwnd, MSS);
            }
            cc.undo();
            assert_eq!((cc.cwnd(), cc.ssthresh()), (cwnd, ssthresh));
            assert_eq!((cc.curve.epoch, cc.curve.k), (curve.epoch, curve.k));
            assert_eq!((cc.curve.w_max, cc.curve.w_est), (curve.w_max, curve.w_est));
        }
    }

    /// RFC 9438 5.8: time in which nothing was sent, or in which the program left the window
    /// unused, is no time for the cubic.
    #[test]
    fn idle_time_does_not_count() {
        let run = |pause: u64, quiet: bool| {
            let mut cc = after_loss_at(1_000_000);
            let mut at = 0;
            for i in 0..60 {
                at += 100;
                if i == 30 && quiet {
                    for _ in 0..pause / 100 {
                        at += 100;
                        cc.acked(&Acked { now: Instant::from_millis(at), ..ack(100, false) });
                    }
                } else if i == 30 {
                    at += pause;
                    cc.restarted(Instant::from_millis(at), Duration::from_millis(pause));
                }
                window(&mut cc, Instant::from_millis(at), RTT);
            }
            cc.cwnd()
        };
        let (without, idle, quiet) = (run(0, false), run(30_000, false), run(30_000, true));
        assert_eq!(idle, without);
        assert!(quiet.abs_diff(without) < without / 50, "{quiet} {without}");
    }

    /// RFC 9438 4.10, RFC 9406 4.3: HyStart++ watches the first slow start; after a loss ssthresh
    /// says where to end.
    #[test]
    fn the_first_slow_start_ends_by_delay() {
        use crate::stack::tcp::words::Seq;
        let mut cc = Cubic::default();
        cc.opened(&start(MSS));
        let (mut una, mut delay) = (0u32, 20);
        for round in 0..12u64 {
            let nxt = una + cc.cwnd();
            while una < nxt {
                una += 1000;
                let rtt_sample = Some(Duration::from_millis(delay));
                let now = Instant::from_millis(round * 100);
                let (una, nxt) = (Seq(una), Seq(nxt + cc.cwnd()));
                cc.acked(&Acked { now, rtt_sample, una, nxt, ..ack(1000, true) });
            }
            delay += if round >= 3 { 6 } else { 0 };
        }
        assert!(cc.ssthresh() < 1_000_000, "{}", cc.ssthresh());
        assert!(after_loss_at(100_000).hystart.is_none());
    }
}
