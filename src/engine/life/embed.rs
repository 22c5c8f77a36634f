//! The engine of a program that brings its own net, as a thread of it. One at a time.
use super::super::config::EngineConfig;
use super::super::error::EngineError;
use super::super::state::Engine;
use super::super::state::lifetime::Stop;
use crate::host::{Errno, fd, fd::Raw, log, signal};
use crate::net::{Brief, brief, file};
use crate::sock::net;
use parking_lot::{Mutex, MutexGuard};
use std::thread::JoinHandle;

/// The engine's thread.
struct Running {
    /// The process that it is in: a forked child has none.
    process: u32,
    stop: Stop,
    thread: JoinHandle<()>,
    /// Descriptors that hold the net's names, and their inodes.
    names: [(Raw, u32); 4],
}

impl Running {
    /// In a forked child: what it has of its parent's engine must not keep the net's names from
    /// others when the parent has died. The thread is the parent's.
    fn abandon(self) {
        for (raw, inode) in self.names {
            if fd::inode(raw) == Ok(inode) {
                let _ = fd::close(raw);
            }
        }
        core::mem::forget(self);
    }
}

static ENGINE: Mutex<Option<Running>> = Mutex::new(None);

/// How long another thread's start or end of the engine is waited for. (One that was under way
/// while this process was forked never ends here.)
const LOCK_PATIENCE: core::time::Duration = core::time::Duration::from_secs(20);

/// The engine of this process, if it has one. `EAGAIN`: it is being started or ended.
fn lock() -> Result<MutexGuard<'static, Option<Running>>, Errno> {
    let mut running = ENGINE.try_lock_for(LOCK_PATIENCE).ok_or(Errno::AGAIN)?;
    if let Some(of_parent) = running.take_if(|r| r.process != own_pid()) {
        of_parent.abandon();
    }
    Ok(running)
}

/// Starts the engine of the net that a TOML text describes. When it is ready, `enter` puts the
/// process into that net; if it cannot, the engine ends.
///
/// # Errors `EINVAL`: the text is wrong (said where `UNDERSTUDY_LOG` says); `EADDRINUSE`: the net
/// has an engine; `EALREADY`: this process runs one; `EBUSY`: this process is in another net; or
/// the links'.
pub fn start(text: &str, enter: impl FnOnce(&Brief) -> Result<(), Errno>) -> Result<(), Errno> {
    let mut running = lock()?;
    if running.as_ref().is_some_and(|r| !r.thread.is_finished()) {
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
    let names = engine.names().map(|raw| (raw, fd::inode(raw).unwrap_or(0)));
    let thread = signal::with_all_blocked(|| {
        std::thread::Builder::new().name("understudy".into()).spawn(move || {
            if let Err(error) = engine.run() {
                say(&error);
            }
        })
    });
    let thread = thread.map_err(|_| Errno::AGAIN)?;
    *running = Some(Running { process: own_pid(), stop, thread, names });
    Ok(())
}

/// Ends it, when what has been written has arrived or the linger is over.
///
/// # Errors
/// `EINVAL`: there is none in this process (a forked child has not its parent's).
pub fn stop() -> Result<(), Errno> {
    let running = lock()?.take().ok_or(Errno::INVAL)?;
    running.stop.stop();
    running.thread.join().map_err(|_| Errno::IO)
}

fn xdg() -> Option<&'static str> {
    net::runtime_dir()
}

fn say(what: &dyn core::fmt::Display) {
    if log::wanted() {
        log::say(&what.to_string());
    }
}

fn own_pid() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().unsigned_abs()
}
