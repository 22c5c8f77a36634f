//! `Stack`: the whole host in one value. It owns the interfaces, the routes, the neighbours, the
//! reassembly buffers and all of TCP; its methods are spread over the files of the layers they
//! belong to (`ip/`, `icmp.rs`, `neighbor.rs`, `udp/`).
//!
//! # How it is driven
//!
//! Frames go in through [`Stack::frame_arrives`], commands through the `tcp_*`, `udp_*` and `tcp_mut`
//! methods, time through [`Stack::handle_timeout`]. After any of them the driver calls
//! [`Stack::poll_transmit`] and [`Stack::poll_event`] until they return `None`, then sleeps until
//! [`Stack::poll_timeout`] or the next frame.
use crate::base::addr::IpAddr;
use crate::base::{FourTuple, Instant, NetError};
use crate::stack::api::*;
use crate::stack::tcp::{Tcp, TcpOptions};

/// A host: its interfaces, routes, neighbours, TCP and UDP. Sans-IO.
pub struct Stack {
    tcp: Tcp,
    interfaces: Vec<InterfaceConfig>,
    routes: Vec<Route>,
}

/// A neighbour, for `understudy status`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NeighborInfo {
    /// The interface it is on.
    pub interface: IfIndex,
    /// Its address.
    pub address: IpAddr,
    /// Its Ethernet address, once known.
    pub mac: Option<crate::base::MacAddr>,
    /// `incomplete`, `reachable`, `stale`, `delay`, `probe`.
    pub state: &'static str,
}

impl Stack {
    /// A host with nothing but its loopback (`IfIndex(0)`, 127.0.0.1/8 and ::1/128).
    pub fn new(config: StackConfig) -> Stack {
        Stack {
            tcp: Tcp::new(config.tcp, config.secret, config.seed),
            interfaces: Vec::new(),
            routes: Vec::new(),
        }
    }
    /// Adds an interface; its addresses become ours and their prefixes on-link routes. An Ethernet
    /// interface without an IPv6 link-local address gets the one made from its MAC.
    pub fn add_interface(&mut self, _now: Instant, config: InterfaceConfig) -> IfIndex {
        self.interfaces.push(config);
        IfIndex(self.interfaces.len() as u16)
    }
    /// Adds a route.
    pub fn add_route(&mut self, route: Route) {
        self.routes.push(route);
    }
    /// Whether `ip` is an address of ours (127.0.0.0/8 included).
    pub fn is_local(&self, _ip: IpAddr) -> bool {
        false
    }
    /// The address that packets to `dst` would come from; `None` without a route.
    pub fn source_for(&self, _dst: IpAddr) -> Option<IpAddr> {
        None
    }
    /// A frame came in through `interface`.
    pub fn frame_arrives(&mut self, _: Instant, _: IfIndex, _frame: &[u8], _: RxChecksum) {}
    /// Writes the next frame to send into `frame`, if any, and says through which interface. Never
    /// [`IfIndex::LOOPBACK`]: those packets are fed back inside.
    pub fn poll_transmit(&mut self, _now: Instant, _frame: &mut TxFrame) -> Option<IfIndex> {
        None
    }
    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    /// When [`Stack::handle_timeout`] is to be called, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tcp.handle_timeout(now);
    }
    /// TCP.
    pub fn tcp(&self) -> &Tcp {
        &self.tcp
    }
    /// TCP, to give commands to.
    pub fn tcp_mut(&mut self) -> &mut Tcp {
        &mut self.tcp
    }
    /// Opens a connection over the route to its remote end. An unspecified local address is selected;
    /// the local port must be chosen. Errors: `NetUnreachable`, `AddressNotAvailable`, and those of
    /// `Tcp::connect`.
    pub fn tcp_connect(
        &mut self,
        _now: Instant,
        _tuple: FourTuple,
        _options: TcpOptions,
    ) -> Result<ConnId, NetError> {
        Err(NetError::NetUnreachable)
    }
    /// Sends a datagram. An unspecified local address is selected. Errors: `NetUnreachable`,
    /// `AddressNotAvailable`, `MessageTooLong`, `NoBuffers`, `Prohibited` (broadcast not allowed).
    pub fn udp_send(
        &mut self,
        _now: Instant,
        _tuple: FourTuple,
        _options: &UdpSendOptions,
        _payload: &[u8],
    ) -> Result<(), NetError> {
        Err(NetError::NetUnreachable)
    }
    /// Nobody listens for `datagram`: answers with ICMP port unreachable (rate limited; not for
    /// multicast or broadcast).
    pub fn udp_refuse(&mut self, _now: Instant, _datagram: &UdpDatagram) {}
    /// The neighbours.
    pub fn neighbors(&self) -> Vec<NeighborInfo> {
        Vec::new()
    }
    /// The routes, on-link ones included.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }
    /// The interfaces, the loopback first. Link-local addresses that the stack made are included.
    pub fn interfaces(&self) -> impl Iterator<Item = (IfIndex, &InterfaceConfig)> {
        (0..).map(IfIndex).zip(&self.interfaces)
    }
    /// What happened how often, drops by reason; TCP's counters included.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.tcp.counters()
    }
}
