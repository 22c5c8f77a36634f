//! Receiving datagrams: the kernel's own calls; the sender's name becomes his address.
use super::class;
use super::datagram::{self, late_error};
use super::datagram_route;
use super::error_receive;
use super::groups;
use super::net_env;
use super::object::{Sock, role_of};
use super::ping;
use super::pktinfo::{self, KernelControl, Writer};
use super::tag::Tag;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{
    Errno,
    fd::Raw,
    message::{self, Payload, Received},
    unix,
    usermem::UserSlice,
};
use crate::protocol::datagram::ReceiveMeta;
use crate::protocol::name::{Name, NetId, Role};

/// What the caller needs besides the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Nothing (read, recv).
    Data,
    /// The sender (recvfrom).
    Sender,
    /// The sender, `msg_flags` and control data (recvmsg).
    Header,
}

/// What came of one call to the kernel.
enum Outcome {
    /// A datagram, and its sender as the program is to see it.
    Got(Received, Option<SocketAddr>),
    /// A datagram that the program may not see.
    Hidden,
    /// Nothing.
    Again,
}

/// read(2), recvfrom(2), recvmsg(2) on a descriptor that is taken for a datagram socket object. The
/// caller copies the sender out. `ENOTSOCK`: it was another file; the hint is corrected.
pub fn receive(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
    flags: i32,
    want: Want,
) -> Result<(Received, Option<SocketAddr>), Errno> {
    if flags & libc::MSG_ERRQUEUE != 0 {
        return error_receive::receive(fd, payload, control);
    }
    // UDP knows no urgent data and ignores the flag.
    let flags = flags & !libc::MSG_OOB;
    loop {
        let got = match want {
            Want::Data => data(fd, payload, flags)?,
            Want::Sender => with_sender(fd, payload, flags)?,
            Want::Header => with_header(fd, payload, control, flags)?,
        };
        match got {
            Outcome::Got(received, sender) => return Ok((received, sender)),
            Outcome::Hidden if flags & libc::MSG_PEEK != 0 => {
                let _ = message::receive_bytes(fd, &mut [], None, libc::MSG_DONTWAIT);
            }
            Outcome::Hidden | Outcome::Again => {}
        }
    }
}

/// The bytes alone. Little is looked into.
fn data(fd: Raw, payload: Payload, flags: i32) -> Result<Outcome, Errno> {
    let mut from = unix::Address::buffer();
    let received = message::receive(fd, payload, Some(&mut from), UserSlice::EMPTY, flags);
    let received = match received {
        Ok(received) => received,
        Err(errno) => return failed(fd, errno),
    };
    let special = match Name::kind(from.as_abstract().unwrap_or_default()) {
        Some(b'x') => received.len == 0,
        // From the wire to a raw socket: there may be a filter.
        Some(b's') => true,
        _ => false,
    };
    if special && let Some(sock) = Sock::of(fd) {
        return judge(&sock, payload, received, &from, None);
    }
    if from.as_abstract().is_some_and(groups::may_be_group)
        && let Some(sock) = Sock::of(fd)
        && !groups::takes(&sock, role_of(&from))
    {
        return Ok(Outcome::Hidden);
    }
    Ok(Outcome::Got(received, None))
}

fn with_sender(fd: Raw, payload: Payload, flags: i32) -> Result<Outcome, Errno> {
    let mut from = unix::Address::buffer();
    let received = message::receive(fd, payload, Some(&mut from), UserSlice::EMPTY, flags);
    let received = match received {
        Ok(received) => received,
        Err(errno) => return failed(fd, errno),
    };
    let Some(sock) = Sock::of(fd) else {
        class::forget(fd);
        return Ok(Outcome::Got(received, None));
    };
    judge(&sock, payload, received, &from, None)
}

fn with_header(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
    flags: i32,
) -> Result<Outcome, Errno> {
    // Before the call: control data of another file must not come into our hands.
    let Some(sock) = Sock::of(fd) else {
        class::set(fd, class::Class::Other);
        return Err(Errno::NOTSOCK);
    };
    let mut from = unix::Address::buffer();
    let mut kernel = KernelControl::new();
    let received = message::receive_header(
        fd,
        payload,
        Some(&mut from),
        kernel.room(),
        flags | libc::MSG_CMSG_CLOEXEC,
    );
    let mut received = match received {
        Ok(received) => received,
        Err(errno) => return failed(fd, errno),
    };
    received.flags &= !(libc::MSG_CTRUNC | libc::MSG_CMSG_CLOEXEC);
    received.flags |= flags & libc::MSG_CMSG_CLOEXEC;
    let mut writer = Writer::new(control);
    let note = kernel.pass_on(received.control_len, &mut writer)?;
    received.control_len = 0;
    let (mut received, sender) = match judge(&sock, payload, received, &from, note.as_ref())? {
        Outcome::Got(received, sender) => (received, sender),
        hidden => return Ok(hidden),
    };
    if let Some(sender) = sender
        && sock.has(Tag::RECV_OPTIONS)
    {
        let role = role_of(&from);
        pktinfo::append(&sock, sender, role, &note.unwrap_or_default(), &mut writer)?;
    }
    writer.finish(&mut received);
    Ok(Outcome::Got(received, sender))
}

