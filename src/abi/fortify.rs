//! What programs compiled with `_FORTIFY_SOURCE` call instead: the same, with the size of the
//! buffer that the compiler knew.
use super::sys_socket::{us_recv, us_recvfrom};
use super::unistd::us_read;
use core::ffi::{c_int, c_void};
use libc::{size_t, sockaddr, socklen_t, ssize_t};

unsafe extern "C" {
    /// Ends the program: "buffer overflow detected".
    fn __chk_fail() -> !;
}

fn check(len: size_t, size: size_t) {
    if len > size {
        // SAFETY: glibc's own answer; it does not return.
        unsafe { __chk_fail() }
    }
}

/// `__read_chk`.
///
/// # Safety
/// As [`us_read`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_read_chk(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    size: size_t,
) -> ssize_t {
    check(len, size);
    // SAFETY: the caller's promise.
    unsafe { us_read(fd, buffer, len) }
}

/// `__recv_chk`.
///
/// # Safety
/// As [`us_recv`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_recv_chk(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    size: size_t,
    flags: c_int,
) -> ssize_t {
    check(len, size);
    // SAFETY: the caller's promise.
    unsafe { us_recv(fd, buffer, len, flags) }
}

/// `__recvfrom_chk`.
///
/// # Safety
/// As [`us_recvfrom`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_recvfrom_chk(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    size: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_len: *mut socklen_t,
) -> ssize_t {
    check(len, size);
    // SAFETY: the caller's promise.
    unsafe { us_recvfrom(fd, buffer, len, flags, address, address_len) }
}
