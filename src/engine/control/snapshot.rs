//! What `understudy ss` and `status` show: the engine's state as JSON.
use super::super::state::Engine;
use super::super::state::session::Phase;
use crate::base::Instant;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::stack::tcp::{State, TcpInfo};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Connections that are shown with all that TCP knows of them; the rest only with their ends.
const DETAILED_MAX: usize = 4_096;

/// All of it.
#[derive(Serialize, Deserialize, Debug, Default, Clone)]
pub struct Snapshot {
    /// The net's name.
    pub net: String,
    /// Its brief, as text.
    pub brief: String,
    /// Process id of the engine.
    pub pid: i32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Interfaces, the loopback first.
    pub interfaces: Vec<Interface>,
    /// Routes, those of addresses included.
    pub routes: Vec<RouteEntry>,
    /// Neighbours.
    pub neighbors: Vec<Neighbor>,
    /// Listeners for wire connections.
    pub listeners: Vec<Listener>,
    /// TCP connections, those without a program (TIME-WAIT and the like) included.
    pub connections: Vec<Connection>,
    /// Pairs that exchange datagrams through the engine.
    pub datagrams: Vec<Pair>,
    /// What happened how often in the stack and the engine.
    pub counters: BTreeMap<String, u64>,
}

/// An interface.
#[derive(Serialize, Deserialize, Debug, Default, Clone)]
#[allow(missing_docs)]
pub struct Interface {
    pub index: u16,
    pub name: String,
    /// The link's own name for itself: `packet:eth0`; empty for the loopback.
    pub link: String,
    pub mac: Option<String>,
    pub mtu: u16,
    pub addresses: Vec<String>,
    /// Addresses that are being tested, and those that another host has.
    #[serde(default)]
    pub tentative: Vec<String>,
    #[serde(default)]
    pub duplicate: Vec<IpAddr>,
    /// Groups joined.
    #[serde(default)]
    pub groups: Vec<IpAddr>,
    /// Name servers, from routers and leases.
    #[serde(default)]
    pub name_servers: Vec<IpAddr>,
    /// The DHCP server that leased the IPv4 address, and for how many more seconds.
    #[serde(default)]
    pub lease: Option<(IpAddr, u64)>,
    /// False: the link has failed.
    pub up: bool,
    pub counters: BTreeMap<String, u64>,
}

/// A route.
#[derive(Serialize, Deserialize, Debug, Clone)]
#[allow(missing_docs)]
pub struct RouteEntry {
    pub to: String,
    pub via: Option<IpAddr>,
    pub interface: u16,
    pub metric: u32,
}

/// A neighbour.
#[derive(Serialize, Deserialize, Debug, Clone)]
#[allow(missing_docs)]
pub struct Neighbor {
    pub address: IpAddr,
    pub interface: u16,
    pub mac: Option<String>,
    pub state: String,
}

/// A listener.
#[derive(Serialize, Deserialize, Debug, Clone)]
pub struct Listener {
    /// Its address; unspecified for a wildcard.
    pub local: SocketAddr,
    /// `::` that takes IPv4 too.
    pub dual: bool,
}

