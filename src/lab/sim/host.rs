//! A host: a stack, its programs, its UDP.
use super::place::Place;
use super::program::{Plan, Program};
use super::record::{Record, Sample, StateChange};
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::base::rng::Secret;
use crate::base::{Cidr, FourTuple, Instant, MacAddr, time::Duration};
use crate::stack::tcp::{State, TcpConfig, TcpInfo};
use crate::stack::*;
use std::collections::{HashMap, HashSet};

/// A host to be.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// As pictures call it.
    pub name: String,
    /// Its TCP.
    pub tcp: TcpConfig,
    /// Of its interface, bytes.
    pub mtu: u16,
    /// Its interface cuts super-segments.
    pub tso: bool,
}

impl HostSpec {
    /// With defaults: MTU 1500, no TSO.
    pub fn named(name: &str) -> HostSpec {
        HostSpec { name: name.into(), tcp: TcpConfig::default(), mtu: 1500, tso: false }
    }
}

/// Datagrams that a host sends.
#[derive(Clone, Copy, Debug)]
pub struct UdpPlan {
    /// To whom.
    pub to: SocketAddr,
    /// From which port.
    pub port: u16,
    /// Bytes of payload, 8 at least: the first 8 are the datagram's number, from 1.
    pub size: usize,
    /// How many.
    pub count: u64,
    /// When the first leaves.
    pub start: Duration,
    /// Time between two.
    pub every: Duration,
}

/// A [`UdpPlan`] at work.
#[derive(Debug)]
struct UdpFlow {
    plan: UdpPlan,
    sent: u64,
    next: Instant,
}

/// See the module.
#[derive(Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its stack.
    pub stack: Stack,
    /// Datagrams that came to its open ports: when, from and to, number, bytes.
    pub datagrams: Vec<(Instant, FourTuple, u64, usize)>,
    pub(super) interface: IfIndex,
    pub(super) programs: Vec<Program>,
    pub(super) wake: Option<Instant>,
    /// When it has to be looked at next; true after each `settle`.
    pub(super) due: Option<Instant>,
    servers: Vec<(u16, Plan)>,
    udp: Vec<UdpFlow>,
    udp_ports: HashSet<u16>,
    states: HashMap<FourTuple, State>,
    shown: HashMap<ConnId, TcpInfo>,
}

/// The address of host number `place`.
pub(super) fn address(place: usize, ipv4: bool) -> IpAddr {
    let number = place as u16 + 1;
    if ipv4 {
        IpAddr::V4(Ipv4Addr::new(10, 0, (number >> 8) as u8, number as u8))
    } else {
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number))
    }
}

pub(super) fn mac(place: usize) -> MacAddr {
    let [a, b] = (place as u16 + 1).to_be_bytes();
    MacAddr([2, 0, 0, 0, a, b])
}

