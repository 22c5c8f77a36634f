//! Each rule, with virtual numbers: one acknowledgment a round trip unless said otherwise.
use super::super::{Acked, Congestion, Lost, RateSample, Start, tests::start};
use super::bbr_state::*;
use super::model::*;
use crate::base::{Instant, time::Duration};

const MSS: u32 = 1000;
const RTT: Duration = Duration::from_millis(40);

/// A connection and what its acknowledgments say.
struct Path {
    bbr: Bbr,
    now: Instant,
    delivered: u64,
    /// Bytes in flight after the next acknowledgments, and when the newest of them was sent.
    in_flight: u32,
    rtt: Duration,
    app_limited: bool,
    lost_since: u64,
    window_full: bool,
    recovering: bool,
}

impl Path {
    fn new() -> Path {
        let mut bbr = Bbr::default();
        let now = Instant::from_millis(1_000);
        bbr.opened(&Start { now, srtt: Some(RTT), seed: 7, ..start(MSS) });
        Path {
            bbr,
            now,
            delivered: 0,
            in_flight: 1_000_000,
            rtt: RTT,
            app_limited: false,
            lost_since: 0,
            window_full: false,
            recovering: false,
        }
    }

    /// In the state, with the pipe known: `bw` bytes per second, 40 ms.
    fn steady(state: State, bw: u64) -> Path {
        let mut path = Path::new();
        for _ in 0..5 {
            path.round(bw);
        }
        assert!(path.bbr.full.reached);
        path.bbr.state = state;
        path.bbr.full.reset();
        path.bbr.ack_phase = AckPhase::Init;
        path.bbr.is_bw_probe_sample = matches!(state, State::Up);
        path.bbr.cycle_stamp = path.now;
        path.bbr.bw_probe_wait = Duration::from_secs(2);
        path.bbr.rounds_since_probe_up = 0;
        path
    }

    /// A round trip at this delivery rate, bytes per second.
    fn round(&mut self, bw: u64) {
        self.now = self.now + self.rtt;
        let bytes = (bw as f64 * self.rtt.as_secs_f64()) as u32;
        let prior_delivered = self.delivered;
        self.delivered += u64::from(bytes);
        let rate = RateSample {
            delivered: bytes.into(),
            interval: self.rtt,
            prior_delivered,
            delivered_total: self.delivered,
            app_limited: self.app_limited,
            rtt: Some(self.rtt),
            tx_in_flight: self.in_flight,
            lost_since: self.lost_since,
        };
        self.bbr.acked(&Acked {
            now: self.now,
            bytes,
            delivered: bytes,
            lost: u32::from(self.lost_since > 0),
            in_flight: self.in_flight,
            window_full: self.window_full,
            recovering: self.recovering,
            rtt: Some(self.rtt),
            rtt_sample: Some(self.rtt),
            mss: MSS,
            rate: Some(rate),
            ..Acked::default()
        });
    }

    /// Loses `bytes` of what was sent with `tx_in_flight` in flight, after `before` bytes.
    fn lose(&mut self, bytes: u32, tx_in_flight: u32, before: u64) {
        let lost_since = before + u64::from(bytes);
        let lost = Lost { bytes, tx_in_flight, lost_since, app_limited: self.app_limited };
        self.bbr.lost(self.now, &lost);
    }

    fn bdp(&self) -> u32 {
        self.bbr.bdp_multiple(self.bbr.bw, 1.0)
    }
}

/// draft-ietf-ccwg-bbr 5.6.1: pacing and window gain of each state; 5.6.2: one percent below.
#[test]
fn gains() {
    let mut path = Path::steady(State::Cruise, 1_000_000);
    for (state, pacing, cwnd) in [
        (State::Drain, 0.5, 2.0),
        (State::Down, 0.9, 2.0),
        (State::Cruise, 1.0, 2.0),
        (State::Refill, 1.0, 2.0),
        (State::Up, 1.25, 2.25),
        (State::ProbeRtt, 1.0, 0.5),
    ] {
        path.bbr.state = state;
        path.bbr.set_pacing_rate(state.gains().0);
        assert_eq!(path.bbr.pacing_rate, (1e6 * pacing * 0.99) as u64, "{state:?}");
        assert_eq!(state.gains().1, cwnd);
    }
    assert_eq!(State::Startup.gains(), (2.77, 2.0));
}