/// Two ends.
#[derive(Serialize, Deserialize, Debug, Clone)]
#[allow(missing_docs)]
pub struct Pair {
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

/// A connection.
#[derive(Serialize, Deserialize, Debug, Clone)]
pub struct Connection {
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// As `ss` names it: `ESTAB`, `TIME-WAIT`, ...
    pub state: String,
    /// Bytes received that the program has not taken from the engine.
    pub receive_queue: u64,
    /// Bytes taken from the program that are not acknowledged.
    pub send_queue: u64,
    /// The program; 0: none any more, or unknown. (Of an accepted connection, the one that called
    /// `listen`.)
    pub pid: i32,
    /// Its user.
    pub uid: Option<u32>,
    /// Its name (`comm`).
    pub process: Option<String>,
    /// Whether the other end opened it.
    pub incoming: bool,
    /// Where the engine's side of it is: `open`, `connecting`, ...
    pub phase: Option<String>,
    /// The rest, for the first some thousand connections.
    pub info: Option<TcpInfo>,
}

/// The snapshot as JSON text.
pub fn take(engine: &Engine, now: Instant) -> String {
    let snapshot = Snapshot {
        net: engine.net.brief().name.to_string(),
        brief: engine.net.brief().to_string(),
        pid: rustix::process::getpid().as_raw_nonzero().get(),
        uptime_s: now.since(engine.lifetime.started()).as_secs(),
        interfaces: interfaces(engine, now),
        routes: engine.stack.routes().map(route).collect(),
        neighbors: engine.stack.neighbors().iter().map(neighbor).collect(),
        listeners: listeners(engine),
        connections: connections(engine, now),
        datagrams: engine.peer_sockets.pairs().map(pair).collect(),
        counters: counters(engine),
    };
    serde_json::to_string(&snapshot).unwrap_or_default()
}

fn interfaces(engine: &Engine, now: Instant) -> Vec<Interface> {
    let stack = &engine.stack;
    let all = engine.stack.interfaces().map(|(index, config)| {
        let port = engine.ports.iter().find(|p| p.interface() == index);
        let counters = port.map(|p| {
            let held = ("engine_dropped", p.dropped());
            p.link().counters().into_iter().chain([held]).map(|(n, v)| (n.to_string(), v)).collect()
        });
        let ethernet = config.medium == crate::stack::Medium::Ethernet;
        Interface {
            index: index.0,
            name: config.name.clone(),
            link: port.map(|p| p.link().info().name.clone()).unwrap_or_default(),
            mac: ethernet.then(|| config.mac.to_string()),
            mtu: config.mtu,
            addresses: config.addresses.iter().map(ToString::to_string).collect(),
            tentative: here(stack.tentative(), index).map(|a| a.to_string()).collect(),
            duplicate: here(stack.duplicates(), index).collect(),
            groups: here(stack.groups(), index).collect(),
            name_servers: name_servers(stack, index),
            lease: here(stack.leases(), index)
                .map(|lease| (lease.server.into(), lease.end.since(now).as_secs()))
                .next(),
            up: port.is_none_or(|p| !p.is_dead()),
            counters: counters.unwrap_or_default(),
        }
    });
    all.collect()
}

/// Those of one interface.
fn here<T>(
    all: impl Iterator<Item = (crate::stack::IfIndex, T)>,
    index: crate::stack::IfIndex,
) -> impl Iterator<Item = T> {
    all.filter(move |(at, _)| *at == index).map(|(_, what)| what)
}

fn name_servers(stack: &crate::stack::Stack, index: crate::stack::IfIndex) -> Vec<IpAddr> {
    let leased = here(stack.leases(), index).flat_map(|lease| lease.name_servers.clone());
    let advertised = here(stack.name_servers(), index).map(IpAddr::V6);
    leased.map(IpAddr::V4).chain(advertised).collect()
}

fn route(route: &crate::stack::Route) -> RouteEntry {
    RouteEntry {
        to: route.prefix.to_string(),
        via: route.via,
        interface: route.interface.0,
        metric: route.metric,
    }
}

fn neighbor(neighbor: &crate::stack::NeighborInfo) -> Neighbor {
    Neighbor {
        address: neighbor.address,
        interface: neighbor.interface.0,
        mac: neighbor.mac.map(|mac| mac.to_string()),
        state: neighbor.state.to_string(),
    }
}

fn pair(tuple: crate::base::FourTuple) -> Pair {
    Pair { local: tuple.local, remote: tuple.remote }
}

fn listeners(engine: &Engine) -> Vec<Listener> {
    let tcp = engine.stack.tcp();
    let mut list: Vec<Listener> =
        tcp.listeners().map(|(local, dual)| Listener { local, dual }).collect();
    list.sort_by_key(|l| (l.local.port(), l.local, l.dual));
    list
}

fn connections(engine: &Engine, now: Instant) -> Vec<Connection> {
    let tcp = engine.stack.tcp();
    let mut names: HashMap<i32, Option<String>> = HashMap::new();
    let mut list: Vec<Connection> = tcp
        .connections()
        .enumerate()
        .map(|(number, (conn, tuple, state))| {
            let key = engine.sessions.of_conn(conn);
            let session = key.and_then(|key| engine.sessions.get(key));
            let pid = session.map_or(0, |s| s.owner.pid);
            let info = if number < DETAILED_MAX { tcp.info(now, conn) } else { None };
            Connection {
                local: tuple.local,
                remote: tuple.remote,
                state: state_name(state).to_string(),
                receive_queue: info.as_ref().map_or(0, |i| u64::from(i.receive_queue)),
                send_queue: info.as_ref().map_or(0, |i| u64::from(i.send_queue)),
                pid,
                uid: session.map(|s| s.owner.uid).filter(|uid| *uid != u32::MAX),
                process: names.entry(pid).or_insert_with(|| process_name(pid)).clone(),
                incoming: session.is_some_and(|s| s.incoming),
                phase: session.map(|s| phase_name(s.phase).to_string()),
                info,
            }
        })
        .collect();
    list.sort_by_key(|c| (c.local, c.remote));
    list
}

fn counters(engine: &Engine) -> BTreeMap<String, u64> {
    let own = [
        ("engine_sessions", engine.sessions.len() as u64),
        ("engine_turns", engine.lifetime.turns()),
        ("engine_datagrams_dropped", engine.peer_sockets.dropped()),
        ("engine_datagram_lists_read", engine.datagram_sockets.count()),
    ];
    engine.stack.counters().into_iter().chain(own).map(|(n, v)| (n.to_string(), v)).collect()
}

/// As `ss` writes it.
fn state_name(state: State) -> &'static str {
    match state {
        State::Established => "ESTAB",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECV",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::TimeWait => "TIME-WAIT",
        State::Closed => "UNCONN",
        State::CloseWait => "CLOSE-WAIT",
        State::LastAck => "LAST-ACK",
        State::Listen => "LISTEN",
        State::Closing => "CLOSING",
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Greeting => "greeting",
        Phase::PairBusy { .. } => "pair-busy",
        Phase::Connecting { .. } => "connecting",
        Phase::Admitting { .. } => "admitting",
        Phase::WaitingForRoom { .. } => "waiting-for-room",
        Phase::Deferred { .. } => "deferred",
        Phase::Refused { .. } => "refused",
        Phase::Open => "open",
        Phase::Leaving { .. } => "leaving",
        Phase::Failed => "failed",
        Phase::Resetting { .. } => "resetting",
    }
}

/// `comm` of a process, if it lives.
fn process_name(pid: i32) -> Option<String> {
    if pid <= 0 {
        return None;
    }
    use rustix::fs::{CWD, Mode, OFlags};
    let path = format!("/proc/{pid}/comm");
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()?;
    let mut name = [0u8; 64];
    let n = rustix::io::read(&file, &mut name).ok()?;
    Some(String::from_utf8_lossy(&name[..n]).trim_end().to_string())
}
