//! Sending datagrams.
//!
//! On success one or two system calls: a connected socket's datagram goes straight to the kernel's
//! peer. A receiver without room makes the sender wait a little (the kernel lets an unconnected
//! unix datagram socket hold as few as ten), then the datagram is lost, as UDP may: a sender never
//! blocks for ever on somebody who does not read.
use super::ask;
use super::bind::transport;
use super::datagram::{self, late_error, link, with_proxy};
use super::datagram_bind;
use super::datagram_route::{self, Route};
use super::error_receive;
use super::groups;
use super::names;
use super::net_env;
use super::object::{Sock, address_of, canonical};
use super::ping;
use super::replace;
use super::send_options::Asked;
use super::sockaddr;
use super::tag::Tag;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{
    Errno, clock,
    fd::{Owned, Raw, is_nonblocking},
    memory_file,
    message::{self, Payload},
    option, poll, unix,
    usermem::UserSlice,
};
use crate::net::brief::Outside;
use crate::protocol::datagram::{ReceiveMeta, SendSettings, UdpSendHeader};
use crate::protocol::name::{Name, NetId, Role};
use core::time::Duration;

/// UDP's payload in the longest IPv4 packet, bytes.
const MAX_V4: usize = 65_535 - 20 - 8;
/// And in the longest IPv6 packet that is no jumbogram.
const MAX_V6: usize = 65_535 - 8;
/// A send buffer that the longest datagram fits in (the kernel doubles it).
const SEND_BUFFER: i32 = 80 * 1024;
/// `UDP_MAX_SEGMENTS`.
const SEGMENTS_MAX: usize = 128;
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
    let asked = Asked::read(control)?;
    let flags = flags & libc::MSG_DONTWAIT;
    let mut outgoing =
        Outgoing { payload, len, flags, source: asked.source, how: SendSettings::default() };
    if sock.has(Tag::ICMP) {
        return ping::send(sock, outgoing, &asked, to);
    }
    if let Some(to) = to.or_else(|| unusual_peer(&sock, control)) {
        outgoing.how = asked.how(&sock, to.ip());
        return to_address(sock, outgoing, to);
    }
    match to {
        None if sock.has(Tag::CONNECTED) => to_peer(sock, outgoing),
        None if sock.has(Tag::WRITE_SHUT) => Err(Errno::PIPE),
        _ if len > MAX_V6 => Err(Errno::MSGSIZE),
        _ => Err(Errno::DESTADDRREQ),
    }
}

/// The peer of a connected socket, if a datagram to him may have to leave otherwise than usual: it
/// is then sent to his address, not straight to the kernel's peer.
fn unusual_peer(sock: &Sock, control: UserSlice) -> Option<SocketAddr> {
    if control.is_empty() && !sock.has(Tag::SEND_OPTIONS) {
        return None;
    }
    datagram::peer(sock)
}

/// A datagram on its way.
#[derive(Clone, Copy)]
pub(super) struct Outgoing {
    pub payload: Payload,
    pub len: usize,
    /// `MSG_DONTWAIT`, if the program gave it.
    pub flags: i32,
    /// What the program wants to send from.
    pub source: Option<IpAddr>,
    /// How it is to leave.
    pub how: SendSettings,
}

impl Outgoing {
    /// Linux counts by the family of the packet.
    fn check_size(&self, to: IpAddr) -> Result<(), Errno> {
        let max = if to.to_canonical().is_ipv4() { MAX_V4 } else { MAX_V6 };
        let segment = usize::from(self.how.segment);
        if self.len > max {
            return Err(Errno::MSGSIZE);
        }
        // udp_send_skb: so many segments at most, and each with a checksum.
        if segment != 0
            && self.len > segment
            && (self.len > segment * SEGMENTS_MAX || self.how.no_checksum)
        {
            return Err(Errno::INVAL);
        }
        Ok(())
    }
    /// Hands it to the kernel, which does not wait.
    fn post(&self, fd: Raw, to: Option<&unix::Address>) -> Result<usize, Errno> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        roomy(fd, || message::send(fd, self.payload, to, UserSlice::EMPTY, flags))
    }
    /// The same with a note for the receiver, in as many datagrams as were asked for.
    fn post_noted(&self, fd: Raw, to: &unix::Address, note: Option<Raw>) -> Result<usize, Errno> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let step = match usize::from(self.how.segment) {
            0 => self.len.max(1),
            segment => segment,
        };
        for start in (0..self.len.max(1)).step_by(step) {
            let range = start..self.len.min(start + step);
            let send = |note: Option<Raw>| {
                let pass: Vec<Raw> = note.into_iter().collect();
                let what = (self.payload, range.clone());
                roomy(fd, || message::send_parts(fd, &[], what.clone(), Some(to), &pass, flags))
            };
            match send(note) {
                // Too many descriptors are on their way already.
                Err(Errno::TOOMANYREFS) => send(None),
                // Some have left: the others are lost, as UDP may.
                Err(Errno::AGAIN) if start > 0 => break,
                sent => sent,
            }?;
        }
        Ok(self.len)
    }
    /// To the engine, which is to send it as it says.
    fn post_parcel(&self, fd: Raw, net: NetId, parcel: &UdpSendHeader) -> Result<usize, Errno> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let (head, what) = (parcel.encode(), (self.payload, 0..self.len));
        let gateway = address_of(&Name { net, role: Role::Gateway });
        let send = || message::send_parts(fd, &head, what.clone(), Some(&gateway), &[], flags);
        match roomy(fd, send) {
            Ok(_) => Ok(self.len),
            Err(Errno::CONNREFUSED) => Err(Errno::NETDOWN),
            Err(errno) => Err(errno),
        }
    }
}

