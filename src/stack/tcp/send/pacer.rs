//! Pacing: segments leave at a rate, instead of as fast as the window opens. The rate is the
//! algorithm's own (BBR), or else, where the program (`SO_MAX_PACING_RATE`) or the net asks for it,
//! what Linux takes: a window in a smoothed round trip and a fifth more, twice that in slow start.
//!
//! What leaves at once is a millisecond's worth (Linux `tcp_tso_autosize`), then comes a pause.
//! Timers are late. A pause that took longer than it should is made up for by the next ones, but
//! only time in which we waited for the clock counts: a program or a window that had nothing to
//! send earns no burst.
use crate::base::Instant;
use crate::base::time::Duration;

/// What is made up for at most after a late timer: a turn of a busy engine.
const LATE_MAX: Duration = Duration::from_millis(2);

/// When the next segment may leave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pacer {
    next: Instant,
    /// When something last left.
    last: Instant,
    /// We wait for `next`.
    waiting: bool,
}

impl Pacer {
    /// `Some`: not before then.
    pub fn wait(&mut self, now: Instant) -> Option<Instant> {
        self.waiting |= self.next > now;
        (self.next > now).then_some(self.next)
    }

    /// `bytes` leave now, at `rate` bytes per second.
    pub fn sent(&mut self, now: Instant, bytes: u32, rate: u64) {
        let in_turn = self.waiting || now == self.last;
        let earliest = if in_turn { now - LATE_MAX } else { now };
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
        let pause = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.next = self.next.max(earliest) + pause;
        self.last = now;
        self.waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends bursts at a rate, bytes per second, for a second, with a clock that is late each time;
    /// how many bytes that were.
    fn second(rate: u64, burst: u32, late: Duration) -> u64 {
        let (mut pacer, mut now, mut sent) = (Pacer::default(), Instant::from_millis(1), 0);
        let end = now + Duration::from_secs(1);
        while now < end {
            match pacer.wait(now) {
                Some(at) => now = at + late,
                None => {
                    pacer.sent(now, burst, rate);
                    sent += u64::from(burst);
                }
            }
        }
        sent
    }

    /// draft-ietf-ccwg-bbr 5.6.2: the rate is kept, also with timers that are late by as much as a
    /// pause takes.
    #[test]
    fn late_timers_are_made_up_for() {
        for micros in [0, 50, 300, 1000, 1900] {
            let sent = second(10_000_000, 10_000, Duration::from_micros(micros));
            assert!((9_980_000..=10_040_000).contains(&sent), "{micros} us late: {sent}");
        }
        let sent = second(10_000_000, 10_000, Duration::from_millis(20));
        assert!(sent < 2_000_000, "a burst after each long sleep: {sent}");
        // 10 Gb/s in super-segments of 64 KB, which take 52 us, with timers of a millisecond.
        let sent = second(1_250_000_000, 65_536, Duration::from_millis(1));
        assert!((1_247_000_000..=1_255_000_000).contains(&sent), "{sent}");
    }

    /// Time in which there was nothing to send earns no burst.
    #[test]
    fn silence_earns_nothing() {
        let mut pacer = Pacer::default();
        let start = Instant::from_millis(1_000);
        pacer.sent(start, 10_000, 10_000_000);
        let later = start + Duration::from_secs(1);
        assert_eq!(pacer.wait(later), None);
        pacer.sent(later, 10_000, 10_000_000);
        assert_eq!(pacer.wait(later), Some(later + Duration::from_millis(1)));
    }
}
