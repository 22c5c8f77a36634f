//! The beginning of an engine: its doors, its links, its stack.
use super::super::config::{Autonomy, EngineConfig, EngineInterface, EngineRoute};
use super::super::error::{EngineError, system};
use super::super::state::Engine;
use super::super::state::callers::Callers;
use super::super::state::datagram_errors::DatagramErrors;
use super::super::state::datagram_sockets::DatagramSockets;
use super::super::state::doors::Doors;
use super::super::state::lifetime::{Lifetime, Stop};
use super::super::state::listeners::Listeners;
use super::super::state::memberships::Memberships;
use super::super::state::net_state::NetState;
use super::super::state::peer_sockets::PeerSockets;
use super::super::state::port::{Port, Ports};
use super::super::state::reason_table::ReasonTable;
use super::super::state::reserved_pairs::ReservedPairs;
use super::super::state::session::Sessions;
use super::super::state::steps::Steps;
use super::super::system::poller::{Poller, now};
use super::super::system::socket_diag::SocketDiag;
use super::super::system::timers::Timers;
use crate::base::frame::{Medium, Offload};
use crate::base::rng::Secret;
use crate::base::time::Duration;
use crate::base::{Cidr, Instant, MacAddr, limits};
use crate::protocol::datagram::UdpSendHeader;
use crate::protocol::name::NetId;
use crate::stack::{InterfaceConfig, Route, Stack, StackConfig};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How long the first programs wait for addresses that are still being tested, for a router, for a
/// lease: the longest that each takes when all is well.
const PATIENCE_DAD: Duration = Duration::from_secs(3);
const PATIENCE_SLAAC: Duration = Duration::from_secs(6);
const PATIENCE_DHCP: Duration = Duration::from_secs(20);

impl Engine {
    /// Opens the doors of the net, joins the links to a new stack, and finds out which programs
    /// listen already. Programs can connect from now on; they are served by [`Engine::run`].
    ///
    /// # Errors
    /// Another engine has the net, or the system lacks something.
    pub fn start(config: EngineConfig) -> Result<Engine, EngineError> {
        if !config.brief.has_engine() {
            return Err(EngineError::NoEngineNeeded);
        }
        if config.raise_file_limit {
            raise_file_limit();
        }
        let doors = Doors::open(NetId(config.brief.id), &config.brief.name)?;
        let poller = Poller::new().map_err(system("epoll"))?;
        let started = now();
        let lifetime = Lifetime::begin(started, config.linger, &poller);
        let lifetime = lifetime.map_err(system("eventfd"))?;
        doors.watch(&poller).map_err(system("epoll"))?;

        let (secret, seed) = entropy()?;
        let mut stack = Stack::new(StackConfig {
            seed,
            secret: secret.clone(),
            tcp: config.tcp,
            answer_echo: config.answer_echo,
        });
        let ports =
            add_links(started, &mut stack, &poller, config.interfaces, &config.autonomy, &secret)?;
        add_linkless(started, &mut stack, &config.brief.addresses);
        add_routes(&mut stack, &ports, &config.routes)?;
        let engine = Engine {
            net: NetState::new(config.brief, config.runtime_dir, &stack),
            lifetime,
            secret,
            poller,
            socket_diag: SocketDiag::new(),
            timers: Timers::default(),
            doors,
            steps: None,
            stack,
            ports: Ports::new(ports),
            sessions: Sessions::new(),
            end_reasons: ReasonTable::default(),
            last_infos: ReasonTable::default(),
            reserved_pairs: ReservedPairs::new(descriptors()),
            listeners: Listeners::new(),
            callers: Callers::new(),
            datagram_sockets: DatagramSockets::new(),
            peer_sockets: PeerSockets::new(descriptors()),
            memberships: Memberships::default(),
            datagram_errors: DatagramErrors::default(),
            scratch: vec![0; limits::IP_PACKET_MAX + 1 + UdpSendHeader::MAX],
        };
        engine.open(started, &config.autonomy)
    }

    /// The rest of the beginning: listeners, addresses, and the word that the net is there.
    fn open(mut self, started: Instant, autonomy: &[Autonomy]) -> Result<Engine, EngineError> {
        self.check_listeners(started);
        if !autonomy.is_empty() {
            self.settle(autonomy);
            self.follow_addresses();
        }
        self.net.announce().map_err(system("the net's file"))?;
        let links = self.ports.iter().count();
        tracing::debug!(net = %self.net.brief().name, links, "engine started");
        Ok(self)
    }

    /// The descriptors that hold the net's names.
    pub fn names(&self) -> [std::os::fd::RawFd; 4] {
        self.doors.descriptors()
    }

    /// The handle that ends [`Engine::run`].
    pub fn stop_handle(&self) -> Stop {
        self.lifetime.stop_handle()
    }