impl Host {
    pub(super) fn new(spec: HostSpec, place: usize, medium: Medium, seed: u64) -> Host {
        let secret = Secret::new((u128::from(seed) << 64 | place as u128).to_le_bytes());
        let mut stack = Stack::new(StackConfig { seed, secret, tcp: spec.tcp, answer_echo: true });
        let cidr = |ipv4| Cidr { address: address(place, ipv4), prefix_len: 8 };
        let interface = stack.add_interface(
            Instant::ZERO,
            InterfaceConfig {
                name: "sim".into(),
                medium,
                mac: mac(place),
                mtu: spec.mtu,
                addresses: vec![cidr(true), cidr(false)],
                offload: Offload { checksum: false, tso_max: if spec.tso { 65_535 } else { 0 } },
            },
        );
        if medium == Medium::Ip {
            // Strangers are somewhere out there too.
            for any in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
                let prefix = Cidr { address: any, prefix_len: 0 };
                stack.add_route(Route { prefix, via: None, interface, metric: 1 });
            }
        }
        Host {
            name: spec.name,
            stack,
            datagrams: Vec::new(),
            interface,
            programs: Vec::new(),
            wake: Some(Instant::ZERO),
            due: Some(Instant::ZERO),
            servers: Vec::new(),
            udp: Vec::new(),
            udp_ports: HashSet::new(),
            states: HashMap::new(),
            shown: HashMap::new(),
        }
    }

    pub(super) fn serve(&mut self, port: u16, backlog: usize, plan: Plan) {
        for any in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
            // Cannot fail: the port is free.
            let _ = self.stack.tcp_mut().listen(SocketAddr::new(any, port), false, backlog);
        }
        self.servers.push((port, plan));
    }

    pub(super) fn open_udp(&mut self, port: u16) {
        self.udp_ports.insert(port);
    }

    pub(super) fn send_udp(&mut self, plan: UdpPlan) {
        let next = Instant::ZERO + plan.start;
        self.udp.push(UdpFlow { plan, sent: 0, next });
        self.wake = Some(self.wake.map_or(next, |wake| wake.min(next)));
        self.due = Some(self.due.map_or(next, |due| due.min(next)));
    }

    /// When it has to be looked at next.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.stack.poll_timeout(), self.wake].into_iter().flatten().min()
    }

    /// Events, programs, datagrams.
    pub(super) fn run(&mut self, now: Instant) {
        while let Some(event) = self.stack.poll_event() {
            self.event(now, event);
        }
        let stack = &mut self.stack;
        let programs = self.programs.iter_mut().filter_map(|p| p.run(now, stack));
        let wake = programs.min();
        let mut soonest = wake;
        for flow in &mut self.udp {
            while flow.sent < flow.plan.count && flow.next <= now {
                flow.sent += 1;
                flow.next = flow.next + flow.plan.every;
                let mut payload = vec![0; flow.plan.size.max(8)];
                payload[..8].copy_from_slice(&flow.sent.to_be_bytes());
                let any = match flow.plan.to.ip() {
                    IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                };
                let local = SocketAddr::new(any, flow.plan.port);
                let tuple = FourTuple { local, remote: flow.plan.to };
                // What the stack does not take is lost, as a program's would be.
                let _ = self.stack.udp_send(now, tuple, &UdpSendOptions::default(), &payload);
            }
            if flow.sent < flow.plan.count {
                soonest = Some(soonest.map_or(flow.next, |s: Instant| s.min(flow.next)));
            }
        }
        self.wake = soonest;
    }

    fn event(&mut self, now: Instant, event: Event) {
        match event {
            Event::TcpAccepted { conn, tuple } => {
                let server = self.servers.iter().find(|(port, _)| *port == tuple.local.port());
                let Some((_, plan)) = server else { return };
                self.stack.tcp_mut().set_options(now, conn, plan.options.clone());
                self.programs.push(Program::new(conn, tuple, plan.clone()));
            }
            Event::UdpArrived(datagram) => {
                if !self.udp_ports.contains(&datagram.tuple.local.port()) {
                    return self.stack.udp_refuse(now, &datagram);
                }
                let number = datagram.payload.first_chunk::<8>();
                let number = number.map_or(0, |n| u64::from_be_bytes(*n));
                self.datagrams.push((now, datagram.tuple, number, datagram.payload.len()));
            }
            _ => {}
        }
    }

    /// Notes connections whose state has changed.
    pub(super) fn note_states(&mut self, now: Instant, place: Place, record: &mut Record) {
        // By its ends: what is only half-open has no handle yet.
        let all: HashMap<FourTuple, State> =
            self.stack.tcp().connections().map(|(_, tuple, state)| (tuple, state)).collect();
        let change =
            |tuple: &FourTuple, state| StateChange { at: now, place, tuple: *tuple, state };
        let new = all.iter().filter(|(tuple, state)| self.states.get(*tuple) != Some(*state));
        let mut changes: Vec<StateChange> = new.map(|(t, state)| change(t, *state)).collect();
        let gone =
            self.states.iter().filter(|(t, old)| !all.contains_key(*t) && **old != State::Closed);
        changes.extend(gone.map(|(tuple, _)| change(tuple, State::Closed)));
        changes.sort_by_key(|c| (c.tuple.local, c.tuple.remote));
        record.states.extend(changes);
        self.states = all;
    }

    /// Notes the variables of connections that have changed.
    pub(super) fn note_samples(&mut self, now: Instant, place: Place, record: &mut Record) {
        let tcp = self.stack.tcp();
        for (id, tuple, state) in tcp.connections() {
            let Some(info) = tcp.info(now, id).filter(|_| state.is_synchronized()) else {
                continue;
            };
            if self.shown.get(&id).is_some_and(|old| same(old, &info)) {
                continue;
            }
            self.shown.insert(id, info.clone());
            record.samples.push(Sample { at: now, place, tuple, info });
        }
    }
}

/// Nothing that is drawn differs.
fn same(a: &TcpInfo, b: &TcpInfo) -> bool {
    let key = |i: &TcpInfo| {
        (
            [i.cwnd_bytes, i.ssthresh_bytes, i.in_flight_bytes, i.snd_wnd, i.rcv_wnd],
            [i.rtt_us, i.rto_us, i.total_retrans, i.receive_queue, i.send_queue],
            [i.bytes_acked, i.bytes_received],
        )
    };
    key(a) == key(b)
}
