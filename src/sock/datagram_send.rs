//! Sending datagrams.
//!
//! On success one or two system calls: a connected socket's datagram goes straight to the kernel's
//! peer. A receiver without room makes the sender wait a little (the kernel lets an unconnected
//! unix datagram socket hold as few as ten), then the datagram is lost, as UDP may: a sender never
//! blocks for ever on somebody who does not read.
use super::datagram::{self, late_error, link, with_proxy};
use super::datagram_bind;
use super::datagram_route::{self, Route};
use super::name::{Name, NetId, Role};
use super::net_env;
use super::object::{Sock, address_of, canonical};
use super::pktinfo;
use super::replace;
use super::sockaddr;
use super::tag::Tag;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::{
    Errno, clock,
    fd::{Raw, is_nonblocking},
    message::{self, Payload},
    option, poll, unix,
    usermem::UserSlice,
};
use crate::net::brief::Outside;
use core::time::Duration;

/// UDP's payload in the longest IPv4 packet, bytes.
const MAX_V4: usize = 65_535 - 20 - 8;
/// And in the longest IPv6 packet that is no jumbogram.
const MAX_V6: usize = 65_535 - 8;
/// A send buffer that the longest datagram fits in (the kernel doubles it).
const SEND_BUFFER: i32 = 80 * 1024;
/// How long a blocking sender waits for room, and how long one that must not block.
const PATIENCE: Duration = Duration::from_millis(10);
const PATIENCE_NONBLOCKING: Duration = Duration::from_micros(200);

/// sendto(2), sendmsg(2), write(2). `to` is as the program gave it (perhaps v4-mapped).
pub fn send(
    mut sock: Sock,
    payload: Payload,
    to: Option<SocketAddr>,
    control: UserSlice,
    flags: i32,
) -> Result<usize, Errno> {
    // Linux binds before it looks at anything else; a socket that may have to become the kernel's
    // stays as it is until we know.
    if !sock.has(Tag::BOUND) && net_env::usable()?.outside != Outside::Host {
        datagram_bind::autobind(&mut sock)?;
    }
    // MSG_MORE would join datagrams; nothing here could take them apart again.
    if flags & (libc::MSG_OOB | libc::MSG_MORE) != 0 {
        return Err(Errno::OPNOTSUPP);
    }
    let len = payload.total()?;
    let outgoing = Outgoing {
        payload,
        len,
        flags: flags & libc::MSG_DONTWAIT,
        source: pktinfo::source(control)?,
    };
    match to {
        Some(to) => to_address(sock, outgoing, to),
        None if sock.has(Tag::CONNECTED) => to_peer(sock, outgoing),
        None if sock.has(Tag::WRITE_SHUT) => Err(Errno::PIPE),
        None if len > MAX_V6 => Err(Errno::MSGSIZE),
        None => Err(Errno::DESTADDRREQ),
    }
}

/// A datagram on its way.
#[derive(Clone, Copy)]
struct Outgoing {
    payload: Payload,
    len: usize,
    /// `MSG_DONTWAIT`, if the program gave it.
    flags: i32,
    /// What the program wants to send from.
    source: Option<IpAddr>,
}

impl Outgoing {
    /// Linux counts by the family of the packet.
    fn check_size(&self, to: IpAddr) -> Result<(), Errno> {
        let max = if to.to_canonical().is_ipv4() { MAX_V4 } else { MAX_V6 };
        if self.len > max { Err(Errno::MSGSIZE) } else { Ok(()) }
    }
    /// Hands it to the kernel, which does not wait.
    fn post(&self, fd: Raw, to: Option<&unix::Address>) -> Result<usize, Errno> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let sent = message::send(fd, self.payload, to, UserSlice::EMPTY, flags);
        if sent != Err(Errno::MSGSIZE) {
            return sent;
        }
        // The program's SO_SNDBUF is too small for a unix socket; UDP takes any size.
        option::set_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, SEND_BUFFER)?;
        message::send(fd, self.payload, to, UserSlice::EMPTY, flags)
    }
}

/// To an address. Errors of the destination are not the sender's business, as with UDP.
fn to_address(mut sock: Sock, outgoing: Outgoing, to: SocketAddr) -> Result<usize, Errno> {
    if sock.has(Tag::WRITE_SHUT) {
        return Err(Errno::PIPE);
    }
    outgoing.check_size(to.ip())?;
    if to.port() == 0 {
        return Err(Errno::INVAL);
    }
    let mut route = datagram_route::find(&sock, to, outgoing.source)?;
    if !sock.has(Tag::BOUND) && route != Route::Outside {
        datagram_bind::autobind(&mut sock)?;
        // The route of a datagram for the wire has our port in it.
        route = datagram_route::find(&sock, to, outgoing.source)?;
    }
    along(&sock, outgoing, &route, to)
}

