//! A datagram on its way, by its route.
use super::error_queue;
use super::groups;
use super::interest;
use super::peer::{self, late_error, link, with_peer_socket};
use super::route::{self, Route};
use crate::base::FourTuple;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{
    Errno, clock, event,
    fd::{Owned, Raw, is_nonblocking},
    memory_file,
    message::{self, Parts, Payload},
    option, poll, unix,
};
use crate::protocol::datagram::{ReceiveMeta, SendSettings, UdpSendHeader};
use crate::protocol::name::{Name, NetId, Role};
use crate::sock::bind;
use crate::sock::client;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::sockaddr;
use crate::sock::descriptor::socket::{Socket, address_of, canonical};
use crate::sock::net;
use crate::sock::replace;
use core::time::Duration;

/// UDP's payload in the longest IPv4 packet, bytes.
const MAX_V4: usize = 65_535 - 20 - 8;
/// And in the longest IPv6 packet that is no jumbogram.
pub const MAX_V6: usize = 65_535 - 8;
/// A send buffer that the longest datagram fits in (the kernel doubles it).
const SEND_BUFFER: i32 = 80 * 1024;
/// `UDP_MAX_SEGMENTS`.
const SEGMENTS_MAX: usize = 128;
/// How long a blocking sender waits for room, and settings long one that must not block.
const PATIENCE: Duration = Duration::from_millis(10);
const PATIENCE_NONBLOCKING: Duration = Duration::from_micros(200);

/// A datagram on its way.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// What the program gave.
    pub payload: Payload<'a>,
    /// Its length, bytes.
    pub len: usize,
    /// `MSG_DONTWAIT`, if the program gave it.
    pub flags: i32,
    /// What the program wants to send from.
    pub source: Option<IpAddr>,
    /// How it is to leave.
    pub settings: SendSettings,
}

