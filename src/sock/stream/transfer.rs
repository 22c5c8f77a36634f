//! Sending and receiving on streams. The kernel does it; here is what to make of an answer that
//! TCP would not have given.
use super::class::{self, Class};
use super::late;
use super::marks;
use super::object::Sock;
use super::options;
use super::stream_error;
use super::tag::Tag;
use crate::host::{
    Errno,
    fd::Raw,
    message::{self, Payload, Received},
    poll, signal,
    usermem::UserSlice,
};
use crate::protocol::option::OptionKind;

/// Data that `MSG_TRUNC` throws away, bytes at a time.
const DISCARD: usize = 16 * 1024;

/// send(2), write(2), sendmsg(2) on a descriptor whose class is stream.
#[inline]
pub fn send(fd: Raw, payload: Payload, control: UserSlice, flags: i32) -> Result<usize, Errno> {
    if flags & libc::MSG_OOB != 0 {
        announce_urgent(fd);
    }
    let marked = match flags & (libc::MSG_MORE | libc::MSG_EOR) {
        0 => None,
        _ => marks::send(fd, payload, flags | libc::MSG_NOSIGNAL),
    };
    let answer = marked
        .unwrap_or_else(|| message::send(fd, payload, None, control, flags | libc::MSG_NOSIGNAL));
    match answer {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN) => Err(Errno::AGAIN),
        Err(errno) => not_sent(fd, payload, flags, errno),
    }
}

/// The engine finds an urgent byte where it stands only if it looks for it: it is told once, before
/// the first.
#[cold]
fn announce_urgent(fd: Raw) {
    let Some(mut sock) = Sock::of(fd) else { return };
    if sock.has(Tag::WIRE) && !sock.has(Tag::URGENT) {
        sock.add(Tag::URGENT);
        options::announce(&sock, OptionKind::Urgent);
    }
}

#[cold]
fn not_sent(fd: Raw, payload: Payload, flags: i32, errno: Errno) -> Result<usize, Errno> {
    let answer = match (Sock::of(fd), errno) {
        (Some(sock), Errno::PIPE | Errno::NOTCONN | Errno::CONNRESET) => broken(sock, payload),
        (None, _) => {
            class::forget(fd);
            Err(errno)
        }
        _ => Err(errno),
    };
    if answer == Err(Errno::PIPE) && flags & libc::MSG_NOSIGNAL == 0 {
        signal::raise_sigpipe();
    }
    answer
}

/// What TCP says when the other end is closed. (Observed on Linux 6.18: the first write after the
/// peer's close is taken, and answered with a reset; the next is `EPIPE`. A peer that closed with
/// data unread has reset at once: `ECONNRESET`, then `EPIPE`.)
fn broken(mut sock: Sock, payload: Payload) -> Result<usize, Errno> {
    if let Some(errno) = stream_error::take_failure(&mut sock) {
        return Err(errno);
    }
    if sock.has(Tag::FAILED | Tag::WRITE_SHUT) || !sock.has(Tag::CONNECTED) {
        return Err(Errno::PIPE);
    }
    // The engine reads what is written until a connection has failed.
    let failed = sock.has(Tag::WIRE);
    if let Some(errno) = stream_error::end_reason(&mut sock, failed) {
        return Err(errno);
    }
    let kernel = stream_error::take_kernel(&sock);
    if kernel != 0 {
        sock.add(Tag::WROTE_AFTER_CLOSE);
        return Err(Errno::from_raw_os_error(kernel));
    }
    if poll::now(sock.fd) & (libc::POLLHUP | libc::POLLRDHUP) == 0 {
        // The peer has called shutdown(SHUT_RD) alone: TCP takes the data all the same.
        return payload.total();
    }
    if sock.has(Tag::WROTE_AFTER_CLOSE | Tag::END_REPORTED) {
        return Err(Errno::PIPE);
    }
    sock.add(Tag::WROTE_AFTER_CLOSE);
    payload.total()
}

