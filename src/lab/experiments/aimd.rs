//! Several flows share a link.
use super::common::*;
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::draw::Picture;
use crate::lab::draw::chart::{Chart, Panel, Series, Style};
use crate::lab::sim::*;
use crate::lab::trace::{self, step};
use crate::stack::tcp::TcpConfig;

pub(super) const AIMD: Experiment = Experiment {
    name: "aimd",
    about: "several flows share a bottleneck: additive increase, multiplicative decrease, fairness",
    what_to_see: "\
Each new flow finds the link full and has to get its share from the others. All add the same \
to their windows, but a loss takes more from whom has more: so the shares approach each \
other. Jain's index (1 when all are equal) is written below, for the time when all flows are \
there. With different round-trip times the shorter path wins: --set rtts=20,100. Mix \
algorithms with --set algorithms=reno,cubic,bbr.",
    params: &[
        param("flows", "3", Unit::Count, "how many"),
        param("algorithms", "reno", Unit::Algorithms, "of the flows, in turns"),
        param("rtts", "40", Unit::Numbers, "round-trip times of the flows, in turns, ms"),
        RATE,
        param("queue", "40", Unit::Packets, "room in front of the bottleneck"),
        param("stagger", "5", Unit::Seconds, "between the starts of two flows"),
        param("seconds", "40", Unit::Seconds, "how long it runs"),
    ],
    run,
};

/// Jain's fairness index: 1 when all are equal, 1/n when one has it all.
pub(super) fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(a, b), x| (a + x, b + x * x));
    if squares == 0.0 { 1.0 } else { sum * sum / (shares.len() as f64 * squares) }
}

fn run(settings: &Settings) -> Report {
    let count = settings.count("flows").clamp(1, 7) as usize;
    let (algorithms, rtts) = (settings.list("algorithms"), settings.numbers("rtts"));
    let stagger = settings.seconds("stagger");
    let specs = (0..count).map(|n| FlowSpec {
        name: format!("{} {}", algorithms[n % algorithms.len()], n + 1),
        tcp: TcpConfig {
            congestion: algorithms[n % algorithms.len()].into(),
            send_buffer: 8 << 20,
            receive_buffer: 8 << 20,
            ..plain_tcp(n as u32)
        },
        start: stagger * n as u32,
        rtt: Duration::from_secs_f64(
            rtts.get(n % rtts.len().max(1)).unwrap_or(&40.0).max(0.0) / 1e3,
        ),
    });
    let bottleneck = LinkSpec {
        rate: settings.rate("rate").max(10_000),
        delay: Duration::from_micros(500),
        queue: QueueLimit::Packets(settings.count("queue").clamp(1, 100_000) as usize),
        ..LinkSpec::default()
    };
    let mut run = dumbbell(settings.seed, specs.collect(), bottleneck);
    let seconds = settings.seconds("seconds").min(Duration::from_secs(300));
    run.world.run_for(seconds);
    let record = &run.world.record;
    let (mut windows, mut rates, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    let Some(start) = record.packets.first().map(|p| p.sent) else { return Report::default() };
    let all_there = (stagger * count as u32).as_secs_f64();
    for (n, flow) in run.flows.iter().enumerate() {
        let Some(tuple) = flow.tuple(&run.world) else { continue };
        let name = run.world.name(flow.sender).to_string();
        let cwnd = trace::variable(record, (flow.sender, tuple), start, |i| {
            f64::from(i.cwnd_bytes) / 1460.0
        });
        windows.push(step(&name, n, cwnd));
        let received = trace::variable(record, (flow.receiver, tuple.reversed()), start, |i| {
            i.bytes_received as f64 * 8e-6
        });
        let rate = trace::rate(&received, Duration::from_millis(500), seconds.as_secs_f64());
        let late: Vec<f64> = rate.iter().filter(|p| p.0 >= all_there).map(|p| p.1).collect();
        shares.push(late.iter().sum::<f64>() / late.len().max(1) as f64);
        rates.push(Series::new(&name, n, Style::Line, rate));
    }
    let mut facts: Vec<String> = run
        .flows
        .iter()
        .zip(&shares)
        .map(|(flow, share)| format!("{}: {share:.2} Mb/s", run.world.name(flow.sender)))
        .collect();
    facts.push(format!("Jain's fairness index: {:.3}", jain(&shares)));
    let panel = |axis: &str, series| Panel { axis: axis.into(), series, ..Panel::default() };
    let chart = Chart {
        name: "aimd".into(),
        title: "Flows that share a bottleneck".into(),
        axis: "time (s)".into(),
        panels: vec![panel("goodput (Mb/s)", rates), panel("cwnd (segments)", windows)],
        log_x: false,
    };
    Report { pictures: vec![Picture::Chart(chart)], facts }
}
