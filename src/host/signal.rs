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
