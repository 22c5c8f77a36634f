//! Goodput by loss, reordering, delay and algorithm, in virtual time: a table that is committed, so
//! that whoever changes TCP sees what it did.
use super::sim::*;
use crate::base::time::Duration;
use crate::stack::tcp::{TcpConfig, congestion};

/// Of the bottleneck, bits per second.
const RATE: u64 = 20_000_000;
/// What waits in front of it, packets.
const QUEUE: usize = 100;
/// How long each cell runs.
const TIME: Duration = Duration::from_secs(10);
/// Runs with different seeds behind each cell.
const SEEDS: u64 = 2;
/// Round-trip times, milliseconds.
const RTTS: [u64; 2] = [20, 100];

/// What is wrong with a path.
struct Trouble {
    name: &'static str,
    loss: Loss,
    /// Share of packets that come 5 ms late.
    reorder: f64,
}

fn troubles() -> Vec<Trouble> {
    let loss = |name, loss| Trouble { name, loss, reorder: 0.0 };
    vec![
        loss("none", Loss::None),
        loss("0.1 % loss", Loss::Uniform(0.001)),
        loss("1 % loss", Loss::Uniform(0.01)),
        loss("3 % loss", Loss::Uniform(0.03)),
        loss("1 % loss in bursts of 4", Loss::bursts(0.01, 4.0)),
        Trouble { name: "1 % come 5 ms late", loss: Loss::None, reorder: 0.01 },
    ]
}

/// Megabits per second that arrive in order.
fn cell(trouble: &Trouble, rtt: u64, algorithm: &str, seed: u64) -> f64 {
    let tcp = TcpConfig {
        congestion: algorithm.into(),
        send_buffer: 8 << 20,
        receive_buffer: 8 << 20,
        ..TcpConfig::default()
    };
    let mut world = World::new(seed, Medium::Ip);
    let sender = world.add_host(HostSpec { tcp: tcp.clone(), ..HostSpec::named("sender") });
    let receiver = world.add_host(HostSpec { tcp, ..HostSpec::named("receiver") });
    let there = LinkSpec {
        rate: RATE,
        delay: Duration::from_millis(rtt) / 2,
        queue: QueueLimit::Packets(QUEUE),
        loss: trouble.loss.clone(),
        reorder: trouble.reorder,
        late_by: Duration::from_millis(5),
        ..LinkSpec::default()
    };
    let back = LinkSpec { loss: Loss::None, reorder: 0.0, rate: 0, ..there.clone() };
    world.join_two(sender, receiver, there, back);
    world.serve(receiver, 80, Plan { end: End::Never, ..Plan::closing() });
    let plan = Plan { end: End::Never, ..Plan::sending(1 << 40) };
    world.connect(sender, receiver, 80, Duration::ZERO, plan);
    world.run_for(TIME);
    let received = world.accepted(receiver, 80).map_or(0, |id| world.progress(id).received);
    received as f64 * 8e-6 / TIME.as_secs_f64()
}

/// The table, in Markdown.
pub fn table() -> String {
    let names = congestion::NAMES;
    let mut out = format!(
        "# Goodput under trouble\n\n\
         Megabits per second that arrive in order in {} s of virtual time, over a link of {} Mb/s \
         with room for {QUEUE} packets in front of it; the mean of {SEEDS} seeds, in the simulator \
         (`src/lab/goodput.rs`). {:.1} would be all that fits.\n\n\
         `cargo test --test lab goodput` compares this page with what the code does now, and fails \
         if a number is off by more than 15 %;\n\
         `UNDERSTUDY_WRITE=1 cargo test --test lab goodput` writes it.\n\n| RTT | trouble |",
        TIME.as_secs(),
        RATE / 1_000_000,
        RATE as f64 / 1e6 * 1448.0 / 1500.0,
    );
    names.iter().for_each(|name| out.push_str(&format!(" {name} |")));
    out.push_str(&format!("\n|---|---|{}\n", "---:|".repeat(names.len())));
    for rtt in RTTS {
        for trouble in troubles() {
            out.push_str(&format!("| {rtt} ms | {} |", trouble.name));
            for name in names {
                let sum: f64 = (1..=SEEDS).map(|seed| cell(&trouble, rtt, name, seed)).sum();
                out.push_str(&format!(" {:.2} |", sum / SEEDS as f64));
            }
            out.push('\n');
        }
    }
    out
}
