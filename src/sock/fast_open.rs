//! Fast open (RFC 7413) as a client: `MSG_FASTOPEN`. (`TCP_FASTOPEN_CONNECT` is in
//! [`super::connect_wire`]; servers have only `TCP_FASTOPEN`, an option that the engine obeys.)
//!
//! Local connections never have a cookie, as on Linux with its default `tcp_fastopen` of 1: the
//! connection is made, then the data is sent.
use super::connect;
use super::control::ConnectRequest;
use super::object::Sock;
use super::stream;
use super::tag::Tag;
use crate::host::{Errno, fd::Raw, message::Payload, usermem::UserSlice};

/// Data that may go with the SYN.
pub struct First<'a> {
    /// What there is.
    pub data: &'a [u8],
    /// How much of it the connect request took.
    pub carried: usize,
}

/// sendto(2) and sendmsg(2) with `MSG_FASTOPEN` on a stream: connects, and sends.
pub fn send(sock: Sock, to: Option<&[u8]>, payload: Payload, flags: i32) -> Result<usize, Errno> {
    let connected = sock.has(Tag::CONNECTED) && !sock.has(Tag::CONNECTING | Tag::FAILED);
    let given = match to {
        Some(given) => given,
        None if connected => return Err(Errno::ISCONN),
        None => return Err(Errno::INVAL),
    };
    let unspecified = (libc::AF_UNSPEC as u16).to_ne_bytes();
    if given.first_chunk() == Some(&unspecified) {
        return Err(Errno::OPNOTSUPP); // tcp_sendmsg_fastopen
    }
    let mut head = [0; ConnectRequest::DATA_MAX];
    let len = gather(payload, &mut head)?;
    let mut first = First { data: &head[..len], carried: 0 };
    match connect::connect_with(sock, given, Some(&mut first)) {
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

/// Sends the data without its first `skip` bytes; how much was sent, those included.
fn send_rest(fd: Raw, payload: Payload, skip: usize, flags: i32) -> Result<usize, Errno> {
    if skip == 0 {
        return stream::send(fd, payload, UserSlice::EMPTY, flags);
    }
    let (mut sent, mut index) = (0, 0);
    while let Some(part) = payload.part(index)? {
        index += 1;
        let left = part.skip(skip.saturating_sub(sent).min(part.len()));
        sent += part.len() - left.len();
        if !left.is_empty() {
            match stream::send(fd, Payload::Flat(left), UserSlice::EMPTY, flags) {
                Ok(n) if n < left.len() => return Ok(sent + n),
                Ok(n) => sent += n,
                Err(_) => return Ok(sent),
            }
        }
    }
    Ok(sent)
}
