//! The beginning of an engine: its doors, its links, its stack.
use super::poller::{EventFlags, Poller, Token, now};
use super::{
    Autonomy, Engine, EngineConfig, files, listeners, port, reasons, session, slab, timers, udp,
    unix,
};
use crate::base::frame::{Medium, Offload};
use crate::base::rng::Secret;
use crate::base::{Cidr, Instant, MacAddr, limits};
use crate::protocol::name::{NetId, Role};
use crate::stack::{InterfaceConfig, Route, Stack, StackConfig};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::SocketType;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Why an engine does not start, or has ended before it was told to.
#[derive(Debug)]
pub enum EngineError {
    /// Another engine runs this net.
    AlreadyRunning(String),
    /// A net without an id: `local` needs no engine.
    NoEngineNeeded,
    /// The system refused something.
    System(&'static str, Errno),
}

impl core::fmt::Display for EngineError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::AlreadyRunning(net) => write!(f, "net {net} already has an engine"),
            Self::NoEngineNeeded => f.write_str("the net \"local\" needs no engine"),
            Self::System(what, errno) => write!(f, "{what}: {errno}"),
        }
    }
}

impl core::error::Error for EngineError {}

/// Asks an engine to end, from any thread or signal handler (it is one `write`).
#[derive(Clone, Debug)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    fn new() -> Result<Stop, Errno> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Stop(Arc::new(fd)))
    }
    /// Asks. What programs have written is still delivered, for a bounded time.
    pub fn stop(&self) {
        // Fails only when it has been asked 2^64 times.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.0
    }
}

fn system(what: &'static str) -> impl Fn(Errno) -> EngineError {
    move |errno| EngineError::System(what, errno)
}

impl Engine {
    /// Opens the doors of the net, joins the links to a new stack, and finds out who listens
    /// already. Programs can connect from now on; they are served by [`Engine::run`].
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
        let net = NetId(config.brief.id);
        let (gateway, control) = doors(net, &config.brief.name)?;
        let poller = Poller::new().map_err(system("epoll"))?;
        let stop = Stop::new().map_err(system("eventfd"))?;
        poller.add(stop.fd(), Token::Stop, EventFlags::IN).map_err(system("epoll"))?;
        poller.add(&gateway, Token::Gateway, EventFlags::IN).map_err(system("epoll"))?;
        let (parcels, alarm) = datagram_doors(net).map_err(system("the net's sockets"))?;
        poller.add(&parcels, Token::Parcels, EventFlags::IN).map_err(system("epoll"))?;
        poller.add(&control, Token::Control, EventFlags::IN).map_err(system("epoll"))?;

        let (secret, seed) = entropy()?;
        let started = now();
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
            brief_file: None,
            given: config.brief.clone(),
            changes: stack.changes(),
            runtime_dir: config.runtime_dir,
            brief: config.brief,
            net,
            uid: rustix::process::geteuid().as_raw(),
            secret,
            linger: config.linger,
            started,
            poller,
            timers: timers::Timers::default(),
            stop,
            steps: None,
            stopping: None,
            gateway,
            parcels,
            alarm,
            control,
            accepting_paused: false,
            stack,
            ports,
            frame: crate::base::frame::TxFrame::default(),
            sessions: session::Sessions::new(),
            ready: VecDeque::new(),
            knocking: 0,
            listeners: listeners::Listeners::new(),
            listeners_checked: Instant::ZERO,
            listeners_check_set: false,
            callers: slab::Slab::new(),
            proxies: udp::Proxies::new(),
            groups: Default::default(),
            reasons: reasons::Reasons::default(),
            udp_errors: reasons::Reasons::default(),
            wants: super::datagram_errors::DatagramWants::default(),
            scratch: vec![0; limits::IP_PACKET_MAX + 1 + super::parcels::HEAD_MAX],
            turns: 0,
        };
        engine.open(&config.autonomy)
    }

    /// The rest of the beginning: who listens, addresses, and the word that the net is there.
    fn open(mut self, autonomy: &[Autonomy]) -> Result<Engine, EngineError> {
        self.check_listeners(self.started);
        if !autonomy.is_empty() {
            self.settle(autonomy);
            self.follow_addresses();
        }
        if let Some(dir) = &self.runtime_dir {
            let file = files::BriefFile::write(dir, &self.brief);
            self.brief_file = Some(file.map_err(system("the net's file"))?);
        }
        tracing::debug!(net = %self.brief.name, links = self.ports.len(), "engine started");
        Ok(self)
    }

    /// The handle that ends [`Engine::run`].
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }
}

/// Where datagrams come in that are to leave otherwise than usual, and the socket that tells of
/// errors.
fn datagram_doors(net: NetId) -> Result<(OwnedFd, OwnedFd), Errno> {
    let parcels = unix::bound(SocketType::DGRAM, net, Role::Gateway)?;
    rustix::net::sockopt::set_socket_passcred(&parcels, true)?;
    Ok((parcels, unix::bound(SocketType::DGRAM, net, Role::Alarm)?))
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
    ports: &[port::Port],
    routes: &[super::EngineRoute],
) -> Result<(), EngineError> {
    for route in routes {
        let port = ports.get(route.interface);
        let interface = port.ok_or(EngineError::System("a route", Errno::INVAL))?.interface;
        let (prefix, via, metric) = (route.prefix, route.via, route.metric);
        stack.add_route(Route { prefix, via, interface, metric });
    }
    Ok(())
}

/// The gateway and the control channel. Who has the control channel's name is the net's engine.
fn doors(net: NetId, name: &str) -> Result<(OwnedFd, OwnedFd), EngineError> {
    let taken = |errno| match errno {
        Errno::ADDRINUSE => EngineError::AlreadyRunning(name.into()),
        errno => EngineError::System("the net's sockets", errno),
    };
    let control = unix::listener(SocketType::SEQPACKET, net, Role::Control).map_err(taken)?;
    let gateway = unix::listener(SocketType::STREAM, net, Role::Gateway).map_err(taken)?;
    Ok((gateway, control))
}

fn add_links(
    now: Instant,
    stack: &mut Stack,
    poller: &Poller,
    interfaces: Vec<super::EngineInterface>,
    autonomy: &[Autonomy],
    secret: &Secret,
) -> Result<Vec<port::Port>, EngineError> {
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
        let port = port::Port::new(poller, number as u32, index, interface.link);
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

fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) =
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::debug!(%error, "the limit of open files stays");
    }
}
