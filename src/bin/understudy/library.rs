//! Where the library is, and the environment that puts it under a program.
use crate::advice::advice;
use anyhow::Result;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use understudy::net::Brief;

/// The library's file name.
pub const FILE: &str = "libunderstudy.so";
/// The file name of the engine's library, which lies beside it.
pub const ENGINE: &str = "libunderstudy_engine.so";

/// The library beside this tool, or in `../lib` of it; `UNDERSTUDY_LIBRARY` overrides.
pub fn find() -> Result<PathBuf> {
    let next = "build it with `cargo build --release`, or name it in UNDERSTUDY_LIBRARY";
    if let Some(path) = std::env::var_os("UNDERSTUDY_LIBRARY") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            let what = format!("UNDERSTUDY_LIBRARY names {}, which is no file", path.display());
            return Err(advice(what, next));
        }
        return preloadable(path.canonicalize()?);
    }
    let exe = std::env::current_exe()?.canonicalize()?;
    let here = exe.parent().unwrap_or(Path::new("/"));
    // Where cargo builds, it leaves the library in `deps` when it was asked for something else: the
    // newer one counts, and of two names for one file the one beside the tool.
    let built = [here.join("deps").join(FILE), here.join(FILE)];
    let age = |path: &PathBuf| path.metadata().and_then(|m| m.modified()).ok();
    let newest = built.into_iter().filter(|p| p.is_file()).max_by_key(age);
    if let Some(path) = newest.or(Some(here.join("../lib").join(FILE)).filter(|p| p.is_file())) {
        return preloadable(path.canonicalize()?);
    }
    let what = format!("{FILE} is neither in {} nor in ../lib of it", here.display());
    Err(advice(what, next))
}

/// ld.so(8): LD_PRELOAD is split at colons and blanks, and there is no way to quote.
fn preloadable(path: PathBuf) -> Result<PathBuf> {
    if path.as_os_str().as_bytes().iter().any(|b| b" :\t\n".contains(b)) {
        let what = format!("{} has a colon or blank in its path", path.display());
        return Err(advice(what, "move it: LD_PRELOAD cannot name such a file"));
    }
    Ok(path)
}

/// Puts the library under the program that `command` starts, in the net of `brief`.
pub fn preload(command: &mut Command, library: &Path, brief: &Brief) {
    let mut list = OsString::from(library);
    if let Some(before) = std::env::var_os("LD_PRELOAD").filter(|v| !v.is_empty()) {
        let ours = library.as_os_str();
        for other in before.as_bytes().split(|b| b" :\t\n".contains(b)) {
            let other = OsStr::from_bytes(other);
            if !other.is_empty() && other != ours {
                list.push(":");
                list.push(other);
            }
        }
    }
    command.env("LD_PRELOAD", list).env("UNDERSTUDY_NET", brief.to_string());
}
