//! getsockname(2) and getpeername(2): read off the kernel's names.
use super::connect_wire;
use super::datagram;
use super::object::Sock;
use super::tag::Tag;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, poll};
use crate::protocol::name::Role;

/// getsockname(2), as the program is to see it.
pub fn socket_name(sock: &Sock) -> Result<SocketAddr, Errno> {
    local(sock).map(|address| sock.shown(address))
}

/// getpeername(2), as the program is to see it.
pub fn peer_name(sock: &Sock) -> Result<SocketAddr, Errno> {
    if sock.has(Tag::DGRAM) {
        return datagram::peer_name(*sock).map(|address| sock.shown(address));
    }
    if !sock.has(Tag::CONNECTED) || sock.has(Tag::FAILED) || closed(sock) {
        return Err(Errno::NOTCONN);
    }
    if connect_wire::is_pending(&mut sock.clone()) {
        return Err(Errno::NOTCONN);
    }
    remote(sock).map(|address| sock.shown(address))
}

/// TCP forgets its peer in state CLOSED: after a reset, or when both sides have closed. Data that
/// the peer left behind do not keep it.
fn closed(sock: &Sock) -> bool {
    let shown = poll::now(sock.fd);
    let reset = shown & libc::POLLERR != 0;
    let both_closed = shown & libc::POLLHUP != 0
        && sock.has(Tag::WRITE_SHUT | Tag::WROTE_AFTER_CLOSE | Tag::END_REPORTED);
    reset || both_closed
}

/// The local end, v4 as v4; the wildcard and port 0 of an unbound socket.
pub fn local(sock: &Sock) -> Result<SocketAddr, Errno> {
    if sock.has(Tag::ACCEPTED) {
        return match sock.peer_name().map(|n| n.role) {
            Some(Role::Endpoint { remote, .. } | Role::Wire { remote, .. }) => Ok(remote),
            _ => Err(Errno::NOTCONN),
        };
    }
    if sock.has(Tag::DGRAM) {
        return datagram::local_name(sock);
    }
    Ok(bound_name(sock))
}

/// The address that the socket is bound to, v4 as v4; the wildcard and port 0 if it is not.
pub(super) fn bound_name(sock: &Sock) -> SocketAddr {
    match sock.own_name().map(|n| n.role) {
        Some(Role::Endpoint { local, .. }) => local,
        Some(Role::Listener { local, .. } | Role::Datagram { local, .. }) => local,
        _ => unbound(sock),
    }
}

/// The remote end of a stream, v4 as v4.
pub fn remote(sock: &Sock) -> Result<SocketAddr, Errno> {
    let name = if sock.has(Tag::ACCEPTED) { sock.peer_name() } else { sock.own_name() };
    match (name.map(|n| n.role), sock.has(Tag::ACCEPTED)) {
        (Some(Role::Endpoint { local, .. } | Role::Wire { local, .. }), true) => Ok(local),
        (Some(Role::Endpoint { remote, .. }), false) => Ok(remote),
        _ => Err(Errno::NOTCONN),
    }
}

fn unbound(sock: &Sock) -> SocketAddr {
    let any: IpAddr = match sock.has(Tag::IPV6) {
        true => Ipv6Addr::UNSPECIFIED.into(),
        false => Ipv4Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(any, 0)
}
