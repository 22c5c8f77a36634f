//! Flow control: a reader that is slower than the sender.
use super::common::*;
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::draw::Picture;
use crate::lab::draw::chart::{Chart, Panel};
use crate::lab::sim::*;
use crate::lab::trace::{self, Show, step};
use crate::stack::tcp::TcpConfig;

pub(super) const WINDOW: Experiment = Experiment {
    name: "window",
    about: "a reader that pauses: zero window, probes, window update",
    what_to_see: "\
While the program does not read, the bytes pile up at the receiver and the window that it \
offers falls by as much, to zero: the sender stops, although the network is idle. Then it \
probes, each time after twice as long, because the update that opens the window could be \
lost and both would wait for ever. When the program reads, an update comes at once and the \
data flows on. The right edge of the window never moves back.",
    params: &[
        RTT,
        RATE,
        param("buffer", "8000", Unit::Bytes, "the receiver's buffer"),
        param("bytes", "20000", Unit::Bytes, "what is sent"),
        param("pause", "2500", Unit::Ms, "how long the program does not read"),
    ],
    run,
};

fn run(settings: &Settings) -> Report {
    let receiver = TcpConfig {
        receive_buffer: settings.count("buffer").clamp(2_000, 1 << 30) as usize,
        ..plain_tcp(500)
    };
    let mut run = pair(settings.seed, plain_tcp(100), receiver, link(settings));
    let pause = Reader::Pause { from: Duration::ZERO, until: settings.ms("pause") };
    run.world.serve(run.server, PORT, Plan { reader: pause, end: End::Never, ..Plan::closing() });
    let plan = Plan { end: End::Never, ..Plan::sending(settings.count("bytes")) };
    let program = run.world.connect(run.client, run.server, PORT, Duration::ZERO, plan);
    run.world.run_for(settings.ms("pause") + Duration::from_secs(6));
    let show = Show { windows: true, ..Pair::show(settings) };
    let ladder = run.ladder("window", "A slow reader: zero window, probes, update", show);
    let record = &run.world.record;
    let start = record.packets.first().map_or(run.world.now, |p| p.sent);
    let (Some(tuple), kb) = (run.world.tuple(program), 1e-3) else { return Report::default() };
    let sender = (run.client, tuple);
    let receiver = (run.server, tuple.reversed());
    let offered = trace::variable(record, sender, start, |i| f64::from(i.snd_wnd) * kb);
    let flight = trace::variable(record, sender, start, |i| f64::from(i.in_flight_bytes) * kb);
    let unread = trace::variable(record, receiver, start, |i| f64::from(i.receive_queue) * kb);
    let panel = Panel {
        axis: "kilobytes".into(),
        series: vec![
            step("window offered", 0, offered),
            step("unread at the receiver", 1, unread),
            step("in flight", 2, flight),
        ],
        ..Panel::default()
    };
    let chart = Chart {
        name: "window-time".into(),
        title: "What the window does".into(),
        axis: "time (s)".into(),
        panels: vec![panel],
        log_x: false,
    };
    let zero = |p: &&Packet| {
        let window = |w: &What| {
            matches!(w, What::Tcp { window: 0, flags, .. }
            if !flags.has(crate::wire::tcp::Flags::RST))
        };
        p.from == run.server && window(&p.view.what)
    };
    let zeros = record.packets.iter().filter(zero).count();
    let facts = vec![format!("{zeros} segments offered a window of zero")];
    Report { pictures: vec![ladder, Picture::Chart(chart)], facts }
}
