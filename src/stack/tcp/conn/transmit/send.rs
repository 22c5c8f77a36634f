//! What leaves and when. Nothing is queued as segments: `poll_transmit` asks each connection that
//! may have something to say, and the segment is cut from the send ring at that moment, as long as
//! the window, cwnd and the link's segmentation offload (TSO) allow.
//!
//! Order: SYN, what was lost, new data and FIN, probes, a bare ACK. Every segment carries the
//! latest ACK and window.
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::loss::{ECN_FIELD, Pending};
use crate::stack::tcp::words::{Count, Cx, Seq, Timer};
use crate::stack::tcp::{SegmentOut, State};
use crate::wire::tcp::{Flags, Options, TcpHeader};

/// A piece of the send ring with what goes around it.
struct Piece {
    seq: Seq,
    len: u32,
    flags: Flags,
    /// Never sent before.
    fresh: bool,
    /// Payload of one segment if the link is to cut this one.
    mss: u32,
}

impl Conn {
    /// The next segment, if one may go now.
    pub fn transmit(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut) -> bool {
        match self.state {
            State::Closed | State::Listen => false,
            State::SynSent | State::SynReceived => {
                self.transmit_syn(cx, out)
                    || (self.fast.child || self.closes_early()) && self.transmit_new(cx, out, false)
                    || self.transmit_ack(cx, out)
            }
            _ => {
                let sent = self.transmit_first(cx, out)
                    || self.transmit_new(cx, out, false)
                    || self.transmit_probe(cx, out)
                    || self.transmit_ack(cx, out);
                if !sent {
                    self.note_idle_window();
                }
                let wait = self.waits_for();
                self.chrono.turn_to(cx.now, wait);
                sent
            }
        }
    }

    fn transmit_syn(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut) -> bool {
        if !core::mem::take(&mut self.tx.syn_due) {
            return false;
        }
        let again = self.tx.nxt != self.tx.iss;
        let len = if again { 0 } else { self.syn_data_now(cx) };
        if !again {
            self.tx.nxt = self.tx.iss + 1 + len;
            self.tx.timed = Some((self.tx.iss + 1, cx.now));
        } else {
            self.count_again(cx, 0, 1);
        }
        self.arm_retransmit(cx);
        let options = self.syn_options(cx);
        let flags =
            if self.state == State::SynSent { Flags::SYN } else { Flags::SYN.with(Flags::ACK) };
        let flags = flags.with(self.ecn_syn_flags(cx, again));
        let piece = Piece { seq: self.tx.iss, len, flags, fresh: false, mss: len };
        self.emit(cx, out, piece, options);
        true
    }

    /// A tail loss probe; then what is lost (RFC 6675 5 (C), RFC 6298 5.4), unless F-RTO tries new
    /// data before it (RFC 5682 2.1 step 2b).
    fn transmit_first(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut) -> bool {
        if core::mem::take(&mut self.recovery.probe.due) && self.transmit_tail(cx, out) {
            return true;
        }
        if self.recovery.try_new {
            if self.transmit_new(cx, out, true) {
                return true;
            }
            if self.tx.nxt.after(self.recovery.point) {
                return false;
            }
            (self.recovery.try_new, self.recovery.frto) = (false, false);
        }
        self.transmit_lost(cx, out)
    }

    /// RFC 8985 7.3: new data if there is any and the peer's window takes it, whatever cwnd says;
    /// else the last segment again.
    fn transmit_tail(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut) -> bool {
        let unsent = self.data_end().past(self.tx.nxt);
        let window = self.window_from(self.tx.nxt);
        if unsent > 0 && window >= unsent.min(self.tx.mss) {
            let options = self.options_now(cx);
            let mss = self.tx.mss - options.wire_len() as u32;
            let len = unsent.min(window).min(mss);
            self.send_new(cx, out, len, mss, options);
            self.probe_sent(cx, false);
            return true;
        }
        let options = self.options_now(cx);
        let mss = self.tx.mss - options.wire_len() as u32;
        let Some(tail) = self.flight.tail().copied().filter(|t| !t.sacked && !t.waits()) else {
            return false;
        };
        let mut place = self.flight.records() - 1;
        let cut = tail.start + (tail.segs - 1).min(tail.len() / tail.mss) * tail.mss;
        if tail.segs > 1 && self.flight.split(place, cut) {
            place += 1;
        }
        self.send_again(cx, out, place, mss, options, false);
        self.probe_sent(cx, true);
        true
    }

