//! The engine, for a program that brings its own net: what `libunderstudy.so` loads and calls in
//! us_engine_start() and us_engine_stop(). Both libraries are of one version; it is checked.
use core::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use understudy::engine::embed;
use understudy::host::Errno;

/// The version of this library, to be compared with that of the caller.
#[unsafe(no_mangle)]
pub extern "C" fn understudy_engine_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Starts an engine as a thread. `enter` is given what the program must know of the net, as text,
/// when the engine is ready; if it returns an error number, the engine ends.
///
/// Returns 0 or an error number: those of us_engine_start().
///
/// # Safety
/// `text` must be readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn understudy_engine_start(
    text: *const u8,
    len: usize,
    enter: extern "C" fn(*const u8, usize) -> c_int,
) -> c_int {
    finish(|| {
        // SAFETY: the caller's promise; the slice ends before this call does.
        let text = unsafe { core::slice::from_raw_parts(text, len) };
        let text = core::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
        embed::start(text, |brief| {
            let brief = brief.to_string();
            match enter(brief.as_ptr(), brief.len()) {
                0 => Ok(()),
                number => Err(Errno::from_raw_os_error(number)),
            }
        })
    })
}

/// Ends the engine. Returns 0 or an error number: those of us_engine_stop().
#[unsafe(no_mangle)]
pub extern "C" fn understudy_engine_stop() -> c_int {
    finish(embed::stop)
}

/// The outcome as a number. A panic (a defect of ours) is `EIO`.
fn finish(call: impl FnOnce() -> Result<(), Errno>) -> c_int {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => 0,
        Ok(Err(errno)) => errno.raw_os_error(),
        Err(_) => Errno::IO.raw_os_error(),
    }
}
