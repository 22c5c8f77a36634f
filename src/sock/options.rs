//! getsockopt and setsockopt on socket objects.
use super::object::Sock;
use super::stream_error;
use super::tag::Tag;
use crate::host::{Errno, option, usermem::UserSlice};

/// getsockopt(2): writes to `value` (as long as the program's `optlen`); the new `optlen`.
pub fn get(sock: Sock, level: i32, name: i32, value: UserSlice) -> Result<usize, Errno> {
    let flag = |f| i32::from(sock.has(f));
    let int = match (level, name) {
        (libc::SOL_SOCKET, libc::SO_ERROR) if !sock.has(Tag::DGRAM) => stream_error::take(sock),
        (libc::SOL_SOCKET, libc::SO_REUSEPORT) => flag(Tag::REUSEPORT),
        (libc::SOL_SOCKET, libc::SO_DOMAIN) if sock.has(Tag::IPV6) => libc::AF_INET6,
        (libc::SOL_SOCKET, libc::SO_DOMAIN) => libc::AF_INET,
        (libc::SOL_SOCKET, libc::SO_PROTOCOL) if sock.has(Tag::DGRAM) => libc::IPPROTO_UDP,
        (libc::SOL_SOCKET, libc::SO_PROTOCOL) => libc::IPPROTO_TCP,
        (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY) => flag(Tag::V6ONLY),
        (libc::IPPROTO_TCP, libc::TCP_NODELAY) => flag(Tag::NODELAY),
        (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => 1448,
        (libc::IPPROTO_TCP, _) => 0,
        _ => return option::get_user(sock.fd, level, name, value),
    };
    value.write(&int.to_ne_bytes())
}

/// setsockopt(2).
pub fn set(mut sock: Sock, level: i32, name: i32, value: UserSlice) -> Result<(), Errno> {
    let flag = match (level, name) {
        (libc::SOL_SOCKET, libc::SO_REUSEPORT) => Tag::REUSEPORT,
        (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY) => Tag::V6ONLY,
        (libc::IPPROTO_TCP, libc::TCP_NODELAY) => Tag::NODELAY,
        (libc::IPPROTO_TCP | libc::IPPROTO_IP | libc::IPPROTO_IPV6, _) => return Ok(()),
        _ => {
            option::set_user(sock.fd, level, name, value)?;
            sock.add(Tag::OPTIONS);
            return Ok(());
        }
    };
    match i32::from_ne_bytes(value.read_array()?) {
        0 => sock.remove(flag),
        _ => sock.add(flag),
    }
    Ok(())
}

/// Options that were set before connect and that the engine must know.
pub fn wire_options(_sock: &Sock) -> Vec<super::control::WireOption> {
    Vec::new()
}
