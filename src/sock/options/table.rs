//! Every option of every level that a socket of ours has: where it is kept, what it is from the
//! start, what it can be, whether `accept` passes it on, and what the engine is told. Values and
//! errors as Linux 6.18 gave them to a program that asked.
//!
//! An option of `SOL_SOCKET` that is not here is the kernel's own business with its file. Of the
//! other levels, what is not here is `ENOPROTOOPT`. An option that is here and has no effect is
//! named in docs/COMPATIBILITY.md.
use super::names::{
    ICMP_FILTER, IP_MULTICAST_ALL, IP_ORIGDSTADDR, IPV6_2292HOPLIMIT, IPV6_AUTOFLOWLABEL,
    IPV6_MULTICAST_ALL, IPV6_ORIGDSTADDR, SO_NO_CHECK, SO_PASSPIDFD, SO_PASSRIGHTS, SO_PEERPIDFD,
    TCP_FASTOPEN_NO_COOKIE, TCP_INQ, UDP_GRO, UDP_NO_CHECK6_RX, UDP_NO_CHECK6_TX, UDP_SEGMENT,
};
use crate::host::Errno;
use crate::protocol::option::OptionKind;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use libc::{
    IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_RAW, SOL_SOCKET,
};

/// On which sockets there is an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    /// Streams.
    Stream,
    /// Datagram sockets.
    Datagram,
    /// Both.
    Both,
}

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// Everything; 1 is kept of what is not 0.
    Flag,
    /// `EINVAL` outside.
    Range(i32, i32),
    /// `EINVAL` outside, but -1 is the default.
    RangeOrDefault(i32, i32),
    /// Everything.
    Any,
    /// The low byte; of streams without the ECN bits, which are TCP's own.
    Tos,
    /// `TCP_LINGER2`: seconds; 0 is the default, more than two minutes are two minutes.
    Linger2,
    /// `TCP_DEFER_ACCEPT`: seconds, rounded up to a number of retransmissions.
    DeferAccept,
    /// `TCP_WINDOW_CLAMP`: 0 (none), or bytes, half of the smallest receive buffer at least.
    WindowClamp,
    /// `TCP_MAXSEG`: 0, or a size.
    MaxSegment,
    /// An interface's index: 0 (none), or 1 if that is `lo`.
    Interface(Errno),
}

/// Where the value of an option is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// A flag of the socket.
    Flag(u64),
    /// A word of the extra state.
    Extra,
    /// The kernel, with the file.
    Kernel,
    /// It has functions of its own: a structure, a question to the engine, or a refusal.
    Own,
}

/// An option.
#[derive(Clone, Copy, Debug)]
pub struct SocketOption {
    /// `SOL_SOCKET`, `IPPROTO_IP`, `IPPROTO_IPV6`, `IPPROTO_TCP`, `IPPROTO_UDP`, ...
    pub level: i32,
    /// Its name at that level.
    pub name: i32,
    /// Which sockets have it.
    pub on: On,
    /// Where its value is.
    pub kept: Kept,
    /// Its value if it was never set.
    pub default: i32,
    /// What it takes.
    pub rule: Rule,
    /// Whether an accepted socket has it from its listener.
    pub inherited: bool,
    /// What it is called on the control channel, and by what its value is multiplied there.
    pub wire: Option<(OptionKind, u32)>,
}

const fn entry(level: i32, name: i32, on: On, kept: Kept) -> SocketOption {
    let (default, rule, inherited, wire) = (0, Flag, true, None);
    SocketOption { level, name, on, kept, default, rule, inherited, wire }
}
const fn word(level: i32, name: i32, on: On, default: i32, rule: Rule) -> SocketOption {
    SocketOption { default, rule, ..entry(level, name, on, Kept::Extra) }
}
const fn ip(name: i32, on: On, default: i32, rule: Rule) -> SocketOption {
    word(IPPROTO_IP, name, on, default, rule)
}
const fn ip6(name: i32, on: On, default: i32, rule: Rule) -> SocketOption {
    word(IPPROTO_IPV6, name, on, default, rule)
}
const fn tcp(name: i32, default: i32, rule: Rule) -> SocketOption {
    word(IPPROTO_TCP, name, On::Stream, default, rule)
}
const fn udp(name: i32, rule: Rule) -> SocketOption {
    word(IPPROTO_UDP, name, On::Datagram, 0, rule)
}
const fn flag(level: i32, name: i32, on: On, flag: u64) -> SocketOption {
    entry(level, name, on, Kept::Flag(flag))
}
const fn kernel(name: i32) -> SocketOption {
    entry(SOL_SOCKET, name, On::Both, Kept::Kernel)
}
const fn own(level: i32, name: i32, on: On) -> SocketOption {
    entry(level, name, on, Kept::Own)
}
impl SocketOption {
    const fn wire(mut self, kind: OptionKind, factor: u32) -> SocketOption {
        self.wire = Some((kind, factor));
        self
    }
    const fn not_inherited(mut self) -> SocketOption {
        self.inherited = false;
        self
    }
}

