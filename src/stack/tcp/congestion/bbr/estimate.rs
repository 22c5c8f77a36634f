//! How the model of the path is kept (draft 5.5), and what losses say about it.
use super::bbr_state::Bbr;
use super::model::{
    BETA, EXTRA_ACKED_HALF, INFINITE, INFINITE_RATE, LOSS_THRESH, STARTUP_LOSSES, State, rate,
};
use crate::base::Instant;
use crate::stack::tcp::congestion::{Acked, Lost};

impl Bbr {
    /// 5.2.3 UpdateModelAndState.
    pub(super) fn update_model_and_state(&mut self, acked: &Acked) {
        self.take_sample(acked);
        self.update_latest_delivery_signals(acked);
        self.update_congestion_signals(acked);
        self.update_ack_aggregation(acked);
        self.full.check(&self.delivery);
        self.check_startup_done(acked);
        self.check_drain_done(acked.now);
        self.update_probe_bw_cycle_phase(acked);
        self.rtt.update(acked.now, acked.rtt_sample);
        self.check_probe_rtt(acked.now);
        self.advance_latest_delivery_signals();
        self.bw = self.delivery.max_bw().min(self.bw_shortterm);
    }

    fn take_sample(&mut self, acked: &Acked) {
        let d = &mut self.delivery;
        d.total += u64::from(acked.delivered);
        d.any = acked.rate.is_some();
        let rs = acked.rate.unwrap_or_default();
        d.sample = if rs.interval.is_zero() { 0 } else { rate(rs.delivered, rs.interval) };
        d.delivered = rs.delivered;
        d.tx_in_flight = rs.tx_in_flight;
        d.lost = rs.lost_since;
        d.app_limited = rs.app_limited;
    }

    /// 5.5.1 UpdateRound.
    fn update_round(&mut self, prior_delivered: u64) {
        let d = &mut self.delivery;
        d.round_start = d.any && prior_delivered >= d.next_round_delivered;
        if d.round_start {
            d.start_round();
            d.round_count += 1;
            self.rounds_since_probe_up += 1;
            if self.in_recovery {
                self.recovery_rounds += 1;
            }
        }
    }

    /// 5.5.10.3 UpdateLatestDeliverySignals.
    fn update_latest_delivery_signals(&mut self, acked: &Acked) {
        let d = &mut self.delivery;
        let delivered = u32::try_from(d.delivered).unwrap_or(INFINITE);
        d.loss_round_start = false;
        d.bw_latest = d.bw_latest.max(d.sample);
        d.inflight_latest = d.inflight_latest.max(delivered);
        let prior = acked.rate.map(|rs| rs.prior_delivered);
        if prior.is_some_and(|prior| prior >= d.loss_round_delivered) {
            d.loss_round_delivered = d.total;
            d.loss_round_start = true;
        }
    }

    fn advance_latest_delivery_signals(&mut self) {
        let d = &mut self.delivery;
        if d.loss_round_start {
            d.bw_latest = d.sample;
            d.inflight_latest = u32::try_from(d.delivered).unwrap_or(INFINITE);
        }
    }

    /// 5.5.10.3 UpdateCongestionSignals.
    fn update_congestion_signals(&mut self, acked: &Acked) {
        // 5.5.5 UpdateMaxBw.
        self.update_round(acked.rate.map_or(0, |rs| rs.prior_delivered));
        let d = &mut self.delivery;
        if d.sample > 0 && (d.sample >= d.max_bw() || !d.app_limited) {
            d.max_bw[1] = d.max_bw[1].max(d.sample);
        }
        self.count_startup_losses(acked);
        if self.delivery.loss_round_start {
            self.adapt_lower_bounds();
            self.delivery.is_loss_in_round = false;
        }
    }

    /// 5.5.10.3 AdaptLowerBoundsFromCongestion: once in a round trip.
    fn adapt_lower_bounds(&mut self) {
        if self.state.is_probing() || !self.delivery.is_loss_in_round {
            return;
        }
        // InitLowerBounds.
        if self.bw_shortterm == INFINITE_RATE {
            self.bw_shortterm = self.delivery.max_bw();
        }
        if self.inflight_shortterm == INFINITE {
            self.inflight_shortterm = self.cwnd;
        }
        // LossLowerBounds.
        let rate = (self.bw_shortterm as f64 * BETA) as u64;
        self.bw_shortterm = self.delivery.bw_latest.max(rate);
        let volume = (f64::from(self.inflight_shortterm) * BETA) as u32;
        self.inflight_shortterm = self.delivery.inflight_latest.max(volume);
    }

    /// 5.5.10.3 ResetShortTermModel.
    pub(super) fn reset_short_term_model(&mut self) {
        self.bw_shortterm = INFINITE_RATE;
        self.inflight_shortterm = INFINITE;
    }

    /// 5.5.9 UpdateACKAggregation.
    fn update_ack_aggregation(&mut self, acked: &Acked) {
        let a = &mut self.aggregation;
        let interval = acked.now.since(a.interval_start);
        let mut expected = (self.bw as f64 * interval.as_secs_f64()) as u64;
        if a.delivered <= expected {
            a.begin(acked.now);
            expected = 0;
        }
        a.delivered += u64::from(acked.delivered);
        let extra = (a.delivered - expected).min(u64::from(self.cwnd)) as u32;
        // In Startup only one round trip is remembered.
        let half = if self.full.reached { EXTRA_ACKED_HALF } else { 1 };
        a.filter.update(extra, self.delivery.round_count, half);
    }

