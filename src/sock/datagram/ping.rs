//! ICMP sockets: echo sockets (`SOCK_DGRAM`, as Linux's ping sockets) and raw ones.
//!
//! They are datagram sockets whose port is the identifier of their requests. What goes to the wire
//! is handed to the engine as datagrams are; requests to one of our own addresses are answered
//! here.
use super::interest;
use super::outgoing::{self, Outgoing};
use super::peer;
use super::route::{self, Route};
use super::send_settings::Asked;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::{
    Errno,
    message::{self, Payload},
    scratch::Scratch,
    unix,
    usermem::UserSlice,
};
use crate::protocol::name::{Name, NetId, Role, Transport};
use crate::sock::bind;
use crate::sock::descriptor::extra::{Key, SocketExtra};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::{Socket, address_of};
use crate::sock::net;

/// Length of an ICMP header.
const HEADER: usize = 8;
/// Types of echo requests and replies.
const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;

/// Sends a message, with Linux' errors (ping_common_sendmsg).
pub fn send(
    sock: Socket,
    out: Outgoing,
    asked: &Asked,
    to: Option<SocketAddr>,
) -> Result<usize, Errno> {
    let raw = sock.has(SocketFlags::RAW);
    if out.len > usize::from(u16::MAX) {
        return Err(Errno::MSGSIZE);
    }
    if out.len < HEADER && !raw {
        return Err(Errno::INVAL);
    }
    if sock.has(SocketFlags::WRITE_SHUT) {
        return Err(Errno::PIPE);
    }
    let mut memory = Scratch::new(out.len.max(HEADER))?;
    out.payload.read(&mut memory)?;
    let message = &mut memory[..out.len];
    let request = if sock.has(SocketFlags::IPV6) { REQUEST_V6 } else { REQUEST_V4 };
    if !raw && message[..2] != [request, 0] {
        return Err(Errno::INVAL);
    }
    let mut to = to.or_else(|| peer::peer(&sock)).ok_or(Errno::DESTADDRREQ)?;
    to.set_port(0);
    let settings = asked.settings(&sock, to.ip());
    let mut way = route::find(&sock, to, out.source)?;
    if !sock.has(SocketFlags::BOUND) && way != Route::Outside {
        // `sock` is a copy: what follows only reads its name.
        let mut sock = sock;
        bind::autobind(&mut sock)?;
        interest::tell_if_special(&sock);
        way = route::find(&sock, to, out.source)?;
    }
    if !raw {
        let id = sock.bound_address().port();
        message[4..6].copy_from_slice(&id.to_be_bytes());
    }
    if sock.has(SocketFlags::IPV6) != to.ip().is_ipv6()
        || to.ip().to_canonical().is_ipv4() == sock.has(SocketFlags::IPV6)
    {
        return Err(Errno::INVAL);
    }
    if !sock.has(SocketFlags::IPV6) && !raw {
        set_checksum(message, 0);
    }
    if let Route::Local(remote) = way {
        answer(&sock, remote.ip(), message, settings.ttl.unwrap_or(64))?;
        return Ok(out.len);
    }
    let payload = Payload::flat(UserSlice::from_bytes(message));
    outgoing::along(&sock, Outgoing { payload, settings, ..out }, &way, to)
}

/// Whether a raw socket wants to see a message (`ICMP_FILTER`, `ICMP6_FILTER`: a bit is set for
/// each type that it does not). Linux blocks no type above 31 of ICMP.
pub fn passes_filter(sock: &Socket, payload: Payload, len: usize) -> bool {
    let mut extra = SocketExtra::new();
    extra.read_one(sock, Key::ICMP_FILTER);
    let Some(filter) = extra.get(Key::ICMP_FILTER) else { return true };
    let Ok(Some(part)) = payload.part(0) else { return true };
    let at = match sock.has(SocketFlags::IPV6) {
        true => 0,
        false => part.read_array::<1>().map_or(0, |[first]| usize::from(first & 0xf) * 4),
    };
    match part.first(len).skip(at).read_array::<1>() {
        Ok([kind]) => {
            let word = filter.word(usize::from(kind / 32)).unwrap_or(0);
            word >> (kind % 32) & 1 == 0
        }
        Err(_) => true,
    }
}

/// RFC 792: the ones' complement sum of the whole message; `start` is the sum of what is before it.
fn set_checksum(message: &mut [u8], start: u64) {
    let Some(place) = message.get_mut(2..4) else { return };
    place.fill(0);
    let words =
        message.chunks(2).map(|c| u64::from(c[0]) << 8 | c.get(1).map_or(0, |b| u64::from(*b)));
    let mut sum = words.fold(start, |sum, word| sum + word);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// RFC 1122 3.2.2.6, RFC 4443 4.2: one of our own addresses was asked; the reply comes from it. A
/// raw socket sees the request as well, as on Linux' loopback.
fn answer(sock: &Socket, ip: IpAddr, message: &mut [u8], ttl: u8) -> Result<(), Errno> {
    let (request, reply) = match ip {
        IpAddr::V4(_) => (REQUEST_V4, REPLY_V4),
        IpAddr::V6(_) => (REQUEST_V6, REPLY_V6),
    };
    let own = sock.own_name().ok_or(Errno::INVAL)?;
    let id = sock.bound_address().port();
    let (local, remote) = (SocketAddr::new(ip, id), SocketAddr::new(ip, 0));
    let transport = if sock.has(SocketFlags::RAW) { Transport::Raw } else { Transport::Echo };
    let net = NetId(net::current().id);
    let actor = unix::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)?;
    let name = Name { net, role: Role::Proxy { transport, local, remote } };
    match unix::bind(actor.raw(), &address_of(&name)) {
        // Another thread does the same just now: this one is lost.
        Err(Errno::ADDRINUSE) => return Ok(()),
        other => other?,
    }
    let deliver = |message: &[u8]| {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // A full receiver loses it.
        let _ = match (sock.has(SocketFlags::RAW), ip) {
            (true, IpAddr::V4(ip)) => {
                let header = ip_header(ip, ttl, message.len());
                let parts = [&header[..], message];
                message::send_pieces(actor.raw(), parts, Some(&address_of(&own)))
            }
            _ => message::send_bytes(actor.raw(), message, Some(&address_of(&own)), flags),
        };
    };
    if sock.has(SocketFlags::RAW) {
        deliver(message);
    }
    if message.len() >= HEADER && message[..2] == [request, 0] {
        message[0] = reply;
        let before = match ip {
            IpAddr::V4(_) => 0,
            // RFC 8200 8.1: twice the address, the length and the next header.
            IpAddr::V6(ip) => {
                let words = ip.segments().iter().map(|w| 2 * u64::from(*w)).sum::<u64>();
                words + message.len() as u64 + libc::IPPROTO_ICMPV6 as u64
            }
        };
        set_checksum(message, before);
        deliver(message);
    }
    Ok(())
}

/// The header of the packet as a raw IPv4 socket sees it. Linux leaves total length and checksum as
/// they are on the wire.
fn ip_header(ip: core::net::Ipv4Addr, ttl: u8, len: usize) -> [u8; 20] {
    let mut header =
        [0x45, 0, 0, 0, 0, 0, 0x40, 0, ttl, libc::IPPROTO_ICMP as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&((20 + len) as u16).to_be_bytes());
    header[12..16].copy_from_slice(&ip.octets());
    header[16..20].copy_from_slice(&ip.octets());
    let sum: u32 = header.chunks(2).map(|c| u32::from(u16::from_be_bytes([c[0], c[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    header
}
