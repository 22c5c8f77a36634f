//! Where the peer's urgent byte stands (RFC 9293 3.8.5, RFC 6093), with the meaning that Linux and
//! most others give to the pointer: it points to the byte *behind* the urgent one (`tcp_stdurg`
//! off).
//!
//! All bytes stay in line. Taking the urgent one out of line is the work of the driver (the engine
//! hands it to the program's socket as `MSG_OOB`).
use super::side::ReceiveSide;
use crate::stack::tcp::words::{Segment, Seq};

impl ReceiveSide {
    /// A segment with URG that began at `seq` before it was trimmed (Linux `tcp_check_urg`). True:
    /// there is a new urgent byte.
    pub fn take_urgent(&mut self, seq: Seq, segment: &Segment<'_>) -> bool {
        // RFC 6093 3.1: everybody sends the byte behind; a pointer of 0 is taken as it stands.
        let at = seq + u32::from(segment.urgent.saturating_sub(1));
        // Not what has been received already, nor an older pointer than the one that we have.
        let old = self.urgent.is_some_and(|known| !at.after(known));
        if self.closed || at.before(self.nxt) || old {
            return false;
        }
        self.urgent = Some(at);
        true
    }

    /// There is an urgent byte that was not read.
    pub fn is_urgent(&self) -> bool {
        self.urgent.is_some()
    }

    /// Readable bytes that stand before the urgent one; as many or more than there are readable if
    /// that one has not come yet.
    pub fn urgent_ahead(&self) -> Option<usize> {
        let at = self.urgent?;
        let first = self.read_seq();
        (!at.before(first)).then(|| at.past(first) as usize)
    }

    /// Bytes have been read: what was urgent may be among them.
    pub(super) fn forget_urgent(&mut self) {
        if self.urgent.is_some() && self.urgent_ahead().is_none() {
            self.urgent = None;
        }
    }
}
