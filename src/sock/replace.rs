//! Another file under the same descriptor.
//!
//! A unix socket can be bound only once and connected only once; TCP's can be disconnected, and
//! connected again after a failure. So the descriptor gets a new file: flags, options, annex and
//! epoll registrations of this process are carried over. Registrations that another process holds
//! on the old file cannot be (listed in the compatibility page).
use super::annex;
use super::class::{self, Class};
use super::names;
use super::object::{Sock, tag_of};
use super::sockaddr;
use super::tag::Tag;
use crate::host::{Errno, epoll, fd, fd::Owned, fd::Raw, option, unix};

/// Flags of a tag that outlive the file: what the program asked for, not what became of it.
const KEPT: u64 = Tag::IPV6
    | Tag::DGRAM
    | Tag::V6ONLY
    | Tag::NODELAY
    | Tag::CORK
    | Tag::REUSEPORT
    | Tag::QUICKACK
    | Tag::OPTIONS
    | Tag::ICMP
    | Tag::RAW
    | Tag::RECVERR
    | Tag::SEND_OPTIONS
    | Tag::RECV_OPTIONS;

/// Puts a fresh, unbound socket object of the same kind under the descriptor.
pub fn unix_file(sock: Sock) -> Result<Sock, Errno> {
    let fresh = fresh(&sock)?;
    let tag = tag_of(fresh.raw()).unwrap_or(sock.tag);
    install(&fresh, sock.fd)?;
    Ok(Sock { fd: sock.fd, tag })
}

/// A fresh socket object with all that [`unix_file`] carries over, not yet under the descriptor.
fn fresh(sock: &Sock) -> Result<Owned, Errno> {
    let kind = if sock.has(Tag::DGRAM) { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
    let fresh = unix::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0)?;
    let tag = Tag::new(sock.tag.to_kernel() & KEPT);
    let mut new = Sock { fd: fresh.raw(), tag };
    new.store_tag()?;
    if sock.has(Tag::ANNEX) {
        annex::copy(sock, &mut new)?;
    }
    copy_options(sock.fd, fresh.raw());
    Ok(fresh)
}

/// Puts a socket of the kernel's own network under the descriptor: the destination lies outside
/// the net and its policy is `outside = "host"`. It is a socket object no more.
pub fn kernel_file(sock: Sock) -> Result<(), Errno> {
    let domain = if sock.has(Tag::IPV6) { libc::AF_INET6 } else { libc::AF_INET };
    let kind = if sock.has(Tag::DGRAM) { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
    let fresh = unix::socket(domain, kind | libc::SOCK_CLOEXEC, 0)?;
    copy_options(sock.fd, fresh.raw());
    let tcp = libc::IPPROTO_TCP;
    for (flag, level, name) in [
        (Tag::NODELAY, tcp, libc::TCP_NODELAY),
        (Tag::CORK, tcp, libc::TCP_CORK),
        (Tag::REUSEPORT, libc::SOL_SOCKET, libc::SO_REUSEPORT),
    ] {
        if sock.has(flag) {
            let _ = option::set_int(fresh.raw(), level, name, 1);
        }
    }
    if sock.has(Tag::IPV6) {
        let only = i32::from(sock.has(Tag::V6ONLY));
        let _ = option::set_int(fresh.raw(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, only);
    }
    for (level, name, value) in annex::Annex::of(&sock).int_options() {
        let _ = option::set_int(fresh.raw(), level, name, value);
    }
    let own = names::bound_name(&sock);
    if sock.has(Tag::BOUND) && own.ip().is_unspecified() {
        // The port that the program chose, if the host has it free.
        let _ = unix::bind_raw(fresh.raw(), sockaddr::encode(own).as_bytes());
    }
    install(&fresh, sock.fd)?;
    class::set(sock.fd, Class::Other);
    Ok(())
}

/// Puts `new` under the number `fd`, with the flags of what is there.
fn install(new: &Owned, fd: Raw) -> Result<(), Errno> {
    let status = fd::fcntl(fd, libc::F_GETFL, 0)?;
    let kept = (libc::O_NONBLOCK | libc::O_ASYNC) as usize;
    fd::fcntl(new.raw(), libc::F_SETFL, status & kept)?;
    let descriptor = fd::fcntl(fd, libc::F_GETFD, 0)?;
    let close_on_exec = descriptor as i32 & libc::FD_CLOEXEC != 0;
    let watches = epoll::watches_of(fd);
    fd::dup3(new.raw(), fd, if close_on_exec { libc::O_CLOEXEC } else { 0 })?;
    for watch in &watches {
        let _ = epoll::add(watch, fd);
    }
    Ok(())
}

/// Copies the generic options that were changed from their defaults.
pub fn copy_options(from: Raw, to: Raw) {
    use libc::{
        SO_BROADCAST, SO_BUSY_POLL, SO_KEEPALIVE, SO_LINGER, SO_MARK, SO_OOBINLINE, SO_PRIORITY,
        SO_RCVBUF, SO_RCVLOWAT, SO_RCVTIMEO, SO_REUSEADDR, SO_SNDBUF, SO_SNDTIMEO, SO_TIMESTAMP,
        SO_TIMESTAMPNS,
    };
    const NAMES: [i32; 15] = [
        SO_REUSEADDR,
        SO_KEEPALIVE,
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
