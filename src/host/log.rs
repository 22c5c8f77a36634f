//! What we have to say, only when asked: `UNDERSTUDY_LOG=1` (or `stderr`) writes to standard error,
//! `UNDERSTUDY_LOG=/path` adds to a file. Otherwise nothing is ever written.
use super::{env, file};

/// Whether anybody wants to hear.
pub fn wanted() -> bool {
    env::var("UNDERSTUDY_LOG").is_some_and(|v| !v.is_empty() && v != b"0")
}

/// One line. Make the text only if [`wanted`].
pub fn say(text: &str) {
    let Some(to) = env::var("UNDERSTUDY_LOG") else { return };
    let line = format!("understudy[{}]: {text}\n", rustix::process::getpid());
    match core::str::from_utf8(to) {
        Ok(path) if path.starts_with('/') => {
            let _ = file::append(path, line.as_bytes());
        }
        Ok("" | "0") => {}
        _ => file::write_once(2, line.as_bytes()),
    }
}
