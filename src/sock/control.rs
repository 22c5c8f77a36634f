//! The control channel between programs and the engine: messages and their bytes.
//!
//! A unix seqpacket socket at [`super::name::Role::Control`]: one request a packet, one reply a
//! packet. Programs connect, ask, and hang up (nothing stays open in the program); the engine
//! bounds how many are connected and how long. Integers are little-endian. `decode` never panics:
//! both sides are input to the other.
//!
//! A [`ConnectRequest`] is the first bytes on the stream to the gateway instead.
use super::name::{Name, Transport};
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::{FastOpenKeys, FourTuple, time::Duration};
use crate::net::brief::Brief;

/// Longest packet on the control channel, bytes.
pub const PACKET_MAX: usize = 32 * 1024;

/// What a program (or the tool) asks of the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// `listen` was called. Reply: `Errno(0)`.
    Listen {
        /// The listener's address.
        local: SocketAddr,
        /// `::` that also takes IPv4.
        dual: bool,
        /// As given to `listen`; `None`: only its options have changed.
        backlog: Option<u32>,
        /// Options that its connections begin with, and its own.
        options: Vec<WireOption>,
        /// `TCP_FASTOPEN_KEY`.
        keys: Option<FastOpenKeys>,
    },
    /// Why did this connection end? Reply: `Errno`, 0 if it did not or nobody remembers.
    EndReason(FourTuple),
    /// Set an option of a wire connection. Reply: `Errno`.
    SetOption(FourTuple, WireOption),
    /// An option's value as it is now. Reply: `Value`, or `Errno`.
    GetOption(FourTuple, OptionKind),
    /// `TCP_CC_INFO`. Reply: `Info`, empty if the algorithm shows nothing, or `Errno`.
    CongestionInfo(FourTuple),
    /// Take (or, if true, only show) so many bytes that came after `SHUT_RD`. Reply: `Info`.
    Late(FourTuple, u32, bool),
    /// `TCP_INFO`. Reply: `Info` (bytes of Linux's `struct tcp_info`) or `Errno`.
    Info(FourTuple),
    /// Make a proxy datagram socket for this pair. Reply: `Errno`, 0 once it is bound.
    UdpProxy(Transport, FourTuple),
    /// Last error of datagrams of this pair, and clear it. Reply: `Errno`.
    UdpError(FourTuple),
    /// What a datagram socket asks for besides its datagrams: bits of [`wants`]. Reply: `Errno`.
    Wants(Name, u8),
    /// The oldest entry of the error queue of a datagram socket, and take it out. Reply: `Info`
    /// (a [`super::error_queue::Record`]), or `Errno`: `EAGAIN` if there is none.
    ErrorQueue(Name),
    /// How many bytes of data the SYN of this connection, with these options, could carry (fast
    /// open). A connect that has waited for its data is called for: its request comes next. Reply:
    /// `Value`, 0 if there is no cookie yet, or `Errno`: `EOPNOTSUPP` if the net does without.
    FastOpenRoom(FourTuple, Vec<WireOption>),
    /// A socket joins (true) or leaves a group. Reply: `Errno`.
    Membership(bool, Membership),
    /// The longest packet to this address that need not be cut. Reply: `Info` (2 bytes), or
    /// `Errno`.
    PathMtu(IpAddr),
    /// Everything `understudy ss` and `status` show. Reply: `Text` packets (JSON when joined), the
    /// last one empty.
    Snapshot,
    /// The net's brief (`net::brief`), as text. Reply: one `Text`.
    Brief,
    /// Capture frames as pcapng into the descriptor sent with this packet (SCM_RIGHTS) until its
    /// other end is closed. Reply: `Errno`.
    Capture,
    /// End the engine. Reply: `Errno(0)`.
    Stop,
}

/// The engine's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// An errno; 0 for success.
    Errno(u8),
    /// Bytes of a C structure.
    Info(Vec<u8>),
    /// An option's value.
    Value(u32),
    /// Text, perhaps one of several pieces.
    Text(String),
}