/// A program's SO_SNDBUF may be too small for a unix socket; UDP takes any size.
fn roomy(fd: Raw, mut send: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    match send() {
        Err(Errno::MSGSIZE) => {
            option::set_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, SEND_BUFFER)?;
            send()
        }
        sent => sent,
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

/// Sends along a route.
pub(super) fn along(
    sock: &Sock,
    out: Outgoing,
    route: &Route,
    to: SocketAddr,
) -> Result<usize, Errno> {
    let net = NetId(net_env::current().id);
    let sent = match *route {
        Route::Local(remote) if !out.how.is_usual() => {
            let note = note_of(&out.how)?;
            let note = note.as_ref().map(Owned::raw);
            patiently(sock, &out, remote, |out| {
                datagram_route::first_that_answers(sock, remote, |name| {
                    out.post_noted(sock.fd, &address_of(name), note)
                })
            })
        }
        Route::Wire(tuple) if !out.how.is_usual() => {
            check_path(sock, &out, tuple.remote)?;
            let parcel = UdpSendHeader { transport: transport(sock), tuple, settings: out.how };
            patiently(sock, &out, tuple.remote, |out| out.post_parcel(sock.fd, net, &parcel))
        }
        Route::Local(remote) => patiently(sock, &out, remote, |out| {
            datagram_route::first_that_answers(sock, remote, |name| {
                out.post(sock.fd, Some(&address_of(name)))
            })
        }),
        Route::Wire(tuple) => {
            let transport = transport(sock);
            let role = Role::Proxy { transport, local: tuple.local, remote: tuple.remote };
            let name = address_of(&Name { net, role });
            patiently(sock, &out, tuple.remote, |out| {
                with_proxy(transport, tuple, || out.post(sock.fd, Some(&name)))
            })
        }
        Route::Group(remote) => return to_group(sock, &out, remote),
        Route::Outside => return outside(sock, out, to),
    };
    match sent {
        Err(Errno::CONNREFUSED) => {
            if let Route::Local(remote) = *route {
                let concerned = sock.has(Tag::RECVERR) || datagram::peer(sock) == Some(remote);
                if concerned {
                    error_receive::refused(sock, remote, out.payload)?;
                }
            }
            Ok(out.len)
        }
        // He has shut down reading, or does not read.
        Err(Errno::PIPE | Errno::AGAIN) => Ok(out.len),
        Err(Errno::CONNRESET) => match late_error(sock.fd) {
            Some(errno) => Err(errno),
            None => along(sock, out, route, to),
        },
        Err(Errno::NETDOWN) => Err(Errno::NETUNREACH),
        other => other,
    }
}

/// A datagram that must not be cut, and is longer than the path takes: `EMSGSIZE`, which also goes
/// into the error queue of who asked for that (ip_local_error).
fn check_path(sock: &Sock, out: &Outgoing, to: SocketAddr) -> Result<(), Errno> {
    /// What every link carries (RFC 8200 5): nobody need be asked.
    const CARRIED: usize = 1280;
    let never = [libc::IP_PMTUDISC_DO, libc::IP_PMTUDISC_PROBE].map(|v| Some(v as u8));
    let ip = if to.is_ipv4() { 20 } else { 40 };
    let payload = match usize::from(out.how.segment) {
        0 => out.len,
        segment => out.len.min(segment),
    };
    let len = ip + payload + if sock.has(Tag::ICMP) { 0 } else { 8 };
    let segments = payload < out.len;
    if len <= CARRIED || !(segments || never.contains(&out.how.discover)) {
        return Ok(());
    }
    match ask::path_mtu(to.ip()) {
        Some(mtu) if len > usize::from(mtu) => {
            if sock.has(Tag::RECVERR) {
                error_receive::too_long(&mut { *sock }, to, mtu)?;
            }
            Err(Errno::MSGSIZE)
        }
        _ => Ok(()),
    }
}

/// What a program on this machine is told of a datagram that leaves otherwise than usual.
fn note_of(how: &SendSettings) -> Result<Option<Owned>, Errno> {
    let note = ReceiveMeta { ttl: how.ttl.unwrap_or(64), tos: how.tos, ..ReceiveMeta::default() };
    if note == ReceiveMeta::default() {
        return Ok(None);
    }
    memory_file::create(&note.encode()).map(Some)
}

/// To a group, in a net without an engine.
fn to_group(sock: &Sock, out: &Outgoing, group: SocketAddr) -> Result<usize, Errno> {
    if out.how.no_loop {
        return Ok(out.len);
    }
    let own = names::bound_name(sock);
    let usable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast();
    let loopback: IpAddr = match group {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let of_net = net_env::current().addresses.iter().map(|a| a.address);
    let mut of_net = of_net.filter(|ip| ip.is_ipv4() == group.is_ipv4());
    let said = Some(own.ip()).filter(usable).or(out.source);
    let ip = said.or_else(|| of_net.next()).unwrap_or(loopback);
    groups::send(SocketAddr::new(ip, own.port()), group, out.payload, out.len)
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
        Err(Errno::CONNRESET) => match late_error(sock.fd) {
            Some(errno) => Err(errno),
            None => to_peer(sock, out),
        },
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
        Err(Errno::CONNRESET) => match late_error(sock.fd) {
            Some(errno) => Err(errno),
            None => to_peer(*sock, out),
        },
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
            error_receive::refused(sock, peer, out.payload)?;
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
