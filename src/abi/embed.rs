//! An engine inside the program: for C programs and ctypes scripts that bring their own net.
use super::guarded_int;
use crate::engine::embed;
use crate::host::Errno;
use core::ffi::{CStr, c_char, c_int};

/// Starts the engine of a net, described by the text of a TOML file, as a thread of this process,
/// and puts this process into that net; call it before the first socket is made. The net ends with
/// us_engine_stop() or with the process.
///
/// EINVAL: the text is wrong (UNDERSTUDY_LOG=1 says where); EADDRINUSE: the net has an engine;
/// EALREADY: this process runs one; EBUSY: this process is in another net; or what the links say.
///
/// # Safety
/// `toml` must be a C string, or NULL (`EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_engine_start(toml: *const c_char) -> c_int {
    guarded_int(|| {
        if toml.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: the caller's promise.
        let text = unsafe { CStr::from_ptr(toml) };
        let text = text.to_str().map_err(|_| Errno::INVAL)?;
        embed::start(text).map(|()| 0)
    })
}

/// Ends the engine that us_engine_start() started, when what has been written has arrived (it waits
/// at most some seconds for that). EINVAL: there is none in this
/// process (a forked child has not its parent's).
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_engine_stop() -> c_int {
    guarded_int(|| embed::stop().map(|()| 0))
}
