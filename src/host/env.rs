//! The environment, without the locks of `std::env` (a forked child of a threaded program may find
//! them held for ever).
use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use once_cell::race::OnceBox;

unsafe extern "C" {
    /// The C library's list of `NAME=value` strings, ended by NULL.
    static environ: *const *const c_char;
}

/// A copy of the value of a variable. Allocates: to be asked when the library is loaded, or where
/// the program has asked us to speak.
///
/// # Safety
/// As with `getenv`, no other thread changes the environment meanwhile.
pub unsafe fn var(name: &str) -> Option<Vec<u8>> {
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
            return Some(value.to_vec());
        }
        // SAFETY: this entry was not the last.
        entry = unsafe { entry.add(1) };
    }
}

/// A variable that is read once, when the library is loaded or at the first use. One that is not
/// set costs no memory.
pub struct Setting {
    name: &'static str,
    is_unset: AtomicBool,
    value: OnceBox<Vec<u8>>,
}

impl Setting {
    /// The variable of this name.
    pub const fn new(name: &'static str) -> Setting {
        Setting { name, is_unset: AtomicBool::new(false), value: OnceBox::new() }
    }
    /// Its value; `None` if it was not set.
    pub fn get(&self) -> Option<&[u8]> {
        if self.is_unset.load(Relaxed) {
            return None;
        }
        let value = self.value.get_or_try_init(|| {
            // SAFETY: it is read when the library is loaded, before the program's code runs.
            unsafe { var(self.name) }.map(Box::new).ok_or(())
        });
        self.is_unset.store(value.is_err(), Relaxed);
        value.ok().map(Vec::as_slice)
    }
}
