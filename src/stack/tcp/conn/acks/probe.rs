//! Tail loss probes (RFC 8985 7): when ACKs stop coming, the last segment (or new data) is sent
//! after two round trips, so that its ACK shows what is missing, instead of waiting for the
//! retransmission timeout.
use super::news::News;
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::loss::{Mode, Pending, Probe, TIMEOUT_MIN};
use crate::stack::tcp::words::{Count, Cx, Seq, Timer};

/// RFC 8985 7.2: before the first sample of the round-trip time.
const FIRST: Duration = Duration::from_secs(1);

impl Conn {
    /// RFC 8985 7.2: sets the probe timeout, if there may be a probe. `restart`: the
    /// retransmission timeout would start anew now.
    pub fn schedule_probe(&mut self, cx: &Cx<'_>, restart: bool) -> bool {
        let open = matches!(self.recovery.mode, Mode::Open | Mode::Cwr);
        if !self.sack || !open || self.flight.is_empty() || !self.state.is_synchronized() {
            return false;
        }
        let mut wait = match self.rtt.smoothed {
            // One segment: its ACK may be delayed (7.2: "plus WCDelAckT"; Linux: `rto_min`).
            Some(rtt) if self.flight.sums.out.segs == 1 => rtt * 2 + cx.config.rto_min,
            Some(rtt) => rtt * 2 + TIMEOUT_MIN,
            None => FIRST,
        };
        let rto = if restart { self.rtt.rto(cx.config) } else { self.rto_left(cx) };
        if !rto.is_zero() {
            wait = wait.min(rto);
        }
        self.set_retransmit(Pending::Probe, cx.now + wait);
        true
    }

    /// Time until the retransmission timeout of the first outstanding segment.
    pub fn rto_left(&self, cx: &Cx<'_>) -> Duration {
        let sent_at = self.flight.head().map_or(cx.now, |head| head.sent_at);
        (sent_at + self.rtt.rto(cx.config)).since(cx.now)
    }

    /// The probe timeout expired (RFC 8985 7.3): at most one probe is out.
    pub fn probe_timed_out(&mut self, cx: &mut Cx<'_>) {
        if self.recovery.probe.end.is_none() && !self.flight.is_empty() {
            self.recovery.probe.due = true;
        }
        self.rearm_rto(cx);
    }

    /// A probe left; `again`: it was the last segment, not a new one.
    pub fn probe_sent(&mut self, cx: &mut Cx<'_>, again: bool) {
        cx.counters.add(Count::TailProbes);
        self.recovery.probe = Probe { end: Some(self.tx.nxt), again, due: false };
        self.set_retransmit(Pending::Rto, cx.now + self.rtt.rto(cx.config));
    }

    /// RFC 8985 7.4: what an ACK says about the probe.
    pub fn probe_on_ack(&mut self, cx: &mut Cx<'_>, ack: Seq, news: &News) {
        let Some(end) = self.recovery.probe.end else { return };
        if ack.before(end) {
            return;
        }
        if !self.recovery.probe.again || news.dsack_of_probe {
            // New data arrived, or the original as well as the probe.
            self.recovery.probe.end = None;
        } else if ack.after(end) {
            // 7.4.2 step 3: the probe has repaired a loss, which nobody else will notice.
            self.begin_reduction(cx);
            self.recovery.mode = Mode::Cwr;
            self.end_reduction();
            self.keep_open();
        } else if news.acked == 0 && news.is_bare() && !news.sacked {
            // 7.4.2 step 1: a duplicate ACK: both have arrived.
            self.recovery.probe.end = None;
        }
    }

    /// The retransmission timer is set for `what`.
    pub fn set_retransmit(&mut self, what: Pending, at: Instant) {
        self.recovery.pending = what;
        self.timers.set(Timer::Retransmit, at);
    }

    /// The retransmission timeout (again), or none if nothing is outstanding. It counts from when
    /// the first segment left, if another timer has stood in for it.
    pub fn rearm_rto(&mut self, cx: &Cx<'_>) {
        if self.flight.is_empty() {
            return self.timers.stop(Timer::Retransmit);
        }
        let wait = match self.recovery.pending {
            Pending::Rto => self.rtt.rto(cx.config),
            Pending::Probe | Pending::Reorder => self.rto_left(cx).max(Duration::from_micros(1)),
        };
        self.set_retransmit(Pending::Rto, cx.now + wait);
    }

    /// After an ACK of something new: the probe timeout, or else the retransmission timeout
    /// (RFC 6298 5.3).
    pub fn restart_timer(&mut self, cx: &Cx<'_>) {
        if !self.schedule_probe(cx, true) {
            self.rearm_rto(cx);
        }
    }
}
