//! BBR's state, and how it answers what the connection tells it.
use super::model::{
    AckPhase, Aggregation, Delivery, FullPipe, INFINITE, INFINITE_RATE, Rtt, State, rate,
};
use crate::base::time::Duration;
use crate::base::{Instant, Rng};
use crate::stack::tcp::congestion::{Acked, CWND_MAX, Congestion, Lost, Start, initial_window};

/// 2.5: the pacing rate is a little below the bandwidth.
const PACING_MARGIN: f64 = 0.99;
/// 5.6.3: the largest burst, bytes.
const QUANTUM_MAX: u64 = 64 << 10;

/// What to go back to if a loss turns out to be none (2.15).
#[derive(Clone, Copy, Debug)]
pub(super) struct Undo {
    pub(super) state: Option<State>,
    pub(super) bw_shortterm: u64,
    pub(super) inflight_shortterm: u32,
    pub(super) inflight_longterm: u32,
}

/// BBR's state. Volumes in bytes, rates in bytes per second.
#[derive(Debug)]
pub(crate) struct Bbr {
    pub(super) state: State,
    pub(super) cwnd: u32,
    pub(super) initial: u32,
    pub(super) ssthresh: u32,
    pub(super) mss: u32,
    pub(super) sack: bool,
    pub(super) rng: Rng,
    pub(super) pacing_rate: u64,
    pub(super) has_seen_rtt: bool,
    pub(super) idle_restart: bool,
    /// In recovery, by duplicates or by timeout, and how many round trips of it are over.
    pub(super) in_recovery: bool,
    pub(super) prior_cwnd: u32,
    pub(super) undo: Undo,
    /// The latest acknowledgment's in flight and window use.
    pub(super) inflight: u32,
    pub(super) cwnd_limited: bool,
    pub(super) delivery: Delivery,
    pub(super) rtt: Rtt,
    pub(super) full: FullPipe,
    pub(super) aggregation: Aggregation,
    pub(super) bw: u64,
    pub(super) bw_shortterm: u64,
    pub(super) inflight_shortterm: u32,
    pub(super) inflight_longterm: u32,
    pub(super) drain_start_round: u64,
    // 2.14 ProbeBW.
    pub(super) ack_phase: AckPhase,
    pub(super) is_bw_probe_sample: bool,
    pub(super) bw_probe_up_acked: u64,
    pub(super) probe_up_acked_per_inc: u32,
    pub(super) bw_probe_up_rounds: u32,
    pub(super) rounds_since_probe_up: u64,
    pub(super) bw_probe_wait: Duration,
    pub(super) cycle_stamp: Instant,
    pub(super) prev_probe_too_high: bool,
    pub(super) prev_probe_precautionary: bool,
    pub(super) probe_rtt_done_stamp: Option<Instant>,
    pub(super) probe_rtt_round_done: bool,
    /// Round trips of a Startup in which something was lost.
    pub(super) loss_events: u32,
    pub(super) recovery_rounds: u32,
    pub(super) max_inflight: u32,
}

impl Default for Bbr {
    fn default() -> Self {
        let initial = initial_window(536);
        Bbr {
            state: State::Startup,
            cwnd: initial,
            initial,
            ssthresh: CWND_MAX,
            mss: 536,
            sack: true,
            rng: Rng::seeded(0),
            pacing_rate: INFINITE_RATE,
            has_seen_rtt: false,
            idle_restart: false,
            in_recovery: false,
            prior_cwnd: 0,
            undo: Undo {
                state: None,
                bw_shortterm: 0,
                inflight_shortterm: 0,
                inflight_longterm: 0,
            },
            inflight: 0,
            cwnd_limited: false,
            delivery: Delivery::default(),
            rtt: Rtt::default(),
            full: FullPipe::default(),
            aggregation: Aggregation::default(),
            bw: 0,
            bw_shortterm: INFINITE_RATE,
            inflight_shortterm: INFINITE,
            inflight_longterm: INFINITE,
            drain_start_round: 0,
            ack_phase: AckPhase::Init,
            is_bw_probe_sample: false,
            bw_probe_up_acked: 0,
            probe_up_acked_per_inc: INFINITE,
            bw_probe_up_rounds: 0,
            rounds_since_probe_up: 0,
            bw_probe_wait: Duration::ZERO,
            cycle_stamp: Instant::ZERO,
            prev_probe_too_high: false,
            prev_probe_precautionary: false,
            probe_rtt_done_stamp: None,
            probe_rtt_round_done: false,
            loss_events: 0,
            recovery_rounds: 0,
            max_inflight: initial,
        }
    }
}

