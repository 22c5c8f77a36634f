//! Datagram socket objects: connect, disconnect, shutdown, names. Sending and receiving have files
//! of their own: [`super::datagram_send`], [`super::datagram_receive`].
//!
//! # How UDP is made of unix datagrams
//!
//! - A socket object is a unix datagram socket with a [`Role::Datagram`] name; the first send or
//!   connect gives it one. The sender's name is the sender's address.
//! - The *logical* peer of a connected socket is in its annex. If somebody has that address, the
//!   *kernel's* peer is his socket: plain `send` and `recv` go straight through, and the kernel
//!   refuses datagrams of others, as UDP does. When he is gone, the kernel says `ECONNREFUSED` or
//!   `ENOTCONN` at the next send, and the address is looked up anew.
//! - UDP tells a connected sender late that nobody was there: the send succeeds, the next call
//!   fails.
//!   [`raise_error`] makes the kernel say so, so that `poll` and a blocked `recv` see it as well.
//! - A host on the wire is a socket of the engine, named [`Role::Proxy`].
use super::annex::{Annex, Key};
use super::ask;
use super::bind;
use super::datagram_bind;
use super::datagram_route::{self, Route};
use super::datagram_wants;
use super::error_receive;
use super::names;
use super::net_env;
use super::object::{Sock, address_of};
use super::replace;
use super::sockaddr;
use super::tag::Tag;
use crate::base::FourTuple;
use crate::base::addr::SocketAddr;
use crate::host::{Errno, fd::Raw, message, option, poll, unix};
use crate::protocol::errno;
use crate::protocol::name::{Name, NetId, Role, Transport};
use crate::protocol::request::Request;

/// connect(2); `None` for `AF_UNSPEC`.
pub fn connect(mut sock: Sock, to: Option<SocketAddr>) -> Result<(), Errno> {
    let Some(mut to) = to else { return disconnect(sock) };
    if sock.has(Tag::ICMP) {
        // It means nothing there.
        to.set_port(0);
    }
    let mut route = datagram_route::find(&sock, to, None)?;
    if route == Route::Outside {
        replace::kernel_file(sock)?;
        return unix::connect_raw(sock.fd, sockaddr::encode(to).as_bytes());
    }
    if !sock.has(Tag::BOUND) {
        // The engine is told of special wishes below, once.
        datagram_bind::choose(&mut sock)?;
        // A route on the wire says the local port.
        route = datagram_route::find(&sock, to, None)?;
    }
    let remote = route.remote().ok_or(Errno::NETUNREACH)?;
    if !link(&sock, &route)? && sock.has(Tag::CONNECTED) {
        // The old peer must not be sent to any more.
        unix::disconnect(sock.fd)?;
    }
    let mut annex = Annex::of(&sock);
    annex.set_peer(Some(remote))?;
    annex.store(&mut sock)?;
    sock.add(Tag::CONNECTED);
    match route {
        Route::Wire(_) => sock.add(Tag::WIRE),
        // There is no one peer: every datagram goes by its address.
        Route::Group(_) => {
            sock.remove(Tag::WIRE);
            sock.add(Tag::SEND_OPTIONS);
        }
        _ => sock.remove(Tag::WIRE),
    }
    datagram_wants::tell_if_special(&sock);
    Ok(())
}

fn disconnect(mut sock: Sock) -> Result<(), Errno> {
    if !sock.has(Tag::CONNECTED) {
        return Ok(());
    }
    unix::disconnect(sock.fd)?;
    let mut annex = Annex::of(&sock);
    annex.remove(Key::PEER);
    annex.store(&mut sock)?;
    sock.remove(Tag::CONNECTED | Tag::WIRE);
    datagram_wants::tell_if_special(&sock);
    Ok(())
}

/// Makes the kernel's peer the socket that has the address now; whether there is one.
pub(super) fn link(sock: &Sock, route: &Route) -> Result<bool, Errno> {
    let net = NetId(net_env::current().id);
    match *route {
        // Echo requests to ourselves are answered here.
        Route::Local(_) if sock.has(Tag::ICMP) => Ok(false),
        Route::Local(remote) if remote.port() == 0 => Ok(false),
        Route::Local(remote) => {
            let linked = datagram_route::first_that_answers(sock, remote, |name| {
                unix::connect(sock.fd, &address_of(name))
            });
            match linked {
                Ok(()) => Ok(true),
                Err(Errno::CONNREFUSED) => Ok(false),
                Err(errno) => Err(errno),
            }
        }
        Route::Wire(tuple) => {
            let transport = bind::transport(sock);
            let role = Role::Proxy { transport, local: tuple.local, remote: tuple.remote };
            with_proxy(transport, tuple, || {
                unix::connect(sock.fd, &address_of(&Name { net, role }))
            })?;
            Ok(true)
        }
        Route::Group(_) | Route::Outside => Ok(false),
    }
}

