//! Acknowledgments of a burst. Segments are taken from a link in batches, and the answer leaves
//! after the batch: one ACK for all of it would break the rule that every second full segment is
//! acknowledged (RFC 9293 3.8.6.3, SHLD-18; RFC 5681 4.2), and a sender on a path that loses ACKs
//! needs them. So the places where ACKs were due are remembered until the answer leaves.
//!
//! They say what an ACK would have said then: nothing of a gap that came later in the burst.
//!
//! What the link or the host has merged (GRO) counts as one, as on Linux.
use crate::base::Instant;
use crate::base::limits::TCP_ACKS_OF_A_BURST;
use crate::stack::tcp::words::Seq;
use std::collections::VecDeque;

/// See the top of the file.
#[derive(Debug, Default)]
pub(crate) struct AckPoints {
    /// When the burst came: what is older is acknowledged with it, or was held back on purpose.
    at: Instant,
    /// Bytes since the last point.
    since: u32,
    points: VecDeque<Seq>,
}

impl AckPoints {
    /// In-order data up to `nxt` has come, `bytes` of them new; a full segment has `mss`.
    pub fn came(&mut self, now: Instant, bytes: u32, mss: u32, nxt: Seq) {
        if self.at != now {
            self.at = now;
            self.clear();
        }
        self.since = self.since.saturating_add(bytes);
        if bytes > 2 * mss {
            self.since = 0;
        } else if self.since > mss {
            self.since = 0;
            if self.points.len() < TCP_ACKS_OF_A_BURST {
                self.points.push_back(nxt);
            }
        }
    }

    /// None is owed any more.
    pub fn clear(&mut self) {
        self.since = 0;
        self.points.clear();
    }

    /// The next acknowledgment that is owed to the burst of `now`, but for the last one, which
    /// acknowledges `nxt`. `last_ack` is acknowledged already.
    pub fn next(&mut self, now: Instant, last_ack: Seq, nxt: Seq) -> Option<Seq> {
        if self.at != now {
            self.clear();
        }
        let point = self.points.pop_front()?;
        (point.after(last_ack) && point.before(nxt)).then_some(point)
    }
}
