//! The program's memory, through pointers that may be anything.
//!
//! What the kernel can read or write itself is handed to it as it is. What we must look at
//! ourselves (socket addresses, option values, lengths) is copied after the kernel has been asked
//! whether it is there, so that a bad pointer is `EFAULT`, as from the kernel, and not a crash.
//! (`process_vm_readv` on our own process does both at once, and takes six times as long.)
use super::{Errno, raw::call};
use core::marker::PhantomData;

/// An address and a length in the program's memory, as the program gave them, for the time `'a` of
/// the call. Unchecked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserSlice<'a> {
    address: usize,
    len: usize,
    /// The memory is borrowed for the time of the call.
    call: PhantomData<&'a mut [u8]>,
}

impl<'a> UserSlice<'a> {
    /// Nothing: NULL and 0.
    pub const EMPTY: UserSlice<'static> = UserSlice { address: 0, len: 0, call: PhantomData };

    /// # Safety
    /// For the time `'a` the program lets us read and write this memory, as far as it is there: it
    /// passed it to a call that does so.
    pub const unsafe fn new(address: usize, len: usize) -> UserSlice<'a> {
        UserSlice { address, len, call: PhantomData }
    }
    /// Memory of our own.
    pub fn from_bytes(bytes: &'a mut [u8]) -> UserSlice<'a> {
        UserSlice { address: bytes.as_mut_ptr() as usize, len: bytes.len(), call: PhantomData }
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
    pub fn first(self, len: usize) -> UserSlice<'a> {
        UserSlice { len: self.len.min(len), ..self }
    }
    /// What follows the first `len` bytes.
    #[must_use]
    pub fn skip(self, len: usize) -> UserSlice<'a> {
        let len = len.min(self.len);
        UserSlice { address: self.address.wrapping_add(len), len: self.len - len, ..self }
    }
    /// Copies the beginning to `to`; how many bytes (the shorter of both). `EFAULT` for a bad
    /// pointer.
    pub fn read(self, to: &mut [u8]) -> Result<usize, Errno> {
        let len = self.len.min(to.len());
        // SAFETY: `to` is ours and has `len` bytes.
        unsafe { copy(Way::FromProgram, to.as_mut_ptr() as usize, self.address, len) }?;
        Ok(len)
    }
    /// Copies `from` to the beginning; how many bytes (the shorter of both). `EFAULT` for a bad
    /// pointer.
    pub fn write(self, from: &[u8]) -> Result<usize, Errno> {
        let len = self.len.min(from.len());
        // SAFETY: `from` is ours and only read; the program gave the memory to be written.
        unsafe { copy(Way::ToProgram, from.as_ptr() as usize, self.address, len) }?;
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

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    FromProgram,
    ToProgram,
}

/// The kernel's smallest page: memory is there or not by pages.
const PAGE: usize = 4096;
/// Pages that are asked about one by one; for more, one call that copies is cheaper.
const PROBES_MAX: usize = 4;

/// Copies `len` bytes between our memory and the program's.
///
/// # Safety
/// `ours` must be valid for `len` bytes in that direction.
unsafe fn copy(way: Way, ours: usize, theirs: usize, len: usize) -> Result<(), Errno> {
    if len == 0 {
        return Ok(());
    }
    match probe(way, theirs, len) {
        Some(false) => Err(Errno::FAULT),
        Some(true) => {
            // SAFETY: ours is valid, and the program's memory is there.
            unsafe { copy_plainly(way, ours, theirs, len) };
            Ok(())
        }
        // SAFETY: the caller's promise.
        None => unsafe { copy_by_kernel(way, ours, theirs, len) },
    }
}

/// Whether the program's memory can be used that way, asked without side effects; `None`: there is
/// no telling. A program that unmaps it meanwhile harms itself alone.
fn probe(way: Way, address: usize, len: usize) -> Option<bool> {
    let Some(last) = address.checked_add(len - 1) else { return Some(false) };
    if address < PAGE {
        return Some(false);
    }
    if on_our_stack(address, last) {
        return Some(true);
    }
    if last / PAGE - address / PAGE >= PROBES_MAX {
        return None;
    }
    for page in address / PAGE..=last / PAGE {
        let at = address.max(page * PAGE);
        let answer = match way {
            Way::FromProgram => probe_read(at & !7),
            Way::ToProgram => probe_write(at & !3),
        };
        match answer {
            Errno::FAULT => return Some(false),
            Errno::INVAL => {}
            _ => return None,
        }
    }
    Some(true)
}

/// How far above our own frame a program's variables are looked for, bytes.
const STACK_NEAR: usize = 16 * 1024;

/// Whether both ends lie a little above our own frame, where our callers' frames are: there memory
/// can be read and written, and nobody need be asked.
fn on_our_stack(address: usize, last: usize) -> bool {
    let mark = 0u8;
    let here = core::ptr::from_ref(core::hint::black_box(&mark)) as usize;
    address > here && last - here < STACK_NEAR
}

/// `EFAULT` if 8 bytes cannot be read, else `EINVAL`: rt_sigprocmask(2) copies the new mask, then
/// refuses an operation that there is not.
fn probe_read(address: usize) -> Errno {
    // SAFETY: the operation is invalid, so that no mask is changed.
    unsafe { call!(libc::SYS_rt_sigprocmask, -1isize, address, 0, 8) }.err().unwrap_or(Errno::NOSYS)
}

