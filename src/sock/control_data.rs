//! Control data of messages (cmsg(3)): what is read of a program's, and what is written to it.
use crate::host::{Errno, message::Received, usermem::UserSlice};

/// `sizeof(struct cmsghdr)`.
pub const HEAD: usize = core::mem::size_of::<libc::cmsghdr>();
/// The alignment of what follows.
pub const ALIGN: usize = core::mem::size_of::<usize>();

/// Length, level and type of a control message.
pub fn fields(head: &[u8; HEAD]) -> (usize, i32, i32) {
    let int = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let mut len = [0; ALIGN];
    len.copy_from_slice(&head[..ALIGN]);
    (usize::from_ne_bytes(len), int(ALIGN), int(ALIGN + 4))
}

/// Control data as they are given to the program.
pub struct Writer<'a> {
    control: UserSlice<'a>,
    at: usize,
    cut: bool,
}

impl<'a> Writer<'a> {
    /// Into this buffer of the program.
    pub fn new(control: UserSlice<'a>) -> Writer<'a> {
        Writer { control, at: 0, cut: false }
    }
    /// Says in `received` what was written.
    pub fn finish(&self, received: &mut Received) {
        received.control_len = self.at;
        if self.cut {
            received.flags |= libc::MSG_CTRUNC;
        }
    }
    /// As the kernel's put_cmsg: what does not fit is cut, or left out if not even the header fits.
    pub fn add(&mut self, level: i32, kind: i32, value: &[u8]) -> Result<(), Errno> {
        let room = self.control.skip(self.at);
        if room.len() < HEAD {
            self.cut = true;
            return Ok(());
        }
        let mut bytes = [0; 128];
        let len = (HEAD + value.len()).min(bytes.len());
        let fits = len.min(room.len());
        self.cut |= fits < len;
        bytes[..ALIGN].copy_from_slice(&fits.to_ne_bytes());
        bytes[ALIGN..ALIGN + 4].copy_from_slice(&level.to_ne_bytes());
        bytes[ALIGN + 4..HEAD].copy_from_slice(&kind.to_ne_bytes());
        bytes[HEAD..len].copy_from_slice(&value[..len - HEAD]);
        room.write(&bytes[..fits])?;
        self.at += len.next_multiple_of(ALIGN).min(room.len());
        Ok(())
    }
}
