//! Control messages of datagrams that a unix socket does not make: `IP_PKTINFO`, `IPV6_PKTINFO` and
//! the received TTL and TOS.
use super::annex::{Annex, Key};
use super::datagram_receive::destination;
use super::object::{Sock, shown};
use super::sockaddr::encode;
use super::tag::Tag;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::{Errno, fd, memory_file, message::Received, usermem::UserSlice};
use crate::protocol::datagram::ReceiveMeta;
use crate::protocol::name::Role;

/// `sizeof(struct cmsghdr)`, and the alignment of what follows.
const HEAD: usize = core::mem::size_of::<libc::cmsghdr>();
const ALIGN: usize = core::mem::size_of::<usize>();
/// `UDP_GRO`.
pub const UDP_GRO: i32 = 104;
/// `IP_ORIGDSTADDR` and `IPV6_ORIGDSTADDR`: what is asked for, and what comes.
pub const IP_ORIGDSTADDR: i32 = 20;
/// See [`IP_ORIGDSTADDR`].
pub const IPV6_ORIGDSTADDR: i32 = 74;
/// `IPV6_HOPLIMIT` as RFC 2292 had it: asked for and given under one name.
pub const IPV6_2292HOPLIMIT: i32 = 8;
/// The index of `lo`, where all local datagrams arrive. The net's links have none on the host.
const LOOPBACK_INDEX: u32 = 1;

/// Length, level and type of a control message.
pub(super) fn fields(head: &[u8; HEAD]) -> (usize, i32, i32) {
    let int = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let mut len = [0; ALIGN];
    len.copy_from_slice(&head[..ALIGN]);
    (usize::from_ne_bytes(len), int(ALIGN), int(ALIGN + 4))
}

/// Room for the kernel's own control messages.
#[repr(C, align(8))]
pub struct KernelControl([u8; 256]);

impl KernelControl {
    /// Nothing in it.
    pub fn new() -> KernelControl {
        KernelControl([0; 256])
    }
    /// To be written by the kernel.
    pub fn room(&mut self) -> UserSlice {
        UserSlice::from_bytes(&mut self.0)
    }
    /// Passes on what is for the program (timestamps and the like), and reads the note that came
    /// along. Descriptors stay here, and are closed.
    pub fn pass_on(&self, len: usize, writer: &mut Writer) -> Result<Option<ReceiveMeta>, Errno> {
        let mut note = None;
        let mut rest = self.0.get(..len).unwrap_or(&self.0);
        while let Some(head) = rest.first_chunk::<HEAD>() {
            let (len, level, kind) = fields(head);
            let Some(value) = rest.get(HEAD..len) else { break };
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for number in value.chunks_exact(4) {
                        let number = number.try_into().map_or(-1, i32::from_ne_bytes);
                        note = note.or_else(|| read_note(number));
                        let _ = fd::close(number);
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {}
                _ => writer.add(level, kind, value)?,
            }
            rest = rest.get(len.next_multiple_of(ALIGN)..).unwrap_or_default();
        }
        Ok(note)
    }
}

fn read_note(file: fd::Raw) -> Option<ReceiveMeta> {
    let mut bytes = [0; ReceiveMeta::MAX];
    let len = memory_file::read(file, &mut bytes).ok()?;
    ReceiveMeta::decode(bytes.get(..len)?)
}

/// Adds the control messages that the program asked for, in Linux' order (ip_cmsg_recv_offset,
/// ip6_datagram_recv_ctl).
pub fn append(
    sock: &Sock,
    sender: SocketAddr,
    role: Option<Role>,
    note: &ReceiveMeta,
    writer: &mut Writer,
) -> Result<(), Errno> {
    let annex = Annex::of(sock);
    let asked = |level, name| {
        Key::option(level, name).and_then(|key| annex.int(key)).is_some_and(|v| v != 0)
    };
    let to = note.destination.unwrap_or_else(|| destination(sock, sender, role));
    if note.segment != 0 && asked(libc::IPPROTO_UDP, UDP_GRO) {
        writer.add(libc::IPPROTO_UDP, UDP_GRO, &i32::from(note.segment).to_ne_bytes())?;
    }
    if let IpAddr::V4(ip) = to {
        append_v4(sock, ip, note, writer, &asked)?;
    }
    if sock.has(Tag::IPV6) {
        append_v6(sock, to, note, writer, &asked)?;
    }
    Ok(())
}

fn append_v4(
    sock: &Sock,
    to: core::net::Ipv4Addr,
    note: &ReceiveMeta,
    writer: &mut Writer,
    asked: &impl Fn(i32, i32) -> bool,
) -> Result<(), Errno> {
    let level = libc::IPPROTO_IP;
    if asked(level, libc::IP_PKTINFO) {
        let mut info = [0; 12];
        info[..4].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
        info[4..8].copy_from_slice(&to.octets());
        info[8..].copy_from_slice(&to.octets());
        writer.add(level, libc::IP_PKTINFO, &info)?;
    }
    if asked(level, libc::IP_RECVTTL) {
        writer.add(level, libc::IP_TTL, &i32::from(note.ttl).to_ne_bytes())?;
    }
    if asked(level, libc::IP_RECVTOS) {
        writer.add(level, libc::IP_TOS, &[note.tos])?;
    }
    if asked(level, IP_ORIGDSTADDR) {
        let port = super::names::bound_name(sock).port();
        let address = encode(SocketAddr::new(to.into(), port));
        writer.add(level, IP_ORIGDSTADDR, address.as_bytes())?;
    }
    Ok(())
}

fn append_v6(
    sock: &Sock,
    to: IpAddr,
    note: &ReceiveMeta,
    writer: &mut Writer,
    asked: &impl Fn(i32, i32) -> bool,
) -> Result<(), Errno> {
    let level = libc::IPPROTO_IPV6;
    if asked(level, libc::IPV6_RECVPKTINFO) {
        let mut info = [0; 20];
        if let IpAddr::V6(ip) = shown(sock.tag, SocketAddr::new(to, 0)).ip() {
            info[..16].copy_from_slice(&ip.octets());
        }
        info[16..].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
        writer.add(level, libc::IPV6_PKTINFO, &info)?;
    }
    if to.is_ipv4() {
        return Ok(());
    }
    for (option, kind) in
        [(libc::IPV6_RECVHOPLIMIT, libc::IPV6_HOPLIMIT), (IPV6_2292HOPLIMIT, IPV6_2292HOPLIMIT)]
    {
        if asked(level, option) {
            writer.add(level, kind, &i32::from(note.ttl).to_ne_bytes())?;
        }
    }
    if asked(level, libc::IPV6_RECVTCLASS) {
        writer.add(level, libc::IPV6_TCLASS, &i32::from(note.tos).to_ne_bytes())?;
    }
    if asked(level, IPV6_ORIGDSTADDR) {
        let port = super::names::bound_name(sock).port();
        writer.add(level, IPV6_ORIGDSTADDR, encode(SocketAddr::new(to, port)).as_bytes())?;
    }
    Ok(())
}

/// Control data as they are given to the program.
pub struct Writer {
    control: UserSlice,
    at: usize,
    cut: bool,
}

impl Writer {
    /// Into this buffer of the program.
    pub fn new(control: UserSlice) -> Writer {
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
