//! RACK (RFC 8985): a segment is lost when one that left later has arrived and enough time has
//! passed for it to have arrived as well. "Enough" is the latest round-trip time and a window for
//! reordering, which adapts. Names and choices as in Linux `tcp_recovery.c`.
use super::conn::{Conn, Cx};
use super::flight::{Judgement, Record};
use super::recovery::{Mode, Pending, REORDERING};
use super::seq::Seq;
use crate::base::{Instant, time::Duration};

/// Linux `TCP_TIMEOUT_MIN_US`: timers are not set shorter.
pub(super) const TIMEOUT_MIN: Duration = Duration::from_millis(2);
/// RFC 8985 6.2 step 4: recoveries for which a widened window lasts.
pub(super) const PERSIST: u8 = 16;

/// RACK's state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rack {
    /// When the segment left that left last of those that have arrived (RACK.xmit_ts).
    sent_at: Instant,
    /// Its end (RACK.end_seq).
    end: Seq,
    /// The round-trip time of the one that arrived last (RACK.rtt).
    rtt: Duration,
    /// There is news since losses were last looked for.
    pub advanced: bool,
    /// RACK.reo_wnd_mult.
    steps: u8,
    /// RACK.reo_wnd_persist.
    pub persist: u8,
    /// A D-SACK has told of a needless retransmission.
    pub dsack_seen: bool,
    /// Bytes delivered when the window was last widened: once for each round trip.
    widened_at: u64,
}

impl Default for Rack {
    fn default() -> Self {
        Rack {
            sent_at: Instant::ZERO,
            end: Seq(0),
            rtt: Duration::ZERO,
            advanced: false,
            steps: 1,
            persist: 0,
            dsack_seen: false,
            widened_at: 0,
        }
    }
}

impl Rack {
    /// RFC 8985 6.2 step 2: `piece` has arrived.
    pub fn arrived(&mut self, now: Instant, piece: &Record, min_rtt: Option<Duration>) {
        let rtt = now.since(piece.sent_at);
        if piece.again && min_rtt.is_some_and(|min| rtt < min) {
            // Too soon for the retransmission: the original has arrived.
            return;
        }
        self.advanced = true;
        self.rtt = rtt;
        if self.sent_after(piece) {
            (self.sent_at, self.end) = (piece.sent_at, piece.end);
        }
    }

    /// `piece` left after everything that is known to have arrived.
    fn sent_after(&self, piece: &Record) -> bool {
        piece.sent_at > self.sent_at || (piece.sent_at == self.sent_at && piece.end.after(self.end))
    }

    /// What is left of the time after which `piece` is lost; zero if it is over.
    pub fn remaining(&self, now: Instant, piece: &Record, window: Duration) -> Duration {
        (self.rtt + window).saturating_sub(now.since(piece.sent_at))
    }

    /// RFC 8985 6.2 step 4: D-SACKs widen the window, by a quarter of the shortest round trip, once
    /// a round trip; after sixteen recoveries without any it is narrow again. `prior`: what had
    /// been delivered when that left which has just arrived.
    pub fn adapt(&mut self, prior: u64, delivered: u64) {
        if prior < self.widened_at {
            self.dsack_seen = false;
        }
        if self.dsack_seen {
            self.steps = self.steps.saturating_add(1);
            self.dsack_seen = false;
            self.widened_at = delivered;
            self.persist = PERSIST;
        } else if self.persist == 0 {
            self.steps = 1;
        }
    }
}

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
        (min / 4 * u32::from(r.rack.steps)).min(self.rtt.smoothed.unwrap_or(Duration::ZERO))
    }

    /// RFC 8985 6.2 step 5. Returns the longest time after which one more may be lost.
    fn detect_loss(&mut self, cx: &Cx<'_>) -> Option<Duration> {
        let (window, rack, mut wait) = (self.reordering_window(), self.recovery.rack, None);
        let (cc, mut total) = (&mut self.cc, self.rate.lost);
        let lost = self.flight.judge_oldest(|piece| {
            if rack.sent_after(piece) || (piece.sent_at, piece.end) == (rack.sent_at, rack.end) {
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
        r.reordering = r.reordering.max(degree.min(super::recovery::REORDERING_MAX));
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
