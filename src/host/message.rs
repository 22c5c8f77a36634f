//! Sending and receiving the program's own buffers, untouched: the kernel copies and checks them.
//!
//! The functions of this file make the call by the
//! next library's function (see [`super::next`]): a thread may leave them and never come back.
use super::next::{self, checked};
use super::payload::Form;
use super::scratch::Scratch;
use super::{Errno, fd::Raw, raw::call, unix::Address, usermem::UserSlice};
use core::marker::PhantomData;

pub use super::payload::Payload;

const IOVEC: usize = core::mem::size_of::<libc::iovec>();

/// What came back from a receiving call.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Bytes (with `MSG_TRUNC`: of the datagram).
    pub len: usize,
    /// `msg_flags`; 0 where the call has none.
    pub flags: i32,
    /// Bytes of control data written.
    pub control_len: usize,
}

fn header(pieces: UserSlice, control: UserSlice) -> libc::msghdr {
    // SAFETY: all zeros is a valid msghdr.
    let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
    header.msg_iov = pieces.address() as *mut libc::iovec;
    header.msg_iovlen = (pieces.len() / IOVEC) as _;
    header.msg_control = control.address() as *mut libc::c_void;
    header.msg_controllen = control.len() as _;
    header
}

fn one(slice: UserSlice) -> libc::iovec {
    libc::iovec { iov_base: slice.address() as *mut libc::c_void, iov_len: slice.len() }
}

fn of_bytes(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

/// The vector of `payload`: its own, or `single` filled in for a flat one.
fn vector_of<'a>(payload: Payload<'a>, single: &'a mut libc::iovec) -> UserSlice<'a> {
    match payload.0 {
        Form::Vector(vector) => vector,
        Form::Flat(slice) => {
            *single = one(slice);
            // SAFETY: `single` is borrowed as long as the result is used.
            unsafe { UserSlice::new(core::ptr::from_mut(single) as usize, IOVEC) }
        }
    }
}

/// send(2) of a flat payload, else sendmsg(2), without address and control data.
#[inline]
pub fn send(fd: Raw, payload: Payload, flags: i32) -> Result<usize, Errno> {
    match payload.0 {
        Form::Flat(b) => {
            // SAFETY: the kernel only reads, and checks the program's pointer.
            checked(unsafe { next::send(fd, b.address() as *const _, b.len(), flags) })
        }
        Form::Vector(_) => send_header(fd, payload, None, flags),
    }
}

/// sendmsg(2), to `to` if given.
pub fn send_header(
    fd: Raw,
    payload: Payload,
    to: Option<&Address>,
    flags: i32,
) -> Result<usize, Errno> {
    let mut single = one(UserSlice::EMPTY);
    let mut header = header(vector_of(payload, &mut single), UserSlice::EMPTY);
    let (name, name_len) = to.map_or((core::ptr::null(), 0), Address::raw);
    header.msg_name = name.cast_mut().cast();
    header.msg_namelen = name_len;
    // SAFETY: the kernel only reads, and checks the program's pointers; ours outlive the call.
    checked(unsafe { next::sendmsg(fd, &raw const header, flags) })
}

/// sendto(2) of a flat payload, else sendmsg(2). Straight to the kernel: it does not wait
/// (`MSG_DONTWAIT` is added).
#[inline]
pub fn post(fd: Raw, payload: Payload, to: Option<&Address>) -> Result<usize, Errno> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let (name, name_len) = to.map_or((core::ptr::null(), 0), Address::raw);
    match payload.0 {
        // SAFETY: the kernel only reads, and checks the program's pointer.
        Form::Flat(b) => unsafe {
            call!(libc::SYS_sendto, fd, b.address(), b.len(), flags, name, name_len)
        },
        Form::Vector(vector) => {
            let mut header = header(vector, UserSlice::EMPTY);
            header.msg_name = name.cast_mut().cast();
            header.msg_namelen = name_len;
            // SAFETY: the kernel only reads, and checks the program's pointers.
            unsafe { call!(libc::SYS_sendmsg, fd, &raw const header, flags) }
        }
    }
}

