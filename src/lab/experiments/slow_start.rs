//! The window doubles with each round trip.
use super::common::*;
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::draw::Picture;
use crate::lab::draw::chart::{Chart, Panel, Series, Style};
use crate::lab::sim::*;
use crate::lab::trace::{self, Show, step};
use crate::stack::tcp::TcpConfig;

pub(super) const SLOW_START: Experiment = Experiment {
    name: "slow-start",
    about: "the congestion window doubles with each round trip, up to ssthresh",
    what_to_see: "\
The sender does not know what the network can carry, so it starts with one segment and adds \
one for each that is acknowledged: 1, 2, 4, 8 in each round trip. At ssthresh that ends, and \
the window grows by one segment in a round trip (congestion avoidance). The ladder shows how \
each acknowledgment lets two segments go. Today's start is ten segments (RFC 6928): --set \
initial-window=10.",
    params: &[
        param("rtt", "100", Unit::Ms, "round-trip time"),
        param("initial-window", "1", Unit::Segments, "cwnd at the start"),
        param("ssthresh", "64", Unit::Segments, "where slow start ends"),
        param("seconds", "1.6", Unit::Seconds, "how long it runs"),
    ],
    run,
};

/// The run, for tests too: a path without a limit, every segment acknowledged.
pub(super) fn bulk(settings: &Settings) -> (Pair, ProgramId) {
    let mut tcp = TcpConfig {
        initial_window: settings.count("initial-window").clamp(1, 1000) as u32,
        initial_ssthresh: settings.count("ssthresh").min(1 << 19) as u32 * 1460,
        congestion: "reno".into(),
        send_buffer: 8 << 20,
        receive_buffer: 8 << 20,
        ..plain_tcp(0)
    };
    tcp.teaching.immediate_acks = true;
    let spec = LinkSpec { delay: settings.ms("rtt") / 2, ..LinkSpec::default() };
    let mut run = pair(settings.seed, tcp.clone(), tcp, spec);
    run.world.serve(run.server, PORT, Plan { end: End::Never, ..Plan::closing() });
    let plan = Plan { end: End::Never, ..Plan::sending(1 << 40) };
    let program = run.world.connect(run.client, run.server, PORT, Duration::ZERO, plan);
    let time = settings.seconds("seconds").min(Duration::from_secs(20));
    run.world.run_for(time);
    (run, program)
}

fn run(settings: &Settings) -> Report {
    let (run, program) = bulk(settings);
    let record = &run.world.record;
    let start = record.packets.first().map_or(run.world.now, |p| p.sent);
    let Some(tuple) = run.world.tuple(program) else { return Report::default() };
    let of = |value: fn(&crate::stack::tcp::TcpInfo) -> u32| {
        let segments = |i: &_| f64::from(value(i)) / 1460.0;
        trace::variable(record, (run.client, tuple), start, segments)
    };
    let cwnd = of(|i| i.cwnd_bytes);
    let most = cwnd.iter().map(|p| p.1).fold(1.0, f64::max);
    let end = cwnd.last().map_or(1.0, |p| p.0);
    let mut series =
        vec![step("cwnd", 0, cwnd.clone()), step("in flight", 2, of(|i| i.in_flight_bytes))];
    let ssthresh = settings.number("ssthresh");
    if ssthresh < most * 1.5 {
        let level = vec![(0.0, ssthresh), (end, ssthresh)];
        series.push(Series::new("ssthresh", 1, Style::Theory, level));
    }
    let panel = Panel { axis: "segments".into(), series, ..Panel::default() };
    let chart = Chart {
        name: "slow-start".into(),
        title: "Slow start, then congestion avoidance".into(),
        axis: "time (s)".into(),
        panels: vec![panel],
        log_x: false,
    };
    let rtt = settings.ms("rtt").as_secs_f64();
    let at = |n: f64| cwnd.iter().rev().find(|p| p.0 <= n * rtt + 1e-9).map_or(0.0, |p| p.1);
    let rounds = (end / rtt).floor() as u64;
    let per_round: Vec<String> =
        (1..=rounds.min(14)).map(|n| format!("{:.0}", at(n as f64))).collect();
    let facts = vec![format!("cwnd after each round trip: {} segments", per_round.join(", "))];
    let show = Show { most: 34, ..Pair::show(settings) };
    let ladder = run.ladder("slow-start-ladder", "Slow start: the first round trips", show);
    Report { pictures: vec![Picture::Chart(chart), ladder], facts }
}
