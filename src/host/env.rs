//! The environment, without the locks of `std::env` (a forked child of a threaded program may find
//! them held for ever) and without allocation.
use core::ffi::{CStr, c_char};

unsafe extern "C" {
    /// The C library's list of `NAME=value` strings, ended by NULL.
    static environ: *const *const c_char;
}

/// The value of a variable. As with `getenv`, it must not be asked for while another thread changes
/// the environment.
pub fn var(name: &str) -> Option<&'static [u8]> {
    // SAFETY: libc keeps `environ` NULL or pointing at a NULL-terminated list of C strings.
    let mut entry = unsafe { environ };
    if entry.is_null() {
        return None;
    }
    loop {
        // SAFETY: not past the NULL that ends the list.
        let text = unsafe { *entry };
        if text.is_null() {
            return None;
        }
        // SAFETY: every entry is a C string.
        let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
        if let Some(value) = bytes.strip_prefix(name.as_bytes()).and_then(|b| b.strip_prefix(b"="))
        {
            return Some(value);
        }
        // SAFETY: this entry was not the last.
        entry = unsafe { entry.add(1) };
    }
}
