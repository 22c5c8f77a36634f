//! The engine of a program that brings its own net, as a thread of it. One at a time.
use super::{Engine, EngineConfig, EngineError, Stop};
use crate::host::{Errno, log, signal};
use crate::net::{brief, brief::Brief, file};
use crate::sock::net;
use parking_lot::Mutex;
use rustix::process::{Pid, getpid};
use std::thread::JoinHandle;

/// The engine's thread.
struct Running {
    /// The process that has it: a forked child inherits this record, but no thread.
    process: Pid,
    stop: Stop,
    thread: JoinHandle<()>,
}

static ENGINE: Mutex<Option<Running>> = Mutex::new(None);

impl Running {
    fn is_ours(&self) -> bool {
        self.process == getpid()
    }
}

/// Starts the engine of the net that a TOML text describes. When it is ready, `enter` puts the
/// process into that net; if it cannot, the engine ends.
///
/// # Errors `EINVAL`: the text is wrong (said where `UNDERSTUDY_LOG` says); `EADDRINUSE`: the net
/// has an engine; `EALREADY`: this process runs one; `EBUSY`: this process is in another net; or
/// the links'.
pub fn start(text: &str, enter: impl FnOnce(&Brief) -> Result<(), Errno>) -> Result<(), Errno> {
    let mut running = ENGINE.lock();
    if running.as_ref().is_some_and(|r| r.is_ours() && !r.thread.is_finished()) {
        return Err(Errno::ALREADY);
    }
    let description = file::parse(text, "us_engine_start").map_err(|wrong| {
        say(&wrong);
        Errno::INVAL
    })?;
    let uid = rustix::process::geteuid().as_raw();
    let config = EngineConfig::from_net(&description, uid).map_err(|error| {
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
    enter(&brief)?;
    let stop = engine.stop_handle();
    let thread = signal::with_all_blocked(|| {
        std::thread::Builder::new().name("understudy".into()).spawn(move || {
            if let Err(error) = engine.run() {
                say(&error);
            }
        })
    });
    let thread = thread.map_err(|_| Errno::AGAIN)?;
    forget(running.replace(Running { process: getpid(), stop, thread }));
    Ok(())
}

/// Ends it, when what has been written has arrived or the linger is over.
///
/// # Errors
/// `EINVAL`: there is none, or it belongs to the process that this one was forked from.
pub fn stop() -> Result<(), Errno> {
    let running = ENGINE.lock().take().ok_or(Errno::INVAL)?;
    if !running.is_ours() {
        forget(Some(running));
        return Err(Errno::INVAL);
    }
    running.stop.stop();
    running.thread.join().map_err(|_| Errno::IO)
}

/// Drops a record, but never touches a thread that this process does not have.
fn forget(running: Option<Running>) {
    if let Some(running) = running.filter(|r| !r.is_ours()) {
        core::mem::forget(running);
    }
}

fn xdg() -> Option<&'static str> {
    net::runtime_dir()
}

fn say(what: &dyn core::fmt::Display) {
    if log::wanted() {
        log::say(&what.to_string());
    }
}