/// Links of a net that can have an index, `lo` included.
const LINKS: i32 = 64;

fn has_engine() -> bool {
    crate::sock::net::current().has_engine()
}

use On::{Both, Datagram, Stream};
use Rule::{
    Any, DeferAccept, Flag, Interface, Linger2, MaxSegment, Range, RangeOrDefault, Tos, WindowClamp,
};

/// Every option there is.
pub const TABLE: &[SocketOption] = &[
    flag(SOL_SOCKET, libc::SO_REUSEADDR, Both, SocketFlags::REUSEADDR),
    flag(SOL_SOCKET, libc::SO_REUSEPORT, Both, SocketFlags::REUSEPORT),
    flag(SOL_SOCKET, libc::SO_KEEPALIVE, Both, SocketFlags::KEEPALIVE)
        .wire(OptionKind::KeepAlive, 1),
    kernel(libc::SO_LINGER),
    kernel(libc::SO_SNDTIMEO),
    kernel(libc::SO_RCVTIMEO),
    kernel(libc::SO_SNDBUF),
    kernel(libc::SO_RCVBUF),
    kernel(libc::SO_RCVLOWAT),
    kernel(libc::SO_OOBINLINE),
    kernel(libc::SO_BROADCAST),
    kernel(libc::SO_PRIORITY),
    kernel(libc::SO_MARK),
    kernel(libc::SO_TIMESTAMP),
    kernel(libc::SO_TIMESTAMPNS),
    kernel(libc::SO_BUSY_POLL),
    own(SOL_SOCKET, libc::SO_ERROR, Both).not_inherited(),
    own(SOL_SOCKET, libc::SO_DOMAIN, Both),
    own(SOL_SOCKET, libc::SO_PROTOCOL, Both),
    own(SOL_SOCKET, libc::SO_TYPE, Both),
    own(SOL_SOCKET, libc::SO_MAX_PACING_RATE, Both),
    own(SOL_SOCKET, libc::SO_MEMINFO, Stream).not_inherited(),
    own(SOL_SOCKET, SO_NO_CHECK, Datagram),
    own(SOL_SOCKET, libc::SO_PEERCRED, Both).not_inherited(),
    own(SOL_SOCKET, libc::SO_PEERGROUPS, Both).not_inherited(),
    own(SOL_SOCKET, SO_PEERPIDFD, Both).not_inherited(),
    own(SOL_SOCKET, libc::SO_PEERSEC, Both).not_inherited(),
    own(SOL_SOCKET, libc::SO_PASSCRED, Both),
    own(SOL_SOCKET, libc::SO_PASSSEC, Both),
    own(SOL_SOCKET, SO_PASSPIDFD, Both),
    own(SOL_SOCKET, SO_PASSRIGHTS, Both),
    own(SOL_SOCKET, libc::SO_ATTACH_FILTER, Both),
    own(SOL_SOCKET, libc::SO_DETACH_FILTER, Both),
    own(SOL_SOCKET, libc::SO_ATTACH_BPF, Both),
    own(SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_CBPF, Both),
    own(SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_EBPF, Both),
    own(SOL_SOCKET, libc::SO_LOCK_FILTER, Both),
    flag(IPPROTO_TCP, libc::TCP_NODELAY, Stream, SocketFlags::NODELAY).wire(OptionKind::NoDelay, 1),
    flag(IPPROTO_TCP, libc::TCP_CORK, Stream, SocketFlags::CORK).wire(OptionKind::Cork, 1),
    own(IPPROTO_TCP, libc::TCP_INFO, Stream).not_inherited(),
    own(IPPROTO_TCP, libc::TCP_CC_INFO, Stream).not_inherited(),
    own(IPPROTO_TCP, libc::TCP_CONGESTION, Stream),
    own(IPPROTO_TCP, libc::TCP_ULP, Stream).not_inherited(),
    own(IPPROTO_TCP, libc::TCP_REPAIR, Stream).not_inherited(),
    own(IPPROTO_TCP, libc::TCP_FASTOPEN_KEY, Stream).not_inherited(),
    own(IPPROTO_IP, libc::IP_MTU, Both).not_inherited(),
    own(IPPROTO_IP, libc::IP_OPTIONS, Both),
    own(IPPROTO_IP, libc::IP_MULTICAST_IF, Datagram),
    own(IPPROTO_IP, libc::IP_TRANSPARENT, Both),
    own(IPPROTO_IPV6, libc::IPV6_MTU, Both).not_inherited(),
    flag(IPPROTO_IPV6, libc::IPV6_V6ONLY, Both, SocketFlags::V6ONLY),
    udp(UDP_SEGMENT, Range(0, u16::MAX as i32)),
    udp(UDP_GRO, Flag),
    udp(UDP_NO_CHECK6_TX, Flag),
    udp(UDP_NO_CHECK6_RX, Flag),
    own(SOL_RAW, ICMP_FILTER, Datagram),
    own(IPPROTO_ICMPV6, ICMP_FILTER, Datagram),
    ip(libc::IP_TOS, Both, 0, Tos).wire(OptionKind::Tos, 1),
    ip(libc::IP_TTL, Both, 64, RangeOrDefault(1, 255)).wire(OptionKind::Ttl, 1),
    ip(libc::IP_RECVOPTS, Both, 0, Flag),
    ip(libc::IP_RETOPTS, Both, 0, Flag),
    ip(libc::IP_PKTINFO, Both, 0, Flag),
    ip(libc::IP_MTU_DISCOVER, Both, 1, Range(0, 5)),
    ip(libc::IP_RECVERR, Both, 0, Flag),
    ip(libc::IP_RECVTTL, Both, 0, Flag),
    ip(libc::IP_RECVTOS, Both, 0, Flag),
    ip(IP_ORIGDSTADDR, Both, 0, Flag),
    ip(libc::IP_BIND_ADDRESS_NO_PORT, Both, 0, Flag),
    ip(libc::IP_FREEBIND, Both, 0, Flag),
    ip(libc::IP_MULTICAST_TTL, Datagram, 1, RangeOrDefault(0, 255)),
    ip(libc::IP_MULTICAST_LOOP, Both, 1, Flag),
    ip(IP_MULTICAST_ALL, Both, 1, Range(0, 1)),
    ip(libc::IP_UNICAST_IF, Both, 0, Interface(Errno::ADDRNOTAVAIL)),
    ip6(libc::IPV6_UNICAST_HOPS, Both, 64, RangeOrDefault(0, 255)).wire(OptionKind::Ttl, 1),
    ip6(libc::IPV6_MULTICAST_IF, Datagram, 0, Interface(Errno::NODEV)),
    ip6(libc::IPV6_MULTICAST_HOPS, Datagram, 1, RangeOrDefault(0, 255)),
    ip6(libc::IPV6_MULTICAST_LOOP, Both, 1, Range(0, 1)),
    ip6(IPV6_MULTICAST_ALL, Both, 1, Flag),
    ip6(libc::IPV6_MTU_DISCOVER, Both, 1, Range(0, 5)),
    ip6(libc::IPV6_RECVERR, Both, 0, Flag),
    ip6(libc::IPV6_RECVPKTINFO, Both, 0, Flag),
    ip6(libc::IPV6_RECVHOPLIMIT, Both, 0, Flag),
    ip6(libc::IPV6_RECVHOPOPTS, Both, 0, Flag),
    ip6(libc::IPV6_RECVRTHDR, Both, 0, Flag),
    ip6(libc::IPV6_RECVDSTOPTS, Both, 0, Flag),
    ip6(libc::IPV6_RECVPATHMTU, Both, 0, Flag),
    ip6(libc::IPV6_DONTFRAG, Both, 0, Flag),
    ip6(libc::IPV6_FREEBIND, Both, 0, Flag),
    ip6(libc::IPV6_RECVTCLASS, Both, 0, Flag),
    ip6(libc::IPV6_TCLASS, Both, 0, RangeOrDefault(0, 255)).wire(OptionKind::Tos, 1),
    ip6(IPV6_ORIGDSTADDR, Both, 0, Flag),
    ip6(IPV6_2292HOPLIMIT, Both, 0, Flag),
    ip6(IPV6_AUTOFLOWLABEL, Both, 1, Flag),
    tcp(libc::TCP_MAXSEG, 536, MaxSegment).wire(OptionKind::MaxSegment, 1),
    tcp(libc::TCP_KEEPIDLE, 7200, Range(1, 32_767)).wire(OptionKind::KeepIdleMs, 1000),
    tcp(libc::TCP_KEEPINTVL, 75, Range(1, 32_767)).wire(OptionKind::KeepIntervalMs, 1000),
    tcp(libc::TCP_KEEPCNT, 9, Range(1, 127)).wire(OptionKind::KeepCount, 1),
    tcp(libc::TCP_SYNCNT, 6, Range(1, 127)).wire(OptionKind::SynCount, 1),
    tcp(libc::TCP_LINGER2, 60, Linger2).wire(OptionKind::Linger2, 1),
    tcp(libc::TCP_DEFER_ACCEPT, 0, DeferAccept).wire(OptionKind::DeferAccept, 1),
    tcp(libc::TCP_WINDOW_CLAMP, 0, WindowClamp).wire(OptionKind::WindowClamp, 1),
    tcp(libc::TCP_QUICKACK, 1, Flag).wire(OptionKind::QuickAck, 1),
    tcp(libc::TCP_USER_TIMEOUT, 0, Range(0, i32::MAX)).wire(OptionKind::UserTimeoutMs, 1),
    tcp(libc::TCP_FASTOPEN, 0, Range(0, i32::MAX)).wire(OptionKind::FastOpenQueue, 1),
    tcp(TCP_INQ, 0, Range(0, 1)),
    tcp(libc::TCP_NOTSENT_LOWAT, 0, Any).wire(OptionKind::NotSentLowat, 1),
    tcp(libc::TCP_FASTOPEN_CONNECT, 0, Range(0, 1)),
    tcp(TCP_FASTOPEN_NO_COOKIE, 0, Range(0, 1)).wire(OptionKind::NoFastOpenCookie, 1),
];

