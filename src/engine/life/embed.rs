//! The engine of a program that brings its own net, as a thread of it. One at a time.
use super::super::config::EngineConfig;
use super::super::error::EngineError;
use super::super::state::Engine;
use super::super::state::lifetime::Stop;
use crate::host::{Errno, log, signal};
use crate::net::{brief, file};
use crate::sock::net_env;
use parking_lot::Mutex;
use std::thread::JoinHandle;

/// The engine's thread.
struct Running {
    stop: Stop,
    thread: JoinHandle<()>,
}

static ENGINE: Mutex<Option<Running>> = Mutex::new(None);

/// Starts the engine of the net that a TOML text describes, and puts this process into that net.
///
/// # Errors `EINVAL`: the text is wrong (said where `UNDERSTUDY_LOG` says); `EADDRINUSE`: the net
/// has an engine; `EALREADY`: this process runs one; `EBUSY`: this process is in another net; or
/// the links'.
pub fn start(text: &str) -> Result<(), Errno> {
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

/// Ends it, when what has been written has arrived or the linger is over.
///
/// # Errors
/// `EINVAL`: there is none.
pub fn stop() -> Result<(), Errno> {
    let running = ENGINE.lock().take().ok_or(Errno::INVAL)?;
    running.stop.stop();
    running.thread.join().map_err(|_| Errno::IO)
}

fn xdg() -> Option<&'static str> {
    crate::host::env::var("XDG_RUNTIME_DIR").and_then(|v| core::str::from_utf8(v).ok())
}

fn say(what: &dyn core::fmt::Display) {
    if log::wanted() {
        log::say(&what.to_string());
    }
}
