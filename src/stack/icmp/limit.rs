//! The errors that we send, and how many of them.
use crate::base::Instant;
use crate::base::limits::ICMP_ERRORS_PER_SECOND;
use crate::base::time::Duration;

/// What we have to complain about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::stack) enum Problem {
    /// Nobody listens at this port.
    Port,
    /// We do not speak this protocol.
    Protocol,
    /// A header is wrong (IPv6 only).
    Parameter {
        /// Which kind of wrong: see [`icmpv6::problem`].
        code: u8,
        /// Where in the packet, in bytes.
        pointer: usize,
    },
    /// Fragments did not come in time.
    ReassemblyTimeout,
}

/// At most so many in a second, in bursts of at most a twentieth of that.
#[derive(Clone, Debug, Default)]
pub(in crate::stack) struct RateLimit {
    /// When the allowance would be whole again.
    whole_at: Instant,
}

impl RateLimit {
    const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / ICMP_ERRORS_PER_SECOND as u64);
    const BURST: Duration = Duration::from_millis(50);

    /// Takes one if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let whole_at = self.whole_at.max(now);
        if whole_at.since(now) >= Self::BURST {
            return false;
        }
        self.whole_at = whole_at + Self::INTERVAL;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4443 2.4 (f), RFC 1122 3.2.2: errors are limited in number.
    #[test]
    fn the_rate_is_limited() {
        let mut limit = RateLimit::default();
        let mut sent = 0;
        for ms in 0..1_000 {
            sent += (0..10).filter(|_| limit.take(Instant::from_millis(ms))).count();
        }
        let most = ICMP_ERRORS_PER_SECOND as usize * 105 / 100;
        assert!((ICMP_ERRORS_PER_SECOND as usize..=most).contains(&sent), "{sent}");
    }
}
