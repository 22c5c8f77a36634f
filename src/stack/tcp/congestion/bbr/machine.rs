//! The state machine (draft 5.3): when Startup ends, the cycle of ProbeBW, ProbeRTT.
use super::bbr_state::Bbr;
use super::model::{AckPhase, HEADROOM, INFINITE, State};
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::congestion::Acked;

/// 2.16.2 ProbeRTTDuration.
const PROBE_RTT_DURATION: Duration = Duration::from_millis(200);
/// 5.3.2: Drain ends after so many round trips in any case.
const DRAIN_ROUNDS: u64 = 3;
/// 5.3.3.8.3: a flow that shares with Reno probes at least that often.
const RENO_ROUNDS_MAX: u64 = 63;

impl Bbr {
    /// 5.3.1.1 CheckStartupDone.
    pub(super) fn check_startup_done(&mut self, _acked: &Acked) {
        if self.state == State::Startup && self.full.reached {
            self.state = State::Drain;
            self.drain_start_round = self.delivery.round_count;
        }
    }

    /// 5.3.2 CheckDrainDone.
    pub(super) fn check_drain_done(&mut self, now: Instant) {
        let drained = self.inflight <= self.inflight_of(self.bw, 1.0)
            || self.delivery.round_count > self.drain_start_round + DRAIN_ROUNDS;
        if self.state == State::Drain && drained {
            self.start_probe_bw_down(now);
        }
    }

    /// 5.3.3.9 StartProbeBW_DOWN.
    pub(super) fn start_probe_bw_down(&mut self, now: Instant) {
        self.delivery.reset_congestion_signals();
        self.probe_up_acked_per_inc = INFINITE;
        // 5.3.3.8.3 PickProbeWait: at random, so that flows do not probe together.
        self.rounds_since_probe_up = self.rng.below(2);
        self.bw_probe_wait =
            Duration::from_secs(2) + Duration::from_micros(self.rng.below(1_000_000));
        self.cycle_stamp = now;
        self.ack_phase = AckPhase::ProbeStopping;
        self.delivery.start_round();
        self.state = State::Down;
    }

    /// 5.3.3.9 StartProbeBW_REFILL.
    pub(super) fn start_probe_bw_refill(&mut self) {
        self.reset_short_term_model();
        self.bw_probe_up_rounds = 0;
        self.bw_probe_up_acked = 0;
        self.prev_probe_precautionary = false;
        self.ack_phase = AckPhase::Refilling;
        self.delivery.start_round();
        self.state = State::Refill;
    }

    /// 5.3.3.9 StartProbeBW_UP.
    fn start_probe_bw_up(&mut self) {
        self.ack_phase = AckPhase::ProbeStarting;
        self.delivery.start_round();
        self.full.reset();
        self.full.bw = self.delivery.sample;
        self.state = State::Up;
        self.raise_inflight_longterm_slope();
    }

    /// 5.3.3.9 UpdateProbeBWCyclePhase.
    pub(super) fn update_probe_bw_cycle_phase(&mut self, acked: &Acked) {
        if !self.full.reached || self.adapt_long_term_model(acked) {
            return;
        }
        if self.state == State::Up {
            if self.is_time_to_go_down() {
                self.prev_probe_too_high = false;
                self.start_probe_bw_down(acked.now);
            }
            return;
        }
        match self.state {
            State::Down if self.is_time_to_probe(acked.now) => self.start_probe_bw_refill(),
            State::Down if self.is_time_to_cruise() => self.state = State::Cruise,
            State::Cruise if self.is_time_to_probe(acked.now) => self.start_probe_bw_refill(),
            State::Refill if self.delivery.round_start => {
                self.is_bw_probe_sample = true;
                self.start_probe_bw_up();
            }
            _ => {}
        }
    }

    /// 5.3.3.8.3 IsTimeToProbeBW.
    fn is_time_to_probe(&self, now: Instant) -> bool {
        let reno_rounds = u64::from(self.target_inflight() / self.mss.max(1));
        now > self.cycle_stamp + self.bw_probe_wait
            || self.rounds_since_probe_up >= reno_rounds.min(RENO_ROUNDS_MAX)
    }

    /// 5.3.3.8.3 TargetInflight.
    pub(super) fn target_inflight(&self) -> u32 {
        self.bdp_multiple(self.bw, 1.0).min(self.cwnd)
    }

    /// 5.3.3.9 IsTimeToCruise: nothing waits in queues, and others have room.
    fn is_time_to_cruise(&self) -> bool {
        let bdp = self.inflight_of(self.delivery.max_bw(), 1.0);
        self.inflight <= self.inflight_with_headroom() && self.inflight <= bdp
    }

    /// 5.3.3.9 IsTimeToGoDown.
    fn is_time_to_go_down(&mut self) -> bool {
        // 5.3.3.6: after a probe that went too high, only as far as that.
        if self.prev_probe_too_high && self.inflight >= self.inflight_longterm {
            self.prev_probe_precautionary = true;
            return true;
        }
        if self.cwnd_limited && self.cwnd >= self.inflight_longterm {
            // The bandwidth does not grow because the window may not.
            self.full.reset();
            self.full.bw = self.delivery.sample;
            return false;
        }
        self.full.now
    }

