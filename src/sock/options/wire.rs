//! Options of wire connections and listeners: what the engine is told of them, and what it is
//! asked.
use super::names::SHOWN_SEND_BUFFER;
use super::table;
use super::{fast_open_key, keep, kept};
use crate::base::FourTuple;
use crate::host::{Errno, option};
use crate::protocol::name::Role;
use crate::protocol::option::{OptionKind, OptionList, WireOption};
use crate::protocol::request::Request;
use crate::sock::client;
use crate::sock::descriptor::ends;
use crate::sock::descriptor::extra::{Key, SocketExtra};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use crate::sock::net;
use libc::{IPPROTO_TCP, SOL_SOCKET};

/// Buffers that the program has set are the engine's business too, and stay as large as they are.
pub const SIZES: [(i32, OptionKind); 3] = [
    (libc::SO_SNDBUF, OptionKind::SendBuffer),
    (libc::SO_RCVBUF, OptionKind::ReceiveBuffer),
    (libc::SO_RCVLOWAT, OptionKind::ReceiveLowat),
];

/// A wire connection as the engine knows it. `ENOTCONN`: it has no remote end.
pub fn tuple(sock: &Socket) -> Result<FourTuple, Errno> {
    ends::of(sock).map(|(local, remote)| FourTuple { local, remote })
}

/// Tells the engine of an option, if it holds the other end or knows the socket as a listener. An
/// engine that has gone ends the connection anyway.
pub fn tell(sock: &Socket, kind: OptionKind, value: u32) -> Result<(), Errno> {
    if sock.is_listening() {
        announce_listener(sock, None);
        return Ok(());
    }
    if sock.is_datagram() || !sock.has(SocketFlags::WIRE) {
        return Ok(());
    }
    let Ok(tuple) = tuple(sock) else { return Ok(()) };
    match client::demand(&Request::SetOption(tuple, WireOption { kind, value })) {
        Err(Errno::NETDOWN | Errno::NOTCONN) => Ok(()),
        answer => answer,
    }
}

/// Tells the engine of something that is no option of the program's.
pub fn announce(sock: &Socket, kind: OptionKind) {
    let _ = tell(sock, kind, 1);
}

/// Tells the engine who listens, before a SYN comes; without `backlog`, that the listener's options
/// have changed. No engine: it will read the kernel's list when it starts.
pub fn announce_listener(sock: &Socket, backlog: Option<u32>) {
    if !net::current().has_engine() {
        return;
    }
    if let Some(Role::Listener { local, dual, .. }) = sock.own_name().map(|n| n.role) {
        let (options, keys) = (wire_options(sock), fast_open_key::of(sock));
        let _ = client::demand(&Request::Listen { local, dual, backlog, options, keys });
    }
}

/// Asks the engine for the present value of something of a wire connection.
pub fn ask(sock: &Socket, kind: OptionKind) -> Option<u32> {
    client::value_of(&Request::GetOption(tuple(sock).ok()?, kind)).ok()?
}

/// Options that were set before connect and that the engine must know.
pub fn wire_options(sock: &Socket) -> OptionList {
    let mut list = OptionList::new();
    let mut add = |kind, value| list.push(WireOption { kind, value });
    for (flag, kind) in [
        (SocketFlags::NODELAY, OptionKind::NoDelay),
        (SocketFlags::CORK, OptionKind::Cork),
        (SocketFlags::KEEPALIVE, OptionKind::KeepAlive),
    ] {
        if sock.has(flag) {
            add(kind, 1);
        }
    }
    if sock.has(SocketFlags::KERNEL_OPTIONS) && lingers_zero(sock) {
        add(OptionKind::LingerZero, 1);
    }
    if !sock.has(SocketFlags::EXTRA) {
        return list;
    }
    let mut extra = SocketExtra::new();
    extra.read(sock);
    for (name, kind) in SIZES {
        if let Some(value) = extra.option(SOL_SOCKET, name) {
            add(kind, value as u32);
        }
    }
    for (option, kind, factor) in table::of_the_wire() {
        if let Some(value) = extra.option(option.level, option.name) {
            add(kind, (value as u32).saturating_mul(factor));
        }
    }
    let key = Key::option(SOL_SOCKET, libc::SO_MAX_PACING_RATE);
    if let Some([low, high]) = key.and_then(|key| extra.get(key)?.array()) {
        add(OptionKind::MaxPacingRate, if high == 0 { low } else { u32::MAX });
    }
    if let Some(code) = extra.option(IPPROTO_TCP, libc::TCP_CONGESTION) {
        add(OptionKind::Congestion, code as u32);
    }
    list
}

/// Tells the engine what an accepted wire connection has from its listener.
pub fn tell_inherited(sock: &mut Socket) {
    for WireOption { kind, value } in wire_options(sock).iter().copied() {
        let _ = tell(sock, kind, value);
    }
    apply_lowat(sock);
}

/// Whether `SO_LINGER` is on with a time of 0: a close resets the connection.
pub fn lingers_zero(sock: &Socket) -> bool {
    let mut linger = [0; 8];
    // struct linger: l_onoff, l_linger.
    option::get(sock.fd, SOL_SOCKET, libc::SO_LINGER, &mut linger).is_ok()
        && linger[..4] != [0; 4]
        && linger[4..] == [0; 4]
}

/// `TCP_NOTSENT_LOWAT` of a wire connection: what lies in the program's socket has not been sent,
/// so it may hold no more. It is shown as writable below half of that.
pub fn apply_lowat(sock: &mut Socket) {
    if !sock.has(SocketFlags::EXTRA) {
        return;
    }
    let Some(lowat) = kept(sock, IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT) else { return };
    let Ok(size) = option::get_int(sock.fd, SOL_SOCKET, libc::SO_SNDBUF) else { return };
    let unbounded = lowat <= 0 || lowat >= size / 2;
    if unbounded || keep(sock, SOL_SOCKET, SHOWN_SEND_BUFFER, size).is_err() {
        return;
    }
    let _ = option::set_int(sock.fd, SOL_SOCKET, libc::SO_SNDBUF, lowat);
}
