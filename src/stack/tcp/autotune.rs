//! How large the receive buffer grows: dynamic right-sizing, as Linux does it
//! (`tcp_rcv_space_adjust`).
//!
//! Once in a round trip: what the program read in it is what the sender's window was. For the next
//! one it may be twice as much, and more while it grows. The round trip is that of the timestamps
//! that come back, or without them the shortest time in which a window's worth arrived.
use super::conn::{Conn, Cx, ReceiveSide, Segment};
use super::seq::Seq;
use crate::base::{Instant, time::Duration};

/// Segments of the first window (RFC 6928).
const FIRST_SEGMENTS: u32 = 10;
/// The smallest buffer that can be asked for (half of Linux's `SOCK_MIN_RCVBUF`).
const LEAST: u32 = 1_152;
/// The largest window (RFC 7323 2.3).
pub(super) const MOST: u32 = 0xffff << 14;

/// What is measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Tuning {
    /// The receiver's estimate of the round trip; zero before the first.
    pub rtt: Duration,
    /// Without timestamps: since when a window's worth is waited for, and its end.
    waiting: Option<(Instant, Seq)>,
    last_echo: u32,
    /// Bytes read in the last round trip.
    pub space: u32,
    /// Where reading stood when this round trip began, and when that was.
    began: Option<(Instant, Seq)>,
}

impl ReceiveSide {
    /// The sequence number of the next byte that the program reads.
    pub fn read_seq(&self) -> Seq {
        self.nxt - u32::from(self.closed) - self.ring.len() as u32
    }
}

impl Conn {
    /// Data has come: what does it say of the round trip?
    pub fn measure_round_trip(&mut self, cx: &Cx<'_>, segment: &Segment<'_>) {
        let rx = &mut self.rx;
        let tuning = &mut rx.tuning;
        if let Some((_, echo)) = segment.options.timestamps.filter(|_| self.stamps.on) {
            // Only what has just left us and is answered by a full segment.
            let full = segment.payload.len() as u32 >= rx.mss;
            if echo != 0 && core::mem::replace(&mut tuning.last_echo, echo) != echo && full {
                let millis = self.stamps.value(cx.now).wrapping_sub(echo);
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
            if rx.nxt.before(end) {
                return;
            }
            let sample = cx.now.since(since).max(Duration::from_micros(1));
            if tuning.rtt.is_zero() || sample < tuning.rtt {
                tuning.rtt = sample;
            }
        }
        tuning.waiting = Some((cx.now, rx.nxt + rx.edge.past(rx.nxt)));
    }

    /// Bytes that the program read in the last round trip; before the first, those of the sender's
    /// first window.
    pub fn receive_space(&self) -> u32 {
        match self.rx.tuning.space {
            0 => (FIRST_SEGMENTS * self.rx.our_mss).min(self.rx.limit).max(1),
            space => space,
        }
    }

    /// The program has read (Linux `tcp_rcv_space_adjust`, `tcp_rcvbuf_grow`).
    pub fn grow_receive_buffer(&mut self, cx: &Cx<'_>) {
        let read = self.rx.read_seq();
        let (since, from) = *self.rx.tuning.began.get_or_insert((cx.now, self.rx.irs + 1));
        self.rx.tuning.space = self.receive_space();
        let rtt = self.rx.tuning.rtt;
        if rtt.is_zero() || cx.now.since(since) < rtt {
            return;
        }
        let unread = self.rx.ring.len() as u32;
        let copied = read.past(from).saturating_sub(unread);
        self.rx.tuning.began = Some((cx.now, read));
        let before = self.rx.tuning.space;
        if copied <= before {
            return;
        }
        self.rx.tuning.space = copied;
        if self.options.receive_buffer > 0 {
            return;
        }
        let (copied, before) = (u64::from(copied), u64::from(before));
        // Twice, so that losses do not stop the sender; more while it is in slow start.
        let window = copied * 2;
        let window = window + 2 * (window * (copied - before) / before);
        let beyond = self.rx.reassembly.end().map_or(0, |end| end.past(self.rx.nxt));
        let window = u32::try_from(window).unwrap_or(MOST).saturating_add(beyond);
        self.rx.limit = self.rx.limit.max(window.min(most(cx)));
    }

    /// `SO_RCVBUF`, `SO_RCVLOWAT`, `TCP_WINDOW_CLAMP` were set. What has been offered stays
    /// offered.
    pub fn apply_receive_options(&mut self, cx: &Cx<'_>) {
        let asked = self.options.receive_buffer;
        if asked > 0 {
            self.rx.limit = asked.clamp(LEAST, MOST);
        }
        // Room for what the program waits for (Linux tcp_set_rcvlowat).
        self.rx.limit = self.rx.limit.max(self.options.receive_lowat.min(most(cx) / 2));
        self.rx.clamp = match self.options.window_clamp {
            0 => MOST,
            clamp => clamp.max(LEAST),
        };
    }

    /// `SO_SNDBUF` was set; else the send buffer follows cwnd.
    pub fn apply_send_options(&mut self) {
        if self.options.send_buffer > 0 {
            self.tx.limit = (self.options.send_buffer as usize).max(LEAST as usize * 2);
        }
    }

    /// Bytes that may be in the send buffer now. `TCP_NOTSENT_LOWAT`: no more than that unsent.
    pub fn send_limit(&self) -> usize {
        match self.options.notsent_lowat {
            0 => self.tx.limit,
            lowat => self.tx.limit.min(self.tx.nxt.past(self.tx.base) as usize + lowat as usize),
        }
    }
}

/// The largest buffer that the net allows, bytes.
fn most(cx: &Cx<'_>) -> u32 {
    u32::try_from(cx.config.receive_buffer).unwrap_or(u32::MAX).min(MOST)
}
