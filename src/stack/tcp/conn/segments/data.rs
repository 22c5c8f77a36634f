//! Data, FIN and urgent data that arrive (RFC 9293 3.10.7.4, sixth to eighth step).
use crate::stack::tcp::State;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::receive::{Around, Taken};
use crate::stack::tcp::words::{Cause, Count, Cx, Reply, Segment, Seq};
use crate::wire::tcp::Flags;

impl Conn {
    /// RFC 9293 3.10.7.4, sixth: a segment with URG that began at `seq` before it was trimmed.
    pub fn take_urgent(&mut self, seq: Seq, segment: &Segment<'_>) {
        if segment.has(Flags::URG) && self.state.receives() && !self.is_released() {
            self.changed |= self.rx.take_urgent(seq, segment);
        }
    }

    /// The payload of a segment that was trimmed to the window.
    pub fn take_data(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        if segment.payload.is_empty() {
            return;
        }
        if !self.state.receives() || self.rx.is_closed() {
            // RFC 9293 3.10.7.4: after the peer's FIN this should not occur.
            cx.counters.add(Count::DataNotExpected);
            return;
        }
        if self.is_released() {
            // RFC 9293 3.6.1 (RFC 1122 4.2.2.13): data that nobody can read is answered by a reset.
            cx.counters.add(Count::DataAfterRelease);
            if let Some(reply) = Reply::reset_for(self.tuple, segment) {
                cx.replies.push(reply, cx.counters);
            }
            self.end(None);
            return;
        }
        self.ecn_take_data(segment);
        let Conn { rx, stamps, rtt, timers, .. } = self;
        let mut around = Around { now: cx.now, config: cx.config, stamps, rtt, timers };
        match rx.take_data(&mut around, segment) {
            Taken::InOrder => self.changed = true,
            Taken::OutOfOrder => {}
            Taken::Dropped => cx.counters.add(Count::OutOfOrderFull),
        }
    }

    /// RFC 9293 3.10.7.4, eighth step.
    pub fn take_fin(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        if !self.state.receives() || !self.rx.take_fin(segment) {
            return;
        }
        self.go(Cause::FinArrived);
        if self.state == State::TimeWait {
            self.enter_time_wait(cx);
        }
    }
}
