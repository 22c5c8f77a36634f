//! How a datagram is to leave: what the socket's options and the call's control data say.
use crate::base::addr::IpAddr;
use crate::host::{Errno, usermem::UserSlice};
use crate::protocol::datagram::SendSettings;
use crate::sock::control_data::{ALIGN, HEAD, fields};
use crate::sock::descriptor::extra::SocketExtra;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use crate::sock::options::names::{
    IPV6_2292HOPLIMIT, MULTICAST_INDEX, SO_NO_CHECK, UDP_NO_CHECK6_TX, UDP_SEGMENT,
};
use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP};

/// Control messages looked at in one call, at most.
const MESSAGES_MAX: usize = 16;

/// What is asked for besides the bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// The source address.
    pub source: Option<IpAddr>,
    /// From control data; what is not in them is the socket's.
    given: Given,
}

#[derive(Clone, Copy, Debug, Default)]
struct Given {
    ttl: Option<u8>,
    tos: Option<u8>,
    segment: Option<u16>,
    never_cut: bool,
}

impl Asked {
    /// Reads control data, with Linux' errors (ip_cmsg_send, ip6_datagram_send_ctl, udp_cmsg_send).
    pub fn read(control: UserSlice) -> Result<Asked, Errno> {
        let mut asked = Asked::default();
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
            asked.take(level, kind, rest.first(len).skip(HEAD))?;
            rest = rest.skip(len.next_multiple_of(ALIGN));
        }
        Ok(asked)
    }

    fn take(&mut self, level: i32, kind: i32, value: UserSlice) -> Result<(), Errno> {
        let given = &mut self.given;
        match (level, kind) {
            (IPPROTO_IP, libc::IP_PKTINFO) => {
                // struct in_pktinfo: index, source, destination.
                let info: [u8; 12] = value.read_array()?;
                self.source = unless_unspecified([info[4], info[5], info[6], info[7]].into());
            }
            (IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let octets: [u8; 16] = value.read_array()?;
                self.source = unless_unspecified(IpAddr::from(octets).to_canonical());
            }
            (IPPROTO_IP, libc::IP_TTL) => given.ttl = Some(byte(value, 1)?),
            (IPPROTO_IP, libc::IP_TOS) if value.len() == 1 => {
                given.tos = Some(value.read_array::<1>()?[0]);
            }
            (IPPROTO_IP, libc::IP_TOS) => given.tos = Some(byte(value, 0)?),
            (IPPROTO_IPV6, libc::IPV6_HOPLIMIT | IPV6_2292HOPLIMIT) => {
                given.ttl = byte_or_default(value)?
            }
            (IPPROTO_IPV6, libc::IPV6_TCLASS) => given.tos = byte_or_default(value)?,
            (IPPROTO_IPV6, libc::IPV6_DONTFRAG) => given.never_cut = int(value)? == 1,
            (IPPROTO_UDP, UDP_SEGMENT) => {
                given.segment = Some(u16::from_ne_bytes(exactly::<2>(value)?));
            }
            // Linux knows no others at these levels.
            (IPPROTO_IP, _) if !matches!(kind, libc::IP_RETOPTS | IP_PROTOCOL) => {
                return Err(Errno::INVAL);
            }
            _ => {}
        }
        Ok(())
    }

    /// How a datagram for `to` leaves: what was given goes before what the socket has.
    pub fn settings(&self, sock: &Socket, to: IpAddr) -> SendSettings {
        let mut settings = if sock.has(SocketFlags::SEND_OPTIONS) {
            of_socket(sock, to)
        } else {
            SendSettings::default()
        };
        settings.ttl = self.given.ttl.or(settings.ttl);
        settings.tos = self.given.tos.unwrap_or(settings.tos);
        settings.segment = self.given.segment.unwrap_or(settings.segment);
        if self.given.never_cut {
            settings.discover = Some(libc::IP_PMTUDISC_DO as u8);
        }
        settings
    }
}

/// `IP_PROTOCOL`, which only raw sockets take.
const IP_PROTOCOL: i32 = 52;

fn exactly<const N: usize>(value: UserSlice) -> Result<[u8; N], Errno> {
    if value.len() == N { value.read_array() } else { Err(Errno::INVAL) }
}

fn int(value: UserSlice) -> Result<i32, Errno> {
    exactly(value).map(i32::from_ne_bytes)
}

fn byte(value: UserSlice, least: u8) -> Result<u8, Errno> {
    u8::try_from(int(value)?).ok().filter(|v| *v >= least).ok_or(Errno::INVAL)
}

/// -1 stands for the socket's own.
fn byte_or_default(value: UserSlice) -> Result<Option<u8>, Errno> {
    match int(value)? {
        -1 => Ok(None),
        value => u8::try_from(value).map(Some).map_err(|_| Errno::INVAL),
    }
}

fn unless_unspecified(ip: IpAddr) -> Option<IpAddr> {
    (!ip.is_unspecified()).then_some(ip)
}

fn of_socket(sock: &Socket, to: IpAddr) -> SendSettings {
    let mut extra = SocketExtra::new();
    extra.read(sock);
    let option = |level, name| extra.option(level, name);
    let v4 = to.to_canonical().is_ipv4();
    let byte = |value: Option<i32>| value.and_then(|v| u8::try_from(v).ok());
    let (level, ttl, group_ttl, tos, discover) = if v4 {
        let discover = libc::IP_MTU_DISCOVER;
        (IPPROTO_IP, libc::IP_TTL, libc::IP_MULTICAST_TTL, libc::IP_TOS, discover)
    } else {
        let (hops, group) = (libc::IPV6_UNICAST_HOPS, libc::IPV6_MULTICAST_HOPS);
        (IPPROTO_IPV6, hops, group, libc::IPV6_TCLASS, libc::IPV6_MTU_DISCOVER)
    };
    let ttl = if to.is_multicast() { group_ttl } else { ttl };
    let usual = if to.is_multicast() { 1 } else { 64 };
    let mut discover = byte(option(level, discover)).filter(|d| *d != 1);
    if !v4 && option(IPPROTO_IPV6, libc::IPV6_DONTFRAG) == Some(1) {
        discover = Some(libc::IP_PMTUDISC_DO as u8);
    }
    let no_checksum = if v4 {
        option(libc::SOL_SOCKET, SO_NO_CHECK) == Some(1)
    } else {
        option(IPPROTO_UDP, UDP_NO_CHECK6_TX) == Some(1)
    };
    let (mut no_loop, mut interface) = (false, 0);
    if to.is_multicast() {
        let (looped, index) = match v4 {
            true => (libc::IP_MULTICAST_LOOP, MULTICAST_INDEX),
            false => (libc::IPV6_MULTICAST_LOOP, libc::IPV6_MULTICAST_IF),
        };
        no_loop = option(level, looped) == Some(0);
        interface = byte(option(level, index)).unwrap_or(0);
    }
    SendSettings {
        no_loop,
        interface,
        ttl: byte(option(level, ttl)).filter(|t| *t != usual),
        tos: byte(option(level, tos)).unwrap_or(0),
        discover,
        no_checksum,
        segment: option(IPPROTO_UDP, UDP_SEGMENT).and_then(|s| u16::try_from(s).ok()).unwrap_or(0),
    }
}
