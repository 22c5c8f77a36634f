//! `<fcntl.h>`.
use super::unistd::new_descriptor;
use crate::host::next;
use crate::sock::descriptor::private;
use core::ffi::{c_int, c_long};

/// fcntl(2). The third argument is a number or a pointer, by the command.
///
/// Errors: As the kernel.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int {
    // SAFETY: the caller's promise.
    let answer = unsafe { next::fcntl(fd, command, argument) };
    match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => {
            private::forget(fd);
            new_descriptor(answer)
        }
        _ => answer,
    }
}
