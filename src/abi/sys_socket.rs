//! `<sys/socket.h>`, all but the calls with a `struct msghdr`, which are in [`super::messages`].
use super::address::{Given, Wanted};
use super::{answer, answer_int, guarded_int, slice, value_of};
use crate::host::guard::guarded;
use crate::host::next::{self, checked};
use crate::host::usermem::UserSlice;
use crate::host::{Errno, fd::Raw, message::Payload, sandbox};
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::socket::Socket;
use crate::sock::stream::{connect, listen, send, shutdown};
use crate::sock::transfer::{self, Want};
use crate::sock::{bind, create, datagram, names, sockopt};
use core::ffi::{c_int, c_void};
use libc::{size_t, sockaddr, socklen_t, ssize_t};

/// The socket of ours under a descriptor, if it is one.
fn ours(fd: Raw) -> Option<Socket> {
    if sandbox::is_on() && kind::of(fd) == FdKind::Other {
        return None;
    }
    guarded(|| Ok(Socket::of(fd))).ok().flatten()
}

/// socket(2). Streams and datagrams of AF_INET and AF_INET6, and sockets of ICMP, are Understudy's;
/// all other families are the kernel's.
///
/// Errors: EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EINVAL: as the kernel. EPERM: a raw
/// socket of another protocol. ENETDOWN: the net that UNDERSTUDY_NET names does not run. EMFILE,
/// ENFILE, ENOBUFS.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    guarded_int(|| create::socket(domain, kind, protocol).map(|fd| fd as usize))
}

/// bind(2).
///
/// Errors: EADDRINUSE: taken by a socket of the same net. EADDRNOTAVAIL: not an address of this
/// net. EINVAL: bound already, or a length that no address has. EAFNOSUPPORT. EFAULT. ENOTSOCK,
/// EBADF.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_bind(
    fd: c_int,
    address: *const sockaddr,
    len: socklen_t,
) -> c_int {
    let Some(sock) = ours(fd) else {
        // SAFETY: the caller's promise.
        return unsafe { next::bind(fd, address, len) };
    };
    guarded_int(|| {
        // SAFETY: the caller's promise.
        let given = unsafe { Given::read(address, len) }?;
        bind::bind(sock, given.as_bytes())?;
        datagram::interest::tell_of_bound(sock.fd);
        Ok(0)
    })
}

/// getsockname(2).
///
/// Errors: EINVAL: *len is negative. EFAULT. ENOTSOCK, EBADF.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_getsockname(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    let Some(sock) = ours(fd) else {
        // SAFETY: the caller's promise.
        return unsafe { next::getsockname(fd, address, len) };
    };
    guarded_int(|| {
        let name = names::socket_name(&sock)?;
        // SAFETY: the caller's promise.
        unsafe { Wanted::new(address, len).write(Some(name)) }.map(|()| 0)
    })
}

/// connect(2).
///
/// Errors: ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH: as in TCP. ENETUNREACH: the net has no way there,
/// or its engine does not run. EADDRNOTAVAIL: no port is free, or the connection exists.
/// EINPROGRESS, EALREADY, EISCONN, EINTR, EAFNOSUPPORT, EINVAL, EFAULT, ENOTSOCK, EBADF: as the
/// kernel.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_connect(
    fd: c_int,
    address: *const sockaddr,
    len: socklen_t,
) -> c_int {
    let Some(sock) = ours(fd) else {
        // SAFETY: the caller's promise.
        return unsafe { next::connect(fd, address, len) };
    };
    // SAFETY: the caller's promise.
    let connected = guarded(|| unsafe { Given::read(address, len) }).and_then(|given| {
        match sock.is_datagram() {
            true => guarded(|| datagram::connect::connect_given(sock, given.as_bytes())),
            false => connect::connect(sock, given.as_bytes()),
        }
    });
    answer_int(connected.map(|()| 0))
}

/// getpeername(2).
///
/// Errors: ENOTCONN. EINVAL: *len is negative. EFAULT. ENOTSOCK, EBADF.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_getpeername(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    let Some(sock) = ours(fd) else {
        // SAFETY: the caller's promise.
        return unsafe { next::getpeername(fd, address, len) };
    };
    guarded_int(|| {
        let name = names::peer_name(&sock)?;
        // SAFETY: the caller's promise.
        unsafe { Wanted::new(address, len).write(Some(name)) }.map(|()| 0)
    })
}

