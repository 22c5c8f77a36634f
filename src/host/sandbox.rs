//! Whether the process has put itself under seccomp, as far as its calls have shown.
//!
//! A sandboxed program allows the system calls that it makes, by number. From then on a read of
//! ours is `read` and a write is `write`, and nothing is asked of the kernel besides.
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

static ON: AtomicBool = AtomicBool::new(false);

/// Whether it has.
#[inline]
pub fn is_on() -> bool {
    ON.load(Relaxed)
}

/// It has, or may have: `prctl(PR_SET_SECCOMP)` or `seccomp` was called.
pub fn entered() {
    ON.store(true, Relaxed);
}
