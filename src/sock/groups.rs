//! Joining and leaving groups (ip(7), ipv6(7)), and which datagrams of groups a socket takes.
//!
//! In a net with an engine the engine keeps the memberships, since the wire must be told. In one
//! without, all is between the programs of this machine: a datagram to a group is sent to every
//! socket of its port, from a short-lived socket whose name says group and sender, and who receives
//! it looks whether he is in the group. The annex says which groups a socket is in.
use super::annex::{Annex, Key};
use super::ask;
use super::net_env;
use super::object::{Sock, address_of};
use super::sockaddr::{self, Given};
use super::tag::Tag;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, clock, fd, message::Payload, unix, usermem::UserSlice};
use crate::protocol::name::{Name, NetId, Role, Slot, Transport};
use crate::protocol::request::{Membership, Request};
use libc::{IPPROTO_IP, IPPROTO_IPV6};

/// `MCAST_JOIN_GROUP`, `MCAST_LEAVE_GROUP`.
pub const MCAST_JOIN_GROUP: i32 = 42;
/// See [`MCAST_JOIN_GROUP`].
pub const MCAST_LEAVE_GROUP: i32 = 45;
/// Where in the annex the index is that came with `IP_MULTICAST_IF`: a number that no option of
/// Linux has.
pub const MULTICAST_INDEX: i32 = 250;
/// Names that `libc` lacks.
const IP_MULTICAST_ALL: i32 = 49;
const IPV6_MULTICAST_ALL: i32 = 29;
/// `struct group_req`: an index, padding, and a `struct sockaddr_storage`.
const GROUP_REQ: usize = 136;
/// Groups of one socket (Linux `net.ipv4.igmp_max_memberships`).
const GROUPS_MAX: usize = 20;
/// Tries to get a name for a sender, while another thread has it.
const TRIES: usize = 64;

/// setsockopt(2) of a membership; `None`: the option is another.
pub fn set(sock: Sock, level: i32, name: i32, value: UserSlice) -> Option<Result<(), Errno>> {
    let join = match (level, name) {
        (IPPROTO_IP, libc::IP_ADD_MEMBERSHIP) => true,
        (IPPROTO_IP, libc::IP_DROP_MEMBERSHIP) => false,
        (IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP) => true,
        (IPPROTO_IPV6, libc::IPV6_DROP_MEMBERSHIP) => false,
        (IPPROTO_IP | IPPROTO_IPV6, MCAST_JOIN_GROUP) => true,
        (IPPROTO_IP | IPPROTO_IPV6, MCAST_LEAVE_GROUP) => false,
        _ => return None,
    };
    Some(change(sock, level, name, value, join))
}

fn change(
    mut sock: Sock,
    level: i32,
    name: i32,
    value: UserSlice,
    join: bool,
) -> Result<(), Errno> {
    let mut wanted = read(level, name, value)?;
    if !wanted.group.is_multicast() {
        return Err(Errno::INVAL);
    }
    if !sock.has(Tag::DGRAM) {
        return Err(Errno::PROTO);
    }
    let brief = net_env::usable()?;
    let mut annex = Annex::of(&sock);
    let mut groups = groups_of(&annex);
    let known = groups.iter().position(|group| *group == wanted.group);
    if brief.has_engine() {
        wanted.inode = fd::inode(sock.fd)?;
        ask::demand(&Request::Membership(join, wanted))?;
    } else {
        match (join, known) {
            (true, Some(_)) => return Err(Errno::ADDRINUSE),
            (false, None) => return Err(Errno::ADDRNOTAVAIL),
            _ => {}
        }
    }
    match (join, known) {
        (true, _) if groups.len() >= GROUPS_MAX => return Err(Errno::NOBUFS),
        (true, _) => groups.push(wanted.group),
        (false, Some(at)) => drop(groups.swap_remove(at)),
        (false, None) => {}
    }
    keep(&mut annex, &groups)?;
    annex.store(&mut sock)
}