/// send(2).
///
/// Errors: EAGAIN, EPIPE (with SIGPIPE, unless MSG_NOSIGNAL), ECONNRESET, ENOTCONN, EDESTADDRREQ,
/// EMSGSIZE, EINTR, EFAULT, ENOTSOCK, EBADF; on the wire also what ended the connection: ETIMEDOUT,
/// EHOSTUNREACH.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_send(
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    if kind::of(fd) == FdKind::Other {
        // SAFETY: the caller's promise.
        return unsafe { next::send(fd, buffer, len, flags) };
    }
    // SAFETY: the caller's promise.
    unsafe { us_sendto(fd, buffer, len, flags, core::ptr::null(), 0) }
}

/// recv(2).
///
/// Errors: EAGAIN, ECONNRESET, ECONNREFUSED, ENOTCONN, EINTR, EFAULT, ENOTSOCK, EBADF; on the wire
/// also what ended the connection: ETIMEDOUT, EHOSTUNREACH.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_recv(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    let payload = Payload::flat(unsafe { slice(buffer.cast_const(), len) });
    match transfer::receive_from(fd, payload, flags, Want::Data) {
        Some(received) => answer(received.map(|(received, _)| received.len)),
        // SAFETY: the caller's promise.
        None => unsafe { next::recv(fd, buffer, len, flags) },
    }
}

/// sendto(2).
///
/// Errors: As us_send() and us_bind(). ENETUNREACH: the net has no way there. EACCES: a broadcast
/// address without SO_BROADCAST.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_sendto(
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_len: socklen_t,
) -> ssize_t {
    // SAFETY: the caller's promise.
    let payload = Payload::flat(unsafe { slice(buffer, len) });
    // A wrong hint would lose the address.
    let kind = if address.is_null() { kind::of(fd) } else { kind::certain(fd) };
    let sent = match kind {
        FdKind::Local | FdKind::Stream if flags & libc::MSG_FASTOPEN == 0 => {
            send::send(fd, payload, flags)
        }
        FdKind::Other => {
            // SAFETY: the caller's promise.
            checked(unsafe { next::sendto(fd, buffer, len, flags, address, address_len) })
        }
        // SAFETY: the program's pointer, checked as it is read.
        _ => guarded(|| unsafe { destination(address, address_len) }).and_then(|to| {
            let to = to.as_ref().map(Given::as_bytes);
            match transfer::send_looked_at(fd, payload, to, UserSlice::EMPTY, flags) {
                // The hint was wrong; it is right now.
                Err(Errno::NOTSOCK) => {
                    // SAFETY: the caller's promise.
                    checked(unsafe { next::sendto(fd, buffer, len, flags, address, address_len) })
                }
                sent => sent,
            }
        }),
    };
    answer(sent)
}

/// The address of a datagram, if one was given.
///
/// # Safety
/// As [`UserSlice::new`].
pub(super) unsafe fn destination(
    address: *const sockaddr,
    len: socklen_t,
) -> Result<Option<Given>, Errno> {
    if address.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { Given::read(address, len) }.map(Some)
}

/// recvfrom(2).
///
/// Errors: As us_recv() and us_getsockname().
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_len: *mut socklen_t,
) -> ssize_t {
    let from = Wanted::new(address, address_len);
    let want = if from.is_none() { Want::Data } else { Want::Sender };
    // SAFETY: the caller's promise.
    let payload = Payload::flat(unsafe { slice(buffer.cast_const(), len) });
    match transfer::receive_from(fd, payload, flags, want) {
        // SAFETY: the caller's promise.
        None => unsafe { next::recvfrom(fd, buffer, len, flags, address, address_len) },
        Some(Ok((received, _))) if from.is_none() => received.len as ssize_t,
        Some(Ok((received, sender))) => answer(guarded(|| {
            // SAFETY: the program gave both pointers to be written.
            unsafe { from.write(sender) }.map(|()| received.len)
        })),
        Some(Err(errno)) => answer(Err(errno)),
    }
}

