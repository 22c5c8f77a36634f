//! Signals that the kernel would have sent.
use super::raw::call;

/// Sends `SIGPIPE` to the calling thread, as a write to a closed connection does.
pub fn raise_sigpipe() {
    // SAFETY: takes numbers.
    unsafe {
        let pid = call!(libc::SYS_getpid).unwrap_or(0);
        let tid = call!(libc::SYS_gettid).unwrap_or(0);
        let _ = call!(libc::SYS_tgkill, pid, tid, libc::SIGPIPE);
    }
}

/// Runs `f` with every signal blocked on this thread: a thread that `f` starts keeps it so, and the
/// program's handlers never run there.
pub fn with_all_blocked<T>(f: impl FnOnce() -> T) -> T {
    // The kernel's signal set: one bit each of 64 (not libc's sigset_t, which is longer).
    let (all, mut before) = (u64::MAX, 0u64);
    let size = core::mem::size_of::<u64>();
    let how = libc::SIG_SETMASK;
    // SAFETY: the kernel reads 8 bytes of `all` and writes 8 of `before`.
    let blocked =
        unsafe { call!(libc::SYS_rt_sigprocmask, how, &raw const all, &raw mut before, size) };
    let result = f();
    if blocked.is_ok() {
        let none = core::ptr::null_mut::<u64>();
        // SAFETY: the kernel reads 8 bytes of `before`.
        let _ = unsafe { call!(libc::SYS_rt_sigprocmask, how, &raw const before, none, size) };
    }
    result
}