    fn transmit_lost(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut) -> bool {
        let Some(place) = self.flight.next_lost() else { return false };
        let Some(from) = self.flight.at(place).map(|record| record.start) else { return false };
        let options = self.options_now(cx);
        let mss = self.tx.mss - options.wire_len() as u32;
        let room = self.room();
        if !self.recovery.force && self.pacing_waits(cx) {
            return false;
        }
        let force = core::mem::take(&mut self.recovery.force);
        if !force && room < mss && self.pipe() > 0 {
            self.note_usage(cx, true);
            return false;
        }
        // What the peer's window takes; its first byte always goes.
        let window = self.window_from(from);
        if from != self.tx.una && window == 0 {
            return false;
        }
        let mut most = room.max(mss).min(self.burst(cx, mss));
        if window < most {
            most = if window > mss { window - window % mss } else { window };
        }
        if self.tx.wnd == 0 || force {
            most = mss;
        }
        let most = most.max(1);
        self.flight.gather(place, most);
        let Some(record) = self.flight.at(place) else { return false };
        let data = record.end.earlier(self.data_end()).past(from);
        if data > most {
            let len = if most > mss { most - most % mss } else { most };
            if !self.flight.split(place, from + len) {
                return false;
            }
        }
        self.send_again(cx, out, place, mss, options, true);
        true
    }

    /// The record at `place`, once more. `counts`: as a retransmission that is in flight.
    fn send_again(
        &mut self,
        cx: &mut Cx<'_>,
        out: &mut SegmentOut,
        place: usize,
        mss: u32,
        options: Options,
        counts: bool,
    ) {
        let Some(record) = self.flight.at(place).copied() else { return };
        let (data_end, from) = (self.data_end(), record.start);
        let len = record.end.earlier(data_end).past(from);
        // The FIN goes with the last byte if it was lost as well.
        let fin = record.end.after(data_end);
        let flags = if fin { Flags::FIN } else { Flags(0) };
        let flags = if record.push && len > 0 { flags.with(Flags::PSH) } else { flags };
        let in_flight = self.pipe() + if record.waits() { record.len() } else { 0 };
        let snapshot = self.rate.sent(cx.now, false, in_flight);
        self.flight.sent_again(place, cx.now, mss, snapshot, counts);
        let segs = len.div_ceil(mss).max(1);
        if counts {
            self.undo_sent_again(record.len(), self.stamps.value(cx.now));
            self.recovery.prr.sent(len);
        }
        self.cc.sent(cx.now, len, in_flight, self.rate.is_limited_by_program());
        self.count_again(cx, len, segs);
        self.tx.timed = None;
        self.arm_after_resending(cx, from);
        self.emit(cx, out, Piece { seq: from, len, flags, fresh: false, mss }, options);
    }

    /// `push`: whatever Nagle says.
    fn transmit_new(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut, push: bool) -> bool {
        let data_end = self.data_end();
        let unsent = data_end.past(self.tx.nxt);
        let fin_unsent = self.has_fin() && self.tx.nxt.at_or_before(data_end);
        if unsent == 0 && !fin_unsent {
            return false;
        }
        let options = self.options_now(cx);
        let mss = self.tx.mss - options.wire_len() as u32;
        if unsent > 0 && self.pacing_waits(cx) {
            return false;
        }
        match self.mtu_probe_due(cx, unsent, mss) {
            Ok(None) => {}
            Ok(Some(len)) => {
                self.send_new(cx, out, len, len, options);
                return true;
            }
            Err(()) => return false,
        }
        let Some(len) = self.plan_new(cx, unsent, mss, push) else { return false };
        let end = self.tx.nxt + len;
        let room = self.window_from(end);
        if len == 0 && !(fin_unsent && end == data_end && room >= 1) {
            self.arm_persist(cx);
            return false;
        }
        self.send_new(cx, out, len, mss, options);
        true
    }

    /// The next `len` bytes, and the FIN if it follows and the window takes it.
    fn send_new(
        &mut self,
        cx: &mut Cx<'_>,
        out: &mut SegmentOut,
        len: u32,
        mss: u32,
        options: Options,
    ) {
        let (seq, data_end) = (self.tx.nxt, self.data_end());
        let end = seq + len;
        let room = self.window_from(end);
        let fin_unsent = self.has_fin() && seq.at_or_before(data_end);
        let fin = fin_unsent && end == data_end && room >= 1;
        let (push, record) = if len > 0 { self.is_pushed(end) } else { (false, false) };
        let flags = if fin { Flags::FIN } else { Flags(0) };
        let flags = if push { flags.with(Flags::PSH) } else { flags };
        self.tx.nxt = end + u32::from(fin);
        if !len.is_multiple_of(mss) {
            self.tx.small_end = self.tx.nxt;
        }
        let first = self.flight.is_empty();
        if first {
            self.cc.restarted(cx.now, cx.now.since(self.tx.last_sent));
        }
        let in_flight = self.pipe() + self.tx.nxt.past(seq);
        let snapshot = self.rate.sent(cx.now, first, in_flight);
        self.flight.push(seq, self.tx.nxt, cx.now, mss, snapshot);
        self.flight.mark_tail(push, record);
        self.arm_after_sending(cx, first);
        // Room for more has come: see `send_limit`.
        self.changed |= self.options.notsent_lowat > 0;
        self.tx.last_sent = cx.now;
        self.stats.bytes_sent += u64::from(len);
        self.recovery.prr.sent(len);
        self.cc.sent(cx.now, len, in_flight, self.rate.is_limited_by_program());
        self.note_usage(cx, in_flight >= self.window_now());
        self.emit(cx, out, Piece { seq, len, flags, fresh: true, mss }, options);
    }

