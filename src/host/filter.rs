//! Words kept with a socket as a classic BPF filter that takes every packet: `LD #word` over and
//! over, then `RET -1`.
use super::{Errno, fd::Raw, option, raw::call};

/// `BPF_LD | BPF_W | BPF_IMM`.
const LOAD: u16 = 0x00;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// getsockopt's name for what SO_ATTACH_FILTER sets.
const SO_GET_FILTER: i32 = libc::SO_ATTACH_FILTER;

/// A word, as an instruction of the filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Word {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

impl Word {
    /// The instruction that holds this word.
    pub const fn new(word: u32) -> Word {
        Word { code: LOAD, jt: 0, jf: 0, k: word }
    }
    /// The word.
    pub const fn get(self) -> u32 {
        self.k
    }
}

/// Words, and the instruction behind them that ends the filter. `N` counts that as well.
#[derive(Clone, Copy)]
pub struct Words<const N: usize> {
    program: [Word; N],
    len: usize,
}

impl<const N: usize> Words<N> {
    /// None.
    pub const fn new() -> Words<N> {
        Words { program: [Word::new(0); N], len: 0 }
    }
    /// One.
    pub const fn starting_with(word: Word) -> Words<N> {
        let mut words = Words::new();
        words.program[0] = word;
        words.len = 1;
        words
    }
    /// The words.
    pub fn as_slice(&self) -> &[Word] {
        &self.program[..self.len]
    }
    /// Room for `len` words, the first of which stay. `ENOBUFS`: there is none.
    pub fn resize(&mut self, len: usize) -> Result<&mut [Word], Errno> {
        if len >= N {
            return Err(Errno::NOBUFS);
        }
        self.len = len;
        Ok(&mut self.program[..len])
    }
    /// Reads those that are kept with a socket. `EINVAL`: it has a filter that is longer.
    pub fn get(&mut self, fd: Raw) -> Result<(), Errno> {
        // The length counts instructions, not bytes.
        let mut len = N as libc::socklen_t;
        let (level, name) = (libc::SOL_SOCKET, SO_GET_FILTER);
        let program = self.program.as_mut_ptr();
        // SAFETY: the kernel writes at most `len` instructions to `program`.
        unsafe { call!(libc::SYS_getsockopt, fd, level, name, program, &raw mut len) }?;
        self.len = (len as usize).saturating_sub(1).min(N - 1);
        Ok(())
    }
    /// Keeps them with a socket, instead of those before.
    pub fn set(&mut self, fd: Raw) -> Result<(), Errno> {
        self.program[self.len] = Word { code: RETURN, jt: 0, jf: 0, k: u32::MAX };
        let len = (self.len + 1) as u16;
        let filter = libc::sock_fprog { len, filter: self.program.as_mut_ptr().cast() };
        let (level, name) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
        let size = core::mem::size_of::<libc::sock_fprog>();
        // SAFETY: the kernel reads `filter` and the `len` instructions that it points to.
        unsafe { call!(libc::SYS_setsockopt, fd, level, name, &raw const filter, size) }.map(drop)
    }
}

impl<const N: usize> Default for Words<N> {
    fn default() -> Self {
        Words::new()
    }
}

/// Takes them away.
pub fn clear(fd: Raw) -> Result<(), Errno> {
    option::set_int(fd, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 0)
}
