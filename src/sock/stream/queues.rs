//! What waits in a stream, in either direction: `SIOCOUTQ`, `SIOCOUTQNSD`, `SO_MEMINFO`.
//!
//! Of a wire connection the engine holds the larger part. What a local peer has not read yet lies
//! in its socket, as it would have been acknowledged over TCP's loopback.
use crate::host::{Errno, option, unix, usermem::UserSlice};
use crate::protocol::option::OptionKind;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use crate::sock::options::wire;

/// Words of `SO_MEMINFO` (linux/sock_diag.h).
const WORDS: usize = 9;
const RMEM_ALLOC: usize = 0;
const WMEM_ALLOC: usize = 2;
const WMEM_QUEUED: usize = 5;

/// `SIOCOUTQ` (`unsent`: `SIOCOUTQNSD`): bytes written that the peer has not acknowledged (that
/// have not been sent). Error: `EINVAL` of a listener (tcp_ioctl).
pub fn waiting_to_leave(sock: &Socket, unsent: bool) -> Result<i32, Errno> {
    if sock.is_listening() {
        return Err(Errno::INVAL);
    }
    if !sock.has(SocketFlags::WIRE) {
        return Ok(0);
    }
    let kind = if unsent { OptionKind::Unsent } else { OptionKind::Unacknowledged };
    Ok(wire::ask(sock, kind).map_or(0, |n| i32::try_from(n).unwrap_or(i32::MAX)))
}

/// `SO_MEMINFO`: the kernel's, whose unix sockets count no memory for what is received.
pub fn memory(sock: &Socket, value: UserSlice) -> Result<usize, Errno> {
    let mut words = [0u8; 4 * WORDS];
    option::get(sock.fd, libc::SOL_SOCKET, libc::SO_MEMINFO, &mut words)?;
    let mut put = |at: usize, n: i32| words[4 * at..4 * at + 4].copy_from_slice(&n.to_ne_bytes());
    if !sock.is_listening() {
        put(RMEM_ALLOC, unix::readable(sock.fd).unwrap_or(0));
    }
    if sock.has(SocketFlags::WIRE) {
        let waiting = waiting_to_leave(sock, false).unwrap_or(0);
        put(WMEM_ALLOC, waiting);
        put(WMEM_QUEUED, waiting);
    }
    value.write(&words)
}