/// recv(2) of a flat payload, else recvmsg(2), without address and control data.
#[inline]
pub fn receive(fd: Raw, payload: Payload, flags: i32) -> Result<Received, Errno> {
    match payload.0 {
        Form::Flat(b) => {
            // SAFETY: the program gave the buffer to be written.
            let len = checked(unsafe { next::recv(fd, b.address() as *mut _, b.len(), flags) })?;
            Ok(Received { len, flags: 0, control_len: 0 })
        }
        Form::Vector(_) => receive_header(fd, payload, None, UserSlice::EMPTY, flags),
    }
}

const SIZE_UN: libc::socklen_t = core::mem::size_of::<libc::sockaddr_un>() as libc::socklen_t;

/// recvfrom(2) of a flat payload, else recvmsg(2): the sender's name comes into `from`.
#[inline]
pub fn receive_from(
    fd: Raw,
    payload: Payload,
    from: &mut Address,
    flags: i32,
) -> Result<Received, Errno> {
    match payload.0 {
        Form::Flat(b) => {
            from.set_len(SIZE_UN);
            let (name, len) = from.raw_mut();
            let data = b.address() as *mut libc::c_void;
            // SAFETY: the program gave the buffer to be written; `from` is ours.
            let len = checked(unsafe {
                next::recvfrom(fd, data, b.len(), flags, name.cast::<libc::sockaddr>(), len)
            })?;
            Ok(Received { len, flags: 0, control_len: 0 })
        }
        Form::Vector(_) => receive_header(fd, payload, Some(from), UserSlice::EMPTY, flags),
    }
}

/// recvmsg(2).
pub fn receive_header(
    fd: Raw,
    payload: Payload,
    mut from: Option<&mut Address>,
    control: UserSlice,
    flags: i32,
) -> Result<Received, Errno> {
    let mut single = one(UserSlice::EMPTY);
    let mut header = header(vector_of(payload, &mut single), control);
    if let Some(from) = &mut from {
        header.msg_name = from.raw_mut().0.cast();
        header.msg_namelen = SIZE_UN;
    }
    // SAFETY: the program gave the buffers to be written; `from` is ours.
    let len = checked(unsafe { next::recvmsg(fd, &raw mut header, flags) })?;
    if let Some(from) = from {
        from.set_len(header.msg_namelen);
    }
    Ok(Received { len, flags: header.msg_flags, control_len: header.msg_controllen })
}

/// sendmsg(2) to an address of any family.
pub fn send_raw(fd: Raw, payload: Payload, to: &[u8], flags: i32) -> Result<usize, Errno> {
    let mut single = one(UserSlice::EMPTY);
    let mut header = header(vector_of(payload, &mut single), UserSlice::EMPTY);
    header.msg_name = to.as_ptr().cast_mut().cast();
    header.msg_namelen = to.len() as libc::socklen_t;
    // SAFETY: the kernel only reads, and checks the program's pointers.
    unsafe { call!(libc::SYS_sendmsg, fd, &raw const header, flags) }
}

/// Pieces that are kept on the stack; more lie in memory of their own.
const PIECES_NEAR: usize = 16;

