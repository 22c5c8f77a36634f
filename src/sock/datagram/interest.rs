//! What a datagram socket asks of the engine besides its datagrams: told once it has a name, and
//! again when that changes. Sockets that ask for nothing special tell nothing.
use crate::protocol::request::{Request, interest};
use crate::sock::client;
use crate::sock::descriptor::extra::SocketExtra;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use crate::sock::net;
use crate::sock::options::names::{UDP_GRO, UDP_NO_CHECK6_RX};
use libc::IPPROTO_UDP;

/// Tells the engine, if there is one and `sock` has a name.
pub fn tell(sock: &Socket) {
    if !net::current().has_engine() || !sock.has(SocketFlags::BOUND) {
        return;
    }
    if let Some(name) = sock.own_name() {
        // An engine that is not there now will not know; errors are then only lost.
        let _ = client::demand(&Request::Interest(name, of(sock)));
    }
}

/// Tells it of a socket that has just been bound.
pub fn tell_of_bound(fd: crate::host::fd::Raw) {
    if net::current().has_engine()
        && let Some(sock) = Socket::of(fd).filter(Socket::is_datagram)
    {
        tell_if_special(&sock);
    }
}

/// Tells it if there is anything to tell.
pub fn tell_if_special(sock: &Socket) {
    if sock.has(SocketFlags::RECVERR | SocketFlags::RAW | SocketFlags::RECV_OPTIONS)
        && of(sock) & !interest::CONNECTED != 0
    {
        tell(sock);
    }
}

fn of(sock: &Socket) -> u8 {
    let is_set = |name| SocketExtra::option_of(sock, IPPROTO_UDP, name) == Some(1);
    let mut bits = 0;
    let mut add = |yes: bool, bit: u8| bits |= if yes { bit } else { 0 };
    add(sock.has(SocketFlags::RECVERR), interest::ERRORS);
    add(sock.has(SocketFlags::PEER), interest::CONNECTED);
    add(sock.has(SocketFlags::RAW), interest::ICMP);
    add(is_set(UDP_GRO), interest::JOINED);
    add(is_set(UDP_NO_CHECK6_RX), interest::UNCHECKED);
    bits
}
