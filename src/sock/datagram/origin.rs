//! Where a datagram came from, and where it was sent to.
use super::peer;
use super::route;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::unix;
use crate::protocol::name::{Name, NetId, Role};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use crate::sock::net;

/// The address that a sender's name stands for; `None` if the datagram is not for the program.
pub fn sender(sock: &Socket, from: &unix::Address, source: Option<IpAddr>) -> Option<SocketAddr> {
    let net = NetId(net::current().id);
    let name = Name::decode(from.as_abstract()?).filter(|n| n.net == net)?;
    let said = match name.role {
        Role::Datagram { local, .. } => local,
        Role::Proxy { remote, .. } => remote,
        _ => return None,
    };
    let peer = peer::peer(sock);
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
fn guess(sock: &Socket, said: SocketAddr, peer: Option<SocketAddr>) -> SocketAddr {
    let v4_only = said.is_ipv4();
    if !sock.has(SocketFlags::IPV6 | SocketFlags::PEER) && net::current().addresses.is_empty() {
        return SocketAddr::new(Ipv4Addr::LOCALHOST.into(), said.port());
    }
    let fits = |ip: &IpAddr| ip.is_ipv4() || !v4_only;
    if let Some(peer) = peer.filter(|p| p.port() == said.port() && fits(&p.ip())) {
        return peer;
    }
    let own = peer::local_name(sock).map_or(said.ip(), |own| own.ip());
    let ip = match own {
        ip if !ip.is_unspecified() && fits(&ip) => route::source_for(ip).unwrap_or(ip),
        // A v4 socket is reached over v4 alone; one that takes both, by the sender's family.
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) if v4_only => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, said.port())
}

/// The destination address of a datagram that `sock` received, for `IP_PKTINFO`.
pub fn destination(sock: &Socket, sender: SocketAddr, role: Option<Role>) -> IpAddr {
    if let Some(Role::Proxy { local, .. }) = role {
        return local.ip();
    }
    let own = peer::local_name(sock).map_or(sender.ip(), |own| own.ip());
    if !own.is_unspecified() {
        return own;
    }
    // A sender at one of the net's own addresses has sent to that address.
    route::source_for(sender.ip()).unwrap_or(sender.ip())
}
