//! SEGMENT ARRIVES in the synchronized states and SYN-RECEIVED: RFC 9293 3.10.7.4, as it is
//! numbered there, with RFC 7323's PAWS in front and RFC 5961's checks where they belong.
use super::verdict::Verdict;
use crate::base::NetError;
use crate::base::time::Duration;
use crate::stack::tcp::State;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::words::{Cause, Count, Cx, Reply, Segment};
use crate::wire::tcp::Flags;

/// RFC 7323 5.5: TS.Recent is not believed after so long an idle time.
const PAWS_IDLE: Duration = Duration::from_secs(24 * 24 * 3600);

impl Conn {
    /// Every segment for a connection that has sent or received a SYN comes through here.
    pub fn segment_arrives(&mut self, cx: &mut Cx<'_>, segment: Segment<'_>) {
        self.stats.segs_in = self.stats.segs_in.wrapping_add(1);
        self.rx.begin_segment();
        let outcome = match self.state {
            State::Closed | State::Listen => Err(Verdict::Drop(Count::Ended)),
            State::SynSent => self.syn_sent(cx, &segment),
            State::TimeWait => Err(self.time_wait(cx, &segment)),
            _ => self.walk(cx, segment),
        };
        self.rx.heard(cx.now);
        if let Err(verdict) = outcome {
            self.obey(cx, &segment, verdict);
        }
    }

    fn walk(&mut self, cx: &mut Cx<'_>, mut segment: Segment<'_>) -> Result<(), Verdict> {
        self.check_timestamp(cx, &segment)?;
        let crossed = self.crossing_syn_ack(&mut segment);
        self.check_sequence(&mut segment)?; // first
        self.check_reset(&segment)?; // second; the third, security, is not for us
        self.check_syn(&segment)?; // fourth
        let began = segment.seq;
        self.rx.trim(&mut segment);
        self.check_ack(cx, &segment)?; // fifth
        if crossed {
            // As on Linux their SYN, which comes for the second time, is answered as such.
            self.rx.note_second_syn();
        }
        // As on Linux, only now: a segment with a bad ACK says nothing about time.
        self.note_timestamp(cx, &segment);
        self.take_urgent(began, &segment); // sixth
        self.take_data(cx, &segment); // seventh
        self.take_fin(cx, &segment); // eighth
        self.release_held();
        Ok(())
    }

    /// RFC 7323 5.3 R1. A missing timestamp is tolerated, as Linux does.
    pub(super) fn check_timestamp(
        &self,
        cx: &Cx<'_>,
        segment: &Segment<'_>,
    ) -> Result<(), Verdict> {
        let Some((value, _)) = segment.options.timestamps.filter(|_| self.stamps.on) else {
            return Ok(());
        };
        let older = (value.wrapping_sub(self.stamps.recent) as i32) < 0;
        let believed = cx.now.since(self.stamps.recent_at) < PAWS_IDLE;
        if older && believed && !segment.has(Flags::RST) && !segment.has(Flags::SYN) {
            return Err(Verdict::Ack(Count::Paws));
        }
        Ok(())
    }

    /// RFC 9293 3.10.7.4, first: the four cases. Like Linux, a segment without data may stand at
    /// the right edge: so does an ACK of a peer that has filled the window.
    fn check_sequence(&mut self, segment: &mut Segment<'_>) -> Result<(), Verdict> {
        let (nxt, window) = (self.rx.nxt(), self.rx.window());
        let (seq, len) = (segment.seq, segment.len());
        let acceptable = if len == 0 {
            seq.at_or_after(nxt) && seq.at_or_before(nxt + window)
        } else if window == 0 {
            // "Special allowance should be made to accept valid ACKs, URGs, and RSTs."
            if seq == nxt && !segment.has(Flags::SYN) && !segment.has(Flags::RST) {
                if !segment.payload.is_empty() {
                    segment.payload = &[];
                    segment.flags.0 &= !Flags::FIN.0;
                }
                self.rx.owe_ack();
            }
            seq == nxt
        } else {
            seq.before(nxt + window) && segment.end().after(nxt)
        };
        if acceptable {
            return Ok(());
        }
        if segment.has(Flags::RST) {
            return Err(self.stray_reset(segment));
        }
        if self.state == State::SynReceived && segment.has(Flags::SYN) && seq == self.rx.irs() {
            // Our SYN-ACK was lost, or is late. Where SYNs have crossed the peer knows ours: as on
            // Linux it is told where we are.
            if !self.membership.is_passive() {
                return Err(Verdict::Challenge(Count::SynChallenged));
            }
            self.tx.syn_due = true;
            return Err(Verdict::Drop(Count::OutOfWindow));
        }
        Err(Verdict::Ack(Count::OutOfWindow))
    }

