//! Urgent data (RFC 9293 3.8.5, RFC 6093), with the meaning that Linux and everybody else give to
//! the pointer: it points to the byte *behind* the urgent one (`tcp_stdurg` off).
//!
//! Here all bytes stay in line. What is known besides is where the urgent one stands: on the way
//! out
//! until it is acknowledged, on the way in until it is read. Taking it out of line is the work of
//! whoever reads (the engine hands it to the program's socket as `MSG_OOB`).
use super::Tcp;
use super::conn::{Conn, Segment};
use super::seq::Seq;
use crate::base::Instant;
use crate::stack::ConnId;
use crate::wire::tcp::Flags;

impl Conn {
    /// Linux `tcp_urg_mode`: urgent data has not been acknowledged.
    pub fn urges(&self) -> bool {
        self.tx.up.after(self.tx.una)
    }

    /// The urgent pointer for a segment that begins at `seq`; `None`: no URG flag.
    ///
    /// RFC 9293 3.8.5 (MUST-62): told as soon as it is known, before the byte itself if need be;
    /// out of the pointer's reach it says "at least so far", as Linux does.
    pub fn urgent_pointer(&self, seq: Seq) -> Option<u16> {
        if !self.urges() || !self.tx.up.after(seq) {
            return None;
        }
        match u16::try_from(self.tx.up.past(seq)) {
            Ok(pointer) => Some(pointer),
            Err(_) if (seq + 0xffff).after(self.tx.nxt) => Some(0xffff),
            Err(_) => None,
        }
    }

    /// RFC 9293 3.10.7.4, sixth: a segment with URG that began at `seq` before it was trimmed.
    /// (Linux `tcp_check_urg`.)
    pub fn take_urgent(&mut self, seq: Seq, segment: &Segment<'_>) {
        if !segment.has(Flags::URG) || !self.state.receives() || self.released || self.rx.closed {
            return;
        }
        // RFC 6093 3.1: everybody sends the byte behind; a pointer of 0 is taken as it stands.
        let at = seq + u32::from(segment.urgent.saturating_sub(1));
        // Not what has been received already, nor an older pointer than the one that we have.
        let old = self.rx.urgent.is_some_and(|known| !at.after(known));
        if at.before(self.rx.nxt) || old {
            return;
        }
        self.rx.urgent = Some(at);
        self.changed = true;
    }

    /// Readable bytes that stand before the urgent one; as many or more than there are readable if
    /// that one has not come yet.
    pub fn urgent_ahead(&self) -> Option<usize> {
        let at = self.rx.urgent?;
        let first = self.rx.read_seq();
        (!at.before(first)).then(|| at.past(first) as usize)
    }

    /// Bytes have been read: what was urgent may be among them.
    pub fn forget_urgent(&mut self) {
        if self.rx.urgent.is_some() && self.urgent_ahead().is_none() {
            self.rx.urgent = None;
        }
    }
}

impl Tcp {
    /// The last byte that was given to send is urgent (`MSG_OOB`): the peer is told of it with
    /// everything that leaves until it is acknowledged. A later one takes an earlier one's place.
    pub fn urge(&mut self, now: Instant, id: ConnId) {
        self.with(now, id, |conn, _| {
            if conn.state.sends() {
                conn.tx.up = conn.data_end();
            }
        });
    }

    /// How many readable bytes stand before the peer's urgent byte; `None`: there is none. It may
    /// still be on its way: then as many as are readable, or more.
    pub fn urgent_ahead(&self, id: ConnId) -> Option<usize> {
        self.table.get(id).and_then(Conn::urgent_ahead)
    }
}
