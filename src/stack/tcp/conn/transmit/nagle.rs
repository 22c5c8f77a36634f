//! What waits for more to come before it leaves, and what does not: Nagle's algorithm, `TCP_CORK`,
//! and what programs say of the bytes that they write (`MSG_MORE`, `MSG_EOR`).
use crate::base::time::Duration;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::send::Mark;
use crate::stack::tcp::words::{Cx, Seq, Timer};

/// How long `TCP_CORK` and `MSG_MORE` hold back a segment that is not full, at least: a timeout
/// (Linux `tcp_check_probe_timer`), which is 200 ms or more.
const CORK: Duration = Duration::from_millis(200);

impl Conn {
    /// Bytes up to the end of what is to be sent were written so.
    pub fn written(&mut self, cx: &Cx<'_>, mark: Mark) {
        self.restart_after_idle(cx);
        let end = self.data_end();
        self.marks.written(end, mark);
    }

    /// Linux `tcp_data_snd_check`: whatever comes from the peer lets go what `MSG_MORE` holds.
    pub fn release_held(&mut self) {
        self.marks.release_held();
    }

    /// What is held back may go, this once (Linux: setting `TCP_NODELAY` does that).
    pub fn uncork(&mut self) {
        self.marks.uncork(self.options.cork);
    }

    /// RFC 9293 3.9.1.2: the last data that there is is pushed, and the end of a record.
    pub fn is_pushed(&mut self, end: Seq) -> (bool, bool) {
        let record = self.marks.record_end(end - 1) == Some(end);
        let last = end == self.data_end() && !self.marks.is_unpushed(end);
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
        if self.has_fin() || self.urges() {
            return true;
        }
        if self.marks.holds_back(self.options.cork) {
            if !self.timers.is_set(Timer::Cork) {
                self.timers.set(Timer::Cork, cx.now + self.rtt.rto(cx.config).max(CORK));
            }
            return false;
        }
        self.marks.cork_is_off();
        self.options.nodelay || !self.tx.small_end.after(self.tx.una)
    }
}
