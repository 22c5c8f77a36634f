//! A segment that arrived.
use super::seq::Seq;
use crate::wire::tcp::{Flags, Options};

/// A segment that arrived, as RFC 9293 names its variables (SEG.SEQ, ...).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub seq: Seq,
    pub ack: Seq,
    pub flags: Flags,
    /// As sent, not scaled.
    pub window: u16,
    /// SEG.UP, as sent.
    pub urgent: u16,
    pub options: Options,
    pub payload: &'a [u8],
    /// Type of service of its packet, ECN bits included.
    pub tos: u8,
}

impl Segment<'_> {
    pub fn has(&self, flag: Flags) -> bool {
        self.flags.has(flag)
    }
    /// SEG.LEN: payload, SYN and FIN, in sequence numbers.
    pub fn len(&self) -> u32 {
        self.payload.len() as u32
            + u32::from(self.has(Flags::SYN))
            + u32::from(self.has(Flags::FIN))
    }
    pub fn end(&self) -> Seq {
        self.seq + self.len()
    }
}
