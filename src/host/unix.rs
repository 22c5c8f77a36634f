//! Unix sockets: addresses in the abstract namespace, and the calls of the control plane.
use super::{
    Errno,
    fd::{Owned, Raw},
    next::{self, checked},
    raw::call,
};

const HEAD: usize = core::mem::size_of::<libc::sa_family_t>();
const SIZE: usize = core::mem::size_of::<libc::sockaddr_un>();

/// A unix socket address as the kernel takes and gives it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct Address {
    bytes: [u8; SIZE],
    len: libc::socklen_t,
}

impl Address {
    /// No name at all: what an unbound socket has; as an argument of `bind`, "choose one".
    pub const fn unnamed() -> Address {
        let mut bytes = [0; SIZE];
        let family = (libc::AF_UNIX as u16).to_ne_bytes();
        bytes[0] = family[0];
        bytes[1] = family[1];
        Address { bytes, len: HEAD as libc::socklen_t }
    }
    /// An abstract name (without its leading NUL). Longer ones than fit are cut.
    pub fn abstract_name(name: &[u8]) -> Address {
        let mut address = Address::unnamed();
        let len = name.len().min(SIZE - HEAD - 1);
        address.bytes[HEAD + 1..HEAD + 1 + len].copy_from_slice(&name[..len]);
        address.len = (HEAD + 1 + len) as libc::socklen_t;
        address
    }
    /// The abstract name without its leading NUL; `None` if it is unnamed or a path.
    pub fn as_abstract(&self) -> Option<&[u8]> {
        let end = (self.len as usize).min(SIZE);
        let path = self.bytes.get(HEAD..end)?;
        match path.split_first() {
            Some((0, name)) if self.family() == libc::AF_UNIX => Some(name),
            _ => None,
        }
    }
    /// The address family in it (a kernel's answer may be of another family).
    pub fn family(&self) -> i32 {
        i32::from(u16::from_ne_bytes([self.bytes[0], self.bytes[1]]))
    }
    /// The whole `struct sockaddr` that the kernel gave.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..(self.len as usize).min(SIZE)]
    }
    /// A buffer for the kernel to fill.
    pub const fn buffer() -> Address {
        Address { bytes: [0; SIZE], len: SIZE as libc::socklen_t }
    }
    pub(super) fn raw(&self) -> (*const u8, libc::socklen_t) {
        (self.bytes.as_ptr(), self.len)
    }
    pub(super) fn raw_mut(&mut self) -> (*mut u8, *mut libc::socklen_t) {
        (self.bytes.as_mut_ptr(), &raw mut self.len)
    }
    pub(super) fn set_len(&mut self, len: libc::socklen_t) {
        self.len = len;
    }
}

/// Credentials of the process at the other end (or at `listen`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct PeerCred {
    /// Process id; 0 if it is in another pid namespace.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// socket(2) of any family.
pub fn socket(family: i32, kind: i32, protocol: i32) -> Result<Owned, Errno> {
    // SAFETY: takes numbers.
    let fd = unsafe { call!(libc::SYS_socket, family, kind, protocol) }?;
    // SAFETY: the kernel has just made it, for us.
    Ok(unsafe { Owned::new(fd as Raw) })
}

/// socket(2) by the next library's function: the program's own.
pub fn socket_of_next(family: i32, kind: i32, protocol: i32) -> Result<Raw, Errno> {
    // SAFETY: takes numbers.
    checked(unsafe { next::socket(family, kind, protocol) } as isize).map(|fd| fd as Raw)
}

/// bind(2).
pub fn bind(fd: Raw, to: &Address) -> Result<(), Errno> {
    let (ptr, len) = to.raw();
    // SAFETY: the kernel reads `len` bytes of `to`.
    unsafe { call!(libc::SYS_bind, fd, ptr, len) }.map(drop)
}

/// connect(2).
pub fn connect(fd: Raw, to: &Address) -> Result<(), Errno> {
    let (ptr, len) = to.raw();
    // SAFETY: the kernel reads `len` bytes of `to`.
    unsafe { call!(libc::SYS_connect, fd, ptr, len) }.map(drop)
}

/// connect(2) by the next library's function: it may block, and the thread may leave it.
pub fn connect_cancellable(fd: Raw, to: &Address) -> Result<(), Errno> {
    connect_raw_cancellable(fd, &to.bytes[..(to.len as usize).min(SIZE)])
}

/// The same, to an address of any family.
pub fn connect_raw_cancellable(fd: Raw, address: &[u8]) -> Result<(), Errno> {
    let len = address.len() as libc::socklen_t;
    // SAFETY: the callee reads `len` bytes of `address`.
    checked(unsafe { next::connect(fd, address.as_ptr().cast(), len) } as isize).map(drop)
}

/// connect(2) to `AF_UNSPEC`: dissolves a datagram socket's peer.
pub fn disconnect(fd: Raw) -> Result<(), Errno> {
    let unspec = [0u8; 16];
    // SAFETY: the kernel reads 16 bytes.
    unsafe { call!(libc::SYS_connect, fd, unspec.as_ptr(), unspec.len()) }.map(drop)
}

