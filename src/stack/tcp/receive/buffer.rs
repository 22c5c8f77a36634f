//! How large the receive buffer grows: dynamic right-sizing, as Linux does it
//! (`tcp_rcv_space_adjust`).
//!
//! Once in a round trip: what the program read in it is what the sender's window was. For the next
//! one it may be twice as much, and more while it grows. The round trip is that of the timestamps
//! that come back, or without them the shortest time in which a window's worth arrived.
use super::side::{Around, ReceiveSide};
use super::tuning::{MOST, most};
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::words::{Segment, Seq};
use crate::stack::tcp::{TcpConfig, TcpOptions};

/// Segments of the first window (RFC 6928).
const FIRST_SEGMENTS: u32 = 10;
/// The window that fits into Linux's first buffer (`tcp_rmem[1]`, 128 KiB) with segments of full
/// Ethernet frames, which take 2292 bytes of it each.
const BEHIND_GAP: u32 = (131_072 * 1_460) / 2_292;
/// The smallest buffer that can be asked for (half of Linux's `SOCK_MIN_RCVBUF`).
const LEAST: u32 = 1_152;

impl ReceiveSide {
    /// The sequence number of the next byte that the program reads.
    pub(super) fn read_seq(&self) -> Seq {
        self.nxt - u32::from(self.closed) - self.ring.len() as u32
    }

    /// Data has come: what does it say of the round trip?
    pub(super) fn measure_round_trip(&mut self, around: &Around<'_>, segment: &Segment<'_>) {
        let tuning = &mut self.tuning;
        if let Some((_, echo)) = segment.options.timestamps.filter(|_| around.stamps.on) {
            // Only what has just left us and is answered by a full segment.
            let full = segment.payload.len() as u32 >= self.mss;
            if echo != 0 && core::mem::replace(&mut tuning.last_echo, echo) != echo && full {
                let millis = around.stamps.value(around.now).wrapping_sub(echo);
                let sample = Duration::from_millis(u64::from(millis.max(1)));
                if millis < 1 << 17 {
                    tuning.rtt = match tuning.rtt {
                        old if old.is_zero() || sample < old => sample,
                        old => old - old / 8 + sample / 8,
                    };
                }
            }
            return;
        }
        if let Some((since, end)) = tuning.waiting {
            if self.nxt.before(end) {
                return;
            }
            let sample = around.now.since(since).max(Duration::from_micros(1));
            if tuning.rtt.is_zero() || sample < tuning.rtt {
                tuning.rtt = sample;
            }
        }
        tuning.waiting = Some((around.now, self.nxt + self.edge.past(self.nxt)));
    }

    /// Bytes that the program read in the last round trip; before the first, those of the sender's
    /// first window.
    pub fn space_per_round(&self) -> u32 {
        match self.tuning.space {
            0 => (FIRST_SEGMENTS * self.our_mss).min(self.limit).max(1),
            space => space,
        }
    }

    /// The receiver's estimate of the round trip (`tcpi_rcv_rtt`).
    pub fn round_trip(&self) -> Duration {
        self.tuning.rtt
    }

    /// The program has read (Linux `tcp_rcv_space_adjust`, `tcp_rcvbuf_grow`). `most`: what the
    /// net allows, see [`most`].
    pub(super) fn grow_buffer(&mut self, now: Instant, most: u32) {
        let read = self.read_seq();
        let (since, from) = *self.tuning.began.get_or_insert((now, self.irs + 1));
        self.tuning.space = self.space_per_round();
        let rtt = self.tuning.rtt;
        if rtt.is_zero() || now.since(since) < rtt {
            return;
        }
        let unread = self.ring.len() as u32;
        let copied = read.past(from).saturating_sub(unread);
        self.tuning.began = Some((now, read));
        let before = self.tuning.space;
        if copied <= before {
            return;
        }
        self.tuning.space = copied;
        if self.fixed {
            return;
        }
        let (copied, before) = (u64::from(copied), u64::from(before));
        // Twice, so that losses do not stop the sender; more while it is in slow start.
        let window = copied * 2;
        let window = window + 2 * (window * (copied - before) / before);
        let beyond = self.reassembly.end().map_or(0, |end| end.past(self.nxt));
        let window = u32::try_from(window).unwrap_or(MOST).saturating_add(beyond);
        self.limit = self.limit.max(window.min(most));
    }

    /// `len` bytes have come behind a gap. While the gap lasts the program reads nothing, so the
    /// window grows by what comes, up to what the first buffer takes (Linux `tcp_grow_window`):
    /// else the sender would stand still. Without SACK it must not: an ACK with another window is
    /// no duplicate.
    pub(super) fn grow_behind_gap(&mut self, len: u32, most: u32) {
        if self.sack && !self.fixed {
            let wanted = self.limit.saturating_add(2 * len.max(self.our_mss));
            self.limit = self.limit.max(wanted.min(BEHIND_GAP).min(most));
        }
    }

    /// `SO_RCVBUF`, `SO_RCVLOWAT`, `TCP_WINDOW_CLAMP` were set. What has been offered stays
    /// offered.
    pub fn set_options(&mut self, options: &TcpOptions, config: &TcpConfig) {
        let asked = options.receive_buffer;
        self.fixed = asked > 0;
        if self.fixed {
            self.limit = asked.clamp(LEAST, MOST);
        }
        self.lowat = options.receive_lowat;
        // Room for what the program waits for (Linux tcp_set_rcvlowat).
        self.limit = self.limit.max(options.receive_lowat.min(most(config) / 2));
        self.clamp = match options.window_clamp {
            0 => MOST,
            clamp => clamp.max(LEAST),
        };
    }
}