/// A message that is made of a prefix of ours and a range of a program's payload.
pub struct Parts<'a> {
    near: [libc::iovec; PIECES_NEAR],
    far: Option<Scratch>,
    len: usize,
    payload: PhantomData<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// `prefix`, and behind it the bytes `range` of `payload`.
    pub fn new(
        prefix: &'a [u8],
        payload: Payload<'a>,
        range: core::ops::Range<usize>,
    ) -> Result<Parts<'a>, Errno> {
        let most = payload.count() + 1;
        let far = if most > PIECES_NEAR { Some(Scratch::new(most * IOVEC)?) } else { None };
        let near = [of_bytes(&[]); PIECES_NEAR];
        let mut parts = Parts { near, far, len: 0, payload: PhantomData };
        if !prefix.is_empty() {
            parts.push(of_bytes(prefix));
        }
        let (mut at, mut index) = (0, 0);
        while at < range.end
            && let Some(part) = payload.part(index)?
        {
            let (from, until) = (range.start.clamp(at, at + part.len()) - at, range.end - at);
            let piece = part.first(until).skip(from);
            if !piece.is_empty() {
                parts.push(one(piece));
            }
            at += part.len();
            index += 1;
        }
        Ok(parts)
    }
    fn push(&mut self, piece: libc::iovec) {
        match &mut self.far {
            None => self.near[self.len] = piece,
            Some(far) => {
                let at = self.len * IOVEC;
                far[at..at + 8].copy_from_slice(&(piece.iov_base as usize).to_ne_bytes());
                far[at + 8..at + 16].copy_from_slice(&piece.iov_len.to_ne_bytes());
            }
        }
        self.len += 1;
    }
    fn address(&self) -> *const libc::iovec {
        match &self.far {
            None => self.near.as_ptr(),
            Some(far) => far.as_ptr().cast(),
        }
    }
    /// Sends it with descriptors, without waiting if `flags` say so.
    pub fn send(
        &self,
        fd: Raw,
        to: Option<&Address>,
        pass: &[Raw],
        flags: i32,
    ) -> Result<usize, Errno> {
        let mut passed = Rights::new(pass);
        let control = if pass.is_empty() { UserSlice::EMPTY } else { passed.as_slice() };
        let mut header = header(UserSlice::EMPTY, control);
        header.msg_iov = self.address().cast_mut();
        header.msg_iovlen = self.len as _;
        let (name, name_len) = to.map_or((core::ptr::null(), 0), Address::raw);
        header.msg_name = name.cast_mut().cast();
        header.msg_namelen = name_len;
        // SAFETY: the kernel only reads; it checks the program's pointers, ours outlive the call.
        checked(unsafe { next::sendmsg(fd, &raw const header, flags) })
    }
}

/// Descriptors that [`Parts::send`] passes at most.
pub const RIGHTS_MAX: usize = 4;

/// A control message with descriptors (SCM_RIGHTS).
#[repr(C, align(8))]
struct Rights {
    len: usize,
    level: i32,
    kind: i32,
    fds: [i32; RIGHTS_MAX],
}

impl Rights {
    fn new(pass: &[Raw]) -> Rights {
        let mut fds = [-1; RIGHTS_MAX];
        let count = pass.len().min(RIGHTS_MAX);
        fds[..count].copy_from_slice(&pass[..count]);
        let len = core::mem::offset_of!(Rights, fds) + count * core::mem::size_of::<i32>();
        let (level, kind) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
        Rights { len, level, kind, fds }
    }
    fn as_slice(&mut self) -> UserSlice<'_> {
        let size = core::mem::size_of::<Rights>();
        // SAFETY: it is borrowed as long as the result is used.
        unsafe { UserSlice::new(core::ptr::from_mut(self) as usize, size) }
    }
}

/// Sends our own bytes.
pub fn send_bytes(fd: Raw, bytes: &[u8], to: Option<&Address>, flags: i32) -> Result<usize, Errno> {
    let (name, name_len) = to.map_or((core::ptr::null(), 0), Address::raw);
    let (data, len) = (bytes.as_ptr(), bytes.len());
    // SAFETY: the kernel reads `bytes` and `to` alone.
    unsafe { call!(libc::SYS_sendto, fd, data, len, flags, name, name_len) }
}

