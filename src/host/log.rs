//! What we have to say, only when asked: `UNDERSTUDY_LOG=1` (or `stderr`) writes to standard error,
//! `UNDERSTUDY_LOG=/path` adds to a file. Otherwise nothing is ever written.
use super::{env::Setting, file};

static LOG: Setting = Setting::new("UNDERSTUDY_LOG");

/// Reads the variable: to be called when the library is loaded.
pub fn read_setting() {
    LOG.get();
}

/// Whether the program's user wants to see it.
pub fn wanted() -> bool {
    LOG.get().is_some_and(|v| !v.is_empty() && v != b"0")
}

/// Writes one line. Make the text only if [`wanted`].
pub fn say(text: &str) {
    let Some(to) = LOG.get() else { return };
    let line = format!("understudy[{}]: {text}\n", rustix::process::getpid());
    match core::str::from_utf8(to) {
        Ok(path) if path.starts_with('/') => {
            let _ = file::append(path, line.as_bytes());
        }
        Ok("" | "0") => {}
        _ => file::write_once(2, line.as_bytes()),
    }
}

/// Writes one line to standard error: for what ends a thread of ours.
pub fn say_always(text: &str) {
    file::write_once(2, format!("understudy: {text}\n").as_bytes());
}