/// What to make of the kernel's answer to read(2) or recv(2) of a descriptor whose class is stream,
/// when that is not data.
#[cold]
pub fn not_received(
    fd: Raw,
    payload: Payload,
    flags: i32,
    answer: Result<usize, Errno>,
) -> Result<usize, Errno> {
    let Some(mut sock) = Sock::of(fd) else {
        class::forget(fd);
        return answer;
    };
    if let Some(errno) = stream_error::take_failure(&mut sock) {
        return Err(errno);
    }
    match answer {
        // A unix socket's word for it.
        Err(Errno::INVAL) if !sock.has(Tag::CONNECTED) => Err(Errno::NOTCONN),
        Ok(0) | Err(Errno::CONNRESET) => {
            if let Ok(late @ 1..) = late::receive(&sock, payload, flags) {
                return Ok(late);
            }
            let reset = answer.is_err();
            match stream_error::end_reason(&mut sock, reset) {
                // A reset after the peer's FIN: who reads has got all that there was.
                Some(Errno::PIPE) => Ok(0),
                Some(errno) => Err(errno),
                None => {
                    if reset {
                        // The program knows of it: what it writes now is EPIPE at once.
                        sock.add(Tag::WROTE_AFTER_CLOSE);
                    }
                    answer
                }
            }
        }
        _ => answer,
    }
}

/// recv(2), recvfrom(2), recvmsg(2) on a descriptor whose class is stream.
#[inline]
pub fn receive(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
    flags: i32,
) -> Result<Received, Errno> {
    if flags & (libc::MSG_ERRQUEUE | libc::MSG_TRUNC) != 0 {
        return receive_rarely(fd, payload, control, flags);
    }
    let answer = message::receive(fd, payload, None, control, flags);
    match answer {
        Ok(Received { len: 1.., .. }) | Err(Errno::AGAIN | Errno::INTR) => answer,
        Ok(none) if payload.total() == Ok(0) => Ok(none),
        Ok(none) => not_received(fd, payload, flags, Ok(0)).map(|len| Received { len, ..none }),
        Err(errno) => {
            let len = not_received(fd, payload, flags, Err(errno))?;
            Ok(Received { len, flags: 0, control_len: 0 })
        }
    }
}

/// `MSG_ERRQUEUE`: nothing is ever in it. `MSG_TRUNC`: TCP counts and discards (tcp(7)).
fn receive_rarely(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
    flags: i32,
) -> Result<Received, Errno> {
    if flags & libc::MSG_ERRQUEUE != 0 {
        return Err(Errno::AGAIN);
    }
    let mut waste = [0; DISCARD];
    let len = payload.total()?.min(DISCARD);
    let scratch = Payload::Flat(UserSlice::from_bytes(&mut waste[..len]));
    let mut received = receive(fd, scratch, control, flags & !libc::MSG_TRUNC)?;
    received.flags |= libc::MSG_TRUNC;
    Ok(received)
}

/// shutdown(2).
pub fn shutdown(mut sock: Sock, how: i32) -> Result<(), Errno> {
    use crate::host::unix;
    let flags = match how {
        libc::SHUT_RD => Tag::READ_SHUT,
        libc::SHUT_WR => Tag::WRITE_SHUT,
        libc::SHUT_RDWR => Tag::READ_SHUT | Tag::WRITE_SHUT,
        _ => return Err(Errno::INVAL),
    };
    if sock.has(Tag::LISTENING) {
        // SHUT_WR means nothing to a listener; any other ends it, though it stays bound.
        if how != libc::SHUT_WR {
            unix::shutdown(sock.fd, libc::SHUT_RDWR)?;
            sock.remove(Tag::LISTENING);
        }
        return Ok(());
    }
    if sock.has(Tag::DEFERRED) {
        // inet_shutdown, TCP_SYN_SENT.
        return super::connect::disconnect(sock);
    }
    if !sock.has(Tag::CONNECTED) || sock.has(Tag::FAILED) || super::names::peer_name(&sock).is_err()
    {
        return Err(Errno::NOTCONN);
    }
    sock.add(flags);
    unix::shutdown(sock.fd, how)
}

/// Whether a descriptor is a stream of ours, by its class.
pub fn is_stream(fd: Raw) -> bool {
    matches!(class::of(fd), Class::Stream | Class::Opening)
}
