//! Loss recovery: what of the outstanding bytes is lost, and what is sent again when
//! (RFC 5681 3.2, 6582, 6675). Algorithms of `congestion/` only set the window.
//!
//! Outstanding bytes are `snd_una..snd_nxt`. Of these, some have arrived (the scoreboard, or
//! without SACK one segment for each duplicate ACK), and those before `lost_to` that have not
//! arrived are lost. Lost bytes are sent again in order: those before `high_rxt` have been. What is
//! neither arrived nor lost, or lost but sent again, is in flight: RFC 6675's pipe.
use super::congestion::Acked;
use super::conn::{Conn, Cx};
use super::counters::Count;
use super::sack::{DUP_THRESH, Scoreboard};
use super::seq::Seq;

/// Which kind of recovery is going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// None.
    Open,
    /// Fast recovery, until `point` is acknowledged.
    Fast,
    /// After a retransmission timeout, until `point` is acknowledged.
    Loss,
}

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Recovery {
    pub mode: Mode,
    /// `snd_nxt` when the loss was found (RFC 6582 "recover").
    pub point: Seq,
    pub sacked: Scoreboard,
    /// Duplicate ACKs in a row.
    pub dupacks: u32,
    /// Without SACK: bytes that duplicate ACKs say have arrived.
    arrived: u32,
    pub high_rxt: Seq,
    pub lost_to: Seq,
    /// The first outstanding segment is to be sent again, whatever the window says.
    pub force_head: bool,
    /// `snd_nxt` when the first outstanding segment was last sent again. If what was sent later
    /// arrives, that one was lost as well.
    pub head_mark: Option<Seq>,
    prr: Prr,
    /// TSval of the first retransmission of this recovery, until an ACK tells whether it was
    /// needed.
    first_stamp: Option<u32>,
}

/// Proportional rate reduction (RFC 6937), bytes: in fast recovery sending goes on at the pace of
/// arrivals, down to the new window, instead of halting until the pipe has drained.
#[derive(Debug, Default)]
struct Prr {
    delivered: u32,
    out: u32,
    /// RecoverFS: outstanding when recovery began.
    flight: u32,
    /// What may be sent now.
    room: u32,
    /// `una` plus everything that is known to have arrived beyond it.
    held: Seq,
}

impl Recovery {
    pub fn new(una: Seq) -> Recovery {
        Recovery {
            mode: Mode::Open,
            point: una,
            sacked: Scoreboard::default(),
            dupacks: 0,
            arrived: 0,
            high_rxt: una,
            lost_to: una,
            force_head: false,
            head_mark: None,
            prr: Prr { held: una, ..Prr::default() },
            first_stamp: None,
        }
    }

    /// Forgets all; nothing is outstanding any more.
    pub fn clear(&mut self) {
        self.mode = Mode::Open;
        self.sacked = Scoreboard::default();
        self.force_head = false;
        self.arrived = 0;
    }
}

impl Conn {
    /// RFC 6675 4: bytes that are thought to be in the network.
    pub fn pipe(&self) -> u32 {
        let r = &self.recovery;
        let (una, out) = (self.tx.una, self.outstanding());
        if r.mode == Mode::Open && r.sacked.is_empty() && r.arrived == 0 {
            return out;
        }
        let arrived = r.arrived + r.sacked.bytes();
        let lost = r.sacked.missing(r.high_rxt.later(una), r.lost_to.later(r.high_rxt.later(una)));
        out.saturating_sub(arrived + lost)
    }

    /// Bytes that may be sent now.
    pub fn room(&self) -> u32 {
        match self.recovery.mode {
            Mode::Fast => self.recovery.prr.room,
            Mode::Open | Mode::Loss => self.cc.cwnd().saturating_sub(self.pipe()),
        }
    }

    /// `bytes` were sent, new ones or again.
    pub fn count_sent(&mut self, bytes: u32) {
        let prr = &mut self.recovery.prr;
        prr.out = prr.out.saturating_add(bytes);
        prr.room = prr.room.saturating_sub(bytes);
    }

