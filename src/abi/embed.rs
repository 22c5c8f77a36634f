//! An engine inside the program: for C programs and ctypes scripts that bring their own net.
//!
//! The engine is in a library of its own, `libunderstudy_engine.so`, which the first
//! us_engine_start() loads. So a program without an engine neither maps nor relocates its code.
use super::guarded_int;
use crate::host::{Errno, guard, log};
use crate::sock::net;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::transmute;
use once_cell::race::OnceBox;

/// Where the engine's library is, from the folder of this one: where it is installed, and where
/// cargo puts it.
const FILES: [&str; 2] = ["understudy/libunderstudy_engine.so", "libunderstudy_engine.so"];

/// What the engine's library calls when the engine is ready: see [`enter`].
type Enter = extern "C" fn(*const u8, usize) -> c_int;

type Version = extern "C" fn() -> *const c_char;
type Start = unsafe extern "C" fn(*const u8, usize, Enter) -> c_int;
type Stop = extern "C" fn() -> c_int;

/// The functions of the engine's library (`embed/src/lib.rs`).
struct Library {
    start: Start,
    stop: Stop,
}

static LIBRARY: OnceBox<Library> = OnceBox::new();

impl Library {
    /// The library, loaded when it is first wanted; it stays.
    fn get() -> Result<&'static Library, Errno> {
        LIBRARY.get_or_try_init(|| Library::load().map(Box::new))
    }

    /// `ENOSYS`: it is not there, or is of another version.
    fn load() -> Result<Library, Errno> {
        let handle = open().ok_or(Errno::NOSYS)?;
        let version = symbol(handle, c"understudy_engine_version")?;
        let start = symbol(handle, c"understudy_engine_start")?;
        let stop = symbol(handle, c"understudy_engine_stop")?;
        // SAFETY: `embed/src/lib.rs` defines these three with these types, and the first of them,
        // which is the same in all versions, says that it is the version that this was built with.
        unsafe {
            let version = transmute::<*mut c_void, Version>(version);
            if CStr::from_ptr(version()).to_bytes() != env!("CARGO_PKG_VERSION").as_bytes() {
                return Err(Errno::NOSYS);
            }
            let start = transmute::<*mut c_void, Start>(start);
            Ok(Library { start, stop: transmute::<*mut c_void, Stop>(stop) })
        }
    }
}

fn symbol(handle: *mut c_void, name: &CStr) -> Result<*mut c_void, Errno> {
    // SAFETY: the handle is that of a library that is never closed; the name is a C string.
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    if address.is_null() { Err(Errno::NOSYS) } else { Ok(address) }
}

/// Loads the engine's library.
fn open() -> Option<*mut c_void> {
    let us = us_engine_start as *const c_void;
    // SAFETY: `Dl_info` is plain pointers, for which zeros are a value.
    let mut info: libc::Dl_info = unsafe { core::mem::zeroed() };
    // SAFETY: `info` is writable; any address may be asked about.
    if unsafe { libc::dladdr(us, &mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr() gives the path of a loaded library, which this one stays.
    let path = unsafe { CStr::from_ptr(info.dli_fname) }.to_str().ok()?;
    let (folder, _) = path.rsplit_once('/')?;
    for file in FILES {
        let path = format!("{folder}/{file}\0");
        // SAFETY: the path ends with a zero byte; what runs at loading is what ran for us.
        let handle = unsafe { libc::dlopen(path.as_ptr().cast(), libc::RTLD_NOW) };
        if !handle.is_null() {
            return Some(handle);
        }
    }
    if log::wanted() {
        log::say(&format!("{folder} has no {}", FILES[1]));
    }
    None
}

/// Puts this process into the net of a running engine. The text is the net's brief.
extern "C" fn enter(text: *const u8, len: usize) -> c_int {
    let entered = guard::guarded(|| {
        // SAFETY: the engine's library gives a string that lives as long as this call.
        let text = unsafe { core::slice::from_raw_parts(text, len) };
        let text = core::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
        net::enter(text.parse().map_err(|_| Errno::INVAL)?)
    });
    entered.map_or_else(Errno::raw_os_error, |()| 0)
}

/// 0, or what the engine's library says.
fn outcome(number: c_int) -> Result<usize, Errno> {
    if number == 0 { Ok(0) } else { Err(Errno::from_raw_os_error(number)) }
}

/// Starts the engine of a net, described by the text of a TOML file, as a thread of this process,
/// and puts this process into that net; call it before the first socket is made. The net ends with
/// us_engine_stop() or with the process.
///
/// EINVAL: the text is wrong (UNDERSTUDY_LOG=1 says where); EADDRINUSE: the net has an engine;
/// EALREADY: this process runs one; EBUSY: this process is in another net; ENOSYS:
/// libunderstudy_engine.so is not installed with this library; or what the links say.
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
        let start = Library::get()?.start;
        let (bytes, len) = (text.to_bytes().as_ptr(), text.count_bytes());
        // SAFETY: the text is readable for its length.
        outcome(unsafe { start(bytes, len, enter) })
    })
}

/// Ends the engine that us_engine_start() started, when what has been written has arrived (it waits
/// at most some seconds for that). EINVAL: there is none in this
/// process (a forked child has not its parent's).
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_engine_stop() -> c_int {
    guarded_int(|| {
        // Not loaded: no engine was started.
        let library = LIBRARY.get().ok_or(Errno::INVAL)?;
        outcome((library.stop)())
    })
}
