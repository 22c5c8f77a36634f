//! Duplicate SACK (RFC 2883): telling the peer which of its segments were not needed.
use super::conn::{Conn, Segment};
use super::seq::Seq;

/// Reports that wait for an ACK to carry them. What comes beyond is not reported.
const REPORTS: usize = 8;

/// What arrived twice and has not been reported yet.
#[derive(Debug, Default)]
pub(super) struct Duplicates(Vec<(Seq, Seq)>);

impl Duplicates {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the next ACK reports.
    pub fn first(&self) -> Option<(Seq, Seq)> {
        self.0.first().copied()
    }

    /// RFC 2883 4 (2): each duplicate is reported once.
    pub fn reported(&mut self) {
        if !self.0.is_empty() {
            self.0.remove(0);
        }
    }

    /// A range that touches the last one makes that longer (Linux `tcp_dsack_extend`).
    fn push(&mut self, left: Seq, right: Seq) {
        let touches = |l: &&mut (Seq, Seq)| left.at_or_before(l.1) && l.0.at_or_before(right);
        if let Some(last) = self.0.last_mut().filter(touches) {
            *last = (last.0.earlier(left), last.1.later(right));
        } else if self.0.len() < REPORTS {
            self.0.push((left, right));
        }
    }
}

impl Conn {
    /// `left..right` arrived though it was here already: an ACK says so at once.
    pub fn note_duplicate(&mut self, left: Seq, right: Seq) {
        if self.sack && left.before(right) {
            self.rx.duplicates.push(left, right);
            self.rx.ack_now = true;
        }
    }

    /// The part of a segment that lies before `rcv_nxt`.
    pub fn note_old(&mut self, segment: &Segment<'_>) {
        if segment.len() > 0 && segment.seq.before(self.rx.nxt) {
            // The peer sends again: it is in slow start, and needs ACKs (Linux tcp_send_dupack).
            self.enter_quick_mode(super::delack::QUICK_ACKS);
            self.note_duplicate(segment.seq, segment.end().earlier(self.rx.nxt));
        }
    }

    /// The part of `left..right` that is in the queue of what is out of order.
    pub fn note_queued(&mut self, left: Seq, right: Seq) {
        if let Some((left, right)) = self.rx.reassembly.overlap(left, right) {
            self.note_duplicate(left, right);
        }
    }
}
