//! The unix sockets that the engine holds: all non-blocking, close-on-exec, named
//! by `protocol::name`.
use crate::host;
use crate::host::message::RIGHTS_MAX;
use crate::host::unix::PeerCred;
use crate::protocol::name::{Name, NetId, Role};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
/// Connections that may wait to be accepted (the kernel caps it by `net.core.somaxconn`).
const BACKLOG: i32 = 4_096;

fn address(net: NetId, role: Role) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new_abstract_name(Name { net, role }.encode().as_bytes())
}

/// A listening socket with that name. `ADDRINUSE`: it is taken.
pub fn listener(kind: SocketType, net: NetId, role: Role) -> Result<OwnedFd, Errno> {
    let fd = net::socket_with(AddressFamily::UNIX, kind, FLAGS, None)?;
    net::bind(&fd, &address(net, role)?)?;
    net::listen(&fd, BACKLOG)?;
    Ok(fd)
}

/// A socket with that name.
pub fn bound(kind: SocketType, net: NetId, role: Role) -> Result<OwnedFd, Errno> {
    let fd = net::socket_with(AddressFamily::UNIX, kind, FLAGS, None)?;
    net::bind(&fd, &address(net, role)?)?;
    Ok(fd)
}

/// Whether no stream socket has that name.
pub fn is_free(net: NetId, role: Role) -> bool {
    !matches!(bound(SocketType::STREAM, net, role), Err(Errno::ADDRINUSE))
}

/// Connects to that name. `AGAIN`: its queue is full; `CONNREFUSED`: no socket has it.
pub fn connect(fd: &OwnedFd, net: NetId, role: Role) -> Result<(), Errno> {
    net::connect(fd, &address(net, role)?)
}

/// Two streams that are connected to one another.
pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    net::socketpair(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)
}

/// The next one that waits.
pub fn accept(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    net::accept_with(fd, FLAGS)
}

/// What the other end's name says it is, if it is of this net.
pub fn peer_role(fd: &OwnedFd, net: NetId) -> Option<Role> {
    let peer = net::getpeername(fd).ok()??;
    let peer = SocketAddrUnix::try_from(peer).ok()?;
    role_of(&peer, net)
}

/// What a name says of the socket that has it, if it is of this net.
pub fn role_of(address: &SocketAddrUnix, net: NetId) -> Option<Role> {
    let name = Name::decode(address.abstract_name()?)?;
    (name.net == net).then_some(name.role)
}

/// The process and user at the other end.
pub fn peer_cred(fd: &OwnedFd) -> Result<PeerCred, Errno> {
    host::unix::peer_cred(fd.as_raw_fd())
}

/// Looks at the first bytes without taking them.
pub fn peek(fd: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    net::recv(fd, buffer, RecvFlags::PEEK | RecvFlags::DONTWAIT).map(|(n, _)| n)
}

/// Both directions have ended.
pub fn is_hung_up(fd: &OwnedFd) -> bool {
    host::poll::now(fd.as_raw_fd()) & libc::POLLHUP != 0
}

/// Takes bytes.
pub fn read(fd: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    net::recv(fd, buffer, RecvFlags::DONTWAIT).map(|(n, _)| n)
}

/// Bytes that lie there to be taken (`SIOCINQ`).
pub fn waiting(fd: &OwnedFd) -> u32 {
    rustix::io::ioctl_fionread(fd).map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX))
}

/// Urgent bytes are read where they stand (`SO_OOBINLINE`), and a read stops before each.
pub fn keep_urgent_in_line(fd: &OwnedFd) -> Result<(), Errno> {
    host::option::set_int(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_OOBINLINE, 1)
}

/// Bytes that may lie there for the other end to take (`SO_SNDBUF`, which the kernel doubles).
pub fn set_send_buffer(fd: &OwnedFd, bytes: u32) {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    // It only bounds what is queued: not to be able to is no harm.
    let _ = host::option::set_int(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF, bytes);
}

/// Whether the other end has taken everything (`SIOCOUTQ`).
pub fn is_drained(fd: &OwnedFd) -> bool {
    host::unix::queued(fd.as_raw_fd()) == Ok(0)
}

/// Whether the next byte is an urgent one (`SIOCATMARK`).
pub fn at_mark(fd: &OwnedFd) -> bool {
    host::unix::at_mark(fd.as_raw_fd())
}

/// Gives one urgent byte.
pub fn write_urgent(fd: &OwnedFd, byte: u8) -> Result<usize, Errno> {
    net::send(fd, &[byte], SendFlags::NOSIGNAL | SendFlags::DONTWAIT | SendFlags::OOB)
}

