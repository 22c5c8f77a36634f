//! What many experiments need: two hosts, a bottleneck, the usual charts.
use super::settings::{Param, Settings, Unit, param};
use crate::base::FourTuple;
use crate::lab::draw::Picture;
use crate::lab::draw::ladder::{Ladder, StateMark};
use crate::lab::sim::*;
use crate::lab::trace::{self, Show};
use crate::stack::tcp::{TcpConfig, Teaching};

pub(super) const RTT: Param = param("rtt", "40", Unit::Ms, "round-trip time, without queues");
pub(super) const RATE: Param = param("rate", "10", Unit::Mbps, "rate of the link");
pub(super) const LOSE: Param =
    param("lose", "", Unit::Numbers, "which data segments are lost, counted from 1");

/// Two hosts and the link between them.
pub(super) struct Pair {
    pub world: World,
    pub client: Place,
    pub server: Place,
}

/// The port that servers listen on.
pub(super) const PORT: u16 = 80;

/// Settings of TCP that make pictures plain: no timestamps, so that a segment is 1460 bytes, and a
/// given initial sequence number.
pub(super) fn plain_tcp(isn: u32) -> TcpConfig {
    TcpConfig {
        timestamps: false,
        teaching: Teaching { initial_sequence: Some(isn), ..Teaching::default() },
        ..TcpConfig::default()
    }
}

/// A host of that name.
pub(super) fn host(name: &str, tcp: TcpConfig) -> HostSpec {
    HostSpec { tcp, ..HostSpec::named(name) }
}

/// `client` and `server` on one link.
pub(super) fn pair(seed: u64, client: TcpConfig, server: TcpConfig, there: LinkSpec) -> Pair {
    let back = LinkSpec { loss: Loss::None, reorder: 0.0, ..there.clone() };
    let mut world = World::new(seed, Medium::Ip);
    let client = world.add_host(host("client", client));
    let server = world.add_host(host("server", server));
    world.join_two(client, server, there, back);
    world.keep(true, true);
    Pair { world, client, server }
}

/// A link of the usual parameters.
pub(super) fn link(settings: &Settings) -> LinkSpec {
    let rate = settings.rate("rate");
    LinkSpec { rate, delay: settings.ms("rtt") / 2, ..LinkSpec::default() }
}

/// Losses by the parameter `lose`.
pub(super) fn listed(settings: &Settings) -> Loss {
    let list: Vec<u64> = settings.numbers("lose").iter().map(|n| *n as u64).collect();
    if list.is_empty() { Loss::None } else { Loss::Listed(list) }
}

impl Pair {
    /// The ladder of all that happened, with the states in front of it.
    pub(super) fn ladder(&self, name: &str, title: &str, show: Show) -> Picture {
        let places = [
            (self.client, self.world.name(self.client).to_string()),
            (self.server, self.world.name(self.server).to_string()),
        ];
        let record = &self.world.record;
        let start = record.packets.first().map_or(self.world.now, |p| p.sent);
        let ladder = trace::ladder(&record.packets, &record.states, &places, start, show);
        let before = |line: usize, state: &str| StateMark { line, at: -1.0, state: state.into() };
        let mut states = vec![before(0, "CLOSED"), before(1, "LISTEN")];
        states.extend(ladder.states.iter().cloned());
        Picture::Ladder(Ladder { name: name.into(), title: title.into(), states, ..ladder })
    }

    /// How the segments of this run are written.
    pub(super) fn show(settings: &Settings) -> Show {
        Show { absolute: settings.absolute.unwrap_or(false), ..Show::default() }
    }
}

/// Data segments from `place`, first ones and all.
pub(super) fn data_segments(record: &Record, place: Place) -> impl Iterator<Item = &Packet> {
    record.packets.iter().filter(move |p| p.from == place && p.view.has_data())
}

/// Acknowledgment numbers that `place` received, in order, each once, absolute.
pub(super) fn acknowledgments(record: &Record, place: Place) -> Vec<u32> {
    let mut seen = Vec::new();
    for packet in record.packets.iter().filter(|p| p.to == place && p.arrived.is_some()) {
        if let What::Tcp { ack, flags, .. } = &packet.view.what {
            if flags.has(crate::wire::tcp::Flags::ACK) && seen.last() != Some(ack) {
                seen.push(*ack);
            }
        }
    }
    seen
}

/// Several senders on the left, as many receivers on the right, one link in the middle.
pub(super) struct Dumbbell {
    pub world: World,
    pub flows: Vec<Flow>,
    pub routers: (Place, Place),
}

/// A bulk transfer over a [`Dumbbell`].
pub(super) struct Flow {
    pub program: ProgramId,
    pub sender: Place,
    pub receiver: Place,
}

impl Flow {
    /// Both ends, seen from the sender.
    pub(super) fn tuple(&self, world: &World) -> Option<FourTuple> {
        world.tuple(self.program)
    }
}

/// A flow to be: its host's TCP, when it begins, and when it stops.
pub(super) struct FlowSpec {
    pub name: String,
    pub tcp: TcpConfig,
    pub start: core::time::Duration,
    pub rtt: core::time::Duration,
}

/// `bottleneck` is the way from senders to receivers; the way back has no limit. The parts of the
/// RTT lie in the senders' access links, but for the bottleneck's delay.
pub(super) fn dumbbell(seed: u64, specs: Vec<FlowSpec>, bottleneck: LinkSpec) -> Dumbbell {
    let mut world = World::new(seed, Medium::Ip);
    world.keep(true, true);
    let left = world.add_router("left", false);
    let right = world.add_router("right", false);
    let back = LinkSpec { delay: bottleneck.delay, ..LinkSpec::default() };
    let fixed = bottleneck.delay;
    world.join_two(left, right, bottleneck, back);
    let mut flows = Vec::new();
    for spec in specs {
        let sender = world.add_host(host(&spec.name, spec.tcp.clone()));
        let receiver = world.add_host(host(&format!("to {}", spec.name), spec.tcp));
        let delay = (spec.rtt / 2).saturating_sub(fixed);
        world.join(sender, left, &LinkSpec { delay, ..LinkSpec::default() });
        let near = LinkSpec { delay: core::time::Duration::ZERO, ..LinkSpec::default() };
        world.join(right, receiver, &near);
        world.serve(receiver, PORT, Plan { end: End::Never, ..Plan::closing() });
        let plan = Plan { end: End::Never, ..Plan::sending(1 << 40) };
        let program = world.connect(sender, receiver, PORT, spec.start, plan);
        flows.push(Flow { program, sender, receiver });
    }
    Dumbbell { world, flows, routers: (left, right) }
}
