//! Another file under the same descriptor.
//!
//! A unix socket can be bound only once and connected only once; TCP's can be disconnected, and
//! connected again after a connection. Where nothing else is left, the descriptor gets a new file:
//! flags, options, extra state, signals and epoll registrations of this process are carried over.
//! Registrations that another process holds on the old file, and its other descriptors, cannot be
//! (listed in the compatibility page).
use super::descriptor::extra::SocketExtra;
use super::descriptor::flags::SocketFlags;
use super::descriptor::kind::{self, FdKind};
use super::descriptor::private;
use super::descriptor::reuse::{Identity, install};
use super::descriptor::sockaddr;
use super::descriptor::socket::Socket;
use crate::host::{Errno, epoll, fd, fd::Owned, fd::Raw, option, unix};

/// Flags that outlive the file: what the program asked for, not what became of it.
const KEPT: u64 = SocketFlags::IPV6
    | SocketFlags::DGRAM
    | SocketFlags::V6ONLY
    | SocketFlags::NODELAY
    | SocketFlags::CORK
    | SocketFlags::REUSEPORT
    | SocketFlags::REUSEADDR
    | SocketFlags::KEEPALIVE
    | SocketFlags::KERNEL_OPTIONS
    | SocketFlags::ICMP
    | SocketFlags::RAW
    | SocketFlags::RECVERR
    | SocketFlags::SEND_OPTIONS
    | SocketFlags::RECV_OPTIONS;

/// Puts a fresh, unbound socket of the same kind under the descriptor. `EBADF`: the number is
/// another file's by now.
pub fn unix_file(sock: Socket) -> Result<Socket, Errno> {
    let old = identity(&sock)?;
    let kind = if sock.is_datagram() { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
    let fresh = unix::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0)?;
    let flags = SocketFlags::new(sock.flags.to_kernel() & KEPT);
    let mut new = Socket::new(fresh.raw(), flags);
    new.store_flags()?;
    if sock.has(SocketFlags::EXTRA) {
        SocketExtra::copy(&sock, &mut new, None)?;
    }
    copy_options(sock.fd, fresh.raw());
    put(&fresh, sock.fd, old)?;
    Ok(Socket::new(sock.fd, new.flags))
}

/// Puts a socket of the kernel's own network under the descriptor: the destination lies outside
/// the net and its policy is `outside = "host"`. It is no socket of ours any more.
pub fn kernel_file(sock: Socket) -> Result<(), Errno> {
    let old = identity(&sock)?;
    let domain = if sock.has(SocketFlags::IPV6) { libc::AF_INET6 } else { libc::AF_INET };
    let kind = if sock.is_datagram() { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
    let fresh = unix::socket(domain, kind | libc::SOCK_CLOEXEC, 0)?;
    copy_options(sock.fd, fresh.raw());
    let tcp = libc::IPPROTO_TCP;
    for (flag, level, name) in [
        (SocketFlags::NODELAY, tcp, libc::TCP_NODELAY),
        (SocketFlags::CORK, tcp, libc::TCP_CORK),
        (SocketFlags::REUSEPORT, libc::SOL_SOCKET, libc::SO_REUSEPORT),
        (SocketFlags::REUSEADDR, libc::SOL_SOCKET, libc::SO_REUSEADDR),
        (SocketFlags::KEEPALIVE, libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    ] {
        if sock.has(flag) {
            let _ = option::set_int(fresh.raw(), level, name, 1);
        }
    }
    if sock.has(SocketFlags::IPV6) {
        let only = i32::from(sock.has(SocketFlags::V6ONLY));
        let _ = option::set_int(fresh.raw(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, only);
    }
    for (level, name, value) in SocketExtra::of(&sock).int_options() {
        let _ = option::set_int(fresh.raw(), level, name, value);
    }
    let own = sock.bound_address();
    if sock.has(SocketFlags::BOUND) && own.ip().is_unspecified() {
        // The port that the program chose, if the host has it free.
        let _ = unix::bind_raw(fresh.raw(), sockaddr::encode(own).as_bytes());
    }
    put(&fresh, sock.fd, old)?;
    kind::set(sock.fd, FdKind::Other);
    Ok(())
}

/// The file that is to be replaced. `EBADF`: the number is another file's already.
fn identity(sock: &Socket) -> Result<Identity, Errno> {
    let identity = Identity::of(sock.fd).map_err(|_| Errno::BADF)?;
    Socket::of(sock.fd).map(|_| identity).ok_or(Errno::BADF)
}

/// Whether the epoll registrations of a replaced file can be carried over.
pub fn is_complete() -> bool {
    epoll::can_list()
}

/// Puts `new` under the number `fd`, with the status flags of what is there, if that is `old`.
fn put(new: &Owned, fd: Raw, old: Identity) -> Result<(), Errno> {
    let kept = libc::O_NONBLOCK | libc::O_ASYNC;
    fd::copy_signals(fd, new.raw());
    fd::set_status_flags(new.raw(), fd::status_flags(fd)? & kept)?;
    // Read while the old file is there, added when the new one is.
    private::forget(fd);
    epoll::move_watches(fd, || install(new, fd, old))
}

/// Copies the generic options that were changed from their defaults.
pub fn copy_options(from: Raw, to: Raw) {
    use libc::{
        SO_BROADCAST, SO_BUSY_POLL, SO_LINGER, SO_MARK, SO_OOBINLINE, SO_PRIORITY, SO_RCVBUF,
        SO_RCVLOWAT, SO_RCVTIMEO, SO_SNDBUF, SO_SNDTIMEO, SO_TIMESTAMP, SO_TIMESTAMPNS,
    };
    const NAMES: [i32; 15] = [
        libc::SO_REUSEADDR,
        libc::SO_KEEPALIVE,
        SO_BROADCAST,
        SO_OOBINLINE,
        SO_LINGER,
        SO_RCVTIMEO,
        SO_SNDTIMEO,
        SO_RCVLOWAT,
        SO_PRIORITY,
        SO_MARK,
        SO_RCVBUF,
        SO_SNDBUF,
        SO_TIMESTAMP,
        SO_TIMESTAMPNS,
        SO_BUSY_POLL,
    ];
    for name in NAMES {
        let (mut old, mut new) = ([0; 16], [0; 16]);
        let old_len = option::get(from, libc::SOL_SOCKET, name, &mut old);
        let new_len = option::get(to, libc::SOL_SOCKET, name, &mut new);
        let (Ok(len), Ok(_)) = (old_len, new_len) else { continue };
        if old == new {
            continue;
        }
        if name == SO_RCVBUF || name == SO_SNDBUF {
            // What is read is twice what was set (socket(7)).
            let size = i32::from_ne_bytes([old[0], old[1], old[2], old[3]]) / 2;
            old[..4].copy_from_slice(&size.to_ne_bytes());
        }
        let _ = option::set(to, libc::SOL_SOCKET, name, &old[..len]);
    }
}
