//! Fast open (RFC 7413) as a client: `MSG_FASTOPEN`, and the first data of a socket with
//! `TCP_FASTOPEN_CONNECT`. (Servers have only `TCP_FASTOPEN`, an option that the engine obeys.)
//!
//! Local connections never have a cookie, as on Linux with its default `tcp_fastopen` of 1: the
//! connection is made, then the data is sent.
use super::ask;
use super::connect;
use super::connect_wire;
use super::net_env;
use super::object::Sock;
use super::stream;
use super::tag::Tag;
use crate::base::FourTuple;
use crate::base::addr::{Ipv4Addr, SocketAddr};
use crate::host::{Errno, fd, fd::Raw, message::Payload, usermem::UserSlice};
use crate::protocol::connect::ConnectRequest;
use crate::protocol::errno;
use crate::protocol::option::OptionList;
use crate::protocol::request::{Reply, Request};

/// Data that may go with the SYN.
pub struct First<'a> {
    /// What there is, at most [`ConnectRequest::DATA_MAX`] bytes.
    pub data: &'a [u8],
    /// Bytes of all that the program writes.
    pub total: usize,
    /// How much of it the connect request took.
    pub carried: usize,
    /// The call waits for the handshake.
    pub waits: bool,
}

/// Whether the net's programs may use fast open as clients (Linux: bit 0 of `tcp_fastopen`).
pub fn is_allowed() -> bool {
    let brief = net_env::current();
    if !brief.has_engine() {
        return true;
    }
    // Of no connection in particular.
    let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let question =
        Request::FastOpenRoom(FourTuple { local: nobody, remote: nobody }, OptionList::new());
    let refusal = Reply::Errno(errno::to_byte(Errno::OPNOTSUPP));
    ask::ask(&question, &mut [0; ask::NUMBER]) != Ok(refusal)
}

/// sendto(2) and sendmsg(2) with `MSG_FASTOPEN` on a stream, or any of their kin on one whose
/// connect waits for data: connects, and sends (Linux `tcp_sendmsg_fastopen`).
pub fn send(sock: Sock, to: Option<&[u8]>, payload: Payload, flags: i32) -> Result<usize, Errno> {
    let unspecified = (libc::AF_UNSPEC as u16).to_ne_bytes();
    let nowhere = to.is_some_and(|given| given.first_chunk() == Some(&unspecified));
    if nowhere || !is_allowed() {
        return Err(Errno::OPNOTSUPP);
    }
    let mut head = [0; ConnectRequest::DATA_MAX];
    let len = gather(payload, &mut head)?;
    let waits = flags & libc::MSG_DONTWAIT == 0 && !fd::is_nonblocking(sock.fd);
    let mut first = First { data: &head[..len], total: payload.total()?, carried: 0, waits };
    let connected = if sock.has(Tag::DEFERRED) {
        connect_wire::connect_deferred(sock, &mut first)
    } else {
        match to {
            Some(given) => connect::connect_with(sock, given, Some(&mut first)),
            None => connect::progress(sock, waits).unwrap_or(Err(Errno::INVAL)),
        }
    };
    match connected {
        Ok(()) => send_rest(sock.fd, payload, first.carried, flags & !libc::MSG_FASTOPEN),
        // The data is on its way, the handshake too.
        Err(Errno::INPROGRESS) if first.carried > 0 => Ok(first.carried),
        Err(errno) => Err(errno),
    }
}

/// Copies what fits of the program's data.
fn gather(payload: Payload, to: &mut [u8]) -> Result<usize, Errno> {
    let (mut len, mut index) = (0, 0);
    while let Some(part) = payload.part(index)? {
        len += part.read(&mut to[len..])?;
        index += 1;
    }
    Ok(len)
}

/// Sends the data without its first `skip` bytes, at once; how much was sent, those included.
fn send_rest(fd: Raw, payload: Payload, skip: usize, flags: i32) -> Result<usize, Errno> {
    let mut vector = Vec::new();
    let rest = payload.after(skip, &mut vector)?;
    if skip > 0 && vector.is_empty() {
        return Ok(skip);
    }
    match stream::send(fd, rest, UserSlice::EMPTY, flags) {
        Ok(sent) => Ok(skip + sent),
        Err(_) if skip > 0 => Ok(skip),
        Err(errno) => Err(errno),
    }
}
