//! Errors that a unix datagram socket does not make by itself.
use crate::host::{Errno, message, poll, unix};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;

/// Leaves an error pending on a connected socket whose datagram found nobody.
///
/// A unix datagram socket gets `ECONNRESET` when a socket that it is connected to, and that is
/// connected to it, turns away with unread datagrams (unix_dgram_disconnected in Linux'
/// net/unix/af_unix.c). So a short-lived socket plays that part; readers wake and `poll` shows
/// `POLLERR`, as ICMP's port unreachable does it for UDP.
pub fn raise_error(sock: &Socket) -> Result<(), Errno> {
    let waits = || poll::one(sock.fd, libc::POLLIN, Some(core::time::Duration::ZERO));
    if !sock.has(SocketFlags::PEER) && waits()? & libc::POLLIN != 0 {
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
