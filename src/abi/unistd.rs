//! `<unistd.h>`: reading, writing, closing and copying of descriptors.
use super::messages::flat;
use super::sys_socket::messages_send;
use super::{finish, finish_int};
use crate::host::message::Payload;
use crate::host::raw::call;
use crate::host::usermem::UserSlice;
use crate::host::{Errno, fd, fd::Raw};
use crate::sock::class::{self, Class};
use crate::sock::datagram_receive::{self, Want};
use crate::sock::stream;
use core::ffi::{c_int, c_uint, c_void};
use libc::{size_t, ssize_t};

/// read(2).
///
/// # Safety
/// `buffer` must be writable for `len` bytes (if it is not, the answer is `EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t {
    finish(|| {
        // SAFETY: the caller's promise.
        let payload = unsafe { flat(buffer.cast_const(), len) };
        // SAFETY: the kernel checks the program's pointer.
        read_with(fd, payload, || unsafe { call!(libc::SYS_read, fd, buffer, len) })
    })
}

/// read(2) or readv(2): `kernel` makes the call itself.
pub(super) fn read_with(
    fd: Raw,
    payload: Payload,
    kernel: impl FnOnce() -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    match class::of(fd) {
        Class::Datagram => {
            match datagram_receive::receive(fd, payload, UserSlice::EMPTY, 0, Want::Data) {
                Err(Errno::NOTSOCK) => {
                    class::forget(fd);
                    kernel()
                }
                received => received.map(|r| r.0.len),
            }
        }
        Class::Other => kernel(),
        Class::Stream | Class::Opening => match kernel() {
            Ok(len @ 1..) => Ok(len),
            answer @ (Ok(0) | Err(Errno::CONNRESET | Errno::INVAL)) if payload.total() != Ok(0) => {
                stream::not_received(fd, payload, 0, answer)
            }
            answer => answer,
        },
    }
}

/// write(2).
///
/// # Safety
/// `buffer` must be readable for `len` bytes (if it is not, the answer is `EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_write(fd: c_int, buffer: *const c_void, len: size_t) -> ssize_t {
    finish(|| {
        // SAFETY: the caller's promise.
        let payload = unsafe { flat(buffer, len) };
        // SAFETY: the kernel checks the program's pointer.
        write_with(fd, payload, || unsafe { call!(libc::SYS_write, fd, buffer, len) })
    })
}

/// write(2) or writev(2): `kernel` makes the call itself, for files that are not ours.
pub(super) fn write_with(
    fd: Raw,
    payload: Payload,
    kernel: impl FnOnce() -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let sent = match class::of(fd) {
        Class::Other => return kernel(),
        Class::Stream => stream::send(fd, payload, UserSlice::EMPTY, 0),
        Class::Datagram | Class::Opening => messages_send(fd, payload, None, UserSlice::EMPTY, 0),
    };
    match sent {
        // The hint was wrong: this number is another file's now.
        Err(Errno::NOTSOCK) => kernel(),
        sent => sent,
    }
}

/// close(2).
#[unsafe(no_mangle)]
pub extern "C" fn us_close(fd: c_int) -> c_int {
    class::forget(fd);
    finish_int(|| fd::close(fd).map(|()| 0))
}

/// close_range(2).
#[unsafe(no_mangle)]
pub extern "C" fn us_close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    class::forget_range(first, last);
    // SAFETY: takes numbers.
    finish_int(|| unsafe { call!(libc::SYS_close_range, first, last, flags) })
}

/// closefrom(3).
#[unsafe(no_mangle)]
pub extern "C" fn us_closefrom(first: c_int) {
    us_close_range(first.max(0) as c_uint, c_uint::MAX, 0);
}

/// dup(2).
#[unsafe(no_mangle)]
pub extern "C" fn us_dup(fd: c_int) -> c_int {
    // SAFETY: takes a number.
    finish_int(|| new_descriptor(unsafe { call!(libc::SYS_dup, fd) }))
}

/// dup2(2).
#[unsafe(no_mangle)]
pub extern "C" fn us_dup2(old: c_int, new: c_int) -> c_int {
    finish_int(|| {
        if old == new {
            return fd::fcntl(old, libc::F_GETFD, 0).map(|_| new as usize);
        }
        class::forget(new);
        fd::dup3(old, new, 0)?;
        new_descriptor(Ok(new as usize))
    })
}

/// dup3(2).
#[unsafe(no_mangle)]
pub extern "C" fn us_dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    finish_int(|| {
        class::forget(new);
        fd::dup3(old, new, flags)?;
        new_descriptor(Ok(new as usize))
    })
}

/// Nothing is known of a descriptor that has just come to be.
pub(super) fn new_descriptor(answer: Result<usize, Errno>) -> Result<usize, Errno> {
    if let Ok(fd) = answer {
        class::forget(fd as Raw);
    }
    answer
}
