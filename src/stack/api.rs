//! The words in which the stack speaks to whoever drives it (the engine, the simulator, a test).
pub use crate::base::frame::{Medium, Offload, RxChecksum, TxFrame, TxOffload};
use crate::base::{Cidr, FourTuple, MacAddr, NetError, addr::*, rng::Secret};

/// An interface of the stack: index in order of `add_interface`. The loopback is
/// [`IfIndex::LOOPBACK`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IfIndex(pub u16);

impl IfIndex {
    /// The stack's own loopback (127.0.0.1/8, ::1, and every address of its own).
    pub const LOOPBACK: IfIndex = IfIndex(0);
}

/// An interface, as the stack is told of it.
#[derive(Clone, Debug)]
pub struct InterfaceConfig {
    /// A name for messages, e.g. `eth0`.
    pub name: String,
    /// What its frames are.
    pub medium: Medium,
    /// Our address on it (ignored for [`Medium::Ip`]).
    pub mac: MacAddr,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// Our addresses. Each also makes an on-link route to its prefix.
    pub addresses: Vec<Cidr>,
    /// What the link does for us.
    pub offload: Offload,
}

/// How much an interface does by itself. The default is nothing, as tests of other things like it;
/// [`InterfaceSettings::host`] is what RFCs and Linux have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InterfaceSettings {
    /// Ask whether somebody has an address already before it is used (RFC 4862 5.4, and RFC 5227
    /// for leased IPv4 addresses).
    pub dad: bool,
    /// Make addresses and default routes of what routers advertise (RFC 4861 6.3, RFC 4862 5.5).
    pub autoconf: bool,
    /// Follow redirects (RFC 4861 8, RFC 1122 3.2.2.2).
    pub redirects: bool,
    /// Tell routers which groups are joined (RFC 3376, RFC 3810).
    pub reports: bool,
}

impl InterfaceSettings {
    /// A host on a network.
    pub const fn host() -> InterfaceSettings {
        InterfaceSettings { dad: true, autoconf: false, redirects: true, reports: true }
    }
}

/// A route. The longest prefix wins; then the lowest metric; then the first added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Destinations.
    pub prefix: Cidr,
    /// The gateway, or `None` when the destination is on the link.
    pub via: Option<IpAddr>,
    /// Where it leaves.
    pub interface: IfIndex,
    /// Lower is better.
    pub metric: u32,
}

/// The stack's configuration, apart from interfaces and routes.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// Seed of the generator for jitter and the like.
    pub seed: u64,
    /// Key for sequence numbers, ports and table hashes; from the system's entropy.
    pub secret: Secret,
    /// TCP's defaults for new connections.
    pub tcp: crate::stack::tcp::TcpConfig,
    /// Answer echo requests.
    pub answer_echo: bool,
}

/// A TCP connection's handle. Never reused for another connection (slot and generation).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId {
    /// Place in the table.
    pub slot: u32,
    /// How often that place had been used before.
    pub generation: u32,
}

/// What happened. Level information is asked for (`tcp_status`); events only say where to look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A listener's handshake is complete: the connection is established and waits to be adopted
    /// (or refused with `tcp_abort`).
    TcpAccepted {
        /// The new connection.
        conn: ConnId,
        /// Its ends.
        tuple: FourTuple,
    },
    /// Something of this connection changed: state, bytes to read, room to write, error, end. At
    /// most one such event per connection is queued at any time.
    TcpChanged(ConnId),
    /// A datagram for one of our addresses. Nobody there: `udp_refuse`.
    UdpArrived(UdpDatagram),
    /// An echo reply for one of our addresses: the port of `local` is its identifier, that of
    /// `remote` is 0, the payload is the whole ICMP message. Only after
    /// [`Stack::want_icmp`](crate::stack::Stack::want_icmp).
    EchoArrived(UdpDatagram),
    /// An ICMP packet for one of our addresses, whatever it is: from its IP header on, or, over
    /// IPv6, without it. Both ports are 0. Only after
    /// [`Stack::want_icmp`](crate::stack::Stack::want_icmp).
    IcmpArrived(UdpDatagram),
    /// An ICMP error answered a datagram or an echo request of ours.
    DatagramFailed(Box<DatagramFailed>),
}

impl Event {
    /// The pair and the reason of a datagram that failed.
    pub fn failed(&self) -> Option<(FourTuple, NetError)> {
        match self {
            Event::DatagramFailed(failed) => Some((failed.tuple, failed.error)),
            _ => None,
        }
    }
}

/// What an ICMP error said of a datagram or an echo request of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DatagramFailed {
    /// Whether it was an echo request: then the port of `local` is its identifier, that of `remote`
    /// is 0.
    pub echo: bool,
    /// Our end and the destination that failed.
    pub tuple: FourTuple,
    /// Why.
    pub error: NetError,
    /// ICMP's type.
    pub kind: u8,
    /// ICMP's code.
    pub code: u8,
    /// The MTU of "too big", the pointer of a parameter problem, else 0.
    pub info: u32,
    /// Who said so: one of our own addresses if a neighbour did not answer.
    pub from: IpAddr,
    /// What was quoted of the datagram: UDP's payload, or the ICMP message.
    pub quote: Vec<u8>,
}

/// A received datagram.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UdpDatagram {
    /// Where it arrived: `local` is its destination (may be multicast or broadcast), `remote` its
    /// source.
    pub tuple: FourTuple,
    /// The interface it came through.
    pub interface: IfIndex,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// The payload.
    pub payload: Vec<u8>,
    /// The payload is that of several datagrams of so many bytes each, the last perhaps shorter
    /// (see [`Stack::udp_join`](crate::stack::Stack::udp_join)); 0: of one.
    pub segment: u16,
    /// The head of the IP packet (header and 8 bytes or more), to be quoted by `udp_refuse`.
    pub quote: Vec<u8>,
}

/// Options of an outgoing datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpSendOptions {
    /// Time to live or hop limit; `None` for 64 (1 for multicast).
    pub ttl: Option<u8>,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Whether a broadcast destination is allowed (`SO_BROADCAST`).
    pub broadcast: bool,
    /// Whether members here get what is sent to a group (`IP_MULTICAST_LOOP`).
    pub multicast_loop: bool,
    /// Where it is to leave (`IP_MULTICAST_IF`); `None`: as routes say.
    pub interface: Option<IfIndex>,
    /// Whether it may be cut.
    pub cutting: Cutting,
    /// Send UDP's checksum as 0: none (RFC 768; over IPv6 only as RFC 6936 has it).
    pub no_checksum: bool,
}

/// Whether a datagram may be cut, here and on the way (`IP_MTU_DISCOVER`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cutting {
    /// Here if it must be, not on the way (`IP_PMTUDISC_WANT`).
    #[default]
    Here,
    /// Wherever it must be (`IP_PMTUDISC_DONT`).
    Anywhere,
    /// Never: one that is longer than the path takes is refused (`IP_PMTUDISC_DO`).
    Never,
    /// Never, and what is known of the path does not count (`IP_PMTUDISC_PROBE`).
    Probe,
}

impl Default for UdpSendOptions {
    fn default() -> Self {
        Self {
            ttl: None,
            tos: 0,
            broadcast: true,
            multicast_loop: true,
            interface: None,
            cutting: Cutting::Here,
            no_checksum: false,
        }
    }
}
