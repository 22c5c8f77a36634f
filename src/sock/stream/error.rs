//! Errors of streams: what `SO_ERROR`, `read` and `write` report, each once.
use crate::host::{Errno, option, poll};
use crate::protocol::errno::from_byte;
use crate::protocol::request::Request;
use crate::sock::client::{self, AskError};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use crate::sock::descriptor::state::{Cause, StreamState};
use crate::sock::options::wire;

/// The kernel's own pending error of the file, which is then no longer pending; 0: none.
pub fn take_kernel(sock: &Socket) -> i32 {
    option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_ERROR).unwrap_or(0)
}

/// The reason of a failed connect, if the program has not been told yet.
pub fn take_failure(sock: &mut Socket) -> Option<Errno> {
    let errno = from_byte(sock.flags.error())?;
    sock.set_error(0);
    take_kernel(sock);
    Some(errno)
}

/// Why the engine ended this connection, asked once. `None`: it has not ended, or in good order, or
/// the program knows already. A connect that was under way has then failed.
pub fn end_reason(sock: &mut Socket, kernel_error: bool) -> Option<Errno> {
    if !sock.has(SocketFlags::WIRE)
        || matches!(sock.state(), StreamState::Ended | StreamState::Failed)
    {
        return None;
    }
    let ended = libc::POLLERR | libc::POLLHUP;
    if !kernel_error && poll::now(sock.fd) & ended == 0 {
        return None;
    }
    let tuple = wire::tuple(sock).ok()?;
    let answer = client::errno_of(&Request::EndReason(tuple));
    take_kernel(sock);
    let reason = match answer {
        // A reset may still come.
        Ok(0) if sock.state() == StreamState::BothShut => return None,
        Ok(0) if sock.state().write_is_shut() => None, // both sides had closed
        Ok(byte) => Some(from_byte(byte).unwrap_or(Errno::CONNRESET)),
        // The engine hangs up in good order only when both directions have ended. Otherwise it has
        // died, and what it had not passed on is lost: that must not look like the end.
        Err(AskError::NoEngine) => Some(Errno::CONNRESET),
        // The kernel's word for it stands.
        Err(_) => return kernel_error.then_some(Errno::CONNRESET),
    };
    match (reason, sock.state()) {
        (Some(_), StreamState::Connecting) => sock.advance(Cause::FailLater),
        _ => sock.advance(Cause::ReportEnd),
    }
    reason
}
