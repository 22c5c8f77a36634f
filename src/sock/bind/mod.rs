//! bind(2) and automatic binds: an address and port become a name, and the kernel keeps the name.
//!
//! [`conflict`] has Linux's rules, `survey` applies them to the kernel's list of names,
//! [`endpoint`] names streams that connect. This room knows descriptors and the net, not what is
//! done with a bound socket.
//!
//! The kernel's names make one exact name unique. That two different names exclude each other
//! (`0.0.0.0:80` and `127.0.0.1:80`) is checked before, in [`conflict`].
pub mod conflict;
pub mod endpoint;
mod survey;

use crate::base::addr::{IpAddr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, clock, identity, unix};
use crate::protocol::name::{Name, NetId, Role, Slot, Transport};
use crate::sock::descriptor::extra::SocketExtra;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::sockaddr::{self, Given};
use crate::sock::descriptor::socket::{Socket, address_of, canonical};
use crate::sock::net;
use crate::sock::replace;
use conflict::Bound;
use survey::survey;

/// How often a port is drawn.
const DRAWS: usize = 64;

/// bind(2) with the address that the program gave.
pub fn bind(mut sock: Socket, given: &[u8]) -> Result<(), Errno> {
    let ipv6 = sock.has(SocketFlags::IPV6);
    let address = match sockaddr::decode(given, ipv6)? {
        Given::Inet(address) => address,
        // Linux takes AF_UNSPEC for AF_INET here if the address is INADDR_ANY.
        Given::Unspec(Some(any)) if !ipv6 && any.ip().is_unspecified() => any,
        Given::Unspec(_) if given.len() < least(ipv6) => return Err(Errno::INVAL),
        Given::Unspec(_) => return Err(Errno::AFNOSUPPORT),
    };
    check_address(&sock, address)?;
    if sock.has(SocketFlags::BOUND) || sock.has_peer() || sock.is_listening() {
        return Err(Errno::INVAL);
    }
    match claim(&mut sock, address) {
        // The name of a connect that failed: that goes with the file.
        Err(Errno::INVAL) if sock.own_name().is_some() => {
            claim(&mut replace::unix_file(sock)?, address)
        }
        claimed => claimed,
    }
}

fn least(ipv6: bool) -> usize {
    if ipv6 { 24 } else { sockaddr::IN_SIZE }
}

/// Whether the program may bind to this address.
fn check_address(sock: &Socket, address: SocketAddr) -> Result<(), Errno> {
    let ip = address.ip();
    let mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    if mapped && sock.has(SocketFlags::V6ONLY) {
        return Err(Errno::INVAL);
    }
    let ip = ip.to_canonical();
    let brief = net::current();
    let group = ip.is_multicast() || brief.is_broadcast(ip);
    if group && !sock.is_datagram() && ip.is_ipv6() {
        return Err(Errno::INVAL); // __inet6_bind
    }
    // Linux lets a stream be bound to a group of IPv4, where nothing ever arrives.
    if ip.is_unspecified() || brief.is_own(ip) || group || binds_freely(sock) {
        Ok(())
    } else {
        Err(Errno::ADDRNOTAVAIL)
    }
}

/// ip(7), `IP_FREEBIND`: also to an address that the net does not have, or not yet.
fn binds_freely(sock: &Socket) -> bool {
    let set = |level, name| SocketExtra::option_of(sock, level, name).unwrap_or(0) != 0;
    set(libc::IPPROTO_IP, libc::IP_FREEBIND) || set(libc::IPPROTO_IPV6, libc::IPV6_FREEBIND)
}

/// Binds a socket object that has no name to the wildcard address and a free port.
pub fn autobind(sock: &mut Socket) -> Result<(), Errno> {
    claim(sock, SocketAddr::new(sock.wildcard(), 0))
}

/// Gives the socket object the name of `address` (port 0: a free one). `EADDRINUSE` if others'
/// sockets exclude it. Sets `BOUND`.
pub fn claim(sock: &mut Socket, address: SocketAddr) -> Result<(), Errno> {
    let brief = net::current();
    let net = NetId(brief.id);
    let transport = sock.transport();
    let dual = sock.has(SocketFlags::IPV6)
        && !sock.has(SocketFlags::V6ONLY)
        && address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let mut wanted =
        Bound { local: canonical(address), dual, shared: shares(sock, transport), uid: None };
    if wanted.shared {
        wanted.uid = Some(identity::euid());
    }
    if address.port() != 0 {
        if survey(net, wanted, transport)?.clash() {
            return Err(Errno::ADDRINUSE);
        }
        take_name(sock, net, &wanted, transport)?;
    } else {
        draw_port(sock, net, wanted, transport)?;
    }
    sock.add(SocketFlags::BOUND);
    Ok(())
}

/// A free port of the dynamic range (RFC 6056 3.3.1).
///
/// Ports are dealt out by what the address may exclude: the kernel's names then tell whether a port
/// is free, and the list of all names need not be read. Only if that finds none, or for a group,
/// it is.
fn draw_port(sock: &Socket, net: NetId, bound: Bound, transport: Transport) -> Result<(), Errno> {
    let attempt = |port| {
        let local = SocketAddr::new(bound.local.ip(), port);
        take_name(sock, net, &Bound { local, ..bound }, transport)
    };
    if !bound.shared {
        let share = conflict::share_of_ports(bound.local.ip(), bound.dual);
        for _ in 0..DRAWS {
            match attempt(share.port(clock::random_port_bits())) {
                Err(Errno::ADDRINUSE) => {}
                other => return other,
            }
        }
    }
    let others = survey(net, bound, transport)?;
    for _ in 0..DRAWS {
        let port = others.free_port(clock::random_port_bits()).ok_or(Errno::ADDRINUSE)?;
        match attempt(port) {
            Err(Errno::ADDRINUSE) => {}
            other => return other,
        }
    }
    Err(Errno::ADDRINUSE)
}

/// Binds in the kernel, to the only slot or to the first free one of the group.
fn take_name(sock: &Socket, net: NetId, wanted: &Bound, transport: Transport) -> Result<(), Errno> {
    let (local, dual) = (wanted.local, wanted.dual);
    let bind_to = |slot| {
        let role = match transport {
            Transport::Tcp => Role::Listener { local, dual, slot },
            _ => Role::Datagram { transport, local, dual, slot },
        };
        unix::bind(sock.fd, &address_of(&Name { net, role }))
    };
    if !wanted.shared {
        return bind_to(Slot::Exclusive);
    }
    for n in 0..Slot::SHARED {
        match bind_to(Slot::Shared(n)) {
            Err(Errno::ADDRINUSE) => {}
            other => return other,
        }
    }
    Err(Errno::ADDRINUSE)
}

/// Whether the program wants to share its address: `SO_REUSEPORT`, for UDP also `SO_REUSEADDR`.
fn shares(sock: &Socket, transport: Transport) -> bool {
    sock.has(SocketFlags::REUSEPORT)
        || (transport != Transport::Tcp && sock.has(SocketFlags::REUSEADDR))
}