/// draft-ietf-ccwg-bbr 5.6.2 InitPacingRate: the initial window in a round trip, times 2.77; in a
/// millisecond if that is not known.
#[test]
fn the_first_rate() {
    assert_eq!(Path::new().bbr.pacing_rate, (2.77 * 10_000.0 / 0.04) as u64);
    let mut bbr = Bbr::default();
    bbr.opened(&start(MSS));
    assert_eq!(bbr.pacing_rate, 27_700_000);
}

/// draft-ietf-ccwg-bbr 5.3.1.2: three round trips without a quarter more bandwidth, not limited by
/// the program, and the pipe is full; 5.3.2: then the queue is drained.
#[test]
fn startup_ends_when_the_bandwidth_does_not_grow() {
    let mut path = Path::new();
    for bw in [100_000, 200_000, 400_000, 800_000, 900_000, 950_000] {
        path.round(bw);
        assert_eq!(path.bbr.state, State::Startup);
    }
    // A quarter more than the baseline of 800,000: it grows after all.
    path.round(1_100_000);
    for _ in 0..2 {
        path.round(1_100_000);
    }
    // What the program limits says nothing.
    path.app_limited = true;
    for _ in 0..10 {
        path.round(500_000);
    }
    assert_eq!(path.bbr.state, State::Startup);
    path.app_limited = false;
    path.round(1_100_000);
    assert_eq!((path.bbr.state, path.bbr.full.reached), (State::Drain, true));
}

/// draft-ietf-ccwg-bbr 5.3.1.3: a round trip of recovery with six losses and more than two percent
/// ends Startup, and bounds what may be in flight; a spurious loss takes it back (5.5.11.2).
#[test]
fn startup_ends_by_loss() {
    let mut path = Path::new();
    for bw in [100_000, 200_000, 400_000] {
        path.round(bw);
    }
    path.bbr.loss_found(path.now, 100_000, MSS);
    (path.recovering, path.in_flight, path.lost_since) = (true, 100_000, 1_000);
    path.bbr.loss_events = 9;
    path.round(800_000);
    path.round(1_600_000);
    assert_eq!(path.bbr.state, State::Startup, "one percent is not too much");
    path.lost_since = 3_000;
    path.bbr.loss_events = 4;
    path.round(3_200_000);
    assert_eq!(path.bbr.state, State::Startup, "few losses are a burst");
    path.bbr.loss_events = 5;
    path.round(6_400_000);
    assert!(path.bbr.full.reached);
    // max(BDP, inflight_latest): 6.4 MB/s for 40 ms.
    assert_eq!(path.bbr.inflight_longterm, 256_000);
    path.bbr.undo();
    assert_eq!((path.bbr.state, path.bbr.full.reached), (State::Startup, false));
}

/// draft-ietf-ccwg-bbr 5.3.2: Drain ends when no more is in flight than the path holds, or after
/// more than three round trips.
#[test]
fn drain_ends_by_volume_or_by_time() {
    let mut path = Path::new();
    for _ in 0..5 {
        path.round(1_000_000);
    }
    assert_eq!(path.bbr.state, State::Drain);
    path.in_flight = 40_000;
    path.round(1_000_000);
    assert_eq!(path.bbr.state, State::Cruise, "at once through Down: there is no queue");
    let mut path = Path::new();
    let mut rounds = 0;
    while path.bbr.state != State::Down {
        path.round(1_000_000);
        rounds += u32::from(path.bbr.state == State::Drain);
    }
    assert_eq!(rounds, 4);
}

/// draft-ietf-ccwg-bbr 5.3.3.8.3: the wait until the next probe is two to three seconds, or as
/// many round trips as Reno would need, at most 63.
#[test]
fn when_to_probe() {
    let mut path = Path::steady(State::Cruise, 1_000_000);
    path.bbr.start_probe_bw_down(path.now);
    let wait = path.bbr.bw_probe_wait;
    assert!((2_000..3_000).contains(&wait.as_millis()) && path.bbr.rounds_since_probe_up < 2);
    // 40 segments are in flight: 40 round trips.
    path.in_flight = 30_000;
    let mut rounds = path.bbr.rounds_since_probe_up;
    while path.bbr.state != State::Refill {
        path.round(1_000_000);
        rounds += 1;
    }
    assert_eq!(rounds, 40);
    // By the clock, on a long path.
    let mut path = Path::steady(State::Cruise, 100_000_000);
    path.bbr.bw_probe_wait = Duration::from_millis(2_100);
    let begun = path.now;
    while path.bbr.state != State::Refill {
        path.round(100_000_000);
    }
    let waited = path.now.since(begun).as_millis();
    assert!((2_100..2_200).contains(&waited), "{waited}");
}

