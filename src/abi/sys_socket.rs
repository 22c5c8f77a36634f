//! `<sys/socket.h>`, all but the calls with a `struct msghdr`, which are in [`super::messages`].
use super::address::{Given, Wanted};
use super::{finish, finish_int, slice, value_of};
use crate::host::message::Payload;
use crate::host::raw::call;
use crate::host::usermem::UserSlice;
use crate::host::{Errno, fd::Raw, unix};
use crate::sock::class::{self, Class};
use crate::sock::datagram_receive::{self, Want};
use crate::sock::object::Sock;
use crate::sock::tag::Tag;
use crate::sock::{
    bind, connect, connect_wire, create, datagram, datagram_send, fast_open, listen, names,
    options, stream,
};
use core::ffi::{c_int, c_void};
use libc::{size_t, sockaddr, socklen_t, ssize_t};

/// socket(2). `AF_INET` and `AF_INET6` streams and datagrams are Understudy's; all other families
/// are the kernel's.
#[unsafe(no_mangle)]
pub extern "C" fn us_socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    finish_int(|| create::socket(domain, kind, protocol).map(|fd| fd as usize))
}

/// bind(2).
///
/// # Safety
/// `address` must be readable for `len` bytes (if it is not, the answer is `EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    finish_int(|| {
        let Some(sock) = Sock::of(fd) else {
            // SAFETY: the kernel checks the program's pointer.
            return unsafe { call!(libc::SYS_bind, fd, address, len) };
        };
        // SAFETY: the caller's promise.
        let given = unsafe { Given::read(address, len) }?;
        bind::bind(sock, given.as_bytes()).map(|()| 0)
    })
}

/// getsockname(2).
///
/// # Safety
/// `address` must be writable for `*len` bytes, `len` readable and writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_getsockname(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    finish_int(|| {
        let Some(sock) = Sock::of(fd) else {
            // SAFETY: the kernel checks the program's pointers.
            return unsafe { call!(libc::SYS_getsockname, fd, address, len) };
        };
        let name = names::socket_name(&sock)?;
        // SAFETY: the caller's promise.
        unsafe { Wanted::new(address, len).write(Some(name)) }.map(|()| 0)
    })
}

/// connect(2).
///
/// # Safety
/// As [`us_bind`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    finish_int(|| {
        let Some(sock) = Sock::of(fd) else {
            // SAFETY: the kernel checks the program's pointer.
            return unsafe { call!(libc::SYS_connect, fd, address, len) };
        };
        // SAFETY: the caller's promise.
        let given = unsafe { Given::read(address, len) }?;
        connect::connect(sock, given.as_bytes()).map(|()| 0)
    })
}

/// getpeername(2).
///
/// # Safety
/// As [`us_getsockname`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_getpeername(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    finish_int(|| {
        let Some(sock) = Sock::of(fd) else {
            // SAFETY: the kernel checks the program's pointers.
            return unsafe { call!(libc::SYS_getpeername, fd, address, len) };
        };
        let name = names::peer_name(&sock)?;
        // SAFETY: the caller's promise.
        unsafe { Wanted::new(address, len).write(Some(name)) }.map(|()| 0)
    })
}

/// send(2).
///
/// # Safety
/// `buffer` must be readable for `len` bytes (if it is not, the answer is `EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_send(
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    finish(|| send_to(fd, unsafe { slice(buffer, len) }, flags, core::ptr::null(), 0))
}

/// recv(2).
///
/// # Safety
/// `buffer` must be writable for `len` bytes (if it is not, the answer is `EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_recv(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    let none = Wanted::new(core::ptr::null_mut(), core::ptr::null_mut());
    // SAFETY: the caller's promise.
    finish(|| receive_from(fd, unsafe { slice(buffer.cast_const(), len) }, flags, none))
}

/// sendto(2).
///
/// # Safety
/// As [`us_send`] and [`us_bind`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_sendto(
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_len: socklen_t,
) -> ssize_t {
    // SAFETY: the caller's promise.
    finish(|| send_to(fd, unsafe { slice(buffer, len) }, flags, address, address_len))
}

fn send_to(
    fd: Raw,
    buffer: UserSlice,
    flags: i32,
    address: *const sockaddr,
    len: socklen_t,
) -> Result<usize, Errno> {
    let payload = Payload::Flat(buffer);
    // A wrong hint would lose the address.
    let class = if address.is_null() { class::of(fd) } else { class::certain(fd) };
    match class {
        Class::Stream if flags & libc::MSG_FASTOPEN == 0 => {
            stream::send(fd, payload, UserSlice::EMPTY, flags)
        }
        Class::Other => {
            let (data, size) = (buffer.address(), buffer.len());
            // SAFETY: the kernel checks the program's pointers.
            unsafe { call!(libc::SYS_sendto, fd, data, size, flags, address, len) }
        }
        _ => {
            // SAFETY: the program's pointer, checked as it is read.
            let to = unsafe { destination(address, len) }?;
            match messages_send(fd, payload, to.as_ref(), UserSlice::EMPTY, flags) {
                // The hint was wrong; it is right now.
                Err(Errno::NOTSOCK) => send_to(fd, buffer, flags, address, len),
                sent => sent,
            }
        }
    }
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

/// A datagram, or the first bytes of a stream that is connected with them (`MSG_FASTOPEN`).
pub(super) fn messages_send(
    fd: Raw,
    payload: Payload,
    to: Option<&Given>,
    control: UserSlice,
    flags: i32,
) -> Result<usize, Errno> {
    let Some(sock) = Sock::of(fd) else {
        // The hint was wrong: another file has this number now. The caller tries again.
        class::set(fd, Class::Other);
        return Err(Errno::NOTSOCK);
    };
    if sock.has(Tag::DGRAM) {
        let to = match to {
            Some(to) => connect::datagram_destination(&sock, to.as_bytes())?,
            None => None,
        };
        return datagram_send::send(sock, payload, to, control, flags);
    }
    if flags & libc::MSG_FASTOPEN != 0 || sock.has(Tag::DEFERRED) {
        return fast_open::send(sock, to.map(Given::as_bytes), payload, flags);
    }
    if sock.has(Tag::CONNECTING) && sock.has(Tag::WIRE) {
        connect_wire::await_writable(&sock, flags)?;
    }
    class::set(fd, Class::Stream);
    stream::send(fd, payload, control, flags)
}

/// recvfrom(2).
///
/// # Safety
/// As [`us_recv`] and [`us_getsockname`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_len: *mut socklen_t,
) -> ssize_t {
    let from = Wanted::new(address, address_len);
    // SAFETY: the caller's promise.
    finish(|| receive_from(fd, unsafe { slice(buffer.cast_const(), len) }, flags, from))
}

