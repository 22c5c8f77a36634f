//! getsockopt and setsockopt on socket objects.
use super::object::Sock;
use crate::host::{Errno, option, usermem::UserSlice};

/// getsockopt(2): writes to `value` (as long as the program's `optlen`); the new `optlen`.
pub fn get(sock: Sock, level: i32, name: i32, value: UserSlice) -> Result<usize, Errno> {
    option::get_user(sock.fd, level, name, value)
}

/// setsockopt(2).
pub fn set(sock: Sock, level: i32, name: i32, value: UserSlice) -> Result<(), Errno> {
    if level == libc::IPPROTO_TCP {
        return Ok(());
    }
    option::set_user(sock.fd, level, name, value)
}

/// Options that were set before connect and that the engine must know.
pub fn wire_options(_sock: &Sock) -> Vec<super::control::WireOption> {
    Vec::new()
}
