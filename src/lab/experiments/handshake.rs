//! Opening a connection.
use super::common::{PORT, Pair, RTT, pair, plain_tcp};
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::sim::*;

pub(super) const HANDSHAKE: Experiment = Experiment {
    name: "handshake",
    about: "three segments open a connection",
    what_to_see: "\
Each side chooses a first sequence number and tells the other in a SYN; the other \
acknowledges it plus one, because a SYN takes one number. The client is established one \
round trip after its SYN, the server half a round trip later. Options such as the MSS stand \
in SYNs only. With --set lose-syn=2 the second SYN is lost as well as the first: the timer \
doubles each time. With --set listen=off nobody listens, and the answer is a reset.",
    params: &[
        RTT,
        param("client-isn", "100", Unit::Count, "the client's first sequence number"),
        param("server-isn", "500", Unit::Count, "the server's first sequence number"),
        param("lose-syn", "0", Unit::Packets, "so many SYNs are lost first"),
        param("listen", "on", Unit::Switch, "whether the server listens"),
    ],
    run,
};

fn run(settings: &Settings) -> Report {
    let isn = |key| settings.count(key) as u32;
    let loss = Loss::First(settings.count("lose-syn"));
    let spec = LinkSpec { delay: settings.ms("rtt") / 2, loss, ..LinkSpec::default() };
    let (a, b) = (plain_tcp(isn("client-isn")), plain_tcp(isn("server-isn")));
    let mut run = pair(settings.seed, a, b, spec);
    if settings.on("listen") {
        run.world.serve(run.server, PORT, Plan { end: End::Never, ..Plan::closing() });
    }
    let plan = Plan { end: End::Never, ..Plan::closing() };
    let program = run.world.connect(run.client, run.server, PORT, Duration::ZERO, plan);
    run.world.run_for(Duration::from_secs(100));
    let progress = run.world.progress(program);
    let outcome = match (progress.opened_at, progress.error) {
        (Some(at), _) => {
            format!("the client is established after {:.1} ms", at.as_nanos() as f64 / 1e6)
        }
        (None, error) => format!("the connection was not opened: {error:?}"),
    };
    let mut show = Pair::show(settings);
    show.absolute = settings.absolute.unwrap_or(true);
    let ladder = run.ladder("handshake", "Opening a connection", show);
    Report { pictures: vec![ladder], facts: vec![outcome] }
}