    /// How many bytes of the `unsent` ones go now: `None` for none, `Some(0)` for a FIN alone (or,
    /// with a closed window, nothing but the persist timer).
    fn plan_new(&mut self, cx: &Cx<'_>, unsent: u32, mss: u32, push: bool) -> Option<u32> {
        let forced = core::mem::take(&mut self.tx.override_due);
        let window = self.window_from(self.tx.nxt);
        if unsent == 0 {
            return Some(0);
        }
        let (flight, room) = (self.outstanding(), self.room());
        if flight > 0 && room < mss.min(unsent) {
            self.note_usage(cx, true);
            return None;
        }
        let room = room.max(mss);
        let burst = self.burst(cx, mss);
        let (unsent, all) = self.of_one_record(unsent);
        let mut len = unsent.min(window).min(room).min(burst);
        if len == unsent {
            // The tail: full segments at once, the rest as Nagle allows.
            if len % mss != 0 && all && !push && !self.tail_may_go(cx) {
                len -= len % mss;
                return (len > 0).then_some(len);
            }
            return Some(len);
        }
        if len >= mss {
            len -= len % mss;
            // Wait for ACKs of what is in flight rather than send many small bursts.
            let limited = len + mss > room;
            if limited {
                self.note_usage(cx, true);
            }
            if limited && flight > 0 && burst > mss && self.waits_for_room(cx, len) {
                return None;
            }
            return Some(len);
        }
        // RFC 9293 3.8.6.2.1 (3): less than a segment because of the window: half the largest
        // window ever seen, or the override timer.
        let silly = cx.config.teaching.silly_windows;
        if len > 0 && (len >= self.tx.max_wnd / 2 || forced || silly) {
            return Some(len);
        }
        if flight == 0 {
            self.arm_persist(cx);
        }
        None
    }

    /// A zero window or keep-alive probe: nothing new, one below what the peer expects, so that it
    /// must answer (Linux `tcp_xmit_probe_skb`; RFC 9293 3.8.6.1 would send a byte).
    fn transmit_probe(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut) -> bool {
        if core::mem::take(&mut self.tx.urgent_probe_due) && self.urges() {
            // RFC 9293 3.8.5: the pointer goes even into a closed window (Linux tcp_write_wakeup).
            let options = self.options_now(cx);
            let piece = Piece { seq: self.tx.una, len: 0, flags: Flags(0), fresh: false, mss: 0 };
            self.emit(cx, out, piece, options);
            return true;
        }
        if !core::mem::take(&mut self.tx.probe_due) {
            return false;
        }
        let options = self.options_now(cx);
        let piece = Piece { seq: self.tx.una - 1, len: 0, flags: Flags(0), fresh: false, mss: 0 };
        self.emit(cx, out, piece, options);
        true
    }

    fn transmit_ack(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut) -> bool {
        if !self.rx.owes_ack() {
            return false;
        }
        if let Some(point) = self.rx.ack_point(cx.now) {
            self.emit_ack_point(cx, out, point);
            return true;
        }
        let options = self.ack_options(cx);
        let owed = self.rx.bare_ack_leaves();
        let piece = Piece { seq: self.tx.nxt, len: 0, flags: Flags(0), fresh: false, mss: 0 };
        self.emit(cx, out, piece, options);
        if owed > 0 {
            self.rx.owe_duplicates(owed - 1);
        }
        true
    }

    /// RFC 2883 4: what arrived twice comes first. Only in bare ACKs: a link that cuts segments
    /// (TSO) would repeat it in each piece.
    fn ack_options(&self, cx: &Cx<'_>) -> Options {
        let mut first = Options::default();
        if let Some((left, right)) = self.rx.first_duplicate() {
            first.push_sack(left.0, right.0);
        }
        self.options_after(cx, first)
    }

    /// Timestamps, and what has arrived out of order.
    pub fn options_now(&self, cx: &Cx<'_>) -> Options {
        self.options_after(cx, Options::default())
    }

    fn stamp_now(&self, cx: &Cx<'_>) -> Option<(u32, u32)> {
        self.stamps.on.then(|| (self.stamps.value(cx.now), self.stamps.recent))
    }