/// Takes bytes into up to two places, and says how many descriptors came along
/// ([`crate::protocol::write_flags`]), if the read ended behind bytes that had some. They are
/// closed.
pub fn read_marked(fd: &OwnedFd, parts: [&mut [u8]; 2]) -> Result<(usize, Option<usize>), Errno> {
    let [first, second] = parts;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RIGHTS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(first), IoSliceMut::new(second)];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = net::recvmsg(fd, &mut slices, &mut control, flags)?;
    // Where none could be taken (we have too many open) the read has ended there all the same.
    let mut rights = received.flags.contains(ReturnFlags::CTRUNC).then_some(0);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            rights = Some(rights.unwrap_or(0) + fds.count());
        }
    }
    Ok((received.bytes, rights))
}

/// Gives bytes from up to two places. Never a signal.
pub fn write_vectored(fd: &OwnedFd, parts: [&[u8]; 2]) -> Result<usize, Errno> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let [first, second] = parts;
    if second.is_empty() {
        return net::send(fd, first, flags);
    }
    let slices = [IoSlice::new(first), IoSlice::new(second)];
    net::sendmsg(fd, &slices, &mut SendAncillaryBuffer::default(), flags)
}

/// A datagram: its length, its sender's name, and its sender's uid where the socket asks for
/// credentials.
pub type Received = (usize, Option<SocketAddrUnix>, Option<u32>);

/// Takes one datagram.
pub fn receive_datagram(fd: &OwnedFd, buffer: &mut [u8]) -> Result<Received, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = net::recvmsg(fd, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)?;
    let uid = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(cred) => Some(cred.uid.as_raw()),
        _ => None,
    });
    let from = got.address.and_then(|a| SocketAddrUnix::try_from(a).ok());
    Ok((got.bytes, from, uid))
}

/// Sends one packet or datagram to the connected peer.
pub fn send(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    net::send(fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

/// Sends one datagram to that name.
pub fn send_to(fd: impl AsFd, bytes: &[u8], net: NetId, role: Role) -> Result<usize, Errno> {
    net::sendto(fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT, &address(net, role)?)
}

/// The same with a descriptor that says how it arrived, if one is given. `AGAIN` also if too many
/// descriptors are on their way.
pub fn send_with_meta(
    fd: &OwnedFd,
    bytes: &[u8],
    net: NetId,
    role: Role,
    meta: Option<host::fd::Raw>,
) -> Result<usize, Errno> {
    let Some(meta) = meta else { return send_to(fd, bytes, net, role) };
    let to = host::unix::Address::abstract_name(Name { net, role }.encode().as_bytes());
    match host::message::send_bytes_noted(fd.as_raw_fd(), bytes, &to, meta) {
        Err(Errno::TOOMANYREFS) => Err(Errno::AGAIN),
        sent => sent,
    }
}

/// Tells the other end that nothing more will come.
pub fn end_of_stream(fd: &OwnedFd) {
    // Fails only if the other end is gone already.
    let _ = net::shutdown(fd, net::Shutdown::Write);
}

/// Takes no more bytes: what the other end writes from now on is a broken pipe, and if it waits for
/// room it waits no longer. What it has written is thrown away, but for a byte, which shows it an
/// error when this socket is closed.
pub fn take_no_more(fd: &OwnedFd, scratch: &mut [u8]) {
    let _ = net::shutdown(fd, net::Shutdown::Read);
    loop {
        let rest = waiting(fd).saturating_sub(1) as usize;
        let part = scratch.len().min(rest);
        match read(fd, &mut scratch[..part]) {
            Ok(1..) | Err(Errno::INTR) => {}
            Ok(0) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::SendAncillaryMessage;

    /// unix(7): a read ends behind bytes that had descriptors, and says so even if not all of those
    /// could be taken: what follows is still there.
    #[test]
    fn a_read_ends_behind_what_was_marked() {
        let (ours, theirs) = pair().unwrap();
        let send = |bytes: &[u8], rights: usize| {
            let fds = vec![theirs.as_fd(); rights];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(40))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(rights == 0 || control.push(SendAncillaryMessage::ScmRights(&fds)));
            net::sendmsg(&theirs, &[IoSlice::new(bytes)], &mut control, SendFlags::empty())
        };
        let (mut one, mut two) = ([0; 64], [0; 64]);
        let mut read = || read_marked(&ours, [&mut one[..], &mut two[..]]);
        for (bytes, rights) in [(&b"a"[..], 0), (b"bc", 1), (b"def", 40), (b"g", 0)] {
            assert_eq!(send(bytes, rights), Ok(bytes.len()));
        }
        assert_eq!(read(), Ok((3, Some(1))));
        assert!(matches!(read(), Ok((3, Some(..40)))));
        assert_eq!(read(), Ok((1, None)));
        assert_eq!(read(), Err(Errno::AGAIN));
    }
}