/// draft-ietf-ccwg-bbr 5.3.3.3, 5.3.3.4: one round trip of Refill forgets the short-term bounds and
/// fills the pipe, then Up, until the bandwidth has not grown for three round trips; then Down, and
/// Cruise when nothing waits.
#[test]
fn the_cycle() {
    let mut path = Path::steady(State::Cruise, 1_000_000);
    (path.bbr.bw_shortterm, path.bbr.inflight_shortterm) = (1, 1);
    path.bbr.start_probe_bw_refill();
    assert_eq!((path.bbr.bw_shortterm, path.bbr.inflight_shortterm), (INFINITE_RATE, INFINITE));
    path.round(1_000_000);
    assert_eq!((path.bbr.state, path.bbr.is_bw_probe_sample), (State::Up, true));
    path.round(1_300_000);
    assert_eq!(path.bbr.delivery.max_bw(), 1_300_000);
    for _ in 0..3 {
        assert_eq!(path.bbr.state, State::Up);
        path.round(1_300_000);
    }
    assert_eq!(path.bbr.state, State::Down);
    path.in_flight = 100_000;
    path.round(1_300_000);
    assert_eq!(path.bbr.state, State::Down, "a queue is left");
    path.in_flight = 50_000;
    path.round(1_300_000);
    assert_eq!(path.bbr.state, State::Cruise);
}

/// draft-ietf-ccwg-bbr 5.5.10.2: more than two percent lost while probing was too much: back to
/// Down, and `inflight_longterm` is where the losses began, 0.7 of the target at least. Once for a
/// probe.
#[test]
fn a_probe_that_went_too_high() {
    let mut path = Path::steady(State::Up, 1_000_000);
    path.lose(1_000, 60_000, 0);
    assert_eq!(path.bbr.state, State::Up, "less than two percent");
    path.lose(1_000, 60_000, 1_000);
    assert_eq!((path.bbr.state, path.bbr.prev_probe_too_high), (State::Down, true));
    // 59,000 were in flight before the segment with which it was too much.
    let bound = path.bbr.inflight_longterm;
    assert!((59_000..60_000).contains(&bound), "{bound}");
    path.lose(30_000, 60_000, 2_000);
    assert_eq!(path.bbr.inflight_longterm, bound);
    let mut path = Path::steady(State::Up, 1_000_000);
    path.lose(5_000, 10_000, 0);
    assert_eq!(path.bbr.inflight_longterm, (f64::from(path.bdp()) * 0.7) as u32);
    // 5.5.11.2: it was none.
    path.bbr.undo();
    assert_eq!((path.bbr.state, path.bbr.inflight_longterm), (State::Refill, INFINITE));
}

/// draft-ietf-ccwg-bbr 5.3.3.6: after a probe that went too high the next one stops where that
/// began; if it does no harm the one after it follows at once.
#[test]
fn precautionary_probing() {
    let mut path = Path::steady(State::Up, 1_000_000);
    path.bbr.prev_probe_too_high = true;
    path.bbr.inflight_longterm = 60_000;
    path.in_flight = 59_000;
    path.round(1_000_000);
    assert_eq!(path.bbr.state, State::Up);
    path.in_flight = 60_000;
    path.round(1_000_000);
    assert_eq!((path.bbr.state, path.bbr.prev_probe_precautionary), (State::Down, true));
    path.round(1_000_000);
    assert_eq!(path.bbr.state, State::Refill);
}

