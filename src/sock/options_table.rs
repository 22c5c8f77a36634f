//! Options that are an `int` which a unix socket does not know: which there are, what they are from
//! the start, what they can be. Values and errors as Linux 6.18 gave them to a program that asked.
//!
//! An option that is here and has no effect is named in docs/COMPATIBILITY.md; what is not here is
//! `ENOPROTOOPT`.
use super::pktinfo::{IP_ORIGDSTADDR, IPV6_2292HOPLIMIT, IPV6_ORIGDSTADDR};
use crate::host::Errno;
use crate::protocol::option::OptionKind;
use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP};

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

/// An option.
#[derive(Clone, Copy, Debug)]
pub struct IntOption {
    /// `IPPROTO_IP`, `IPPROTO_IPV6` or `IPPROTO_TCP`.
    pub level: i32,
    /// Its name at that level.
    pub name: i32,
    /// Where it is.
    pub on: On,
    /// Its value if it was never set.
    pub default: i32,
    /// What it takes.
    pub rule: Rule,
    /// What it is called on the control channel, and by what its value is multiplied there.
    pub wire: Option<(OptionKind, u32)>,
}

const fn ip(name: i32, on: On, default: i32, rule: Rule) -> IntOption {
    IntOption { level: IPPROTO_IP, name, on, default, rule, wire: None }
}
const fn ip6(name: i32, on: On, default: i32, rule: Rule) -> IntOption {
    IntOption { level: IPPROTO_IPV6, name, on, default, rule, wire: None }
}
const fn tcp(name: i32, default: i32, rule: Rule) -> IntOption {
    IntOption { level: IPPROTO_TCP, name, on: On::Stream, default, rule, wire: None }
}
impl IntOption {
    const fn wire(mut self, kind: OptionKind, factor: u32) -> IntOption {
        self.wire = Some((kind, factor));
        self
    }
}

/// Names that `libc` lacks.
const IP_MULTICAST_ALL: i32 = 49;
const IPV6_MULTICAST_ALL: i32 = 29;
const IPV6_AUTOFLOWLABEL: i32 = 70;
const TCP_FASTOPEN_NO_COOKIE: i32 = 34;
/// How much more lies there, told by recvmsg(2); `TCP_CM_INQ` is the same number.
pub const TCP_INQ: i32 = 36;

/// Links of a net that can have an index, `lo` included.
const LINKS: i32 = 64;

fn has_engine() -> bool {
    super::net_env::current().has_engine()
}

use On::{Both, Datagram};
use Rule::{
    Any, DeferAccept, Flag, Interface, Linger2, MaxSegment, Range, RangeOrDefault, Tos, WindowClamp,
};

const TABLE: &[IntOption] = &[
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
pub fn find(level: i32, name: i32, datagram: bool, ipv6: bool) -> Option<&'static IntOption> {
    let here = |o: &&IntOption| {
        o.level == level
            && o.name == name
            && (level != IPPROTO_IPV6 || ipv6)
            && matches!(
                (o.on, datagram),
                (On::Both, _) | (On::Stream, false) | (On::Datagram, true)
            )
    };
    TABLE.iter().find(here)
}

/// All options that the engine must be told of.
pub fn of_the_wire() -> impl Iterator<Item = (&'static IntOption, OptionKind, u32)> {
    TABLE.iter().filter_map(|o| o.wire.map(|(kind, factor)| (o, kind, factor)))
}

impl IntOption {
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

    fn check(level: i32, name: i32, datagram: bool, value: i32) -> Result<i32, Errno> {
        find(level, name, datagram, true).ok_or(Errno::NOPROTOOPT)?.check(value)
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
        assert!(find(IPPROTO_IPV6, libc::IPV6_TCLASS, true, false).is_none());
        assert!(find(IPPROTO_IP, libc::IP_TTL, true, true).is_some());
        assert!(find(IPPROTO_TCP, libc::TCP_KEEPIDLE, true, false).is_none());
        assert!(find(IPPROTO_IP, libc::IP_MULTICAST_TTL, true, false).is_some());
    }

    #[test]
    fn every_option_can_be_kept() {
        for option in TABLE {
            let key = super::super::annex::Key::option(option.level, option.name);
            assert!(key.is_some(), "{option:?}");
        }
    }
}
