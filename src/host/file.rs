//! Small files of the host, read and written without libc.
use super::{Errno, fd::Owned, fd::Raw, raw::call, scratch::Scratch};
use std::ffi::{CStr, CString};

fn open(path: &str, flags: i32, mode: u32) -> Result<Owned, Errno> {
    open_at(&CString::new(path).map_err(|_| Errno::INVAL)?, flags, mode)
}

fn open_at(path: &CStr, flags: i32, mode: u32) -> Result<Owned, Errno> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    // SAFETY: a C string that outlives the call.
    let fd = unsafe { call!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, mode) }?;
    // SAFETY: the kernel has just made it, for us.
    Ok(unsafe { Owned::new(fd as Raw) })
}

fn read_some(fd: Raw, to: &mut [u8]) -> Result<usize, Errno> {
    loop {
        // SAFETY: the kernel writes at most `to.len()` bytes to `to`.
        match unsafe { call!(libc::SYS_read, fd, to.as_mut_ptr(), to.len()) } {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// A whole file of at most `max` bytes; `EFBIG` if it is longer.
pub fn read(path: &str, max: usize) -> Result<Vec<u8>, Errno> {
    let file = open(path, libc::O_RDONLY, 0)?;
    let mut content = vec![0; max + 1];
    let mut len = 0;
    loop {
        match read_some(file.raw(), &mut content[len..])? {
            0 => break,
            n => len += n,
        }
        if len > max {
            return Err(Errno::FBIG);
        }
    }
    content.truncate(len);
    Ok(content)
}

/// Hands a file to `each` line by line, without the newlines. Lines that are longer than the buffer
/// are left out. No allocation.
pub fn lines(path: &CStr, mut each: impl FnMut(&[u8])) -> Result<(), Errno> {
    let file = open_at(path, libc::O_RDONLY, 0)?;
    let mut buffer = Scratch::new(4096)?;
    let (mut len, mut skipping) = (0, false);
    loop {
        let read = read_some(file.raw(), &mut buffer[len..])?;
        if read == 0 {
            if len > 0 && !skipping {
                each(&buffer[..len]);
            }
            return Ok(());
        }
        len += read;
        let mut start = 0;
        while let Some(end) = buffer[start..len].iter().position(|b| *b == b'\n') {
            if !core::mem::take(&mut skipping) {
                each(&buffer[start..start + end]);
            }
            start += end + 1;
        }
        buffer.copy_within(start..len, 0);
        len -= start;
        if len == buffer.len() {
            (len, skipping) = (0, true);
        }
    }
}

/// Writes to a descriptor, once; a log line is not worth more.
pub fn write_once(fd: Raw, bytes: &[u8]) {
    // SAFETY: the kernel reads `bytes` alone.
    let _ = unsafe { call!(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
}

/// Adds to the end of a file, which is made if it is not there (mode 0600).
pub fn append(path: &str, bytes: &[u8]) -> Result<(), Errno> {
    let file = open(path, libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT, 0o600)?;
    write_once(file.raw(), bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let long = "x".repeat(10_000);
        let text = format!("one\n{long}\n\n{}\nlast", "y".repeat(4_000));
        std::fs::write(&path, &text).unwrap();
        let path = path.to_str().unwrap();
        let mut seen = Vec::new();
        lines(&CString::new(path).unwrap(), |l| seen.push(l.len())).unwrap();
        assert_eq!(seen, [3, 0, 4_000, 4]);
        assert_eq!(read(path, 20_000).unwrap(), text.as_bytes());
        assert_eq!(read(path, 10), Err(Errno::FBIG));
        append(path, b"!").unwrap();
        assert!(read(path, 20_000).unwrap().ends_with(b"last!"));
        assert_eq!(read("/nonexistent", 1), Err(Errno::NOENT));
    }
}
