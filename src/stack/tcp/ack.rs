//! Acknowledgments (RFC 9293 3.10.7.4, fifth step).
use super::conn::{Conn, Cx, Segment};
use super::counters::Count;
use super::segment_arrives::Verdict;
use super::timers::Timer;
use crate::base::time::Duration;
use crate::wire::tcp::Flags;

/// A timestamp echo older than this is not a round trip.
const ECHO_MAX: Duration = Duration::from_secs(120);

impl Conn {
    /// RFC 5961 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT, else a challenge ACK.
    pub fn check_ack_range(&self, segment: &Segment<'_>) -> Result<(), Verdict> {
        let oldest = self.tx.una - self.tx.max_wnd;
        if segment.ack.after(self.tx.nxt) || segment.ack.before(oldest) {
            return Err(Verdict::Challenge(Count::BadAck));
        }
        Ok(())
    }

    /// An ACK in range: new data acknowledged, duplicates, SACK blocks, the window.
    pub fn take_ack(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        self.stats.last_ack_in = cx.now;
        let flight = self.outstanding();
        let acked = segment.ack.past(self.tx.una);
        self.probes = 0;
        self.rtt.last = None;
        if acked > 0 {
            self.advance_una(cx, segment, acked);
        }
        let mut news = false;
        if self.sack {
            for &(left, right) in segment.options.sack_blocks() {
                let (left, right) = (super::seq::Seq(left), super::seq::Seq(right));
                news |= self.recovery.sacked.insert(left, right, self.tx.una, self.tx.nxt);
            }
        }
        // RFC 5681 2: a duplicate ACK; RFC 6675 2: with SACK, one that reports something new.
        let same_window = u32::from(segment.window) << self.tx.shift == self.tx.wnd;
        let bare = segment.payload.is_empty() && !segment.has(Flags::FIN);
        let duplicate = acked == 0
            && segment.ack == self.tx.una
            && flight > 0
            && if self.sack { news } else { bare && same_window };
        self.take_window(segment);
        self.ecn_take_ack(cx, segment, acked, flight);
        if acked > 0 {
            let echo = segment.options.timestamps.filter(|_| self.stamps.on).map(|t| t.1);
            self.undo_if_spurious(echo);
        }
        if flight > 0 {
            self.recovery_on_ack(cx, acked, duplicate, flight);
        }
        if acked > 0 {
            self.after_progress(cx);
        }
    }

    fn advance_una(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>, acked: u32) {
        self.tx.una = segment.ack;
        // Kept close, or it would look later again after 2^31 bytes.
        self.tx.small_end = self.tx.small_end.later(self.tx.una);
        self.tx.up = self.tx.up.later(self.tx.una);
        let bytes = segment.ack.earlier(self.data_end()).past(self.tx.base);
        self.tx.ring.consume(bytes as usize);
        self.tx.base += bytes;
        self.stats.bytes_acked += u64::from(bytes);
        self.changed = true;
        self.soft_error = None;
        self.retransmits = 0;
        if let Some(since) = self.stats.timeouts_since.take() {
            self.stats.timeout_time += cx.now.since(since);
        }
        self.sample_rtt(cx, segment, acked);
        // RFC 6298 5.7 (and Karn): an ACK of something new ends the back-off.
        self.rtt.backoff = 0;
    }

    /// One timed segment at a time, in microseconds; when it was sent again (Karn), the timestamp
    /// echo, in milliseconds (RFC 7323 4).
    fn sample_rtt(&mut self, cx: &Cx<'_>, segment: &Segment<'_>, acked: u32) {
        if let Some((end, at)) = self.tx.timed {
            if segment.ack.at_or_after(end) {
                self.rtt.sample(cx.now.since(at));
                self.tx.timed = None;
            }
            return;
        }
        let Some((_, echo)) = segment.options.timestamps.filter(|t| self.stamps.on && t.1 != 0)
        else {
            return;
        };
        let millis = self.stamps.value(cx.now).wrapping_sub(echo);
        let rtt = Duration::from_millis(u64::from(millis));
        if acked > 0 && rtt < ECHO_MAX {
            self.rtt.sample(rtt.max(Duration::from_millis(1)));
        }
    }

    /// RFC 9293 3.10.7.4: SND.WL1 and SND.WL2 keep old segments from setting the window.
    pub fn take_window(&mut self, segment: &Segment<'_>) {
        let fresh = self.tx.wl1.before(segment.seq)
            || (self.tx.wl1 == segment.seq && self.tx.wl2.at_or_before(segment.ack));
        if !fresh || segment.ack.before(self.tx.una) {
            return;
        }
        let shift = if segment.has(Flags::SYN) { 0 } else { self.tx.shift };
        let window = u32::from(segment.window) << shift;
        if window > self.tx.wnd {
            self.timers.stop(Timer::Persist);
        }
        self.tx.wnd = window;
        self.tx.max_wnd = self.tx.max_wnd.max(window);
        self.tx.wl1 = segment.seq;
        self.tx.wl2 = segment.ack;
    }

    fn after_progress(&mut self, cx: &mut Cx<'_>) {
        if self.tx.una == self.tx.nxt {
            // RFC 6298 5.2.
            self.timers.stop(Timer::Retransmit);
            self.tx.stuck_since = None;
        } else {
            // RFC 6298 5.3.
            self.timers.set(Timer::Retransmit, cx.now + self.rtt.rto(cx.config));
            self.tx.stuck_since = Some(cx.now);
        }
        // Room for what is in flight and as much again (Linux `tcp_sndbuf_expand`).
        let wanted = self.cc.cwnd() as usize * 2;
        self.tx.limit = self.tx.limit.max(wanted.min(cx.config.send_buffer));
    }
}