    /// The handle of a driver that takes the engine step by step.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn steps(&mut self) -> Result<Steps, EngineError> {
        let steps = Steps::new(&self.poller).map_err(system("eventfd"))?;
        self.steps = Some(steps.clone());
        Ok(steps)
    }

    /// Works until the net's addresses are there, before any program is told of the net.
    fn settle(&mut self, autonomy: &[Autonomy]) {
        let start = now();
        let mut patience = Duration::ZERO;
        for own in autonomy {
            let waits = [
                (own.settings.dad, PATIENCE_DAD),
                (own.settings.autoconf, PATIENCE_SLAAC),
                (own.dhcp, PATIENCE_DHCP),
            ];
            for (_, time) in waits.into_iter().filter(|(wanted, _)| *wanted) {
                patience = patience.max(time);
            }
        }
        let until = start + patience;
        let mut events = Vec::with_capacity(16);
        let mut time = start;
        while time < until
            && self.lifetime.ends().is_none()
            && !self.is_settled(time >= start + PATIENCE_SLAAC)
        {
            let deadline = self.turn(time).min(until);
            if self.poller.wait(now(), deadline, &mut events).is_err() {
                break;
            }
            time = now();
            for (token, flags) in events.drain(..) {
                self.dispatch(time, token, flags);
            }
        }
        if !self.stack.leases_settled() {
            tracing::warn!(net = %self.net.brief().name, "no DHCP server has answered yet");
        }
        for (interface, ip) in self.stack.duplicates() {
            tracing::warn!(?interface, %ip, "another host has this address");
        }
    }

    fn is_settled(&self, enough_of_routers: bool) -> bool {
        let routers = enough_of_routers
            || self.ports.interfaces().all(|interface| self.stack.router_settled(interface));
        self.stack.addresses_settled() && self.stack.leases_settled() && routers
    }
}

/// What an outsider must not guess, and a seed for what need not be secret.
fn entropy() -> Result<(Secret, u64), EngineError> {
    let (mut key, mut seed) = ([0u8; 16], [0u8; 8]);
    let filled = getrandom::fill(&mut key).and_then(|()| getrandom::fill(&mut seed));
    filled.map_err(|_| EngineError::System("entropy", Errno::IO))?;
    Ok((Secret::new(key), u64::from_ne_bytes(seed)))
}

fn add_routes(
    stack: &mut Stack,
    ports: &[Port],
    routes: &[EngineRoute],
) -> Result<(), EngineError> {
    for route in routes {
        let port = ports.get(route.interface);
        let interface = port.ok_or(EngineError::System("a route", Errno::INVAL))?.interface();
        let (prefix, via, metric) = (route.prefix, route.via, route.metric);
        stack.add_route(Route { prefix, via, interface, metric });
    }
    Ok(())
}

fn add_links(
    now: Instant,
    stack: &mut Stack,
    poller: &Poller,
    interfaces: Vec<EngineInterface>,
    autonomy: &[Autonomy],
    secret: &Secret,
) -> Result<Vec<Port>, EngineError> {
    let mut ports = Vec::with_capacity(interfaces.len());
    for (number, interface) in interfaces.into_iter().enumerate() {
        let info = interface.link.info();
        let mac = interface.mac.or(info.mac);
        let own = autonomy.get(number).copied().unwrap_or_default();
        let index = stack.add_interface_with(
            now,
            InterfaceConfig {
                name: interface.name,
                medium: info.medium,
                mac: mac.unwrap_or_else(|| random_mac(secret, number)),
                mtu: interface.mtu.unwrap_or(info.mtu),
                addresses: interface.addresses,
                offload: info.offload,
            },
            own.settings,
        );
        if own.dhcp {
            stack.start_dhcp(now, index);
        }
        let port = Port::new(poller, number as u32, index, interface.link);
        ports.push(port.map_err(system("watching a link"))?);
    }
    Ok(ports)
}

/// Addresses of the net that no link has live on an interface that leads nowhere.
fn add_linkless(now: Instant, stack: &mut Stack, addresses: &[Cidr]) {
    let tested = |a: &Cidr| stack.tentative().any(|(_, t)| t.address == a.address);
    let homeless = |a: &&Cidr| !stack.is_local(a.address) && !tested(a);
    let hosts: Vec<Cidr> = addresses
        .iter()
        .filter(homeless)
        .filter_map(|a| Cidr::new(a.address, if a.address.is_ipv4() { 32 } else { 128 }))
        .collect();
    if !hosts.is_empty() {
        stack.add_interface(
            now,
            InterfaceConfig {
                name: "here".into(),
                medium: Medium::Ip,
                mac: MacAddr::default(),
                mtu: u16::MAX,
                addresses: hosts,
                offload: Offload::default(),
            },
        );
    }
}

/// A locally administered unicast address (IEEE 802: the two low bits of the first byte).
fn random_mac(secret: &Secret, number: usize) -> MacAddr {
    let hash = secret.hash(&("mac", number)).to_ne_bytes();
    MacAddr([hash[0] & 0xfc | 0x02, hash[1], hash[2], hash[3], hash[4], hash[5]])
}

/// How many descriptors this process may have.
fn descriptors() -> usize {
    let most = getrlimit(Resource::Nofile).current;
    most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) =
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::debug!(%error, "the limit of open files stays");
    }
}