/// Does `call` on the proxy's name; if there is no proxy yet, or it is joined to another socket
/// (one that had this port before us), asks the engine for it first.
pub(super) fn with_proxy<T>(
    transport: Transport,
    tuple: FourTuple,
    mut call: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    match call() {
        Err(Errno::CONNREFUSED | Errno::PERM) => {
            ask::demand(&Request::PeerSocket(transport, tuple))?;
            call()
        }
        other => other,
    }
}

/// The logical peer of a connected socket.
pub(super) fn peer(sock: &Sock) -> Option<SocketAddr> {
    if sock.has(Tag::CONNECTED) { Annex::of(sock).peer() } else { None }
}

/// getpeername(2), not yet v4-mapped.
pub fn peer_name(sock: Sock) -> Result<SocketAddr, Errno> {
    // Linux lets a datagram socket connect to port 0 and says then that it is not connected.
    peer(&sock).filter(|peer| peer.port() != 0).ok_or(Errno::NOTCONN)
}

/// The local end, not yet v4-mapped: of a connected socket that is bound to a wildcard, the address
/// that it sends from.
pub fn local_name(sock: &Sock) -> Result<SocketAddr, Errno> {
    let mut local = names::bound_name(sock);
    if local.ip().is_unspecified()
        && let Some(peer) = peer(sock)
        && let Some(source) = datagram_route::source_for(peer.ip())
    {
        local.set_ip(source);
    }
    Ok(local)
}

/// shutdown(2). On a socket that is not connected Linux shuts it down as well (which wakes its
/// readers), and then says that it is not connected (inet_shutdown).
pub fn shutdown(mut sock: Sock, how: i32) -> Result<(), Errno> {
    unix::shutdown(sock.fd, how)?;
    let flags = match how {
        libc::SHUT_RD => Tag::READ_SHUT,
        libc::SHUT_WR => Tag::WRITE_SHUT,
        _ => Tag::READ_SHUT | Tag::WRITE_SHUT,
    };
    sock.add(flags);
    if sock.has(Tag::CONNECTED) { Ok(()) } else { Err(Errno::NOTCONN) }
}

/// What the kernel's `ECONNRESET` on a datagram socket means: the error of an earlier send. `None`:
/// it has been reported, and was shown again only because the error queue has something; the call
/// is to be made again.
pub(super) fn late_error(fd: Raw) -> Option<Errno> {
    let Some(mut sock) = Sock::of(fd) else { return Some(Errno::CONNRESET) };
    if !sock.has(Tag::RECVERR) {
        return wire_error(&sock).or(Some(Errno::CONNREFUSED));
    }
    match errno::from_byte(sock.tag.error()) {
        Some(errno) => {
            sock.set_tag(sock.tag.with_error(0));
            error_receive::show_again(&sock);
            Some(errno)
        }
        None => wire_error(&sock),
    }
}

/// The error that the engine remembers for the peer of a wire socket, once.
pub(super) fn wire_error(sock: &Sock) -> Option<Errno> {
    if !sock.has(Tag::WIRE) {
        return None;
    }
    let remote = peer(sock)?;
    let local = local_name(sock).ok()?;
    errno::from_byte(ask::errno_of(&Request::UdpError(FourTuple { local, remote })).ok()?)
}

/// `SO_ERROR`: the pending error, once; 0 for none.
pub fn take_error(sock: &Sock) -> i32 {
    match option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_ERROR) {
        Ok(libc::ECONNRESET) => late_error(sock.fd).map_or(0, Errno::raw_os_error),
        Ok(errno) => errno,
        Err(_) => 0,
    }
}

/// Leaves an error pending on a connected socket whose datagram found nobody.
///
/// A unix datagram socket gets `ECONNRESET` when a socket that it is connected to, and that is
/// connected to it, turns away with unread datagrams (unix_dgram_disconnected in Linux'
/// net/unix/af_unix.c). So a short-lived socket plays that part; readers wake and `poll` shows
/// `POLLERR`, as ICMP's port unreachable does it for UDP.
pub(super) fn raise_error(sock: &Sock) -> Result<(), Errno> {
    let waits = || poll::one(sock.fd, libc::POLLIN, Some(core::time::Duration::ZERO));
    if !sock.has(Tag::CONNECTED) && waits()? & libc::POLLIN != 0 {
        // It would be shut to all others until it sends again.
        return Ok(());
    }
    let own = unix::local_address(sock.fd)?;
    let actor = unix::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)?;
    unix::bind(actor.raw(), &unix::Address::unnamed())?;
    unix::connect(sock.fd, &unix::local_address(actor.raw())?)?;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    message::send_bytes(sock.fd, &[0], None, flags)?;
    unix::connect(actor.raw(), &own)?;
    unix::disconnect(actor.raw())?;
    // Turning away drops what waits to be read. Otherwise the kernel does at the next send what a
    // dead peer makes it do.
    if waits()? & libc::POLLIN == 0 {
        unix::disconnect(sock.fd)?;
    }
    Ok(())
}
