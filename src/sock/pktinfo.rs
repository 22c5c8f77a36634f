//! Control messages of datagrams that a unix socket does not make: `IP_PKTINFO`, `IPV6_PKTINFO` and
//! the received TTL and TOS.
use super::annex::{Annex, Key};
use super::datagram_receive::destination;
use super::name::Role;
use super::object::{Sock, shown};
use super::tag::Tag;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::{Errno, message::Received, usermem::UserSlice};

/// `sizeof(struct cmsghdr)`, and the alignment of what follows.
const HEAD: usize = core::mem::size_of::<libc::cmsghdr>();
const ALIGN: usize = core::mem::size_of::<usize>();
/// The index of `lo`, where all local datagrams arrive. The net's links have none on the host.
const LOOPBACK_INDEX: u32 = 1;
/// What a datagram of this machine arrives with.
const TTL: i32 = 64;
/// Control messages looked at in one call, at most.
const MESSAGES_MAX: usize = 16;

/// The source address that the program's control data ask for.
pub fn source(control: UserSlice) -> Result<Option<IpAddr>, Errno> {
    let mut rest = control;
    for _ in 0..MESSAGES_MAX {
        if rest.len() < HEAD {
            break;
        }
        let head = rest.read_array::<HEAD>()?;
        let (len, level, kind) = fields(&head);
        if len < HEAD || len > rest.len() {
            return Err(Errno::INVAL);
        }
        let value = rest.first(len).skip(HEAD);
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // struct in_pktinfo: index, source, destination.
                let info: [u8; 12] = value.read_array()?;
                return Ok(unless_unspecified([info[4], info[5], info[6], info[7]].into()));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let octets: [u8; 16] = value.read_array()?;
                return Ok(unless_unspecified(IpAddr::from(octets).to_canonical()));
            }
            _ => {}
        }
        rest = rest.skip(len.next_multiple_of(ALIGN));
    }
    Ok(None)
}

fn unless_unspecified(ip: IpAddr) -> Option<IpAddr> {
    (!ip.is_unspecified()).then_some(ip)
}

fn fields(head: &[u8; HEAD]) -> (usize, i32, i32) {
    let int = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let mut len = [0; ALIGN];
    len.copy_from_slice(&head[..ALIGN]);
    (usize::from_ne_bytes(len), int(ALIGN), int(ALIGN + 4))
}

/// Adds the control messages that the program asked for behind those of the kernel.
pub fn append(
    sock: &Sock,
    sender: SocketAddr,
    role: Option<Role>,
    control: UserSlice,
    received: &mut Received,
) -> Result<(), Errno> {
    let annex = Annex::of(sock);
    let asked = |level, name| {
        Key::option(level, name).and_then(|key| annex.int(key)).is_some_and(|v| v != 0)
    };
    let (v4, v6) = (libc::IPPROTO_IP, libc::IPPROTO_IPV6);
    let to = destination(sock, sender, role);
    let mut writer = Writer { control, at: received.control_len, cut: false };
    if let IpAddr::V4(ip) = to {
        if asked(v4, libc::IP_PKTINFO) {
            let mut info = [0; 12];
            info[..4].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
            info[4..8].copy_from_slice(&ip.octets());
            info[8..].copy_from_slice(&ip.octets());
            writer.add(v4, libc::IP_PKTINFO, &info)?;
        }
        if asked(v4, libc::IP_RECVTTL) {
            writer.add(v4, libc::IP_TTL, &TTL.to_ne_bytes())?;
        }
        if asked(v4, libc::IP_RECVTOS) {
            writer.add(v4, libc::IP_TOS, &[0])?;
        }
    }
    if sock.has(Tag::IPV6) {
        if asked(v6, libc::IPV6_RECVPKTINFO) {
            let mut info = [0; 20];
            if let IpAddr::V6(ip) = shown(sock.tag, SocketAddr::new(to, 0)).ip() {
                info[..16].copy_from_slice(&ip.octets());
            }
            info[16..].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
            writer.add(v6, libc::IPV6_PKTINFO, &info)?;
        }
        if to.is_ipv6() && asked(v6, libc::IPV6_RECVHOPLIMIT) {
            writer.add(v6, libc::IPV6_HOPLIMIT, &TTL.to_ne_bytes())?;
        }
        if to.is_ipv6() && asked(v6, libc::IPV6_RECVTCLASS) {
            writer.add(v6, libc::IPV6_TCLASS, &0i32.to_ne_bytes())?;
        }
    }
    received.control_len = writer.at;
    if writer.cut {
        received.flags |= libc::MSG_CTRUNC;
    }
    Ok(())
}

struct Writer {
    control: UserSlice,
    at: usize,
    cut: bool,
}

impl Writer {
    /// As the kernel's put_cmsg: what does not fit is cut, or left out if not even the header fits.
    fn add(&mut self, level: i32, kind: i32, value: &[u8]) -> Result<(), Errno> {
        let room = self.control.skip(self.at);
        if room.len() < HEAD {
            self.cut = true;
            return Ok(());
        }
        let len = HEAD + value.len();
        let fits = len.min(room.len());
        self.cut |= fits < len;
        let mut bytes = [0; 64];
        bytes[..ALIGN].copy_from_slice(&fits.to_ne_bytes());
        bytes[ALIGN..ALIGN + 4].copy_from_slice(&level.to_ne_bytes());
        bytes[ALIGN + 4..HEAD].copy_from_slice(&kind.to_ne_bytes());
        bytes[HEAD..len].copy_from_slice(value);
        room.write(&bytes[..fits])?;
        self.at += len.next_multiple_of(ALIGN).min(room.len());
        Ok(())
    }
}
