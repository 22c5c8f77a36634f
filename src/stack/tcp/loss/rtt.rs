//! Round-trip time and the retransmission timeout (RFC 6298), estimated as Linux does
//! (`tcp_rtt_estimator`): the deviation rises at once and falls once a round trip, and a sudden
//! drop of the round-trip time does not raise it.
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::TcpConfig;
use crate::stack::tcp::words::Seq;

/// RFC 6298 2.1: before the first sample.
const INITIAL: Duration = Duration::from_secs(1);

/// More doublings do not matter: the upper bound is reached long before.
const BACKOFF_MAX: u8 = 16;

/// How long a smallest sample is believed (Linux `tcp_min_rtt_wlen`).
const MIN_WINDOW: Duration = Duration::from_secs(300);

/// The estimator of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rtt {
    /// Smoothed round-trip time; `None` before the first sample.
    pub smoothed: Option<Duration>,
    /// Mean deviation.
    pub deviation: Duration,
    /// Four deviations, the largest of late, at least the minimum of the timeout.
    margin: Duration,
    /// The same in this round trip, which ends when `round` is acknowledged.
    margin_now: Duration,
    round: Seq,
    /// Doublings since the last sample.
    pub backoff: u8,
    min: MinFilter,
}

impl Rtt {
    pub fn new() -> Rtt {
        Rtt {
            smoothed: None,
            deviation: INITIAL / 4,
            margin: Duration::ZERO,
            margin_now: Duration::ZERO,
            round: Seq(0),
            backoff: 0,
            min: MinFilter::default(),
        }
    }

    /// Smallest sample of late.
    pub fn min(&self) -> Option<Duration> {
        self.min.get()
    }

    /// RFC 6298 2.2, 2.3. `latest` is the sample of what left last, `rtt` that of what left first.
    pub fn sample(
        &mut self,
        now: Instant,
        rtt: Duration,
        latest: Duration,
        una: Seq,
        nxt: Seq,
        config: &TcpConfig,
    ) {
        // RFC 6298 5.7 (Karn): only a sample ends the back-off.
        self.backoff = 0;
        let rtt = rtt.max(Duration::from_micros(1));
        self.min.add(now, latest.max(Duration::from_micros(1)));
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(rtt);
            self.deviation = rtt / 2;
            self.margin = (rtt * 2).max(config.rto_min);
            self.margin_now = self.margin;
            self.round = nxt;
            return;
        };
        let distance = smoothed.abs_diff(rtt);
        if distance >= self.deviation {
            // Eifel: less of it if the time fell.
            let part = if rtt < smoothed { 32 } else { 4 };
            self.deviation += (distance - self.deviation) / part;
        } else {
            self.deviation -= (self.deviation - distance) / 4;
        }
        self.smoothed = Some(smoothed * 7 / 8 + rtt / 8);
        if self.deviation * 4 > self.margin_now {
            self.margin_now = self.deviation * 4;
            self.margin = self.margin.max(self.margin_now);
        }
        if una.after(self.round) {
            if self.margin_now < self.margin {
                self.margin -= (self.margin - self.margin_now) / 4;
            }
            self.round = nxt;
            self.margin_now = config.rto_min;
        }
        // Kept close, or it would look later again after 2^31 bytes.
        self.round = self.round.later(una);
    }

    /// The timeout without back-off. Linux adds its minimum to the round-trip time (as
    /// `max(4 * RTTVAR, rto_min)`), where RFC 6298 2.4 takes the larger of the sum and a minimum.
    pub fn base(&self, config: &TcpConfig) -> Duration {
        let Some(smoothed) = self.smoothed else { return INITIAL.min(config.rto_max) };
        (smoothed + self.margin.max(config.rto_min)).min(config.rto_max)
    }

    /// The timeout now. RFC 6298 5.5: doubled at each expiry.
    pub fn rto(&self, config: &TcpConfig) -> Duration {
        self.base(config).saturating_mul(1 << self.backoff.min(BACKOFF_MAX)).min(config.rto_max)
    }

    /// The timer expired.
    pub fn back_off(&mut self) {
        self.backoff = (self.backoff + 1).min(BACKOFF_MAX);
    }
}

/// The smallest sample of the last [`MIN_WINDOW`], approximately: the best of it, the best of what
/// came after that one, and again (Kathleen Nichols' filter).
#[derive(Clone, Copy, Debug, Default)]
struct MinFilter(Option<[(Instant, Duration); 3]>);

