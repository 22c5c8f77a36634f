//! When data is acknowledged (RFC 9293 3.8.6.3, RFC 5681 4.2), as Linux decides it.
//!
//! At once: in quick mode (the first segments of a connection, and after something went wrong,
//! while
//! the sender is in slow start); when more than a full segment waits and the window can follow;
//! when
//! the reader has emptied the buffer after a push. Otherwise after `ato`, which follows the pace of
//! arrivals between 40 ms and 200 ms; in an interactive exchange ("ping-pong": data left soon after
//! data came) the ACK waits for data to ride on.
use super::Tcp;
use super::conn::{Conn, Cx, Segment};
use super::timers::Timer;
use crate::base::{Instant, time::Duration};
use crate::stack::ConnId;
use crate::wire::tcp::Flags;

/// Linux `TCP_ATO_MIN`, `TCP_DELACK_MIN`.
const ATO_MIN: Duration = Duration::from_millis(40);
/// Linux `TCP_DELACK_MAX` (RFC 9293 3.8.6.3, MUST-40: less than 500 ms).
const DELAY_MAX: Duration = Duration::from_millis(200);
/// ACKs sent at once in quick mode, at most (Linux `TCP_MAX_QUICKACKS`).
pub(super) const QUICK_ACKS: u8 = 16;
/// Linux `TCP_MSS_DEFAULT`, `TCP_MIN_MSS`: what may be a full segment of a peer.
const SEGMENT_USUAL: u32 = 536;
const SEGMENT_MIN: u32 = 88;
/// A TCP header without options, bytes.
const HEADER: u32 = crate::wire::tcp::HEADER_LEN as u32;

/// Linux's `icsk_ack`.
#[derive(Clone, Debug, Default)]
pub(super) struct Delack {
    /// How long an ACK is to wait; zero before the first data.
    pub ato: Duration,
    /// ACKs that are still sent at once.
    quick: u8,
    /// The exchange is interactive: no quick mode.
    pub pingpong: bool,
    /// Something has come that no ACK has left for.
    scheduled: bool,
    /// A push, or a segment that is not full, has come since the last ACK; and a second one.
    pushed: bool,
    pushed_again: bool,
    /// Size of the last segment that was not full.
    last_size: u32,
}

impl Conn {
    /// Data has come in (Linux `tcp_event_data_recv`).
    pub fn data_came(&mut self, cx: &Cx<'_>, segment: &Segment<'_>) {
        self.rx.delack.scheduled = true;
        self.measure_segment(segment);
        let pause = cx.now.since(self.stats.last_data_in);
        let rto = self.rtt.rto(cx.config);
        let ato = self.rx.delack.ato;
        if ato.is_zero() {
            self.quicken(QUICK_ACKS);
            self.rx.delack.ato = ATO_MIN;
        } else if pause <= ATO_MIN / 2 {
            self.rx.delack.ato = ato / 2 + ATO_MIN / 2;
        } else if pause < ato {
            self.rx.delack.ato = (ato / 2 + pause).min(rto);
        } else if pause > rto {
            // The sender has most likely begun again with a small window.
            self.quicken(QUICK_ACKS);
        }
        self.stats.last_data_in = cx.now;
    }

    /// What a full segment of the peer is (Linux `tcp_measure_rcv_mss`).
    fn measure_segment(&mut self, segment: &Segment<'_>) {
        let len = segment.payload.len() as u32;
        let push = segment.has(Flags::PSH);
        if len >= self.rx.mss {
            self.rx.mss = len.min(self.rx.our_mss);
            // Exactly one segment with a push: the end of what was written.
            self.rx.delack.pushed |= push && len == self.rx.mss;
            return;
        }
        // The length that does not depend on SACK blocks: with the header, less the usual one.
        let whole = len + HEADER + segment.options.wire_len() as u32;
        let rest = push || segment.has(Flags::FIN) || segment.has(Flags::URG);
        if whole >= SEGMENT_USUAL + HEADER || (whole >= SEGMENT_MIN + HEADER && !rest) {
            let usual = HEADER + if self.stamps.on { 12 } else { 0 };
            let size = whole - usual.min(whole);
            if core::mem::replace(&mut self.rx.delack.last_size, size) == size {
                self.rx.mss = size.max(SEGMENT_MIN);
                return;
            }
        }
        let ack = &mut self.rx.delack;
        ack.pushed_again |= ack.pushed;
        ack.pushed = true;
    }

    /// Linux `tcp_incr_quickack`.
    fn quicken(&mut self, most: u8) {
        let segments = self.rx.window() / (2 * self.rx.mss.max(1));
        let segments = if segments == 0 { 2 } else { segments };
        let acks = u8::try_from(segments).unwrap_or(u8::MAX).min(most);
        self.rx.delack.quick = self.rx.delack.quick.max(acks);
    }

    /// Something went wrong (old data came again, congestion was marked): the sender needs ACKs
    /// (Linux `tcp_enter_quickack_mode`).
    pub fn enter_quick_mode(&mut self, most: u8) {
        self.quicken(most);
        self.rx.delack.pingpong = false;
        self.rx.delack.ato = ATO_MIN;
    }

