//! BBR version 3 (draft-ietf-ccwg-bbr): it measures how fast the path delivers and how long a round
//! trip takes when nothing waits, and sends at that rate, with about that product in flight,
//! instead of filling queues until something is lost. The draft's names are kept, without its
//! `BBR.` in front.
//!
//! | file | what | draft |
//! |---|---|---|
//! | `mod` | what TCP tells and asks; pacing rate and window | 5.2, 5.6 |
//! | `model` | bandwidth, round trips, aggregation; what losses say | 5.5 |
//! | `machine` | Startup, Drain, ProbeBW, ProbeRTT | 5.3 |
//!
//! A mark of the network (RFC 3168), which the draft leaves open, is taken as too much loss while
//! the bandwidth is probed, and as a loss otherwise: not more often than once in a round trip.
mod machine;
mod model;
#[cfg(test)]
mod tests;

use super::{Acked, CWND_MAX, Congestion, Lost, Start};
use crate::base::{Instant, Rng, time::Duration};
use model::{AckPhase, Aggregation, Delivery, FullPipe, Rtt};

/// No bound, where a rate or a volume may have one.
const INFINITE_RATE: u64 = u64::MAX;
const INFINITE: u32 = u32::MAX;

/// 2.8: at most this part of what is in flight may be lost in a round trip while probing.
const LOSS_THRESH: f64 = 0.02;
/// 2.8: what remains after a round trip with losses.
const BETA: f64 = 0.7;
/// 2.8: the part of `inflight_longterm` that is left to others.
const HEADROOM: f64 = 0.15;
/// 2.5: the pacing rate is a little below the bandwidth.
const PACING_MARGIN: f64 = 0.99;
/// 5.6.3: the largest burst, bytes.
const QUANTUM_MAX: u64 = 64 << 10;

/// 5.1: the state machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Doubles the rate each round trip until the path is full.
    Startup,
    /// Empties the queue that Startup has made.
    Drain,
    /// ProbeBW: a little slower, so that queues empty.
    Down,
    /// ProbeBW: at the rate of the path.
    Cruise,
    /// ProbeBW: fills the pipe before it probes for more.
    Refill,
    /// ProbeBW: probes for more.
    Up,
    /// Almost nothing in flight, to see the round trip without queues.
    ProbeRtt,
}

impl State {
    /// 5.6.1: the pacing gain and the window gain of each state.
    const fn gains(self) -> (f64, f64) {
        match self {
            State::Startup => (2.77, 2.0),
            State::Drain => (0.5, 2.0),
            State::Down => (0.9, 2.0),
            State::Cruise | State::Refill => (1.0, 2.0),
            State::Up => (1.25, 2.25),
            State::ProbeRtt => (1.0, 0.5),
        }
    }

    const fn is_probe_bw(self) -> bool {
        matches!(self, State::Down | State::Cruise | State::Refill | State::Up)
    }

    /// 5.3.3.9 IsProbingBW.
    const fn is_probing(self) -> bool {
        matches!(self, State::Startup | State::Refill | State::Up)
    }
}

/// What to go back to if a loss turns out to be none (2.15).
#[derive(Clone, Copy, Debug)]
struct Undo {
    state: Option<State>,
    bw_shortterm: u64,
    inflight_shortterm: u32,
    inflight_longterm: u32,
}

/// BBR's state. Volumes in bytes, rates in bytes per second.
#[derive(Debug)]
pub(super) struct Bbr {
    state: State,
    cwnd: u32,
    initial: u32,
    ssthresh: u32,
    mss: u32,
    sack: bool,
    rng: Rng,
    pacing_rate: u64,
    has_seen_rtt: bool,
    idle_restart: bool,
    /// In recovery, by duplicates or by timeout, and how many round trips of it are over.
    in_recovery: bool,
    prior_cwnd: u32,
    undo: Undo,
    /// The latest acknowledgment's in flight and window use.
    inflight: u32,
    cwnd_limited: bool,
    delivery: Delivery,
    rtt: Rtt,
    full: FullPipe,
    aggregation: Aggregation,
    bw: u64,
    bw_shortterm: u64,
    inflight_shortterm: u32,
    inflight_longterm: u32,
    drain_start_round: u64,
    // 2.14 ProbeBW.
    ack_phase: AckPhase,
    is_bw_probe_sample: bool,
    bw_probe_up_acked: u64,
    probe_up_acked_per_inc: u32,
    bw_probe_up_rounds: u32,
    rounds_since_probe_up: u64,
    bw_probe_wait: Duration,
    cycle_stamp: Instant,
    prev_probe_too_high: bool,
    prev_probe_precautionary: bool,
    probe_rtt_done_stamp: Option<Instant>,
    probe_rtt_round_done: bool,
    /// Round trips of a Startup in which something was lost.
    loss_events: u32,
    recovery_rounds: u32,
    max_inflight: u32,
}