    /// RFC 9293 figure 8: in a simultaneous open the peer's SYN comes again, with the ACK of ours.
    fn crossing_syn_ack(&self, segment: &mut Segment<'_>) -> bool {
        let crosses = self.state == State::SynReceived
            && segment.has(Flags::SYN.with(Flags::ACK))
            && segment.seq == self.rx.irs()
            && segment.ack == self.tx.nxt;
        if crosses {
            segment.seq += 1;
            segment.flags.0 &= !Flags::SYN.0;
        }
        crosses
    }

    /// A reset that is not at `rcv_nxt`. Some stacks send one with the number of their FIN after
    /// it (Linux `tcp_reset_check`).
    fn stray_reset(&self, segment: &Segment<'_>) -> Verdict {
        if self.rx.is_closed() && segment.seq + 1 == self.rx.nxt() {
            return Verdict::Reset;
        }
        Verdict::Drop(Count::ResetOutOfWindow)
    }

    /// RFC 5961 3.2: only an exact match resets.
    fn check_reset(&self, segment: &Segment<'_>) -> Result<(), Verdict> {
        if !segment.has(Flags::RST) {
            return Ok(());
        }
        // As on Linux, the end of what has arrived out of order is as good: there a sender stands
        // that has reset after data that was lost.
        let edge = self.sack && self.rx.last_range_end() == Some(segment.seq);
        Err(if segment.seq == self.rx.nxt() || edge {
            Verdict::Reset
        } else {
            Verdict::Challenge(Count::ResetChallenged)
        })
    }

    /// RFC 5961 4.2: a SYN in a synchronized state is challenged, wherever it is.
    fn check_syn(&self, segment: &Segment<'_>) -> Result<(), Verdict> {
        if segment.has(Flags::SYN) {
            return Err(Verdict::Challenge(Count::SynChallenged));
        }
        Ok(())
    }

    /// RFC 7323 4.3 (2).
    pub(super) fn note_timestamp(&mut self, cx: &Cx<'_>, segment: &Segment<'_>) {
        let Some((value, _)) = segment.options.timestamps.filter(|_| self.stamps.on) else {
            return;
        };
        let newer = value.wrapping_sub(self.stamps.recent) as i32 >= 0
            || cx.now.since(self.stamps.recent_at) >= PAWS_IDLE;
        if newer && segment.seq.at_or_before(self.rx.last_ack()) {
            self.stamps.recent = value;
            self.stamps.recent_at = cx.now;
        }
    }

    /// RFC 9293 3.10.7.4, fifth.
    fn check_ack(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) -> Result<(), Verdict> {
        if !segment.has(Flags::ACK) {
            return Err(Verdict::Drop(Count::NoAck));
        }
        if self.state == State::SynReceived {
            if !(segment.ack.after(self.tx.una) && segment.ack.at_or_before(self.tx.nxt)) {
                return Err(Verdict::Refuse(Count::BadAck));
            }
            self.established(cx, segment);
        }
        self.check_ack_range(segment)?;
        self.take_ack(cx, segment);
        if self.has_fin() && self.tx.una == self.send_end() {
            self.fin_acknowledged(cx);
        }
        Ok(())
    }

    fn fin_acknowledged(&mut self, cx: &mut Cx<'_>) {
        if !self.go(Cause::FinAcknowledged) {
            return;
        }
        self.tx.delivered = true;
        match self.state {
            State::TimeWait => self.enter_time_wait(cx),
            State::Closed => self.end(None),
            State::FinWait2 if self.is_released() => self.wait_as_orphan(cx),
            _ => {}
        }
    }

    fn obey(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>, verdict: Verdict) {
        match verdict {
            Verdict::Drop(count) => cx.counters.add(count),
            Verdict::Ack(count) => {
                cx.counters.add(count);
                // A duplicate with data says that the peer does not know what we have: no limit.
                if !segment.payload.is_empty()
                    || segment.has(Flags::FIN)
                    || self.rx.may_answer(cx.now)
                {
                    self.rx.owe_ack();
                }
                if !segment.has(Flags::SYN) && self.state != State::TimeWait {
                    self.rx.note_old(segment);
                }
            }
            Verdict::Challenge(count) => {
                cx.counters.add(count);
                if self.rx.may_answer(cx.now) {
                    cx.counters.add(Count::ChallengesOut);
                    self.rx.owe_ack();
                }
            }
            Verdict::Refuse(count) => {
                cx.counters.add(count);
                if let Some(reply) = Reply::reset_for(self.tuple, segment) {
                    cx.replies.push(reply, cx.counters);
                }
                if count == Count::SynSentBadAck && !segment.has(Flags::RST) {
                    self.repeat_syn_soon(cx);
                }
            }
            Verdict::Reset => {
                cx.counters.add(Count::ResetsIn);
                // Linux `tcp_reset`: refused only while nothing has come but this.
                let refused = self.state == State::SynSent;
                self.end(Some(if refused { NetError::Refused } else { NetError::Reset }));
            }
        }
    }
}
