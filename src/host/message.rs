//! Sending and receiving the program's own buffers, untouched: the kernel copies and checks them.
use super::{Errno, fd::Raw, raw::call, unix::Address, usermem::UserSlice};

/// What a program gave to send from, or to receive into.
#[derive(Clone, Copy, Debug)]
pub enum Payload {
    /// One buffer.
    Flat(UserSlice),
    /// `len() / 16` `struct iovec`s at an address.
    Vector(UserSlice),
}

impl Payload {
    /// A program's `iov` and `iovlen`. `EMSGSIZE` above `UIO_MAXIOV`, as from sendmsg(2).
    ///
    /// # Safety
    /// As for [`UserSlice::new`], for the vector and all it points to.
    pub unsafe fn vector(iov: usize, count: usize) -> Result<Payload, Errno> {
        if count > libc::UIO_MAXIOV as usize {
            return Err(Errno::MSGSIZE);
        }
        let size = core::mem::size_of::<libc::iovec>();
        // SAFETY: passed on to the caller.
        Ok(Payload::Vector(unsafe { UserSlice::new(iov, count * size) }))
    }
    /// How many bytes it holds in all; `EFAULT` if the vector cannot be read.
    pub fn total(self) -> Result<usize, Errno> {
        match self {
            Payload::Flat(slice) => Ok(slice.len()),
            Payload::Vector(_) => {
                let mut sum = 0usize;
                let mut index = 0;
                while let Some(slice) = self.part(index)? {
                    sum = sum.checked_add(slice.len()).ok_or(Errno::INVAL)?;
                    index += 1;
                }
                Ok(sum)
            }
        }
    }
    /// Its `index`-th buffer; `None` past the last.
    pub fn part(self, index: usize) -> Result<Option<UserSlice>, Errno> {
        match self {
            Payload::Flat(slice) => Ok((index == 0).then_some(slice)),
            Payload::Vector(vector) => {
                let rest = vector.skip(index * 16);
                if rest.is_empty() {
                    return Ok(None);
                }
                let bytes = rest.read_array::<16>()?;
                let (base, len) = bytes.split_at(8);
                let word = |b: &[u8]| usize::from_ne_bytes(b.try_into().unwrap_or_default());
                // SAFETY: `vector` was vouched for with all it points to.
                Ok(Some(unsafe { UserSlice::new(word(base), word(len)) }))
            }
        }
    }
    /// All but its first `skip` bytes, as one payload. `vector` holds it together, and must live as
    /// long as that is used.
    pub fn after(self, skip: usize, vector: &mut Vec<libc::iovec>) -> Result<Payload, Errno> {
        let (mut left, mut index) = (skip, 0);
        vector.clear();
        while let Some(part) = self.part(index)? {
            index += 1;
            let gone = left.min(part.len());
            left -= gone;
            if gone < part.len() {
                vector.push(one(part.skip(gone)));
            }
        }
        let size = core::mem::size_of::<libc::iovec>();
        // SAFETY: `vector` is readable; what it points to was vouched for with `self`.
        let whole = unsafe { UserSlice::new(vector.as_ptr() as usize, vector.len() * size) };
        Ok(Payload::Vector(whole))
    }
}

/// What came back from [`receive`].
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Bytes (with `MSG_TRUNC`: of the datagram).
    pub len: usize,
    /// `msg_flags`; 0 for a flat payload.
    pub flags: i32,
    /// Bytes of control data written.
    pub control_len: usize,
}

fn header(payload: UserSlice, control: UserSlice) -> libc::msghdr {
    // SAFETY: all zeros is a valid msghdr.
    let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
    header.msg_iov = payload.address() as *mut libc::iovec;
    header.msg_iovlen = (payload.len() / core::mem::size_of::<libc::iovec>()) as _;
    header.msg_control = control.address() as *mut libc::c_void;
    header.msg_controllen = control.len() as _;
    header
}

fn one(slice: UserSlice) -> libc::iovec {
    libc::iovec { iov_base: slice.address() as *mut libc::c_void, iov_len: slice.len() }
}

/// The vector of `payload`: its own, or `single` filled in for a flat one.
fn vector_of(payload: Payload, single: &mut libc::iovec) -> UserSlice {
    match payload {
        Payload::Vector(vector) => vector,
        Payload::Flat(slice) => {
            *single = one(slice);
            let size = core::mem::size_of::<libc::iovec>();
            // SAFETY: `single` outlives the call that this is passed to.
            unsafe { UserSlice::new(core::ptr::from_mut(single) as usize, size) }
        }
    }
}

/// sendto(2) or sendmsg(2), to `to` if given.
#[inline]
pub fn send(
    fd: Raw,
    payload: Payload,
    to: Option<&Address>,
    control: UserSlice,
    flags: i32,
) -> Result<usize, Errno> {
    let (name, name_len) = to.map_or((core::ptr::null(), 0), Address::raw);
    match payload {
        // SAFETY: the kernel only reads, and checks the program's pointer.
        Payload::Flat(b) if control.is_empty() => unsafe {
            call!(libc::SYS_sendto, fd, b.address(), b.len(), flags, name, name_len)
        },
        _ => {
            let mut single = one(UserSlice::EMPTY);
            let mut header = header(vector_of(payload, &mut single), control);
            header.msg_name = name.cast_mut().cast();
            header.msg_namelen = name_len;
            // SAFETY: the kernel only reads, and checks the program's pointers.
            unsafe { call!(libc::SYS_sendmsg, fd, &raw const header, flags) }
        }
    }
}

