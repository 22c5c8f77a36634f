//! Duplicate SACK (RFC 2883): telling the peer which of its segments were not needed.
use crate::stack::tcp::words::Seq;

/// Reports that wait for an ACK to carry them. What comes beyond is not reported.
const REPORTS: usize = 8;

/// What arrived twice and has not been reported yet.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    reports: Vec<(Seq, Seq)>,
    /// The segment in hand has a report already.
    reported: bool,
}

impl Duplicates {
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// What the next ACK reports.
    pub fn first(&self) -> Option<(Seq, Seq)> {
        self.reports.first().copied()
    }

    /// RFC 2883 4 (2): each duplicate is reported once.
    pub fn reported(&mut self) {
        if !self.reports.is_empty() {
            self.reports.remove(0);
        }
    }

    /// Another segment has come.
    pub fn begin(&mut self) {
        self.reported = false;
    }

    /// RFC 2883 4 (3): a segment is reported by one block. A range of it that touches the last one
    /// makes that longer (Linux `tcp_dsack_extend`), another one is not reported.
    pub fn push(&mut self, left: Seq, right: Seq) {
        let touches = |l: &&mut (Seq, Seq)| left.at_or_before(l.1) && l.0.at_or_before(right);
        if let Some(last) = self.reports.last_mut().filter(touches) {
            *last = (last.0.earlier(left), last.1.later(right));
        } else if !self.reported && self.reports.len() < REPORTS {
            self.reports.push((left, right));
        }
        self.reported = true;
    }
}