impl Bbr {
    pub(super) fn min_pipe_cwnd(&self) -> u32 {
        4 * self.mss
    }

    /// 5.6.2 InitPacingRate: the initial window in a round trip, or in a millisecond while that is
    /// not known.
    pub(super) fn init_pacing_rate(&mut self, srtt: Option<Duration>) {
        let srtt = srtt.filter(|srtt| !srtt.is_zero());
        self.has_seen_rtt = srtt.is_some();
        let nominal = rate(u64::from(self.initial), srtt.unwrap_or(MILLISECOND));
        self.pacing_rate = (State::Startup.gains().0 * nominal as f64) as u64;
    }

    /// 5.6.2: never lower before the pipe was full once.
    pub(super) fn set_pacing_rate(&mut self, gain: f64) {
        let rate = (gain * self.bw as f64 * PACING_MARGIN) as u64;
        if rate > 0 && (self.full.reached || rate > self.pacing_rate) {
            self.pacing_rate = rate;
        }
    }

    /// 5.6.3: a millisecond's worth, two segments at least.
    pub(super) fn send_quantum(&self) -> u32 {
        let quantum = (self.pacing_rate / 1000).min(QUANTUM_MAX);
        u32::try_from(quantum).unwrap_or(INFINITE).max(2 * self.mss)
    }

    /// 5.6.4.2 BDPMultiple.
    pub(super) fn bdp_multiple(&self, bw: u64, gain: f64) -> u32 {
        let Some(min_rtt) = self.rtt.min else { return self.initial };
        let bdp = gain * bw as f64 * min_rtt.as_secs_f64();
        (bdp as u64).min(u64::from(CWND_MAX)) as u32
    }

    /// 5.6.4.2 QuantizationBudget: bursts must not keep the pipe from being full.
    pub(super) fn quantization_budget(&self, inflight: u32) -> u32 {
        // 5.5.8: three bursts, one at each end and one on the way.
        let offload_budget = 3 * self.send_quantum();
        let cap = inflight.max(offload_budget).max(self.min_pipe_cwnd());
        if self.state == State::Up { cap.saturating_add(2 * self.mss) } else { cap }
    }

    /// 5.6.4.2 Inflight.
    pub(super) fn inflight_of(&self, bw: u64, gain: f64) -> u32 {
        self.quantization_budget(self.bdp_multiple(bw, gain))
    }

    /// 5.6.4.6 SetCwnd.
    pub(super) fn set_cwnd(&mut self, newly_acked: u32) {
        let cap = self.bdp_multiple(self.bw, self.state.gains().1);
        let cap = cap.saturating_add(self.aggregation.extra_acked());
        self.max_inflight = self.quantization_budget(cap);
        if self.full.reached {
            self.cwnd = self.cwnd.saturating_add(newly_acked).min(self.max_inflight);
        } else if self.cwnd < self.max_inflight || self.delivery.total < u64::from(self.initial) {
            self.cwnd = self.cwnd.saturating_add(newly_acked);
        }
        self.cwnd = self.cwnd.max(self.min_pipe_cwnd());
        // 5.6.4.5.
        if self.state == State::ProbeRtt {
            self.cwnd = self.cwnd.min(self.probe_rtt_cwnd());
        }
        self.bound_cwnd_for_model();
        self.cwnd = self.cwnd.min(CWND_MAX);
    }

    /// 5.6.4.7.
    pub(super) fn bound_cwnd_for_model(&mut self) {
        let cap = match self.state {
            State::Down | State::Refill | State::Up => self.inflight_longterm,
            State::ProbeRtt | State::Cruise => self.inflight_with_headroom(),
            State::Startup | State::Drain => INFINITE,
        };
        let cap = cap.min(self.inflight_shortterm).max(self.min_pipe_cwnd());
        self.cwnd = self.cwnd.min(cap);
    }

