//! What waits for more to come before it leaves, and what does not: Nagle's algorithm, `TCP_CORK`,
//! and what programs say of the bytes that they write (`MSG_MORE`, `MSG_EOR`).
use super::conn::{Conn, Cx};
use super::seq::Seq;
use super::timers::Timer;
use crate::base::limits::TCP_RECORD_ENDS;
use crate::base::time::Duration;
use std::collections::VecDeque;

/// How long `TCP_CORK` and `MSG_MORE` hold back a segment that is not full, at least: a timeout
/// (Linux `tcp_check_probe_timer`), which is 200 ms or more.
const CORK: Duration = Duration::from_millis(200);

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
pub(super) struct Marks {
    /// More was announced and neither it nor a segment of the peer's has come.
    holds: bool,
    /// The end of the last write, if more was announced: it is not pushed.
    unpushed: Option<Seq>,
    /// Ends of records that are not sent yet.
    records: VecDeque<Seq>,
    /// What is held back may go now, this once.
    pub uncork: bool,
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
}

impl Conn {
    /// Bytes up to the end of what is to be sent were written so.
    pub fn written(&mut self, cx: &Cx<'_>, mark: Mark) {
        self.restart_after_idle(cx);
        let end = self.data_end();
        self.marks.holds = mark.more;
        self.marks.unpushed = mark.more.then_some(end);
        if mark.end_of_record && self.marks.records.len() < TCP_RECORD_ENDS {
            self.marks.records.push_back(end);
        }
    }

    /// Linux `tcp_data_snd_check`: whatever comes from the peer lets go what `MSG_MORE` holds.
    pub fn release_held(&mut self) {
        self.marks.holds = false;
    }

    /// What is held back may go, this once (Linux: setting `TCP_NODELAY` does that).
    pub fn uncork(&mut self) {
        self.marks.uncork = self.options.cork || self.marks.holds;
    }

    /// RFC 9293 3.9.1.2: the last data that there is is pushed, and the end of a record.
    pub fn is_pushed(&mut self, end: Seq) -> (bool, bool) {
        let record = self.marks.record_end(end - 1) == Some(end);
        let last = end == self.data_end() && self.marks.unpushed != Some(end);
        (last || record, record)
    }

    /// Bytes that may be sent together, of `unsent` ones, and whether these are all.
    pub fn of_one_record(&mut self, unsent: u32) -> (u32, bool) {
        match self.marks.record_end(self.tx.nxt) {
            Some(end) if end.past(self.tx.nxt) < unsent => (end.past(self.tx.nxt), false),
            _ => (unsent, true),
        }
    }

    /// Nagle's algorithm (RFC 9293 3.7.4) in Minshall's variant, as Linux: wait only while another
    /// small segment is outstanding. `TCP_CORK` and `MSG_MORE` wait anyway, for some time.
    pub fn tail_may_go(&mut self, cx: &Cx<'_>) -> bool {
        // Linux tcp_nagle_test: neither the end nor urgent data waits.
        if self.state.has_fin() || self.urges() {
            return true;
        }
        if (self.options.cork || self.marks.holds) && !self.marks.uncork {
            if !self.timers.is_set(Timer::Cork) {
                self.timers.set(Timer::Cork, cx.now + self.rtt.rto(cx.config).max(CORK));
            }
            return false;
        }
        self.marks.uncork = false;
        self.options.nodelay || !self.tx.small_end.after(self.tx.una)
    }
}