    /// Data in order has been taken: its ACK (Linux `__tcp_ack_snd_check`). `filled`: it filled a
    /// gap (RFC 5681 4.2: at once).
    pub fn acknowledge_data(&mut self, cx: &Cx<'_>, bytes: u32, filled: bool) {
        let rx = &mut self.rx;
        rx.unacked = rx.unacked.saturating_add(bytes);
        if !filled && rx.reassembly.is_empty() {
            rx.acks.came(cx.now, bytes, rx.mss, rx.nxt);
        }
        // RFC 9293 3.8.6.3 (SHLD-18): at least every second full segment. Like Linux, only if the
        // right edge moves along, or the reader waits for more: else its reading sends the ACK.
        let unread = rx.ring.len() as u32;
        let waits = unread < self.options.receive_lowat;
        let enough = rx.unacked > rx.mss && (waits || rx.edge_can_follow());
        let quick =
            (rx.delack.quick > 0 && !rx.delack.pingpong) || cx.config.teaching.immediate_acks;
        if filled || enough || quick || !rx.reassembly.is_empty() {
            rx.ack_now = true;
        } else if !rx.ack_now {
            self.delay_ack(cx);
        }
    }

    /// The ACK of a SYN-ACK waits for data that is about to be written (Linux
    /// `tcp_rcv_synsent_state_process`).
    pub fn hold_first_ack(&mut self, cx: &Cx<'_>) {
        self.enter_quick_mode(QUICK_ACKS);
        self.rx.delack.scheduled = true;
        self.rx.ack_now = false;
        self.timers.set(Timer::DelayedAck, cx.now + DELAY_MAX);
    }

    /// Linux `tcp_send_delayed_ack`.
    fn delay_ack(&mut self, cx: &Cx<'_>) {
        let ack = &self.rx.delack;
        let mut wait = ack.ato;
        if wait > ATO_MIN {
            let patient = ack.pingpong || ack.pushed;
            let most = if patient { DELAY_MAX } else { Duration::from_millis(500) };
            // A round trip is the longest that the sender's window can do without.
            let most = self.rtt.smoothed.map_or(most, |rtt| most.min(rtt.max(ATO_MIN)));
            wait = wait.min(most);
        }
        let wait = wait.min(DELAY_MAX);
        let at = cx.now + wait;
        match self.timers.get(Timer::DelayedAck) {
            // It is as good as due.
            Some(set) if set <= cx.now + wait / 4 => self.rx.ack_now = true,
            Some(set) if set <= at => {}
            _ => self.timers.set(Timer::DelayedAck, at),
        }
    }

    /// The delayed ACK is due (Linux `tcp_delack_timer_handler`).
    pub fn delayed_ack_timed_out(&mut self, cx: &Cx<'_>) {
        let ack = &mut self.rx.delack;
        if ack.pingpong {
            // No data came along to carry it.
            ack.pingpong = false;
            ack.ato = ATO_MIN;
        } else {
            ack.ato = (ack.ato * 2).min(self.rtt.rto(cx.config));
        }
        self.rx.ack_now = true;
    }

    /// The program has read (Linux `tcp_cleanup_rbuf`): is an ACK due for what it had been held
    /// back for?
    pub fn ack_after_read(&mut self) {
        let ack = &self.rx.delack;
        let emptied = self.rx.ring.is_empty();
        let pushed = ack.pushed_again || (ack.pushed && !ack.pingpong);
        if ack.scheduled && (self.rx.unacked > self.rx.mss || (pushed && emptied)) {
            self.rx.ack_now = true;
        }
    }

    /// Data leaves (Linux `tcp_event_data_sent`): soon after data came, it is an answer.
    pub fn data_left(&mut self, cx: &Cx<'_>) {
        if cx.now.since(self.stats.last_data_in) < self.rx.delack.ato {
            self.rx.delack.pingpong = true;
        }
    }

    /// An ACK leaves, alone or with data (Linux `tcp_event_ack_sent`).
    pub fn ack_left(&mut self) {
        let ack = &mut self.rx.delack;
        if ack.scheduled && ack.quick > 0 {
            ack.quick -= 1;
            if ack.quick == 0 {
                ack.ato = ATO_MIN;
            }
        }
        ack.scheduled = false;
        ack.pushed = false;
        ack.pushed_again = false;
        self.timers.stop(Timer::DelayedAck);
    }
}

impl Tcp {
    /// `TCP_QUICKACK` (tcp(7)): 0 for ACKs that wait for data to ride on; else what is held back
    /// leaves now, and (if odd) so it goes on, until the exchange turns out to be interactive.
    pub fn set_quickack(&mut self, now: Instant, id: ConnId, value: u32) {
        self.with(now, id, |conn, _| {
            let ack = &mut conn.rx.delack;
            ack.pingpong = value == 0;
            if value != 0 && ack.scheduled && conn.state.is_synchronized() {
                ack.pingpong = value & 1 == 0;
                conn.rx.ack_now = true;
            }
        });
    }

    /// Whether ACKs are not held back for data to ride on: what `TCP_QUICKACK` reads.
    pub fn quickack(&self, id: ConnId) -> Option<bool> {
        self.table.get(id).map(|conn| !conn.rx.delack.pingpong)
    }
}
