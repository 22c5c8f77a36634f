//! Reading after `shutdown(SHUT_RD)`. TCP goes on receiving, and what comes can be read, though a
//! read no longer waits for it (Linux `tcp_recvmsg`). A unix socket takes nothing more; so the
//! engine keeps what comes on a wire connection, within its window, and is asked for it.
use crate::host::{Errno, message::Payload};
use crate::protocol::request::{PACKET_MAX, Reply, Request};
use crate::sock::client;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use crate::sock::descriptor::state::StreamState;
use crate::sock::options::wire;

/// After `SHUT_RD`, fetches bytes that the engine still holds. Returns how many.
pub fn receive(sock: &Socket, payload: Payload, flags: i32) -> Result<usize, Errno> {
    if !sock.has(SocketFlags::WIRE) || sock.state() != StreamState::ReadShut {
        return Ok(0);
    }
    let Ok(tuple) = wire::tuple(sock) else { return Ok(0) };
    let most = payload.total()?.min(PACKET_MAX - Reply::HEAD) as u32;
    let request = Request::ReadAfterShutdown(tuple, most, flags & libc::MSG_PEEK != 0);
    Ok(client::ask_for_bytes(&request, payload).unwrap_or(0))
}