/// draft-ietf-ccwg-bbr 5.3.3.5: where `inflight_longterm` is the limit, it grows by one segment in
/// the first round trip, by two in the next, by four, ...
#[test]
fn the_long_term_bound_grows_faster_and_faster() {
    let mut path = Path::steady(State::Refill, 1_000_000);
    path.bbr.inflight_longterm = 40_000;
    path.bbr.bw_probe_up_rounds = 0;
    path.bbr.delivery.start_round();
    (path.in_flight, path.window_full) = (40_000, true);
    path.round(1_000_000);
    assert_eq!(path.bbr.state, State::Up);
    let mut steps = Vec::new();
    for _ in 0..4 {
        let before = path.bbr.inflight_longterm;
        path.bbr.cwnd = before;
        path.bbr.full.reset();
        path.round(1_000_000);
        steps.push((path.bbr.inflight_longterm - before) / MSS);
    }
    assert_eq!(path.bbr.state, State::Up);
    assert!(steps.windows(2).all(|two| two[1] >= two[0]) && steps[3] >= 4 * steps[0].max(1));
}

/// draft-ietf-ccwg-bbr 5.5.10.3: outside of probes a round trip with losses bounds rate and volume
/// for the short term, at 0.7 of what they were or at what is delivered.
#[test]
fn short_term_bounds() {
    let mut path = Path::steady(State::Cruise, 1_000_000);
    path.round(500_000);
    path.round(500_000);
    let cwnd = path.bbr.cwnd;
    path.lose(1_000, 40_000, 0);
    path.round(500_000);
    assert_eq!(path.bbr.bw_shortterm, 700_000);
    assert_eq!(path.bbr.inflight_shortterm, (f64::from(cwnd) * 0.7) as u32);
    assert_eq!((path.bbr.bw, path.bbr.delivery.max_bw()), (700_000, 1_000_000));
    assert!(path.bbr.cwnd <= path.bbr.inflight_shortterm);
    // The same round trip twice is once.
    path.round(500_000);
    assert_eq!(path.bbr.bw_shortterm, 700_000);
    path.lose(1_000, 40_000, 0);
    path.round(600_000);
    assert_eq!(path.bbr.bw_shortterm, 600_000, "what is delivered, not less");
    // While probing losses are judged otherwise.
    let mut path = Path::steady(State::Refill, 1_000_000);
    path.lose(1_000, 40_000, 0);
    path.round(500_000);
    assert_eq!(path.bbr.bw_shortterm, INFINITE_RATE);
}

/// draft-ietf-ccwg-bbr 5.5.3, 5.5.6: the bandwidth is the highest of this and the last cycle.
#[test]
fn the_bandwidth_filter_spans_two_cycles() {
    let mut path = Path::steady(State::Cruise, 1_000_000);
    for (bw, expected) in [(600_000, 1_000_000), (700_000, 700_000), (650_000, 700_000)] {
        path.bbr.delivery.advance_max_bw();
        path.round(bw);
        assert_eq!(path.bbr.delivery.max_bw(), expected);
    }
    // 5.5.4: a sample that the program limited counts only if it is higher.
    path.app_limited = true;
    path.bbr.delivery.advance_max_bw();
    path.round(100_000);
    assert_eq!(path.bbr.delivery.max_bw(), 650_000);
    path.round(800_000);
    assert_eq!(path.bbr.delivery.max_bw(), 800_000);
}

/// draft-ietf-ccwg-bbr 5.3.4: after five seconds without a shorter round trip, half of what the
/// path holds for 200 ms and a round trip, then the window from before.
#[test]
fn probe_rtt() {
    let mut path = Path::steady(State::Cruise, 1_000_000);
    path.in_flight = 40_000;
    path.rtt = Duration::from_millis(50);
    let shortest = path.bbr.rtt.probe_stamp;
    while path.bbr.state != State::ProbeRtt {
        path.round(1_000_000);
    }
    let quiet = path.now.since(shortest).as_millis();
    assert!((5_000..5_100).contains(&quiet), "{quiet}");
    assert!(path.bbr.wants_little());
    assert_eq!(path.bbr.cwnd, 20_000, "half of 1 MB/s for 40 ms");
    let prior = path.bbr.prior_cwnd;
    assert!(prior > 60_000);
    path.round(1_000_000);
    assert_eq!(path.bbr.probe_rtt_done_stamp, None, "too much is still in flight");
    path.in_flight = 20_000;
    path.rtt = Duration::from_millis(42);
    path.round(400_000);
    let begun = path.now;
    while path.bbr.state == State::ProbeRtt {
        path.round(400_000);
    }
    let held = path.now.since(begun).as_millis();
    assert!((200..260).contains(&held), "{held}");
    assert_eq!(path.bbr.state, State::Cruise);
    assert!((80_000..=prior).contains(&path.bbr.cwnd), "{} {prior}", path.bbr.cwnd);
    // 2.16.1: the old minimum is believed for ten seconds.
    assert_eq!(path.bbr.rtt.min, Some(RTT));
    let before = path.now;
    while path.now.since(before) < Duration::from_secs(6) {
        path.round(1_000_000);
    }
    assert_eq!(path.bbr.rtt.min, Some(Duration::from_millis(42)));
}