    fn options_after(&self, cx: &Cx<'_>, mut options: Options) -> Options {
        options.timestamps = self.stamp_now(cx);
        self.rx.sack_blocks(&mut options);
        options
    }

    fn arm_retransmit(&mut self, cx: &Cx<'_>) {
        self.timers.stop(Timer::Persist);
        self.tx.stuck_since.get_or_insert(cx.now);
        if !self.timers.is_set(Timer::Retransmit) {
            self.set_retransmit(Pending::Rto, cx.now + self.rtt.rto(cx.config));
        }
    }

    /// RFC 6298 5.1, RFC 8985 7.2. `first`: nothing was outstanding.
    fn arm_after_sending(&mut self, cx: &Cx<'_>, first: bool) {
        self.arm_retransmit(cx);
        if first && self.state.is_synchronized() {
            self.set_retransmit(Pending::Rto, cx.now + self.rtt.rto(cx.config));
        }
        self.schedule_probe(cx, false);
    }

    /// The timeout starts anew with the first outstanding segment (Linux
    /// `tcp_xmit_retransmit_queue`).
    fn arm_after_resending(&mut self, cx: &Cx<'_>, from: Seq) {
        self.arm_retransmit(cx);
        if from == self.tx.una && self.recovery.pending != Pending::Reorder {
            self.set_retransmit(Pending::Rto, cx.now + self.rtt.rto(cx.config));
        }
    }

    fn count_again(&mut self, cx: &mut Cx<'_>, bytes: u32, segments: u32) {
        cx.counters.add(Count::Retransmits);
        self.stats.bytes_retrans += u64::from(bytes);
        self.stats.total_retrans = self.stats.total_retrans.wrapping_add(segments);
    }

    fn emit(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut, piece: Piece, options: Options) {
        let syn = piece.flags.has(Flags::SYN);
        // RFC 9293 3.9.1.2 leaves it open; Linux pushes every super-segment, so that a receiver
        // that merges segments passes this burst on (`__tcp_transmit_skb`).
        let push = if piece.len > piece.mss { Flags::PSH } else { Flags(0) };
        let ack = self.state != State::SynSent;
        let urgent = if syn { None } else { self.urgent_pointer(piece.seq) };
        let flags = if ack { piece.flags.with(Flags::ACK) } else { piece.flags }.with(push);
        let (flags, ecn) = self.ecn.mark(flags, piece.fresh && piece.len > 0);
        let header = TcpHeader {
            source: self.tuple.local.port(),
            destination: self.tuple.remote.port(),
            seq: piece.seq.0,
            ack: if ack { self.rx.nxt().0 } else { 0 },
            flags: if urgent.is_some() { flags.with(Flags::URG) } else { flags },
            window: if syn { self.first_window() } else { self.rx.advance_edge() },
            urgent: urgent.unwrap_or(0),
            options,
        };
        self.begin(out, &header, ecn);
        out.gso_size = if piece.len > piece.mss { piece.mss as u16 } else { 0 };
        if piece.len > 0 {
            // The SYN has a number of its own, in front of the data.
            let offset = (piece.seq + u32::from(syn)).past(self.tx.base) as usize;
            self.pacing_sent(cx, piece.len);
            for part in self.tx.ring.slices(offset, piece.len as usize) {
                out.bytes.extend_from_slice(part);
            }
            self.rx.data_left(cx.now);
            self.stats.data_segs_out = self.stats.data_segs_out.wrapping_add(1);
        }
        self.stats.segs_out = self.stats.segs_out.wrapping_add(1);
        cx.counters.add(Count::SegmentsOut);
        self.rx.segment_left(&mut self.timers);
    }

    /// An ACK of less than has come; the next one follows.
    fn emit_ack_point(&mut self, cx: &mut Cx<'_>, out: &mut SegmentOut, point: Seq) {
        let (flags, ecn) = self.ecn.mark(Flags::ACK, false);
        let header = TcpHeader {
            source: self.tuple.local.port(),
            destination: self.tuple.remote.port(),
            seq: self.tx.nxt.0,
            ack: point.0,
            flags,
            window: self.rx.ack_point_left(point),
            urgent: 0,
            options: Options { timestamps: self.stamp_now(cx), ..Options::default() },
        };
        self.begin(out, &header, ecn);
        out.gso_size = 0;
        self.stats.segs_out = self.stats.segs_out.wrapping_add(1);
        cx.counters.add(Count::SegmentsOut);
    }

    fn begin(&self, out: &mut SegmentOut, header: &TcpHeader, ecn: u8) {
        out.tuple = self.tuple;
        out.bytes.clear();
        out.header_len = header.emit(&mut out.bytes) as u16;
        out.ttl = self.options.ttl;
        out.tos = self.options.tos & !ECN_FIELD | ecn;
    }
}
