//! Loss recovery: the states of the sender and how ACKs and timeouts move it between them
//! (RFC 5681 3.2, 6582, 6675, 8985; the machine is Linux's `tcp_fastretrans_alert`).
//!
//! What is outstanding is in `flight/`; what of it is lost is found by time (`rack`) where the
//! peer sends SACK, and by counting duplicate ACKs (below) where it does not. Losses found by
//! mistake are taken back in `undo`. The algorithms of `congestion/` only set the window.
use super::news::News;
use crate::base::time::Duration;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::loss::{Mode, Pending, Prr, REORDERING_MAX};
use crate::stack::tcp::words::{Count, Cx};

impl Conn {
    /// RFC 6675 4: bytes that are thought to be in the network.
    pub fn pipe(&self) -> u32 {
        self.flight.pipe().saturating_sub(self.recovery.arrived)
    }

    /// The window is being reduced by PRR.
    fn reducing(&self) -> bool {
        matches!(self.recovery.mode, Mode::Fast | Mode::Cwr) && !self.cc.owns_recovery()
    }

    /// The congestion window now, bytes.
    pub fn window_now(&self) -> u32 {
        if self.reducing() { self.recovery.prr.cwnd() } else { self.cc.cwnd() }
    }

    /// Bytes that may be sent now.
    pub fn room(&self) -> u32 {
        self.window_now().saturating_sub(self.pipe())
    }

    /// An ACK that may tell of loss or its end (Linux `tcp_fastretrans_alert`).
    pub fn alert(&mut self, cx: &mut Cx<'_>, news: &mut News) {
        if news.reneging && news.acked > 0 {
            // RFC 2018 8, as Linux `tcp_check_sack_reneging`: perhaps it comes yet; else it is
            // all sent again soon.
            let wait = self.rtt.smoothed.unwrap_or_default() / 2;
            let wait = wait.max(Duration::from_millis(10));
            self.set_retransmit(Pending::Rto, cx.now + wait);
            news.restart_timer = false;
            return;
        }
        if self.leave_at_point() {
            return;
        }
        match self.recovery.mode {
            Mode::Fast => self.alert_in_recovery(cx, news),
            Mode::Loss => {
                self.alert_in_loss(cx, news);
                self.find_losses(cx, news);
                if self.recovery.mode == Mode::Open || news.lost_again {
                    self.alert_otherwise(cx, news);
                }
            }
            _ => self.alert_otherwise(cx, news),
        }
    }

    /// States end where everything that was outstanding when they began is acknowledged. True: and
    /// there is no more to do.
    fn leave_at_point(&mut self) -> bool {
        let past = self.tx.una.at_or_after(self.recovery.point);
        match self.recovery.mode {
            Mode::Open => self.recovery.undo.stamp = None,
            Mode::Cwr if self.tx.una.after(self.recovery.point) => {
                self.end_reduction();
                self.recovery.mode = Mode::Open;
            }
            Mode::Fast if past => {
                if !self.sack {
                    self.forget_duplicates();
                }
                if self.undo_at_end() {
                    return true;
                }
                self.end_reduction();
            }
            _ => {}
        }
        false
    }

    fn alert_in_recovery(&mut self, cx: &mut Cx<'_>, news: &mut News) {
        if news.acked == 0 {
            self.count_duplicate(cx, news);
        } else if self.undo_partial(news) {
            return;
        } else if !self.sack && self.cc.partial_ack_ends_recovery() {
            // RFC 5681 3.2 step 6, before RFC 6582.
            self.flight.unmark_lost();
            self.forget_duplicates();
            self.end_reduction();
            self.recovery.mode = Mode::Open;
            return;
        }
        if self.undo_by_dsack() {
            self.keep_open();
        }
        self.find_losses(cx, news);
        if self.recovery.mode != Mode::Fast && self.flight.sums.lost.segs > 0 {
            self.enter_fast_recovery(cx);
        }
    }

