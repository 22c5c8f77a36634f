//! Descriptors: ours to close ([`Owned`]), or the program's, which are plain numbers that may be
//! anything and are checked by the kernel alone.
use super::{Errno, raw::call};

/// A descriptor number as the program gave it. Nothing is promised about it.
pub type Raw = i32;

/// A descriptor that we opened and close ourselves, never through the C library.
#[derive(Debug)]
pub struct Owned(Raw);

impl Owned {
    /// Takes over a descriptor that a system call just returned.
    pub fn new(fd: Raw) -> Owned {
        Owned(fd)
    }
    /// The number, still owned here.
    pub fn raw(&self) -> Raw {
        self.0
    }
    /// The number, no longer owned here.
    pub fn into_raw(self) -> Raw {
        let fd = self.0;
        core::mem::forget(self);
        fd
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = close(self.0);
    }
}

/// close(2).
pub fn close(fd: Raw) -> Result<(), Errno> {
    // SAFETY: takes a number.
    unsafe { call!(libc::SYS_close, fd) }.map(drop)
}

/// dup3(2): makes `new` the same file as `old`.
pub fn dup3(old: Raw, new: Raw, flags: i32) -> Result<(), Errno> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_dup3, old, new, flags) }.map(drop)
}

/// fcntl(2) with an integer argument.
pub fn fcntl(fd: Raw, command: i32, argument: usize) -> Result<usize, Errno> {
    // SAFETY: takes numbers; callers in this crate pass no commands with pointers.
    unsafe { call!(libc::SYS_fcntl, fd, command, argument) }
}

/// The inode of an open file: of a socket, the number that the kernel's lists have.
pub fn inode(fd: Raw) -> Result<u32, Errno> {
    // SAFETY: only passed to fstat, which checks it.
    let file = unsafe { rustix::fd::BorrowedFd::borrow_raw(fd) };
    rustix::fs::fstat(file).map(|stat| stat.st_ino as u32)
}

/// Whether the descriptor is non-blocking.
pub fn is_nonblocking(fd: Raw) -> bool {
    fcntl(fd, libc::F_GETFL, 0).is_ok_and(|flags| flags as i32 & libc::O_NONBLOCK != 0)
}
