//! Data and FIN (RFC 9293 3.10.7.4, seventh and eighth step), and when they are acknowledged.
use super::conn::{Conn, Cx, Segment};
use super::counters::Count;
use super::reset::Reply;
use super::seq::Seq;
use super::state::Cause;
use crate::wire::tcp::Flags;

impl Conn {
    /// The payload of a segment that was trimmed to the window.
    pub fn take_data(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        if segment.payload.is_empty() {
            return;
        }
        if !self.state.receives() || self.rx.closed {
            // RFC 9293 3.10.7.4: after the peer's FIN this should not occur.
            cx.counters.add(Count::DataNotExpected);
            return;
        }
        if self.released {
            // RFC 9293 3.6.1 (RFC 1122 4.2.2.13): data that nobody can read is answered by a reset.
            cx.counters.add(Count::DataAfterRelease);
            if let Some(reply) = Reply::reset_for(self.tuple, segment) {
                cx.replies.push(reply, cx.counters);
            }
            self.end(None);
            return;
        }
        self.ecn_take_data(segment);
        let len = segment.payload.len() as u32;
        self.measure_round_trip(cx, segment);
        self.data_came(cx, segment);
        self.stats.data_segs_in = self.stats.data_segs_in.wrapping_add(1);
        let end = segment.seq + len;
        if segment.seq != self.rx.nxt {
            return self.take_out_of_order(cx, segment, end);
        }
        let filled = !self.rx.reassembly.is_empty();
        if filled {
            self.note_queued(segment.seq, end);
        }
        self.rx.ring.write(segment.payload);
        let reached = if filled { self.rx.reassembly.advance(end) } else { end };
        self.rx.ring.commit(reached.past(end) as usize);
        let bytes = reached.past(self.rx.nxt);
        self.rx.nxt = reached;
        self.stats.bytes_received += u64::from(bytes);
        self.changed = true;
        self.acknowledge_data(cx, bytes, filled);
    }

    /// Written where it belongs, behind the gap.
    fn take_out_of_order(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>, end: Seq) {
        // RFC 5681 4.2: at once, and one for each, so that the sender can count them. With SACK
        // the latest one tells all.
        if self.rx.ack_now && !self.sack {
            self.rx.duplicate_acks = self.rx.duplicate_acks.saturating_add(1);
        }
        self.rx.ack_now = true;
        self.stats.out_of_order = self.stats.out_of_order.wrapping_add(1);
        self.note_queued(segment.seq, end);
        if !self.rx.reassembly.insert(segment.seq, end) {
            cx.counters.add(Count::OutOfOrderFull);
            return;
        }
        let offset = self.rx.ring.len() + segment.seq.past(self.rx.nxt) as usize;
        self.rx.ring.write_at(offset, segment.payload);
    }

    /// RFC 9293 3.10.7.4, eighth step. A FIN behind a gap is remembered.
    pub fn take_fin(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        if segment.has(Flags::FIN) && self.state.receives() {
            self.rx.fin = Some(segment.seq + segment.payload.len() as u32);
            self.rx.ack_now = true;
        }
        if self.rx.closed || self.rx.fin != Some(self.rx.nxt) || !self.state.receives() {
            return;
        }
        self.rx.nxt += 1;
        self.rx.edge = self.rx.edge.later(self.rx.nxt);
        self.rx.closed = true;
        // As on Linux, which counts what rcv_nxt moves by.
        self.stats.bytes_received += 1;
        self.rx.reassembly.clear();
        self.rx.ack_now = true;
        self.go(Cause::FinArrived);
        if self.state == super::api::State::TimeWait {
            self.enter_time_wait(cx);
        }
    }
}