impl Default for Bbr {
    fn default() -> Self {
        let initial = super::initial_window(536);
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
    fn min_pipe_cwnd(&self) -> u32 {
        4 * self.mss
    }

    /// 5.6.2 InitPacingRate: the initial window in a round trip, or in a millisecond while that is
    /// not known.
    fn init_pacing_rate(&mut self, srtt: Option<Duration>) {
        let srtt = srtt.filter(|srtt| !srtt.is_zero());
        self.has_seen_rtt = srtt.is_some();
        let nominal = model::rate(u64::from(self.initial), srtt.unwrap_or(MILLISECOND));
        self.pacing_rate = (State::Startup.gains().0 * nominal as f64) as u64;
    }

    /// 5.6.2: never lower before the pipe was full once.
    fn set_pacing_rate(&mut self, gain: f64) {
        let rate = (gain * self.bw as f64 * PACING_MARGIN) as u64;
        if rate > 0 && (self.full.reached || rate > self.pacing_rate) {
            self.pacing_rate = rate;
        }
    }

    /// 5.6.3: a millisecond's worth, two segments at least.
    fn send_quantum(&self) -> u32 {
        let quantum = (self.pacing_rate / 1000).min(QUANTUM_MAX);
        u32::try_from(quantum).unwrap_or(INFINITE).max(2 * self.mss)
    }

    /// 5.6.4.2 BDPMultiple.
    fn bdp_multiple(&self, bw: u64, gain: f64) -> u32 {
        let Some(min_rtt) = self.rtt.min else { return self.initial };
        let bdp = gain * bw as f64 * min_rtt.as_secs_f64();
        (bdp as u64).min(u64::from(CWND_MAX)) as u32
    }

    /// 5.6.4.2 QuantizationBudget: bursts must not keep the pipe from being full.
    fn quantization_budget(&self, inflight: u32) -> u32 {
        // 5.5.8: three bursts, one at each end and one on the way.
        let offload_budget = 3 * self.send_quantum();
        let cap = inflight.max(offload_budget).max(self.min_pipe_cwnd());
        if self.state == State::Up { cap.saturating_add(2 * self.mss) } else { cap }
    }

    /// 5.6.4.2 Inflight.
    fn inflight_of(&self, bw: u64, gain: f64) -> u32 {
        self.quantization_budget(self.bdp_multiple(bw, gain))
    }

    /// 5.6.4.6 SetCwnd.
    fn set_cwnd(&mut self, newly_acked: u32) {
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
    fn bound_cwnd_for_model(&mut self) {
        let cap = match self.state {
            State::Down | State::Refill | State::Up => self.inflight_longterm,
            State::ProbeRtt | State::Cruise => self.inflight_with_headroom(),
            State::Startup | State::Drain => INFINITE,
        };
        let cap = cap.min(self.inflight_shortterm).max(self.min_pipe_cwnd());
        self.cwnd = self.cwnd.min(cap);
    }

    /// 5.6.4.4 SaveCwnd: the window without what recovery and ProbeRTT make of it.
    fn save_cwnd(&mut self) {
        self.prior_cwnd = if !self.in_recovery && self.state != State::ProbeRtt {
            self.cwnd
        } else {
            self.prior_cwnd.max(self.cwnd)
        };
    }

    fn restore_cwnd(&mut self) {
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
