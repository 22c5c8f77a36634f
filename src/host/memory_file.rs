//! Files in memory (memfd_create(2)): a few bytes that can be sent along with a datagram.
use super::{Errno, fd, fd::Owned, fd::Raw, raw::call};

/// A file with this content.
pub fn create(content: &[u8]) -> Result<Owned, Errno> {
    let name = c"understudy";
    // SAFETY: a C string that outlives the call.
    let file = unsafe { call!(libc::SYS_memfd_create, name.as_ptr(), libc::MFD_CLOEXEC) }?;
    // SAFETY: the kernel has just made it, for us.
    let file = unsafe { Owned::new(file as Raw) };
    // SAFETY: the kernel reads `content` alone.
    let n = unsafe { call!(libc::SYS_pwrite64, file.raw(), content.as_ptr(), content.len(), 0) }?;
    if n == content.len() { Ok(file) } else { Err(Errno::NOSPC) }
}

/// The first bytes of such a file. `EINVAL` if it is another file (which might block).
pub fn read(file: Raw, to: &mut [u8]) -> Result<usize, Errno> {
    // Only files in memory have seals.
    if !fd::has_seals(file) {
        return Err(Errno::INVAL);
    }
    // SAFETY: the kernel writes at most `to.len()` bytes to `to`.
    unsafe { call!(libc::SYS_pread64, file, to.as_mut_ptr(), to.len(), 0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::unix;

    #[test]
    fn content_comes_back_and_other_files_are_refused() {
        let file = create(b"a note").unwrap();
        let mut bytes = [0; 64];
        for _ in 0..2 {
            assert_eq!(read(file.raw(), &mut bytes), Ok(6));
            assert_eq!(&bytes[..6], b"a note");
        }
        let socket = unix::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).unwrap();
        assert_eq!(read(socket.raw(), &mut bytes), Err(Errno::INVAL));
    }
}
