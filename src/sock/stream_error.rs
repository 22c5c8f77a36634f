//! Errors of streams: what `SO_ERROR`, `read` and `write` report, each once.
use super::ask::{self, AskError};
use super::connect_wire;
use super::names;
use super::object::Sock;
use super::tag::Tag;
use crate::base::FourTuple;
use crate::host::{Errno, option, poll};
use crate::protocol::errno::from_byte;
use crate::protocol::request::Request;

/// The pending error, which is then no longer pending: that of a connect that failed, the engine's
/// reason why a wire connection ended, or the kernel's. 0: none.
pub fn take(mut sock: Sock) -> i32 {
    let kernel = take_kernel(&sock);
    if let Some(errno) = take_failure(&mut sock) {
        return errno.raw_os_error();
    }
    if let Some(errno) = end_reason(&mut sock, kernel != 0) {
        return errno.raw_os_error();
    }
    // Who asks this after a non-blocking connect wants to know whether it is done.
    connect_wire::is_pending(&mut sock);
    kernel
}

/// The kernel's own pending error of the file.
pub fn take_kernel(sock: &Sock) -> i32 {
    option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_ERROR).unwrap_or(0)
}

/// The reason of a failed connect, if nobody has been told yet.
pub fn take_failure(sock: &mut Sock) -> Option<Errno> {
    let errno = from_byte(sock.tag.error())?;
    sock.set_tag(sock.tag.with_error(0));
    take_kernel(sock);
    Some(errno)
}

/// Why the engine ended this connection, asked once. `None`: it has not ended, or in good order, or
/// it is known already. A connect that was under way has then failed: the tag says so.
pub fn end_reason(sock: &mut Sock, kernel_error: bool) -> Option<Errno> {
    if !sock.has(Tag::WIRE) || sock.has(Tag::END_REPORTED) {
        return None;
    }
    let ended = libc::POLLERR | libc::POLLHUP;
    if !kernel_error && poll::now(sock.fd) & ended == 0 {
        return None;
    }
    let tuple = wire_tuple(sock)?;
    let answer = ask::errno_of(&Request::EndReason(tuple));
    take_kernel(sock);
    let reason = match answer {
        Ok(0) if sock.has(Tag::WRITE_SHUT) => None, // both sides had closed
        Ok(byte) => Some(from_byte(byte).unwrap_or(Errno::CONNRESET)),
        // The engine hangs up in good order only when both directions have ended. Otherwise it has
        // died, and what it had not passed on is lost: that must not look like the end.
        Err(AskError::NoEngine) => Some(Errno::CONNRESET),
        // The kernel's word for it stands.
        Err(_) => return kernel_error.then_some(Errno::CONNRESET),
    };
    let ended = match reason {
        Some(_) if sock.has(Tag::CONNECTING) => sock.tag.with(Tag::FAILED),
        _ => sock.tag,
    };
    sock.set_tag(ended.with(Tag::END_REPORTED).without(Tag::CONNECTING));
    reason
}

/// A wire connection as the engine knows it.
fn wire_tuple(sock: &Sock) -> Option<FourTuple> {
    Some(FourTuple { local: names::local(sock).ok()?, remote: names::remote(sock).ok()? })
}
