//! bind(2) and automatic binds: an address and port become a name, and the kernel keeps the name.
//!
//! The kernel's names make one exact name unique. That two different names exclude each other
//! (`0.0.0.0:80` and `127.0.0.1:80`) is checked before, in [`super::conflict`].
use super::conflict::{Bound, Survey};
use super::net_env;
use super::object::{Sock, address_of, canonical};
use super::options;
use super::registry::survey;
use super::sockaddr::{self, Given};
use super::tag::Tag;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, clock, option, unix};
use crate::protocol::name::{Name, NetId, Role, Slot, Transport};

/// How often a port is drawn again when another program takes it between check and bind.
const DRAWS: usize = 64;

/// bind(2) with the address that the program gave.
pub fn bind(mut sock: Sock, given: &[u8]) -> Result<(), Errno> {
    let ipv6 = sock.has(Tag::IPV6);
    let address = match sockaddr::decode(given, ipv6)? {
        Given::Inet(address) => address,
        // Linux takes AF_UNSPEC for AF_INET here if the address is INADDR_ANY.
        Given::Unspec(Some(any)) if !ipv6 && any.ip().is_unspecified() => any,
        Given::Unspec(_) if given.len() < least(ipv6) => return Err(Errno::INVAL),
        Given::Unspec(_) => return Err(Errno::AFNOSUPPORT),
    };
    check_address(&sock, address)?;
    if sock.has(Tag::BOUND | Tag::CONNECTED | Tag::LISTENING) {
        return Err(Errno::INVAL);
    }
    if sock.own_name().is_some() {
        // The endpoint of a connect that failed: that name goes with the file.
        sock = super::replace::unix_file(sock)?;
    }
    claim(&mut sock, address)?;
    super::datagram_wants::tell_if_special(&sock);
    Ok(())
}

fn least(ipv6: bool) -> usize {
    if ipv6 { 24 } else { sockaddr::IN_SIZE }
}

/// Whether the program may bind to this address.
fn check_address(sock: &Sock, address: SocketAddr) -> Result<(), Errno> {
    let ip = address.ip();
    let mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    if mapped && sock.has(Tag::V6ONLY) {
        return Err(Errno::INVAL);
    }
    let ip = ip.to_canonical();
    let brief = net_env::current();
    let group = ip.is_multicast() || brief.is_broadcast(ip);
    if group && !sock.has(Tag::DGRAM) && ip.is_ipv6() {
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
fn binds_freely(sock: &Sock) -> bool {
    let set = |level, name| options::annex_int(sock, level, name).unwrap_or(0) != 0;
    set(libc::IPPROTO_IP, libc::IP_FREEBIND) || set(libc::IPPROTO_IPV6, libc::IPV6_FREEBIND)
}

/// Binds a socket object that has no name to the wildcard address and a free port.
pub fn autobind(sock: &mut Sock) -> Result<(), Errno> {
    let any: IpAddr = match sock.has(Tag::IPV6) {
        true => Ipv6Addr::UNSPECIFIED.into(),
        false => Ipv4Addr::UNSPECIFIED.into(),
    };
    claim(sock, SocketAddr::new(any, 0))
}

/// Gives the socket object the name of `address` (port 0: a free one). `EADDRINUSE` if others'
/// sockets exclude it. Sets `BOUND`.
pub fn claim(sock: &mut Sock, address: SocketAddr) -> Result<(), Errno> {
    let brief = net_env::current();
    let net = NetId(brief.id);
    let transport = transport(sock);
    let dual = sock.has(Tag::IPV6)
        && !sock.has(Tag::V6ONLY)
        && address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let mut wanted = Bound {
        local: canonical(address),
        dual,
        shared: shares(sock, transport),
        uid: Some(rustix::process::geteuid().as_raw()),
    };
    let others = survey(net, wanted, transport);
    if address.port() != 0 {
        if others.clash() {
            return Err(Errno::ADDRINUSE);
        }
        take_name(sock, net, &wanted, transport)?;
    } else {
        draw_port(sock, net, &mut wanted, &others, transport)?;
    }
    sock.add(Tag::BOUND);
    Ok(())
}

fn draw_port(
    sock: &Sock,
    net: NetId,
    wanted: &mut Bound,
    others: &Survey,
    transport: Transport,
) -> Result<(), Errno> {
    for _ in 0..DRAWS {
        let port = others.free_port(clock::random_u64()).ok_or(Errno::ADDRINUSE)?;
        wanted.local.set_port(port);
        match take_name(sock, net, wanted, transport) {
            Err(Errno::ADDRINUSE) => {}
            other => return other,
        }
    }
    Err(Errno::ADDRINUSE)
}

/// Binds in the kernel, to the only slot or to the first free one of the group.
fn take_name(sock: &Sock, net: NetId, wanted: &Bound, transport: Transport) -> Result<(), Errno> {
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

/// What it speaks.
pub fn transport(sock: &Sock) -> Transport {
    match (sock.has(Tag::DGRAM), sock.has(Tag::ICMP), sock.has(Tag::RAW)) {
        (false, _, _) => Transport::Tcp,
        (true, false, _) => Transport::Udp,
        (true, true, false) => Transport::Echo,
        (true, true, true) => Transport::Raw,
    }
}

/// Whether the program wants to share its address: `SO_REUSEPORT`, for UDP also `SO_REUSEADDR`.
fn shares(sock: &Sock, transport: Transport) -> bool {
    let reuse_address =
        || option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_REUSEADDR).is_ok_and(|v| v != 0);
    sock.has(Tag::REUSEPORT) || (transport != Transport::Tcp && reuse_address())
}