/// recvfrom(2) or recvmsg(2); the sender's name into `from` if given.
#[inline]
pub fn receive(
    fd: Raw,
    payload: Payload,
    from: Option<&mut Address>,
    control: UserSlice,
    flags: i32,
) -> Result<Received, Errno> {
    match payload {
        Payload::Flat(b) if control.is_empty() => {
            let (name, len) = from.map_or((core::ptr::null_mut(), core::ptr::null_mut()), |a| {
                a.set_len(SIZE_UN);
                a.raw_mut()
            });
            // SAFETY: the program gave the buffer to be written; `from` is ours.
            let len =
                unsafe { call!(libc::SYS_recvfrom, fd, b.address(), b.len(), flags, name, len) }?;
            Ok(Received { len, flags: 0, control_len: 0 })
        }
        _ => receive_header(fd, payload, from, control, flags),
    }
}

const SIZE_UN: libc::socklen_t = core::mem::size_of::<libc::sockaddr_un>() as libc::socklen_t;

/// recvmsg(2), always: for who needs `msg_flags`.
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
    let len = unsafe { call!(libc::SYS_recvmsg, fd, &raw mut header, flags) }?;
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

/// Sends `prefix` and behind it the bytes `range` of `payload`, with at most [`RIGHTS_MAX`]
/// descriptors.
pub fn send_parts(
    fd: Raw,
    prefix: &[u8],
    (payload, range): (Payload, core::ops::Range<usize>),
    to: Option<&Address>,
    pass: &[Raw],
    flags: i32,
) -> Result<usize, Errno> {
    let mut parts = Vec::with_capacity(4);
    if !prefix.is_empty() {
        let (iov_base, iov_len) = (prefix.as_ptr().cast_mut().cast(), prefix.len());
        parts.push(libc::iovec { iov_base, iov_len });
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
    let mut passed = Rights::new(pass);
    let control = if pass.is_empty() { UserSlice::EMPTY } else { passed.as_slice() };
    let mut header = header(UserSlice::EMPTY, control);
    header.msg_iov = parts.as_mut_ptr();
    header.msg_iovlen = parts.len() as _;
    let (name, name_len) = to.map_or((core::ptr::null(), 0), Address::raw);
    header.msg_name = name.cast_mut().cast();
    header.msg_namelen = name_len;
    // SAFETY: the kernel only reads; it checks the program's pointers, and ours outlive the call.
    unsafe { call!(libc::SYS_sendmsg, fd, &raw const header, flags) }
}

/// Descriptors that [`send_parts`] passes at most.
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
    fn as_slice(&mut self) -> UserSlice {
        let size = core::mem::size_of::<Rights>();
        // SAFETY: it outlives the call that this is passed to.
        unsafe { UserSlice::new(core::ptr::from_mut(self) as usize, size) }
    }
}

/// Sends our own bytes.
pub fn send_bytes(fd: Raw, bytes: &[u8], to: Option<&Address>, flags: i32) -> Result<usize, Errno> {
    // SAFETY: `send` only reads it.
    let slice = unsafe { UserSlice::new(bytes.as_ptr() as usize, bytes.len()) };
    send(fd, Payload::Flat(slice), to, UserSlice::EMPTY, flags)
}

/// Sends our own bytes with a descriptor; does not wait.
pub fn send_bytes_noted(fd: Raw, bytes: &[u8], to: &Address, note: Raw) -> Result<usize, Errno> {
    // SAFETY: it is only read.
    let payload = unsafe { UserSlice::new(bytes.as_ptr() as usize, bytes.len()) };
    let what = (Payload::Flat(payload), 0..bytes.len());
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    send_parts(fd, &[], what, Some(to), &[note], flags)
}

/// Zeros to send as padding.
static ZEROS: [u8; 32 * 1024] = [0; 32 * 1024];
/// Pieces of a padded message, at most.
const PIECES_MAX: usize = 66;

/// Sends `parts` and behind them zeros up to `length` bytes in all (2 MiB at most), without
/// waiting; how many bytes were sent, `None` if that failed.
pub fn send_padded(fd: Raw, parts: [&[u8]; 2], length: usize) -> Option<usize> {
    let piece = |bytes: &[u8]| libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut pieces = [piece(&[]); PIECES_MAX];
    let mut total = 0;
    for (index, place) in pieces.iter_mut().enumerate() {
        let part = match parts.get(index) {
            Some(part) => part,
            None => &ZEROS[..ZEROS.len().min(length.saturating_sub(total))],
        };
        *place = piece(part);
        total += part.len();
    }
    let mut header = header(UserSlice::EMPTY, UserSlice::EMPTY);
    header.msg_iov = pieces.as_mut_ptr();
    header.msg_iovlen = PIECES_MAX as _;
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the kernel only reads; the pieces outlive the call.
    unsafe { call!(libc::SYS_sendmsg, fd, &raw const header, flags) }.ok()
}

/// Receives into our own bytes.
pub fn receive_bytes(
    fd: Raw,
    bytes: &mut [u8],
    from: Option<&mut Address>,
    flags: i32,
) -> Result<usize, Errno> {
    let payload = Payload::Flat(UserSlice::from_bytes(bytes));
    receive(fd, payload, from, UserSlice::EMPTY, flags).map(|r| r.len)
}
