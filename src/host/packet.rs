//! Raw sockets on a network interface (packet(7)), and batches of received frames.
use super::{
    Errno,
    fd::Raw,
    option,
    raw::{call, syscall6},
};
use crate::base::MacAddr;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

// linux/if_packet.h; not in `libc` for every target.
const PACKET_ADD_MEMBERSHIP: i32 = 1;
const PACKET_STATISTICS: i32 = 6;
const PACKET_VNET_HDR: i32 = 15;
const PACKET_IGNORE_OUTGOING: i32 = 23;
const PACKET_MR_PROMISC: u16 = 1;
const PACKET_MR_ALLMULTI: u16 = 2;
const PACKET_MR_UNICAST: u16 = 3;
const SO_ATTACH_FILTER: i32 = 26;
/// `ETH_P_ALL`, in network order as `sockaddr_ll` wants it.
const ALL_PROTOCOLS: u16 = 3u16.to_be();

/// A raw socket, non-blocking, that receives nothing before [`bind`].
///
/// # Errors
/// `EPERM` without CAP_NET_RAW.
pub fn open() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)
}

/// Puts a `virtio_net_hdr` in front of each frame, both ways, and with it the offloads.
pub fn set_vnet_header(fd: Raw) -> Result<(), Errno> {
    option::set_int(fd, libc::SOL_PACKET, PACKET_VNET_HDR, 1)
}

/// Do not show us what this host sends through the interface (Linux 4.20).
pub fn ignore_outgoing(fd: Raw) -> Result<(), Errno> {
    option::set_int(fd, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
}

/// Socket buffers of these sizes in bytes, or as much as we may have.
pub fn set_buffers(fd: Raw, receive: i32, send: i32) {
    for (force, plain, size) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, receive),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, send),
    ] {
        if option::set_int(fd, libc::SOL_SOCKET, force, size).is_err() {
            // Above the system's limit it is cut to it, without an error.
            let _ = option::set_int(fd, libc::SOL_SOCKET, plain, size);
        }
    }
}

/// Frames that were dropped because the socket's buffer was full, since the last call.
pub fn take_drops(fd: Raw) -> u32 {
    let mut stats = [0; 8];
    match option::get(fd, libc::SOL_PACKET, PACKET_STATISTICS, &mut stats) {
        Ok(8) => u32::from_ne_bytes([stats[4], stats[5], stats[6], stats[7]]),
        _ => 0,
    }
}

/// Makes the interface accept frames to `mac` (unless it is its own address) and to all groups.
pub fn join(fd: Raw, index: u32, mac: MacAddr, own: MacAddr) -> Result<(), Errno> {
    if mac != own && membership(fd, index, PACKET_MR_UNICAST, &mac.0).is_err() {
        // An interface that cannot have a second address.
        membership(fd, index, PACKET_MR_PROMISC, &[])?;
    }
    if membership(fd, index, PACKET_MR_ALLMULTI, &[]).is_err() {
        membership(fd, index, PACKET_MR_PROMISC, &[])?;
    }
    Ok(())
}

fn membership(fd: Raw, index: u32, kind: u16, address: &[u8]) -> Result<(), Errno> {
    // struct packet_mreq: int ifindex; u16 type; u16 alen; u8 address[8].
    let mut request = [0; 16];
    request[..4].copy_from_slice(&index.to_ne_bytes());
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    request[6..8].copy_from_slice(&(address.len() as u16).to_ne_bytes());
    request[8..8 + address.len()].copy_from_slice(address);
    option::set(fd, libc::SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request)
}

