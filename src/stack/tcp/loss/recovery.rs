//! Where the sender is in loss recovery (RFC 5681 3.2, 6582, 6675, 8985).
use super::probe::Probe;
use super::prr::Prr;
use super::rack::Rack;
use super::undo::Undo;
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::words::Seq;

/// RFC 5681: duplicate ACKs that mean a loss (Linux `tcp_reordering`).
pub(crate) const REORDERING: u32 = 3;

/// Linux `tcp_max_reordering`.
pub(crate) const REORDERING_MAX: u32 = 300;

/// The sender's states; numbers and meaning as Linux's `TCP_CA_*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Nothing unusual.
    Open = 0,
    /// Something arrived out of order; not yet taken for a loss.
    Disorder = 1,
    /// The window is being reduced for another reason than loss, until `point` is passed.
    Cwr = 2,
    /// Fast recovery, until `point` is acknowledged.
    Fast = 3,
    /// After a retransmission timeout, until `point` is acknowledged.
    Loss = 4,
}

/// What the retransmission timer is set for (RFC 8985: one timer serves all three).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pending {
    /// The retransmission timeout (RFC 6298).
    Rto,
    /// A tail loss probe (RFC 8985 7.2).
    Probe,
    /// RACK's reordering window ends (RFC 8985 6.3).
    Reorder,
}

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub mode: Mode,
    /// `snd_nxt` when the loss was found (RFC 6582 "recover", Linux `high_seq`).
    pub point: Seq,
    pub pending: Pending,
    /// Without SACK: duplicate ACKs since the last progress, and the bytes that they stand for.
    pub dupacks: u32,
    pub arrived: u32,
    /// The next lost segment goes, whatever the window says.
    pub force: bool,
    pub prr: Prr,
    pub rack: Rack,
    pub probe: Probe,
    pub undo: Undo,
    /// RFC 5682: it is still open whether the timeout was spurious.
    pub frto: bool,
    /// F-RTO step 2b: new data before retransmissions.
    pub try_new: bool,
    /// Segments that may arrive out of order before it is taken for loss.
    pub reordering: u32,
    pub reord_seen: u32,
    /// D-SACKed segments.
    pub dsack_dups: u32,
    pub usage: Usage,
}

/// How far the window was used (RFC 7661 in Linux's form, `tcp_cwnd_validate`).
#[derive(Debug)]
pub(crate) struct Usage {
    /// End of the round trip in which `limited` and `most` were seen.
    end: Seq,
    /// Sending stopped at the window.
    limited: bool,
    /// Most bytes outstanding.
    most: u32,
    /// The most used since `since`, in which the window was never the limit.
    used: u32,
    since: Instant,
}

impl Recovery {
    pub fn new(una: Seq, now: Instant) -> Recovery {
        Recovery {
            mode: Mode::Open,
            point: una,
            pending: Pending::Rto,
            dupacks: 0,
            arrived: 0,
            force: false,
            prr: Prr::default(),
            rack: Rack::default(),
            probe: Probe::default(),
            undo: Undo::default(),
            frto: false,
            try_new: false,
            reordering: REORDERING,
            reord_seen: 0,
            dsack_dups: 0,
            usage: Usage { end: una, limited: false, most: 0, used: 0, since: now },
        }
    }
}

impl Usage {
    /// Sending stopped at the window (`limited`), or something new left; `out` bytes are
    /// outstanding.
    pub fn note(&mut self, una: Seq, nxt: Seq, out: u32, limited: bool) {
        let round = una.at_or_after(self.end);
        if round || limited || (!self.limited && out > self.most) {
            self.limited = limited;
            self.most = out;
            self.end = nxt;
        }
    }

    /// The window is, or was, the limit.
    pub fn was_full(&mut self, now: Instant) {
        (self.used, self.since) = (0, now);
    }

    /// Time goes on without counting against the window.
    pub fn excuse(&mut self, now: Instant) {
        self.since = now;
    }

    /// `out` bytes are outstanding, and the window is not the limit. RFC 2861 3: a window that the
    /// program has not used for `rto` says nothing of the path; the most that it has used.
    pub fn unused(&mut self, now: Instant, rto: Duration, out: u32) -> Option<u32> {
        self.used = self.used.max(out);
        if now.since(self.since) < rto {
            return None;
        }
        self.since = now;
        Some(core::mem::take(&mut self.used))
    }

    /// RFC 7661 4.1, as Linux `tcp_is_cwnd_limited`: a window that is not used must not grow; in
    /// slow start it may become twice what was used.
    pub fn limits(&self, cwnd: u32, ssthresh: u32) -> bool {
        self.limited || (cwnd < ssthresh && cwnd < self.most.saturating_mul(2))
    }

    /// Sending has stopped at the window in this round trip.
    pub fn is_limited(&self) -> bool {
        self.limited
    }
}
