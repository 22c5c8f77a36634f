//! What arrived twice (RFC 2883): what is found of it here is reported by the next ACKs.
use super::ack_delay::QUICK_ACKS;
use super::side::ReceiveSide;
use crate::stack::tcp::words::{Segment, Seq};

impl ReceiveSide {
    /// `left..right` arrived though it was here already: an ACK says so at once, if the peer
    /// understands that.
    pub fn note_duplicate(&mut self, left: Seq, right: Seq) {
        if self.sack && left.before(right) {
            self.duplicates.push(left, right);
            self.ack_now = true;
        }
    }

    /// The part of a segment that lies before `rcv_nxt`.
    pub fn note_old(&mut self, segment: &Segment<'_>) {
        if segment.len() > 0 && segment.seq.before(self.nxt) {
            // The peer sends again: it is in slow start, and needs ACKs (Linux tcp_send_dupack).
            self.enter_quick_mode(QUICK_ACKS);
            self.note_duplicate(segment.seq, segment.end().earlier(self.nxt));
        }
    }

    /// The peer's SYN, which began at `irs`, came for the second time.
    pub fn note_second_syn(&mut self) {
        self.enter_quick_mode(QUICK_ACKS);
        self.note_duplicate(self.irs, self.irs + 1);
        self.ack_now = true;
    }

    /// The part of `left..right` that is in the queue of what is out of order.
    pub(super) fn note_queued(&mut self, left: Seq, right: Seq) {
        if let Some((left, right)) = self.reassembly.overlap(left, right) {
            self.note_duplicate(left, right);
        }
    }
}