/// Options of a wire connection that a program can set. Times in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum OptionKind {
    NoDelay = 1,
    Cork = 2,
    KeepAlive = 3,
    KeepIdleMs = 4,
    KeepIntervalMs = 5,
    KeepCount = 6,
    UserTimeoutMs = 7,
    MaxSegment = 8,
    SynCount = 9,
    Ttl = 10,
    Tos = 11,
    /// 1: send what is left, but with RST instead of FIN at close (`SO_LINGER` 0).
    LingerZero = 12,
    /// `TCP_QUICKACK`, as given; asked for: 1 while ACKs are not held back for data to ride on.
    QuickAck = 13,
    /// `TCP_NOTSENT_LOWAT`, bytes; 0 for none.
    NotSentLowat = 14,
    /// `TCP_WINDOW_CLAMP`, bytes; 0 for none.
    WindowClamp = 15,
    /// `SO_SNDBUF` as the program set it, doubled as Linux does, bytes; 0: never set.
    SendBuffer = 16,
    /// `SO_RCVBUF`, likewise.
    ReceiveBuffer = 17,
    /// `SO_RCVLOWAT`, bytes.
    ReceiveLowat = 18,
    /// The program is about to send its first urgent data (`MSG_OOB`): look for marks from now on.
    Urgent = 19,
    /// `IP_MTU_DISCOVER`, `IPV6_MTU_DISCOVER`: Linux's `IP_PMTUDISC_*`.
    MtuDiscover = 20,
    /// To be asked for: payload of a full segment, bytes.
    SegmentSize = 21,
    /// To be asked for: MTU of the path, bytes.
    PathMtu = 22,
    /// To be asked for: bytes written and not acknowledged (`SIOCOUTQ`).
    Unacknowledged = 23,
    /// To be asked for: bytes written and not sent (`SIOCOUTQNSD`).
    Unsent = 24,
    /// `TCP_CONGESTION`: `base::congestion::code` of the name.
    Congestion = 25,
    /// `SO_MAX_PACING_RATE`, bytes per second; `u32::MAX` (34 Gb/s) and above is none.
    MaxPacingRate = 26,
    /// `TCP_DEFER_ACCEPT` of a listener, seconds.
    DeferAccept = 40,
    /// `TCP_LINGER2`, seconds, as an `i32`.
    Linger2 = 41,
    /// Fast open as a client: a value of [`fast_open`].
    FastOpen = 42,
    /// `TCP_FASTOPEN` of a listener: connections.
    FastOpenQueue = 43,
    /// `TCP_FASTOPEN_NO_COOKIE`.
    NoFastOpenCookie = 44,
}

/// Values of [`OptionKind::FastOpen`].
pub mod fast_open {
    /// Ask for a cookie, or show it; the data is in the request.
    pub const NOW: u32 = 1;
    /// The same with the first data that the program writes: until then the connection is taken
    /// to be there (`TCP_FASTOPEN_CONNECT`).
    pub const WITH_DATA: u32 = 2;
    /// As `NOW`, and the program waits for the handshake to write more.
    pub const NOW_AND_MORE: u32 = 3;
}

impl OptionKind {
    const ALL: [OptionKind; 31] = [
        Self::NoDelay,
        Self::Cork,
        Self::KeepAlive,
        Self::KeepIdleMs,
        Self::KeepIntervalMs,
        Self::KeepCount,
        Self::UserTimeoutMs,
        Self::MaxSegment,
        Self::SynCount,
        Self::Ttl,
        Self::Tos,
        Self::LingerZero,
        Self::QuickAck,
        Self::NotSentLowat,
        Self::WindowClamp,
        Self::SendBuffer,
        Self::ReceiveBuffer,
        Self::ReceiveLowat,
        Self::Urgent,
        Self::MtuDiscover,
        Self::SegmentSize,
        Self::PathMtu,
        Self::Unacknowledged,
        Self::Unsent,
        Self::Congestion,
        Self::MaxPacingRate,
        Self::DeferAccept,
        Self::Linger2,
        Self::FastOpen,
        Self::FastOpenQueue,
        Self::NoFastOpenCookie,
    ];
}

/// One option and its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireOption {
    /// Which.
    pub kind: OptionKind,
    /// Its value.
    pub value: u32,
}

/// What a program writes to the gateway to be connected; the rest of the message is padding that
/// makes the socket unwritable until the engine has consumed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectRequest {
    /// Length in bytes of the whole message, padding included.
    pub length: u32,
    /// The connection wanted.
    pub tuple: FourTuple,
    /// Options set before `connect`.
    pub options: Vec<WireOption>,
    /// Data to go with the SYN (fast open), at most [`Self::DATA_MAX`] bytes.
    pub data: Vec<u8>,
}

/// A membership of a socket in a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Membership {
    /// The socket's inode.
    pub inode: u32,
    /// The interface by its index, as a host with the net's links would count: 1 is the loopback, 2
    /// the first link; 0: it is not said so.
    pub index: u32,
    /// The interface by an address of ours; unspecified: it is not said so.
    pub local: IpAddr,
    /// The group.
    pub group: IpAddr,
}

