//! Socket addresses in the program's memory.
use super::value_of;
use crate::base::addr::SocketAddr;
use crate::host::{Errno, usermem::UserSlice};
use crate::sock::descriptor::sockaddr::{STORAGE, encode};
use core::ffi::c_int;

/// An address that a program gave, copied.
#[derive(Clone, Copy)]
pub(super) struct Given {
    bytes: [u8; STORAGE],
    len: usize,
}

impl Given {
    /// Copies it: `EINVAL` for a length that no address has, `EFAULT` for a bad pointer.
    ///
    /// # Safety
    /// As [`UserSlice::new`].
    pub(super) unsafe fn read(
        address: *const libc::sockaddr,
        len: libc::socklen_t,
    ) -> Result<Given, Errno> {
        let len = len as usize;
        let mut bytes = [0; STORAGE];
        if len > STORAGE {
            return Err(Errno::INVAL);
        }
        // SAFETY: the caller's promise.
        unsafe { UserSlice::new(address as usize, len) }.read(&mut bytes[..len])?;
        Ok(Given { bytes, len })
    }
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Where a program wants an address written: a buffer, and its length, which is also written.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    address: usize,
    len: *mut libc::socklen_t,
}

impl Wanted {
    pub(super) fn new(address: *mut libc::sockaddr, len: *mut libc::socklen_t) -> Wanted {
        Wanted { address: address as usize, len }
    }
    pub(super) fn is_none(self) -> bool {
        self.address == 0
    }
    /// Writes the address (cut to the buffer) and its full length, as the kernel does. `None`: the
    /// length 0, as of a TCP peer in recvfrom(2).
    ///
    /// # Safety
    /// The program gave both pointers to be written.
    pub(super) unsafe fn write(self, address: Option<SocketAddr>) -> Result<(), Errno> {
        let encoded = address.map(encode);
        let bytes = encoded.as_ref().map_or(&[][..], |e| e.as_bytes());
        // SAFETY: the caller's promise.
        let len = unsafe { value_of(self.len.cast_const()) };
        let room = c_int::from_ne_bytes(len.read_array()?);
        let room = usize::try_from(room).map_err(|_| Errno::INVAL)?;
        // SAFETY: the caller's promise.
        unsafe { UserSlice::new(self.address, room) }.write(bytes)?;
        len.write(&(bytes.len() as libc::socklen_t).to_ne_bytes())?;
        Ok(())
    }
}
