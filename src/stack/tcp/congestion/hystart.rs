//! HyStart++ (RFC 9406): leaves the first slow start when round trips grow longer, before the queue
//! of the bottleneck overflows. It does not do so at once: Conservative Slow Start grows at a
//! quarter of the pace for a few rounds, and if the delay goes away again it was no congestion.
//!
//! Where the RFC bounds what one acknowledgment may add for a sender without pacing (L, 8
//! segments), it counts in full here as in all slow starts, as Linux has it.
use super::Acked;
use crate::base::time::Duration;
use crate::stack::tcp::words::Seq;

/// RFC 9406 4.3: the parameters by their names there.
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u32 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u32 = 5;

/// No sample yet.
const NONE: Duration = Duration::MAX;

/// How a slow start goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Advice {
    /// Grow by so many bytes.
    Grow(u32),
    /// Enough: congestion avoidance, from the window as it is.
    Leave,
}

/// The state of one connection's first slow start.
#[derive(Clone, Copy, Debug)]
pub(super) struct HyStart {
    /// SND.NXT when the round began; `None` before the first acknowledgment.
    window_end: Option<Seq>,
    last_round_min: Duration,
    this_round_min: Duration,
    samples: u32,
    /// In Conservative Slow Start: the baseline, and how many rounds it has lasted.
    css: Option<(Duration, u32)>,
}

impl Default for HyStart {
    fn default() -> Self {
        let (last_round_min, this_round_min) = (NONE, NONE);
        HyStart { window_end: None, last_round_min, this_round_min, samples: 0, css: None }
    }
}

impl HyStart {
    /// An acknowledgment in slow start: RFC 9406 4.2.
    pub fn acked(&mut self, acked: &Acked) -> Advice {
        let ended = match self.window_end {
            None => {
                self.window_end = Some(acked.nxt);
                false
            }
            Some(end) => acked.una.at_or_after(end),
        };
        if let Some(rtt) = acked.rtt_sample {
            self.this_round_min = self.this_round_min.min(rtt);
            self.samples += 1;
        }
        self.judge();
        if ended {
            if let Some((_, rounds)) = &mut self.css {
                *rounds += 1;
                if *rounds >= CSS_ROUNDS {
                    return Advice::Leave;
                }
            }
            self.window_end = Some(acked.nxt);
            self.last_round_min = self.this_round_min;
            self.this_round_min = NONE;
            self.samples = 0;
        }
        let divisor = if self.css.is_some() { CSS_GROWTH_DIVISOR } else { 1 };
        Advice::Grow(acked.bytes / divisor)
    }

    /// Has the round trip become longer, or, in Conservative Slow Start, shorter again?
    fn judge(&mut self) {
        if self.samples < N_RTT_SAMPLE {
            return;
        }
        match self.css {
            None if self.last_round_min != NONE => {
                let thresh = self.last_round_min / MIN_RTT_DIVISOR;
                let thresh = thresh.clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if self.this_round_min >= self.last_round_min + thresh {
                    self.css = Some((self.this_round_min, 0));
                }
            }
            Some((baseline, _)) if self.this_round_min < baseline => self.css = None,
            _ => {}
        }
    }

    /// Whether the pace is the conservative one.
    #[cfg(test)]
    pub fn is_conservative(&self) -> bool {
        self.css.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ack;
    use super::*;

    /// One round of ten acknowledgments of 1000 bytes with this round-trip time; the bytes that the
    /// window may grow by, `None` when slow start is over.
    fn round(h: &mut HyStart, at: &mut u32, millis: u64) -> Option<u32> {
        let (end, mut grown) = (*at + 10_000, 0);
        while *at < end {
            *at += 1000;
            let nxt = Seq(if *at == end { end + 10_000 } else { end });
            let rtt_sample = Some(Duration::from_millis(millis));
            match h.acked(&Acked { una: Seq(*at), nxt, rtt_sample, ..ack(1000, true) }) {
                Advice::Grow(bytes) => grown += bytes,
                Advice::Leave => return None,
            }
        }
        Some(grown)
    }

    /// RFC 9406 4.2: a round whose least round-trip time is longer by an eighth (4 ms at least)
    /// begins Conservative Slow Start, at a quarter of the pace; after five rounds slow start ends.
    #[test]
    fn longer_round_trips_end_slow_start_after_five_rounds() {
        let (mut h, mut at) = (HyStart::default(), 0);
        for _ in 0..3 {
            assert_eq!(round(&mut h, &mut at, 40), Some(10_000));
        }
        // 4 ms more is less than 40 / 8.
        assert_eq!(round(&mut h, &mut at, 44), Some(10_000));
        assert!(!h.is_conservative());
        // Found at the eighth sample of the round, which counts as the first of the five.
        assert_eq!(round(&mut h, &mut at, 50), Some(7_000 + 3 * 250));
        assert!(h.is_conservative());
        for _ in 0..3 {
            assert_eq!(round(&mut h, &mut at, 50), Some(2_500));
        }
        assert_eq!(round(&mut h, &mut at, 50), None);
    }

    /// RFC 9406 4.2: if round trips become shorter again, slow start goes on as before.
    #[test]
    fn a_false_alarm_is_taken_back() {
        let (mut h, mut at) = (HyStart::default(), 0);
        for millis in [20, 20, 25, 25] {
            round(&mut h, &mut at, millis);
        }
        assert!(h.is_conservative());
        assert_eq!(round(&mut h, &mut at, 20), Some(7 * 250 + 3_000));
        assert!(!h.is_conservative());
        assert_eq!(round(&mut h, &mut at, 20), Some(10_000));
    }

    /// RFC 9406 4.2: fewer than eight samples in a round say nothing; the threshold is 4 ms at
    /// least and 16 ms at most.
    #[test]
    fn few_samples_and_small_changes_say_nothing() {
        let mut h = HyStart::default();
        for i in 0..40u32 {
            // Five acknowledgments a round, of ever longer round trips.
            let (una, nxt) = (Seq(i * 1000), Seq((i / 5 + 1) * 5000));
            let rtt_sample = Some(Duration::from_millis(20 + 10 * u64::from(i / 5)));
            let acked = Acked { una, nxt, rtt_sample, ..ack(1000, true) };
            assert_eq!(h.acked(&acked), Advice::Grow(1000));
        }
        for (first, second, conservative) in
            [(8, 11, false), (8, 12, true), (400, 415, false), (400, 416, true)]
        {
            let (mut h, mut at) = (HyStart::default(), 0);
            for millis in [first, first, second] {
                round(&mut h, &mut at, millis);
            }
            assert_eq!(h.is_conservative(), conservative, "{first} then {second} ms");
        }
    }
}
