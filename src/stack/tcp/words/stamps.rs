//! The timestamps of a connection (RFC 7323).
use crate::base::Instant;

/// RFC 7323 timestamps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stamps {
    pub on: bool,
    /// TS.Recent and when it was set.
    pub recent: u32,
    pub recent_at: Instant,
    /// Added to our clock, so that it does not tell how long we have been up.
    pub offset: u32,
}

impl Stamps {
    /// TSval: milliseconds (RFC 7323 5.4 allows 1 ms to 1 s).
    pub fn value(&self, now: Instant) -> u32 {
        (now.as_millis() as u32).wrapping_add(self.offset)
    }
}
