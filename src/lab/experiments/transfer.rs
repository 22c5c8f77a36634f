//! Bytes both ways over an open connection.
use super::common::*;
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::sim::*;

pub(super) const TRANSFER: Experiment = Experiment {
    name: "transfer",
    about: "a stream of bytes in segments, with its acknowledgments",
    what_to_see: "\
A sequence number counts bytes, not segments: each segment begins where the one before \
ended. An acknowledgment names the next byte that is expected, so one can stand for many. \
5,000 bytes at an MSS of 1460 are three full segments and one of 620. Acknowledgments ride \
on data that goes the other way. Try --set exchange=1000,-400,1000, a textbook's exchange, \
with --absolute, or --set lose=2 to lose the second segment.",
    params: &[
        RTT,
        RATE,
        param(
            "exchange",
            "5000",
            Unit::Numbers,
            "bytes, in turns: from the client, or from the server if negative",
        ),
        param("mtu", "1500", Unit::Bytes, "largest IP packet"),
        param("client-isn", "100", Unit::Count, "the client's first sequence number"),
        param("server-isn", "500", Unit::Count, "the server's first sequence number"),
        param("close", "off", Unit::Switch, "whether the connection is closed afterwards"),
        LOSE,
    ],
    run,
};

/// What each side writes, and after how many bytes of the other's.
fn plans(turns: &[f64], end: End) -> (Plan, Plan) {
    let mut plans = (Plan::closing(), Plan::closing());
    let (mut from_client, mut from_server) = (0, 0);
    for turn in turns {
        let bytes = turn.abs() as u64;
        let (plan, sent, heard) = match *turn >= 0.0 {
            true => (&mut plans.0, &mut from_client, from_server),
            false => (&mut plans.1, &mut from_server, from_client),
        };
        let when = if heard == 0 { When::Now } else { When::Received(heard) };
        plan.writes.push(Write { when, bytes });
        *sent += bytes;
    }
    plans.0.end = end;
    plans.1.end = if end == End::Never { End::Never } else { End::AfterPeer };
    plans
}

/// The run, for tests too.
pub(super) fn exchange(settings: &Settings) -> Pair {
    let isn = |key| settings.count(key) as u32;
    let spec = LinkSpec { loss: listed(settings), ..link(settings) };
    let mut world = World::new(settings.seed, Medium::Ip);
    world.keep(true, true);
    let mtu = settings.count("mtu").clamp(576, 9000) as u16;
    let end = |name: &str, isn| HostSpec { mtu, ..host(name, plain_tcp(isn)) };
    let client = world.add_host(end("client", isn("client-isn")));
    let server = world.add_host(end("server", isn("server-isn")));
    let spec = LinkSpec { mtu: 9000, ..spec };
    let back = LinkSpec { loss: Loss::None, ..spec.clone() };
    world.join_two(client, server, spec, back);
    let end = if settings.on("close") { End::WhenWritten } else { End::Never };
    let (there, back) = plans(&settings.numbers("exchange"), end);
    world.serve(server, PORT, back);
    world.connect(client, server, PORT, Duration::ZERO, there);
    let mut run = Pair { world, client, server };
    run.world.run_for(Duration::from_secs(120));
    run
}

fn run(settings: &Settings) -> Report {
    let run = exchange(settings);
    let sizes: Vec<String> = data_segments(&run.world.record, run.client)
        .filter_map(|p| match p.view.what {
            What::Tcp { len, .. } => Some(len.to_string()),
            _ => None,
        })
        .collect();
    let base = if settings.absolute == Some(true) { 0 } else { settings.count("client-isn") };
    let acks = acknowledgments(&run.world.record, run.client);
    let acks: Vec<String> = acks.iter().map(|a| a.wrapping_sub(base as u32).to_string()).collect();
    let ladder = run.ladder("transfer", "Bytes, segments, acknowledgments", Pair::show(settings));
    let facts = vec![
        format!("{} segments with data from the client: {} bytes", sizes.len(), sizes.join(" ")),
        format!("acknowledgments that came to the client: {}", acks.join(" ")),
    ];
    Report { pictures: vec![ladder], facts }
}
