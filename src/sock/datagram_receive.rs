//! Receiving datagrams: the kernel's own calls; the sender's name becomes his address.
use super::class;
use super::datagram::{self, late_error};
use super::datagram_route;
use super::name::{Name, Role};
use super::net_env;
use super::object::Sock;
use super::pktinfo;
use super::tag::Tag;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{
    Errno,
    fd::Raw,
    message::{self, Payload, Received},
    unix,
    usermem::UserSlice,
};

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

/// read(2), recvfrom(2), recvmsg(2) on a descriptor that is taken for a datagram socket object: the
/// sender as the program is to see it. The caller copies it out. `ENOTSOCK`: it was no socket.
pub fn receive(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
    flags: i32,
    want: Want,
) -> Result<(Received, Option<SocketAddr>), Errno> {
    if flags & libc::MSG_ERRQUEUE != 0 {
        return Err(Errno::AGAIN);
    }
    // UDP knows no urgent data and ignores the flag.
    let flags = flags & !libc::MSG_OOB;
    if want == Want::Data {
        let received = message::receive(fd, payload, None, UserSlice::EMPTY, flags);
        return received.map(|r| (r, None)).map_err(|errno| translate(fd, errno));
    }
    loop {
        let mut from = unix::Address::buffer();
        let received = match want {
            Want::Header => message::receive_header(fd, payload, Some(&mut from), control, flags),
            _ => message::receive(fd, payload, Some(&mut from), UserSlice::EMPTY, flags),
        };
        let mut received = received.map_err(|errno| translate(fd, errno))?;
        let Some(sock) = Sock::of(fd) else {
            class::forget(fd);
            return Ok((received, None));
        };
        // The end that shutdown(2) makes for readers: nobody sent it.
        if received.len == 0 && from.as_abstract().is_none() {
            return Ok((received, None));
        }
        match sender(&sock, &from) {
            Some(sender) => {
                if want == Want::Header && sock.has(Tag::ANNEX) {
                    let role = Name::decode(from.as_abstract().unwrap_or_default()).map(|n| n.role);
                    pktinfo::append(&sock, sender, role, control, &mut received)?;
                }
                return Ok((received, Some(sock.shown(sender))));
            }
            // Not from this net, or not from the peer: nothing that a program may see.
            None if flags & libc::MSG_PEEK != 0 => {
                let _ = message::receive_bytes(fd, &mut [], None, libc::MSG_DONTWAIT);
            }
            None => {}
        }
    }
}

fn translate(fd: Raw, errno: Errno) -> Errno {
    if errno == Errno::CONNRESET { late_error(fd) } else { errno }
}

/// The address that a sender's name stands for; `None` if the datagram is not for the program.
fn sender(sock: &Sock, from: &unix::Address) -> Option<SocketAddr> {
    let name = Name::decode(from.as_abstract()?).filter(|n| n.net.0 == net_env::current().id)?;
    let said = match name.role {
        Role::Datagram { local, .. } => local,
        Role::Proxy { remote, .. } => remote,
        _ => return None,
    };
    let peer = datagram::peer(sock);
    let sender = if said.ip().is_unspecified() { guess(sock, said, peer) } else { said };
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
