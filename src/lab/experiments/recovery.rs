//! Lost and late segments: fast retransmit, selective acknowledgments, reordering.
use super::common::*;
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::draw::Picture;
use crate::lab::draw::chart::{Chart, Panel, Series, Style};
use crate::lab::sim::*;
use crate::lab::trace::{self, Show};
use crate::stack::tcp::TcpConfig;

pub(super) const FAST_RETRANSMIT: Experiment = Experiment {
    name: "fast-retransmit",
    about: "three duplicate acknowledgments say that a segment is lost",
    what_to_see: "\
Each segment behind the lost one is answered by the same acknowledgment again: a duplicate. \
After three of them the sender does not wait for its timer, which is hundreds of \
milliseconds away, but sends the segment again. The acknowledgment that follows jumps over \
all that had arrived behind the gap. With --set sack=on the duplicates also say what has \
arrived. With --set lose=12 the last segment is lost, and nothing follows it that could \
cause duplicates: a probe (tail loss probe) or the timer has to help.",
    params: &[
        param("rtt", "100", Unit::Ms, "round-trip time"),
        RATE,
        param("segments", "12", Unit::Segments, "what is sent"),
        param("lose", "4", Unit::Numbers, "which data segments are lost, counted from 1"),
        param("algorithm", "reno", Unit::Algorithms, "congestion control"),
        param("sack", "off", Unit::Switch, "selective acknowledgments"),
    ],
    run: fast_retransmit,
};

pub(super) const SACK: Experiment = Experiment {
    name: "sack",
    about: "several losses in one window, without SACK and with it",
    what_to_see: "\
A cumulative acknowledgment says only where the first gap is. Without SACK the sender learns \
of one loss in each round trip and repairs one in each. With SACK every acknowledgment lists \
the blocks that have arrived, so all gaps are known at once and are filled in one round \
trip. Compare when the last byte arrives. The blocks in the labels are the edges of what was \
received behind the gap, the latest first.",
    params: &[
        param("rtt", "100", Unit::Ms, "round-trip time"),
        RATE,
        param("segments", "16", Unit::Segments, "what is sent"),
        param("lose", "3,6,8,10", Unit::Numbers, "which data segments are lost, counted from 1"),
        param("algorithm", "newreno", Unit::Algorithms, "congestion control"),
    ],
    run: sack,
};

pub(super) const REORDER: Experiment = Experiment {
    name: "reorder",
    about: "segments that come late are not lost",
    what_to_see: "\
Some packets take a longer way and come after those sent behind them. The receiver answers \
each gap with duplicate acknowledgments, which look like those of a loss. A sender that \
takes three of them for a loss sends again what only was late, and halves its window for \
nothing. D-SACK tells it so afterwards, and a sender that learns from it waits longer the \
next time. Vary how late they are with --set late=1 and --set late=30.",
    params: &[
        param("rtt", "40", Unit::Ms, "round-trip time"),
        param("rate", "20", Unit::Mbps, "rate of the link"),
        param("share", "1", Unit::Percent, "packets that come late"),
        param("late", "10", Unit::Ms, "by how much"),
        param("seconds", "6", Unit::Seconds, "how long it runs"),
        param("algorithms", "reno,cubic", Unit::Algorithms, "one line for each"),
    ],
    run: reorder,
};

/// A burst of segments over a link that loses some of them.
pub(super) fn burst(settings: &Settings, sack: bool) -> (Pair, Duration) {
    let mut tcp = TcpConfig {
        congestion: settings.text("algorithm").split(',').next().unwrap_or("reno").into(),
        sack,
        initial_window: 10,
        ..plain_tcp(0)
    };
    tcp.teaching.immediate_acks = true;
    let spec = LinkSpec { loss: listed(settings), ..link(settings) };
    let mut run = pair(settings.seed, tcp.clone(), tcp, spec);
    run.world.serve(run.server, PORT, Plan { end: End::Never, ..Plan::closing() });
    let bytes = settings.count("segments").clamp(1, 2000) * 1460;
    let plan = Plan { end: End::Never, ..Plan::sending(bytes) };
    run.world.connect(run.client, run.server, PORT, Duration::ZERO, plan);
    run.world.run_for(Duration::from_secs(60));
    let start = run.world.record.packets.first().map_or(run.world.now, |p| p.sent);
    let received = run.world.accepted(run.server, PORT).map(|id| run.world.progress(id));
    let took = received.and_then(|p| p.received_at).map_or(Duration::ZERO, |at| at.since(start));
    (run, took)
}

