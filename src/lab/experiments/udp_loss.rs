//! UDP over a path with losses, beside TCP.
use super::common::*;
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::addr::SocketAddr;
use crate::base::time::Duration;
use crate::lab::draw::Picture;
use crate::lab::draw::chart::{Chart, Marks, Panel, Series, Style};
use crate::lab::sim::*;
use crate::lab::trace::{self, Show};

pub(super) const UDP_LOSS: Experiment = Experiment {
    name: "udp-loss",
    about: "what UDP loses is gone; what TCP loses comes late",
    what_to_see: "\
Both programs send a message every few milliseconds over the same bad path. UDP's messages \
come on time or not at all: gaps in the line, and a delay that stays the same. TCP's all \
come, but while a lost segment is sent again those behind it have to wait, so their delay \
jumps up (head-of-line blocking). Which is better depends on the program: a film may skip, a \
file must not.",
    params: &[
        param("rtt", "60", Unit::Ms, "round-trip time"),
        RATE,
        param("loss", "4", Unit::Percent, "of the packets"),
        param("every", "10", Unit::Ms, "between two messages"),
        param("bytes", "200", Unit::Bytes, "in a message"),
        param("count", "300", Unit::Count, "messages"),
    ],
    run,
};

fn run(settings: &Settings) -> Report {
    let loss = Loss::Uniform(settings.share("loss"));
    let spec = LinkSpec { loss, ..link(settings) };
    let mut run = pair(settings.seed, plain_tcp(0), plain_tcp(0), spec);
    let (every, size) = (settings.ms("every"), settings.count("bytes").clamp(8, 1400));
    let count = settings.count("count").clamp(1, 5_000);
    run.world.open_udp(run.server, 53);
    run.world.serve(run.server, PORT, Plan { end: End::Never, ..Plan::closing() });
    let to = SocketAddr::new(run.world.address(run.server, true), 53);
    let start = settings.ms("rtt");
    let size_of = size as usize;
    run.world.send_udp(run.client, UdpPlan { to, port: 5353, size: size_of, count, start, every });
    let times: Vec<When> = (0..count).map(|n| When::At(every * n as u32)).collect();
    let writes = times.iter().map(|when| Write { when: *when, bytes: size }).collect();
    let mut plan = Plan { writes, end: End::Never, ..Plan::closing() };
    plan.options.nodelay = true;
    let program = run.world.connect(run.client, run.server, PORT, Duration::ZERO, plan);
    run.world.run_for(every * count as u32 + Duration::from_secs(20));
    let opened = run.world.progress(program).opened_at.unwrap_or_default();
    let record = &run.world.record;
    let sent = |n: u64| start.as_secs_f64() + every.as_secs_f64() * (n - 1) as f64;
    let datagrams = run.world.host(run.server).map_or(&[][..], |h| &h.datagrams);
    let udp: Vec<(f64, f64)> = datagrams
        .iter()
        .map(|(at, _, n, _)| (sent(*n), at.as_nanos() as f64 / 1e6 - sent(*n) * 1e3))
        .collect();
    let lost: Vec<f64> =
        (1..=count).filter(|n| !datagrams.iter().any(|d| d.2 == *n)).map(sent).collect();
    let Some(tuple) = run.world.tuple(program) else { return Report::default() };
    let zero = crate::base::Instant::ZERO;
    let end = (run.server, tuple.reversed());
    let arrived = trace::variable(record, end, zero, |i| i.bytes_received as f64);
    let opened = opened.as_nanos() as f64 / 1e9;
    let tcp: Vec<(f64, f64)> = (1..=count)
        .filter_map(|n| {
            let (at, _) = arrived.iter().find(|p| p.1 >= (n * size) as f64)?;
            let sent = opened + every.as_secs_f64() * (n - 1) as f64;
            Some((sent, (at - sent) * 1e3))
        })
        .collect();
    let worst = |points: &[(f64, f64)]| points.iter().map(|p| p.1).fold(0.0, f64::max);
    let facts = vec![
        format!("UDP: {} of {count} messages came, {:.0} ms at the latest", udp.len(), worst(&udp)),
        format!("TCP: {} of {count} messages came, {:.0} ms at the latest", tcp.len(), worst(&tcp)),
    ];
    let lost = Marks { label: "never came".into(), at: lost, colour: None };
    let panel = |label: &str, colour, points, marks| Panel {
        axis: format!("{label}: delay (ms)"),
        series: vec![Series::new(label, colour, Style::Dots, points)],
        marks,
        ..Panel::default()
    };
    let chart = Chart {
        name: "udp-loss".into(),
        title: "Delay of messages over a path with losses".into(),
        axis: "time when the message was sent (s)".into(),
        panels: vec![panel("UDP", 0, udp, vec![lost]), panel("TCP", 1, tcp, Vec::new())],
        log_x: false,
    };
    let show = Show { most: 40, ..Pair::show(settings) };
    let ladder = run.ladder("udp-loss-ladder", "The first packets", show);
    Report { pictures: vec![Picture::Chart(chart), ladder], facts }
}
