//! Duplicate SACK (RFC 2883): telling the peer which of its segments were not needed.
use crate::stack::tcp::words::Seq;

/// Reports that wait for an ACK to carry them. What comes beyond is not reported.
const REPORTS: usize = 8;

/// What arrived twice and has not been reported yet.
#[derive(Debug, Default)]
pub(crate) struct Duplicates(Vec<(Seq, Seq)>);

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
    pub fn push(&mut self, left: Seq, right: Seq) {
        let touches = |l: &&mut (Seq, Seq)| left.at_or_before(l.1) && l.0.at_or_before(right);
        if let Some(last) = self.0.last_mut().filter(touches) {
            *last = (last.0.earlier(left), last.1.later(right));
        } else if self.0.len() < REPORTS {
            self.0.push((left, right));
        }
    }
}