impl MinFilter {
    fn get(&self) -> Option<Duration> {
        self.0.map(|best| best[0].1)
    }

    fn add(&mut self, now: Instant, rtt: Duration) {
        let new = (now, rtt);
        let Some(best) = &mut self.0 else {
            self.0 = Some([new; 3]);
            return;
        };
        if rtt <= best[0].1 || now.since(best[2].0) > MIN_WINDOW {
            *best = [new; 3];
            return;
        }
        if rtt <= best[1].1 {
            (best[1], best[2]) = (new, new);
        } else if rtt <= best[2].1 {
            best[2] = new;
        }
        if now.since(best[0].0) > MIN_WINDOW {
            *best = [best[1], best[2], new];
        } else if best[1].0 == best[0].0 && now.since(best[0].0) > MIN_WINDOW / 4 {
            (best[1], best[2]) = (new, new);
        } else if best[2].0 == best[1].0 && now.since(best[0].0) > MIN_WINDOW / 2 {
            best[2] = new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rtt: &mut Rtt, millis: u64) {
        let config = TcpConfig::default();
        let time = Duration::from_millis(millis);
        let round = rtt.round;
        rtt.sample(Instant::ZERO, time, time, round + 1, round + 2, &config);
    }

    /// RFC 6298 2.2, 2.3, 5.5: R + 4 * R/2 after the first sample; doubled at each expiry up to the
    /// bound.
    /// RFC 6298 2 and 5.5: the estimate, and its back-off.
    #[test]
    fn rto_follows_samples_and_backs_off_to_the_bound() {
        let config = TcpConfig::default();
        let mut rtt = Rtt::new();
        assert_eq!(rtt.rto(&config), Duration::from_secs(1));
        sample(&mut rtt, 100);
        assert_eq!(rtt.rto(&config), Duration::from_millis(300));
        for _ in 0..200 {
            sample(&mut rtt, 100);
        }
        assert_eq!(rtt.rto(&config), Duration::from_millis(300));
        rtt.back_off();
        assert_eq!(rtt.rto(&config), Duration::from_millis(600));
        for _ in 0..300 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(&config), config.rto_max);
        assert_eq!(rtt.min(), Some(Duration::from_millis(100)));
    }

    /// RFC 6298 4: the clock ticks in nanoseconds, and where the deviation comes to nothing the
    /// timeout still is more than the round trip, by far more than a tick.
    #[test]
    fn the_clock_is_fine_and_its_tick_counts() {
        let config = TcpConfig::default();
        for rtt in [Duration::from_nanos(1), Duration::from_micros(30), Duration::from_millis(7)] {
            let mut estimate = Rtt::new();
            for _ in 0..500 {
                let round = estimate.round;
                estimate.sample(Instant::ZERO, rtt, rtt, round + 1, round + 2, &config);
            }
            // What is too short to be measured counts as a microsecond.
            let measured = rtt.max(Duration::from_micros(1));
            let smoothed = estimate.smoothed.unwrap();
            assert!(smoothed.abs_diff(measured) < Duration::from_nanos(20), "{smoothed:?}");
            assert!(estimate.deviation < Duration::from_nanos(20), "{:?}", estimate.deviation);
            assert_eq!(estimate.rto(&config), smoothed + config.rto_min);
        }
    }

    /// RFC 6298 2.3 as Linux has it: a longer round trip raises the timeout at once; a shorter one
    /// hardly does.
    #[test]
    fn the_deviation_rises_with_the_round_trip_time_only() {
        let config = TcpConfig::default();
        let (mut up, mut down) = (Rtt::new(), Rtt::new());
        for _ in 0..100 {
            sample(&mut up, 1000);
            sample(&mut down, 1000);
        }
        sample(&mut up, 2000);
        sample(&mut down, 100);
        assert!(up.rto(&config) > Duration::from_millis(2000), "{up:?}");
        assert!(down.rto(&config) < Duration::from_millis(1200), "{down:?}");
    }

    /// A smallest round trip is forgotten after five minutes.
    #[test]
    fn the_smallest_sample_ages() {
        let mut min = MinFilter::default();
        min.add(Instant::ZERO, Duration::from_millis(5));
        for second in 1..1000u64 {
            min.add(Instant::from_millis(second * 1000), Duration::from_millis(9));
            let want = if second <= 300 { 5 } else { 9 };
            assert_eq!(min.get(), Some(Duration::from_millis(want)), "{second} s");
        }
    }
}
