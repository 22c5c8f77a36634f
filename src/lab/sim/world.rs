//! Places, the links between them, and the clock.
use super::host::{self, Host, HostSpec, UdpPlan};
use super::link::{Link, LinkSpec};
use super::place::Place;
use super::program::{Plan, Program, Progress};
use super::record::Record;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::{FourTuple, Instant, Rng, time::Duration};
use crate::stack::{ConnId, Medium};
use std::collections::BTreeMap;

/// A program: on which host, and its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProgramId(pub(super) Place, pub(super) usize);

#[derive(Debug)]
pub(super) enum Kind {
    Host(Box<Host>),
    /// A router ([`Medium::Ip`]) or a switch ([`Medium::Ethernet`]).
    Router {
        name: String,
        /// It sends no errors: a black hole for packets that are too big.
        silent: bool,
    },
}

/// A frame on its way.
#[derive(Debug)]
pub(super) struct Flying {
    /// Where it is going next; where it is if it sets off there.
    pub to: Place,
    pub from: Place,
    pub bytes: Vec<u8>,
    /// Its place in the record.
    pub noted: Option<usize>,
}

/// See the module.
#[derive(Debug)]
pub struct World {
    /// The time.
    pub now: Instant,
    /// What has happened.
    pub record: Record,
    /// Time stood still: some host wants to be woken for ever, or sends without end.
    pub stuck: Option<String>,
    pub(super) medium: Medium,
    pub(super) seed: u64,
    pub(super) rng: Rng,
    pub(super) places: Vec<Kind>,
    pub(super) links: Vec<Link>,
    /// Which link leads from a place to another; made when it is first needed.
    pub(super) next_link: Vec<Vec<Option<usize>>>,
    pub(super) flying: BTreeMap<(Instant, u64), Flying>,
    pub(super) connects: BTreeMap<(Instant, u64), (ProgramId, FourTuple, Plan)>,
    pub(super) serial: u64,
    pub(super) same_instant: u32,
}

impl World {
    /// Nothing yet. All hosts have interfaces of this medium; with [`Medium::Ethernet`] routers are
    /// switches.
    pub fn new(seed: u64, medium: Medium) -> World {
        World {
            now: Instant::ZERO,
            record: Record::default(),
            stuck: None,
            medium,
            seed,
            rng: Rng::seeded(seed),
            places: Vec::new(),
            links: Vec::new(),
            next_link: Vec::new(),
            flying: BTreeMap::new(),
            connects: BTreeMap::new(),
            serial: 0,
            same_instant: 0,
        }
    }

    /// Of all interfaces.
    pub fn medium(&self) -> Medium {
        self.medium
    }

    /// Keeps packets and states from now on, and samples of connections and queues.
    pub fn keep(&mut self, packets: bool, samples: bool) {
        self.record.keep_packets = packets;
        self.record.keep_samples = samples;
    }

    /// A host. It has the addresses 10.0.0.n and fd00::n, n from 1.
    pub fn add_host(&mut self, spec: HostSpec) -> Place {
        let place = self.places.len();
        let seed = self.seed.wrapping_add(place as u64);
        self.places.push(Kind::Host(Box::new(Host::new(spec, place, self.medium, seed))));
        Place(place)
    }

    /// A router. `silent`: it sends no ICMP.
    pub fn add_router(&mut self, name: &str, silent: bool) -> Place {
        self.places.push(Kind::Router { name: name.into(), silent });
        Place(self.places.len() - 1)
    }

    /// A link, the same in both directions.
    pub fn join(&mut self, a: Place, b: Place, spec: &LinkSpec) {
        self.join_two(a, b, spec.clone(), spec.clone());
    }

    /// A link: there, and back.
    pub fn join_two(&mut self, a: Place, b: Place, there: LinkSpec, back: LinkSpec) {
        self.links.push(Link::new(there, (a.0, b.0)));
        self.links.push(Link::new(back, (b.0, a.0)));
        self.next_link.clear();
    }

    /// The name of a place.
    pub fn name(&self, place: Place) -> &str {
        match &self.places[place.0] {
            Kind::Host(host) => &host.name,
            Kind::Router { name, .. } => name,
        }
    }

    /// The address of a host.
    pub fn address(&self, place: Place, ipv4: bool) -> IpAddr {
        host::address(place.0, ipv4)
    }

    /// A host; `None` for a router.
    pub fn host(&self, place: Place) -> Option<&Host> {
        match self.places.get(place.0)? {
            Kind::Host(host) => Some(host),
            Kind::Router { .. } => None,
        }
    }

