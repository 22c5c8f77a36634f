//! The parts of the model of the path (draft 5.5): what it delivers, how long a round trip takes,
//! how ACKs come in lumps; and the states.
use crate::base::Instant;
use crate::base::time::Duration;

/// No bound, where a rate or a volume may have one.
pub(super) const INFINITE_RATE: u64 = u64::MAX;
pub(super) const INFINITE: u32 = u32::MAX;

/// 2.8: at most this part of what is in flight may be lost in a round trip while probing.
pub(super) const LOSS_THRESH: f64 = 0.02;
/// 2.8: what remains after a round trip with losses.
pub(super) const BETA: f64 = 0.7;
/// 2.8: the part of `inflight_longterm` that is left to others.
pub(super) const HEADROOM: f64 = 0.15;

/// 5.1: the state machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
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
    pub(super) const fn gains(self) -> (f64, f64) {
        match self {
            State::Startup => (2.77, 2.0),
            State::Drain => (0.5, 2.0),
            State::Down => (0.9, 2.0),
            State::Cruise | State::Refill => (1.0, 2.0),
            State::Up => (1.25, 2.25),
            State::ProbeRtt => (1.0, 0.5),
        }
    }

    pub(super) const fn is_probe_bw(self) -> bool {
        matches!(self, State::Down | State::Cruise | State::Refill | State::Up)
    }

    /// 5.3.3.9 IsProbingBW.
    pub(super) const fn is_probing(self) -> bool {
        matches!(self, State::Startup | State::Refill | State::Up)
    }
}

/// 2.16.1 MinRTTFilterLen.
const MIN_RTT_FILTER: Duration = Duration::from_secs(10);
/// 2.16.2 ProbeRTTInterval.
const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
/// 5.3.1.3 BBRStartupFullLossCnt.
pub(super) const STARTUP_LOSSES: u32 = 6;
/// Half of ExtraAckedFilterLen: the filter has two halves.
pub(super) const EXTRA_ACKED_HALF: u64 = 5;

/// Bytes over a time, as bytes per second.
pub(super) fn rate(bytes: u64, time: Duration) -> u64 {
    let nanos = time.as_nanos().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(INFINITE_RATE)
}

/// 2.14: what the ACKs that arrive say about probing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AckPhase {
    Init,
    Refilling,
    ProbeStarting,
    ProbeFeedback,
    ProbeStopping,
}

/// Delivery: rounds, bandwidth, and the signals of the latest round.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// C.delivered.
    pub(super) total: u64,
    pub(super) next_round_delivered: u64,
    pub(super) round_count: u64,
    pub(super) round_start: bool,
    /// The highest samples of this ProbeBW cycle and the one before it (5.5.3).
    pub(super) max_bw: [u64; 2],
    /// The sample in hand: RS.
    pub(super) sample: u64,
    pub(super) delivered: u64,
    pub(super) tx_in_flight: u32,
    pub(super) lost: u64,
    pub(super) app_limited: bool,
    /// Whether there is one.
    pub(super) any: bool,
    pub(super) bw_latest: u64,
    pub(super) inflight_latest: u32,
    pub(super) loss_round_delivered: u64,
    pub(super) loss_round_start: bool,
    pub(super) is_loss_in_round: bool,
}

impl Delivery {
    /// 5.5.1 StartRound.
    pub fn start_round(&mut self) {
        self.next_round_delivered = self.total;
    }

    pub fn max_bw(&self) -> u64 {
        self.max_bw[0].max(self.max_bw[1])
    }

    /// 5.5.6 AdvanceMaxBwFilter; a cycle without a sample is none.
    pub fn advance_max_bw(&mut self) {
        if self.max_bw[1] > 0 {
            self.max_bw = [self.max_bw[1], 0];
        }
    }

    /// 5.5.10.3 ResetCongestionSignals.
    pub fn reset_congestion_signals(&mut self) {
        self.is_loss_in_round = false;
        self.bw_latest = 0;
        self.inflight_latest = 0;
    }
}

/// The smallest round trip of the last ten seconds, and that of the last five (5.3.4.3).
#[derive(Debug, Default)]
pub(super) struct Rtt {
    pub(super) min: Option<Duration>,
    pub(super) min_stamp: Instant,
    pub(super) probe_min: Option<Duration>,
    pub(super) probe_stamp: Instant,
    pub(super) probe_expired: bool,
}

impl Rtt {
    pub fn begin(&mut self, now: Instant, srtt: Option<Duration>) {
        (self.min, self.probe_min) = (srtt, srtt);
        (self.min_stamp, self.probe_stamp) = (now, now);
    }

    /// 5.3.4.3 UpdateMinRTT.
    pub(super) fn update(&mut self, now: Instant, rtt: Option<Duration>) {
        self.probe_expired = now > self.probe_stamp + PROBE_RTT_INTERVAL;
        if let Some(rtt) = rtt
            && (self.probe_expired || self.probe_min.is_none_or(|min| rtt < min))
        {
            self.probe_min = Some(rtt);
            self.probe_stamp = now;
        }
        let expired = now > self.min_stamp + MIN_RTT_FILTER;
        if let Some(probe_min) = self.probe_min
            && (expired || self.min.is_none_or(|min| probe_min < min))
        {
            self.min = Some(probe_min);
            self.min_stamp = self.probe_stamp;
        }
    }
}

/// 5.3.1.2: whether the bandwidth still grows.
#[derive(Debug, Default)]
pub(super) struct FullPipe {
    pub(super) reached: bool,
    pub(super) now: bool,
    pub(super) bw: u64,
    pub(super) count: u32,
}

impl FullPipe {
    /// ResetFullBW.
    pub fn reset(&mut self) {
        (self.bw, self.count, self.now) = (0, 0, false);
    }

    /// CheckFullBWReached: three rounds with less than a quarter more.
    pub(super) fn check(&mut self, delivery: &Delivery) {
        if self.now || !delivery.round_start || delivery.app_limited {
            return;
        }
        if delivery.sample as f64 >= self.bw as f64 * 1.25 {
            self.reset();
            self.bw = delivery.sample;
            return;
        }
        self.count += 1;
        self.now = self.count >= 3;
        self.reached |= self.now;
    }
}

/// The largest value of the last rounds, in two halves.
#[derive(Debug, Default)]
pub(super) struct Longest {
    pub(super) halves: [u32; 2],
    pub(super) since: u64,
}

impl Longest {
    pub(super) fn get(&self) -> u32 {
        self.halves[0].max(self.halves[1])
    }

    /// `half`: rounds of one half of the window.
    pub(super) fn update(&mut self, value: u32, round: u64, half: u64) {
        if round >= self.since + half {
            self.halves = [self.halves[1], 0];
            self.since = round;
        }
        self.halves[1] = self.halves[1].max(value);
    }
}

/// 5.5.9: how much more than the bandwidth is acknowledged at once.
#[derive(Debug, Default)]
pub(super) struct Aggregation {
    pub(super) interval_start: Instant,
    pub(super) delivered: u64,
    pub(super) filter: Longest,
}

impl Aggregation {
    pub fn begin(&mut self, now: Instant) {
        self.interval_start = now;
        self.delivered = 0;
    }

    pub fn extra_acked(&self) -> u32 {
        self.filter.get()
    }
}
