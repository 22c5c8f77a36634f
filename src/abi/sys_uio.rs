//! `<sys/uio.h>`.
use super::finish;
use super::messages::vector;
use super::unistd::{read_with, write_with};
use crate::host::raw::call;
use core::ffi::c_int;
use libc::{iovec, ssize_t};

/// readv(2).
///
/// # Safety
/// `iov` must hold `count` buffers that are writable (if not, the answer is `EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_readv(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    finish(|| {
        // SAFETY: the caller's promise.
        let payload = unsafe { vector(iov, count) }?;
        // SAFETY: the kernel checks the program's pointers.
        read_with(fd, payload, || unsafe { call!(libc::SYS_readv, fd, iov, count) })
    })
}

/// writev(2).
///
/// # Safety
/// `iov` must hold `count` buffers that are readable (if not, the answer is `EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_writev(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    finish(|| {
        // SAFETY: the caller's promise.
        let payload = unsafe { vector(iov, count) }?;
        // SAFETY: the kernel checks the program's pointers.
        write_with(fd, payload, || unsafe { call!(libc::SYS_writev, fd, iov, count) })
    })
}
