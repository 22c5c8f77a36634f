//! The program's memory, through pointers that may be anything.
//!
//! What the kernel can read or write itself is handed to it as it is. What we must look at ourselves
//! (socket addresses, option values, lengths) is copied by `process_vm_readv` on our own process, so
//! that a bad pointer is `EFAULT`, as from the kernel, and not a crash.
use super::{Errno, raw::call};

/// An address and a length in the program's memory, as the program gave them. Unchecked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserSlice {
    address: usize,
    len: usize,
}

impl UserSlice {
    /// Nothing: NULL and 0.
    pub const EMPTY: UserSlice = UserSlice { address: 0, len: 0 };

    /// # Safety
    /// The program passed this memory to a call that may read or write it so.
    pub const unsafe fn new(address: usize, len: usize) -> UserSlice {
        UserSlice { address, len }
    }
    /// Memory of our own.
    pub fn from_bytes(bytes: &mut [u8]) -> UserSlice {
        UserSlice { address: bytes.as_mut_ptr() as usize, len: bytes.len() }
    }
    /// Where it begins; 0 for NULL.
    pub const fn address(self) -> usize {
        self.address
    }
    /// Its length in bytes.
    pub const fn len(self) -> usize {
        self.len
    }
    /// Whether its length is 0.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
    /// Whether it is a null pointer.
    pub const fn is_null(self) -> bool {
        self.address == 0
    }
    /// The first `len` bytes (or all).
    #[must_use]
    pub fn first(self, len: usize) -> UserSlice {
        UserSlice { len: self.len.min(len), ..self }
    }
    /// What follows the first `len` bytes.
    #[must_use]
    pub fn skip(self, len: usize) -> UserSlice {
        let len = len.min(self.len);
        UserSlice { address: self.address.wrapping_add(len), len: self.len - len }
    }
    /// Copies the beginning to `to`; how many bytes (the shorter of both). `EFAULT` for a bad pointer.
    pub fn read(self, to: &mut [u8]) -> Result<usize, Errno> {
        let len = self.len.min(to.len());
        // SAFETY: `to` is ours and has `len` bytes.
        unsafe { copy(libc::SYS_process_vm_readv, to.as_mut_ptr() as usize, self.address, len) }?;
        Ok(len)
    }
    /// Copies `from` to the beginning; how many bytes (the shorter of both). `EFAULT` for a bad pointer.
    pub fn write(self, from: &[u8]) -> Result<usize, Errno> {
        let len = self.len.min(from.len());
        // SAFETY: `from` is ours and only read; the program gave the memory to be written.
        unsafe { copy(libc::SYS_process_vm_writev, from.as_ptr() as usize, self.address, len) }?;
        Ok(len)
    }
    /// Exactly `N` bytes from the beginning; `EINVAL` if it is shorter.
    pub fn read_array<const N: usize>(self) -> Result<[u8; N], Errno> {
        let mut bytes = [0; N];
        if self.len < N {
            return Err(Errno::INVAL);
        }
        self.read(&mut bytes)?;
        Ok(bytes)
    }
}

/// Copies `len` bytes between our memory and the program's, direction by system call.
///
/// # Safety
/// `ours` must be valid for `len` bytes in that direction.
unsafe fn copy(number: i64, ours: usize, theirs: usize, len: usize) -> Result<(), Errno> {
    if len == 0 {
        return Ok(());
    }
    let ours = libc::iovec { iov_base: ours as *mut libc::c_void, iov_len: len };
    let theirs = libc::iovec { iov_base: theirs as *mut libc::c_void, iov_len: len };
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: both iovecs live across the call; the kernel checks the program's side.
    let copied = unsafe { call!(number, pid, &raw const ours, 1, &raw const theirs, 1, 0) };
    match copied {
        Ok(n) if n == len => Ok(()),
        // Forbidden by a seccomp filter: trust the pointer, as any function of libc would.
        Err(Errno::PERM | Errno::NOSYS | Errno::ACCESS) if !theirs.iov_base.is_null() => {
            let (from, to) = match number {
                libc::SYS_process_vm_readv => (theirs.iov_base, ours.iov_base),
                _ => (ours.iov_base, theirs.iov_base),
            };
            // SAFETY: ours is valid; theirs is the program's promise.
            unsafe { core::ptr::copy(from.cast::<u8>(), to.cast::<u8>(), len) };
            Ok(())
        }
        _ => Err(Errno::FAULT),
    }
}
