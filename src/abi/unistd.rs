//! `<unistd.h>`: reading, writing, closing and copying of descriptors.
use super::{answer, slice};
use crate::host::next::{self, checked};
use crate::host::{Errno, message::Payload, sandbox, usermem::UserSlice};
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::{private, reuse};
use crate::sock::stream::{receive, send};
use crate::sock::transfer::{self, Want};
use core::ffi::{c_int, c_uint, c_void};
use libc::{size_t, ssize_t};

/// read(2).
///
/// Errors: As us_recv(); of other files as the kernel.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t {
    let kind = kind::of(fd);
    if kind == FdKind::Datagram && !sandbox::is_on() {
        // SAFETY: the caller's promise.
        let payload = Payload::flat(unsafe { slice(buffer.cast_const(), len) });
        if let Some(received) = read_datagram(fd, payload) {
            return received;
        }
    }
    // SAFETY: the caller's promise.
    let n = unsafe { next::read(fd, buffer, len) };
    if n > 0 || !kind.is_stream() {
        return n;
    }
    // SAFETY: the caller's promise.
    let payload = Payload::flat(unsafe { slice(buffer.cast_const(), len) });
    answer(receive::not_received(fd, payload, 0, checked(n)))
}

/// read(2) and readv(2) of a datagram socket of ours. `None`: it was another file.
pub(super) fn read_datagram(fd: c_int, payload: Payload) -> Option<ssize_t> {
    match transfer::receive_from(fd, payload, 0, Want::Data)? {
        Err(Errno::NOTSOCK) => {
            kind::forget(fd);
            None
        }
        received => Some(answer(received.map(|(received, _)| received.len))),
    }
}

/// write(2).
///
/// Errors: As us_send(); of other files as the kernel.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_write(fd: c_int, buffer: *const c_void, len: size_t) -> ssize_t {
    // SAFETY: the caller's promise.
    let payload = Payload::flat(unsafe { slice(buffer, len) });
    match write(fd, payload) {
        Some(sent) => answer(sent),
        // SAFETY: the caller's promise.
        None => unsafe { next::write(fd, buffer, len) },
    }
}

/// write(2) and writev(2) on a socket of ours. `None`: it is another file, or the process is in a
/// sandbox, which knows calls by their numbers.
pub(super) fn write(fd: c_int, payload: Payload) -> Option<Result<usize, Errno>> {
    let kind = kind::of(fd);
    if kind == FdKind::Other || sandbox::is_on() {
        return None;
    }
    let sent = match kind {
        FdKind::Local | FdKind::Stream => send::send(fd, payload, 0),
        _ => transfer::send_looked_at(fd, payload, None, UserSlice::EMPTY, 0),
    };
    match sent {
        // The hint was wrong: this number is another file's now.
        Err(Errno::NOTSOCK) => {
            kind::forget(fd);
            None
        }
        sent => Some(sent),
    }
}

/// close(2).
///
/// Errors: EBADF, EINTR, EIO: as the kernel.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_close(fd: c_int) -> c_int {
    kind::forget(fd);
    reuse::before_close(fd as u32, fd as u32);
    // SAFETY: takes a number.
    unsafe { next::close(fd) }
}

/// close_range(2).
///
/// Errors: EINVAL: as the kernel.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    kind::forget_range(first, last);
    reuse::before_close(first, last);
    // SAFETY: takes numbers.
    unsafe { next::close_range(first, last, flags) }
}

/// closefrom(3).
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_closefrom(first: c_int) {
    us_close_range(first.max(0) as c_uint, c_uint::MAX, 0);
}

/// dup(2).
///
/// Errors: EBADF, EMFILE.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_dup(fd: c_int) -> c_int {
    private::forget(fd);
    // SAFETY: takes a number.
    new_descriptor(unsafe { next::dup(fd) })
}

/// dup2(2).
///
/// Errors: EBADF, EBUSY, EINTR.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_dup2(old: c_int, new: c_int) -> c_int {
    private::forget(old);
    if old != new {
        kind::forget(new);
        reuse::before_close(new as u32, new as u32);
    }
    // SAFETY: takes numbers.
    let answer = unsafe { next::dup2(old, new) };
    if old == new { answer } else { new_descriptor(answer) }
}

/// dup3(2).
///
/// Errors: EBADF, EBUSY, EINTR, EINVAL.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    private::forget(old);
    kind::forget(new);
    reuse::before_close(new as u32, new as u32);
    // SAFETY: takes numbers.
    new_descriptor(unsafe { next::dup3(old, new, flags) })
}

/// Nothing is known of a descriptor that has just come to be (-1: of none).
pub(super) fn new_descriptor(fd: c_int) -> c_int {
    kind::forget(fd);
    fd
}
