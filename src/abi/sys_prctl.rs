//! `<sys/prctl.h>`.
use crate::host::{next, sandbox};
use core::ffi::{c_int, c_ulong};

/// prctl(2). Only looked at: after PR_SET_SECCOMP the library makes no system call that the program
/// did not ask for.
///
/// Errors: As the kernel.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_prctl(
    option: c_int,
    a: c_ulong,
    b: c_ulong,
    c: c_ulong,
    d: c_ulong,
) -> c_int {
    if option == libc::PR_SET_SECCOMP {
        sandbox::entered();
    }
    // SAFETY: the caller's promise.
    unsafe { next::prctl(option, a, b, c, d) }
}
