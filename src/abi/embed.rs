//! An engine inside the program: for C programs and ctypes scripts that bring their own net.
use super::finish_int;
use crate::engine::{Engine, EngineConfig, EngineError, Stop};
use crate::host::{Errno, log, signal};
use crate::net::{brief, file};
use crate::sock::net_env;
use core::ffi::{CStr, c_char, c_int};
use parking_lot::Mutex;
use std::thread::JoinHandle;

/// The engine's thread.
struct Running {
    stop: Stop,
    thread: JoinHandle<()>,
}

static ENGINE: Mutex<Option<Running>> = Mutex::new(None);

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
pub unsafe extern "C" fn us_engine_start(toml: *const c_char) -> c_int {
    finish_int(|| {
        if toml.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: the caller's promise.
        let text = unsafe { CStr::from_ptr(toml) };
        let text = text.to_str().map_err(|_| Errno::INVAL)?;
        start(text).map(|()| 0)
    })
}

/// Ends the engine that us_engine_start() started, when what has been written has arrived (it waits
/// at most some seconds for that). EINVAL: there is none.
#[unsafe(no_mangle)]
pub extern "C" fn us_engine_stop() -> c_int {
    finish_int(|| {
        let running = ENGINE.lock().take().ok_or(Errno::INVAL)?;
        running.stop.stop();
        running.thread.join().map_err(|_| Errno::IO)?;
        Ok(0)
    })
}

fn start(text: &str) -> Result<(), Errno> {
    let mut running = ENGINE.lock();
    if running.as_ref().is_some_and(|r| !r.thread.is_finished()) {
        return Err(Errno::ALREADY);
    }
    let net = file::parse(text, "us_engine_start").map_err(|wrong| {
        say(&wrong);
        Errno::INVAL
    })?;
    let uid = rustix::process::geteuid().as_raw();
    let config = EngineConfig::from_net(&net, uid).map_err(|error| {
        say(&error);
        error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
    })?;
    let config = EngineConfig { runtime_dir: Some(brief::runtime_dir(uid, xdg())), ..config };
    let brief = config.brief.clone();
    let engine = Engine::start(config).map_err(|error| {
        say(&error);
        match error {
            EngineError::AlreadyRunning(_) => Errno::ADDRINUSE,
            EngineError::NoEngineNeeded => Errno::INVAL,
            EngineError::System(_, errno) => errno,
        }
    })?;
    net_env::enter(brief)?;
    let stop = engine.stop_handle();
    let thread = signal::with_all_blocked(|| {
        std::thread::Builder::new().name("understudy".into()).spawn(move || {
            if let Err(error) = engine.run() {
                say(&error);
            }
        })
    });
    let thread = thread.map_err(|_| Errno::AGAIN)?;
    *running = Some(Running { stop, thread });
    Ok(())
}

fn xdg() -> Option<&'static str> {
    crate::host::env::var("XDG_RUNTIME_DIR").and_then(|v| core::str::from_utf8(v).ok())
}

fn say(what: &dyn core::fmt::Display) {
    if log::wanted() {
        log::say(&what.to_string());
    }
}
