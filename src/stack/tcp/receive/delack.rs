//! When data is acknowledged (RFC 9293 3.8.6.3, RFC 5681 4.2), as Linux decides it.
//!
//! At once: in quick mode (the first segments of a connection, and after something went wrong,
//! while the sender is in slow start); when more than a full segment waits and the window can
//! follow; when the reader has emptied the buffer after a push. Otherwise after `ato`, which
//! follows the pace of arrivals between 40 ms and 200 ms; in an interactive exchange ("ping-pong":
//! data left soon after data came) the ACK waits for data to ride on.
use super::ack_delay::QUICK_ACKS;
use super::side::{Around, ReceiveSide};
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::words::{Segment, Timer, Timers};
use crate::wire::tcp::Flags;

/// Linux `TCP_ATO_MIN`, `TCP_DELACK_MIN`.
const ATO_MIN: Duration = Duration::from_millis(40);
/// Linux `TCP_DELACK_MAX` (RFC 9293 3.8.6.3, MUST-40: less than 500 ms).
const DELAY_MAX: Duration = Duration::from_millis(200);
/// Linux `TCP_MSS_DEFAULT`, `TCP_MIN_MSS`: what may be a full segment of a peer.
const SEGMENT_USUAL: u32 = 536;
const SEGMENT_MIN: u32 = 88;
/// A TCP header without options, bytes.
const HEADER: u32 = crate::wire::tcp::HEADER_LEN as u32;

impl ReceiveSide {
    /// Data has come in (Linux `tcp_event_data_recv`).
    pub(super) fn data_came(&mut self, around: &Around<'_>, segment: &Segment<'_>) {
        self.delack.scheduled = true;
        self.measure_segment(segment, around.stamps.on);
        let pause = around.now.since(self.last_data_in);
        let rto = around.rtt.rto(around.config);
        let ato = self.delack.ato;
        if ato.is_zero() {
            self.quicken(QUICK_ACKS);
            self.delack.ato = ATO_MIN;
        } else if pause <= ATO_MIN / 2 {
            self.delack.ato = ato / 2 + ATO_MIN / 2;
        } else if pause < ato {
            self.delack.ato = (ato / 2 + pause).min(rto);
        } else if pause > rto {
            // The sender has most likely begun again with a small window.
            self.quicken(QUICK_ACKS);
        }
        self.last_data_in = around.now;
    }

    /// What a full segment of the peer is (Linux `tcp_measure_rcv_mss`).
    fn measure_segment(&mut self, segment: &Segment<'_>, stamps: bool) {
        let len = segment.payload.len() as u32;
        let push = segment.has(Flags::PSH);
        if len >= self.mss {
            self.mss = len.min(self.our_mss);
            // Exactly one segment with a push: the end of what was written.
            self.delack.pushed |= push && len == self.mss;
            return;
        }
        // The length that does not depend on SACK blocks: with the header, less the usual one.
        let whole = len + HEADER + segment.options.wire_len() as u32;
        let rest = push || segment.has(Flags::FIN) || segment.has(Flags::URG);
        if whole >= SEGMENT_USUAL + HEADER || (whole >= SEGMENT_MIN + HEADER && !rest) {
            let usual = HEADER + if stamps { 12 } else { 0 };
            let size = whole - usual.min(whole);
            if core::mem::replace(&mut self.delack.last_size, size) == size {
                self.mss = size.max(SEGMENT_MIN);
                return;
            }
        }
        let ack = &mut self.delack;
        ack.pushed_again |= ack.pushed;
        ack.pushed = true;
    }

    /// Linux `tcp_incr_quickack`.
    fn quicken(&mut self, most: u8) {
        let segments = self.window() / (2 * self.mss.max(1));
        let segments = if segments == 0 { 2 } else { segments };
        let acks = u8::try_from(segments).unwrap_or(u8::MAX).min(most);
        self.delack.quick = self.delack.quick.max(acks);
    }

    /// Something went wrong (old data came again, congestion was marked): the sender needs ACKs
    /// (Linux `tcp_enter_quickack_mode`).
    pub fn enter_quick_mode(&mut self, most: u8) {
        self.quicken(most);
        self.delack.pingpong = false;
        self.delack.ato = ATO_MIN;
    }

