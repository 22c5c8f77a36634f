//! Options of datagram sockets that TCP has not: those of UDP and of ICMP's sockets, and what must
//! be remembered when an option of IP changes.
use super::annex::{Annex, Key};
use super::datagram_wants::{self, UDP_NO_CHECK6_RX};
use super::object::Sock;
use super::pktinfo::{IP_ORIGDSTADDR, IPV6_2292HOPLIMIT, IPV6_ORIGDSTADDR, UDP_GRO};
use super::send_options::{SO_NO_CHECK, UDP_NO_CHECK6_TX, UDP_SEGMENT};
use super::tag::Tag;
use crate::host::{Errno, usermem::UserSlice};
use libc::{IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, SOL_RAW, SOL_SOCKET};

/// `ICMP_FILTER` of `SOL_RAW`, and `ICMPV6_FILTER` of `IPPROTO_ICMPV6`.
const FILTER: i32 = 1;
/// `IPV6_CHECKSUM`.
const IPV6_CHECKSUM: i32 = 7;

/// getsockopt(2) at a level that only datagram sockets have; the bytes of the value.
pub fn get(sock: &Sock, level: i32, name: i32) -> Result<Vec<u8>, Errno> {
    let int = |value: i32| value.to_ne_bytes().to_vec();
    match (level, name) {
        (IPPROTO_UDP, UDP_SEGMENT | UDP_GRO | UDP_NO_CHECK6_TX | UDP_NO_CHECK6_RX)
            if !sock.has(Tag::ICMP) =>
        {
            Ok(int(annex_int(sock, level, name).unwrap_or(0)))
        }
        (SOL_RAW | IPPROTO_ICMPV6, FILTER) if sock.has(Tag::RAW) => {
            let annex = Annex::of(sock);
            let words = if sock.has(Tag::IPV6) { 8 } else { 1 };
            let kept = annex.get(Key::ICMP_FILTER).unwrap_or_default();
            let word = |i: usize| kept.get(i).copied().unwrap_or(0).to_ne_bytes();
            Ok((0..words).flat_map(word).collect())
        }
        _ => Err(Errno::NOPROTOOPT),
    }
}

/// setsockopt(2) at such a level.
pub fn set(mut sock: Sock, level: i32, name: i32, value: UserSlice) -> Result<(), Errno> {
    let int = || value.read_array().map(i32::from_ne_bytes);
    match (level, name) {
        (IPPROTO_UDP, UDP_SEGMENT) if !sock.has(Tag::ICMP) => {
            let size = int()?;
            if !(0..=i32::from(u16::MAX)).contains(&size) {
                return Err(Errno::INVAL);
            }
            keep(&mut sock, level, name, &[size as u32])?;
            sock.add(Tag::SEND_OPTIONS);
            Ok(())
        }
        (IPPROTO_UDP, UDP_GRO | UDP_NO_CHECK6_RX | UDP_NO_CHECK6_TX) if !sock.has(Tag::ICMP) => {
            let on = u32::from(int()? != 0);
            keep(&mut sock, level, name, &[on])?;
            sock.add(if name == UDP_NO_CHECK6_TX { Tag::SEND_OPTIONS } else { Tag::RECV_OPTIONS });
            datagram_wants::tell(&sock);
            Ok(())
        }
        (SOL_RAW | IPPROTO_ICMPV6, FILTER) if sock.has(Tag::RAW) => set_filter(sock, value),
        // The engine makes the checksum in any case; where it is in ICMPv6 is known.
        (SOL_RAW, IPV6_CHECKSUM) if sock.has(Tag::RAW) && sock.has(Tag::IPV6) => Ok(()),
        _ => Err(Errno::NOPROTOOPT),
    }
}

fn set_filter(mut sock: Sock, value: UserSlice) -> Result<(), Errno> {
    let most = if sock.has(Tag::IPV6) { 32 } else { 4 };
    let mut bytes = [0; 32];
    let len = value.first(most).read(&mut bytes[..value.len().min(most)])?;
    let mut words = [0; 8];
    for (word, chunk) in words.iter_mut().zip(bytes[..len].chunks_exact(4)) {
        *word = chunk.try_into().map_or(0, u32::from_ne_bytes);
    }
    let mut annex = Annex::of(&sock);
    annex.set(Key::ICMP_FILTER, &words[..most / 4])?;
    annex.store(&mut sock)
}

/// `SO_NO_CHECK`: whether UDP over IPv4 leaves its checksum out.
pub fn set_no_check(sock: &mut Sock, on: bool) -> Result<(), Errno> {
    keep(sock, SOL_SOCKET, SO_NO_CHECK, &[u32::from(on)])?;
    sock.add(Tag::SEND_OPTIONS);
    Ok(())
}

/// An option of IP has a new value: the calls that send and receive look at the tag alone to know
/// whether there is any.
pub fn changed(sock: &mut Sock, level: i32, name: i32, value: i32) {
    match (level, name) {
        (
            IPPROTO_IP,
            libc::IP_TTL
            | libc::IP_TOS
            | libc::IP_MTU_DISCOVER
            | libc::IP_MULTICAST_TTL
            | libc::IP_MULTICAST_LOOP,
        )
        | (
            IPPROTO_IPV6,
            libc::IPV6_UNICAST_HOPS
            | libc::IPV6_TCLASS
            | libc::IPV6_MULTICAST_HOPS
            | libc::IPV6_MULTICAST_LOOP
            | libc::IPV6_MULTICAST_IF
            | libc::IPV6_MTU_DISCOVER
            | libc::IPV6_DONTFRAG,
        ) => sock.add(Tag::SEND_OPTIONS),
        (IPPROTO_IP, libc::IP_PKTINFO | libc::IP_RECVTTL | libc::IP_RECVTOS | IP_ORIGDSTADDR)
        | (
            IPPROTO_IPV6,
            libc::IPV6_RECVPKTINFO
            | libc::IPV6_RECVHOPLIMIT
            | libc::IPV6_RECVTCLASS
            | IPV6_2292HOPLIMIT
            | IPV6_ORIGDSTADDR,
        ) => sock.add(Tag::RECV_OPTIONS),
        (IPPROTO_IP, libc::IP_RECVERR) | (IPPROTO_IPV6, libc::IPV6_RECVERR) => {
            if value != 0 {
                sock.add(Tag::RECVERR);
            } else {
                sock.remove(Tag::RECVERR);
            }
            datagram_wants::tell(sock);
        }
        _ => {}
    }
}

fn annex_int(sock: &Sock, level: i32, name: i32) -> Option<i32> {
    if !sock.has(Tag::ANNEX) {
        return None;
    }
    Annex::of(sock).int(Key::option(level, name)?)
}

fn keep(sock: &mut Sock, level: i32, name: i32, words: &[u32]) -> Result<(), Errno> {
    let mut annex = Annex::of(sock);
    annex.set(Key::option(level, name).ok_or(Errno::NOPROTOOPT)?, words)?;
    annex.store(sock)
}
