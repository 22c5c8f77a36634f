//! getsockname(2) and getpeername(2).
use super::datagram;
use super::descriptor::ends;
use super::descriptor::flags::SocketFlags;
use super::descriptor::socket::Socket;
use super::stream;
use crate::base::addr::SocketAddr;
use crate::host::Errno;

/// getsockname(2), as the program is to see it.
pub fn socket_name(sock: &Socket) -> Result<SocketAddr, Errno> {
    let local = if sock.is_datagram() {
        datagram::local_name(sock)?
    } else if sock.has_peer() || sock.has(SocketFlags::ACCEPTED) {
        // Of a failed connect, what was tried from.
        ends::of(sock).map_or_else(|_| sock.bound_address(), |(local, _)| local)
    } else {
        sock.bound_address()
    };
    Ok(sock.shown(local))
}

/// getpeername(2), as the program is to see it.
pub fn peer_name(sock: &Socket) -> Result<SocketAddr, Errno> {
    let remote = match sock.is_datagram() {
        true => datagram::peer_name(sock)?,
        false => stream::names::peer_name(sock)?,
    };
    Ok(sock.shown(remote))
}
