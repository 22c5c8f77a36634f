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

    /// To be called when the library is loaded. Only in the shared library, whose panics are its
    /// own: a Rust program that links ours keeps its hook.
    pub fn install() {
        if !is_shared_library() {
            return;
        }
        std::panic::set_hook(Box::new(|panic| {
            if log::wanted() {
                log::say(&format!("a defect of Understudy: {panic}"));
            } else if DEPTH.with(Cell::get) == 0 {
                log::say_always(&panic.to_string());
            }
        }));
    }

    /// Whether this code is in an object of that name, not in a program.
    fn is_shared_library() -> bool {
        let mut info = core::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        let here = install as fn() as *const core::ffi::c_void;
        // SAFETY: it writes a Dl_info, all of whose fields may be null.
        let info = unsafe {
            if libc::dladdr(here, info.as_mut_ptr()) == 0 {
                return false;
            }
            info.assume_init()
        };
        if info.dli_fname.is_null() {
            return false;
        }
        // SAFETY: a C string of the loader, for as long as the object is loaded.
        let name = unsafe { core::ffi::CStr::from_ptr(info.dli_fname) }.to_bytes();
        name.windows(13).any(|part| part == b"libunderstudy")
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
