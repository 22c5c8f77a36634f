//! Losses that were none. A retransmission was needless if its original is acknowledged: by the
//! timestamp of an ACK (Eifel, RFC 3522), by D-SACKs for everything that was sent again (RFC 3708),
//! or after a timeout by ACKs for what was never sent again (F-RTO, RFC 5682). The window then
//! comes back (RFC 4015, in Linux's form), and reordering is remembered.
use super::news::News;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::loss::{Mode, PERSIST};
use crate::stack::tcp::words::{Count, Cx};

impl Conn {
    /// A recovery or a loss begins (Linux `tcp_init_undo`).
    pub fn begin_undo(&mut self, from: Mode) {
        let mut resent = self.flight.sums.resent.bytes;
        let probe = &self.recovery.probe;
        if probe.end.is_some() && probe.again {
            resent += self.tx.mss;
        }
        let undo = &mut self.recovery.undo;
        undo.marker = Some(self.tx.una);
        undo.resent = (resent > 0).then_some(resent);
        undo.window = !matches!(from, Mode::Cwr);
    }

    /// `bytes` were sent again, with this TSval.
    pub fn undo_sent_again(&mut self, bytes: u32, stamp: u32) {
        let undo = &mut self.recovery.undo;
        undo.stamp.get_or_insert(stamp);
        undo.resent = Some(undo.resent.unwrap_or(0).saturating_add(bytes));
    }

    /// RFC 3522: the ACK in hand is the answer to something that left before our first
    /// retransmission; or there was none.
    fn original_answered(&self) -> bool {
        match (self.recovery.undo.stamp, self.tx.echo) {
            // Nothing was sent again; or that was forgotten, see `must_stay`.
            (None, _) => self.sack || self.tx.una.before(self.recovery.point),
            (Some(stamp), Some(echo)) => echo != 0 && (echo.wrapping_sub(stamp) as i32) < 0,
            (Some(_), None) => false,
        }
    }

    /// Linux `tcp_may_undo`.
    fn may_undo(&self) -> bool {
        let undo = &self.recovery.undo;
        undo.marker.is_some() && (undo.resent == Some(0) || self.original_answered())
    }

    /// The window from before (Linux `tcp_undo_cwnd_reduction`). `unmark`: nothing is lost either.
    fn take_back(&mut self, unmark: bool) {
        if unmark {
            self.flight.unmark_lost();
        }
        if core::mem::take(&mut self.recovery.undo.window) {
            self.cc.undo();
        }
        self.recovery.undo.marker = None;
        self.recovery.rack.advanced = true;
        self.stats.undos = self.stats.undos.wrapping_add(1);
    }

    /// Everything that was outstanding is acknowledged. True: the state stays until something
    /// beyond it is, lest late duplicate ACKs start it again (RFC 6582 3.2 step 1).
    pub fn undo_at_end(&mut self) -> bool {
        if self.may_undo() {
            self.take_back(false);
        } else {
            let rack = &mut self.recovery.rack;
            rack.persist = rack.persist.saturating_sub(1);
        }
        if self.must_stay() {
            return true;
        }
        self.recovery.mode = Mode::Open;
        false
    }

    /// Linux `tcp_is_non_sack_preventing_reopen`.
    fn must_stay(&mut self) -> bool {
        let stays = !self.sack && self.tx.una == self.recovery.point;
        if stays && !self.any_sent_again() {
            self.recovery.undo.stamp = None;
        }
        stays
    }

    /// A partial ACK in recovery that answers an original: it was late, not lost. True: there is
    /// more of ours on its way, wait for it.
    pub fn undo_partial(&mut self, news: &News) -> bool {
        if self.recovery.undo.marker.is_none() || !self.original_answered() {
            return false;
        }
        if self.sack {
            self.note_reordering(
                news.una_before,
                self.flight.highest_sacked().unwrap_or(self.tx.una),
            );
        }
        if self.flight.sums.resent.segs > 0 {
            return true;
        }
        if !self.any_sent_again() {
            self.recovery.undo.stamp = None;
        }
        self.take_back(true);
        self.keep_open();
        false
    }

    /// RFC 3708: every retransmission of this recovery has been reported as a duplicate.
    pub fn undo_by_dsack(&mut self) -> bool {
        let undo = &self.recovery.undo;
        if undo.marker.is_none() || undo.resent != Some(0) {
            return false;
        }
        let rack = &mut self.recovery.rack;
        rack.persist = (rack.persist + 1).min(PERSIST);
        self.take_back(false);
        true
    }

    /// The timeout was spurious: known by F-RTO (`frto`) or by one of the other signs.
    fn undo_loss(&mut self, cx: &mut Cx<'_>, frto: bool) -> bool {
        if !frto && !self.may_undo() {
            return false;
        }
        self.take_back(true);
        if frto {
            cx.counters.add(Count::SpuriousTimeouts);
        }
        self.retransmits = 0;
        if !self.must_stay() && (frto || self.sack) {
            self.recovery.mode = Mode::Open;
        }
        true
    }

    /// An ACK after a timeout (Linux `tcp_process_loss`): F-RTO, RFC 5682 2.1 and 3.1.
    pub fn alert_in_loss(&mut self, cx: &mut Cx<'_>, news: &News) {
        let recovered = self.tx.una.at_or_after(self.recovery.point);
        if news.acked > 0 && self.undo_loss(cx, false) {
            return;
        }
        let beyond = self.tx.nxt.after(self.recovery.point);
        if self.recovery.frto {
            // 3.1 step 3b: something that was sent only once has arrived.
            if news.original && self.undo_loss(cx, true) {
                return;
            }
            if beyond {
                if news.sacked || news.duplicate() {
                    // Step 3a: the loss was real.
                    self.recovery.frto = false;
                }
            } else if news.acked > 0 && !recovered {
                self.recovery.point = self.tx.nxt;
                // Step 2b: new data, if there is any and the window takes it.
                let unsent = self.data_end().past(self.tx.nxt) > 0;
                if unsent && (self.tx.una + self.tx.wnd).after(self.tx.nxt) {
                    self.recovery.try_new = true;
                    return;
                }
                self.recovery.frto = false;
            }
        }
        if recovered {
            self.undo_at_end();
            return;
        }
        if !self.sack {
            if beyond && news.duplicate() {
                self.count_duplicate(cx, news);
            } else if news.acked > 0 {
                self.forget_duplicates();
            }
        }
    }
}
