//! `MSG_ERRQUEUE`: the errors that a datagram socket asked for (`IP_RECVERR`, `IPV6_RECVERR`).
//!
//! Those of the wire wait in the engine; those of this machine (nothing is bound to the
//! destination) in the socket's extra state, where there is room for a few. poll(2) shows `POLLERR`
//! for a connected socket, and for another one that it can be read: the next `recv` then fails with
//! the error.
use super::raise;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::{
    Errno,
    fd::Raw,
    message::{self, Payload, Received},
    option, poll, unix,
    usermem::UserSlice,
};
use crate::protocol::errno::from_byte;
use crate::protocol::error_record::{ErrorRecord, Quote, origin};
use crate::protocol::name::Role;
use crate::protocol::request::{Reply, Request, unconnected};
use crate::sock::client;
use crate::sock::control_data::Writer;
use crate::sock::descriptor::extra::{Key, SocketExtra};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::sockaddr::encode;
use crate::sock::descriptor::socket::{Socket, role_of};
use crate::sock::net;

/// Words of the extra state that errors may take: a few of them.
const WORDS_MAX: usize = 96;
/// Bytes of a datagram kept with an error there.
const LOCAL_QUOTE_MAX: usize = 64;

/// recvmsg(2) with `MSG_ERRQUEUE`. `EAGAIN`: there is nothing.
pub fn receive(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
) -> Result<(Received, Option<SocketAddr>), Errno> {
    let mut sock = Socket::of(fd).ok_or(Errno::AGAIN)?;
    if !sock.has(SocketFlags::RECVERR) {
        return Err(Errno::AGAIN);
    }
    let (record, more) = match take_local(&mut sock)? {
        Some(taken) => taken,
        None => take_remote(&sock).ok_or(Errno::AGAIN)?,
    };
    if !more {
        // sock_dequeue_err_skb: with the last entry the pending error has gone too.
        sock.set_error(0);
        let _ = option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_ERROR);
        drop_alarms(&sock);
    }
    let mut received = Received { len: 0, flags: libc::MSG_ERRQUEUE, control_len: 0 };
    received.len = payload.write(&record.quote)?;
    if received.len < record.quote.len() {
        received.flags |= libc::MSG_TRUNC;
    }
    let mut writer = Writer::new(control);
    let (level, kind) = match sock.has(SocketFlags::IPV6) {
        true => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        false => (libc::IPPROTO_IP, libc::IP_RECVERR),
    };
    let (bytes, len) = extended(&sock, &record);
    writer.add(level, kind, &bytes[..len])?;
    writer.finish(&mut received);
    Ok((received, Some(sock.shown(record.to))))
}

/// Takes out what told that the queue had something, as far as it is what would be read next.
fn drop_alarms(sock: &Socket) {
    loop {
        let mut from = unix::Address::buffer();
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        let peeked = message::receive_bytes(sock.fd, &mut [], Some(&mut from), flags);
        if peeked.is_err() || role_of(&from) != Some(Role::Alarm) {
            return;
        }
        let _ = message::receive_bytes(sock.fd, &mut [], None, libc::MSG_DONTWAIT);
    }
}

/// `struct sock_extended_err`, and behind it the address of the host that reported the error; how
/// many bytes of it there are.
#[inline(never)]
fn extended(sock: &Socket, record: &ErrorRecord) -> ([u8; 44], usize) {
    let mut bytes = [0; 44];
    bytes[..4].copy_from_slice(&u32::from(record.errno).to_ne_bytes());
    bytes[4..7].copy_from_slice(&[record.origin, record.kind, record.code]);
    bytes[8..12].copy_from_slice(&record.info.to_ne_bytes());
    // Without an offender: AF_UNSPEC.
    let len = if sock.has(SocketFlags::IPV6) { 28 } else { 16 };
    if let Some(ip) = record.offender {
        let address = encode(sock.shown(SocketAddr::new(ip, 0)));
        let address = address.as_bytes();
        bytes[16..16 + address.len()].copy_from_slice(address);
    }
    (bytes, 16 + len)
}

/// The oldest error in the extra state, and whether there are more.
#[inline(never)]
fn take_local(sock: &mut Socket) -> Result<Option<(ErrorRecord, bool)>, Errno> {
    if !sock.has(SocketFlags::EXTRA) {
        return Ok(None);
    }
    SocketExtra::edit(sock, |extra| {
        let mut words = [0; WORDS_MAX];
        let Some(count) = extra
            .get(Key::ERRORS)
            .map(|value| value.iter().zip(&mut words).map(|(word, place)| *place = word).count())
        else {
            return Ok(None);
        };
        let Some((len, rest)) = words[..count].split_first() else { return Ok(None) };
        let len = *len as usize;
        let (used, rest) = rest.split_at(len.div_ceil(4).min(rest.len()));
        let mut bytes = [0; 4 * WORDS_MAX];
        for (place, word) in bytes.chunks_exact_mut(4).zip(used) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        match rest.is_empty() {
            true => extra.remove(Key::ERRORS),
            false => extra.set(Key::ERRORS, rest)?,
        }
        let record = ErrorRecord::decode(bytes.get(..len).unwrap_or_default());
        Ok(record.map(|record| (record, !rest.is_empty())))
    })
}