    /// 5.6.4.4 SaveCwnd: the window without what recovery and ProbeRTT make of it.
    pub(super) fn save_cwnd(&mut self) {
        self.prior_cwnd = if !self.in_recovery && self.state != State::ProbeRtt {
            self.cwnd
        } else {
            self.prior_cwnd.max(self.cwnd)
        };
    }

    pub(super) fn restore_cwnd(&mut self) {
        self.cwnd = self.cwnd.max(self.prior_cwnd);
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

impl Congestion for Bbr {
    fn name(&self) -> &'static str {
        "bbr"
    }
    fn cwnd(&self) -> u32 {
        self.cwnd
    }
    /// It has no part in this: what it was before.
    fn ssthresh(&self) -> u32 {
        self.ssthresh
    }
    /// 5.2.1 OnInit.
    fn opened(&mut self, start: &Start) {
        let rng = Rng::seeded(start.seed);
        *self = Bbr {
            cwnd: start.cwnd,
            initial: start.initial,
            ssthresh: start.ssthresh,
            mss: start.mss,
            sack: start.sack,
            rng,
            ..Bbr::default()
        };
        self.rtt.begin(start.now, start.srtt);
        self.aggregation.begin(start.now);
        self.init_pacing_rate(start.srtt);
    }
    /// 5.2.3 UpdateOnACK.
    fn acked(&mut self, acked: &Acked) {
        self.mss = acked.mss;
        self.inflight = acked.in_flight;
        self.cwnd_limited = acked.window_full;
        if !self.has_seen_rtt && acked.rtt.is_some() {
            self.init_pacing_rate(acked.rtt);
        }
        if !acked.recovering && !acked.repairing {
            self.recovered();
        }
        self.update_model_and_state(acked);
        self.set_pacing_rate(self.state.gains().0);
        self.set_cwnd(acked.delivered);
    }
    fn lost(&mut self, now: Instant, lost: &Lost) {
        self.handle_lost_packet(now, lost);
    }
    fn loss_found(&mut self, _now: Instant, _flight: u32, _mss: u32) {
        self.save_state_upon_loss();
        self.in_recovery = true;
        self.recovery_rounds = 0;
    }
    fn marked(&mut self, now: Instant, _flight: u32, _mss: u32) {
        self.handle_mark(now);
    }
    fn recovered(&mut self) {
        if self.in_recovery {
            self.restore_cwnd();
            self.bound_cwnd_for_model();
        }
        self.in_recovery = false;
    }
    /// 5.6.4.4 OnEnterRTO.
    fn timed_out(&mut self, _now: Instant, first: bool, _flight: u32, in_flight: u32, mss: u32) {
        if first {
            self.save_state_upon_loss();
            if !self.state.is_probing() && self.inflight_shortterm == INFINITE {
                // As Linux: the bound for what follows is the window from before the timeout.
                self.inflight_shortterm = self.cwnd.max(self.prior_cwnd);
            }
        }
        self.in_recovery = true;
        self.recovery_rounds = 0;
        self.cwnd = in_flight + mss;
    }
    fn undo(&mut self) {
        self.handle_spurious_loss();
    }
    fn idled(&mut self, _rtos: u32) {}
    /// 5.4 HandleRestartFromIdle.
    fn restarted(&mut self, now: Instant, _idle: Duration) {
        self.idle_restart = true;
        self.aggregation.begin(now);
        if self.state.is_probe_bw() {
            self.set_pacing_rate(1.0);
        } else if self.state == State::ProbeRtt {
            self.check_probe_rtt_done(now);
        }
    }
    fn pacing_rate(&self) -> Option<u64> {
        Some(self.pacing_rate)
    }
    fn owns_recovery(&self) -> bool {
        true
    }
    fn wants_little(&self) -> bool {
        self.state == State::ProbeRtt
    }
    /// Linux `struct tcp_bbr_info`: bandwidth, low and high half, bytes per second; the smallest
    /// round trip, us; the two gains, in 256ths.
    fn detail(&self) -> Option<[u32; 5]> {
        let (pacing, cwnd) = self.state.gains();
        let min_rtt = self.rtt.min.map_or(u32::MAX, |rtt| rtt.as_micros() as u32);
        let gain = |gain: f64| (gain * 256.0) as u32;
        Some([self.bw as u32, (self.bw >> 32) as u32, min_rtt, gain(pacing), gain(cwnd)])
    }
}
