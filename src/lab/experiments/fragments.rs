//! Packets that are too large for a link on the way.
use super::common::*;
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::addr::SocketAddr;
use crate::base::time::Duration;
use crate::lab::draw::Picture;
use crate::lab::draw::ladder::Ladder;
use crate::lab::sim::*;
use crate::lab::trace::{self, Show};

pub(super) const FRAGMENTATION: Experiment = Experiment {
    name: "fragmentation",
    about: "a datagram in pieces: cut by the sender and by a router, put together at the end",
    what_to_see: "\
A UDP datagram larger than the MTU leaves its host in fragments: each is an IP packet with \
the same identification and its offset in bytes, all but the last with the flag that more \
follow. A router whose next link is narrower cuts them again. Only the receiver puts them \
together, and only when all are there: with --set lose=2 one piece is missing and the whole \
datagram is lost. UDP does not send it again.",
    params: &[
        param("rtt", "40", Unit::Ms, "round-trip time"),
        param("bytes", "4000", Unit::Bytes, "payload of the datagram"),
        param("mtu", "1500", Unit::Bytes, "of the first link"),
        param("narrow", "1000", Unit::Bytes, "MTU of the second link"),
        param("lose", "", Unit::Numbers, "which packets are lost on the second link, from 1"),
    ],
    run: fragmentation,
};

pub(super) const PMTUD: Experiment = Experiment {
    name: "pmtud",
    about: "path MTU discovery: a router says what fits, or says nothing",
    what_to_see: "\
TCP forbids fragmentation. A router that cannot forward a segment answers with an ICMP \
message that names the MTU of its next link, and the sender goes on with smaller segments, \
in the middle of the connection: one round trip is lost, nothing else. With --set icmp=off \
the message is filtered, as it often is in the Internet: large segments vanish in silence (a \
black hole), and a sender that does not probe for what goes through (RFC 4821) stands still.",
    params: &[
        param("rtt", "40", Unit::Ms, "round-trip time"),
        param("bytes", "8000", Unit::Bytes, "what is sent"),
        param("narrow", "1000", Unit::Bytes, "MTU of the second link"),
        param("icmp", "on", Unit::Switch, "whether the router's messages arrive"),
    ],
    run: pmtud,
};

struct Path {
    world: World,
    places: [(Place, String); 3],
}

impl Path {
    fn new(settings: &Settings, mtu: u16, silent: bool, loss: Loss) -> Path {
        let mut world = World::new(settings.seed, Medium::Ip);
        world.keep(true, true);
        let mut tcp = plain_tcp(0);
        tcp.initial_window = 4;
        let client = world.add_host(HostSpec { mtu, ..host("client", tcp.clone()) });
        let router = world.add_router("router", silent);
        let server = world.add_host(HostSpec { mtu: 9000, ..host("server", tcp) });
        let narrow = settings.count("narrow").clamp(576, 9000) as u16;
        let delay = settings.ms("rtt") / 4;
        let rate = 20_000_000;
        let first = LinkSpec { mtu, rate, delay, ..LinkSpec::default() };
        world.join(client, router, &first);
        let second = LinkSpec { mtu: narrow, rate, delay, loss, ..LinkSpec::default() };
        let back = LinkSpec { loss: Loss::None, ..second.clone() };
        world.join_two(router, server, second, back);
        let places = [client, router, server].map(|p| (p, world.name(p).to_string()));
        Path { world, places }
    }

    fn ladder(&self, name: &str, title: &str, show: Show) -> Picture {
        let record = &self.world.record;
        let start = record.packets.first().map_or(self.world.now, |p| p.sent);
        let ladder = trace::ladder(&record.packets, &record.states, &self.places, start, show);
        Picture::Ladder(Ladder { name: name.into(), title: title.into(), ..ladder })
    }
}

fn fragmentation(settings: &Settings) -> Report {
    let mtu = settings.count("mtu").clamp(576, 9000) as u16;
    let mut path = Path::new(settings, mtu, false, listed(settings));
    let [(client, _), _, (server, _)] = path.places.clone();
    path.world.open_udp(server, 53);
    let to = SocketAddr::new(path.world.address(server, true), 53);
    let size = settings.count("bytes").clamp(8, 65_507) as usize;
    let (start, every) = (Duration::ZERO, Duration::ZERO);
    path.world.send_udp(client, UdpPlan { to, port: 5353, size, count: 1, start, every });
    path.world.run_for(Duration::from_secs(60));
    let pieces = |from: Place| {
        path.world.record.packets.iter().filter(|p| p.from == from && p.view.has_data()).count()
    };
    let came = path.world.host(server).map_or(0, |h| h.datagrams.len());
    let facts = vec![
        format!("{} packets on the first link, {} on the second", pieces(client), pieces(Place(1))),
        format!("{came} of 1 datagram arrived"),
    ];
    let title =
        format!("A datagram of {size} bytes over MTUs of {mtu} and {}", settings.text("narrow"));
    let ladder = path.ladder("fragmentation", &title, Pair::show(settings));
    Report { pictures: vec![ladder], facts }
}

fn pmtud(settings: &Settings) -> Report {
    let silent = !settings.on("icmp");
    let mut path = Path::new(settings, 1500, silent, Loss::None);
    let [(client, _), _, (server, _)] = path.places.clone();
    path.world.serve(server, PORT, Plan { end: End::Never, ..Plan::closing() });
    let plan = Plan { end: End::Never, ..Plan::sending(settings.count("bytes").min(1 << 24)) };
    let program = path.world.connect(client, server, PORT, Duration::ZERO, plan);
    path.world.run_for(Duration::from_secs(120));
    let received = path.world.accepted(server, PORT).map(|id| path.world.progress(id));
    let received = received.unwrap_or_default();
    let info = path.world.tuple(program).and_then(|t| path.world.info(t, client));
    let at = received.received_at.map_or(0.0, |at| at.as_nanos() as f64 / 1e6);
    let facts = vec![
        format!("the sender believes in an MTU of {} bytes", info.map_or(0, |i| i.pmtu)),
        format!("{} bytes had arrived after {at:.0} ms", received.received),
    ];
    let name = if silent { "pmtud-black-hole" } else { "pmtud" };
    let title = match silent {
        true => "Path MTU discovery with ICMP filtered",
        false => "Path MTU discovery",
    };
    let ladder = path.ladder(name, title, Show { most: 70, ..Pair::show(settings) });
    Report { pictures: vec![ladder], facts }
}
