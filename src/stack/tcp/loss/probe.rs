//! The tail loss probe that is out (RFC 8985 7).
use crate::stack::tcp::words::Seq;

/// The probe that is out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Probe {
    /// `snd_nxt` when it was sent (TLP.end_seq); `None` if none is out.
    pub end: Option<Seq>,
    /// It was a retransmission (TLP.is_retrans).
    pub again: bool,
    /// It is to be sent now.
    pub due: bool,
}