/// listen(2).
pub fn listen(fd: Raw, backlog: i32) -> Result<(), Errno> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_listen, fd, backlog) }.map(drop)
}

/// accept4(2) with the peer's address.
pub fn accept(fd: Raw, flags: i32) -> Result<(Owned, Address), Errno> {
    let mut peer = Address::buffer();
    let (ptr, len) = peer.raw_mut();
    // SAFETY: the kernel writes at most `len` bytes to `peer`, and its length.
    let accepted = unsafe { call!(libc::SYS_accept4, fd, ptr, len, flags) }?;
    // SAFETY: the kernel has just made it, for us.
    Ok((unsafe { Owned::new(accepted as Raw) }, peer))
}

/// accept4(2) by the next library's function: it may block, and the thread may leave it.
pub fn accept_cancellable(fd: Raw, flags: i32) -> Result<(Owned, Address), Errno> {
    let mut peer = Address::buffer();
    let (ptr, len) = peer.raw_mut();
    // SAFETY: the callee writes at most `len` bytes to `peer`, and its length.
    let accepted = checked(unsafe { next::accept4(fd, ptr.cast(), len, flags) } as isize)?;
    // SAFETY: the kernel has just made it, for us.
    Ok((unsafe { Owned::new(accepted as Raw) }, peer))
}

/// shutdown(2).
pub fn shutdown(fd: Raw, how: i32) -> Result<(), Errno> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_shutdown, fd, how) }.map(drop)
}

/// `SIOCOUTQ`: bytes of memory that wait for the other end.
pub fn queued(fd: Raw) -> Result<i32, Errno> {
    const SIOCOUTQ: usize = 0x5411;
    let mut answer: libc::c_int = 0;
    // SAFETY: the kernel writes an int to `answer`.
    unsafe { call!(libc::SYS_ioctl, fd, SIOCOUTQ, &raw mut answer) }?;
    Ok(answer)
}

/// `SIOCINQ`: bytes that can be read.
pub fn readable(fd: Raw) -> Result<i32, Errno> {
    const SIOCINQ: usize = 0x541b;
    let mut answer: libc::c_int = 0;
    // SAFETY: the kernel writes an int to `answer`.
    unsafe { call!(libc::SYS_ioctl, fd, SIOCINQ, &raw mut answer) }?;
    Ok(answer)
}

/// sockatmark(3): whether the next byte is an urgent one. Nothing to be asked: no.
pub fn at_mark(fd: Raw) -> bool {
    const SIOCATMARK: usize = 0x8905;
    let mut answer: libc::c_int = 0;
    // SAFETY: the kernel writes an int to `answer`.
    unsafe { call!(libc::SYS_ioctl, fd, SIOCATMARK, &raw mut answer) }.is_ok() && answer != 0
}

/// Bytes that lie there to be read (`SIOCINQ`).
pub fn waiting(fd: Raw) -> usize {
    const SIOCINQ: usize = 0x541b;
    let mut answer: libc::c_int = 0;
    // SAFETY: the kernel writes an int to `answer`.
    let asked = unsafe { call!(libc::SYS_ioctl, fd, SIOCINQ, &raw mut answer) };
    asked.map_or(0, |_| usize::try_from(answer).unwrap_or(0))
}

/// getsockname(2).
pub fn local_address(fd: Raw) -> Result<Address, Errno> {
    let mut address = Address::buffer();
    let (ptr, len) = address.raw_mut();
    // SAFETY: the kernel writes at most `len` bytes to `address`, and its length.
    unsafe { call!(libc::SYS_getsockname, fd, ptr, len) }?;
    Ok(address)
}

/// getpeername(2).
pub fn peer_address(fd: Raw) -> Result<Address, Errno> {
    let mut address = Address::buffer();
    let (ptr, len) = address.raw_mut();
    // SAFETY: the kernel writes at most `len` bytes to `address`, and its length.
    unsafe { call!(libc::SYS_getpeername, fd, ptr, len) }?;
    Ok(address)
}

/// Who is at the other end; of a listening socket, who called `listen`.
pub fn peer_cred(fd: Raw) -> Result<PeerCred, Errno> {
    let mut bytes = [0; 12];
    super::option::get(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, &mut bytes)?;
    let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    Ok(PeerCred {
        pid: i32::from_ne_bytes(word(0)),
        uid: u32::from_ne_bytes(word(4)),
        gid: u32::from_ne_bytes(word(8)),
    })
}

/// bind(2) to an address of any family, as bytes of its C structure.
pub fn bind_raw(fd: Raw, address: &[u8]) -> Result<(), Errno> {
    // SAFETY: the kernel reads `address` alone.
    unsafe { call!(libc::SYS_bind, fd, address.as_ptr(), address.len()) }.map(drop)
}

/// connect(2) to an address of any family, as bytes of its C structure.
pub fn connect_raw(fd: Raw, address: &[u8]) -> Result<(), Errno> {
    // SAFETY: the kernel reads `address` alone.
    unsafe { call!(libc::SYS_connect, fd, address.as_ptr(), address.len()) }.map(drop)
}