impl Outgoing<'_> {
    /// Linux counts by the family of the packet.
    fn check_size(&self, to: IpAddr) -> Result<(), Errno> {
        let max = if to.to_canonical().is_ipv4() { MAX_V4 } else { MAX_V6 };
        let segment = usize::from(self.settings.segment);
        if self.len > max {
            return Err(Errno::MSGSIZE);
        }
        // udp_send_skb: so many segments at most, and each with a checksum.
        if segment != 0
            && self.len > segment
            && (self.len > segment * SEGMENTS_MAX || self.settings.no_checksum)
        {
            return Err(Errno::INVAL);
        }
        Ok(())
    }
    /// Hands it to the kernel, which does not wait.
    fn post(&self, fd: Raw, to: Option<&unix::Address>) -> Result<usize, Errno> {
        roomy(fd, || message::post(fd, self.payload, to))
    }
    /// The same with a [`ReceiveMeta`] for the receiver, in as many datagrams as were asked for.
    fn post_with_meta(
        &self,
        fd: Raw,
        to: &unix::Address,
        meta: Option<Raw>,
    ) -> Result<usize, Errno> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let step = match usize::from(self.settings.segment) {
            0 => self.len.max(1),
            segment => segment,
        };
        for start in (0..self.len.max(1)).step_by(step) {
            let parts = Parts::new(&[], self.payload, start..self.len.min(start + step))?;
            let send = |pass: &[Raw]| roomy(fd, || parts.send(fd, Some(to), pass, flags));
            match send(meta.as_slice()) {
                // Too many descriptors are on their way already.
                Err(Errno::TOOMANYREFS) => send(&[]),
                // Some have left: the others are lost, as UDP may.
                Err(Errno::AGAIN) if start > 0 => break,
                sent => sent,
            }?;
        }
        Ok(self.len)
    }
    /// To the engine, which is to send it as it says.
    fn post_with_header(
        &self,
        fd: Raw,
        net: NetId,
        header: &UdpSendHeader,
    ) -> Result<usize, Errno> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let head = header.encode();
        let parts = Parts::new(&head, self.payload, 0..self.len)?;
        let gateway = address_of(&Name { net, role: Role::Gateway });
        match roomy(fd, || parts.send(fd, Some(&gateway), &[], flags)) {
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
pub fn to_address(mut sock: Socket, outgoing: Outgoing, to: SocketAddr) -> Result<usize, Errno> {
    if sock.has(SocketFlags::WRITE_SHUT) {
        return Err(Errno::PIPE);
    }
    outgoing.check_size(to.ip())?;
    if to.port() == 0 {
        return Err(Errno::INVAL);
    }
    let mut route = route::find(&sock, to, outgoing.source)?;
    if !sock.has(SocketFlags::BOUND) && route != Route::Outside {
        bind::autobind(&mut sock)?;
        interest::tell_if_special(&sock);
        // The route of a datagram for the wire has our port in it.
        route = route::find(&sock, to, outgoing.source)?;
    }
    along(&sock, outgoing, &route, to)
}

/// Sends along a route.
pub fn along(sock: &Socket, out: Outgoing, route: &Route, to: SocketAddr) -> Result<usize, Errno> {
    let net = NetId(net::current().id);
    let sent = match *route {
        Route::Local(remote)
            if !out.settings.is_usual() || hidden_source(sock, remote).is_some() =>
        {
            with_meta(sock, &out, remote)
        }
        Route::Wire(tuple) if !out.settings.is_usual() => {
            check_path(sock, &out, tuple.remote)?;
            with_header(sock, &out, tuple, net)
        }
        Route::Local(remote) => plainly(sock, &out, remote),
        Route::Wire(tuple) => to_peer_socket(sock, &out, tuple, net),
        Route::Group(remote) => return to_group(sock, &out, remote),
        Route::Outside => return outside(sock, out, to),
    };
    match sent {
        Err(Errno::CONNREFUSED) => {
            if let Route::Local(remote) = *route {
                refused(sock, remote, out.payload)?;
            }
            Ok(out.len)
        }
        // The receiver has shut down reading, or does not read.
        Err(Errno::PIPE | Errno::AGAIN) => Ok(out.len),
        Err(Errno::CONNRESET) => match late_error(sock.fd) {
            Some(errno) => Err(errno),
            None => along(sock, out, route, to),
        },
        Err(Errno::NETDOWN) => Err(Errno::NETUNREACH),
        other => other,
    }
}

/// Nothing is bound there: who has asked for errors, or is connected to that, is told.
#[inline(never)]
fn refused(sock: &Socket, remote: SocketAddr, payload: Payload) -> Result<(), Errno> {
    let concerned = sock.has(SocketFlags::RECVERR) || peer::peer(sock) == Some(remote);
    if concerned { error_queue::refused(sock, remote, payload) } else { Ok(()) }
}

// Each way is a function of its own, so that a call has the stack of one of them only.

/// To a socket of this machine that must be told more than the datagram.
#[inline(never)]
fn with_meta(sock: &Socket, out: &Outgoing, remote: SocketAddr) -> Result<usize, Errno> {
    let meta = meta_of(&out.settings, hidden_source(sock, remote));
    let meta = meta.as_ref().map(Owned::raw);
    patiently(sock, out, remote, |out| {
        route::first_that_answers(sock, remote, |name| {
            out.post_with_meta(sock.fd, &address_of(name), meta)
        })
    })
}

/// To a socket of this machine.
#[inline(never)]
fn plainly(sock: &Socket, out: &Outgoing, remote: SocketAddr) -> Result<usize, Errno> {
    patiently(sock, out, remote, |out| {
        route::first_that_answers(sock, remote, |name| out.post(sock.fd, Some(&address_of(name))))
    })
}

/// To the engine, which is to send it otherwise than usual.
#[inline(never)]
fn with_header(
    sock: &Socket,
    out: &Outgoing,
    tuple: FourTuple,
    net: NetId,
) -> Result<usize, Errno> {
    let header = UdpSendHeader { transport: sock.transport(), tuple, settings: out.settings };
    patiently(sock, out, tuple.remote, |out| out.post_with_header(sock.fd, net, &header))
}

/// To the engine's socket that stands for a host on the wire.
#[inline(never)]
fn to_peer_socket(
    sock: &Socket,
    out: &Outgoing,
    tuple: FourTuple,
    net: NetId,
) -> Result<usize, Errno> {
    let transport = sock.transport();
    let role = Role::Proxy { transport, local: tuple.local, remote: tuple.remote };
    let name = address_of(&Name { net, role });
    patiently(sock, out, tuple.remote, |out| {
        with_peer_socket(transport, tuple, || out.post(sock.fd, Some(&name)))
    })
}

/// A datagram that must not be cut, and is longer than the path takes: `EMSGSIZE`, which also goes
/// into the error queue of who asked for that (ip_local_error).
#[inline(never)]
fn check_path(sock: &Socket, out: &Outgoing, to: SocketAddr) -> Result<(), Errno> {
    /// What every link carries (RFC 8200 5): nobody need be asked.
    const CARRIED: usize = 1280;
    let never = [libc::IP_PMTUDISC_DO, libc::IP_PMTUDISC_PROBE].map(|v| Some(v as u8));
    let ip = if to.is_ipv4() { 20 } else { 40 };
    let payload = match usize::from(out.settings.segment) {
        0 => out.len,
        segment => out.len.min(segment),
    };
    let len = ip + payload + if sock.has(SocketFlags::ICMP) { 0 } else { 8 };
    let segments = payload < out.len;
    if len <= CARRIED || !(segments || never.contains(&out.settings.discover)) {
        return Ok(());
    }
    match client::path_mtu(to.ip()) {
        Some(mtu) if len > usize::from(mtu) => {
            if sock.has(SocketFlags::RECVERR) {
                error_queue::too_long(&mut { *sock }, to, mtu)?;
            }
            Err(Errno::MSGSIZE)
        }
        _ => Ok(()),
    }
}

/// What a program on this machine is told of a datagram that leaves otherwise than usual.
fn meta_of(settings: &SendSettings, source: Option<IpAddr>) -> Option<Owned> {
    let (ttl, tos) = (settings.ttl.unwrap_or(64), settings.tos);
    let meta = ReceiveMeta { ttl, tos, source, ..ReceiveMeta::default() };
    if meta == ReceiveMeta::default() {
        return None;
    }
    // Without a descriptor the datagram goes without.
    match meta.to_number() {
        Some(number) => event::holding(number).ok(),
        None => memory_file::create(&meta.encode()).ok(),
    }
}

/// The source address of a datagram to `remote`, where the receiver cannot tell it from our name:
/// that is a wildcard, and `remote` is not the loopback address that is taken for it then.
#[inline(never)]
pub fn hidden_source(sock: &Socket, remote: SocketAddr) -> Option<IpAddr> {
    let usual: IpAddr = match sock.wildcard() {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let source = route::source_for(remote.ip())?;
    (source != usual && sock.bound_address().ip() == sock.wildcard()).then_some(source)
}

/// To a group, in a net without an engine.
#[inline(never)]
fn to_group(sock: &Socket, out: &Outgoing, group: SocketAddr) -> Result<usize, Errno> {
    if out.settings.no_loop {
        return Ok(out.len);
    }
    let own = sock.bound_address();
    let usable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast();
    let loopback: IpAddr = match group {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let of_net = net::current().addresses.iter().map(|a| a.address);
    let mut of_net = of_net.filter(|ip| ip.is_ipv4() == group.is_ipv4());
    let said = Some(own.ip()).filter(usable).or(out.source);
    let ip = said.or_else(|| of_net.next()).unwrap_or(loopback);
    groups::send(SocketAddr::new(ip, own.port()), group, out.payload, out.len)
}

/// To the host's own network, from now on: a kernel socket under the descriptor.
#[inline(never)]
fn outside(sock: &Socket, out: Outgoing, to: SocketAddr) -> Result<usize, Errno> {
    replace::kernel_file(*sock)?;
    let to = sockaddr::encode(to);
    message::send_raw(sock.fd, out.payload, to.as_bytes(), out.flags | libc::MSG_NOSIGNAL)
}

/// To the logical peer: through the kernel's peer if that lives.
pub fn to_peer(sock: Socket, out: Outgoing) -> Result<usize, Errno> {
    if out.len > MAX_V4 {
        let peer = peer::peer(&sock).ok_or(Errno::DESTADDRREQ)?;
        out.check_size(peer.ip())?;
    }
    match out.post(sock.fd, None) {
        Ok(len) => Ok(len),
        Err(Errno::CONNRESET) => match late_error(sock.fd) {
            Some(errno) => Err(errno),
            None => to_peer(sock, out),
        },
        Err(Errno::PIPE) if sock.has(SocketFlags::WRITE_SHUT) => Err(Errno::PIPE),
        Err(Errno::PIPE) => Ok(out.len),
        Err(Errno::AGAIN) => wait_for_peer(&sock, out),
        // There never was a kernel peer, it has gone, or it is connected to another socket now.
        Err(Errno::NOTCONN | Errno::CONNREFUSED | Errno::PERM) => relink(&sock, out),
        Err(errno) => Err(errno),
    }
}

fn wait_for_peer(sock: &Socket, out: Outgoing) -> Result<usize, Errno> {
    let Some(remote) = peer::peer(sock) else { return Ok(out.len) };
    match patiently(sock, &out, remote, |out| out.post(sock.fd, None)) {
        Err(Errno::AGAIN | Errno::CONNREFUSED | Errno::PIPE | Errno::PERM) => Ok(out.len),
        Err(Errno::CONNRESET) => match late_error(sock.fd) {
            Some(errno) => Err(errno),
            None => to_peer(*sock, out),
        },
        other => other,
    }
}

/// Looks for the socket that has the peer's address now, and sends to it.
fn relink(sock: &Socket, out: Outgoing) -> Result<usize, Errno> {
    match peer::take_error(sock) {
        0 => {}
        pending => return Err(Errno::from_raw_os_error(pending)),
    }
    if let Some(error) = peer::wire_error(sock) {
        return Err(error);
    }
    let peer = peer::peer(sock).ok_or(Errno::DESTADDRREQ)?;
    if peer.port() == 0 {
        return Err(Errno::INVAL);
    }
    let route = route::find(sock, canonical(peer), None)?;
    match link(sock, &route) {
        Ok(true) => match out.post(sock.fd, None) {
            Err(Errno::AGAIN) => wait_for_peer(sock, out),
            Err(Errno::CONNREFUSED | Errno::NOTCONN | Errno::PERM | Errno::PIPE) => Ok(out.len),
            other => other,
        },
        Ok(false) => {
            // The next call tells: ICMP's port unreachable comes after the send.
            error_queue::refused(sock, peer, out.payload)?;
            Ok(out.len)
        }
        Err(Errno::NETDOWN) => Err(Errno::NETUNREACH),
        Err(errno) => Err(errno),
    }
}

/// Tries again for a while as long as the receiver (or our own buffer) has no room; `EAGAIN` when
/// that was in vain. A receiver that did not read then is not waited for the next time.
fn patiently(
    sock: &Socket,
    out: &Outgoing,
    remote: SocketAddr,
    mut attempt: impl FnMut(&Outgoing) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let first = attempt(out);
    let stuck = route::is_stuck(remote);
    if first != Err(Errno::AGAIN) {
        if stuck {
            route::set_stuck(remote, false);
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
        } else if sock.has(SocketFlags::PEER) && !nonblocking {
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
    route::set_stuck(remote, true);
    Err(Errno::AGAIN)
}