/// draft-ietf-ccwg-bbr 5.4.1: after a silence the pipe is filled at its own rate, and the silence
/// is as good as a ProbeRTT.
#[test]
fn restart_from_idle() {
    let mut path = Path::steady(State::Up, 1_000_000);
    path.bbr.set_pacing_rate(1.25);
    let cwnd = path.bbr.cwnd;
    path.now = path.now + Duration::from_secs(20);
    path.bbr.restarted(path.now, Duration::from_secs(20));
    assert_eq!((path.bbr.pacing_rate, path.bbr.cwnd), (990_000, cwnd));
    path.bbr.idled(10);
    assert_eq!(path.bbr.cwnd, cwnd);
    path.round(1_000_000);
    assert_ne!(path.bbr.state, State::ProbeRtt);
}

/// draft-ietf-ccwg-bbr 5.6.4.4: a timeout leaves one segment more than is in flight; when all is
/// repaired the window is as it was.
#[test]
fn a_timeout_and_its_end() {
    let mut path = Path::steady(State::Cruise, 1_000_000);
    let cwnd = path.bbr.cwnd;
    path.bbr.timed_out(path.now, true, 40_000, 2_000, MSS);
    assert_eq!(path.bbr.cwnd, 3_000);
    path.in_flight = 3_000;
    path.recovering = true;
    path.round(50_000);
    assert_eq!(path.bbr.cwnd, 5_000);
    path.recovering = false;
    path.round(50_000);
    assert_eq!(path.bbr.cwnd, cwnd);
}

/// draft-ietf-ccwg-bbr 5.6.4.6, 5.6.4.7: the window follows what is delivered up to twice the BDP
/// and what comes in lumps; never below four segments; 0.85 of the long-term bound in Cruise.
#[test]
fn bounds_of_the_window() {
    let mut path = Path::steady(State::Cruise, 1_000_000);
    for _ in 0..10 {
        path.round(1_000_000);
    }
    let extra = path.bbr.aggregation.extra_acked();
    assert_eq!(path.bbr.cwnd, 2 * path.bdp() + extra);
    path.bbr.inflight_longterm = 50_000;
    path.in_flight = 40_000;
    path.round(1_000_000);
    assert_eq!(path.bbr.cwnd, 42_500);
    path.bbr.inflight_longterm = 1_000;
    path.in_flight = 500;
    path.round(1_000_000);
    assert_eq!(path.bbr.cwnd, 4 * MSS);
    // 5.6.4.2: bursts must fit, however short the path is.
    let mut path = Path::new();
    path.rtt = Duration::from_micros(100);
    for _ in 0..9 {
        path.round(10_000_000);
    }
    assert!(path.bbr.max_inflight >= 3 * path.bbr.send_quantum());
}

/// RFC 3168 6.1.2: a mark is an answer to a probe, or a loss, or the end of Startup.
#[test]
fn marks() {
    let mut path = Path::new();
    path.round(1_000_000);
    path.bbr.marked(path.now, 40_000, MSS);
    path.round(1_000_000);
    assert!(path.bbr.full.reached && path.bbr.inflight_longterm < INFINITE);
    let mut path = Path::steady(State::Up, 1_000_000);
    path.bbr.marked(path.now, 40_000, MSS);
    assert_eq!(path.bbr.state, State::Down);
    let mut path = Path::steady(State::Cruise, 1_000_000);
    path.round(500_000);
    path.round(500_000);
    path.bbr.marked(path.now, 40_000, MSS);
    path.round(500_000);
    assert_eq!(path.bbr.bw_shortterm, 700_000);
}
