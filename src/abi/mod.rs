//! What programs call: `extern "C"`, one file per C header, functions in header order.
//!
//! Each function checks, decodes, makes one call into `sock` (or hands a descriptor that is not
//! ours to the next library's function) and encodes. Rust names are `us_*`; the plain names of the
//! shared library are aliases that `build.rs` makes from `exports.txt`. errno is set in one place.
//!
//! A thread may leave a call that blocks and never come back ([`crate::host::next`]). So the frames
//! here hold no lock and catch nothing; the ABI is `"C-unwind"`, which lets the unwinding of
//! `pthread_cancel` and `pthread_exit` pass. What is our own logic runs under
//! [`crate::host::guard`], from which no panic leaves.
#![allow(unsafe_code)]

mod address;
mod at_load;
pub mod dlfcn;
pub mod embed;
pub mod fcntl;
pub mod fortify;
mod header;
pub mod messages;
pub mod sys_ioctl;
pub mod sys_prctl;
pub mod sys_socket;
pub mod sys_uio;
pub mod syscall;
pub mod understudy;
pub mod unistd;

use crate::host::{Errno, guard, next, usermem::UserSlice};
use core::ffi::{c_int, c_void};

/// Turns an error into -1 and errno.
#[inline(always)]
fn answer(result: Result<usize, Errno>) -> isize {
    match result {
        Ok(value) => value as isize,
        Err(errno) => fail(errno),
    }
}

/// As [`answer`], for calls that return an `int`.
#[inline(always)]
fn answer_int(result: Result<usize, Errno>) -> c_int {
    answer(result) as c_int
}

/// Makes a call that does not block, under the guard; its answer.
#[inline(always)]
fn guarded_int(call: impl FnOnce() -> Result<usize, Errno>) -> c_int {
    answer_int(guard::guarded(call))
}

#[cold]
fn fail(errno: Errno) -> isize {
    next::set_errno(errno);
    -1
}

/// The program's buffer.
///
/// # Safety
/// As [`UserSlice::new`].
unsafe fn slice<'a, T>(address: *const T, len: usize) -> UserSlice<'a> {
    // SAFETY: the caller's promise.
    unsafe { UserSlice::new(address as usize, len) }
}

/// The program's value of type `T`.
///
/// # Safety
/// As [`UserSlice::new`].
unsafe fn value_of<'a, T>(address: *const T) -> UserSlice<'a> {
    // SAFETY: the caller's promise.
    unsafe { slice(address.cast::<c_void>(), core::mem::size_of::<T>()) }
}
