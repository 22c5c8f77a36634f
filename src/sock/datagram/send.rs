//! Sending datagrams: sendto(2), sendmsg(2), write(2).
//!
//! On success one or two system calls: a connected socket's datagram goes straight to the kernel's
//! peer. A receiver without room makes the sender wait a little (the kernel lets an unconnected
//! unix datagram socket hold as few as ten), then the datagram is lost, as UDP may: a sender never
//! blocks for ever on a program that does not read.
use super::connect;
use super::interest;
use super::outgoing::{self, MAX_V6, Outgoing};
use super::peer;
use super::ping;
use super::send_settings::Asked;
use crate::base::addr::SocketAddr;
use crate::host::{Errno, message::Payload, usermem::UserSlice};
use crate::net::brief::Outside;
use crate::protocol::datagram::SendSettings;
use crate::sock::bind;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::sockaddr::Given;
use crate::sock::descriptor::socket::Socket;
use crate::sock::net;

/// The address in sendto(2); AF_UNSPEC is AF_INET there (udp_sendmsg), and none for `AF_INET6`.
fn destination(sock: &Socket, given: &[u8]) -> Result<Option<SocketAddr>, Errno> {
    match connect::address(sock, given)? {
        Given::Inet(address) => Ok(Some(address)),
        Given::Unspec(_) if sock.has(SocketFlags::IPV6) => Ok(None),
        Given::Unspec(address) => address.map(Some).ok_or(Errno::INVAL),
    }
}

/// sendto(2), sendmsg(2), write(2), with the address that the program gave.
pub fn send(
    mut sock: Socket,
    payload: Payload,
    given: Option<&[u8]>,
    control: UserSlice,
    flags: i32,
) -> Result<usize, Errno> {
    let to = match given {
        Some(given) => destination(&sock, given)?,
        None => None,
    };
    // Linux binds before it looks at anything else; a socket that may have to become the kernel's
    // stays as it is until we know.
    if !sock.has(SocketFlags::BOUND) && net::usable()?.outside != Outside::Host {
        bind::autobind(&mut sock)?;
        interest::tell_if_special(&sock);
    }
    // MSG_MORE would join datagrams; nothing here could take them apart again.
    if flags & (libc::MSG_OOB | libc::MSG_MORE) != 0 {
        return Err(Errno::OPNOTSUPP);
    }
    let len = payload.total()?;
    let asked = Asked::read(control)?;
    let flags = flags & libc::MSG_DONTWAIT;
    let mut outgoing =
        Outgoing { payload, len, flags, source: asked.source, settings: SendSettings::default() };
    if sock.has(SocketFlags::ICMP) {
        return ping::send(sock, outgoing, &asked, to);
    }
    if let Some(to) = to.or_else(|| unusual_peer(&sock, control)) {
        outgoing.settings = asked.settings(&sock, to.ip());
        return outgoing::to_address(sock, outgoing, to);
    }
    match to {
        None if sock.has(SocketFlags::PEER) => outgoing::to_peer(sock, outgoing),
        None if sock.has(SocketFlags::WRITE_SHUT) => Err(Errno::PIPE),
        _ if len > MAX_V6 => Err(Errno::MSGSIZE),
        _ => Err(Errno::DESTADDRREQ),
    }
}

/// The peer of a connected socket, if a datagram to it may have to leave otherwise than usual: it
/// is then sent to its address, not straight to the kernel's peer.
fn unusual_peer(sock: &Socket, control: UserSlice) -> Option<SocketAddr> {
    if control.is_empty() && !sock.has(SocketFlags::SEND_OPTIONS) {
        return None;
    }
    peer::peer(sock)
}
