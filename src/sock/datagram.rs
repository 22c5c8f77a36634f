//! Datagram socket objects.
use super::object::Sock;
use crate::base::addr::SocketAddr;
use crate::host::{
    Errno,
    message::{Payload, Received},
    usermem::UserSlice,
};

/// connect(2); `None` for `AF_UNSPEC`.
pub fn connect(_sock: Sock, _to: Option<SocketAddr>) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// sendto(2), sendmsg(2), write(2). `to` is as the program gave it (perhaps v4-mapped).
/// `MSG_NOSIGNAL` and so on are in `flags` as the program gave them.
pub fn send(
    _sock: Sock,
    _payload: Payload,
    _to: Option<SocketAddr>,
    _control: UserSlice,
    _flags: i32,
) -> Result<usize, Errno> {
    Err(Errno::NOSYS)
}

/// recvfrom(2), recvmsg(2): the sender as the program is to see it. The caller copies it out.
/// `header`: the caller needs `msg_flags` (a recvmsg).
pub fn receive(
    _sock: Sock,
    _payload: Payload,
    _control: UserSlice,
    _flags: i32,
    _header: bool,
) -> Result<(Received, Option<SocketAddr>), Errno> {
    Err(Errno::NOSYS)
}

/// read(2) and recv(2) without an address, after the kernel's own call has given `answer`:
/// what the program is to be told.
pub fn after_read(_sock: Sock, answer: Result<usize, Errno>) -> Result<usize, Errno> {
    answer
}

/// shutdown(2).
pub fn shutdown(_sock: Sock, _how: i32) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// getpeername(2), not yet v4-mapped.
pub fn peer_name(_sock: Sock) -> Result<SocketAddr, Errno> {
    Err(Errno::NOSYS)
}