/// Whether a datagram is for the program, and from whom.
fn judge(
    sock: &Sock,
    payload: Payload,
    received: Received,
    from: &unix::Address,
    note: Option<&ReceiveMeta>,
) -> Result<Outcome, Errno> {
    // The end that shutdown(2) makes for readers: nobody sent it.
    if received.len == 0 && from.as_abstract().is_none() {
        return Ok(Outcome::Got(received, None));
    }
    if role_of(from) == Some(Role::Alarm) {
        return alarm(sock);
    }
    if sock.has(Tag::RAW) && !ping::passes_filter(sock, payload, received.len) {
        return Ok(Outcome::Hidden);
    }
    if !groups::takes(sock, role_of(from)) {
        return Ok(Outcome::Hidden);
    }
    let source = note.and_then(|note| note.source);
    Ok(match sender(sock, from, source) {
        Some(sender) => Outcome::Got(received, Some(sock.shown(sender))),
        None => Outcome::Hidden,
    })
}

/// The engine has an error for a socket that is not connected: reported once.
fn alarm(sock: &Sock) -> Result<Outcome, Errno> {
    match error_receive::soft_error(sock) {
        Some(errno) if sock.has(Tag::RECVERR) => Err(errno),
        _ => Ok(Outcome::Hidden),
    }
}

/// What a call that failed is answered with; [`Outcome::Again`]: with nothing, it is made again.
fn failed(fd: Raw, errno: Errno) -> Result<Outcome, Errno> {
    match errno {
        Errno::CONNRESET => late_error(fd).map_or(Ok(Outcome::Again), Err),
        errno => Err(errno),
    }
}

/// The address that a sender's name stands for; `None` if the datagram is not for the program.
fn sender(sock: &Sock, from: &unix::Address, source: Option<IpAddr>) -> Option<SocketAddr> {
    let net = NetId(net_env::current().id);
    let name = Name::decode(from.as_abstract()?).filter(|n| n.net == net)?;
    let said = match name.role {
        Role::Datagram { local, .. } => local,
        Role::Proxy { remote, .. } => remote,
        _ => return None,
    };
    let peer = datagram::peer(sock);
    let sender = match source {
        Some(source) => SocketAddr::new(source, said.port()),
        None if said.ip().is_unspecified() => guess(sock, said, peer),
        None => said,
    };
    match peer {
        Some(peer) if peer != sender && unix::peer_address(sock.fd).is_err() => None,
        _ => Some(sender),
    }
}

/// The source address of a sender that is bound to a wildcard: the one that Linux takes for the
/// destination, as far as we know that.
fn guess(sock: &Sock, said: SocketAddr, peer: Option<SocketAddr>) -> SocketAddr {
    let v4_only = said.is_ipv4();
    if !sock.has(Tag::IPV6 | Tag::CONNECTED) && net_env::current().addresses.is_empty() {
        return SocketAddr::new(Ipv4Addr::LOCALHOST.into(), said.port());
    }
    let fits = |ip: &IpAddr| ip.is_ipv4() || !v4_only;
    if let Some(peer) = peer.filter(|p| p.port() == said.port() && fits(&p.ip())) {
        return peer;
    }
    let own = datagram::local_name(sock).map_or(said.ip(), |own| own.ip());
    let ip = match own {
        ip if !ip.is_unspecified() && fits(&ip) => datagram_route::source_for(ip).unwrap_or(ip),
        // A v4 socket is reached over v4 alone; one that takes both, by the sender's family.
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) if v4_only => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, said.port())
}

/// The destination address of a datagram that `sock` received, for `IP_PKTINFO`.
pub(super) fn destination(sock: &Sock, sender: SocketAddr, role: Option<Role>) -> IpAddr {
    if let Some(Role::Proxy { local, .. }) = role {
        return local.ip();
    }
    let own = datagram::local_name(sock).map_or(sender.ip(), |own| own.ip());
    if !own.is_unspecified() {
        return own;
    }
    // Who speaks from one of the net's own addresses spoke to that address.
    datagram_route::source_for(sender.ip()).unwrap_or(sender.ip())
}
