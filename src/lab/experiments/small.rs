//! Small segments: the silly window syndrome, and Nagle's algorithm.
use super::common::*;
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::draw::Picture;
use crate::lab::draw::chart::{Chart, Panel, Series, Style};
use crate::lab::sim::*;
use crate::lab::trace::{self, Show};
use crate::stack::tcp::TcpConfig;

pub(super) const SILLY_WINDOW: Experiment = Experiment {
    name: "silly-window",
    about: "a program that reads a few bytes at a time, with the avoidance off and on",
    what_to_see: "\
Without avoidance each small read opens the window by a few bytes, the sender fills it at \
once, and the connection goes on in tiny segments whose headers are larger than their data. \
With the avoidance of RFC 9293 3.8.6.2 the receiver does not offer more before a full \
segment or half the buffer is free, and the sender does not send less, so the segments stay \
large. Compare the number of segments for the same bytes. The program reads equally slowly \
in both.",
    params: &[
        RTT,
        RATE,
        param("read", "50", Unit::Bytes, "bytes that the program reads at a time"),
        param("every", "5", Unit::Ms, "between two reads"),
        param("buffer", "3000", Unit::Bytes, "the receiver's buffer"),
        param("bytes", "12000", Unit::Bytes, "what is sent"),
    ],
    run: silly,
};

pub(super) const NAGLE: Experiment = Experiment {
    name: "nagle",
    about: "keystrokes with Nagle's algorithm and without",
    what_to_see: "\
A program writes one byte at a time, faster than a round trip. Without Nagle's algorithm \
(TCP_NODELAY) every byte is a segment of its own with 40 bytes of headers. With it a small \
segment waits while another is unacknowledged, so what is typed meanwhile goes in one. On a \
short path nothing is held back at all; try --set rtt=5. With --set delayed-acks=on the \
receiver holds its acknowledgments back as well, and each waits for the other.",
    params: &[
        param("rtt", "100", Unit::Ms, "round-trip time"),
        RATE,
        param("every", "20", Unit::Ms, "between two keystrokes"),
        param("keys", "16", Unit::Count, "keystrokes"),
        param("delayed-acks", "off", Unit::Switch, "whether acknowledgments may wait"),
    ],
    run: nagle,
};

/// Sizes of the data segments over time.
fn sizes(run: &Pair) -> Vec<(f64, f64)> {
    let start = run.world.record.packets.first().map_or(run.world.now, |p| p.sent);
    let all = data_segments(&run.world.record, run.client);
    all.filter_map(|p| match p.view.what {
        What::Tcp { len, .. } => Some((trace::seconds(start, p.sent), f64::from(len))),
        _ => None,
    })
    .collect()
}

fn silly(settings: &Settings) -> Report {
    let mut report = Report::default();
    let mut panels = Vec::new();
    for (n, off) in [true, false].into_iter().enumerate() {
        let tcp = |isn| {
            let mut tcp = TcpConfig {
                receive_buffer: settings.count("buffer").clamp(500, 1 << 20) as usize,
                ..plain_tcp(isn)
            };
            tcp.teaching.silly_windows = off;
            tcp.teaching.immediate_acks = true;
            tcp
        };
        let mut run = pair(settings.seed, tcp(0), tcp(0), link(settings));
        let bytes = settings.count("read").max(1) as usize;
        let every = settings.ms("every").max(Duration::from_micros(10));
        let reader = Reader::Slow { bytes, every };
        run.world.serve(run.server, PORT, Plan { reader, end: End::Never, ..Plan::closing() });
        let total = settings.count("bytes").min(1 << 20);
        let mut plan = Plan { end: End::Never, ..Plan::sending(total) };
        plan.options.nodelay = true;
        run.world.connect(run.client, run.server, PORT, Duration::ZERO, plan);
        run.world.run_for(Duration::from_secs(100));
        let sizes = sizes(&run);
        let word = if off { "without avoidance" } else { "with avoidance" };
        let (count, sum) = (sizes.len(), sizes.iter().map(|s| s.1).sum::<f64>());
        report.facts.push(format!(
            "{word}: {count} segments, {:.0} bytes each on average, {:.0} % of what was sent was \
             headers",
            sum / count.max(1) as f64,
            100.0 * 40.0 * count as f64 / (sum + 40.0 * count as f64)
        ));
        panels.push(Panel {
            axis: "bytes in a segment".into(),
            series: vec![Series::new(word, n, Style::Dots, sizes)],
            top: Some(1600.0),
            ..Panel::default()
        });
        let show = Show { windows: true, most: 30, ..Pair::show(settings) };
        let name = if off { "silly-window-off" } else { "silly-window-on" };
        report.pictures.push(run.ladder(name, &format!("Small reads, {word}"), show));
    }
    let chart = Chart {
        name: "silly-window".into(),
        title: "Silly window syndrome: sizes of segments".into(),
        axis: "time (s)".into(),
        panels,
        log_x: false,
    };
    report.pictures.insert(0, Picture::Chart(chart));
    report
}

fn nagle(settings: &Settings) -> Report {
    let mut report = Report::default();
    for nodelay in [false, true] {
        let mut tcp = plain_tcp(0);
        tcp.teaching.immediate_acks = !settings.on("delayed-acks");
        let mut run = pair(settings.seed, tcp.clone(), tcp, link(settings));
        run.world.serve(run.server, PORT, Plan { end: End::Never, ..Plan::closing() });
        let keys = settings.count("keys").min(1000);
        let when = When::After(settings.ms("every"));
        let writes = vec![Write { when, bytes: 1 }; keys as usize];
        let mut plan = Plan { writes, end: End::Never, ..Plan::closing() };
        plan.options.nodelay = nodelay;
        run.world.connect(run.client, run.server, PORT, Duration::ZERO, plan);
        run.world.run_for(Duration::from_secs(60));
        let (count, sum) = (sizes(&run).len(), keys);
        let (name, word) = match nodelay {
            true => ("nagle-off", "Nagle's algorithm off (TCP_NODELAY)"),
            false => ("nagle-on", "Nagle's algorithm on"),
        };
        let wire: u64 = sum + 40 * count as u64;
        report.facts.push(format!("{word}: {sum} bytes in {count} segments, {wire} on the wire"));
        let show = Show { most: 44, ..Pair::show(settings) };
        report.pictures.push(run.ladder(name, word, show));
    }
    report
}
