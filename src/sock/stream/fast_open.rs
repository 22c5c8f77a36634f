//! Fast open (RFC 7413) as a client: `MSG_FASTOPEN`, and the first data of a socket with
//! `TCP_FASTOPEN_CONNECT`. (Servers have only `TCP_FASTOPEN`, an option that the engine obeys.)
//!
//! Local connections never have a cookie, as on Linux with its default `tcp_fastopen` of 1: the
//! connection is made, then the data is sent.
use super::connect::{self, Step};
use super::connect_wire;
use super::first_data::FirstData;
use super::send;
use crate::base::FourTuple;
use crate::base::addr::{Ipv4Addr, SocketAddr};
use crate::host::{
    Errno, fd,
    fd::Raw,
    guard::guarded,
    message::{Parts, Payload},
    scratch::Scratch,
};
use crate::protocol::connect::ConnectRequest;
use crate::protocol::errno;
use crate::protocol::option::OptionList;
use crate::protocol::request::{Reply, Request};
use crate::sock::client;
use crate::sock::descriptor::socket::Socket;
use crate::sock::descriptor::state::StreamState;
use crate::sock::net;

/// Whether the net's programs may use fast open as clients (Linux: bit 0 of `tcp_fastopen`).
pub fn is_allowed() -> bool {
    if !net::current().has_engine() {
        return true;
    }
    // Of no connection in particular.
    let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let tuple = FourTuple { local: nobody, remote: nobody };
    let question = Request::FastOpenRoom(tuple, OptionList::new());
    let refusal = Reply::Errno(errno::to_byte(Errno::OPNOTSUPP));
    client::ask(&question, &mut [0; client::NUMBER]) != Ok(refusal)
}

/// sendto(2) and sendmsg(2) with `MSG_FASTOPEN` on a stream, or any of their kin on one whose
/// connect waits for data: connects, and sends (Linux `tcp_sendmsg_fastopen`). May block: the
/// thread may leave.
pub fn send(sock: Socket, to: Option<&[u8]>, payload: Payload, flags: i32) -> Result<usize, Errno> {
    let (step, carried) = guarded(|| begin(sock, to, payload, flags))?;
    match connect::finish(sock, to.unwrap_or_default(), step) {
        Ok(()) => send_rest(sock.fd, payload, carried, flags & !libc::MSG_FASTOPEN),
        // The data is on its way, the handshake too.
        Err(Errno::INPROGRESS) if carried > 0 => Ok(carried),
        Err(errno) => Err(errno),
    }
}

/// Begins the connect; what is left of it, and how many bytes it has taken.
fn begin(
    sock: Socket,
    to: Option<&[u8]>,
    payload: Payload,
    flags: i32,
) -> Result<(Step, usize), Errno> {
    let unspecified = (libc::AF_UNSPEC as u16).to_ne_bytes();
    let nowhere = to.is_some_and(|given| given.first_chunk() == Some(&unspecified));
    if nowhere || !is_allowed() {
        return Err(Errno::OPNOTSUPP);
    }
    let mut head = Scratch::new(ConnectRequest::DATA_MAX)?;
    let len = payload.read(&mut head)?;
    let waits = flags & libc::MSG_DONTWAIT == 0 && !fd::is_nonblocking(sock.fd);
    let mut first = FirstData { data: &head[..len], total: payload.total()?, carried: 0, waits };
    let step = if sock.state() == StreamState::Deferred {
        connect_wire::begin_deferred(sock, &mut first).map(Step::from)
    } else {
        match to {
            Some(given) => connect::begin(sock, given, Some(&mut first)),
            None => connect::progress(sock, Some(waits)).unwrap_or(Err(Errno::INVAL)),
        }
    };
    match step {
        Ok(step) => Ok((step, first.carried)),
        Err(Errno::INPROGRESS) if first.carried > 0 => Ok((Step::UnderWay, first.carried)),
        Err(errno) => Err(errno),
    }
}

/// Sends the data without its first `skip` bytes, at once; how much was sent, those included.
fn send_rest(fd: Raw, payload: Payload, skip: usize, flags: i32) -> Result<usize, Errno> {
    if skip == 0 {
        return send::send(fd, payload, flags);
    }
    let total = guarded(|| payload.total())?;
    if skip >= total {
        return Ok(skip);
    }
    let sent = Parts::new(&[], payload, skip..total)
        .and_then(|parts| parts.send(fd, None, &[], flags | libc::MSG_NOSIGNAL));
    // An error of what is left comes with the next call.
    Ok(skip + sent.unwrap_or(0))
}
