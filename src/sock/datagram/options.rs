//! Options of datagram sockets that TCP has not: those of UDP and of ICMP's sockets, and what must
//! be remembered when an option of IP changes.
use super::interest;
use crate::host::{Errno, usermem::UserSlice};
use crate::sock::descriptor::extra::{Key, SocketExtra};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use crate::sock::options::names::{
    ICMP_FILTER as FILTER, IP_ORIGDSTADDR, IPV6_2292HOPLIMIT, IPV6_CHECKSUM, IPV6_ORIGDSTADDR,
    SO_NO_CHECK, UDP_GRO, UDP_NO_CHECK6_RX, UDP_NO_CHECK6_TX, UDP_SEGMENT,
};
use crate::sock::options::{keep, kept};
use libc::{IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, SOL_RAW, SOL_SOCKET};

/// getsockopt(2) at a level that only datagram sockets have; how many bytes were written.
pub fn get(sock: &Socket, level: i32, name: i32, value: UserSlice) -> Result<usize, Errno> {
    match (level, name) {
        (IPPROTO_UDP, UDP_SEGMENT | UDP_GRO | UDP_NO_CHECK6_TX | UDP_NO_CHECK6_RX)
            if !sock.has(SocketFlags::ICMP) =>
        {
            value.write(&kept(sock, level, name).unwrap_or(0).to_ne_bytes())
        }
        (SOL_RAW | IPPROTO_ICMPV6, FILTER) if sock.has(SocketFlags::RAW) => {
            let mut extra = SocketExtra::new();
            extra.read_one(sock, Key::ICMP_FILTER);
            let kept = extra.get(Key::ICMP_FILTER);
            let mut bytes = [0; 32];
            for (i, place) in bytes.chunks_exact_mut(4).enumerate() {
                let word = kept.and_then(|words| words.word(i)).unwrap_or(0);
                place.copy_from_slice(&word.to_ne_bytes());
            }
            value.write(&bytes[..if sock.has(SocketFlags::IPV6) { 32 } else { 4 }])
        }
        _ => Err(Errno::NOPROTOOPT),
    }
}

/// setsockopt(2) at such a level.
pub fn set(mut sock: Socket, level: i32, name: i32, value: UserSlice) -> Result<(), Errno> {
    let int = || value.read_array().map(i32::from_ne_bytes);
    match (level, name) {
        (IPPROTO_UDP, UDP_SEGMENT) if !sock.has(SocketFlags::ICMP) => {
            let size = int()?;
            if !(0..=i32::from(u16::MAX)).contains(&size) {
                return Err(Errno::INVAL);
            }
            keep(&mut sock, level, name, size)?;
            sock.add(SocketFlags::SEND_OPTIONS);
            Ok(())
        }
        (IPPROTO_UDP, UDP_GRO | UDP_NO_CHECK6_RX | UDP_NO_CHECK6_TX)
            if !sock.has(SocketFlags::ICMP) =>
        {
            keep(&mut sock, level, name, i32::from(int()? != 0))?;
            sock.add(if name == UDP_NO_CHECK6_TX {
                SocketFlags::SEND_OPTIONS
            } else {
                SocketFlags::RECV_OPTIONS
            });
            interest::tell(&sock);
            Ok(())
        }
        (SOL_RAW | IPPROTO_ICMPV6, FILTER) if sock.has(SocketFlags::RAW) => set_filter(sock, value),
        // The engine makes the checksum in any case; where it is in ICMPv6 is known.
        (SOL_RAW, IPV6_CHECKSUM) if sock.has(SocketFlags::RAW) && sock.has(SocketFlags::IPV6) => {
            Ok(())
        }
        _ => Err(Errno::NOPROTOOPT),
    }
}

fn set_filter(mut sock: Socket, value: UserSlice) -> Result<(), Errno> {
    let most = if sock.has(SocketFlags::IPV6) { 32 } else { 4 };
    let mut bytes = [0; 32];
    let len = value.first(most).read(&mut bytes[..value.len().min(most)])?;
    let mut words = [0; 8];
    for (word, chunk) in words.iter_mut().zip(bytes[..len].chunks_exact(4)) {
        *word = chunk.try_into().map_or(0, u32::from_ne_bytes);
    }
    SocketExtra::edit(&mut sock, |extra| extra.set(Key::ICMP_FILTER, &words[..most / 4]))
}

/// `SO_NO_CHECK`: whether UDP over IPv4 leaves its checksum out.
pub fn set_no_check(sock: &mut Socket, on: bool) -> Result<(), Errno> {
    keep(sock, SOL_SOCKET, SO_NO_CHECK, i32::from(on))?;
    sock.add(SocketFlags::SEND_OPTIONS);
    Ok(())
}

/// An option of IP has a new value: the calls that send and receive look at the flags alone to know
/// whether there is any.
pub fn changed(sock: &mut Socket, level: i32, name: i32, value: i32) {
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
        ) => sock.add(SocketFlags::SEND_OPTIONS),
        (IPPROTO_IP, libc::IP_PKTINFO | libc::IP_RECVTTL | libc::IP_RECVTOS | IP_ORIGDSTADDR)
        | (
            IPPROTO_IPV6,
            libc::IPV6_RECVPKTINFO
            | libc::IPV6_RECVHOPLIMIT
            | libc::IPV6_RECVTCLASS
            | IPV6_2292HOPLIMIT
            | IPV6_ORIGDSTADDR,
        ) => sock.add(SocketFlags::RECV_OPTIONS),
        (IPPROTO_IP, libc::IP_RECVERR) | (IPPROTO_IPV6, libc::IPV6_RECVERR) => {
            if value != 0 {
                sock.add(SocketFlags::RECVERR);
            } else {
                sock.remove(SocketFlags::RECVERR);
            }
            interest::tell(sock);
        }
        _ => {}
    }
}
