//! RACK (RFC 8985 6.2): which outstanding segments are lost, by the time at which they left. What
//! it remembers is in `loss/rack.rs`.
use crate::base::time::Duration;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::flight::Judgement;
use crate::stack::tcp::loss::{Mode, Pending, REORDERING, REORDERING_MAX, TIMEOUT_MIN};
use crate::stack::tcp::words::{Cx, Seq};

impl Conn {
    /// RFC 8985 6.2 step 4: no window while reordering has never been seen and there is reason to
    /// hurry: recovery, or as many arrivals beyond the hole as duplicate ACKs of old.
    fn reordering_window(&self) -> Duration {
        let r = &self.recovery;
        if r.reord_seen == 0 {
            let hurry = matches!(r.mode, Mode::Fast | Mode::Loss);
            if hurry || self.flight.sums.sacked.segs >= r.reordering {
                return Duration::ZERO;
            }
        }
        let min = self.rtt.min().unwrap_or(Duration::ZERO);
        r.rack.window(min).min(self.rtt.smoothed.unwrap_or(Duration::ZERO))
    }

    /// RFC 8985 6.2 step 5. Returns the longest time after which one more may be lost.
    fn detect_loss(&mut self, cx: &Cx<'_>) -> Option<Duration> {
        let (window, rack, mut wait) = (self.reordering_window(), self.recovery.rack, None);
        let (cc, mut total) = (&mut self.cc, self.rate.lost);
        let lost = self.flight.judge_oldest(|piece| {
            if rack.sent_after(piece) || rack.is_newest(piece) {
                return Judgement::Stop;
            }
            let remaining = rack.remaining(cx.now, piece, window);
            if remaining.is_zero() {
                total += u64::from(piece.len());
                cc.lost(cx.now, &piece.lost(total));
                return Judgement::Lost;
            }
            wait = Some(remaining.max(wait.unwrap_or(Duration::ZERO)));
            Judgement::Keep
        });
        self.rate.lost += u64::from(lost);
        wait
    }

    /// Looks for losses if an ACK has brought news; true if a timer was set to look again.
    pub fn rack_mark_lost(&mut self, cx: &mut Cx<'_>) -> bool {
        if !core::mem::take(&mut self.recovery.rack.advanced) {
            return false;
        }
        let Some(wait) = self.detect_loss(cx) else { return false };
        self.set_retransmit(Pending::Reorder, cx.now + wait + TIMEOUT_MIN);
        true
    }

    /// The reordering timer expired (RFC 8985 6.3).
    pub fn reorder_timed_out(&mut self, cx: &mut Cx<'_>) {
        if self.flight.is_empty() {
            return;
        }
        let (before, lost) = (self.pipe(), self.rate.lost);
        self.detect_loss(cx);
        if self.pipe() != before {
            if self.recovery.mode != Mode::Fast {
                self.enter_fast_recovery(cx);
                let lost = u32::try_from(self.rate.lost - lost).unwrap_or(u32::MAX);
                self.reduce_window(1, lost, false);
            }
            self.recovery.force = true;
        }
        self.rearm_rto(cx);
    }

    /// RFC 8985 6.2 step 3: `low` was sent once, and arrived after what lies up to `high`.
    pub fn note_reordering(&mut self, low: Seq, high: Seq) {
        if !low.before(high) {
            return;
        }
        let degree = high.past(low).div_ceil(self.tx.mss.max(1));
        let r = &mut self.recovery;
        // Linux `tcp_max_reordering`.
        r.reordering = r.reordering.max(degree.min(REORDERING_MAX));
        r.reord_seen = r.reord_seen.saturating_add(1);
    }

    /// After a timeout with many arrivals beyond the hole, the degree of reordering was taken for
    /// too high (Linux `tcp_enter_loss`).
    pub fn doubt_reordering(&mut self) {
        let r = &mut self.recovery;
        let many = self.flight.sums.sacked.segs.max(r.dupacks) >= REORDERING;
        if matches!(r.mode, Mode::Open | Mode::Disorder) && many {
            r.reordering = r.reordering.min(REORDERING);
        }
    }
}
