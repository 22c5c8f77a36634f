//! Stop-and-wait against a sliding window: how much of a link is used.
use super::common::*;
use super::settings::{Param, Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::draw::Picture;
use crate::lab::draw::chart::{Chart, Panel, Series, Style};
use crate::lab::sim::*;
use crate::lab::trace::{Show, step};
use crate::stack::tcp::TcpConfig;

const RTTS: Param =
    param("rtts", "1,2,5,10,20,50,100,200", Unit::Numbers, "round-trip times of the chart, ms");

pub(super) const STOP_AND_WAIT: Experiment = Experiment {
    name: "stop-and-wait",
    about: "one segment, then its acknowledgment: what it costs",
    what_to_see: "\
Only one segment is ever under way, so the link is idle for a round trip after each. With \
L/R the time to put a packet on the link, its use is (L/R) / (RTT + L/R): 1,500 bytes at 10 \
Mb/s take 1.2 ms, and at 40 ms RTT less than 3 % of the link is used. The dots are measured, \
the dashed line is the formula. A faster link does not help; compare with sliding-window.",
    params: &[RTT, RATE, RTTS, param("windows", "1", Unit::Numbers, "segments under way at most")],
    run: |settings| run(settings, "stop-and-wait", "Stop-and-wait: link use"),
};

pub(super) const SLIDING_WINDOW: Experiment = Experiment {
    name: "sliding-window",
    about: "several segments under way: the link fills",
    what_to_see: "\
With W segments under way the use of the link is W times as much, until the window is as \
large as what fits on the way there and back (the bandwidth-delay product): then the link is \
full. The left part of each line is flat at 100 %; the longer the RTT, the larger the window \
must be. The dots are measured, the dashed lines are min(1, W (L/R) / (RTT + L/R)). The \
ladder shows how each acknowledgment lets one more segment go: the window slides.",
    params: &[
        RTT,
        RATE,
        RTTS,
        param("windows", "1,4,16,64", Unit::Numbers, "segments under way at most"),
    ],
    run: |settings| run(settings, "sliding-window", "Sliding window: link use"),
};

/// Bytes of a full packet, and of its payload.
const PACKET: f64 = 1500.0;
const MSS: u64 = 1460;

/// The formula of the textbooks; `rate` in bits per second.
pub(super) fn formula(window: f64, rate: f64, rtt: f64) -> f64 {
    let send = PACKET * 8.0 / rate;
    (window * send / (rtt + send)).min(1.0)
}

/// A sender that has `window` segments under way at most.
pub(super) fn sender(seed: u64, window: u64, rate: u64, rtt: Duration, segments: u64) -> Pair {
    let mut tcp = TcpConfig {
        send_buffer: (window * MSS) as usize,
        initial_window: window.clamp(10, 1000) as u32,
        ..plain_tcp(0)
    };
    tcp.teaching.immediate_acks = true;
    let mut world = World::new(seed, Medium::Ip);
    let client = world.add_host(host("sender", tcp.clone()));
    let server = world.add_host(host("receiver", TcpConfig { receive_buffer: 4 << 20, ..tcp }));
    let there = LinkSpec { rate, delay: rtt / 2, ..LinkSpec::default() };
    let back = LinkSpec { rate: 0, ..there.clone() };
    world.join_two(client, server, there, back);
    world.keep(true, true);
    world.serve(server, PORT, Plan { end: End::Never, ..Plan::closing() });
    let mut plan = Plan { end: End::Never, ..Plan::sending(segments * MSS) };
    plan.options.nodelay = true;
    world.connect(client, server, PORT, Duration::ZERO, plan);
    Pair { world, client, server }
}

/// The share of the link that was used, between two acknowledgments.
pub(super) fn measure(seed: u64, window: u64, rate: u64, rtt: Duration) -> f64 {
    let mut run = sender(seed, window, rate, rtt, 1 << 30);
    let cycles = rtt + Duration::from_secs_f64(PACKET * 8.0 * window as f64 / rate as f64);
    run.world.run_for(cycles * 12);
    let acked: Vec<(f64, u64)> = run
        .world
        .record
        .samples
        .iter()
        .filter(|s| s.place == run.client)
        .map(|s| (s.at.as_nanos() as f64 / 1e9, s.info.bytes_acked / MSS))
        .collect();
    // From the first acknowledgment of a window to that of a later one: whole windows.
    let at = |n: u64| acked.iter().find(|(_, acked)| *acked >= n).map(|(at, _)| *at);
    let (first, last) = (2 * window + 1, 8 * window + 1);
    match (at(first), at(last)) {
        (Some(from), Some(to)) if to > from => {
            (last - first) as f64 * PACKET * 8.0 / (rate as f64 * (to - from))
        }
        _ => 0.0,
    }
}

fn run(settings: &Settings, name: &str, title: &str) -> Report {
    let rate = settings.rate("rate").max(1000);
    let rtts: Vec<f64> = settings.numbers("rtts").into_iter().filter(|r| *r > 0.0).collect();
    let windows: Vec<u64> =
        settings.numbers("windows").iter().map(|w| (*w as u64).clamp(1, 2000)).collect();
    let (mut series, mut facts) = (Vec::new(), Vec::new());
    for (n, window) in windows.iter().enumerate() {
        let measured: Vec<(f64, f64)> = rtts
            .iter()
            .map(|ms| {
                let rtt = Duration::from_secs_f64(ms / 1e3);
                (*ms, 100.0 * measure(settings.seed, *window, rate, rtt))
            })
            .collect();
        let (low, high) = (rtts.first().copied().unwrap_or(1.0), rtts.last().copied());
        let ratio = high.unwrap_or(1.0) / low;
        let theory = (0..=100).map(|n| low * ratio.powf(f64::from(n) / 100.0));
        let theory =
            theory.map(|ms| (ms, 100.0 * formula(*window as f64, rate as f64, ms / 1e3))).collect();
        series.push(Series::new(&format!("W = {window}"), n, Style::Theory, theory));
        for (ms, percent) in &measured {
            if (ms - settings.number("rtt")).abs() < 0.5 || rtts.len() < 3 {
                let should = 100.0 * formula(*window as f64, rate as f64, ms / 1e3);
                facts.push(format!(
                    "W = {window}, RTT {ms} ms: {percent:.2} % used; the formula says {should:.2} %"
                ));
            }
        }
        series.push(Series::new("", n, Style::Dots, measured));
    }
    if facts.is_empty() {
        let percent = 100.0 * measure(settings.seed, windows[0], rate, settings.ms("rtt"));
        let (w, ms) = (windows[0], settings.number("rtt"));
        let should = 100.0 * formula(w as f64, rate as f64, ms / 1e3);
        facts.push(format!(
            "W = {w}, RTT {ms} ms: {percent:.2} % used; the formula says {should:.2} %"
        ));
    }
    let panel = Panel { axis: "link use (%)".into(), series, top: Some(105.0), ..Panel::default() };
    let chart = Chart {
        name: name.into(),
        title: title.into(),
        axis: "round-trip time (ms), logarithmic".into(),
        panels: vec![panel],
        log_x: true,
    };
    let few = windows.get(1).or(windows.first()).copied().unwrap_or(1);
    let mut small = sender(settings.seed, few, rate, settings.ms("rtt"), few * 4);
    small.world.run_for(Duration::from_secs(60));
    let show = Show { most: 40, ..Pair::show(settings) };
    let words = if few == 1 { "Stop-and-wait".into() } else { format!("A window of {few}") };
    let ladder = small.ladder(&format!("{name}-ladder"), &words, show);
    Report { pictures: vec![Picture::Chart(chart), ladder, under_way(&small, name)], facts }
}

/// Bytes under way over time.
fn under_way(run: &Pair, name: &str) -> Picture {
    let samples = run.world.record.samples.iter().filter(|s| s.place == run.client);
    let points = samples
        .map(|s| (s.at.as_nanos() as f64 / 1e6, f64::from(s.info.in_flight_bytes) / MSS as f64))
        .collect();
    let series = vec![step("under way", 0, points)];
    let panel = Panel { axis: "segments".into(), series, ..Panel::default() };
    Picture::Chart(Chart {
        name: format!("{name}-flight"),
        title: "Segments under way".into(),
        axis: "time (ms)".into(),
        panels: vec![panel],
        log_x: false,
    })
}