    /// 5.3.3.9 InflightWithHeadroom.
    pub(super) fn inflight_with_headroom(&self) -> u32 {
        if self.inflight_longterm == INFINITE {
            return INFINITE;
        }
        let headroom = (f64::from(self.inflight_longterm) * HEADROOM) as u32;
        let left = self.inflight_longterm.saturating_sub(headroom.max(self.mss));
        left.max(self.min_pipe_cwnd())
    }

    /// 5.3.3.9 RaiseInflightLongtermSlope: one segment more in the first round trip, then two,
    /// four, ...
    fn raise_inflight_longterm_slope(&mut self) {
        let growth = 1u32 << self.bw_probe_up_rounds;
        self.bw_probe_up_rounds = (self.bw_probe_up_rounds + 1).min(30);
        self.probe_up_acked_per_inc = (self.cwnd / growth).max(self.mss);
    }

    /// 5.3.3.9 ProbeInflightLongtermUpward.
    fn probe_inflight_longterm_upward(&mut self, newly_acked: u32) {
        if !self.cwnd_limited || self.cwnd < self.inflight_longterm {
            return;
        }
        self.bw_probe_up_acked += u64::from(newly_acked);
        let step = u64::from(self.probe_up_acked_per_inc.max(1));
        if self.bw_probe_up_acked >= step {
            let delta = self.bw_probe_up_acked / step;
            self.bw_probe_up_acked -= delta * step;
            let delta = u32::try_from(delta).unwrap_or(1).saturating_mul(self.mss);
            self.inflight_longterm = self.inflight_longterm.saturating_add(delta);
        }
        if self.delivery.round_start {
            self.raise_inflight_longterm_slope();
        }
    }

    /// 5.3.3.9 AdaptLongTermModel. True: the state has changed.
    fn adapt_long_term_model(&mut self, acked: &Acked) -> bool {
        let round_start = self.delivery.round_start;
        if self.ack_phase == AckPhase::ProbeStarting && round_start {
            self.ack_phase = AckPhase::ProbeFeedback;
        }
        if self.ack_phase == AckPhase::ProbeStopping && round_start {
            // The last samples of the probe are in.
            self.is_bw_probe_sample = false;
            self.ack_phase = AckPhase::Init;
            if self.state.is_probe_bw() {
                if !self.delivery.app_limited {
                    self.delivery.advance_max_bw();
                }
                // 5.3.3.6: the cautious probe has done no harm: go on.
                if self.prev_probe_precautionary && !self.prev_probe_too_high {
                    self.start_probe_bw_refill();
                    return true;
                }
            }
        }
        if !self.is_inflight_too_high() && self.inflight_longterm != INFINITE {
            self.inflight_longterm = self.inflight_longterm.max(self.delivery.tx_in_flight);
            if self.state == State::Up {
                self.probe_inflight_longterm_upward(acked.delivered);
            }
        }
        false
    }

    /// 5.6.4.5 ProbeRTTCwnd.
    pub(super) fn probe_rtt_cwnd(&self) -> u32 {
        let gain = State::ProbeRtt.gains().1;
        self.bdp_multiple(self.bw, gain).max(self.min_pipe_cwnd())
    }

    /// 5.3.4.3 CheckProbeRTT.
    pub(super) fn check_probe_rtt(&mut self, now: Instant) {
        if self.state != State::ProbeRtt && self.rtt.probe_expired && !self.idle_restart {
            self.save_cwnd();
            self.state = State::ProbeRtt;
            self.probe_rtt_done_stamp = None;
            self.ack_phase = AckPhase::ProbeStopping;
            self.delivery.start_round();
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(now);
        }
        if self.delivery.delivered > 0 {
            self.idle_restart = false;
        }
    }

    /// 5.3.4.3 HandleProbeRTT. (Samples count as limited by the program: `wants_little`.)
    fn handle_probe_rtt(&mut self, now: Instant) {
        if self.probe_rtt_done_stamp.is_none() {
            if self.inflight <= self.probe_rtt_cwnd() {
                self.probe_rtt_done_stamp = Some(now + PROBE_RTT_DURATION);
                self.probe_rtt_round_done = false;
                self.delivery.start_round();
            }
            return;
        }
        self.probe_rtt_round_done |= self.delivery.round_start;
        if self.probe_rtt_round_done {
            self.check_probe_rtt_done(now);
        }
    }

    /// 5.3.4.3 CheckProbeRTTDone, 5.3.4.4 ExitProbeRTT.
    pub(super) fn check_probe_rtt_done(&mut self, now: Instant) {
        if self.probe_rtt_done_stamp.is_none_or(|done| now <= done) {
            return;
        }
        self.rtt.probe_stamp = now;
        self.restore_cwnd();
        self.reset_short_term_model();
        if self.full.reached {
            self.start_probe_bw_down(now);
            self.state = State::Cruise;
        } else {
            self.state = State::Startup;
        }
    }
}
