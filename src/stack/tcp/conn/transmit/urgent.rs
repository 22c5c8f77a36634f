//! Urgent data on its way out (RFC 9293 3.8.5): the byte stays in line, and every segment says
//! where it stands until it is acknowledged.
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::words::Seq;

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
}
