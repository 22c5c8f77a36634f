//! `<sys/uio.h>`.
use super::answer;
use super::unistd::{read_datagram, write};
use crate::host::next::{self, checked};
use crate::host::{message::Payload, sandbox};
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::stream::receive;
use core::ffi::c_int;
use libc::{iovec, ssize_t};

/// Buffers of readv(2) and writev(2); `None`: more than the kernel takes, which says so.
///
/// # Safety
/// As [`us_readv`].
unsafe fn vector<'a>(iov: *const iovec, count: c_int) -> Option<Payload<'a>> {
    let count = usize::try_from(count).ok()?;
    // SAFETY: the caller's promise.
    unsafe { Payload::vector(iov as usize, count) }.ok()
}

/// readv(2).
///
/// Errors: As us_read().
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_readv(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    let kind = kind::of(fd);
    // SAFETY: the caller's promise.
    let payload = unsafe { vector(iov, count) };
    if kind == FdKind::Datagram
        && !sandbox::is_on()
        && let Some(received) = payload.and_then(|payload| read_datagram(fd, payload))
    {
        return received;
    }
    // SAFETY: the caller's promise.
    let n = unsafe { next::readv(fd, iov, count) };
    match payload {
        Some(payload) if n <= 0 && kind.is_stream() => {
            answer(receive::not_received(fd, payload, 0, checked(n)))
        }
        _ => n,
    }
}

/// writev(2).
///
/// Errors: As us_write().
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_writev(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's promise.
    let payload = unsafe { vector(iov, count) };
    match payload.and_then(|payload| write(fd, payload)) {
        Some(sent) => answer(sent),
        // SAFETY: the caller's promise.
        None => unsafe { next::writev(fd, iov, count) },
    }
}
