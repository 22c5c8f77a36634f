//! Memory for one call, from the kernel: for what is too large for the caller's stack and must not
//! be allocated (a signal handler may make the call).
use super::{Errno, raw::call};
use core::ops::{Deref, DerefMut};

/// Zeroed bytes that are given back when this is dropped.
pub struct Scratch {
    address: *mut u8,
    len: usize,
}

impl Scratch {
    /// `len` bytes of zeros. `ENOMEM`, or `EAGAIN` if they cannot be locked (`mlockall`).
    pub fn new(len: usize) -> Result<Scratch, Errno> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new memory anywhere.
        let address = unsafe { call!(libc::SYS_mmap, 0, len, protection, flags, -1isize, 0) }?;
        Ok(Scratch { address: address as *mut u8, len })
    }
}

impl Deref for Scratch {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: our own mapping of `len` initialised bytes, which lives as long as `self`.
        unsafe { core::slice::from_raw_parts(self.address, self.len) }
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.address, self.len) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: our own mapping, which nothing refers to any more.
        let _ = unsafe { call!(libc::SYS_munmap, self.address, self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_zeroed_and_writable() {
        let mut scratch = Scratch::new(70_000).unwrap();
        assert!(scratch.iter().all(|b| *b == 0));
        scratch[69_999] = 7;
        assert_eq!((scratch.len(), scratch[69_999]), (70_000, 7));
        assert_eq!(Scratch::new(usize::MAX).err(), Some(Errno::NOMEM));
    }
}