    /// 5.3.1.3 CheckStartupHighLoss: a whole round trip of recovery with too many losses. Like
    /// Linux, an ACK that finds losses is taken for one range that was lost.
    fn count_startup_losses(&mut self, acked: &Acked) {
        if self.full.reached {
            return;
        }
        self.loss_events += u32::from(acked.lost > 0);
        if !self.delivery.loss_round_start {
            return;
        }
        let enough = if self.sack { self.loss_events >= STARTUP_LOSSES } else { acked.lost > 0 };
        if self.in_recovery && self.recovery_rounds > 0 && enough && self.is_inflight_too_high() {
            self.leave_startup_for_loss();
        }
        self.loss_events = 0;
    }

    fn leave_startup_for_loss(&mut self) {
        self.undo.state = Some(State::Startup);
        self.full.reached = true;
        let bdp = self.bdp_multiple(self.delivery.max_bw(), 1.0);
        self.inflight_longterm = bdp.max(self.delivery.inflight_latest);
    }

    /// 5.5.10.2 IsInflightTooHigh.
    pub(super) fn is_inflight_too_high(&self) -> bool {
        let d = &self.delivery;
        let limit = f64::from(d.tx_in_flight) * LOSS_THRESH;
        d.lost as f64 > limit || (d.lost > 0 && !self.sack)
    }

    /// 5.5.10.2 NoteLoss.
    fn note_loss(&mut self) {
        let d = &mut self.delivery;
        if !d.is_loss_in_round {
            d.loss_round_delivered = d.total;
            d.is_loss_in_round = true;
            self.save_state_upon_loss();
        }
    }

    /// 5.5.10.2 HandleLostPacket.
    pub(super) fn handle_lost_packet(&mut self, now: Instant, lost: &Lost) {
        self.note_loss();
        if !self.is_bw_probe_sample {
            return;
        }
        let d = &mut self.delivery;
        d.tx_in_flight = lost.tx_in_flight;
        d.lost = lost.lost_since;
        d.app_limited = lost.app_limited;
        if self.is_inflight_too_high() {
            self.delivery.tx_in_flight = inflight_at_loss(lost);
            self.handle_inflight_too_high(now);
        }
    }

    /// A mark of the network; see the top of `mod.rs`.
    pub(super) fn handle_mark(&mut self, now: Instant) {
        self.note_loss();
        if self.state == State::Startup {
            self.leave_startup_for_loss();
        } else if self.is_bw_probe_sample {
            self.delivery.tx_in_flight = self.inflight;
            self.delivery.app_limited = false;
            self.handle_inflight_too_high(now);
        }
    }

    /// 5.5.10.2 HandleInflightTooHigh.
    fn handle_inflight_too_high(&mut self, now: Instant) {
        self.prev_probe_too_high = true;
        // Once for a probe.
        self.is_bw_probe_sample = false;
        if !self.delivery.app_limited {
            let target = (f64::from(self.target_inflight()) * BETA) as u32;
            self.inflight_longterm = self.delivery.tx_in_flight.max(target);
        }
        if self.state == State::Up {
            self.undo.state = Some(State::Up);
            self.start_probe_bw_down(now);
        }
    }

    /// 5.5.11.1 SaveStateUponLoss.
    pub(super) fn save_state_upon_loss(&mut self) {
        self.save_cwnd();
        self.undo.state = None;
        self.undo.bw_shortterm = self.bw_shortterm;
        self.undo.inflight_shortterm = self.inflight_shortterm;
        self.undo.inflight_longterm = self.inflight_longterm;
    }

    /// 5.5.11.2 HandleSpuriousLossDetection.
    pub(super) fn handle_spurious_loss(&mut self) {
        self.in_recovery = false;
        self.restore_cwnd();
        self.delivery.is_loss_in_round = false;
        self.full.reset();
        self.bw_shortterm = self.bw_shortterm.max(self.undo.bw_shortterm);
        self.inflight_shortterm = self.inflight_shortterm.max(self.undo.inflight_shortterm);
        self.inflight_longterm = self.inflight_longterm.max(self.undo.inflight_longterm);
        match self.undo.state.take() {
            Some(State::Startup) if self.state != State::Startup => {
                self.full.reached = false;
                if self.state != State::ProbeRtt {
                    self.state = State::Startup;
                }
            }
            Some(State::Up) if !matches!(self.state, State::Up | State::ProbeRtt) => {
                self.start_probe_bw_refill();
            }
            _ => {}
        }
    }
}

/// 5.5.10.2 InflightAtLoss: where within a burst the losses became too many.
fn inflight_at_loss(lost: &Lost) -> u32 {
    let size = f64::from(lost.bytes);
    let inflight_prev = (f64::from(lost.tx_in_flight) - size).max(0.0);
    let lost_prev = (lost.lost_since as f64 - size).max(0.0);
    let prefix = (LOSS_THRESH * inflight_prev - lost_prev) / (1.0 - LOSS_THRESH);
    (inflight_prev + prefix.max(0.0)) as u32
}
