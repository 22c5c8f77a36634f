//! The automatic bind of a datagram socket, which many programs do for every question they ask: so
//! without the kernel's whole list of names. A port is drawn, and the names that would be in its
//! way are asked for one by one.
use super::bind;
use super::datagram_wants;
use super::net_env;
use super::object::{Sock, address_of};
use super::tag::Tag;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::base::limits::{EPHEMERAL_FIRST, EPHEMERAL_LAST};
use crate::host::{Errno, clock, unix};
use crate::protocol::name::{Name, NetId, Role, Slot, Transport};

/// Ports tried before the whole list is looked at.
const DRAWS: usize = 8;

/// Binds a socket that has no name to the wildcard address and a free port (RFC 6056 3.3.1).
pub fn autobind(sock: &mut Sock) -> Result<(), Errno> {
    choose(sock)?;
    datagram_wants::tell_if_special(sock);
    Ok(())
}

/// The same, and the engine is not told what the socket wants.
pub(super) fn choose(sock: &mut Sock) -> Result<(), Errno> {
    if sock.has(Tag::ICMP) {
        return bind::autobind(sock);
    }
    let ports = u64::from(EPHEMERAL_LAST - EPHEMERAL_FIRST) + 1;
    for _ in 0..DRAWS {
        let port = EPHEMERAL_FIRST + (clock::random_u64() % ports) as u16;
        if in_the_way(sock, port)? {
            continue;
        }
        match unix::bind(sock.fd, &address_of(&wildcard(sock, port))) {
            Err(Errno::ADDRINUSE) => {}
            Err(errno) => return Err(errno),
            Ok(()) => {
                sock.add(Tag::BOUND);
                return Ok(());
            }
        }
    }
    bind::autobind(sock)
}

fn name(ip: IpAddr, port: u16, dual: bool, slot: Slot) -> Name {
    let local = SocketAddr::new(ip, port);
    Name {
        net: NetId(net_env::current().id),
        role: Role::Datagram { transport: Transport::Udp, local, dual, slot },
    }
}

fn wildcard(sock: &Sock, port: u16) -> Name {
    if !sock.has(Tag::IPV6) {
        return name(Ipv4Addr::UNSPECIFIED.into(), port, false, Slot::Exclusive);
    }
    let dual = !sock.has(Tag::V6ONLY);
    name(Ipv6Addr::UNSPECIFIED.into(), port, dual, Slot::Exclusive)
}

/// Whether somebody is bound to this port at an address that the wildcard has in it. A connect that
/// succeeds shows it; it is taken back at once.
fn in_the_way(sock: &Sock, port: u16) -> Result<bool, Errno> {
    let (v4, v6) = (!sock.has(Tag::IPV6) || !sock.has(Tag::V6ONLY), sock.has(Tag::IPV6));
    let own = net_env::current().addresses.iter().map(|a| (a.address, false));
    let specific = [(Ipv4Addr::LOCALHOST.into(), false), (Ipv6Addr::LOCALHOST.into(), false)];
    let any: [(IpAddr, bool); 3] = [
        (Ipv4Addr::UNSPECIFIED.into(), false),
        (Ipv6Addr::UNSPECIFIED.into(), false),
        (Ipv6Addr::UNSPECIFIED.into(), true),
    ];
    for (ip, dual) in specific.into_iter().chain(any).chain(own) {
        if !(if ip.is_ipv4() || dual { v4 } else { v6 } || dual && v6) {
            continue;
        }
        for slot in [Slot::Exclusive, Slot::Shared(0)] {
            match unix::connect(sock.fd, &address_of(&name(ip, port, dual, slot))) {
                Err(Errno::CONNREFUSED) => {}
                Ok(()) => {
                    unix::disconnect(sock.fd)?;
                    return Ok(true);
                }
                // It is connected to somebody: it is there.
                Err(Errno::PERM) => return Ok(true),
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(false)
}
