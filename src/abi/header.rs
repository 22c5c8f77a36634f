//! `struct msghdr` in the program's memory.
use super::value_of;
use crate::base::addr::SocketAddr;
use crate::host::message::{Payload, Received};
use crate::host::usermem::UserSlice;
use crate::host::{Errno, fd::Raw};
use crate::sock::descriptor::sockaddr::encode;
use core::mem::offset_of;
use libc::msghdr;

const HEADER: usize = core::mem::size_of::<msghdr>();

/// A copy of the program's `struct msghdr`.
#[derive(Clone, Copy)]
pub(super) struct Header<'a> {
    pub(super) name: usize,
    pub(super) name_len: usize,
    pub(super) payload: Payload<'a>,
    pub(super) control: UserSlice<'a>,
}

fn word(bytes: &[u8; HEADER], at: usize) -> usize {
    let field = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    usize::from_ne_bytes(field.unwrap_or_default())
}

impl Header<'_> {
    /// # Safety
    /// The program passed the header, with all it points to, to a call that reads or writes it.
    pub(super) unsafe fn read<'a>(message: *const msghdr) -> Result<Header<'a>, Errno> {
        // SAFETY: the caller's promise.
        let bytes: [u8; HEADER] = unsafe { value_of(message) }.read_array()?;
        let name_len = word(&bytes, offset_of!(msghdr, msg_namelen)) as u32;
        // copy_msghdr_from_user.
        if (name_len as i32) < 0 {
            return Err(Errno::INVAL);
        }
        let count = word(&bytes, offset_of!(msghdr, msg_iovlen));
        let control_len = word(&bytes, offset_of!(msghdr, msg_controllen));
        Ok(Header {
            name: word(&bytes, offset_of!(msghdr, msg_name)),
            name_len: name_len as usize,
            // SAFETY: the caller's promise.
            payload: unsafe { Payload::vector(word(&bytes, offset_of!(msghdr, msg_iov)), count) }?,
            control: unsafe {
                // SAFETY: the caller's promise.
                UserSlice::new(word(&bytes, offset_of!(msghdr, msg_control)), control_len)
            },
        })
    }

    /// Writes what recvmsg(2) writes besides the data.
    ///
    /// # Safety
    /// As [`Header::read`], for the same message.
    pub(super) unsafe fn give_back(
        &self,
        message: *mut msghdr,
        received: &Received,
        sender: Option<SocketAddr>,
    ) -> Result<(), Errno> {
        // SAFETY: the caller's promise.
        let whole = unsafe { value_of(message.cast_const()) };
        let encoded = sender.map(encode);
        let name = encoded.as_ref().map_or(&[][..], |e| e.as_bytes());
        if self.name != 0 {
            // SAFETY: the caller's promise.
            unsafe { UserSlice::new(self.name, self.name_len) }.write(name)?;
            let len = (name.len() as u32).to_ne_bytes();
            whole.skip(offset_of!(msghdr, msg_namelen)).write(&len)?;
        }
        let control_len = received.control_len.to_ne_bytes();
        whole.skip(offset_of!(msghdr, msg_controllen)).write(&control_len)?;
        whole.skip(offset_of!(msghdr, msg_flags)).write(&received.flags.to_ne_bytes())?;
        Ok(())
    }
}

/// Calls `each` with every descriptor that a message has passed or brought (SCM_RIGHTS).
///
/// # Safety
/// The kernel has just read or written the message and its control data, without an error: they are
/// where the header says.
pub(super) unsafe fn each_passed(message: *const msghdr, each: fn(Raw)) {
    // SAFETY: the caller's promise, here and below.
    let header = unsafe { message.read_unaligned() };
    const CMSG: usize = core::mem::size_of::<libc::cmsghdr>();
    let (start, len) = (header.msg_control.cast::<u8>(), header.msg_controllen);
    let mut at = 0;
    while !start.is_null() && len - at >= CMSG {
        // SAFETY: a whole header lies there.
        let head = unsafe { start.add(at).cast::<libc::cmsghdr>().read_unaligned() };
        if head.cmsg_len < CMSG || head.cmsg_len > len - at {
            return;
        }
        if head.cmsg_level == libc::SOL_SOCKET && head.cmsg_type == libc::SCM_RIGHTS {
            for offset in (CMSG..head.cmsg_len.saturating_sub(3)).step_by(4) {
                // SAFETY: inside the control message.
                each(unsafe { start.add(at + offset).cast::<Raw>().read_unaligned() });
            }
        }
        at += head.cmsg_len.next_multiple_of(8).min(len - at);
    }
}
