//! The peer of a datagram socket, and the errors that it leaves.
use super::error_queue;
use super::route::{self, Route};
use crate::base::FourTuple;
use crate::base::addr::SocketAddr;
use crate::host::{Errno, fd::Raw, option, unix};
use crate::protocol::errno;
use crate::protocol::name::{Name, NetId, Role, Transport};
use crate::protocol::request::Request;
use crate::sock::client;
use crate::sock::descriptor::extra::{Key, SocketExtra};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::{Socket, address_of};
use crate::sock::net;

/// Makes the kernel's peer the socket that has the address now; whether there is one.
pub fn link(sock: &Socket, to: &Route) -> Result<bool, Errno> {
    let net = NetId(net::current().id);
    match *to {
        // Echo requests to ourselves are answered here.
        Route::Local(_) if sock.has(SocketFlags::ICMP) => Ok(false),
        Route::Local(remote) if remote.port() == 0 => Ok(false),
        Route::Local(remote) => {
            let linked = route::first_that_answers(sock, remote, |name| {
                unix::connect(sock.fd, &address_of(name))
            });
            match linked {
                Ok(()) => Ok(true),
                Err(Errno::CONNREFUSED) => Ok(false),
                Err(errno) => Err(errno),
            }
        }
        Route::Wire(tuple) => {
            let transport = sock.transport();
            let role = Role::Proxy { transport, local: tuple.local, remote: tuple.remote };
            with_peer_socket(transport, tuple, || {
                unix::connect(sock.fd, &address_of(&Name { net, role }))
            })?;
            Ok(true)
        }
        Route::Group(_) | Route::Outside => Ok(false),
    }
}

/// Does `call` on the name of a peer socket of the engine; if there is none yet, or it is joined to
/// another socket (one that had this port before), asks the engine for it first.
pub fn with_peer_socket<T>(
    transport: Transport,
    tuple: FourTuple,
    mut call: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    match call() {
        Err(Errno::CONNREFUSED | Errno::PERM) => {
            client::demand(&Request::PeerSocket(transport, tuple))?;
            call()
        }
        other => other,
    }
}

/// The logical peer of a connected socket.
#[inline(never)]
pub fn peer(sock: &Socket) -> Option<SocketAddr> {
    if !sock.has(SocketFlags::PEER) {
        return None;
    }
    let mut extra = SocketExtra::new();
    extra.read_one(sock, Key::PEER);
    extra.peer()
}

/// getpeername(2), not yet v4-mapped.
pub fn peer_name(sock: &Socket) -> Result<SocketAddr, Errno> {
    // Linux lets a datagram socket connect to port 0 and says then that it is not connected.
    peer(sock).filter(|peer| peer.port() != 0).ok_or(Errno::NOTCONN)
}

/// The local end, not yet v4-mapped: of a connected socket that is bound to a wildcard, the address
/// that it sends from.
pub fn local_name(sock: &Socket) -> Result<SocketAddr, Errno> {
    let mut local = sock.bound_address();
    if local.ip().is_unspecified()
        && let Some(peer) = peer(sock)
        && let Some(source) = route::source_for(peer.ip())
    {
        local.set_ip(source);
    }
    Ok(local)
}

/// What the kernel's `ECONNRESET` on a datagram socket means: the error of an earlier send. `None`:
/// it has been reported, and was shown again only because the error queue has something; the call
/// is to be made again.
pub fn late_error(fd: Raw) -> Option<Errno> {
    let Some(mut sock) = Socket::of(fd) else { return Some(Errno::CONNRESET) };
    if !sock.has(SocketFlags::RECVERR) {
        return wire_error(&sock).or(Some(Errno::CONNREFUSED));
    }
    match errno::from_byte(sock.flags.error()) {
        Some(errno) => {
            sock.set_error(0);
            error_queue::show_again(&sock);
            Some(errno)
        }
        None => wire_error(&sock),
    }
}

/// The error that the engine remembers for the peer of a wire socket, once.
pub fn wire_error(sock: &Socket) -> Option<Errno> {
    if !sock.has(SocketFlags::WIRE) {
        return None;
    }
    let remote = peer(sock)?;
    let local = local_name(sock).ok()?;
    errno::from_byte(client::errno_of(&Request::UdpError(FourTuple { local, remote })).ok()?)
}

/// `SO_ERROR`: the pending error, once; 0 for none.
pub fn take_error(sock: &Socket) -> i32 {
    match option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_ERROR) {
        Ok(libc::ECONNRESET) => late_error(sock.fd).map_or(0, Errno::raw_os_error),
        Ok(errno) => errno,
        Err(_) => 0,
    }
}
