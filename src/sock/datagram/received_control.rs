//! Control messages of received datagrams that a unix socket does not make: `IP_PKTINFO`,
//! `IPV6_PKTINFO` and the received TTL and TOS.
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::{Errno, event, fd, memory_file, usermem::UserSlice};
use crate::protocol::datagram::ReceiveMeta;
use crate::sock::control_data::{ALIGN, HEAD, Writer, fields};
use crate::sock::descriptor::extra::SocketExtra;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::sockaddr::encode;
use crate::sock::descriptor::socket::Socket;
use crate::sock::options::names::{IP_ORIGDSTADDR, IPV6_2292HOPLIMIT, IPV6_ORIGDSTADDR, UDP_GRO};

/// The index of `lo`, where all local datagrams arrive. The net's links have none on the host.
const LOOPBACK_INDEX: u32 = 1;

/// Room for the kernel's own control messages.
#[repr(C, align(8))]
pub struct KernelControl([u8; 256]);

impl Default for KernelControl {
    fn default() -> KernelControl {
        KernelControl::new()
    }
}

impl KernelControl {
    /// Nothing in it.
    pub fn new() -> KernelControl {
        KernelControl([0; 256])
    }
    /// To be written by the kernel.
    pub fn room(&mut self) -> UserSlice<'_> {
        UserSlice::from_bytes(&mut self.0)
    }
    /// Passes on what is for the program (timestamps and the like), and reads the [`ReceiveMeta`]
    /// that came along. Descriptors stay here, and are closed.
    pub fn pass_on(&self, len: usize, writer: &mut Writer) -> Result<Option<ReceiveMeta>, Errno> {
        let mut meta = None;
        let mut rest = self.0.get(..len).unwrap_or(&self.0);
        while let Some(head) = rest.first_chunk::<HEAD>() {
            let (len, level, kind) = fields(head);
            let Some(value) = rest.get(HEAD..len) else { break };
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for number in value.chunks_exact(4) {
                        let number = number.try_into().map_or(-1, i32::from_ne_bytes);
                        meta = meta.or_else(|| read_meta(number));
                        let _ = fd::close(number);
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {}
                _ => writer.add(level, kind, value)?,
            }
            rest = rest.get(len.next_multiple_of(ALIGN)..).unwrap_or_default();
        }
        Ok(meta)
    }
}

fn read_meta(file: fd::Raw) -> Option<ReceiveMeta> {
    let mut bytes = [0; ReceiveMeta::MAX];
    match memory_file::read(file, &mut bytes) {
        Ok(len) => ReceiveMeta::decode(bytes.get(..len)?),
        Err(_) => ReceiveMeta::from_number(event::number_in(file)?),
    }
}

/// Adds the control messages that the program asked for of a datagram to the address `to`, in
/// Linux' order (ip_cmsg_recv_offset, ip6_datagram_recv_ctl).
pub fn append(
    sock: &Socket,
    to: IpAddr,
    meta: &ReceiveMeta,
    writer: &mut Writer,
) -> Result<(), Errno> {
    let mut extra = SocketExtra::new();
    extra.read(sock);
    let asked = |level, name| extra.option(level, name).is_some_and(|v| v != 0);
    if meta.segment != 0 && asked(libc::IPPROTO_UDP, UDP_GRO) {
        writer.add(libc::IPPROTO_UDP, UDP_GRO, &i32::from(meta.segment).to_ne_bytes())?;
    }
    if let IpAddr::V4(ip) = to {
        append_v4(sock, ip, meta, writer, &asked)?;
    }
    if sock.has(SocketFlags::IPV6) {
        append_v6(sock, to, meta, writer, &asked)?;
    }
    Ok(())
}

fn append_v4(
    sock: &Socket,
    to: core::net::Ipv4Addr,
    meta: &ReceiveMeta,
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
        writer.add(level, libc::IP_TTL, &i32::from(meta.ttl).to_ne_bytes())?;
    }
    if asked(level, libc::IP_RECVTOS) {
        writer.add(level, libc::IP_TOS, &[meta.tos])?;
    }
    if asked(level, IP_ORIGDSTADDR) {
        let port = sock.bound_address().port();
        let address = encode(SocketAddr::new(to.into(), port));
        writer.add(level, IP_ORIGDSTADDR, address.as_bytes())?;
    }
    Ok(())
}

fn append_v6(
    sock: &Socket,
    to: IpAddr,
    meta: &ReceiveMeta,
    writer: &mut Writer,
    asked: &impl Fn(i32, i32) -> bool,
) -> Result<(), Errno> {
    let level = libc::IPPROTO_IPV6;
    if asked(level, libc::IPV6_RECVPKTINFO) {
        let mut info = [0; 20];
        if let IpAddr::V6(ip) = sock.shown(SocketAddr::new(to, 0)).ip() {
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
            writer.add(level, kind, &i32::from(meta.ttl).to_ne_bytes())?;
        }
    }
    if asked(level, libc::IPV6_RECVTCLASS) {
        writer.add(level, libc::IPV6_TCLASS, &i32::from(meta.tos).to_ne_bytes())?;
    }
    if asked(level, IPV6_ORIGDSTADDR) {
        let port = sock.bound_address().port();
        writer.add(level, IPV6_ORIGDSTADDR, encode(SocketAddr::new(to, port)).as_bytes())?;
    }
    Ok(())
}
