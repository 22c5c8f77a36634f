//! Event counters (eventfd(2)).
use super::{Errno, fd::Owned, raw::call};

/// A new one, close-on-exec.
pub fn counter() -> Result<Owned, Errno> {
    // SAFETY: takes numbers.
    let fd = unsafe { call!(libc::SYS_eventfd2, 0, libc::EFD_CLOEXEC) }?;
    // SAFETY: the kernel has just made it, for us.
    Ok(unsafe { Owned::new(fd as i32) })
}
