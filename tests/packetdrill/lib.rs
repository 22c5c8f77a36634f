//! What google/packetdrill loads (`--so_filename`) to run its scripts against Understudy: sockets
//! are our own calls, the engine is a thread of the process, and the link is a queue of raw IP
//! packets. docs/PACKETDRILL.md says how to run it.
//!
//! | file | what |
//! |---|---|
//! | `interface` | the struct that packetdrill calls through |
//! | `calls` | the functions in it |
//! | `host` | the engine, the clock, and when a call's effect is complete |
//! | `wire` | the link |
//! | `flags` | addresses and MTU, from `--so_flags` or packetdrill's own command line |
//! | `plain` | the plain names, for the calls that packetdrill makes on our descriptors itself |
//! | `sysctl` | `net.ipv4.tcp_*` of the namespace, in our words |
mod calls;
mod flags;
mod host;
mod interface;
mod plain;
mod sysctl;
mod wire;

use core::ffi::{CStr, c_char, c_void};
use interface::Interface;

/// What packetdrill looks up in the shared object: fills in the calls. A host that cannot be
/// started is told on standard error, and ends the process: packetdrill takes no answer.
///
/// # Safety
/// `flags` is a C string or NULL, `interface` packetdrill's struct.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn packetdrill_interface_init(
    flags: *const c_char,
    interface: *mut Interface,
) {
    // SAFETY: the caller's promise.
    let text = (!flags.is_null()).then(|| unsafe { CStr::from_ptr(flags) }.to_string_lossy());
    let started = flags::Flags::new(text.as_deref().unwrap_or_default())
        .and_then(|flags| host::Host::start(&flags));
    match started {
        Ok(host) => {
            let userdata = Box::into_raw(Box::new(host)).cast::<c_void>();
            // SAFETY: the caller's promise.
            unsafe { interface.write(calls::table(userdata)) }
        }
        Err(why) => {
            eprintln!("understudy: {why}");
            std::process::exit(1);
        }
    }
}
