//! `<runtime dir>/<name>.net`: how programs find the net by its name. Written when the net's
//! sockets are open, removed when the engine ends.
use crate::net::brief::{Brief, Users};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

/// The file; removed when this is dropped.
pub struct BriefFile {
    path: String,
}

impl BriefFile {
    /// Writes it: to a file beside it which then takes its name, so that no reader sees half of it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(dir: &str, brief: &Brief) -> Result<BriefFile, Errno> {
        // A net that is open to others must be found by them.
        let open_to_all = brief.users == Users::Any;
        let (dir_mode, mode) = if open_to_all { (0o755, 0o644) } else { (0o700, 0o600) };
        match rustix::fs::mkdir(dir, Mode::from_raw_mode(dir_mode)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        // In a place like /tmp another user may have made it first.
        let found = rustix::fs::lstat(dir)?;
        if found.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Errno::PERM);
        }
        let path = format!("{dir}/{}.net", brief.name);
        let draft = format!("{path}.{}", rustix::process::getpid().as_raw_nonzero());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let flags = flags | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(CWD, &draft, flags, Mode::from_raw_mode(mode))?;
        let text = format!("{brief}\n");
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let n = rustix::io::write(&file, rest)?;
            rest = &rest[n..];
        }
        rustix::fs::rename(&draft, &path)?;
        Ok(BriefFile { path })
    }
}

impl BriefFile {
    /// Another file has taken its place: nothing is removed.
    pub fn forget(mut self) {
        self.path.clear();
    }
}

impl Drop for BriefFile {
    fn drop(&mut self) {
        if !self.path.is_empty() {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}