/// The option of that name on a socket of this kind. Options of `IPPROTO_IP` are on IPv6 ones too.
pub fn find(sock: &Socket, level: i32, name: i32) -> Option<&'static SocketOption> {
    let (datagram, ipv6) = (sock.is_datagram(), sock.has(SocketFlags::IPV6));
    let here = |o: &&SocketOption| {
        o.level == level
            && o.name == name
            && (level != IPPROTO_IPV6 || ipv6)
            && matches!((o.on, datagram), (Both, _) | (Stream, false) | (Datagram, true))
    };
    TABLE.iter().find(here)
}

/// All options in the extra state that the engine must be told of.
pub fn of_the_wire() -> impl Iterator<Item = (&'static SocketOption, OptionKind, u32)> {
    let extra = TABLE.iter().filter(|o| o.kept == Kept::Extra);
    extra.filter_map(|o| o.wire.map(|(kind, factor)| (o, kind, factor)))
}

impl SocketOption {
    /// What is kept of a value that a program sets.
    pub fn check(&self, value: i32) -> Result<i32, Errno> {
        match self.rule {
            Flag => Ok(i32::from(value != 0)),
            Any => Ok(value),
            Range(low, high) if (low..=high).contains(&value) => Ok(value),
            RangeOrDefault(_, _) if value == -1 => Ok(self.default),
            RangeOrDefault(low, high) if (low..=high).contains(&value) => Ok(value),
            Tos => Ok(value & 0xff),
            Linger2 => Ok(match value {
                ..0 => -1,
                0 => 60,
                _ => value.min(120),
            }),
            DeferAccept => Ok(deferral(value)),
            WindowClamp if value == 0 => Ok(0),
            // A negative value is the largest: Linux compares it as a signed number.
            WindowClamp => Ok(value.max(1_152)),
            MaxSegment if value == 0 => Ok(self.default),
            MaxSegment if (88..=32_767).contains(&value) => Ok(value),
            Interface(_) if value == 0 => Ok(value),
            // The one network that every net has is `lo`.
            Interface(Errno::NODEV) if value == 1 => Ok(value),
            // A net's links are counted behind it; which there are the engine knows.
            Interface(Errno::NODEV) if (2..=LINKS).contains(&value) && has_engine() => Ok(value),
            Interface(errno) => Err(errno),
            Range(..) | RangeOrDefault(..) | MaxSegment => Err(Errno::INVAL),
        }
    }
}