/// What a datagram socket asks the engine for: see [`Request::Wants`].
pub mod wants {
    /// Its errors, with what ICMP quoted (`IP_RECVERR`).
    pub const ERRORS: u8 = 1;
    /// It is connected: then the kernel's socket can show that there are errors.
    pub const CONNECTED: u8 = 2;
    /// Datagrams of one flow joined (`UDP_GRO`).
    pub const JOINED: u8 = 4;
    /// Over IPv6 datagrams without a checksum too (`UDP_NO_CHECK6_RX`).
    pub const UNCHECKED: u8 = 8;
    /// All ICMP packets (raw sockets).
    pub const ICMP: u8 = 16;
}

pub(super) fn transport_byte(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 0,
        Transport::Udp => 1,
        Transport::Echo => 2,
        Transport::Raw => 3,
    }
}

pub(super) fn transport_of(byte: u8) -> Option<Transport> {
    match byte {
        1 => Some(Transport::Udp),
        2 => Some(Transport::Echo),
        3 => Some(Transport::Raw),
        _ => None,
    }
}

const CONNECT_MAGIC: [u8; 4] = *b"usC1";

pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn u8(&mut self, v: u8) -> &mut Self {
        self.0.push(v);
        self
    }
    pub(super) fn u32(&mut self, v: u32) -> &mut Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    pub(super) fn addr(&mut self, a: SocketAddr) -> &mut Self {
        match a.ip() {
            IpAddr::V4(ip) => self.u8(4).0.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => self.u8(6).0.extend_from_slice(&ip.octets()),
        }
        self.0.extend_from_slice(&a.port().to_le_bytes());
        self
    }
    pub(super) fn tuple(&mut self, t: FourTuple) -> &mut Self {
        self.addr(t.local).addr(t.remote)
    }
    fn option(&mut self, o: WireOption) -> &mut Self {
        self.u8(o.kind as u8).u32(o.value)
    }
    fn options(&mut self, list: &[WireOption]) -> &mut Self {
        self.u8(list.len() as u8);
        for option in list {
            self.option(*option);
        }
        self
    }
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[b]| b)
    }
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    pub(super) fn addr(&mut self) -> Option<SocketAddr> {
        let ip: IpAddr = match self.u8()? {
            4 => self.take::<4>()?.into(),
            6 => self.take::<16>()?.into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_le_bytes(self.take()?)))
    }
    pub(super) fn tuple(&mut self) -> Option<FourTuple> {
        Some(FourTuple { local: self.addr()?, remote: self.addr()? })
    }
    fn kind(&mut self) -> Option<OptionKind> {
        let kind = self.u8()?;
        OptionKind::ALL.into_iter().find(|k| *k as u8 == kind)
    }
    fn option(&mut self) -> Option<WireOption> {
        Some(WireOption { kind: self.kind()?, value: self.u32()? })
    }
    fn options(&mut self) -> Option<Vec<WireOption>> {
        let count = self.u8()?;
        (0..count).map(|_| self.option()).collect()
    }
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }
}

impl Request {
    /// The request as one packet.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(64));
        match self {
            Self::Listen { local, dual, backlog, options, keys } => {
                w.u8(1).addr(*local).u8(u8::from(*dual)).u8(u8::from(backlog.is_some()));
                w.u32(backlog.unwrap_or(0)).options(options);
                w.0.extend(keys.iter().flat_map(|keys| keys.to_bytes()));
                &mut w
            }
            Self::EndReason(t) => w.u8(2).tuple(*t),
            Self::SetOption(t, o) => w.u8(3).tuple(*t).option(*o),
            Self::Info(t) => w.u8(4).tuple(*t),
            Self::UdpProxy(transport, t) => w.u8(5).u8(transport_byte(*transport)).tuple(*t),
            Self::UdpError(t) => w.u8(6).tuple(*t),
            Self::Membership(join, m) => {
                w.u8(60).u8(u8::from(*join)).u32(m.inode).u32(m.index);
                w.addr(SocketAddr::new(m.local, 0)).addr(SocketAddr::new(m.group, 0))
            }
            Self::Snapshot => w.u8(7),
            Self::Brief => w.u8(8),
            Self::Capture => w.u8(9),
            Self::Stop => w.u8(10),
            Self::CongestionInfo(t) => w.u8(12).tuple(*t),
            Self::FastOpenRoom(t, options) => w.u8(50).tuple(*t).options(options),
            Self::Late(t, most, peek) => w.u8(13).tuple(*t).u32(*most).u8(u8::from(*peek)),
            Self::GetOption(t, kind) => w.u8(11).tuple(*t).u8(*kind as u8),
            Self::Wants(name, wants) => {
                w.u8(40).u8(*wants).0.extend_from_slice(name.encode().as_bytes());
                &mut w
            }
            Self::PathMtu(ip) => w.u8(42).addr(SocketAddr::new(*ip, 0)),
            Self::ErrorQueue(name) => {
                w.u8(41).0.extend_from_slice(name.encode().as_bytes());
                &mut w
            }
        };
        w.0
    }
    /// Reads a packet; `None` if it is no request.
    pub fn decode(packet: &[u8]) -> Option<Request> {
        let mut r = Reader(packet);
        Some(match r.u8()? {
            1 => Self::Listen {
                local: r.addr()?,
                dual: r.u8()? != 0,
                backlog: {
                    let (given, backlog) = (r.u8()? != 0, r.u32()?);
                    given.then_some(backlog)
                },
                options: r.options()?,
                keys: FastOpenKeys::from_bytes(r.rest()),
            },
            2 => Self::EndReason(r.tuple()?),
            3 => Self::SetOption(r.tuple()?, r.option()?),
            4 => Self::Info(r.tuple()?),
            5 => Self::UdpProxy(transport_of(r.u8()?)?, r.tuple()?),
            6 => Self::UdpError(r.tuple()?),
            60 => {
                let (join, inode, index) = (r.u8()? != 0, r.u32()?, r.u32()?);
                let (local, group) = (r.addr()?.ip(), r.addr()?.ip());
                Self::Membership(join, Membership { inode, index, local, group })
            }
            7 => Self::Snapshot,
            8 => Self::Brief,
            9 => Self::Capture,
            10 => Self::Stop,
            12 => Self::CongestionInfo(r.tuple()?),
            50 => Self::FastOpenRoom(r.tuple()?, r.options()?),
            13 => Self::Late(r.tuple()?, r.u32()?, r.u8()? != 0),
            11 => Self::GetOption(r.tuple()?, r.kind()?),
            40 => {
                let wants = r.u8()?;
                Self::Wants(Name::decode(r.rest())?, wants)
            }
            42 => Self::PathMtu(r.addr()?.ip()),
            41 => Self::ErrorQueue(Name::decode(r.rest())?),
            _ => return None,
        })
    }
}