/// `IP_MULTICAST_IF`: `struct in_addr`, `ip_mreq` or `ip_mreqn`; only the net's own addresses.
pub fn set_interface(mut sock: Sock, value: UserSlice) -> Result<(), Errno> {
    if !sock.has(Tag::DGRAM) {
        return Err(Errno::INVAL);
    }
    let address: [u8; 4] = match value.len() {
        0..4 => return Err(Errno::INVAL),
        4..8 => value.read_array()?,
        _ => value.skip(4).read_array()?,
    };
    // struct ip_mreqn: an index goes before the address.
    let index: [u8; 4] = if value.len() >= 12 { value.skip(8).read_array()? } else { [0; 4] };
    let index = u32::from_ne_bytes(index);
    let ip = core::net::Ipv4Addr::from(address);
    if !ip.is_unspecified() && !net_env::current().is_own(ip.into()) {
        return Err(Errno::ADDRNOTAVAIL);
    }
    let word = u32::from_ne_bytes(address);
    sock.add(Tag::SEND_OPTIONS);
    let mut annex = Annex::of(&sock);
    for (name, word) in [(libc::IP_MULTICAST_IF, word), (MULTICAST_INDEX, index)] {
        annex.set(Key::option(IPPROTO_IP, name).ok_or(Errno::NOPROTOOPT)?, &[word])?;
    }
    annex.store(&mut sock)
}

/// `struct ip_mreq`, `ip_mreqn`, `ipv6_mreq` or `group_req`.
fn read(level: i32, name: i32, value: UserSlice) -> Result<Membership, Errno> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut wanted = Membership { inode: 0, index: 0, local: any, group: any };
    if matches!(name, MCAST_JOIN_GROUP | MCAST_LEAVE_GROUP) {
        if value.len() < GROUP_REQ {
            return Err(Errno::INVAL);
        }
        wanted.index = u32::from_ne_bytes(value.read_array()?);
        let address: [u8; 28] = value.skip(8).read_array()?;
        let Given::Inet(group) = sockaddr::decode(&address, level == IPPROTO_IPV6)? else {
            return Err(Errno::ADDRNOTAVAIL);
        };
        wanted.group = group.ip();
    } else if level == IPPROTO_IPV6 {
        if value.len() < 20 {
            return Err(Errno::INVAL);
        }
        wanted.group = IpAddr::from(value.read_array::<16>()?);
        wanted.index = u32::from_ne_bytes(value.skip(16).read_array()?);
    } else {
        if value.len() < 8 {
            return Err(Errno::INVAL);
        }
        wanted.group = IpAddr::from(value.read_array::<4>()?);
        wanted.local = IpAddr::from(value.skip(4).read_array::<4>()?);
        if value.len() >= 12 {
            wanted.index = u32::from_ne_bytes(value.skip(8).read_array()?);
        }
    }
    Ok(wanted)
}

/// The groups in an annex: for each one word (IPv4) or four, behind one that says how many.
fn groups_of(annex: &Annex) -> Vec<IpAddr> {
    let mut words = annex.get(Key::GROUPS).unwrap_or_default();
    let mut groups = Vec::new();
    while let Some((len, rest)) = words.split_first() {
        let Some((group, behind)) = rest.split_at_checked(*len as usize) else { break };
        match *group {
            [a] => groups.push(IpAddr::from(a.to_be_bytes())),
            [a, b, c, d] => {
                let word = |w: u32| u128::from(w);
                let all = word(a) << 96 | word(b) << 64 | word(c) << 32 | word(d);
                groups.push(IpAddr::V6(Ipv6Addr::from(all)));
            }
            _ => break,
        }
        words = behind;
    }
    groups
}

fn keep(annex: &mut Annex, groups: &[IpAddr]) -> Result<(), Errno> {
    let mut words = Vec::new();
    for group in groups {
        match group {
            IpAddr::V4(v4) => words.extend([1, u32::from(*v4)]),
            IpAddr::V6(v6) => {
                let all = u128::from(*v6);
                words.push(4);
                words.extend([96, 64, 32, 0].map(|shift| (all >> shift) as u32));
            }
        }
    }
    if words.is_empty() {
        annex.remove(Key::GROUPS);
        return Ok(());
    }
    annex.set(Key::GROUPS, &words)
}

