//! Understudy against the kernel, in one run, in turns: `cargo bench --bench sockets`.
//!
//! Prints a table with the median of each figure and the ratio; above 1.00 Understudy is ahead.
//! Local: two programs on one machine. Wire: a program, a veth pair, and a program on the kernel's
//! sockets. An argument (`local`, `wire`, `start`) runs that part only; `--rounds N` changes their
//! number.
#[path = "../common/mod.rs"]
mod common;
mod worker;

use common::wire::Wire;
use common::{Host, Mode, artifacts, need};
use std::process::Command;
use std::time::{Duration, Instant};

/// One line of the table.
struct Measure {
    title: &'static str,
    unit: &'static str,
    /// What [`worker`] calls it.
    kind: &'static str,
    /// Both programs on one core.
    pinned: bool,
    /// Whether a smaller figure is a better one.
    small_is_good: bool,
}

const MEASURES: &[Measure] = &[
    Measure {
        title: "connect, 1 byte there and back, close",
        unit: "per second",
        kind: "connections",
        pinned: false,
        small_is_good: false,
    },
    Measure {
        title: "1-byte ping-pong, one core",
        unit: "µs",
        kind: "pingpong",
        pinned: true,
        small_is_good: true,
    },
    Measure {
        title: "1-byte ping-pong, any core",
        unit: "µs",
        kind: "pingpong",
        pinned: false,
        small_is_good: true,
    },
    Measure {
        title: "stream, writes of 4 KiB",
        unit: "Gb/s",
        kind: "4096",
        pinned: false,
        small_is_good: false,
    },
    Measure {
        title: "stream, writes of 128 KiB",
        unit: "Gb/s",
        kind: "131072",
        pinned: false,
        small_is_good: false,
    },
];

/// Where the two programs of a measurement run.
struct Place<'a> {
    client: &'a Host,
    server: &'a Host,
    /// The server's address as the client sees it.
    address: &'a str,
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// One figure.
fn figure(measure: &Measure, place: &Place, port: u16) -> f64 {
    let exe = std::env::current_exe().unwrap();
    let address = format!("{}:{port}", place.address);
    let task = |host: &Host, role: &str| {
        let pin: &[&str] = if measure.pinned { &["taskset", "-c", "0"] } else { &[] };
        let worker = [exe.to_str().unwrap(), "worker", role, measure.kind, &address];
        host.task(&[pin, &worker].concat())
    };
    let server = place.server.tcp_server(task(place.server, "serve"), port);
    let figure = task(place.client, "drive").ok().trim().parse().expect("a figure");
    server.finish().ok();
    figure
}

/// One part of the table: each measure in turns, kernel and Understudy.
fn part(title: &str, places: [&Place; 2], rounds: usize) {
    for measure in MEASURES {
        let mut figures = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for (place, figures) in places.iter().zip(&mut figures) {
                // A new port each time: nothing left of the last round can be in the way.
                figures.push(figure(measure, place, 20_000 + round as u16));
            }
        }
        let [kernel, ours] = figures.each_mut().map(|f| median(f));
        let ratio = if measure.small_is_good { kernel / ours } else { ours / kernel };
        let decimals = if kernel >= 1000.0 { 0 } else { 1 };
        println!(
            "| {title}: {} | {} | {kernel:.decimals$} | {ours:.decimals$} | {ratio:.2} |",
            measure.title, measure.unit
        );
    }
}

fn local(rounds: usize) {
    let [kernel, ours] = [Mode::Kernel, Mode::Understudy].map(Host::local);
    let [a, b] = [&kernel, &ours].map(|h| Place { client: h, server: h, address: "127.0.0.1" });
    part("local", [&a, &b], rounds);
}

fn wire(rounds: usize) {
    let [kernel, ours] = [Mode::Kernel, Mode::Understudy].map(Wire::new);
    let [a, b] = [&kernel, &ours].map(|w| Place {
        client: &w.ours,
        server: &w.peer,
        address: common::wire::PEER4,
    });
    part("wire", [&a, &b], rounds);
}

/// What the preload adds to the start of a program.
fn start(rounds: usize) {
    let library = artifacts::library();
    let run = |preload: bool| {
        let begin = Instant::now();
        for _ in 0..100 {
            let mut command = Command::new("/bin/true");
            if preload {
                command.env("LD_PRELOAD", &library);
            }
            assert!(command.status().unwrap().success());
        }
        Duration::as_secs_f64(&begin.elapsed()) * 1e6 / 100.0
    };
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        figures[0].push(run(false));
        figures[1].push(run(true));
    }
    let [without, with] = figures.each_mut().map(|f| median(f));
    println!("| start of /bin/true | µs | {without:.0} | {with:.0} | +{:.0} µs |", with - without);
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if args.first().is_some_and(|a| a == "worker") {
        return worker::main(&args[1..]).expect("the measured program");
    }
    if let Some(missing) = need::missing(&["taskset"]) {
        return need::skip(&missing);
    }
    let rounds = args.iter().skip_while(|a| *a != "--rounds").nth(1);
    let rounds = rounds.map_or(5, |n| n.parse().expect("--rounds N"));
    let named = |name: &str| args.iter().any(|a| a == name);
    let all = !["local", "wire", "start"].iter().any(|name| named(name));
    println!("| what | unit | kernel | Understudy | ratio |\n|---|---|---|---|---|");
    if all || named("local") {
        local(rounds);
    }
    if all || named("wire") {
        wire(rounds);
    }
    if all || named("start") {
        start(rounds);
    }
}
