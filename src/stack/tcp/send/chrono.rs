//! What sending waited for: the times of `TCP_INFO` (`tcpi_busy_time`, `tcpi_rwnd_limited`,
//! `tcpi_sndbuf_limited`; RFC 4898's `SndLimTime*`).
use crate::base::Instant;
use crate::base::time::Duration;

/// What there is to wait for. One counts at a time: a later one stands for the earlier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(usize)]
pub(crate) enum Wait {
    /// There is something to send, or on its way.
    Busy,
    /// The peer's window is too small.
    Window,
    /// The send buffer is full and everything in it has been sent.
    Buffer,
}

/// Stop watches, of which one runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chrono {
    running: Option<(Wait, Instant)>,
    totals: [Duration; 3],
}

impl Chrono {
    /// From now on it is `wait`, or nothing.
    pub fn turn_to(&mut self, now: Instant, wait: Option<Wait>) {
        if self.running.map(|(old, _)| old) == wait {
            return;
        }
        if let Some((old, since)) = self.running {
            self.totals[old as usize] += now.since(since);
        }
        self.running = wait.map(|wait| (wait, now));
    }

    /// The time spent with `wait`; as on Linux, all of them are times of being busy.
    pub fn total(&self, now: Instant, wait: Wait) -> Duration {
        let mut sum = Duration::ZERO;
        for which in [Wait::Busy, Wait::Window, Wait::Buffer] {
            if which == wait || wait == Wait::Busy {
                sum += self.totals[which as usize];
                if let Some((_, since)) = self.running.filter(|(running, _)| *running == which) {
                    sum += now.since(since);
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4898 3.4: every moment counts for one cause; as on Linux all of them are busy time.
    #[test]
    fn one_watch_runs_and_all_are_busy_time() {
        let at = Instant::from_millis;
        let mut chrono = Chrono::default();
        chrono.turn_to(at(10), Some(Wait::Busy));
        chrono.turn_to(at(15), Some(Wait::Window));
        chrono.turn_to(at(16), Some(Wait::Window));
        chrono.turn_to(at(20), None);
        chrono.turn_to(at(30), Some(Wait::Buffer));
        let millis = |wait| chrono.total(at(37), wait).as_millis();
        assert_eq!((millis(Wait::Busy), millis(Wait::Window), millis(Wait::Buffer)), (17, 5, 7));
    }
}
