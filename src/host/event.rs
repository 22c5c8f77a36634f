//! Event counters (eventfd(2)).
use super::{Errno, fd, fd::Owned, fd::Raw, raw::call};

/// A new one, close-on-exec.
pub fn counter() -> Result<Owned, Errno> {
    // SAFETY: takes numbers.
    let fd = unsafe { call!(libc::SYS_eventfd2, 0, libc::EFD_CLOEXEC) }?;
    // SAFETY: the kernel has just made it, for us.
    Ok(unsafe { Owned::new(fd as i32) })
}

/// A counter that holds a number: a few bytes that can be sent along with a datagram, where files
/// may not grow (`RLIMIT_FSIZE`). Reading it does not wait.
pub fn holding(number: u32) -> Result<Owned, Errno> {
    let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
    // SAFETY: takes numbers.
    let fd = unsafe { call!(libc::SYS_eventfd2, number, flags) }?;
    // SAFETY: the kernel has just made it, for us.
    Ok(unsafe { Owned::new(fd as i32) })
}

/// The number that a counter holds. `None`: it is none, or may not be read without waiting.
pub fn number_in(file: Raw) -> Option<u32> {
    if fd::status_flags(file).ok()? & libc::O_NONBLOCK == 0 {
        return None;
    }
    let mut bytes = [0; 8];
    // SAFETY: the kernel writes at most 8 bytes to `bytes`.
    let len = unsafe { call!(libc::SYS_read, file, bytes.as_mut_ptr(), bytes.len()) }.ok()?;
    if len == bytes.len() { u32::try_from(u64::from_ne_bytes(bytes)).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives() {
        let counter = holding(0xdead_beef).unwrap();
        assert_eq!(number_in(counter.raw()), Some(0xdead_beef));
        // It is read once, and a second read does not wait.
        assert_eq!(number_in(counter.raw()), None);
        assert_eq!(number_in(super::counter().unwrap().raw()), None);
    }
}
