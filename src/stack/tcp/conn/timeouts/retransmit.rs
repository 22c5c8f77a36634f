//! Timers that expire: retransmission (RFC 6298), persist (RFC 9293 3.8.6.1), and the rest by
//! name.
use crate::base::NetError;
use crate::base::time::Duration;
use crate::stack::tcp::State;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::loss::{Mode, Pending};
use crate::stack::tcp::words::{Count, Cx, Timer};

/// Retransmissions of an orphan (Linux `tcp_orphan_retries`, 8 when unset).
const ORPHAN_RETRIES: u8 = 8;

/// Doublings of an orphan's persist timer: then it is at its upper bound (Linux `tcp_probe_timer`).
const ORPHAN_BACKOFF: u8 = 10;

impl Conn {
    /// Does everything that is due.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        while let Some(timer) = self.timers.expired(cx.now) {
            match timer {
                Timer::Retransmit => match self.recovery.pending {
                    Pending::Rto => self.retransmit_timed_out(cx),
                    Pending::Probe => self.probe_timed_out(cx),
                    Pending::Reorder => self.reorder_timed_out(cx),
                },
                Timer::Persist => self.persist_timed_out(cx),
                Timer::DelayedAck => self.rx.delayed_ack_timed_out(self.rtt.rto(cx.config)),
                Timer::KeepAlive => self.keepalive_timed_out(cx),
                Timer::Linger => self.linger_timed_out(),
                Timer::Cork => self.marks.waited(),
                // Its `poll_transmit` comes by itself.
                Timer::Pacing => {}
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
        let first = self.retransmits == 0;
        self.retransmits = self.retransmits.saturating_add(1);
        // A closed window is not a dead peer: as long as it answers, go on (RFC 9293 3.8.6.1).
        let answering =
            self.tx.wnd == 0 && cx.now.since(self.rx.last_heard()) < cx.config.rto_max * 2;
        let given_up = self.retransmits > self.retries(cx) && !answering;
        if given_up || self.user_timed_out(cx) {
            return self.give_up(cx);
        }
        self.mtu_probe_on_timeout(cx, self.retransmits);
        self.enter_loss(cx, first);
        self.rtt.back_off();
        self.set_retransmit(Pending::Rto, cx.now + self.bounded_rto(cx));
    }

    /// RFC 6298 5.4, RFC 8985 6.3, RFC 5682; as Linux `tcp_enter_loss`. `first`: the first timeout
    /// since something new was acknowledged.
    fn enter_loss(&mut self, cx: &mut Cx<'_>, first: bool) {
        let una = self.tx.una;
        let mode = self.recovery.mode;
        let new_recovery = !matches!(mode, Mode::Fast | Mode::Loss);
        self.doubt_reordering();
        self.lose_for_timeout(cx);
        // RFC 5681 3.1: ssthresh falls once for one loss.
        let reduce = matches!(mode, Mode::Open | Mode::Disorder)
            || self.recovery.point.at_or_before(una)
            || (mode == Mode::Loss && first);
        if reduce {
            self.begin_undo(mode);
            self.recovery.undo.window = true;
            self.recovery.undo.stamp = None;
        }
        let (out, pipe, mss) = (self.outstanding(), self.pipe(), self.tx.mss);
        self.ecn.reduced(self.tx.nxt);
        self.cc.timed_out(cx.now, reduce, out, pipe, mss);
        self.recovery.mode = Mode::Loss;
        self.recovery.point = self.tx.nxt;
        self.recovery.probe.end = None;
        self.recovery.probe.due = false;
        self.recovery.force = true;
        self.recovery.try_new = false;
        // RFC 5682 2.1 step 1, 3.1 step 1.
        self.recovery.frto = new_recovery || !first;
        self.tx.timed = None;
    }

    /// Everything is lost, and slow start goes over it.
    pub fn lose_all(&mut self, cx: &Cx<'_>) {
        for place in 0..self.flight.records() {
            self.lose(cx, place);
        }
        self.forget_duplicates();
        self.recovery.mode = Mode::Loss;
        self.recovery.frto = false;
    }

    /// What a timeout says is lost: all, but what left so lately that it cannot have been
    /// acknowledged yet (RFC 8985 6.3). If the first byte was reported as held, the peer has
    /// dropped what it held (RFC 2018 8).
    fn lose_for_timeout(&mut self, cx: &Cx<'_>) {
        let reneged = self.flight.head().is_some_and(|head| head.sacked);
        if reneged {
            self.flight.forget_sacked();
        }
        self.forget_duplicates();
        for place in 0..self.flight.records() {
            let Some(record) = self.flight.at(place) else { break };
            let rack = &self.recovery.rack;
            let fresh = !rack.remaining(cx.now, record, Duration::ZERO).is_zero();
            if place == 0 || reneged || !self.sack || !fresh {
                self.lose(cx, place);
            }
        }
    }

    /// The path takes less than it did: what is too large for it goes again in smaller pieces,
    /// without any change of the window (Linux `tcp_simple_retransmit`; RFC 1191 6.5).
    pub fn resend_too_large(&mut self, cx: &Cx<'_>) {
        let mut lost = false;
        for place in 0..self.flight.records() {
            if self.flight.at(place).is_some_and(|r| r.mss.min(r.len()) > self.tx.mss) {
                lost |= self.lose(cx, place);
            }
        }
        if lost {
            self.repair_alone();
        }
    }

    /// What is lost goes again at once; the window has nothing to do with it (Linux
    /// `tcp_non_congestion_loss_retransmit`).
    pub fn repair_alone(&mut self) {
        if self.recovery.mode != Mode::Loss {
            self.recovery.mode = Mode::Loss;
            self.recovery.point = self.tx.nxt;
            self.recovery.undo.marker = None;
            self.recovery.frto = false;
        }
        self.forget_duplicates();
        self.tx.timed = None;
    }

    /// The peer has not answered for too long. Nobody is told (Linux `tcp_write_err`): what is lost
    /// on the way would be lost as well.
    fn give_up(&mut self, cx: &mut Cx<'_>) {
        cx.counters.add(Count::TimedOut);
        self.end(Some(self.soft_error.unwrap_or(NetError::TimedOut)));
    }

    fn retries(&self, cx: &Cx<'_>) -> u8 {
        if self.is_released() { cx.config.retries.min(ORPHAN_RETRIES) } else { cx.config.retries }
    }

    /// `TCP_USER_TIMEOUT` (RFC 5482): no progress for that long.
    pub fn user_timed_out(&self, cx: &Cx<'_>) -> bool {
        match (self.user_timeout(), self.tx.stuck_since) {
            (Some(limit), Some(since)) => cx.now.since(since) >= limit,
            _ => false,
        }
    }

    /// The timeout, cut short where the user timeout ends.
    fn bounded_rto(&self, cx: &Cx<'_>) -> Duration {
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
            || (self.is_released() && self.rtt.backoff >= ORPHAN_BACKOFF);
        if given_up || self.user_timed_out(cx) {
            return self.give_up(cx);
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
