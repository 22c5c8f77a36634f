//! What programs call: `extern "C"`, one file per C header, functions in header order.
//!
//! Each function checks, decodes, makes one call into `sock` (or straight to the kernel, for a
//! descriptor that is not ours) and encodes. Rust names are `us_*`; the plain names of the shared
//! library are aliases that `build.rs` makes from `exports.txt`. No panic leaves through here, and
//! errno is set in one place.
#![allow(unsafe_code)]

mod address;
pub mod embed;
pub mod fcntl;
pub mod fortify;
pub mod messages;
pub mod sys_ioctl;
pub mod sys_socket;
pub mod sys_uio;
pub mod syscall;
pub mod understudy;
pub mod unistd;

use crate::host::{Errno, usermem::UserSlice};
use core::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Makes the call, and turns an error into -1 and errno. A panic (a defect of ours) is `EIO`.
#[inline(always)]
fn finish(call: impl FnOnce() -> Result<usize, Errno>) -> isize {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => value as isize,
        Ok(Err(errno)) => fail(errno),
        Err(_) => fail(Errno::IO),
    }
}

/// As [`finish`], for calls that return an `int`.
#[inline(always)]
fn finish_int(call: impl FnOnce() -> Result<usize, Errno>) -> c_int {
    finish(call) as c_int
}

#[cold]
fn fail(errno: Errno) -> isize {
    // SAFETY: libc gives the address of the calling thread's errno, always valid.
    unsafe { *libc::__errno_location() = errno.raw_os_error() };
    -1
}

/// The program's buffer.
///
/// # Safety
/// As [`UserSlice::new`].
unsafe fn slice<T>(address: *const T, len: usize) -> UserSlice {
    // SAFETY: the caller's promise.
    unsafe { UserSlice::new(address as usize, len) }
}

/// The program's value of type `T`.
///
/// # Safety
/// As [`UserSlice::new`].
unsafe fn value_of<T>(address: *const T) -> UserSlice {
    // SAFETY: the caller's promise.
    unsafe { slice(address.cast::<c_void>(), core::mem::size_of::<T>()) }
}
