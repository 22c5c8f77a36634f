//! The ways a connection ends.
use super::common::{PORT, Pair, RTT, pair, plain_tcp};
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::time::Duration;
use crate::lab::sim::*;
use crate::lab::trace::state_name;
use crate::stack::tcp::{State, TcpConfig};

const KINDS: &[&str] = &["normal", "simultaneous", "half-close", "reset", "unread"];

pub(super) const CLOSE: Experiment = Experiment {
    name: "close",
    about: "the ways a connection ends, with the states of both ends",
    what_to_see: "\
Each direction is closed by its own FIN, which takes a sequence number and is acknowledged \
like a byte. Who closes first goes through FIN-WAIT-1 and FIN-WAIT-2 to TIME-WAIT, and stays \
there for twice the lifetime of a segment, so that the last ACK can be repeated; the other \
goes through CLOSE-WAIT and LAST-ACK. kind=simultaneous shows CLOSING on both sides. \
kind=half-close: the server goes on sending after the client's FIN. kind=reset: one RST, and \
all is over. kind=unread: a program that goes away with data unread causes a reset too.",
    params: &[
        RTT,
        param("kind", "normal", Unit::Choice(KINDS), "how it is closed"),
        param("msl", "2000", Unit::Ms, "the maximum segment lifetime: TIME-WAIT is twice that"),
    ],
    run,
};

fn run(settings: &Settings) -> Report {
    let rtt = settings.ms("rtt");
    let spec = LinkSpec { delay: rtt / 2, ..LinkSpec::default() };
    let tcp = |isn| TcpConfig { time_wait: settings.ms("msl") * 2, ..plain_tcp(isn) };
    let mut run = pair(settings.seed, tcp(100), tcp(500), spec);
    // The client is established half a round trip earlier than the server.
    let later = rtt * 3;
    let kind = settings.text("kind");
    let write = |when, bytes| Write { when, bytes };
    let (mut client, mut server) = (Plan::closing(), Plan::closing());
    match kind {
        "simultaneous" => {
            client.end = End::At(later);
            server.end = End::At(later - rtt / 2);
        }
        "half-close" => {
            client.writes.push(write(When::Now, 1000));
            client.end = End::WhenWritten;
            let answers = [2000, 500].map(|bytes| write(When::After(rtt), bytes));
            server.writes.extend(answers);
        }
        "reset" => client.end = End::AbortAt(later),
        "unread" => {
            server.writes.push(write(When::Now, 1000));
            client.reader = Reader::Pause { from: Duration::ZERO, until: later * 2 };
            client.end = End::ExitAt(later);
        }
        _ => {
            client.writes.push(write(When::Now, 1000));
            client.end = End::At(later);
            server.end = End::AfterPeerBy(rtt);
        }
    }
    run.world.serve(run.server, PORT, server);
    run.world.connect(run.client, run.server, PORT, Duration::ZERO, client);
    run.world.run_for(Duration::from_secs(300));
    let title = format!("Closing a connection: {kind}");
    let ladder = run.ladder(&format!("close-{kind}"), &title, Pair::show(settings));
    let path = |place| {
        let states = run.world.record.states.iter().filter(|s| s.place == place);
        let names: Vec<&str> = states.map(|s| state_name(s.state)).collect();
        names.join(" > ")
    };
    let of_client = run.world.record.states.iter().filter(|s| s.place == run.client);
    let of_client: Vec<_> = of_client.collect();
    let waited = of_client.windows(2).find(|w| w[0].state == State::TimeWait);
    let mut facts =
        vec![format!("client: {}", path(run.client)), format!("server: {}", path(run.server))];
    if let Some(pair) = waited {
        let time = pair[1].at.since(pair[0].at).as_secs_f64();
        facts.push(format!("TIME-WAIT lasted {time:.1} s"));
    }
    Report { pictures: vec![ladder], facts }
}
