//! socket(2): which sockets are ours, and what they are made of.
use super::descriptor::flags::SocketFlags;
use super::descriptor::kind::{self, FdKind};
use super::descriptor::private;
use super::descriptor::socket::Socket;
use super::net;
use crate::host::{Errno, fd::Raw, unix};
use crate::net::brief::Outside;

/// `SOCK_CLOEXEC | SOCK_NONBLOCK`.
const FLAGS: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
const TYPE_MASK: i32 = 0xf;
/// Multipath TCP falls back to TCP (RFC 8684 3.7), and so is TCP here.
const IPPROTO_MPTCP: i32 = 262;

/// What a program asks for when it calls socket(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Stream,
    Datagram,
    /// Echo sockets and raw ones of ICMP.
    Icmp {
        raw: bool,
    },
    /// Raw sockets: the kernel's, if the net is open to the host.
    Special(Errno),
    Refused(Errno),
}

/// socket(2).
pub fn socket(domain: i32, kind: i32, protocol: i32) -> Result<Raw, Errno> {
    if domain != libc::AF_INET && domain != libc::AF_INET6 {
        return kernel(domain, kind, protocol);
    }
    let brief = net::usable()?;
    let ipv6 = if domain == libc::AF_INET6 { SocketFlags::IPV6 } else { 0 };
    match wanted(kind, protocol, domain) {
        Wanted::Stream => object(libc::SOCK_STREAM, kind & FLAGS, ipv6),
        Wanted::Datagram => object(libc::SOCK_DGRAM, kind & FLAGS, ipv6 | SocketFlags::DGRAM),
        Wanted::Icmp { .. } if brief.outside == Outside::Host => kernel(domain, kind, protocol),
        Wanted::Icmp { raw } => {
            let flags = ipv6
                | SocketFlags::DGRAM
                | SocketFlags::ICMP
                | if raw { SocketFlags::RAW } else { 0 };
            // Several may have one identifier (INET_PROTOSW_REUSE).
            object(libc::SOCK_DGRAM, kind & FLAGS, flags | SocketFlags::REUSEADDR)
        }
        Wanted::Special(_) if brief.outside == Outside::Host => kernel(domain, kind, protocol),
        Wanted::Special(errno) | Wanted::Refused(errno) => Err(errno),
    }
}

/// As Linux 6.18 answers; raw sockets as it answers who has no privilege.
fn wanted(kind: i32, protocol: i32, domain: i32) -> Wanted {
    let flags = kind & !TYPE_MASK;
    if flags & !FLAGS != 0 || !(0..=IPPROTO_MPTCP).contains(&protocol) {
        return Wanted::Refused(Errno::INVAL);
    }
    let ping = if domain == libc::AF_INET6 { libc::IPPROTO_ICMPV6 } else { libc::IPPROTO_ICMP };
    match (kind & TYPE_MASK, protocol) {
        (libc::SOCK_STREAM, 0 | libc::IPPROTO_TCP | IPPROTO_MPTCP) => Wanted::Stream,
        (libc::SOCK_DGRAM, 0 | libc::IPPROTO_UDP) => Wanted::Datagram,
        (libc::SOCK_DGRAM, p) if p == ping => Wanted::Icmp { raw: false },
        (libc::SOCK_RAW, p) if p == ping => Wanted::Icmp { raw: true },
        (libc::SOCK_RAW, 0) => Wanted::Refused(Errno::PROTONOSUPPORT),
        (libc::SOCK_RAW, _) => Wanted::Special(Errno::PERM),
        (libc::SOCK_STREAM | libc::SOCK_DGRAM, _) => Wanted::Refused(Errno::PROTONOSUPPORT),
        (11.., _) => Wanted::Refused(Errno::INVAL),
        _ => Wanted::Refused(Errno::SOCKTNOSUPPORT),
    }
}

fn kernel(domain: i32, kind: i32, protocol: i32) -> Result<Raw, Errno> {
    let fd = unix::socket_of_next(domain, kind, protocol)?;
    kind::forget(fd);
    Ok(fd)
}

/// A new socket of a type, with `SOCK_*` flags and flags of its own.
pub fn object(kind: i32, creation: i32, flags: u64) -> Result<Raw, Errno> {
    let fd = unix::socket(libc::AF_UNIX, kind | creation, 0)?;
    let sock = Socket::new(fd.raw(), SocketFlags::new(flags));
    sock.store_flags()?;
    kind::set(sock.fd, FdKind::of_flags(sock.flags));
    if sock.is_datagram() {
        private::remember(sock.fd, sock.flags);
    }
    Ok(fd.into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_protocols_as_linux_has_them() {
        let v4 = |kind, protocol| wanted(kind, protocol, libc::AF_INET);
        assert_eq!(v4(libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0), Wanted::Stream);
        assert_eq!(v4(libc::SOCK_STREAM, IPPROTO_MPTCP), Wanted::Stream);
        assert_eq!(v4(libc::SOCK_DGRAM, 17), Wanted::Datagram);
        assert_eq!(v4(libc::SOCK_STREAM, 17), Wanted::Refused(Errno::PROTONOSUPPORT));
        assert_eq!(v4(libc::SOCK_DGRAM, 6), Wanted::Refused(Errno::PROTONOSUPPORT));
        assert_eq!(v4(libc::SOCK_STREAM, 300), Wanted::Refused(Errno::INVAL));
        assert_eq!(v4(libc::SOCK_SEQPACKET, 0), Wanted::Refused(Errno::SOCKTNOSUPPORT));
        assert_eq!(v4(libc::SOCK_STREAM | 0x10, 0), Wanted::Refused(Errno::INVAL));
        assert_eq!(v4(libc::SOCK_DGRAM, 1), Wanted::Icmp { raw: false });
        assert_eq!(v4(libc::SOCK_RAW, 1), Wanted::Icmp { raw: true });
        assert_eq!(v4(libc::SOCK_DGRAM, 58), Wanted::Refused(Errno::PROTONOSUPPORT));
        assert_eq!(v4(libc::SOCK_RAW, 255), Wanted::Special(Errno::PERM));
        assert_eq!(v4(libc::SOCK_RAW, 0), Wanted::Refused(Errno::PROTONOSUPPORT));
    }
}
