//! Timers that expire: retransmission (RFC 6298), persist (RFC 9293 3.8.6.1), and the rest by
//! name.
use super::api::State;
use super::conn::{Conn, Cx};
use super::counters::Count;
use super::timers::Timer;

/// Retransmissions of an orphan (Linux `tcp_orphan_retries`, 8 when unset).
const ORPHAN_RETRIES: u8 = 8;
/// Doublings of an orphan's persist timer: then it is at its upper bound (Linux `tcp_probe_timer`).
const ORPHAN_BACKOFF: u8 = 10;

impl Conn {
    /// Does everything that is due.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        while let Some(timer) = self.timers.expired(cx.now) {
            match timer {
                Timer::Retransmit => self.retransmit_timed_out(cx),
                Timer::Persist => self.persist_timed_out(cx),
                Timer::DelayedAck => self.rx.ack_now = true,
                Timer::KeepAlive => self.keepalive_timed_out(cx),
                Timer::Linger => self.linger_timed_out(),
                Timer::Cork => self.tx.uncork = true,
            }
        }
    }

    fn retransmit_timed_out(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.state, State::SynSent | State::SynReceived) {
            return self.syn_timed_out(cx);
        }
        if self.tx.una == self.tx.nxt {
            return;
        }
        cx.counters.add(Count::Timeouts);
        if self.retransmits == 0 {
            self.stats.timeout_series = self.stats.timeout_series.saturating_add(1);
            self.stats.timeouts_since = Some(cx.now);
        }
        self.stats.timeouts = self.stats.timeouts.saturating_add(1);
        self.retransmits = self.retransmits.saturating_add(1);
        // A closed window is not a dead peer: as long as it answers, go on (RFC 9293 3.8.6.1).
        let answering =
            self.tx.wnd == 0 && cx.now.since(self.rx.last_heard) < cx.config.rto_max * 2;
        let given_up = self.retransmits > self.retries(cx) && !answering;
        if given_up || self.user_timed_out(cx) {
            return self.time_out(cx);
        }
        if self.retransmits == 1 {
            // RFC 5681 3.1: ssthresh falls once for one loss, cwnd to one segment.
            self.ecn.reduced(self.tx.nxt);
            self.cc.timed_out(cx.now, self.outstanding(), self.tx.mss);
        }
        self.lose_all();
        self.rtt.back_off();
        self.timers.set(Timer::Retransmit, cx.now + self.bounded_rto(cx));
    }

    fn retries(&self, cx: &Cx<'_>) -> u8 {
        if self.released { cx.config.retries.min(ORPHAN_RETRIES) } else { cx.config.retries }
    }

    /// `TCP_USER_TIMEOUT` (RFC 5482): no progress for that long.
    pub fn user_timed_out(&self, cx: &Cx<'_>) -> bool {
        match (self.user_timeout(), self.tx.stuck_since) {
            (Some(limit), Some(since)) => cx.now.since(since) >= limit,
            _ => false,
        }
    }

    /// The timeout, cut short where the user timeout ends.
    fn bounded_rto(&self, cx: &Cx<'_>) -> crate::base::time::Duration {
        let rto = self.rtt.rto(cx.config);
        match (self.user_timeout(), self.tx.stuck_since) {
            (Some(limit), Some(since)) => {
                let left = (since + limit).since(cx.now);
                rto.min(left.max(cx.config.rto_min.min(left)))
            }
            _ => rto,
        }
    }

    /// The window keeps us from sending and nothing is in flight whose ACK could open it.
    pub fn arm_persist(&mut self, cx: &Cx<'_>) {
        if self.tx.una == self.tx.nxt && !self.timers.is_set(Timer::Persist) {
            self.tx.stuck_since.get_or_insert(cx.now);
            self.timers.set(Timer::Persist, cx.now + self.bounded_rto(cx));
        }
    }

    /// RFC 9293 3.8.6.1: probe for ever, as long as the peer answers (RFC 1122 4.2.2.17).
    fn persist_timed_out(&mut self, cx: &mut Cx<'_>) {
        if self.tx.una != self.tx.nxt || self.all_acknowledged() {
            return;
        }
        // Nobody waits for an orphan's data: it does not stand before a closed window for ever.
        let given_up = self.probes >= self.retries(cx)
            || (self.released && self.rtt.backoff >= ORPHAN_BACKOFF);
        if given_up || self.user_timed_out(cx) {
            return self.time_out(cx);
        }
        self.probes = self.probes.saturating_add(1);
        if self.tx.wnd > 0 {
            // RFC 9293 3.8.6.2.1: the override timeout of silly-window avoidance.
            self.tx.override_due = true;
        } else {
            self.tx.probe_due = true;
            self.tx.urgent_probe_due = self.urges();
        }
        self.rtt.back_off();
        self.timers.set(Timer::Persist, cx.now + self.bounded_rto(cx));
    }
}