    /// RFC 6937 3, with its slow start reduction bound.
    fn reduce_rate(&mut self) {
        let (pipe, mss, ssthresh) = (self.pipe(), self.tx.mss, self.cc.ssthresh());
        let r = &mut self.recovery;
        let held = self.tx.una + r.arrived + r.sacked.bytes();
        let delivered = held.past(r.prr.held);
        r.prr.held = held;
        if r.mode != Mode::Fast {
            return;
        }
        let prr = &mut r.prr;
        prr.delivered = prr.delivered.saturating_add(delivered);
        prr.room = if pipe > ssthresh {
            let share = u64::from(prr.delivered) * u64::from(ssthresh);
            let share = share.div_ceil(u64::from(prr.flight.max(1)));
            u32::try_from(share).unwrap_or(u32::MAX).saturating_sub(prr.out)
        } else {
            let limit = prr.delivered.saturating_sub(prr.out).max(delivered) + mss;
            (ssthresh - pipe).min(limit)
        };
    }

    /// RFC 3522 (Eifel): the first ACK of something new echoes a timestamp from before our first
    /// retransmission. The original had arrived, late: nothing was lost, the windows come back.
    pub fn undo_if_spurious(&mut self, echo: Option<u32>) {
        let (Some(first), Some(echo)) = (self.recovery.first_stamp.take(), echo) else { return };
        let r = &mut self.recovery;
        if r.mode == Mode::Open || echo == 0 || (echo.wrapping_sub(first) as i32) >= 0 {
            return;
        }
        r.mode = Mode::Open;
        r.lost_to = self.tx.una;
        r.high_rxt = self.tx.una;
        r.point = self.tx.una;
        r.force_head = false;
        r.arrived = 0;
        self.cc.undo();
    }

    /// An acceptable ACK: `acked` bytes of new acknowledgment (0 if none), `duplicate` if it is a
    /// duplicate ACK, `flight` what was outstanding before it.
    pub fn recovery_on_ack(&mut self, cx: &mut Cx<'_>, acked: u32, duplicate: bool, flight: u32) {
        let una = self.tx.una;
        self.recovery.high_rxt = self.recovery.high_rxt.later(una);
        self.recovery.lost_to = self.recovery.lost_to.later(una);
        if acked > 0 {
            self.recovery.sacked.acknowledge(una);
            self.on_new_ack(cx, acked, flight);
        } else if duplicate {
            self.recovery.dupacks += 1;
            if !self.sack && self.recovery.mode != Mode::Loss {
                let most = self.outstanding().saturating_sub(self.tx.mss);
                self.recovery.arrived = (self.recovery.arrived + self.tx.mss).min(most);
            }
        }
        let lost = self.recovery.sacked.lost_before(self.tx.mss);
        match self.recovery.mode {
            Mode::Open => {
                // RFC 6582 3.2 step 1: duplicates of what was sent before the last recovery's end
                // say nothing new.
                let fresh = self.sack || una.after(self.recovery.point);
                if lost.is_some() || (self.recovery.dupacks >= DUP_THRESH && fresh) {
                    self.enter_fast_recovery(cx, lost);
                }
            }
            Mode::Fast | Mode::Loss => {
                if let Some(lost) = lost {
                    self.recovery.lost_to = self.recovery.lost_to.later(lost);
                }
                self.watch_head();
            }
        }
        self.reduce_rate();
    }

    fn on_new_ack(&mut self, cx: &mut Cx<'_>, acked: u32, flight: u32) {
        let (una, mss) = (self.tx.una, self.tx.mss);
        self.recovery.dupacks = 0;
        let all = una.at_or_after(self.recovery.point);
        // What was sent again already is watched for a second loss.
        self.recovery.head_mark = una.before(self.recovery.high_rxt).then_some(self.tx.nxt);
        match self.recovery.mode {
            Mode::Open => {
                if all {
                    // Kept close, or it would look later again after 2^31 bytes.
                    self.recovery.point = una - 1;
                }
                self.recovery.arrived = 0;
                self.grow(cx, acked, flight);
            }
            Mode::Fast if all || (!self.sack && self.cc.partial_ack_ends_recovery()) => {
                self.recovery.mode = Mode::Open;
                self.recovery.arrived = 0;
                self.cc.recovered();
            }
            Mode::Fast => {
                // RFC 6582 3.2 step 3: a partial ACK names the next hole. With SACK only if
                // something beyond it has arrived: else it may simply be on its way.
                if !self.sack || !self.recovery.sacked.is_empty() {
                    let head = (una + mss).earlier(self.tx.nxt);
                    self.recovery.lost_to = self.recovery.lost_to.later(head);
                }
                if !self.sack {
                    self.recovery.force_head = true;
                    let gone = acked.saturating_sub(mss);
                    self.recovery.arrived = self.recovery.arrived.saturating_sub(gone);
                }
            }
            Mode::Loss => {
                if all {
                    self.recovery.mode = Mode::Open;
                    self.recovery.arrived = 0;
                }
                self.grow(cx, acked, flight);
            }
        }
    }

