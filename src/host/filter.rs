//! Words kept with a socket as a classic BPF filter that takes every packet.
use super::{Errno, fd::Raw, option, raw::call};

/// `BPF_LD | BPF_W | BPF_IMM`.
const LOAD: u16 = 0x00;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// getsockopt's name for what SO_ATTACH_FILTER sets.
const SO_GET_FILTER: i32 = libc::SO_ATTACH_FILTER;
/// Most words (the kernel takes 4095).
const WORDS: usize = 255;

#[derive(Clone, Copy)]
#[repr(C)]
struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// Keeps `words` (at most 255) with the socket, instead of those before.
pub fn set(fd: Raw, words: &[u32]) -> Result<(), Errno> {
    if words.len() > WORDS {
        return Err(Errno::NOBUFS);
    }
    let take_all = Instruction { code: RETURN, jt: 0, jf: 0, k: u32::MAX };
    let mut program = [take_all; WORDS + 1];
    for (instruction, word) in program.iter_mut().zip(words) {
        *instruction = Instruction { code: LOAD, jt: 0, jf: 0, k: *word };
    }
    let filter =
        libc::sock_fprog { len: (words.len() + 1) as u16, filter: program.as_mut_ptr().cast() };
    let (level, name) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    let len = core::mem::size_of::<libc::sock_fprog>();
    // SAFETY: the kernel reads `filter` and the `len` instructions that it points to.
    unsafe { call!(libc::SYS_setsockopt, fd, level, name, &raw const filter, len) }.map(drop)
}

/// Reads them back; how many. `EINVAL` if there are more than `words` holds.
pub fn get(fd: Raw, words: &mut [u32]) -> Result<usize, Errno> {
    let mut program = [Instruction { code: 0, jt: 0, jf: 0, k: 0 }; WORDS + 1];
    // The length counts instructions, not bytes.
    let mut len = program.len() as libc::socklen_t;
    let (level, name) = (libc::SOL_SOCKET, SO_GET_FILTER);
    // SAFETY: the kernel writes at most `len` instructions to `program`.
    unsafe {
        call!(libc::SYS_getsockopt, fd, level, name, program.as_mut_ptr(), &raw mut len)?;
    }
    let kept = (len as usize).saturating_sub(1);
    let kept = program.get(..kept).filter(|k| k.len() <= words.len()).ok_or(Errno::INVAL)?;
    for (word, instruction) in words.iter_mut().zip(kept) {
        *word = instruction.k;
    }
    Ok(kept.len())
}

/// Takes them away.
pub fn clear(fd: Raw) -> Result<(), Errno> {
    option::set_int(fd, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 0)
}