fn fact(run: &Pair, took: Duration, word: &str) -> String {
    let sent = data_segments(&run.world.record, run.client).count();
    let lost = run.world.record.losses().filter(|p| p.from == run.client).count();
    format!(
        "{word}{sent} data segments, {lost} lost; the last byte came after {:.0} ms",
        took.as_secs_f64() * 1e3
    )
}

fn fast_retransmit(settings: &Settings) -> Report {
    let (run, took) = burst(settings, settings.on("sack"));
    let title = "Fast retransmit: three duplicate acknowledgments";
    let ladder = run.ladder("fast-retransmit", title, Pair::show(settings));
    Report { pictures: vec![ladder], facts: vec![fact(&run, took, "")] }
}

fn sack(settings: &Settings) -> Report {
    let mut report = Report::default();
    for on in [false, true] {
        let (run, took) = burst(settings, on);
        let (name, word) = if on { ("sack-on", "with SACK") } else { ("sack-off", "without SACK") };
        let show = Show { most: 80, ..Pair::show(settings) };
        report.pictures.push(run.ladder(name, &format!("Several losses, {word}"), show));
        report.facts.push(fact(&run, took, &format!("{word}: ")));
    }
    report
}

fn reorder(settings: &Settings) -> Report {
    let mut report = Report::default();
    let (mut windows, mut rates) = (Vec::new(), Vec::new());
    let time = settings.seconds("seconds").min(Duration::from_secs(120));
    for (n, algorithm) in settings.list("algorithms").into_iter().enumerate() {
        let tcp = TcpConfig {
            congestion: algorithm.into(),
            send_buffer: 8 << 20,
            receive_buffer: 8 << 20,
            ..TcpConfig::default()
        };
        let spec = LinkSpec {
            reorder: settings.share("share"),
            late_by: settings.ms("late"),
            queue: QueueLimit::Packets(100),
            ..link(settings)
        };
        let mut run = pair(settings.seed, tcp.clone(), tcp, spec);
        run.world.serve(run.server, PORT, Plan { end: End::Never, ..Plan::closing() });
        let plan = Plan { end: End::Never, ..Plan::sending(1 << 40) };
        let program = run.world.connect(run.client, run.server, PORT, Duration::ZERO, plan);
        run.world.run_for(time);
        let record = &run.world.record;
        let Some(tuple) = run.world.tuple(program) else { continue };
        let Some(start) = record.packets.first().map(|p| p.sent) else { continue };
        let cwnd = trace::variable(record, (run.client, tuple), start, |i| {
            f64::from(i.cwnd_bytes) / f64::from(i.snd_mss.max(1))
        });
        windows.push(trace::step(algorithm, n, cwnd));
        let received = trace::variable(record, (run.server, tuple.reversed()), start, |i| {
            i.bytes_received as f64 * 8e-6
        });
        let rate = trace::rate(&received, Duration::from_millis(200), time.as_secs_f64());
        rates.push(Series::new(algorithm, n, Style::Line, rate));
        let again = run.world.info(tuple, run.client).map_or(0, |i| i.total_retrans);
        let lost = record.losses().filter(|p| p.view.has_data()).count();
        let total = received.last().map_or(0.0, |p| p.1) / time.as_secs_f64();
        report.facts.push(format!(
            "{algorithm}: {total:.2} Mb/s, {again} segments sent again, {lost} really lost"
        ));
        if n == 0 {
            let title = "Segments that come late";
            report.pictures.push(run.ladder("reorder-ladder", title, Pair::show(settings)));
        }
    }
    let panel = |axis: &str, series| Panel { axis: axis.into(), series, ..Panel::default() };
    let chart = Chart {
        name: "reorder".into(),
        title: "What reordering costs".into(),
        axis: "time (s)".into(),
        panels: vec![panel("cwnd (segments)", windows), panel("goodput (Mb/s)", rates)],
        log_x: false,
    };
    report.pictures.insert(0, Picture::Chart(chart));
    report
}