    fn grow(&mut self, cx: &Cx<'_>, bytes: u32, flight: u32) {
        let limited = core::mem::take(&mut self.tx.cwnd_limited);
        if self.ecn_holds_window() {
            return;
        }
        let (now, rtt, mss) = (cx.now, self.rtt.smoothed, self.tx.mss);
        let (rtt_sample, una, nxt) = (self.rtt.last, self.tx.una, self.tx.nxt);
        let acked = Acked { now, bytes, flight, limited, rtt, rtt_sample, una, nxt, mss };
        self.cc.acked(&acked);
    }

    /// RFC 6675 5 step 4, RFC 6582 3.2 step 2.
    fn enter_fast_recovery(&mut self, cx: &mut Cx<'_>, lost: Option<Seq>) {
        let una = self.tx.una;
        cx.counters.add(Count::FastRecoveries);
        self.ecn.reduced(self.tx.nxt);
        self.cc.loss_found(cx.now, self.outstanding(), self.tx.mss);
        if !self.cc.fast_recovery() {
            return self.lose_all();
        }
        let r = &mut self.recovery;
        r.mode = Mode::Fast;
        r.point = self.tx.nxt;
        r.high_rxt = una;
        r.lost_to = (una + self.tx.mss).earlier(self.tx.nxt).later(lost.unwrap_or(una));
        r.force_head = true;
        r.head_mark = None;
        r.first_stamp = None;
        r.prr.delivered = 0;
        r.prr.out = 0;
        r.prr.flight = self.tx.nxt.past(una);
        self.tx.timed = None;
    }

    /// The first outstanding segment was sent again, and more than two segments that left after it
    /// have arrived: send it once more, rather than wait for the timeout. (Linux finds this out
    /// by RACK, RFC 8985.)
    fn watch_head(&mut self) {
        let (Some(mark), Some(highest)) = (self.recovery.head_mark, self.recovery.sacked.highest())
        else {
            return;
        };
        if highest.past(mark) > (DUP_THRESH - 1) * self.tx.mss {
            self.recovery.force_head = true;
        }
    }

    /// Everything outstanding is taken for lost (RFC 6298 5.4, RFC 6675 5.1).
    pub fn lose_all(&mut self) {
        let (una, nxt) = (self.tx.una, self.tx.nxt);
        let r = &mut self.recovery;
        if r.sacked.reneged(una) {
            r.sacked.clear();
        }
        r.mode = Mode::Loss;
        r.point = nxt;
        r.high_rxt = una;
        r.lost_to = nxt;
        r.arrived = 0;
        r.dupacks = 0;
        r.force_head = false;
        r.head_mark = None;
        r.first_stamp = None;
        self.tx.timed = None;
    }

    /// The next bytes to be sent again: from, until, and whether whatever the window says.
    pub fn next_lost(&self) -> Option<(Seq, Seq, bool)> {
        let r = &self.recovery;
        if r.mode == Mode::Open || self.tx.una == self.tx.nxt {
            return None;
        }
        if r.force_head {
            let until = (self.tx.una + self.tx.mss).earlier(self.tx.nxt);
            let (from, until) = r.sacked.hole(self.tx.una, until)?;
            return Some((from, until, true));
        }
        let (from, until) = r.sacked.hole(r.high_rxt.later(self.tx.una), r.lost_to)?;
        Some((from, until.earlier(self.tx.nxt), false))
    }

    /// `from..until` was sent again.
    pub fn sent_again(&mut self, from: Seq, until: Seq, stamp: u32) {
        let r = &mut self.recovery;
        r.first_stamp.get_or_insert(stamp);
        if from == self.tx.una {
            r.head_mark = Some(self.tx.nxt);
            r.force_head = false;
        }
        r.high_rxt = r.high_rxt.later(until);
    }
}
