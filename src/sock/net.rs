//! Which net this process is in: the variable `UNDERSTUDY_NET`, read when the library is loaded.
//!
//! A lock that another thread holds while it forks is held for ever in the child, so there is none
//! here: threads that come first at once each read it, and one of the results stays.
use crate::host::{Errno, env::Setting, file, log};
use crate::net::brief::{self, Brief, Users};
use core::sync::atomic::{AtomicBool, Ordering};
use once_cell::race::OnceBox;

/// A brief is a line of text.
const BRIEF_MAX: usize = 16 * 1024;

/// The variables that say where it is.
static NET: Setting = Setting::new("UNDERSTUDY_NET");
static RUNTIME_DIR: Setting = Setting::new("XDG_RUNTIME_DIR");

/// What the environment says, set once.
static BRIEF: OnceBox<Brief> = OnceBox::new();
/// The net that is there when none is named.
static LOCAL: Brief = Brief::local();
/// The net that the process has put itself into, set once.
static ENTERED: OnceBox<Brief> = OnceBox::new();

/// Puts the process into a net, for programs that run the net's engine themselves. Sockets that it
/// made before, in the net `local`, stay there. `EBUSY`: it is in another net already (of the same
/// id: nothing to do).
pub fn enter(brief: Brief) -> Result<(), Errno> {
    let id = brief.id;
    if BRIEF.get().is_some_and(|there| there.has_engine() && there.id != id) {
        return Err(Errno::BUSY);
    }
    match ENTERED.set(Box::new(brief)) {
        Ok(()) => Ok(()),
        Err(_) if ENTERED.get().is_some_and(|there| there.id == id) => Ok(()),
        Err(_) => Err(Errno::BUSY),
    }
}

/// The process's net; `ENETDOWN` if `UNDERSTUDY_NET` names one that does not run (asked again at
/// the next call: it may come up).
pub fn usable() -> Result<&'static Brief, Errno> {
    if let Some(brief) = ENTERED.get() {
        return Ok(brief);
    }
    if NET.get().is_none_or(|name| name.is_empty() || name == brief::LOCAL.as_bytes()) {
        return Ok(&LOCAL);
    }
    BRIEF.get_or_try_init(|| match read() {
        Ok(brief) => Ok(Box::new(brief)),
        Err(reason) => {
            complain(&reason);
            Err(Errno::NETDOWN)
        }
    })
}

/// The process's net, for sockets that there are already: a net that has gone has no addresses.
pub fn current() -> &'static Brief {
    static GONE: OnceBox<Brief> = OnceBox::new();
    usable().unwrap_or_else(|_| {
        GONE.get_or_init(|| {
            let users = Users::Only(Vec::new());
            Box::new(Brief { name: "gone".into(), id: u32::MAX, users, ..Brief::local() })
        })
    })
}

/// Reads the net, when the library is loaded: a program may clear its environment before it makes
/// its first socket, and a signal handler may make that.
pub fn at_load() {
    log::read_setting();
    RUNTIME_DIR.get();
    let _ = usable();
    current();
}

/// `XDG_RUNTIME_DIR` as it was when the library was loaded.
pub fn runtime_dir() -> Option<&'static str> {
    core::str::from_utf8(RUNTIME_DIR.get()?).ok()
}

fn read() -> Result<Brief, String> {
    let text = NET.get().unwrap_or_default();
    let text = core::str::from_utf8(text).map_err(|_| "UNDERSTUDY_NET is not text".to_owned())?;
    match text {
        _ if text.starts_with("v1;") => text.parse().map_err(|e| format!("UNDERSTUDY_NET: {e}")),
        name if !brief::is_net_name(name) => Err(format!("UNDERSTUDY_NET: {name}: not a name")),
        name => read_file(name),
    }
}

fn read_file(name: &str) -> Result<Brief, String> {
    let uid = rustix::process::geteuid().as_raw();
    let xdg = RUNTIME_DIR.get().and_then(|v| core::str::from_utf8(v).ok());
    let paths = brief::brief_paths(name, uid, xdg);
    for path in &paths {
        match file::read(path, BRIEF_MAX) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                return text.parse().map_err(|e| format!("{path}: {e}"));
            }
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(format!("{path}: {errno}")),
        }
    }
    let [own, system] = paths;
    Err(format!("net {name} does not run (neither {own} nor {system}); start it: understudy up"))
}

/// Says it once a process: `socket` may be tried over and over.
fn complain(reason: &str) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if log::wanted() && !SAID.swap(true, Ordering::Relaxed) {
        log::say(reason);
    }
}
