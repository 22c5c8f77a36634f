//! The control channel between programs and the engine: messages and their bytes.
//!
//! A unix seqpacket socket at [`super::name::Role::Control`]: one request a packet, one reply a
//! packet. Programs connect, ask, and hang up (nothing stays open in the program); the engine
//! bounds how many are connected and how long. Integers are little-endian. `decode` never panics:
//! both sides are input to the other.
//!
//! A [`super::connect::ConnectRequest`] is the first bytes on the stream to the gateway instead.
use super::codec::{Packet, Reader};
use super::name::{Name, Transport};
use super::option::{OptionKind, OptionList, WireOption};
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::base::{FastOpenKeys, FourTuple, time::Duration};

/// Longest packet on the control channel, bytes.
pub const PACKET_MAX: usize = 32 * 1024;

/// What a program (or the tool) asks of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
        options: OptionList,
        /// `TCP_FASTOPEN_KEY`.
        keys: Option<FastOpenKeys>,
    },
    /// Why did this connection end? Reply: `Errno`, 0 if it did not or nobody remembers.
    EndReason(FourTuple),
    /// Reset this connection (connect(2) with `AF_UNSPEC`). Reply: `Errno`.
    Abort(FourTuple),
    /// The listening socket with this name was shut down for reading: the connections that wait in
    /// its queue are reset. Reply: `Errno`.
    ListenerShut(Name),
    /// Set an option of a wire connection. Reply: `Errno`.
    SetOption(FourTuple, WireOption),
    /// An option's value as it is now. Reply: `Value`, or `Errno`.
    GetOption(FourTuple, OptionKind),
    /// `TCP_CC_INFO`. Reply: `Info`, empty if the algorithm shows nothing, or `Errno`.
    CongestionInfo(FourTuple),
    /// Take (or, if true, only show) so many bytes that came after `SHUT_RD`. Reply: `Info`.
    ReadAfterShutdown(FourTuple, u32, bool),
    /// `TCP_INFO`. Reply: `Info` (bytes of Linux's `struct tcp_info`) or `Errno`.
    Info(FourTuple),
    /// Make a datagram socket that stands for the remote host of this pair. Reply: `Errno`, 0 once
    /// it is bound.
    PeerSocket(Transport, FourTuple),
    /// Last error of datagrams of this pair, and clear it. Reply: `Errno`.
    UdpError(FourTuple),
    /// What a datagram socket asks for besides its datagrams: bits of [`interest`]. Reply: `Errno`.
    Interest(Name, u8),
    /// The oldest entry of the error queue of a datagram socket, and take it out. Reply: `Info`
    /// (an [`super::error_record::ErrorRecord`]), or `Errno`: `EAGAIN` if there is none.
    ErrorQueue(Name),
    /// How many bytes of data the SYN of this connection, with these options, could carry (fast
    /// open). A connect that has waited for its data is called for: its request comes next. Reply:
    /// `Value`, 0 if there is no cookie yet, or `Errno`: `EOPNOTSUPP` if the net does without.
    FastOpenRoom(FourTuple, OptionList),
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// An errno; 0 for success.
    Errno(u8),
    /// Bytes of a C structure.
    Info(&'a [u8]),
    /// An option's value.
    Value(u32),
    /// Text, perhaps one of several pieces.
    Text(&'a str),
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

/// What a datagram socket asks the engine for: see [`Request::Interest`].
pub mod interest {
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

impl Request {
    /// The longest request, bytes.
    pub const MAX: usize = 320;

    /// The request as one packet.
    pub fn encode(&self) -> Packet<{ Request::MAX }> {
        let mut p = Packet::new();
        match self {
            Self::Listen { local, dual, backlog, options, keys } => {
                p.u8(1).addr(*local).bool(*dual).bool(backlog.is_some());
                p.u32(backlog.unwrap_or(0)).options(options);
                if let Some(keys) = keys {
                    p.bytes(&keys.active).bytes(keys.backup.as_ref().map_or(&[], |k| &k[..]));
                }
                &mut p
            }
            Self::EndReason(t) => p.u8(2).tuple(*t),
            Self::Abort(t) => p.u8(14).tuple(*t),
            Self::ListenerShut(name) => p.u8(15).bytes(name.encode().as_bytes()),
            Self::SetOption(t, o) => p.u8(3).tuple(*t).option(*o),
            Self::Info(t) => p.u8(4).tuple(*t),
            Self::PeerSocket(transport, t) => p.u8(5).u8(transport.to_byte()).tuple(*t),
            Self::UdpError(t) => p.u8(6).tuple(*t),
            Self::Membership(join, m) => {
                p.u8(60).bool(*join).u32(m.inode).u32(m.index).ip(m.local).ip(m.group)
            }
            Self::Snapshot => p.u8(7),
            Self::Brief => p.u8(8),
            Self::Capture => p.u8(9),
            Self::Stop => p.u8(10),
            Self::CongestionInfo(t) => p.u8(12).tuple(*t),
            Self::FastOpenRoom(t, options) => p.u8(50).tuple(*t).options(options),
            Self::ReadAfterShutdown(t, most, peek) => p.u8(13).tuple(*t).u32(*most).bool(*peek),
            Self::GetOption(t, kind) => p.u8(11).tuple(*t).u8(*kind as u8),
            Self::Interest(name, bits) => p.u8(40).u8(*bits).bytes(name.encode().as_bytes()),
            Self::PathMtu(ip) => p.u8(42).ip(*ip),
            Self::ErrorQueue(name) => p.u8(41).bytes(name.encode().as_bytes()),
        };
        p
    }
    /// Reads a packet; `None` if it is no request.
    pub fn decode(packet: &[u8]) -> Option<Request> {
        let mut r = Reader(packet);
        Some(match r.u8()? {
            1 => Self::Listen {
                local: r.addr()?,
                dual: r.bool()?,
                backlog: {
                    let (given, backlog) = (r.bool()?, r.u32()?);
                    given.then_some(backlog)
                },
                options: r.options()?,
                keys: FastOpenKeys::from_bytes(r.rest()),
            },
            2 => Self::EndReason(r.tuple()?),
            14 => Self::Abort(r.tuple()?),
            15 => Self::ListenerShut(Name::decode(r.rest())?),
            3 => Self::SetOption(r.tuple()?, r.option()?),
            4 => Self::Info(r.tuple()?),
            5 => Self::PeerSocket(Transport::of_datagrams(r.u8()?)?, r.tuple()?),
            6 => Self::UdpError(r.tuple()?),
            60 => {
                let (join, inode, index) = (r.bool()?, r.u32()?, r.u32()?);
                let (local, group) = (r.ip()?, r.ip()?);
                Self::Membership(join, Membership { inode, index, local, group })
            }
            7 => Self::Snapshot,
            8 => Self::Brief,
            9 => Self::Capture,
            10 => Self::Stop,
            12 => Self::CongestionInfo(r.tuple()?),
            50 => Self::FastOpenRoom(r.tuple()?, r.options()?),
            13 => Self::ReadAfterShutdown(r.tuple()?, r.u32()?, r.bool()?),
            11 => Self::GetOption(r.tuple()?, r.kind()?),
            40 => {
                let bits = r.u8()?;
                Self::Interest(Name::decode(r.rest())?, bits)
            }
            42 => Self::PathMtu(r.ip()?),
            41 => Self::ErrorQueue(Name::decode(r.rest())?),
            _ => return None,
        })
    }
}

impl<'a> Reply<'a> {
    /// Bytes in front of the bytes of `Info` and `Text`.
    pub const HEAD: usize = 1;
    /// The first byte of [`Reply::Info`].
    pub const INFO: u8 = 2;

    /// The reply as one packet, for the engine, which may allocate.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Errno(errno) => vec![1, *errno],
            Self::Info(bytes) => [&[Self::INFO], *bytes].concat(),
            Self::Value(value) => [&[4], &value.to_le_bytes()[..]].concat(),
            Self::Text(text) => [&[3], text.as_bytes()].concat(),
        }
    }
    /// Reads a packet; `None` if it is no reply.
    pub fn decode(packet: &'a [u8]) -> Option<Reply<'a>> {
        let mut r = Reader(packet);
        Some(match r.u8()? {
            1 => Self::Errno(r.u8()?),
            Self::INFO => Self::Info(r.rest()),
            3 => Self::Text(core::str::from_utf8(r.rest()).ok()?),
            4 => Self::Value(r.u32()?),
            _ => return None,
        })
    }
}

/// The pair under which the engine keeps the pending error of a datagram socket that is not
/// connected.
pub fn unconnected(local: SocketAddr) -> FourTuple {
    let any: IpAddr = match local {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    FourTuple { local, remote: SocketAddr::new(any, 0) }
}

/// A duration as the channel carries it; saturates.
pub fn millis(d: Duration) -> u32 {
    u32::try_from(d.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
