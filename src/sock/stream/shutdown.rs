//! shutdown(2) of streams.
use super::connect;
use super::names;
use crate::host::{Errno, unix};
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::socket::Socket;
use crate::sock::descriptor::state::{Cause, StreamState};

/// shutdown(2).
pub fn shutdown(mut sock: Socket, how: i32) -> Result<(), Errno> {
    let cause = match how {
        libc::SHUT_RD => Cause::ShutRead,
        libc::SHUT_WR => Cause::ShutWrite,
        libc::SHUT_RDWR => Cause::ShutBoth,
        _ => return Err(Errno::INVAL),
    };
    match sock.state() {
        StreamState::Listening => {
            // SHUT_WR means nothing to a listener; any other ends it, though it stays bound.
            if how != libc::SHUT_WR {
                unix::shutdown(sock.fd, libc::SHUT_RDWR)?;
                sock.advance(Cause::StopListening);
            }
            return Ok(());
        }
        // inet_shutdown, TCP_SYN_SENT.
        StreamState::Deferred => return connect::disconnect(sock),
        StreamState::Closed | StreamState::Failed => return Err(Errno::NOTCONN),
        _ => {}
    }
    if names::peer_name(&sock).is_err() {
        return Err(Errno::NOTCONN);
    }
    sock.advance(cause);
    kind::set(sock.fd, FdKind::of_flags(sock.flags));
    unix::shutdown(sock.fd, how)
}
