//! getpeername(2) of streams.
use super::connect_wire;
use crate::base::addr::SocketAddr;
use crate::host::{Errno, poll};
use crate::sock::descriptor::ends;
use crate::sock::descriptor::socket::Socket;
use crate::sock::descriptor::state::StreamState;

/// The address of the peer, not yet v4-mapped.
pub fn peer_name(sock: &Socket) -> Result<SocketAddr, Errno> {
    if !sock.has_peer() || sock.state() == StreamState::Failed || is_closed(sock) {
        return Err(Errno::NOTCONN);
    }
    if connect_wire::is_pending(&mut sock.clone()) {
        return Err(Errno::NOTCONN);
    }
    ends::of(sock).map(|(_, remote)| remote)
}

/// TCP forgets its peer in state CLOSED: after a reset, or when both sides have closed. Data that
/// the peer left behind do not keep it.
fn is_closed(sock: &Socket) -> bool {
    let shown = poll::now(sock.fd);
    let reset = shown & libc::POLLERR != 0;
    let state = sock.state();
    let both_closed = shown & libc::POLLHUP != 0 && (state.write_is_shut() || state.has_ended());
    reset || both_closed
}
