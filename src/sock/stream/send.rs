//! Sending on streams.
use super::error;
use super::write_flags;
use crate::host::{
    Errno,
    fd::Raw,
    guard::guarded,
    message::{self, Payload},
    poll, signal,
};
use crate::protocol::option::OptionKind;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::kind;
use crate::sock::descriptor::socket::Socket;
use crate::sock::descriptor::state::{Cause, StreamState};
use crate::sock::options::wire;

/// send(2), write(2), sendmsg(2) on a descriptor that is taken for a stream of ours. May block: the
/// thread may leave.
#[inline]
pub fn send(fd: Raw, payload: Payload, flags: i32) -> Result<usize, Errno> {
    if flags & (libc::MSG_OOB | libc::MSG_MORE | libc::MSG_EOR) != 0 {
        return send_rarely(fd, payload, flags);
    }
    match message::send(fd, payload, flags | libc::MSG_NOSIGNAL) {
        Ok(sent) => Ok(sent),
        Err(errno @ (Errno::AGAIN | Errno::INTR)) => Err(errno),
        Err(errno) => not_sent(fd, payload, flags, errno),
    }
}

/// With a flag that the engine is told of.
#[cold]
fn send_rarely(fd: Raw, payload: Payload, flags: i32) -> Result<usize, Errno> {
    if flags & libc::MSG_OOB != 0 {
        guarded(|| {
            announce_urgent(fd);
            Ok(())
        })?;
    }
    let marked = match flags & (libc::MSG_MORE | libc::MSG_EOR) {
        0 => None,
        _ => write_flags::send(fd, payload, flags | libc::MSG_NOSIGNAL),
    };
    let answer = marked.unwrap_or_else(|| message::send(fd, payload, flags | libc::MSG_NOSIGNAL));
    match answer {
        Ok(sent) => Ok(sent),
        Err(errno @ (Errno::AGAIN | Errno::INTR)) => Err(errno),
        Err(errno) => not_sent(fd, payload, flags, errno),
    }
}

/// The engine finds an urgent byte where it stands only if it looks for it: it is told once, before
/// the first.
fn announce_urgent(fd: Raw) {
    let Some(mut sock) = Socket::of(fd) else { return };
    if sock.has(SocketFlags::WIRE) && !sock.has(SocketFlags::URGENT) {
        sock.add(SocketFlags::URGENT);
        wire::announce(&sock, OptionKind::Urgent);
    }
}

#[cold]
fn not_sent(fd: Raw, payload: Payload, flags: i32, errno: Errno) -> Result<usize, Errno> {
    guarded(|| {
        let answer = match (Socket::of(fd), errno) {
            (Some(sock), Errno::PIPE | Errno::NOTCONN | Errno::CONNRESET) => broken(sock, payload),
            (None, _) => {
                kind::forget(fd);
                Err(errno)
            }
            _ => Err(errno),
        };
        if answer == Err(Errno::PIPE) && flags & libc::MSG_NOSIGNAL == 0 {
            signal::raise_sigpipe();
        }
        answer
    })
}

/// What TCP says when the other end is closed. (Observed on Linux 6.18: the first write after the
/// peer's close is taken, and answered with a reset; the next is `EPIPE`. A peer that closed with
/// data unread has reset at once: `ECONNRESET`, then `EPIPE`.)
fn broken(mut sock: Socket, payload: Payload) -> Result<usize, Errno> {
    if let Some(errno) = error::take_failure(&mut sock) {
        return Err(errno);
    }
    let state = sock.state();
    if state == StreamState::Failed || state.write_is_shut() || !state.has_peer() {
        return Err(Errno::PIPE);
    }
    // The engine reads what is written until a connection has failed.
    let failed = sock.has(SocketFlags::WIRE);
    if let Some(errno) = error::end_reason(&mut sock, failed) {
        return Err(errno);
    }
    let kernel = error::take_kernel(&sock);
    if kernel != 0 {
        sock.advance(Cause::LoseWrite);
        return Err(Errno::from_raw_os_error(kernel));
    }
    if poll::now(sock.fd) & (libc::POLLHUP | libc::POLLRDHUP) == 0 {
        // The peer has called shutdown(SHUT_RD) alone: TCP takes the data all the same.
        return payload.total();
    }
    if sock.state().has_ended() {
        return Err(Errno::PIPE);
    }
    sock.advance(Cause::LoseWrite);
    payload.total()
}
