//! The uid that this process acts as.
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The uid when it was asked last; -1: never.
static LAST: AtomicU32 = AtomicU32::new(u32::MAX);

/// The effective uid. One system call.
pub fn euid() -> u32 {
    let uid = rustix::process::geteuid().as_raw();
    LAST.store(uid, Relaxed);
    uid
}

/// The effective uid as it was when it was asked last. A process can only have lost privileges
/// since: where it was root, that is asked again.
pub fn euid_at_least() -> u32 {
    match LAST.load(Relaxed) {
        0 | u32::MAX => euid(),
        uid => uid,
    }
}
