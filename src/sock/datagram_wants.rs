//! What a datagram socket asks of the engine besides its datagrams: told once it has a name, and
//! again when that changes. Sockets that ask for nothing special tell nothing.
use super::annex::{Annex, Key};
use super::ask;
use super::net_env;
use super::object::Sock;
use super::pktinfo::UDP_GRO;
use super::tag::Tag;
use crate::protocol::request::{Request, interest};
use libc::IPPROTO_UDP;

/// `UDP_NO_CHECK6_RX`.
pub const UDP_NO_CHECK6_RX: i32 = 102;

/// Tells the engine, if there is one and `sock` has a name.
pub fn tell(sock: &Sock) {
    let brief = net_env::current();
    if !brief.has_engine() || !sock.has(Tag::BOUND) {
        return;
    }
    if let Some(name) = sock.own_name() {
        // An engine that is not there now will not know; errors are then only lost.
        let _ = ask::demand(&Request::Interest(name, of(sock)));
    }
}

/// Tells it if there is anything to tell.
pub fn tell_if_special(sock: &Sock) {
    if sock.has(Tag::RECVERR | Tag::RAW | Tag::RECV_OPTIONS) && of(sock) & !interest::CONNECTED != 0
    {
        tell(sock);
    }
}

fn of(sock: &Sock) -> u8 {
    let annex = Annex::of(sock);
    let is_set = |name| Key::option(IPPROTO_UDP, name).and_then(|k| annex.int(k)) == Some(1);
    let mut bits = 0;
    let mut add = |yes: bool, bit: u8| bits |= if yes { bit } else { 0 };
    add(sock.has(Tag::RECVERR), interest::ERRORS);
    add(sock.has(Tag::CONNECTED), interest::CONNECTED);
    add(sock.has(Tag::RAW), interest::ICMP);
    add(is_set(UDP_GRO), interest::JOINED);
    add(is_set(UDP_NO_CHECK6_RX), interest::UNCHECKED);
    bits
}
