//! Goodput over bad paths, beside the kernel's, in turns: `cargo bench --bench trouble`.
//!
//! Three hosts on one bridge: one on the kernel's sockets, one on ours, and a peer that is the
//! kernel; the way to the peer is impaired in both directions. Each cell: iperf3 sends to the peer
//! (or, in the second table, the peer sends), and what arrived counts. At last a flow of ours and
//! one of the kernel share a bottleneck for a minute. The kernel's algorithm is CUBIC.
//!
//! `send`, `receive`, `fair` run one part only; `--seconds N`, `--rounds N`, `--algorithm NAME`
//! (ours), `--only WORDS` (cells whose title has these), `--keep DIR` (iperf3's reports).
mod bridge;
#[path = "../common/mod.rs"]
mod common;

use common::netns::Netns;
use common::task::Program;
use common::wire::{start_engine, unique_name};
use common::{Host, Mode, need};
use serde_json::Value;
use std::time::Duration;

/// A path: its title, and the options of `impair` (the delay is half a round trip).
const CELLS: &[(&str, &str)] = &[
    ("0.1 % loss, 20 ms", "loss=0.1%,delay=10ms"),
    ("1 % loss, 20 ms", "loss=1%,delay=10ms"),
    ("3 % loss, 20 ms", "loss=3%,delay=10ms"),
    ("0.1 % loss, 100 ms", "loss=0.1%,delay=50ms"),
    ("1 % loss, 100 ms", "loss=1%,delay=50ms"),
    ("3 % loss, 100 ms", "loss=3%,delay=50ms"),
    ("1 % reordered, 20 ms, 100 Mb/s", "reorder=1%,delay=10ms,rate=100Mbit"),
    ("1 % loss in bursts of 5, 20 ms", "loss=1%,burst=5,delay=10ms"),
    ("10 Mb/s, 20 frames of queue, 20 ms", "rate=10Mbit,queue=20,delay=10ms"),
];
/// The bottleneck that two flows share.
const SHARED: &str = "rate=10Mbit,queue=50,delay=20ms";

const KERNEL: &str = "10.78.0.2";
const OURS: &str = "10.78.0.3";
const PEER: &str = "10.78.0.1";

struct Settings {
    seconds: u32,
    rounds: usize,
    algorithm: String,
    /// Where iperf3's reports are to be kept, if anywhere.
    keep: Option<String>,
}

/// The hosts and what joins them; all end with it.
struct World {
    kernel: Host,
    ours: Host,
    peer: Host,
    _engine: Program,
    _bridge: Program,
}

fn kernel_host(bridge: &Host, device: &str, address: &str) -> Host {
    let mut host = Host::on(bridge.netns.beside(), Mode::Kernel);
    host.quiet = true;
    bridge.netns.ip(&format!("link set {device} netns {}", host.netns.pid()));
    host.netns.ip(&format!("link set {device} up"));
    host.netns.ip(&format!("address add {address}/24 dev {device}"));
    // What was learnt on the last path is not to be used on the next.
    host.netns.sh("echo 1 > /proc/sys/net/ipv4/tcp_no_metrics_save");
    host.netns.sh("echo cubic > /proc/sys/net/ipv4/tcp_congestion_control");
    host
}

impl World {
    fn new(path: &str, settings: &Settings) -> World {
        let mut middle = Host::on(Netns::new(), Mode::Kernel);
        middle.quiet = true;
        let exe = std::env::current_exe().unwrap();
        let argv = [exe.to_str().unwrap(), "bridge", "kernel0,ours0,peer0", path];
        let mut bridge = middle.plain(&argv).start();
        bridge.wait_until_it_says("ready\n");
        let peer = kernel_host(&middle, "peer0", PEER);
        let kernel = kernel_host(&middle, "kernel0", KERNEL);
        let mut ours = Host::on(middle.netns.beside(), Mode::Understudy);
        ours.netns.sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
        middle.netns.ip(&format!("link set ours0 netns {}", ours.netns.pid()));
        ours.netns.ip("link set ours0 up");
        let name = unique_name();
        let toml = format!(
            "name = \"{name}\"\naddresses = [\"{OURS}/24\"]\n\
             [[link]]\ndevice = \"packet:ours0\"\n[tcp]\ncongestion = \"{}\"\n",
            settings.algorithm
        );
        let file = ours.file("net.toml", toml);
        let engine = start_engine(&ours, &file);
        ours.net = Some(name);
        World { kernel, ours, peer, _engine: engine, _bridge: bridge }
    }