impl Reply {
    /// The reply as one packet.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(16));
        match self {
            Self::Errno(e) => {
                w.u8(1).u8(*e);
            }
            Self::Info(bytes) => w.u8(2).0.extend_from_slice(bytes),
            Self::Value(value) => {
                w.u8(4).u32(*value);
            }
            Self::Text(text) => w.u8(3).0.extend_from_slice(text.as_bytes()),
        }
        w.0
    }
    /// Reads a packet; `None` if it is no reply.
    pub fn decode(packet: &[u8]) -> Option<Reply> {
        let mut r = Reader(packet);
        Some(match r.u8()? {
            1 => Self::Errno(r.u8()?),
            2 => Self::Info(r.rest().to_vec()),
            3 => Self::Text(String::from_utf8(r.rest().to_vec()).ok()?),
            4 => Self::Value(r.u32()?),
            _ => return None,
        })
    }
}

impl ConnectRequest {
    /// Enough bytes to hold any request without its padding.
    pub const HEADER_MAX: usize = 256;
    /// Most bytes of data in a request: what fits one segment on most wires.
    pub const DATA_MAX: usize = 4_096;

    /// The message, padded with zeros to `self.length` (at least to the length of its header).
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(self.length as usize));
        w.0.extend_from_slice(&CONNECT_MAGIC);
        w.u32(self.length).tuple(self.tuple).options(&self.options);
        w.u32(self.data.len() as u32).0.extend_from_slice(&self.data);
        let length = w.0.len().max(self.length as usize);
        w.0.resize(length, 0);
        w.0[4..8].copy_from_slice(&(length as u32).to_le_bytes());
        w.0
    }
    /// Reads the head of a message: [`Self::HEADER_MAX`] bytes of it, and the data.
    pub fn decode(head: &[u8]) -> Option<ConnectRequest> {
        let mut r = Reader(head);
        if r.take::<4>()? != CONNECT_MAGIC {
            return None;
        }
        let (length, tuple, options) = (r.u32()?, r.tuple()?, r.options()?);
        let data_len = r.u32()? as usize;
        let data = r.0.get(..data_len).filter(|data| data.len() <= Self::DATA_MAX)?.to_vec();
        Some(ConnectRequest { length, tuple, options, data })
    }
}

/// A duration as the channel carries it; saturates.
pub fn millis(d: Duration) -> u32 {
    u32::try_from(d.as_millis()).unwrap_or(u32::MAX)
}

/// Whether `uid` may be in the net, by the brief's users alone (`SameOrRoot` needs both sides).
pub fn may_join(brief: &Brief, uid: u32, other: u32) -> bool {
    use crate::net::brief::Users;
    match &brief.users {
        Users::Any => true,
        Users::Only(list) => uid == 0 || list.contains(&uid),
        Users::SameOrRoot => uid == other || uid == 0 || other == 0,
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