    fn alert_otherwise(&mut self, cx: &mut Cx<'_>, news: &mut News) {
        if !self.sack {
            if news.acked > 0 {
                self.forget_duplicates();
            }
            self.count_duplicate(cx, news);
        }
        if matches!(self.recovery.mode, Mode::Open | Mode::Disorder) {
            self.undo_by_dsack();
        }
        self.find_losses(cx, news);
        if self.flight.sums.lost.segs > 0 {
            if !self.mtu_probe_lost(cx) {
                self.enter_fast_recovery(cx);
            }
        } else if self.recovery.mode != Mode::Cwr {
            self.keep_open();
        }
    }

    /// Marks what is lost, by time or by count.
    fn find_losses(&mut self, cx: &mut Cx<'_>, news: &mut News) {
        if self.flight.is_empty() {
            return;
        }
        if !self.sack {
            return self.find_loss_by_count(cx, news.acked > 0);
        }
        let resent = self.flight.sums.resent.segs;
        if self.rack_mark_lost(cx) {
            news.restart_timer = false;
        }
        if self.flight.sums.resent.segs < resent {
            cx.counters.add(Count::LostAgain);
            news.lost_again = true;
        }
    }

    /// RFC 5681 3.2 step 2: the third duplicate; RFC 6582 3.2 step 3: a partial ACK names the next
    /// hole.
    fn find_loss_by_count(&mut self, cx: &Cx<'_>, advanced: bool) {
        let r = &self.recovery;
        let third =
            matches!(r.mode, Mode::Open | Mode::Disorder | Mode::Cwr) && r.dupacks >= r.reordering;
        let partial = r.mode == Mode::Fast && advanced;
        if !third && !partial {
            return;
        }
        let Some(head) = self.flight.head().filter(|head| !head.lost) else { return };
        let end = head.start + head.mss;
        self.flight.split(0, end);
        self.lose(cx, 0);
    }

    /// The record at `place` is lost; true if that is news.
    pub fn lose(&mut self, cx: &Cx<'_>, place: usize) -> bool {
        let bytes = self.flight.lose(place);
        self.rate.lost += u64::from(bytes);
        if let Some(piece) = self.flight.at(place).filter(|_| bytes > 0) {
            self.cc.lost(cx.now, &piece.lost(self.rate.lost));
        }
        bytes > 0
    }

    /// RFC 5681 3.2: a duplicate ACK stands for a segment that has arrived.
    pub fn count_duplicate(&mut self, cx: &Cx<'_>, news: &News) {
        if self.sack || !news.duplicate() {
            return;
        }
        let (sums, mss) = (self.flight.sums, self.tx.mss);
        let r = &mut self.recovery;
        r.dupacks += 1;
        let most = sums.out.segs.saturating_sub(sums.lost.segs.max(1));
        if r.dupacks > most {
            // More than are out: they came late, not twice (Linux `tcp_check_reno_reordering`).
            r.dupacks = most;
            r.reordering = r.reordering.max((sums.out.segs + 1).min(REORDERING_MAX));
            r.reord_seen = r.reord_seen.saturating_add(1);
        }
        let most = sums.out.bytes.saturating_sub(sums.lost.bytes.max(mss.min(sums.out.bytes)));
        let before = r.arrived;
        r.arrived = (r.arrived + mss).min(most.max(before));
        self.rate.guessed(cx.now, r.arrived - before);
    }

    /// Without SACK: `acked` bytes in `segs` segments are acknowledged, of which one filled the
    /// hole and the others had sent their duplicate ACKs.
    pub fn eat_duplicates(&mut self, acked: u32, segs: u32) {
        let r = &mut self.recovery;
        let new = acked.saturating_sub(r.arrived).max(self.tx.mss.min(acked));
        self.rate.delivered -= u64::from(acked - new);
        r.arrived = r.arrived.saturating_sub(acked.saturating_sub(self.tx.mss));
        r.dupacks = r.dupacks.saturating_sub(segs.saturating_sub(1));
        r.arrived = r.arrived.min(self.flight.sums.out.bytes);
    }

