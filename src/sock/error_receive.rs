//! `MSG_ERRQUEUE`: the errors that a datagram socket asked for (`IP_RECVERR`, `IPV6_RECVERR`).
//!
//! Those of the wire wait in the engine; those of this machine (nobody is bound to the destination)
//! in the socket's annex, where there is room for a few. poll(2) shows `POLLERR` for a connected
//! socket, and for another one that it can be read: the next `recv` then fails with the error.
use super::annex::{Annex, Key};
use super::ask;
use super::datagram;
use super::names;
use super::net_env;
use super::object::{Sock, role_of, shown};
use super::pktinfo::Writer;
use super::sockaddr::encode;
use super::tag::Tag;
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

/// Words of the annex that errors may take: a few of them.
const WORDS_MAX: usize = 96;
/// Bytes of a datagram kept with an error there.
const LOCAL_QUOTE_MAX: usize = 64;

/// recvmsg(2) with `MSG_ERRQUEUE`. `EAGAIN`: there is nothing.
pub fn receive(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
) -> Result<(Received, Option<SocketAddr>), Errno> {
    let mut sock = Sock::of(fd).ok_or(Errno::AGAIN)?;
    if !sock.has(Tag::RECVERR) {
        return Err(Errno::AGAIN);
    }
    let (record, more) = match take_local(&mut sock)? {
        Some(taken) => taken,
        None => take_remote(&sock).ok_or(Errno::AGAIN)?,
    };
    if !more {
        // sock_dequeue_err_skb: with the last entry the pending error has gone too.
        sock.set_tag(sock.tag.with_error(0));
        let _ = option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_ERROR);
        drop_alarms(&sock);
    }
    let mut received = Received { len: 0, flags: libc::MSG_ERRQUEUE, control_len: 0 };
    received.len = copy(payload, &record.quote)?;
    if received.len < record.quote.len() {
        received.flags |= libc::MSG_TRUNC;
    }
    let mut writer = Writer::new(control);
    let (level, kind) = match sock.has(Tag::IPV6) {
        true => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        false => (libc::IPPROTO_IP, libc::IP_RECVERR),
    };
    writer.add(level, kind, &extended(&sock, &record))?;
    writer.finish(&mut received);
    Ok((received, Some(sock.shown(record.to))))
}

/// Takes out what told that the queue had something, as far as it is what would be read next.
fn drop_alarms(sock: &Sock) {
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

/// `struct sock_extended_err`, and behind it the address of who reported the error.
fn extended(sock: &Sock, record: &ErrorRecord) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(44);
    bytes.extend_from_slice(&u32::from(record.errno).to_ne_bytes());
    bytes.extend_from_slice(&[record.origin, record.kind, record.code, 0]);
    bytes.extend_from_slice(&record.info.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let len = if sock.has(Tag::IPV6) { 28 } else { 16 };
    match record.offender {
        Some(ip) => {
            let address = encode(shown(sock.tag, SocketAddr::new(ip, 0)));
            bytes.extend_from_slice(address.as_bytes());
        }
        // AF_UNSPEC.
        None => bytes.resize(16 + len, 0),
    }
    bytes
}

fn copy(payload: Payload, bytes: &[u8]) -> Result<usize, Errno> {
    let (mut rest, mut index) = (bytes, 0);
    while !rest.is_empty()
        && let Some(part) = payload.part(index)?
    {
        let (now, later) = rest.split_at(part.len().min(rest.len()));
        part.first(now.len()).write(now)?;
        (rest, index) = (later, index + 1);
    }
    Ok(bytes.len() - rest.len())
}

/// The oldest error in the annex, and whether there are more.
fn take_local(sock: &mut Sock) -> Result<Option<(ErrorRecord, bool)>, Errno> {
    if !sock.has(Tag::ANNEX) {
        return Ok(None);
    }
    let mut annex = Annex::of(sock);
    let Some([len, words @ ..]) = annex.get(Key::ERRORS) else { return Ok(None) };
    let len = *len as usize;
    let used = len.div_ceil(4).min(words.len());
    let bytes: Vec<u8> = words[..used].iter().flat_map(|word| word.to_le_bytes()).collect();
    let rest = words[used..].to_vec();
    annex.remove(Key::ERRORS);
    if !rest.is_empty() {
        annex.set(Key::ERRORS, &rest)?;
    }
    annex.store(sock)?;
    let record = ErrorRecord::decode(bytes.get(..len).unwrap_or(&bytes));
    Ok(record.map(|record| (record, !rest.is_empty())))
}

/// Keeps the error of a datagram for which nobody was there on this machine: what Linux makes of
/// the port unreachable that it sends to itself.
pub fn nobody_there(sock: &mut Sock, to: SocketAddr, payload: Payload) -> Result<(), Errno> {
    let mut quote = [0; LOCAL_QUOTE_MAX];
    let mut len = 0;
    let mut index = 0;
    while len < quote.len()
        && let Some(part) = payload.part(index)?
    {
        len += part.read(&mut quote[len..])?;
        index += 1;
    }
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
pub fn too_long(sock: &mut Sock, to: SocketAddr, mtu: u16) -> Result<(), Errno> {
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

/// Keeps an error in the annex; when there is no room any more, it is lost.
pub fn push_local(sock: &mut Sock, record: &ErrorRecord) -> Result<(), Errno> {
    let bytes = record.encode();
    let mut annex = Annex::of(sock);
    let mut words = annex.get(Key::ERRORS).unwrap_or_default().to_vec();
    words.push(bytes.len() as u32);
    for chunk in bytes.chunks(4) {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        words.push(u32::from_le_bytes(word));
    }
    if words.len() > WORDS_MAX || annex.set(Key::ERRORS, &words).is_err() {
        return Ok(());
    }
    annex.store(sock)
}

/// After an error has been reported: poll(2) goes on to show `POLLERR` while the queue has
/// something.
pub fn show_again(sock: &Sock) {
    let waits = sock.has(Tag::ANNEX) && Annex::of(sock).get(Key::ERRORS).is_some();
    // Showing it would drop what can be read.
    if waits && poll::now(sock.fd) & libc::POLLIN == 0 {
        let _ = datagram::raise_error(sock);
    }
}

/// The engine's oldest error for this socket, and whether there are more.
fn take_remote(sock: &Sock) -> Option<(ErrorRecord, bool)> {
    let brief = net_env::current();
    if !brief.has_engine() {
        return None;
    }
    let name = sock.own_name()?;
    let mut room = [0; Reply::HEAD + 1 + ErrorRecord::MAX];
    match ask::ask(&Request::ErrorQueue(name), &mut room).ok()? {
        Reply::Info(bytes) => {
            let (more, record) = bytes.split_first()?;
            Some((ErrorRecord::decode(record)?, *more != 0))
        }
        _ => None,
    }
}

/// The pending error of a socket that is not connected, once.
pub fn soft_error(sock: &Sock) -> Option<Errno> {
    let tuple = unconnected(names::bound_name(sock));
    from_byte(ask::errno_of(&Request::UdpError(tuple)).ok()?)
}

/// A datagram of `sock` found nobody on this machine: the error that the program asked for. A
/// connected socket hears of it always.
pub fn refused(sock: &Sock, to: SocketAddr, payload: Payload) -> Result<(), Errno> {
    let mut sock = *sock;
    if sock.has(Tag::RECVERR) {
        nobody_there(&mut sock, to, payload)?;
        sock.set_tag(sock.tag.with_error(libc::ECONNREFUSED as u8));
    }
    if sock.has(Tag::RECVERR | Tag::CONNECTED) {
        datagram::raise_error(&sock)?;
    }
    Ok(())
}