/// Linux counts the retransmissions of a SYN-ACK that fit into the seconds, at timeouts of 1, 2, 4,
/// ... 120 s, and answers with the seconds that they take (secs_to_retrans, retrans_to_secs).
fn deferral(seconds: i32) -> i32 {
    let (mut total, mut timeout) = (0, 1);
    while total < seconds {
        total += timeout;
        timeout = (timeout * 2).min(120);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(flags: u64) -> Socket {
        Socket::new(-1, SocketFlags::new(flags))
    }

    fn check(level: i32, name: i32, datagram: bool, value: i32) -> Result<i32, Errno> {
        let kind = if datagram { SocketFlags::DGRAM } else { 0 };
        let sock = socket(kind | SocketFlags::IPV6);
        find(&sock, level, name).ok_or(Errno::NOPROTOOPT)?.check(value)
    }

    #[test]
    fn values_as_on_linux() {
        let (ip, ip6, tcp) = (IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP);
        let invalid = Err(Errno::INVAL);
        for (level, name, value, expected) in [
            (ip, libc::IP_TTL, 0, invalid),
            (ip, libc::IP_TTL, 255, Ok(255)),
            (ip, libc::IP_TTL, 256, invalid),
            (ip, libc::IP_TTL, -1, Ok(64)),
            (ip, libc::IP_TTL, -2, invalid),
            (ip, libc::IP_MULTICAST_TTL, 1, Err(Errno::NOPROTOOPT)),
            (ip6, libc::IPV6_UNICAST_HOPS, 0, Ok(0)),
            (ip6, libc::IPV6_TCLASS, 256, invalid),
            (tcp, libc::TCP_MAXSEG, 87, invalid),
            (tcp, libc::TCP_MAXSEG, 32_768, invalid),
            (tcp, libc::TCP_MAXSEG, 1460, Ok(1460)),
            (tcp, libc::TCP_KEEPIDLE, 32_768, invalid),
            (tcp, libc::TCP_LINGER2, -7, Ok(-1)),
            (tcp, libc::TCP_LINGER2, 0, Ok(60)),
            (tcp, libc::TCP_LINGER2, 300, Ok(120)),
            (tcp, libc::TCP_USER_TIMEOUT, -1, invalid),
        ] {
            assert_eq!(check(level, name, false, value), expected, "{level} {name} {value}");
        }
        let given = [0, 1, 2, 3, 5, 10, 100, 255, -1];
        assert_eq!(given.map(deferral), [0, 1, 3, 3, 7, 15, 127, 367, 0]);
    }

    #[test]
    fn options_are_where_linux_has_them() {
        let (stream, stream6) = (socket(0), socket(SocketFlags::IPV6));
        let datagram = socket(SocketFlags::DGRAM);
        let datagram6 = socket(SocketFlags::DGRAM | SocketFlags::IPV6);
        assert!(find(&datagram, IPPROTO_IPV6, libc::IPV6_TCLASS).is_none());
        assert!(find(&datagram6, IPPROTO_IP, libc::IP_TTL).is_some());
        assert!(find(&datagram, IPPROTO_TCP, libc::TCP_KEEPIDLE).is_none());
        assert!(find(&stream6, IPPROTO_TCP, libc::TCP_KEEPIDLE).is_some());
        assert!(find(&datagram, IPPROTO_IP, libc::IP_MULTICAST_TTL).is_some());
        assert!(find(&stream, IPPROTO_IP, libc::IP_MULTICAST_TTL).is_none());
    }

    #[test]
    fn every_option_is_there_once() {
        for (i, a) in TABLE.iter().enumerate() {
            let twin = TABLE[..i].iter().any(|b| (a.level, a.name) == (b.level, b.name));
            assert!(!twin, "{a:?}");
        }
    }

    #[test]
    fn every_option_can_be_kept() {
        for option in TABLE.iter().filter(|option| option.kept == Kept::Extra) {
            let key = crate::sock::descriptor::extra::Key::option(option.level, option.name);
            assert!(key.is_some(), "{option:?}");
        }
    }
}