/// Whether `sock` takes a datagram that came from a socket of this name: all but those of groups
/// that are not for it.
pub fn takes(sock: &Sock, from: Option<Role>) -> bool {
    let Some(Role::Proxy { local, .. }) = from.filter(is_group) else { return true };
    let annex = Annex::of(sock);
    if groups_of(&annex).contains(&local.ip()) {
        return true;
    }
    // The engine gives only what somebody here has joined: Linux' default is to take that
    // (`IP_MULTICAST_ALL`). Without an engine nobody knows whether anybody has.
    let (level, name) = match local {
        SocketAddr::V4(_) => (IPPROTO_IP, IP_MULTICAST_ALL),
        SocketAddr::V6(_) => (IPPROTO_IPV6, IPV6_MULTICAST_ALL),
    };
    let all = Key::option(level, name).and_then(|key| annex.int(key)) != Some(0);
    net_env::current().has_engine() && all
}

/// Whether a datagram from a socket of this name was sent to a group.
pub fn is_group(from: &Role) -> bool {
    let Role::Proxy { transport: Transport::Udp, local, .. } = from else { return false };
    local.ip().is_multicast()
}

/// The address that `IP_MULTICAST_IF` says, for a datagram to `to`.
pub fn source(sock: &Sock, to: IpAddr) -> Option<IpAddr> {
    if !to.is_multicast() || !to.is_ipv4() || !sock.has(Tag::SEND_OPTIONS) {
        return None;
    }
    let key = Key::option(IPPROTO_IP, libc::IP_MULTICAST_IF)?;
    let word = Annex::of(sock).int(key)? as u32;
    Some(IpAddr::from(word.to_ne_bytes())).filter(|ip| !ip.is_unspecified())
}

/// Whether a name may be that of a proxy: a look at its kind, to spare others the rest.
pub fn may_be_group(name: &[u8]) -> bool {
    name.get(11) == Some(&b'p')
}

/// Sends a datagram to all programs of a net without engine that are in the group `to`: `from` is
/// the sender's address. Who has no room loses it, as UDP may.
pub fn send(
    from: SocketAddr,
    to: SocketAddr,
    payload: Payload,
    len: usize,
) -> Result<usize, Errno> {
    let net = NetId(net_env::current().id);
    let transport = Transport::Udp;
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    let actor = unix::socket(libc::AF_UNIX, kind, 0)?;
    let role = Role::Proxy { transport, local: to, remote: from };
    let name = address_of(&Name { net, role });
    for attempt in 0.. {
        match unix::bind(actor.raw(), &name) {
            Err(Errno::ADDRINUSE) if attempt < TRIES => clock::yield_now(),
            Err(errno) => return Err(errno),
            Ok(()) => break,
        }
    }
    let any4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), to.port());
    let any6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), to.port());
    let places = match to {
        SocketAddr::V4(_) => [(to, false), (any4, false), (any6, true)],
        SocketAddr::V6(_) => [(to, false), (any6, false), (any6, true)],
    };
    let shared = (0..Slot::SHARED).map(Slot::Shared);
    let slots = core::iter::once(Slot::Exclusive).chain(shared);
    for (local, dual) in places {
        for slot in slots.clone() {
            let role = Role::Datagram { transport, local, dual, slot };
            post(actor.raw(), payload, &address_of(&Name { net, role }))?;
        }
    }
    Ok(len)
}

/// To one name; nobody there, or no room for a while, is no error.
fn post(actor: fd::Raw, payload: Payload, to: &unix::Address) -> Result<(), Errno> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    for round in 0..8 {
        match crate::host::message::send(actor, payload, Some(to), UserSlice::EMPTY, flags) {
            Err(Errno::AGAIN) if round < 4 => clock::yield_now(),
            Err(Errno::AGAIN) => clock::sleep(core::time::Duration::from_micros(200)),
            Err(Errno::FAULT) => return Err(Errno::FAULT),
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_survive_the_annex() {
        let mut annex = Annex::new();
        let groups: Vec<IpAddr> =
            ["224.1.1.1", "ff02::fb", "239.255.255.250"].map(|g| g.parse().unwrap()).to_vec();
        keep(&mut annex, &groups).unwrap();
        assert_eq!(groups_of(&annex), groups);
        keep(&mut annex, &[]).unwrap();
        assert!(groups_of(&annex).is_empty());
    }
}
