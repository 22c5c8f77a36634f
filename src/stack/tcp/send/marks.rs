//! What programs say of the bytes that they write (`MSG_MORE`, `MSG_EOR`), until those have left.
use crate::base::limits::TCP_RECORD_ENDS;
use crate::stack::tcp::words::Seq;
use std::collections::VecDeque;

/// What a program says of the bytes that it writes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Mark {
    /// `MSG_MORE`: more follows at once.
    pub more: bool,
    /// `MSG_EOR`: no segment goes over the end of them.
    pub end_of_record: bool,
}

/// What was said of the bytes that wait.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// More was announced and neither it nor a segment of the peer's has come.
    holds: bool,
    /// The end of the last write, if more was announced: it is not pushed.
    unpushed: Option<Seq>,
    /// Ends of records that are not sent yet.
    records: VecDeque<Seq>,
    /// What is held back may go now, this once.
    uncork: bool,
}

impl Marks {
    /// The first end of a record behind `nxt`.
    pub fn record_end(&mut self, nxt: Seq) -> Option<Seq> {
        while self.records.front().is_some_and(|end| end.at_or_before(nxt)) {
            self.records.pop_front();
        }
        self.records.front().copied()
    }

    /// The cork has been in for too long: what waits leaves as if it was all (Linux
    /// `tcp_write_wakeup` pushes it).
    pub fn waited(&mut self) {
        (self.holds, self.unpushed, self.uncork) = (false, None, true);
    }

    /// Bytes up to `end` were written so.
    pub fn written(&mut self, end: Seq, mark: Mark) {
        self.holds = mark.more;
        self.unpushed = mark.more.then_some(end);
        if mark.end_of_record && self.records.len() < TCP_RECORD_ENDS {
            self.records.push_back(end);
        }
    }

    /// Linux `tcp_data_snd_check`: whatever comes from the peer lets go what `MSG_MORE` holds.
    pub fn release_held(&mut self) {
        self.holds = false;
    }

    /// What is held back, by `MSG_MORE` or by `cork`, may go this once.
    pub fn uncork(&mut self, cork: bool) {
        self.uncork = cork || self.holds;
    }

    /// `TCP_CORK` is off: nothing is held back by it any more.
    pub fn cork_is_off(&mut self) {
        self.uncork = false;
    }

    /// Whether a segment that is not full has to wait, with `TCP_CORK` set or not.
    pub fn holds_back(&self, cork: bool) -> bool {
        (cork || self.holds) && !self.uncork
    }

    /// The last write ended at `end`, and more was announced.
    pub fn is_unpushed(&self, end: Seq) -> bool {
        self.unpushed == Some(end)
    }
}
