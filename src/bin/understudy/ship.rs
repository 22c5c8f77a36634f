//! Writing files where they are installed: in one step each, programs and libraries without debug
//! symbols and without the paths of the machine that built them.
//!
//! The symbols are in a file of their own, in `.debug` beside the stripped one, where debuggers and
//! Rust's backtraces look for it (`.gnu_debuglink`).
use anyhow::{Context, Result, bail};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where cargo kept the sources of other crates: their panic messages name files there.
const CRATES: &str = env!("UNDERSTUDY_CRATES");
/// What stands there instead. Bytes cannot be taken out of a program, so slashes fill the place.
const INSTEAD: &str = "/crates";

/// Whether symbols can be split off.
pub fn objcopy() -> bool {
    let mut command = Command::new("objcopy");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Installs the program or library at `from` as `to`, if `strip` without its symbols.
pub fn program(from: &Path, to: &Path, strip: bool) -> Result<()> {
    let mut bytes = if strip { stripped(from, to)? } else { read(from)? };
    // `black_box`: as a known constant it would be in the tool's code, cut into pieces.
    forget_paths(&mut bytes, std::hint::black_box(CRATES).as_bytes());
    file(to, &bytes, 0o755)
}

/// The bytes of the program without symbols; these are written beside it.
fn stripped(from: &Path, to: &Path) -> Result<Vec<u8>> {
    let mut name = to.file_name().context("a file name")?.to_owned();
    name.push(".debug");
    let folder = to.parent().context("a folder")?.join(".debug");
    let symbols = folder.join(&name);
    // The link to the symbols holds their name and a checksum, so the file must have its name.
    let work = Work::make(&folder)?;
    let (new, short) = (work.0.join(&name), work.0.join("stripped"));
    run(Command::new("objcopy").arg("--only-keep-debug").args([from, &new]))?;
    let mut link = std::ffi::OsString::from("--add-gnu-debuglink=");
    link.push(&new);
    run(Command::new("objcopy").arg("--strip-all").arg(link).args([from, &short]))?;
    let bytes = read(&short)?;
    let failed = || format!("{} cannot be written", symbols.display());
    fs::set_permissions(&new, Permissions::from_mode(0o644)).with_context(failed)?;
    fs::rename(&new, &symbols).with_context(failed)?;
    say!("  {}", symbols.display());
    Ok(bytes)
}

/// A folder that goes away.
struct Work(PathBuf);

impl Work {
    fn make(beside: &Path) -> Result<Work> {
        let path = beside.join(format!("new-{}", std::process::id()));
        fs::create_dir_all(&path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Work(path))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("objcopy cannot be started")?;
    if !output.status.success() {
        bail!("objcopy failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Replaces the folder `path` wherever it stands in `bytes`.
fn forget_paths(bytes: &mut [u8], path: &[u8]) {
    if path.len() < INSTEAD.len() {
        return;
    }
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(path.len()).position(|part| part == path) {
        let place = &mut bytes[at + found..at + found + path.len()];
        place.fill(b'/');
        place[..INSTEAD.len()].copy_from_slice(INSTEAD.as_bytes());
        at += found + path.len();
    }
}

/// Writes a file in one step: a process that has the old one open keeps it.
pub fn file(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let why = || format!("{} cannot be written", path.display());
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(why)?;
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&new, bytes).with_context(why)?;
    fs::set_permissions(&new, Permissions::from_mode(mode)).with_context(why)?;
    fs::rename(&new, path).with_context(why)?;
    say!("  {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_replaced_in_place() {
        let mut bytes = *b"one/home/x/.cargo/srctwo/home/x/.cargo/src/home/x";
        forget_paths(&mut bytes, b"/home/x/.cargo/src");
        let expected = b"one/crates///////////two/crates////////////home/x";
        assert_eq!(&bytes, expected);
        let mut short = *b"a/b/c";
        forget_paths(&mut short, b"/b");
        assert_eq!(&short, b"a/b/c");
    }
}
