//! SEGMENT ARRIVES in TIME-WAIT (RFC 9293 3.10.7.4), in the form of Linux's
//! `tcp_timewait_state_process`. Whatever is not the next bare ACK is answered by an ACK: its
//! sender does not know that both ends are closed. (A SYN that opens anew is seen before, in
//! `set`.)
use super::verdict::Verdict;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::words::{Count, Cx, Segment, Timer};
use crate::wire::tcp::Flags;

impl Conn {
    pub(super) fn time_wait(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) -> Verdict {
        if segment.has(Flags::RST) {
            // RFC 1337 3, fix 1: a reset does not assassinate TIME-WAIT, if the net says so. As on
            // Linux it does otherwise, if it is exact.
            if !cx.config.rfc1337 && segment.seq == self.rx.nxt() {
                cx.counters.add(Count::ResetsIn);
                self.end(None);
            }
            return Verdict::Drop(Count::TimeWait);
        }
        let stale = self.check_timestamp(cx, segment).is_err();
        let next = !stale && segment.len() == 0 && segment.seq == self.rx.nxt();
        // A SYN without an ACK may be a new connection's that was not believed: it does not make
        // the wait longer.
        if stale || next || segment.has(Flags::ACK) {
            self.timers.set(Timer::Linger, cx.now + cx.config.time_wait);
        }
        if next {
            self.note_timestamp(cx, segment);
            return Verdict::Drop(Count::TimeWait);
        }
        Verdict::Ack(if stale { Count::Paws } else { Count::OutOfWindow })
    }
}
