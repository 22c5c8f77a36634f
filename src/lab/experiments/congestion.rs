//! Congestion windows over time, of one algorithm or of several, each alone on its bottleneck.
use super::common::*;
use super::settings::{Param, Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::draw::Picture;
use crate::lab::draw::chart::{Chart, Panel, Series, Style};
use crate::lab::sim::*;
use crate::lab::trace::{self, loss_marks, step};
use crate::stack::tcp::TcpConfig;

const fn params(algorithm: &'static str) -> [Param; 11] {
    [
        param("algorithms", algorithm, Unit::Algorithms, "congestion control, one line for each"),
        param("rtt", "50", Unit::Ms, "round-trip time, without queues"),
        RATE,
        param("queue", "25", Unit::Packets, "room in front of the bottleneck"),
        param("loss", "0", Unit::Percent, "further losses at random"),
        param("seconds", "15", Unit::Seconds, "how long it runs"),
        param("initial-window", "10", Unit::Segments, "cwnd at the start"),
        param("ssthresh", "0", Unit::Segments, "initial ssthresh; 0 for none"),
        param("buffer", "10000", Unit::Segments, "the receiver's buffer"),
        param("sack", "on", Unit::Switch, "selective acknowledgments"),
        param("ecn", "off", Unit::Switch, "ECN, and a queue that marks when it is half full"),
    ]
}

pub(super) const TAHOE: Experiment = Experiment {
    name: "tahoe",
    about: "congestion control of 1988: every loss starts from one segment",
    what_to_see: "\
The window grows until the queue in front of the bottleneck overflows. At the third \
duplicate acknowledgment Tahoe sends the lost segment again, sets ssthresh to half of what \
was in flight, and the window to one segment: slow start begins anew, up to ssthresh, then \
one segment is added in each round trip. The link runs empty while the window is small. \
Compare with --set algorithms=tahoe,reno.",
    params: &params("tahoe"),
    run: |settings| run(settings, "tahoe", "Tahoe"),
};

pub(super) const RENO: Experiment = Experiment {
    name: "reno",
    about: "fast recovery: a loss halves the window",
    what_to_see: "\
After a loss Reno goes on at ssthresh, half of what was in flight, instead of at one \
segment: the sawtooth. Each tooth rises by one segment in a round trip until the queue \
overflows again. The window needs about as many round trips to come back as it has segments, \
which on a long fast path takes minutes. The queue panel shows that a full buffer adds delay \
for everybody. Try --set queue=5 and --set queue=100.",
    params: &params("reno"),
    run: |settings| run(settings, "reno", "Reno"),
};

pub(super) const CUBIC: Experiment = Experiment {
    name: "cubic",
    about: "a window that grows with the cube of the time since the last loss",
    what_to_see: "\
CUBIC remembers the window at which it lost. It returns to it fast, stays near it for a \
while (the flat part of the curve), then looks for more, faster and faster. It grows by time \
and not by round trips, so flows with long paths are not put at a disadvantage. After a loss \
it keeps 70 % and not half. On short slow paths it behaves as Reno would: --set rtt=100 \
rate=50 shows the cubic better. Compare with --set algorithms=reno,cubic.",
    params: &params("cubic"),
    run: |settings| run(settings, "cubic", "CUBIC"),
};

pub(super) const BBR: Experiment = Experiment {
    name: "bbr",
    about: "a model of the path instead of losses",
    what_to_see: "\
BBR measures the rate at which data arrives and the shortest round trip, and keeps about \
their product in flight, paced. It does not wait for the queue to overflow, so the queue \
stays short and losses that are not congestion cost little: try --set loss=1 \
algorithms=cubic,bbr. It looks for more bandwidth now and then, and every few seconds it \
empties the queue to measure the shortest round trip again.",
    params: &params("bbr"),
    run: |settings| run(settings, "bbr", "BBR"),
};

/// A bulk sender over a bottleneck.
pub(super) fn alone(settings: &Settings, algorithm: &str) -> Dumbbell {
    let ecn = settings.on("ecn");
    let queue = settings.count("queue").clamp(1, 100_000) as usize;
    let tcp = TcpConfig {
        congestion: algorithm.into(),
        initial_window: settings.count("initial-window").clamp(1, 1000) as u32,
        initial_ssthresh: settings.count("ssthresh").min(1 << 19) as u32 * 1460,
        sack: settings.on("sack"),
        ecn: if ecn { crate::stack::tcp::Ecn::On } else { crate::stack::tcp::Ecn::Off },
        send_buffer: 16 << 20,
        receive_buffer: settings.count("buffer").clamp(2, 1 << 18) as usize * 1460,
        ..plain_tcp(0)
    };
    let bottleneck = LinkSpec {
        rate: settings.rate("rate").max(10_000),
        delay: Duration::from_millis(1).min(settings.ms("rtt") / 2),
        queue: QueueLimit::Packets(queue),
        loss: Loss::Uniform(settings.share("loss")),
        mark: if ecn { Mark::Threshold(queue.div_ceil(2)) } else { Mark::None },
        ..LinkSpec::default()
    };
    let rtt = settings.ms("rtt");
    let spec = FlowSpec { name: algorithm.into(), tcp, start: Duration::ZERO, rtt };
    let mut run = dumbbell(settings.seed, vec![spec], bottleneck);
    run.world.run_for(settings.seconds("seconds").min(Duration::from_secs(300)));
    run
}

/// Series of one algorithm, for the three panels.
struct Lines {
    cwnd: Vec<Series>,
    queue: Vec<Series>,
    rate: Vec<Series>,
    lost: Vec<f64>,
}

fn lines(run: &Dumbbell, name: &str, colour: usize, single: bool, seconds: f64) -> Option<Lines> {
    let record = &run.world.record;
    let flow = run.flows.first()?;
    let tuple = flow.tuple(&run.world)?;
    let start = record.packets.first()?.sent;
    let segments = |bytes: u32| f64::from(bytes) / 1460.0;
    let end = (flow.sender, tuple);
    let of = |value: fn(&crate::stack::tcp::TcpInfo) -> u32| {
        trace::variable(record, end, start, |i| segments(value(i)))
    };
    let most = of(|i| i.cwnd_bytes).iter().map(|p| p.1).fold(1.0, f64::max);
    let mut cwnd = Vec::new();
    if single {
        let flight = of(|i| i.in_flight_bytes);
        cwnd.push(Series::new("in flight", 5, Style::Area, flight));
        // "None yet" is a number far beyond the picture, and no information.
        let known: Vec<_> =
            of(|i| i.ssthresh_bytes).into_iter().filter(|p| p.1 < most * 2.0).collect();
        if !known.is_empty() {
            cwnd.push(Series::new("ssthresh", 1, Style::Dashed, known));
        }
        let offered = of(|i| i.snd_wnd);
        if offered.last().is_some_and(|p| p.1 < most * 2.0) {
            cwnd.push(step("receive window", 3, offered));
        }
    }
    cwnd.push(step(if single { "cwnd" } else { name }, colour, of(|i| i.cwnd_bytes)));
    let waits = record.queues.iter().filter(|q| q.link == run.routers);
    let waits: Vec<(f64, f64)> =
        waits.map(|q| (trace::seconds(start, q.at), q.packets as f64)).collect();
    let queue = trace::highest(&waits, seconds / 300.0);
    let received = trace::variable(record, (flow.receiver, tuple.reversed()), start, |i| {
        i.bytes_received as f64 * 8e-6
    });
    let rate = trace::rate(&received, Duration::from_millis(200), seconds);
    let label = |word: &str| if single { word.to_string() } else { name.to_string() };
    Some(Lines {
        cwnd,
        queue: vec![step(&label("queue"), colour, queue)],
        rate: vec![Series::new(&label("goodput"), colour, Style::Line, rate)],
        lost: trace::losses(record, tuple, start),
    })
}

fn run(settings: &Settings, name: &str, title: &str) -> Report {
    let algorithms = settings.list("algorithms");
    let seconds = settings.seconds("seconds").as_secs_f64().min(300.0);
    let mut all = Lines { cwnd: vec![], queue: vec![], rate: vec![], lost: vec![] };
    let mut facts = Vec::new();
    for (n, algorithm) in algorithms.iter().enumerate() {
        let run = alone(settings, algorithm);
        let Some(lines) = lines(&run, algorithm, n, algorithms.len() == 1, seconds) else {
            continue;
        };
        let received: u64 = run
            .world
            .accepted(run.flows[0].receiver, PORT)
            .map_or(0, |id| run.world.progress(id).received);
        facts.push(format!(
            "{algorithm}: {:.2} Mb/s goodput, {} packets lost",
            received as f64 * 8e-6 / seconds,
            lines.lost.len()
        ));
        all.cwnd.extend(lines.cwnd);
        all.queue.extend(lines.queue);
        all.rate.extend(lines.rate);
        if algorithms.len() == 1 {
            all.lost.extend(lines.lost);
        }
    }
    let marks = loss_marks(core::mem::take(&mut all.lost));
    let panel = |axis: &str, series| Panel { axis: axis.into(), series, ..Panel::default() };
    let title = match algorithms.len() {
        1 => format!("{title}: congestion window, queue, goodput"),
        _ => format!("{}: congestion window, queue, goodput", algorithms.join(", ")),
    };
    let chart = Chart {
        name: name.into(),
        title,
        axis: "time (s)".into(),
        panels: vec![
            Panel { marks, ..panel("window (segments)", all.cwnd) },
            panel("queue (packets)", all.queue),
            panel("goodput (Mb/s)", all.rate),
        ],
        log_x: false,
    };
    Report { pictures: vec![Picture::Chart(chart)], facts }
}