/// `EFAULT` if 4 bytes cannot be written, else `EINVAL`: futex(2) adds 0 to the word, which is one
/// atomic operation that changes nothing, and wakes nobody, since nobody waits for `IDLE`.
fn probe_write(address: usize) -> Errno {
    static IDLE: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
    /// `FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_LT, -2048)`
    const ADD_NOTHING: usize = 1 << 28 | 2 << 24 | 0x800;
    let idle = IDLE.as_ptr();
    let operation = libc::FUTEX_WAKE_OP | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: `idle` is ours; the kernel checks the other address, and keeps what is there.
    match unsafe { call!(libc::SYS_futex, idle, operation, 0, 0, address, ADD_NOTHING) } {
        Ok(_) => Errno::INVAL,
        Err(errno) => errno,
    }
}

/// # Safety
/// Both must be valid for `len` bytes in that direction.
unsafe fn copy_plainly(way: Way, ours: usize, theirs: usize, len: usize) {
    let (from, to) = match way {
        Way::FromProgram => (theirs, ours),
        Way::ToProgram => (ours, theirs),
    };
    // SAFETY: the caller's promise.
    unsafe { core::ptr::copy(from as *const u8, to as *mut u8, len) };
}

/// # Safety
/// `ours` must be valid for `len` bytes in that direction.
unsafe fn copy_by_kernel(way: Way, ours: usize, theirs: usize, len: usize) -> Result<(), Errno> {
    let number = match way {
        Way::FromProgram => libc::SYS_process_vm_readv,
        Way::ToProgram => libc::SYS_process_vm_writev,
    };
    let local = libc::iovec { iov_base: ours as *mut libc::c_void, iov_len: len };
    let remote = libc::iovec { iov_base: theirs as *mut libc::c_void, iov_len: len };
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: both iovecs live across the call; the kernel checks the program's side.
    let copied = unsafe { call!(number, pid, &raw const local, 1, &raw const remote, 1, 0) };
    match copied {
        Ok(n) if n == len => Ok(()),
        // Forbidden by a seccomp filter: trust the pointer, as any function of libc would.
        Err(Errno::PERM | Errno::NOSYS | Errno::ACCESS) if theirs != 0 => {
            // SAFETY: ours is valid; theirs is the program's promise.
            unsafe { copy_plainly(way, ours, theirs, len) };
            Ok(())
        }
        _ => Err(Errno::FAULT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(address: usize, len: usize) -> UserSlice<'static> {
        // SAFETY: read and written only as far as it is there, which is what is tested.
        unsafe { UserSlice::new(address, len) }
    }

    fn map(pages: usize, protection: i32) -> usize {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new memory anywhere.
        unsafe { call!(libc::SYS_mmap, 0, pages * PAGE, protection, flags, -1isize, 0) }.unwrap()
    }

    #[test]
    fn bad_pointers_are_efault_and_good_ones_are_copied() {
        let start = map(12, libc::PROT_READ | libc::PROT_WRITE);
        let end = start + 8 * PAGE;
        // SAFETY: our own memory, used by nobody else.
        unsafe { call!(libc::SYS_mprotect, end, 4 * PAGE, libc::PROT_NONE) }.unwrap();
        for len in [1, 3, 4, 28, PAGE, 2 * PAGE + 5, 7 * PAGE] {
            let data: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut back = vec![0; len];
            for at in [start, start + 1, end - len] {
                assert_eq!(slice(at, len).write(&data), Ok(len));
                assert_eq!(slice(at, len).read(&mut back), Ok(len));
                assert_eq!(back, data);
            }
            for at in [end - len + 1, end, 0, 8, usize::MAX - 2, usize::MAX / 2 + PAGE] {
                assert_eq!(slice(at, len).write(&data), Err(Errno::FAULT), "{at:#x} {len}");
                assert_eq!(slice(at, len).read(&mut back), Err(Errno::FAULT), "{at:#x} {len}");
            }
        }
        let constant = map(1, libc::PROT_READ);
        assert_eq!(slice(constant, 4).read(&mut [1; 4]), Ok(4));
        assert_eq!(slice(constant, 4).write(&[0; 4]), Err(Errno::FAULT));
    }

    #[test]
    fn the_stack_above_us_is_known_to_be_there() {
        let (low, mut buffer) = (1u32, [7u8; 64]);
        let start = buffer.as_mut_ptr() as usize;
        assert!(on_our_stack(start, start + 63));
        assert!(!on_our_stack(start, start + STACK_NEAR));
        assert!(!on_our_stack(start - 2 * STACK_NEAR, start));
        assert_eq!(slice(start, 64).read(&mut [0; 64]), Ok(64));
        assert_eq!(low, 1);
    }

    #[test]
    fn probing_changes_nothing() {
        let word = core::sync::atomic::AtomicU32::new(7);
        assert_eq!(probe_write(word.as_ptr() as usize), Errno::INVAL);
        assert_eq!(word.into_inner(), 7);
    }
}