/// Sends our own bytes with a descriptor; does not wait.
pub fn send_bytes_noted(fd: Raw, bytes: &[u8], to: &Address, pass: Raw) -> Result<usize, Errno> {
    let mut passed = Rights::new(&[pass]);
    let mut single = of_bytes(bytes);
    let mut header = header(UserSlice::EMPTY, passed.as_slice());
    header.msg_iov = &raw mut single;
    header.msg_iovlen = 1;
    let (name, name_len) = to.raw();
    header.msg_name = name.cast_mut().cast();
    header.msg_namelen = name_len;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel only reads, and all of it outlives the call.
    unsafe { call!(libc::SYS_sendmsg, fd, &raw const header, flags) }
}

/// Sends two pieces of ours as one message; does not wait.
pub fn send_pieces(fd: Raw, parts: [&[u8]; 2], to: Option<&Address>) -> Result<usize, Errno> {
    let mut pieces = parts.map(of_bytes);
    let mut header = header(UserSlice::EMPTY, UserSlice::EMPTY);
    header.msg_iov = pieces.as_mut_ptr();
    header.msg_iovlen = 2;
    let (name, name_len) = to.map_or((core::ptr::null(), 0), Address::raw);
    header.msg_name = name.cast_mut().cast();
    header.msg_namelen = name_len;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel only reads, and all of it outlives the call.
    unsafe { call!(libc::SYS_sendmsg, fd, &raw const header, flags) }
}

/// Receives into our own bytes.
pub fn receive_bytes(
    fd: Raw,
    bytes: &mut [u8],
    from: Option<&mut Address>,
    flags: i32,
) -> Result<usize, Errno> {
    let (name, name_len) = from.map_or((core::ptr::null_mut(), core::ptr::null_mut()), |a| {
        a.set_len(SIZE_UN);
        a.raw_mut()
    });
    let (data, len) = (bytes.as_mut_ptr(), bytes.len());
    // SAFETY: the kernel writes at most `len` bytes to `bytes`, and to `from`, which are ours.
    unsafe { call!(libc::SYS_recvfrom, fd, data, len, flags, name, name_len) }
}

/// Receives one message: its first byte into `head`, the rest into `payload`. Returns the length of
/// the message.
pub fn receive_behind(fd: Raw, head: &mut u8, payload: Payload) -> Result<usize, Errno> {
    let most = payload.count() + 1;
    let mut pieces = Scratch::new(most * IOVEC)?;
    let mut put = |index: usize, piece: libc::iovec| {
        let place = &mut pieces[index * IOVEC..(index + 1) * IOVEC];
        place[..8].copy_from_slice(&(piece.iov_base as usize).to_ne_bytes());
        place[8..].copy_from_slice(&piece.iov_len.to_ne_bytes());
    };
    put(0, libc::iovec { iov_base: core::ptr::from_mut(head).cast(), iov_len: 1 });
    let mut count = 1;
    while count < most
        && let Some(part) = payload.part(count - 1)?
    {
        put(count, one(part));
        count += 1;
    }
    let mut header = header(UserSlice::EMPTY, UserSlice::EMPTY);
    header.msg_iov = pieces.as_mut_ptr().cast();
    header.msg_iovlen = count as _;
    // SAFETY: the program gave the buffers to be written; the rest is ours.
    unsafe { call!(libc::SYS_recvmsg, fd, &raw mut header, 0) }
}

/// Reads and drops bytes of a stream; how many.
pub fn discard(fd: Raw, most: usize, flags: i32) -> Result<usize, Errno> {
    /// Written by the kernel, never read.
    static SINK: Sink = Sink(core::cell::UnsafeCell::new([0; Sink::LEN]));
    let len = most.min(Sink::LEN);
    let sink = SINK.0.get().cast::<libc::c_void>();
    // SAFETY: the kernel may write there, and nothing reads it.
    checked(unsafe { next::recv(fd, sink, len, flags) })
}

struct Sink(core::cell::UnsafeCell<[u8; Sink::LEN]>);

impl Sink {
    const LEN: usize = 64 * 1024;
}

// SAFETY: it has no value that anything depends on; only the kernel writes it, nothing reads it.
unsafe impl Sync for Sink {}
