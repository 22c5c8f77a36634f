//! RACK (RFC 8985): a segment is lost when one that left later has arrived and enough time has
//! passed for it to have arrived as well. "Enough" is the latest round-trip time and a window for
//! reordering, which adapts. Names and choices as in Linux `tcp_recovery.c`.
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::flight::Record;
use crate::stack::tcp::words::Seq;

/// Linux `TCP_TIMEOUT_MIN_US`: timers are not set shorter.
pub(crate) const TIMEOUT_MIN: Duration = Duration::from_millis(2);

/// RFC 8985 6.2 step 4: recoveries for which a widened window lasts.
pub(crate) const PERSIST: u8 = 16;

/// RACK's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rack {
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
    pub fn sent_after(&self, piece: &Record) -> bool {
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

    /// `piece` is the one that left last of those that have arrived.
    pub fn is_newest(&self, piece: &Record) -> bool {
        (piece.sent_at, piece.end) == (self.sent_at, self.end)
    }

    /// RFC 8985 6.2 step 4: how long a segment may be overtaken.
    pub fn window(&self, min_rtt: Duration) -> Duration {
        min_rtt / 4 * u32::from(self.steps)
    }
}
