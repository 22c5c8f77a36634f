//! Sending and receiving on a descriptor of any kind: which room answers.
//!
//! What is not ours, the caller (`abi`) hands to the next library's function. All of these may
//! block: the thread may leave.
use super::datagram;
use super::descriptor::flags::SocketFlags;
use super::descriptor::kind::{self, FdKind};
use super::descriptor::socket::Socket;
use super::descriptor::state::StreamState;
use super::sockopt;
use super::stream::{connect_wire, fast_open, receive, send};
use crate::base::addr::SocketAddr;
use crate::host::{
    Errno,
    fd::Raw,
    guard::{guarded, test_cancel},
    message::{Payload, Received},
    usermem::UserSlice,
};

pub use super::datagram::receive::Want;

/// How a send goes that is not simply a stream's.
#[derive(Clone, Copy)]
enum Way {
    Datagram(usize),
    FastOpen(Socket),
    AfterHandshake(Socket),
    Stream,
}

/// A datagram, the first bytes of a stream that is connected with them (`MSG_FASTOPEN`), or bytes
/// of a stream whose connect may be under way. `ENOTSOCK`: the hint was wrong, and is corrected.
pub fn send_looked_at(
    fd: Raw,
    payload: Payload,
    to: Option<&[u8]>,
    control: UserSlice,
    flags: i32,
) -> Result<usize, Errno> {
    test_cancel();
    let way = guarded(|| {
        let Some(sock) = Socket::of_data_call(fd) else {
            kind::set(fd, FdKind::Other);
            return Err(Errno::NOTSOCK);
        };
        if sock.is_datagram() {
            return datagram::send::send(sock, payload, to, control, flags).map(Way::Datagram);
        }
        Ok(match sock.state() {
            _ if flags & libc::MSG_FASTOPEN != 0 => Way::FastOpen(sock),
            StreamState::Deferred => Way::FastOpen(sock),
            StreamState::Connecting if sock.has(SocketFlags::WIRE) => Way::AfterHandshake(sock),
            _ => Way::Stream,
        })
    })?;
    match way {
        Way::Datagram(sent) => return Ok(sent),
        Way::FastOpen(sock) => return fast_open::send(sock, to, payload, flags),
        Way::AfterHandshake(sock) => connect_wire::await_writable(sock, flags)?,
        Way::Stream => {}
    }
    kind::set(fd, FdKind::Stream);
    send::send(fd, payload, flags)
}

/// recvfrom(2) without control data. `None`: the descriptor is not ours.
pub fn receive_from(
    fd: Raw,
    payload: Payload,
    flags: i32,
    want: Want,
) -> Option<Result<(Received, Option<SocketAddr>), Errno>> {
    // A wrong hint would lose the address.
    let kind = if want == Want::Data { kind::of(fd) } else { kind::certain(fd) };
    match kind {
        FdKind::Other => None,
        FdKind::Datagram => {
            Some(datagram::receive::receive(fd, payload, UserSlice::EMPTY, flags, want))
        }
        FdKind::Local | FdKind::Opening | FdKind::Stream => {
            Some(receive::receive(fd, payload, flags).map(|received| (received, None)))
        }
    }
}

/// recvmsg(2). `ENOTSOCK`: the hint was wrong, and is corrected.
pub fn receive_message(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
    flags: i32,
) -> Result<(Received, Option<SocketAddr>), Errno> {
    if kind::of(fd) == FdKind::Datagram {
        return datagram::receive::receive(fd, payload, control, flags, Want::Header);
    }
    // Before the call: the descriptors in another file's message must not be lost.
    let sock = guarded(|| {
        Socket::of(fd).filter(|sock| !sock.is_datagram()).ok_or_else(|| {
            kind::forget(fd);
            Errno::NOTSOCK
        })
    })?;
    let mut received = receive::receive(fd, payload, flags)?;
    if !control.is_empty() && sock.has(SocketFlags::EXTRA) {
        received = guarded(|| {
            let mut received = received;
            sockopt::stream_control(&sock, control, &mut received).map(|()| received)
        })?;
    }
    Ok((received, None))
}