    /// The same, to give its stack commands. It is looked at at once afterwards.
    pub fn host_mut(&mut self, place: Place) -> Option<&mut Host> {
        let now = self.now;
        match self.places.get_mut(place.0)? {
            Kind::Host(host) => {
                host.wake = Some(now);
                host.due = Some(now);
                Some(host)
            }
            Kind::Router { .. } => None,
        }
    }

    /// All hosts.
    pub fn hosts(&self) -> impl Iterator<Item = (Place, &Host)> {
        self.places.iter().enumerate().filter_map(|(n, kind)| match kind {
            Kind::Host(host) => Some((Place(n), host.as_ref())),
            Kind::Router { .. } => None,
        })
    }

    /// Listens on `port` of `place`; each connection is treated by `plan`.
    pub fn serve(&mut self, place: Place, port: u16, plan: Plan) {
        self.serve_with(place, port, 128, plan);
    }

    /// The same with a backlog.
    pub fn serve_with(&mut self, place: Place, port: u16, backlog: usize, plan: Plan) {
        if let Some(host) = self.host_mut(place) {
            host.serve(port, backlog, plan);
        }
    }

    /// Connects over IPv4 after `delay`, then follows `plan`.
    pub fn connect(
        &mut self,
        from: Place,
        to: Place,
        port: u16,
        delay: Duration,
        plan: Plan,
    ) -> ProgramId {
        self.connect_over(from, (to, port), true, delay, plan)
    }

    /// The same, over IPv4 or IPv6.
    pub fn connect_over(
        &mut self,
        from: Place,
        to: (Place, u16),
        ipv4: bool,
        delay: Duration,
        plan: Plan,
    ) -> ProgramId {
        let remote = SocketAddr::new(self.address(to.0, ipv4), to.1);
        self.serial += 1;
        let local_port = 40_000 + self.serial as u16 % 20_000;
        let local = SocketAddr::new(self.address(from, ipv4), local_port);
        self.connect_tuple(from, FourTuple { local, remote }, delay, plan)
    }

    /// The same, with both ends given.
    pub fn connect_tuple(
        &mut self,
        from: Place,
        tuple: FourTuple,
        delay: Duration,
        plan: Plan,
    ) -> ProgramId {
        self.serial += 1;
        let nobody = ConnId { slot: u32::MAX, generation: u32::MAX };
        let number = self.host(from).map_or(0, |h| h.programs.len());
        if let Some(host) = self.host_mut(from) {
            // A seat: it does nothing before it has begun.
            let mut seat = Program::new(nobody, tuple, plan.clone());
            seat.progress.released = true;
            host.programs.push(seat);
        }
        let id = ProgramId(from, number);
        self.connects.insert((self.now + delay, self.serial), (id, tuple, plan));
        id
    }

    /// The program that a server has for its latest connection on `port`.
    pub fn accepted(&self, place: Place, port: u16) -> Option<ProgramId> {
        let programs = &self.host(place)?.programs;
        let found = programs.iter().rposition(|p| p.tuple.local.port() == port);
        found.map(|number| ProgramId(place, number))
    }

    /// All programs that have begun, on all hosts.
    pub fn programs(&self) -> impl Iterator<Item = ProgramId> {
        self.hosts().flat_map(|(place, host)| {
            (0..host.programs.len()).map(move |number| ProgramId(place, number))
        })
    }

    /// How far a program has come.
    pub fn progress(&self, id: ProgramId) -> Progress {
        self.program(id).map(|p| p.progress).unwrap_or_default()
    }

    /// Both ends of a program's connection, its own first.
    pub fn tuple(&self, id: ProgramId) -> Option<FourTuple> {
        self.program(id).map(|p| p.tuple)
    }

    fn program(&self, id: ProgramId) -> Option<&Program> {
        self.host(id.0)?.programs.get(id.1)
    }

    /// Opens a UDP port.
    pub fn open_udp(&mut self, place: Place, port: u16) {
        if let Some(host) = self.host_mut(place) {
            host.open_udp(port);
        }
    }

    /// Sends datagrams.
    pub fn send_udp(&mut self, place: Place, plan: UdpPlan) {
        if let Some(host) = self.host_mut(place) {
            host.send_udp(plan);
        }
    }

    /// A packet that no stack has made sets off at `place` after `delay`.
    pub fn inject(&mut self, place: Place, delay: Duration, bytes: Vec<u8>) {
        self.serial += 1;
        let flying = Flying { to: place, from: place, bytes, noted: None };
        self.flying.insert((self.now + delay, self.serial), flying);
    }
}
