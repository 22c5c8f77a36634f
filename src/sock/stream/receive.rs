//! Receiving on streams.
use super::error;
use super::read_after_shutdown;
use crate::host::{
    Errno,
    fd::Raw,
    guard::guarded,
    message::{self, Payload, Received},
    sandbox,
    usermem::UserSlice,
};
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::socket::Socket;
use crate::sock::descriptor::state::{Cause, StreamState};

/// What to make of the kernel's answer to read(2) or recv(2) of a descriptor that is taken for a
/// stream of ours, when that is not data.
#[cold]
pub fn not_received(
    fd: Raw,
    payload: Payload,
    flags: i32,
    answer: Result<usize, Errno>,
) -> Result<usize, Errno> {
    match answer {
        Ok(1..) | Err(Errno::AGAIN | Errno::INTR) => return answer,
        // Between two programs of this machine the kernel's end is the end.
        Ok(0) if sandbox::is_on() || kind::of(fd) == FdKind::Local => return answer,
        Err(_) if sandbox::is_on() => return answer,
        _ => {}
    }
    guarded(|| match payload.total() {
        Ok(0) => answer,
        _ => look_into(fd, payload, flags, answer),
    })
}

fn look_into(
    fd: Raw,
    payload: Payload,
    flags: i32,
    answer: Result<usize, Errno>,
) -> Result<usize, Errno> {
    let Some(mut sock) = Socket::of(fd) else {
        kind::forget(fd);
        return answer;
    };
    if let Some(errno) = error::take_failure(&mut sock) {
        return Err(errno);
    }
    match answer {
        // A unix socket's word for it.
        Err(Errno::INVAL) if !sock.has_peer() || sock.state() == StreamState::Failed => {
            Err(Errno::NOTCONN)
        }
        Ok(0) | Err(Errno::CONNRESET) => {
            if let Ok(late @ 1..) = read_after_shutdown::receive(&sock, payload, flags) {
                return Ok(late);
            }
            let reset = answer.is_err();
            match error::end_reason(&mut sock, reset) {
                // A reset after the peer's FIN: the reader has got all that there was.
                Some(Errno::PIPE) => Ok(0),
                Some(errno) => Err(errno),
                None => {
                    if reset {
                        // The program knows of it: what it writes now is EPIPE at once.
                        sock.advance(Cause::LoseWrite);
                    }
                    answer
                }
            }
        }
        _ => answer,
    }
}

/// recv(2), recvfrom(2), recvmsg(2) on a descriptor that is taken for a stream of ours. May block:
/// the thread may leave.
#[inline]
pub fn receive(fd: Raw, payload: Payload, flags: i32) -> Result<Received, Errno> {
    if flags & (libc::MSG_ERRQUEUE | libc::MSG_TRUNC) != 0 {
        return receive_rarely(fd, payload, flags);
    }
    match message::receive(fd, payload, flags) {
        Ok(received @ Received { len: 1.., .. }) => Ok(received),
        Ok(none) => not_received(fd, payload, flags, Ok(0)).map(|len| Received { len, ..none }),
        Err(errno) => {
            let len = not_received(fd, payload, flags, Err(errno))?;
            Ok(Received { len, flags: 0, control_len: 0 })
        }
    }
}

/// `MSG_ERRQUEUE`: nothing is ever in it. `MSG_TRUNC`: TCP counts and discards (tcp(7)).
#[cold]
fn receive_rarely(fd: Raw, payload: Payload, flags: i32) -> Result<Received, Errno> {
    if flags & libc::MSG_ERRQUEUE != 0 {
        return Err(Errno::AGAIN);
    }
    let wanted = guarded(|| payload.total())?;
    let flags = flags & !libc::MSG_TRUNC;
    let mut total = 0;
    loop {
        let len = match message::discard(fd, wanted - total, flags) {
            Ok(len @ 1..) => len,
            // What was discarded before counts.
            _ if total > 0 => break,
            answer => not_received(fd, Payload::flat(UserSlice::EMPTY), flags, answer)?,
        };
        total += len;
        // More than fits one discarding read was asked for.
        let goes_on = flags & libc::MSG_WAITALL != 0 && flags & libc::MSG_PEEK == 0;
        if len == 0 || total >= wanted || !goes_on {
            break;
        }
    }
    Ok(Received { len: total, flags: libc::MSG_TRUNC, control_len: 0 })
}
