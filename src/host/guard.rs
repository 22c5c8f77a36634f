//! Running our own logic inside a program's call: no panic leaves it, and the thread is not
//! cancelled in the middle of it.
//!
//! A signal handler may leave it for ever (`siglongjmp`). So cancellation is deferred here, as in
//! nearly every thread anyway, and not disabled: that would outlast such a jump.
use super::Errno;
use core::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

const PTHREAD_CANCEL_DEFERRED: c_int = 0;

unsafe extern "C-unwind" {
    fn pthread_setcanceltype(kind: c_int, old: *mut c_int) -> c_int;
    fn pthread_testcancel();
}

/// Makes a call of our own logic. A panic in it (a defect of ours) is `EIO`.
///
/// A cancellation that is requested meanwhile acts when it is over, or at the next cancellation
/// point: `catch_unwind` would end the program if it met one. So `call` must have no such point:
/// what it asks of the kernel, it asks by raw system calls. Nothing here makes a system call.
/// The result is `Copy` so that there is nothing to drop if the thread is cancelled at the end.
pub fn guarded<T: Copy>(call: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let mut before = PTHREAD_CANCEL_DEFERRED;
    // SAFETY: writes the old type to `before`.
    unsafe { pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &raw mut before) };
    let result = caught(call);
    if before != PTHREAD_CANCEL_DEFERRED {
        // SAFETY: the type that was there; NULL is allowed (glibc, musl).
        unsafe { pthread_setcanceltype(before, core::ptr::null_mut()) };
    }
    result
}

fn caught<T: Copy>(call: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    silence::begin();
    let result = catch_unwind(AssertUnwindSafe(call));
    silence::end();
    result.unwrap_or_else(|payload| {
        // Dropping it may panic again.
        core::mem::forget(payload);
        Err(Errno::IO)
    })
}

/// A cancellation point: for calls that POSIX names as one and that we answer without the next
/// library's function.
pub fn test_cancel() {
    // SAFETY: no arguments; the caller's frames may be unwound.
    unsafe { pthread_testcancel() };
}

/// A panic in our own logic prints nothing on the program's standard error.
pub mod silence {
    use crate::host::log;
    use core::cell::Cell;

    thread_local! {
        static DEPTH: Cell<u32> = const { Cell::new(0) };
    }

    pub(super) fn begin() {
        DEPTH.with(|depth| depth.set(depth.get().wrapping_add(1)));
    }
    pub(super) fn end() {
        DEPTH.with(|depth| depth.set(depth.get().wrapping_sub(1)));
    }

    /// To be called when the library is loaded.
    pub fn install() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if DEPTH.with(Cell::get) == 0 {
                before(panic);
            } else if log::wanted() {
                log::say(&format!("a defect of Understudy: {panic}"));
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_errno() {
        assert_eq!(guarded(|| Ok(3)), Ok(3));
        assert_eq!(guarded(|| Err::<u8, _>(Errno::AGAIN)), Err(Errno::AGAIN));
        assert_eq!(guarded(|| -> Result<u8, Errno> { panic!("not to be seen") }), Err(Errno::IO));
    }
}
