//! Initial sequence numbers.
use super::tcp::Tcp;
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::words::Seq;

impl Tcp {
    /// RFC 6528: a keyed hash of the connection plus a clock of 4 us, so that numbers of one
    /// 4-tuple grow and those of others say nothing.
    pub(super) fn initial_sequence(&self, tuple: &FourTuple, now: Instant) -> Seq {
        if let Some(given) = self.config.teaching.initial_sequence {
            return Seq(given);
        }
        let hash = self.secret.hash(&("isn", tuple)) as u32;
        Seq(hash.wrapping_add((now.as_nanos() / 4_000) as u32))
    }
}