fn receive_from(fd: Raw, buffer: UserSlice, flags: i32, from: Wanted) -> Result<usize, Errno> {
    let payload = Payload::Flat(buffer);
    // A wrong hint would lose the address.
    let class = if from.is_none() { class::of(fd) } else { class::certain(fd) };
    let (received, sender) = match class {
        Class::Other => {
            let (data, size) = (buffer.address(), buffer.len());
            let (name, name_len) = from.pointers();
            // SAFETY: the kernel checks the program's pointers.
            return unsafe { call!(libc::SYS_recvfrom, fd, data, size, flags, name, name_len) };
        }
        Class::Stream | Class::Opening => {
            (stream::receive(fd, payload, UserSlice::EMPTY, flags)?, None)
        }
        Class::Datagram => {
            let want = if from.is_none() { Want::Data } else { Want::Sender };
            datagram_receive::receive(fd, payload, UserSlice::EMPTY, flags, want)?
        }
    };
    if !from.is_none() {
        // SAFETY: the program gave both pointers to be written.
        unsafe { from.write(sender) }?;
    }
    Ok(received.len)
}

/// getsockopt(2).
///
/// # Safety
/// `value` must be writable for `*len` bytes, `len` readable and writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    finish_int(|| {
        let Some(sock) = Sock::of(fd) else {
            // SAFETY: the kernel checks the program's pointers.
            return unsafe { call!(libc::SYS_getsockopt, fd, level, name, value, len) };
        };
        // SAFETY: the caller's promise.
        let len = unsafe { value_of(len.cast_const()) };
        let room = c_int::from_ne_bytes(len.read_array()?);
        let room = usize::try_from(room).map_err(|_| Errno::INVAL)?;
        // SAFETY: the caller's promise.
        let value = unsafe { slice(value.cast_const(), room) };
        let filled = options::get(sock, level, name, value)?;
        len.write(&(filled as socklen_t).to_ne_bytes())?;
        Ok(0)
    })
}

/// setsockopt(2).
///
/// # Safety
/// `value` must be readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    finish_int(|| {
        let Some(sock) = Sock::of(fd) else {
            // SAFETY: the kernel checks the program's pointer.
            return unsafe { call!(libc::SYS_setsockopt, fd, level, name, value, len) };
        };
        let len = usize::try_from(len as c_int).map_err(|_| Errno::INVAL)?;
        // SAFETY: the caller's promise.
        options::set(sock, level, name, unsafe { slice(value, len) }).map(|()| 0)
    })
}

/// listen(2).
#[unsafe(no_mangle)]
pub extern "C" fn us_listen(fd: c_int, backlog: c_int) -> c_int {
    finish_int(|| match Sock::of(fd) {
        Some(sock) => listen::listen(sock, backlog).map(|()| 0),
        None => unix::listen(fd, backlog).map(|()| 0),
    })
}

/// accept(2).
///
/// # Safety
/// As [`us_getsockname`]; both pointers may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_accept(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { us_accept4(fd, address, len, 0) }
}

/// accept4(2).
///
/// # Safety
/// As [`us_accept`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_accept4(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
    flags: c_int,
) -> c_int {
    finish_int(|| {
        let Some(sock) = Sock::of(fd) else {
            // SAFETY: the kernel checks the program's pointers.
            let accepted = unsafe { call!(libc::SYS_accept4, fd, address, len, flags) }?;
            class::forget(accepted as Raw);
            return Ok(accepted);
        };
        let (accepted, peer) = listen::accept(sock, flags)?;
        let wanted = Wanted::new(address, len);
        if !wanted.is_none() {
            // SAFETY: the caller's promise.
            unsafe { wanted.write(Some(peer)) }?;
        }
        Ok(accepted.into_raw() as usize)
    })
}

/// shutdown(2).
#[unsafe(no_mangle)]
pub extern "C" fn us_shutdown(fd: c_int, how: c_int) -> c_int {
    finish_int(|| match Sock::of(fd) {
        Some(sock) if sock.has(Tag::DGRAM) => datagram::shutdown(sock, how).map(|()| 0),
        Some(sock) => stream::shutdown(sock, how).map(|()| 0),
        None => unix::shutdown(fd, how).map(|()| 0),
    })
}
