//! Descriptors: ours to close ([`Owned`]), or the program's, which are plain numbers that may be
//! anything and are checked by the kernel alone.
use super::{Errno, raw::call};

/// A descriptor number as the program gave it. Nothing is promised about it.
pub type Raw = i32;

/// A descriptor that we opened and close ourselves, never through the C library.
#[derive(Debug)]
pub struct Owned(Raw);

impl Owned {
    /// Takes over a descriptor.
    ///
    /// # Safety
    /// A system call has just returned it, and nothing else closes it.
    pub unsafe fn new(fd: Raw) -> Owned {
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

/// fcntl(2) with a command that takes a number or nothing.
fn fcntl(fd: Raw, command: i32, argument: usize) -> Result<usize, Errno> {
    // SAFETY: takes numbers; the callers below pass no commands with pointers.
    unsafe { call!(libc::SYS_fcntl, fd, command, argument) }
}

/// `F_GETFL`: the status flags (`O_NONBLOCK`, `O_ASYNC`, ...).
pub fn status_flags(fd: Raw) -> Result<i32, Errno> {
    fcntl(fd, libc::F_GETFL, 0).map(|flags| flags as i32)
}

/// `F_SETFL`.
pub fn set_status_flags(fd: Raw, flags: i32) -> Result<(), Errno> {
    fcntl(fd, libc::F_SETFL, flags as usize).map(drop)
}

/// Whether the descriptor is closed by `exec`. `EBADF`: it is not open.
pub fn closes_on_exec(fd: Raw) -> Result<bool, Errno> {
    fcntl(fd, libc::F_GETFD, 0).map(|flags| flags as i32 & libc::FD_CLOEXEC != 0)
}

/// Whether the file is one in memory (only those have seals).
pub fn has_seals(fd: Raw) -> bool {
    fcntl(fd, libc::F_GET_SEALS, 0).is_ok()
}

/// `struct f_owner_ex`: which process or thread gets the signals of a descriptor.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct SignalOwner {
    kind: i32,
    id: i32,
}

/// Makes `to` send the signals that `from` sends (`F_SETOWN_EX`, `F_SETSIG`).
pub fn copy_signals(from: Raw, to: Raw) {
    /// fcntl(2), of Linux.
    const F_SETSIG: i32 = 10;
    const F_GETSIG: i32 = 11;
    const F_SETOWN_EX: i32 = 15;
    const F_GETOWN_EX: i32 = 16;
    let mut owner = SignalOwner::default();
    // SAFETY: the kernel writes a `struct f_owner_ex` to `owner`.
    let known = unsafe { call!(libc::SYS_fcntl, from, F_GETOWN_EX, &raw mut owner) };
    if known.is_ok() && owner.id != 0 {
        // SAFETY: the kernel reads a `struct f_owner_ex`.
        let _ = unsafe { call!(libc::SYS_fcntl, to, F_SETOWN_EX, &raw const owner) };
    }
    if let Ok(signal @ 1..) = fcntl(from, F_GETSIG, 0) {
        let _ = fcntl(to, F_SETSIG, signal);
    }
}

/// The inode of an open file: of a socket, the number that the kernel's lists have.
pub fn inode(fd: Raw) -> Result<u32, Errno> {
    // SAFETY: only passed to fstat, which checks it.
    let file = unsafe { rustix::fd::BorrowedFd::borrow_raw(fd) };
    rustix::fs::fstat(file).map(|stat| stat.st_ino as u32)
}

/// Whether the descriptor is non-blocking.
pub fn is_nonblocking(fd: Raw) -> bool {
    status_flags(fd).is_ok_and(|flags| flags & libc::O_NONBLOCK != 0)
}
