//! connect(2) of streams: where to, and what state the socket is in. The two ways there are
//! [`super::connect_local`] and [`super::connect_wire`].
use super::connect_local;
use super::connect_wire;
use super::datagram;
use super::fast_open::First;
use super::net_env;
use super::object::{Sock, canonical};
use super::replace;
use super::sockaddr::{self, Given};
use super::stream_error;
use super::tag::Tag;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, fd, unix};
use crate::net::brief::{Destination, Loopback, Outside};
use crate::protocol::name::Role;

/// connect(2) with the address that the program gave.
pub fn connect(sock: Sock, given: &[u8]) -> Result<(), Errno> {
    connect_with(sock, given, None)
}

/// The same, with data that may go along with the SYN of a stream.
pub fn connect_with(sock: Sock, given: &[u8], first: Option<&mut First<'_>>) -> Result<(), Errno> {
    if sock.has(Tag::DGRAM) {
        return match datagram_address(&sock, given)? {
            Given::Inet(address) => datagram::connect(sock, Some(address)),
            Given::Unspec(_) => datagram::connect(sock, None),
        };
    }
    let family = given.first_chunk::<2>().ok_or(Errno::INVAL)?;
    if i32::from(u16::from_ne_bytes(*family)) == libc::AF_UNSPEC {
        return disconnect(sock);
    }
    let waits = first.as_ref().map_or_else(|| !fd::is_nonblocking(sock.fd), |first| first.waits);
    if let Some(answer) = progress(sock, waits) {
        return answer;
    }
    match sockaddr::decode(given, sock.has(Tag::IPV6))? {
        Given::Inet(address) => start(sock, address, given, first),
        Given::Unspec(_) => Err(Errno::AFNOSUPPORT),
    }
}

/// The address in a call on a datagram socket: an `AF_INET6` one takes an IPv4 address too.
pub fn datagram_address(sock: &Sock, given: &[u8]) -> Result<Given, Errno> {
    let ipv6 = sock.has(Tag::IPV6);
    let v4 = (libc::AF_INET as u16).to_ne_bytes();
    match given {
        [a, b, ..] if ipv6 && [*a, *b] == v4 && !sock.has(Tag::V6ONLY) => {
            sockaddr::inet(given).map(Given::Inet)
        }
        _ => sockaddr::decode(given, ipv6),
    }
}

/// The address in sendto(2); AF_UNSPEC is AF_INET there (udp_sendmsg), and none for `AF_INET6`.
pub fn datagram_destination(sock: &Sock, given: &[u8]) -> Result<Option<SocketAddr>, Errno> {
    match datagram_address(sock, given)? {
        Given::Inet(address) => Ok(Some(address)),
        Given::Unspec(_) if sock.has(Tag::IPV6) => Ok(None),
        Given::Unspec(address) => address.map(Some).ok_or(Errno::INVAL),
    }
}

/// What connect(2) answers to a socket that is not new; `None`: go on. `waits`: for a connect that
/// is under way.
pub fn progress(mut sock: Sock, waits: bool) -> Option<Result<(), Errno>> {
    if sock.has(Tag::LISTENING) {
        return Some(Err(Errno::ISCONN));
    }
    if sock.has(Tag::CONNECTING) && sock.has(Tag::WIRE) {
        return Some(connect_wire::resume(sock, waits));
    }
    if sock.has(Tag::CONNECTING) {
        sock.remove(Tag::CONNECTING);
        return Some(Ok(()));
    }
    if sock.has(Tag::FAILED) {
        // Linux 6.18: the error if it was not fetched yet, else ECONNABORTED; then anew.
        let errno = stream_error::take_failure(&mut sock).unwrap_or(Errno::CONNABORTED);
        sock.remove(Tag::FAILED | Tag::CONNECTED | Tag::WIRE | Tag::END_REPORTED);
        return Some(Err(errno));
    }
    sock.has(Tag::CONNECTED).then_some(Err(Errno::ISCONN))
}

fn start(
    sock: Sock,
    address: SocketAddr,
    given: &[u8],
    first: Option<&mut First<'_>>,
) -> Result<(), Errno> {
    let remote = destination(&sock, address)?;
    let brief = net_env::usable()?;
    match brief.destination(remote.ip()) {
        Destination::Local if brief.loopback == Loopback::Direct => {
            connect_local::connect(sock, remote)
        }
        Destination::Local => {
            connect_wire::connect(sock, remote, connect_local::source_for(remote.ip()), first)
        }
        Destination::Wire { source } => connect_wire::connect(sock, remote, source, first),
        Destination::Outside => match brief.outside {
            Outside::Unreachable => Err(Errno::NETUNREACH),
            Outside::Host => outside(sock, given),
        },
    }
}

/// The address as names have it: the wildcard is loopback, v4-mapped is v4. No multicast, no
/// broadcast.
fn destination(sock: &Sock, address: SocketAddr) -> Result<SocketAddr, Errno> {
    let mapped = sock.has(Tag::IPV6) && address.ip().to_canonical().is_ipv4();
    if mapped && sock.has(Tag::V6ONLY) {
        return Err(Errno::NETUNREACH);
    }
    let mut remote = canonical(address);
    match remote.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => remote.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => remote.set_ip(Ipv6Addr::LOCALHOST.into()),
        ip if ip.is_multicast() || net_env::current().is_broadcast(ip) => {
            return Err(Errno::NETUNREACH);
        }
        _ => {}
    }
    Ok(remote)
}

/// The host's own network.
fn outside(sock: Sock, given: &[u8]) -> Result<(), Errno> {
    replace::kernel_file(sock)?;
    unix::connect_raw(sock.fd, given)
}

/// connect(2) to `AF_UNSPEC`: an unconnected socket again, still bound if the program had bound it.
pub fn disconnect(sock: Sock) -> Result<(), Errno> {
    if !sock.has(Tag::CONNECTED | Tag::LISTENING) {
        return Ok(());
    }
    let bound = if sock.has(Tag::BOUND) { sock.own_name() } else { None };
    let mut fresh = replace::unix_file(sock)?;
    if let Some(Role::Endpoint { local, .. } | Role::Listener { local, .. }) = bound.map(|n| n.role)
    {
        let _ = super::bind::claim(&mut fresh, local);
    }
    Ok(())
}