    /// Data in order has been taken: its ACK (Linux `__tcp_ack_snd_check`). `filled`: it filled a
    /// gap (RFC 5681 4.2: at once).
    pub(super) fn acknowledge_data(&mut self, around: &mut Around<'_>, bytes: u32, filled: bool) {
        let rx = self;
        rx.unacked = rx.unacked.saturating_add(bytes);
        if !filled && rx.reassembly.is_empty() {
            rx.acks.came(around.now, bytes, rx.mss, rx.nxt);
        }
        // RFC 9293 3.8.6.3 (SHLD-18): at least every second full segment. Like Linux, only if the
        // right edge moves along, or the reader waits for more: else its reading sends the ACK.
        let unread = rx.ring.len() as u32;
        let waits = unread < rx.lowat;
        let enough = rx.unacked > rx.mss && (waits || rx.edge_can_follow());
        let quick =
            (rx.delack.quick > 0 && !rx.delack.pingpong) || around.config.teaching.immediate_acks;
        if filled || enough || quick || !rx.reassembly.is_empty() {
            rx.ack_now = true;
        } else if !rx.ack_now {
            rx.delay_ack(around);
        }
    }

    /// The ACK of a SYN-ACK waits for data that is about to be written (Linux
    /// `tcp_rcv_synsent_state_process`).
    pub fn hold_first_ack(&mut self, now: Instant, timers: &mut Timers) {
        self.enter_quick_mode(QUICK_ACKS);
        self.delack.scheduled = true;
        self.ack_now = false;
        timers.set(Timer::DelayedAck, now + DELAY_MAX);
    }

    /// Linux `tcp_send_delayed_ack`.
    fn delay_ack(&mut self, around: &mut Around<'_>) {
        let ack = &self.delack;
        let mut wait = ack.ato;
        if wait > ATO_MIN {
            let patient = ack.pingpong || ack.pushed;
            let most = if patient { DELAY_MAX } else { Duration::from_millis(500) };
            // A round trip is the longest that the sender's window can do without.
            let most = around.rtt.smoothed.map_or(most, |rtt| most.min(rtt.max(ATO_MIN)));
            wait = wait.min(most);
        }
        let wait = wait.min(DELAY_MAX);
        let at = around.now + wait;
        match around.timers.get(Timer::DelayedAck) {
            // It is as good as due.
            Some(set) if set <= around.now + wait / 4 => self.ack_now = true,
            Some(set) if set <= at => {}
            _ => around.timers.set(Timer::DelayedAck, at),
        }
    }

    /// The delayed ACK is due (Linux `tcp_delack_timer_handler`).
    pub fn delayed_ack_timed_out(&mut self, rto: Duration) {
        let ack = &mut self.delack;
        if ack.pingpong {
            // No data came along to carry it.
            ack.pingpong = false;
            ack.ato = ATO_MIN;
        } else {
            ack.ato = (ack.ato * 2).min(rto);
        }
        self.ack_now = true;
    }

    /// The program has read (Linux `tcp_cleanup_rbuf`): is an ACK due for what it had been held
    /// back for?
    pub(super) fn ack_after_read(&mut self) {
        let ack = &self.delack;
        let emptied = self.ring.is_empty();
        let pushed = ack.pushed_again || (ack.pushed && !ack.pingpong);
        if ack.scheduled && (self.unacked > self.mss || (pushed && emptied)) {
            self.ack_now = true;
        }
    }

    /// Data leaves (Linux `tcp_event_data_sent`): soon after data came, it is an answer.
    pub fn data_left(&mut self, now: Instant) {
        if now.since(self.last_data_in) < self.delack.ato {
            self.delack.pingpong = true;
        }
    }

    /// An ACK leaves, alone or with data (Linux `tcp_event_ack_sent`).
    pub(super) fn ack_left(&mut self, timers: &mut Timers) {
        let ack = &mut self.delack;
        if ack.scheduled && ack.quick > 0 {
            ack.quick -= 1;
            if ack.quick == 0 {
                ack.ato = ATO_MIN;
            }
        }
        ack.scheduled = false;
        ack.pushed = false;
        ack.pushed_again = false;
        timers.stop(Timer::DelayedAck);
    }

    /// `TCP_QUICKACK` (tcp(7)): 0 for ACKs that wait for data to ride on; else what is held back
    /// leaves now, and (if odd) so it goes on, until the exchange turns out to be interactive.
    /// `synchronized`: the handshake is done.
    pub fn set_quickack(&mut self, value: u32, synchronized: bool) {
        let ack = &mut self.delack;
        ack.pingpong = value == 0;
        if value != 0 && ack.scheduled && synchronized {
            ack.pingpong = value & 1 == 0;
            self.ack_now = true;
        }
    }

    /// The exchange is interactive: ACKs wait for data to ride on.
    pub fn is_interactive(&self) -> bool {
        self.delack.pingpong
    }

    /// How long an ACK waits (`tcpi_ato`).
    pub fn ack_delay(&self) -> Duration {
        self.delack.ato
    }
}