/// Begins to receive what comes in through the interface `index`.
pub fn bind(fd: Raw, index: u32) -> Result<(), Errno> {
    // struct sockaddr_ll.
    let mut address = [0u8; 20];
    address[..2].copy_from_slice(&(libc::AF_PACKET as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&ALL_PROTOCOLS.to_ne_bytes());
    address[4..8].copy_from_slice(&index.to_ne_bytes());
    // SAFETY: the kernel reads `address` alone.
    unsafe { call!(libc::SYS_bind, fd, address.as_ptr(), address.len()) }.map(drop)
}

/// Lets the kernel drop frames that are neither for `mac` nor for a group, and those of a VLAN: the
/// kernel has taken their tag off, so they would look like ours.
pub fn attach_filter(fd: Raw, mac: MacAddr) -> Result<(), Errno> {
    let [a, b, c, d, e, f] = mac.0;
    // Kernel's extensions of BPF: what it knows of the frame, at "offsets" from SKF_AD_OFF.
    const VLAN_TAG: u32 = (-0x1000i32 + 44) as u32;
    const VLAN_TAG_PRESENT: u32 = (-0x1000i32 + 48) as u32;
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_EQUAL: u16 = 0x15;
    const JUMP_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    let op = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let jump = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        op(LOAD_WORD, VLAN_TAG_PRESENT),
        jump(JUMP_EQUAL, 0, 3, 0),
        op(LOAD_WORD, VLAN_TAG),
        // VLAN 0 is no VLAN: only a priority.
        op(AND, 0x0fff),
        jump(JUMP_EQUAL, 0, 0, 7),
        op(LOAD_BYTE, 0),
        jump(JUMP_SET, 1, 4, 0),
        op(LOAD_WORD, 0),
        jump(JUMP_EQUAL, u32::from_be_bytes([a, b, c, d]), 0, 3),
        op(LOAD_HALF, 4),
        jump(JUMP_EQUAL, u32::from(u16::from_be_bytes([e, f])), 0, 1),
        op(RETURN, u32::MAX),
        op(RETURN, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel reads the `sock_fprog`, and the instructions that it points at.
    unsafe {
        call!(
            libc::SYS_setsockopt,
            fd,
            libc::SOL_SOCKET,
            SO_ATTACH_FILTER,
            &raw const program,
            size_of_val(&program)
        )
    }
    .map(drop)
}

/// Room for a batch of received messages.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    size: usize,
    /// Lengths of the messages of the last batch; `None` for one that did not fit.
    lengths: Vec<Option<usize>>,
}

impl Batch {
    /// Messages at once, at most.
    pub const COUNT: usize = 32;

    /// Room for messages of at most `size` bytes.
    pub fn new(size: usize) -> Batch {
        // Untouched memory of a zeroed vector costs nothing until frames of that size come.
        let lengths = Vec::with_capacity(Batch::COUNT);
        Batch { bytes: vec![0; size * Batch::COUNT], size, lengths }
    }
    /// Receives what is there, at most [`Batch::COUNT`] messages; how many.
    ///
    /// # Errors
    /// `EAGAIN`: nothing there.
    pub fn receive(&mut self, fd: &OwnedFd) -> Result<usize, Errno> {
        // SAFETY: a null pointer and length 0 are what "no name, no control data" is.
        let empty: libc::mmsghdr = unsafe { core::mem::zeroed() };
        let mut headers = [empty; Batch::COUNT];
        let mut pieces: [libc::iovec; Batch::COUNT] = core::array::from_fn(|i| libc::iovec {
            iov_base: self.bytes[i * self.size..].as_mut_ptr().cast(),
            iov_len: self.size,
        });
        let first = pieces.as_mut_ptr();
        for (i, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_iov = first.wrapping_add(i);
            header.msg_hdr.msg_iovlen = 1;
        }
        self.lengths.clear();
        let number = libc::SYS_recvmmsg;
        let at = headers.as_mut_ptr() as usize;
        let args = [fd.as_raw_fd() as usize, at, Batch::COUNT, libc::MSG_DONTWAIT as usize, 0, 0];
        // SAFETY: the kernel writes to `headers`, and through `pieces` to distinct parts of
        // `bytes`, `size` bytes each; all outlive the call.
        let count = super::raw::result(unsafe { syscall6(number, args) })?;
        self.lengths.extend(headers.iter().take(count).map(|header| {
            let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            (!cut).then_some((header.msg_len as usize).min(self.size))
        }));
        Ok(count)
    }
    /// The messages of the last batch; `None` for one that did not fit.
    pub fn messages(&mut self) -> impl Iterator<Item = Option<&mut [u8]>> {
        let chunks = self.bytes.chunks_exact_mut(self.size);
        chunks.zip(&self.lengths).map(|(bytes, len)| len.map(|len| &mut bytes[..len]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_message_boundaries() {
        use std::os::fd::OwnedFd;
        let (a, b) = std::os::unix::net::UnixDatagram::pair().unwrap();
        for message in [&b"one"[..], b"", b"three", &[7; 20]] {
            a.send(message).unwrap();
        }
        let mut batch = Batch::new(10);
        assert_eq!(batch.receive(&OwnedFd::from(b)), Ok(4));
        let got: Vec<_> = batch.messages().map(|m| m.map(|m| m.to_vec())).collect();
        assert_eq!(got, [Some(b"one".to_vec()), Some(vec![]), Some(b"three".to_vec()), None]);
        let empty = OwnedFd::from(a);
        assert_eq!(batch.receive(&empty), Err(Errno::AGAIN));
        assert_eq!(batch.messages().count(), 0);
    }
}
