//! What is needed to tell that a loss was none.
use crate::stack::tcp::words::Seq;

/// What is needed to tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Undo {
    /// `snd_una` when this recovery began; `None`: nothing to take back.
    pub marker: Option<Seq>,
    /// Bytes sent again for which no D-SACK has come; `None`: nothing was sent again.
    pub resent: Option<u32>,
    /// TSval of the first retransmission.
    pub stamp: Option<u32>,
    /// There is a window to come back to.
    pub window: bool,
}
