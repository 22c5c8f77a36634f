//! Round-trip time and the retransmission timeout (RFC 6298), with Linux's bounds.
use super::api::TcpConfig;
use crate::base::time::Duration;

/// RFC 6298 2.1: before the first sample.
const INITIAL: Duration = Duration::from_secs(1);
/// More doublings do not matter: the upper bound is reached long before.
const BACKOFF_MAX: u8 = 16;

/// The estimator of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    /// Smoothed round-trip time; `None` before the first sample.
    pub smoothed: Option<Duration>,
    /// Mean deviation.
    pub deviation: Duration,
    /// What the latest acknowledgment measured, if it did.
    pub last: Option<Duration>,
    /// Smallest sample.
    pub min: Option<Duration>,
    /// Doublings since the last acknowledgment of something new.
    pub backoff: u8,
}

impl Rtt {
    pub fn new() -> Rtt {
        Rtt { smoothed: None, deviation: Duration::ZERO, last: None, min: None, backoff: 0 }
    }

    /// RFC 6298 2.2, 2.3.
    pub fn sample(&mut self, rtt: Duration) {
        self.last = Some(rtt);
        self.min = Some(self.min.map_or(rtt, |min| min.min(rtt)));
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.deviation = rtt / 2;
            }
            Some(smoothed) => {
                self.deviation = self.deviation * 3 / 4 + smoothed.abs_diff(rtt) / 4;
                self.smoothed = Some(smoothed * 7 / 8 + rtt / 8);
            }
        }
    }

    /// The timeout without back-off. Linux adds its minimum to the round-trip time (as
    /// `max(4 * RTTVAR, rto_min)`), where RFC 6298 2.4 takes the larger of the sum and a minimum.
    pub fn base(&self, config: &TcpConfig) -> Duration {
        let Some(smoothed) = self.smoothed else { return INITIAL.min(config.rto_max) };
        (smoothed + (self.deviation * 4).max(config.rto_min)).min(config.rto_max)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rto_follows_samples_and_backs_off_to_the_bound() {
        let config = TcpConfig::default();
        let mut rtt = Rtt::new();
        assert_eq!(rtt.rto(&config), Duration::from_secs(1));
        rtt.sample(Duration::from_millis(100));
        // RFC 6298 2.2: RTTVAR = R/2, so RTO = R + 4 * R/2.
        assert_eq!(rtt.rto(&config), Duration::from_millis(300));
        for _ in 0..200 {
            rtt.sample(Duration::from_millis(100));
        }
        assert_eq!(rtt.rto(&config), Duration::from_millis(300));
        rtt.back_off();
        assert_eq!(rtt.rto(&config), Duration::from_millis(600));
        for _ in 0..300 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(&config), config.rto_max);
        assert!(rtt.min == Some(Duration::from_millis(100)));
    }
}