/// Keeps the error of a datagram for which nothing was bound on this machine: what Linux makes of
/// the port unreachable that it sends to itself.
#[inline(never)]
pub fn nothing_bound(sock: &mut Socket, to: SocketAddr, payload: Payload) -> Result<(), Errno> {
    let mut quote = [0; LOCAL_QUOTE_MAX];
    let len = payload.read(&mut quote)?;
    let (origin, kind, code) = match to.ip() {
        IpAddr::V4(_) => (origin::ICMP, 3, 3),
        IpAddr::V6(_) => (origin::ICMP6, 1, 4),
    };
    let record = ErrorRecord {
        errno: libc::ECONNREFUSED as u8,
        origin,
        kind,
        code,
        info: 0,
        to,
        offender: Some(to.ip()),
        quote: Quote::of(&quote[..len]),
    };
    push_local(sock, &record)
}

/// Keeps the error of a datagram that the path does not take and that must not be cut.
pub fn too_long(sock: &mut Socket, to: SocketAddr, mtu: u16) -> Result<(), Errno> {
    let record = ErrorRecord {
        errno: libc::EMSGSIZE as u8,
        origin: origin::LOCAL,
        kind: 0,
        code: 0,
        info: u32::from(mtu),
        to,
        offender: None,
        quote: Quote::of(&[]),
    };
    push_local(sock, &record)
}

/// Keeps an error in the extra state; when there is no room any more, it is lost.
#[inline(never)]
fn push_local(sock: &mut Socket, record: &ErrorRecord) -> Result<(), Errno> {
    let bytes = record.encode();
    let added = 1 + bytes.len().div_ceil(4);
    SocketExtra::edit(sock, |extra| {
        let mut words = [0; WORDS_MAX];
        let old = extra.get(Key::ERRORS).map_or(0, |value| {
            value.iter().zip(&mut words).map(|(word, place)| *place = word).count()
        });
        let Some(room) = words.get_mut(old..old + added) else { return Ok(()) };
        room[0] = bytes.len() as u32;
        for (place, chunk) in room[1..].iter_mut().zip(bytes.chunks(4)) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            *place = u32::from_le_bytes(word);
        }
        let _ = extra.set(Key::ERRORS, &words[..old + added]);
        Ok(())
    })
}

/// After an error has been reported: poll(2) goes on to show `POLLERR` while the queue has
/// something.
pub fn show_again(sock: &Socket) {
    let waits = SocketExtra::has(sock, Key::ERRORS);
    // Showing it would drop what can be read.
    if waits && poll::now(sock.fd) & libc::POLLIN == 0 {
        let _ = raise::raise_error(sock);
    }
}

/// The engine's oldest error for this socket, and whether there are more.
#[inline(never)]
fn take_remote(sock: &Socket) -> Option<(ErrorRecord, bool)> {
    if !net::current().has_engine() {
        return None;
    }
    let name = sock.own_name()?;
    let mut room = [0; Reply::HEAD + 1 + ErrorRecord::MAX];
    match client::ask(&Request::ErrorQueue(name), &mut room).ok()? {
        Reply::Info(bytes) => {
            let (more, record) = bytes.split_first()?;
            Some((ErrorRecord::decode(record)?, *more != 0))
        }
        _ => None,
    }
}

/// The pending error of a socket that is not connected, once.
pub fn soft_error(sock: &Socket) -> Option<Errno> {
    let tuple = unconnected(sock.bound_address());
    from_byte(client::errno_of(&Request::UdpError(tuple)).ok()?)
}

/// Nothing on this machine is bound to the destination of a datagram of `sock`: the error that the
/// program asked for. A connected socket hears of it always.
pub fn refused(sock: &Socket, to: SocketAddr, payload: Payload) -> Result<(), Errno> {
    let mut sock = *sock;
    if sock.has(SocketFlags::RECVERR) {
        nothing_bound(&mut sock, to, payload)?;
        sock.set_error(libc::ECONNREFUSED as u8);
    }
    if sock.has(SocketFlags::RECVERR | SocketFlags::PEER) {
        raise::raise_error(&sock)?;
    }
    Ok(())
}
