//! How much is handed to a link that cuts segments (TSO) at once, and what keeps it waiting.
use crate::base::limits::IP_PACKET_MAX;
use crate::base::time::Duration;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::loss::Mode;
use crate::stack::tcp::send::Wait;
use crate::stack::tcp::words::Cx;

/// Segments in one super-segment, at most.
const SEGMENTS: u32 = 64;

/// A burst may wait only if the last one left so recently (Linux `tcp_tso_should_defer`).
const RECENT: Duration = Duration::from_millis(1);

impl Conn {
    /// Payload of the largest segment or super-segment.
    pub fn burst(&self, cx: &Cx<'_>, mss: u32) -> u32 {
        if self.urges() {
            // The pointer counts from each segment's own beginning: a link that cuts would repeat
            // the first one's.
            return mss;
        }
        let packet = self.path.tso_max.min(IP_PACKET_MAX as u32);
        // Headers with all options, so that no option decides about the packet's length.
        let payload = packet.saturating_sub(self.headers() + 40);
        // Half of cwnd, so that there are two bursts in flight (Linux `tcp_cwnd_test`).
        let half = self.window_now() / 2 / mss;
        ((payload / mss).min(half).clamp(1, SEGMENTS) * mss).min(self.pacing_burst(cx, mss))
    }

    /// What is outstanding left half a round trip ago or earlier: worth waiting for.
    fn next_ack_is_near(&self, cx: &Cx<'_>) -> bool {
        let (head, rtt) = (self.flight.head(), self.rtt.smoothed.unwrap_or_default());
        head.is_some_and(|head| cx.now.since(head.sent_at) >= rtt / 2)
    }

    /// Whether `len` bytes, all that cwnd has room for, had better wait for more acknowledgements,
    /// so that fewer and larger bursts leave (Linux `tcp_tso_should_defer`).
    pub fn waits_for_room(&self, cx: &Cx<'_>, len: u32) -> bool {
        let divisor = cx.config.tso_window_divisor;
        let whole = self.window_now().min(self.tx.wnd);
        !matches!(self.recovery.mode, Mode::Fast | Mode::Loss)
            && divisor > 0
            && len < whole / divisor
            && cx.now.since(self.tx.last_sent) <= RECENT
            && self.next_ack_is_near(cx)
    }

    /// RFC 5681 4.1, RFC 2861: a window that has not been used for long is not to be trusted. As
    /// Linux, asked when a program writes and when the peer's window changes, so that a window that
    /// was closed for long keeps ours until it opens (`tcp_slow_start_after_idle_check`).
    pub fn restart_after_idle(&mut self, cx: &Cx<'_>) {
        let idle = cx.now.since(self.tx.last_sent);
        let rto = self.rtt.base(cx.config);
        if self.flight.is_empty() && idle > rto && cx.config.slow_start_after_idle {
            let rtos = idle.as_nanos() / rto.as_nanos().max(1);
            self.cc.idled(u32::try_from(rtos).unwrap_or(32));
            self.tx.last_sent = cx.now;
        }
    }

    /// Nothing more to send though the window would take it: delivery rates from now on say
    /// nothing of the path (Linux `tcp_rate_check_app_limited`).
    pub fn note_idle_window(&mut self) {
        let unsent = self.data_end().past(self.tx.nxt);
        if unsent < self.tx.mss && self.room() > 0 && !self.flight.any_waits() {
            self.rate.limited_by_program(self.pipe());
        }
    }

    /// What keeps more from being sent, for `TCP_INFO`.
    pub fn waits_for(&self) -> Option<Wait> {
        let unsent = self.data_end().past(self.tx.nxt);
        if unsent == 0 && self.tx.una == self.tx.nxt {
            return None;
        }
        let window = self.window_from(self.tx.nxt);
        Some(if unsent > 0 && window < unsent.min(self.tx.mss) {
            Wait::Window
        } else if unsent == 0 && self.tx.ring.len() >= self.tx.limit {
            Wait::Buffer
        } else {
            Wait::Busy
        })
    }
}