    /// Nothing has arrived beyond the first hole.
    pub fn forget_duplicates(&mut self) {
        self.recovery.dupacks = 0;
        self.recovery.arrived = 0;
    }

    /// RFC 6675 5 step 4, RFC 6582 3.2 step 2, RFC 8985 6.2 step 5.
    pub fn enter_fast_recovery(&mut self, cx: &mut Cx<'_>) {
        cx.counters.add(Count::FastRecoveries);
        self.begin_undo(self.recovery.mode);
        self.recovery.undo.stamp = None;
        if matches!(self.recovery.mode, Mode::Fast | Mode::Cwr) {
            // The window is being reduced already; not twice for one round trip.
            self.recovery.point = self.tx.nxt;
        } else {
            self.begin_reduction(cx);
        }
        self.recovery.mode = Mode::Fast;
        self.recovery.force = true;
        self.tx.timed = None;
        if !self.cc.fast_recovery() {
            // Tahoe: as after a timeout.
            self.lose_all(cx);
        }
    }

    /// A reduction by PRR begins (Linux `tcp_init_cwnd_reduction`).
    pub fn begin_reduction(&mut self, cx: &Cx<'_>) {
        let (out, mss) = (self.outstanding(), self.tx.mss);
        self.ecn.reduced(self.tx.nxt);
        self.recovery.point = self.tx.nxt;
        self.recovery.probe.end = None;
        self.recovery.prr = Prr::new(self.cc.cwnd());
        self.cc.loss_found(cx.now, out, mss);
    }

    /// See [`Prr::reduce`].
    pub fn reduce_window(&mut self, delivered: u32, lost: u32, advanced: bool) {
        let path = (self.pipe(), self.tx.mss, self.cc.ssthresh());
        self.recovery.prr.reduce(path, delivered, lost, advanced);
    }

    /// The reduction is over (Linux `tcp_end_cwnd_reduction`).
    pub fn end_reduction(&mut self) {
        self.cc.recovered();
    }

    /// Open, or disorder while something has arrived out of order (Linux `tcp_try_keep_open`).
    pub fn keep_open(&mut self) {
        let sums = &self.flight.sums;
        let disorder = sums.sacked.segs > 0
            || sums.lost.segs > 0
            || self.recovery.dupacks > 0
            || self.any_sent_again();
        let mode = if disorder { Mode::Disorder } else { Mode::Open };
        if self.recovery.mode != mode {
            self.recovery.mode = mode;
            self.recovery.point = self.tx.nxt;
        }
    }

    /// Linux `tcp_any_retrans_done`.
    pub fn any_sent_again(&self) -> bool {
        self.flight.sums.resent.segs > 0 || self.flight.head().is_some_and(|head| head.again)
    }

    /// Sending stopped at the window (`limited`), or something new left (Linux
    /// `tcp_cwnd_validate`).
    pub fn note_usage(&mut self, cx: &Cx<'_>, limited: bool) {
        let (una, nxt, out) = (self.tx.una, self.tx.nxt, self.outstanding());
        self.recovery.usage.note(una, nxt, out, limited);
        if self.is_window_limited() {
            return self.recovery.usage.was_full(cx.now);
        }
        let unused = self.recovery.usage.unused(cx.now, self.rtt.rto(cx.config), out);
        if let Some(used) = unused.filter(|_| self.recovery.mode == Mode::Open) {
            self.cc.application_limited(used);
        }
    }

    /// RFC 7661 4.1, as Linux `tcp_is_cwnd_limited`: a window that is not used must not grow; in
    /// slow start it may become twice what was used.
    pub fn is_window_limited(&self) -> bool {
        self.recovery.usage.limits(self.cc.cwnd(), self.cc.ssthresh())
    }
}