/// getsockopt(2).
///
/// Errors: ENOPROTOOPT, EOPNOTSUPP: an option that there is not at this level. EINVAL: *len is
/// negative. EFAULT. ENOTSOCK, EBADF.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    let Some(sock) = ours(fd) else {
        // SAFETY: the caller's promise.
        return unsafe { next::getsockopt(fd, level, name, value, len) };
    };
    guarded_int(|| {
        // SAFETY: the caller's promise.
        let len = unsafe { value_of(len.cast_const()) };
        let room = c_int::from_ne_bytes(len.read_array()?);
        let room = usize::try_from(room).map_err(|_| Errno::INVAL)?;
        // SAFETY: the caller's promise.
        let value = unsafe { slice(value.cast_const(), room) };
        let filled = sockopt::get(sock, level, name, value)?;
        len.write(&(filled as socklen_t).to_ne_bytes())?;
        Ok(0)
    })
}

/// setsockopt(2).
///
/// Errors: ENOPROTOOPT: an option that there is not at this level. EINVAL: a value that it does not
/// take. ENOBUFS: too many options are set. EPERM, EFAULT, ENOTSOCK, EBADF.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    let Some(sock) = ours(fd) else {
        // SAFETY: the caller's promise.
        return unsafe { next::setsockopt(fd, level, name, value, len) };
    };
    guarded_int(|| {
        let len = usize::try_from(len as c_int).map_err(|_| Errno::INVAL)?;
        // SAFETY: the caller's promise.
        sockopt::set(sock, level, name, unsafe { slice(value, len) }).map(|()| 0)
    })
}

/// listen(2).
///
/// Errors: EADDRINUSE: no port is free. EINVAL: the socket is connected. EOPNOTSUPP: not a stream.
/// ENOTSOCK, EBADF.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_listen(fd: c_int, backlog: c_int) -> c_int {
    match ours(fd) {
        Some(sock) => guarded_int(|| listen::listen(sock, backlog).map(|()| 0)),
        // SAFETY: takes numbers.
        None => unsafe { next::listen(fd, backlog) },
    }
}

/// accept(2). Both pointers may be NULL.
///
/// Errors: EAGAIN, EINTR, EMFILE, ENFILE: as the kernel. EINVAL: not listening. EOPNOTSUPP: not a
/// stream. EFAULT, ENOTSOCK, EBADF.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_accept(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    match ours(fd) {
        // SAFETY: the caller's promise.
        Some(sock) => unsafe { accept(sock, Wanted::new(address, len), 0) },
        None => {
            // SAFETY: the caller's promise.
            let accepted = unsafe { next::accept(fd, address, len) };
            kind::forget(accepted);
            accepted
        }
    }
}

/// accept4(2).
///
/// Errors: As us_accept(). EINVAL: flags that there are not.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_accept4(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
    flags: c_int,
) -> c_int {
    match ours(fd) {
        // SAFETY: the caller's promise.
        Some(sock) => unsafe { accept(sock, Wanted::new(address, len), flags) },
        None => {
            // SAFETY: the caller's promise.
            let accepted = unsafe { next::accept4(fd, address, len, flags) };
            kind::forget(accepted);
            accepted
        }
    }
}

/// # Safety
/// As [`us_accept`].
unsafe fn accept(sock: Socket, wanted: Wanted, flags: c_int) -> c_int {
    let (fd, peer) = match listen::accept(sock, flags) {
        Ok(accepted) => accepted,
        Err(errno) => return answer_int(Err(errno)),
    };
    if wanted.is_none() {
        return fd;
    }
    guarded_int(|| {
        // SAFETY: the caller's promise.
        let written = unsafe { wanted.write(Some(peer)) };
        if written.is_err() {
            // do_accept: the connection is lost with the pointer.
            let _ = crate::host::fd::close(fd);
            kind::forget(fd);
        }
        written.map(|()| fd as usize)
    })
}

/// shutdown(2).
///
/// Errors: ENOTCONN. EINVAL: how is none of the three. ENOTSOCK, EBADF.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_shutdown(fd: c_int, how: c_int) -> c_int {
    match ours(fd) {
        Some(sock) if sock.is_datagram() => {
            guarded_int(|| datagram::connect::shutdown(sock, how).map(|()| 0))
        }
        Some(sock) => guarded_int(|| shutdown::shutdown(sock, how).map(|()| 0)),
        // SAFETY: takes numbers.
        None => unsafe { next::shutdown(fd, how) },
    }
}