    fn host(&self, mode: Mode) -> &Host {
        if mode == Mode::Kernel { &self.kernel } else { &self.ours }
    }

    /// Starts a transfer to the peer; its server and its client.
    fn start(&self, mode: Mode, seconds: u32, port: u16, back: bool) -> (Program, Program) {
        let line = format!("iperf3 -s -1 -p {port}");
        let server = self.peer.tcp_server(self.peer.line(&line), port);
        let back = if back { "-R --get-server-output" } else { "" };
        let line = format!("iperf3 -J -c {PEER} -p {port} -t {seconds} {back}");
        (server, self.host(mode).line(&line).start())
    }
}

/// What arrived, in Mb/s.
fn goodput((server, client): (Program, Program), seconds: u32, keep: Option<&str>) -> f64 {
    let limit = Duration::from_secs(u64::from(seconds) + 60);
    let report = client.finish_within(limit).ok();
    server.finish_within(limit).ok();
    if let Some(file) = keep {
        std::fs::write(file, &report).expect("a file for iperf3's report");
    }
    let report: Value = serde_json::from_str(&report).expect("iperf3 prints JSON");
    report["end"]["sum_received"]["bits_per_second"].as_f64().expect("a figure") / 1e6
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn table(title: &str, back: bool, cells: &[(&str, &str)], settings: &Settings) {
    println!("\n| {title} | kernel Mb/s | Understudy Mb/s | ratio |\n|---|---|---|---|");
    for (cell, path) in cells {
        let mut figures = [Vec::new(), Vec::new()];
        for round in 0..settings.rounds {
            let path = format!("{path},seed={}", 10 * (round + 1));
            for (mode, figures) in [Mode::Kernel, Mode::Understudy].iter().zip(&mut figures) {
                // A new bridge with the same seed: the same frames are lost.
                let world = World::new(&path, settings);
                let transfer = world.start(*mode, settings.seconds, 5201, back);
                let name =
                    format!("{title}, {cell}, {}, {mode:?}.json", round + 1).replace('/', " per ");
                let keep = settings.keep.as_ref().map(|dir| format!("{dir}/{name}"));
                figures.push(goodput(transfer, settings.seconds, keep.as_deref()));
            }
        }
        let [kernel, ours] = figures.each_mut().map(|f| median(f));
        println!("| {cell} | {kernel:.2} | {ours:.2} | {:.2} |", ours / kernel);
    }
}

/// Two flows at one bottleneck; Jain's index: 1.0 when they get the same.
fn fair(settings: &Settings) {
    let world = World::new(&format!("{SHARED},seed=1"), settings);
    let flows = [(Mode::Kernel, 5201), (Mode::Understudy, 5202)]
        .map(|(mode, port)| world.start(mode, 60, port, false));
    let [kernel, ours] = flows.map(|flow| goodput(flow, 60, None));
    let jain = (kernel + ours).powi(2) / (2.0 * (kernel * kernel + ours * ours));
    println!("\n| shared for 60 s | kernel Mb/s | Understudy Mb/s | Jain's index |");
    println!("|---|---|---|---|\n| {SHARED} | {kernel:.2} | {ours:.2} | {jain:.3} |");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if args.first().is_some_and(|a| a == "bridge") {
        return bridge::main(&args[1..]).expect("the bridge");
    }
    let missing = need::missing(&["iperf3"]).or((!need::root()).then(|| "root".into()));
    if let Some(missing) = missing {
        return need::skip(&missing);
    }
    let value = |key: &str| args.iter().skip_while(|a| *a != key).nth(1).cloned();
    let number = |key: &str, default: u32| {
        value(key).map_or(default, |n| n.parse().unwrap_or_else(|_| panic!("{key} N")))
    };
    let settings = Settings {
        seconds: number("--seconds", 10),
        rounds: number("--rounds", 3) as usize,
        algorithm: value("--algorithm").unwrap_or_else(|| "cubic".into()),
        keep: value("--keep"),
    };
    let words = value("--only").unwrap_or_default();
    let cells: Vec<_> = CELLS.iter().copied().filter(|c| c.0.contains(&words)).collect();
    let named = |name: &str| args.iter().any(|a| a == name);
    let all = !["send", "receive", "fair"].iter().any(|name| named(name));
    if all || named("send") {
        table("we send", false, &cells, &settings);
    }
    if all || named("receive") {
        table("we receive", true, &cells, &settings);
    }
    if all || named("fair") {
        fair(&settings);
    }
}