fn along(sock: &Sock, out: Outgoing, route: &Route, to: SocketAddr) -> Result<usize, Errno> {
    let net = NetId(net_env::current().id);
    let sent = match *route {
        Route::Local(remote) => patiently(sock, &out, remote, |out| {
            datagram_route::first_that_answers(net, remote, |name| {
                out.post(sock.fd, Some(&address_of(name)))
            })
        }),
        Route::Wire(tuple) => {
            let role = Role::Proxy { local: tuple.local, remote: tuple.remote };
            let name = address_of(&Name { net, role });
            patiently(sock, &out, tuple.remote, |out| {
                with_proxy(net, tuple, || out.post(sock.fd, Some(&name)))
            })
        }
        Route::Outside => return outside(sock, out, to),
    };
    match sent {
        // Nobody is there, or he has shut down reading.
        Err(Errno::CONNREFUSED | Errno::PIPE | Errno::AGAIN) => Ok(out.len),
        Err(Errno::CONNRESET) => Err(late_error(sock.fd)),
        Err(Errno::NETDOWN) => Err(Errno::NETUNREACH),
        other => other,
    }
}

/// To the host's own network, from now on: a kernel socket under the descriptor.
fn outside(sock: &Sock, out: Outgoing, to: SocketAddr) -> Result<usize, Errno> {
    replace::kernel_file(*sock)?;
    let to = sockaddr::encode(to);
    message::send_raw(sock.fd, out.payload, to.as_bytes(), out.flags | libc::MSG_NOSIGNAL)
}

/// To the logical peer: through the kernel's peer if that lives.
fn to_peer(sock: Sock, out: Outgoing) -> Result<usize, Errno> {
    if out.len > MAX_V4 {
        let peer = datagram::peer(&sock).ok_or(Errno::DESTADDRREQ)?;
        out.check_size(peer.ip())?;
    }
    match out.post(sock.fd, None) {
        Ok(len) => Ok(len),
        Err(Errno::CONNRESET) => Err(late_error(sock.fd)),
        Err(Errno::PIPE) if sock.has(Tag::WRITE_SHUT) => Err(Errno::PIPE),
        Err(Errno::PIPE) => Ok(out.len),
        Err(Errno::AGAIN) => wait_for_peer(&sock, out),
        // There never was a kernel peer, he has gone, or he is connected to somebody else now.
        Err(Errno::NOTCONN | Errno::CONNREFUSED | Errno::PERM) => relink(&sock, out),
        Err(errno) => Err(errno),
    }
}

fn wait_for_peer(sock: &Sock, out: Outgoing) -> Result<usize, Errno> {
    let Some(remote) = datagram::peer(sock) else { return Ok(out.len) };
    match patiently(sock, &out, remote, |out| out.post(sock.fd, None)) {
        Err(Errno::AGAIN | Errno::CONNREFUSED | Errno::PIPE | Errno::PERM) => Ok(out.len),
        Err(Errno::CONNRESET) => Err(late_error(sock.fd)),
        other => other,
    }
}

/// Looks for who has the peer's address now, and sends to him.
fn relink(sock: &Sock, out: Outgoing) -> Result<usize, Errno> {
    match datagram::take_error(sock) {
        0 => {}
        pending => return Err(Errno::from_raw_os_error(pending)),
    }
    if let Some(error) = datagram::wire_error(sock) {
        return Err(error);
    }
    let peer = datagram::peer(sock).ok_or(Errno::DESTADDRREQ)?;
    if peer.port() == 0 {
        return Err(Errno::INVAL);
    }
    let route = datagram_route::find(sock, canonical(peer), None)?;
    match link(sock, &route) {
        Ok(true) => match out.post(sock.fd, None) {
            Err(Errno::AGAIN) => wait_for_peer(sock, out),
            Err(Errno::CONNREFUSED | Errno::NOTCONN | Errno::PERM | Errno::PIPE) => Ok(out.len),
            other => other,
        },
        Ok(false) => {
            // The next call tells: ICMP's port unreachable comes after the send.
            datagram::raise_error(sock)?;
            Ok(out.len)
        }
        Err(Errno::NETDOWN) => Err(Errno::NETUNREACH),
        Err(errno) => Err(errno),
    }
}

/// Tries again for a while as long as the receiver (or our own buffer) has no room; `EAGAIN` when
/// that was in vain. Who did not read then is not waited for the next time.
fn patiently(
    sock: &Sock,
    out: &Outgoing,
    remote: SocketAddr,
    mut attempt: impl FnMut(&Outgoing) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let first = attempt(out);
    let stuck = datagram_route::is_stuck(remote);
    if first != Err(Errno::AGAIN) {
        if stuck {
            datagram_route::set_stuck(remote, false);
        }
        return first;
    }
    let nonblocking = out.flags & libc::MSG_DONTWAIT != 0 || is_nonblocking(sock.fd);
    let patience = match (stuck, nonblocking) {
        (true, _) => Duration::ZERO,
        (false, true) => PATIENCE_NONBLOCKING,
        (false, false) => PATIENCE,
    };
    let start = clock::now();
    let mut pause = Duration::from_micros(20);
    for round in 0.. {
        if round < 4 {
            clock::yield_now();
        } else if sock.has(Tag::CONNECTED) && !nonblocking {
            let _ = poll::one(sock.fd, libc::POLLOUT, Some(pause));
        } else {
            clock::sleep(pause);
        }
        match attempt(out) {
            Err(Errno::AGAIN) => {}
            other => return other,
        }
        if round >= 4 && clock::now().since(start) >= patience {
            break;
        }
        pause = (pause * 2).min(Duration::from_millis(1));
    }
    datagram_route::set_stuck(remote, true);
    Err(Errno::AGAIN)
}
