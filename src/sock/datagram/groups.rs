//! Joining and leaving groups (ip(7), ipv6(7)), and which datagrams of groups a socket takes.
//!
//! In a net with an engine the engine keeps the memberships, since the wire must be told. In one
//! without, all is between the programs of this machine: a datagram to a group is sent to every
//! socket of its port, from a short-lived socket whose name says group and sender, and the receiver
//! checks whether it is in the group. The extra state says which groups a socket is in.
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, clock, fd, message, message::Payload, unix, usermem::UserSlice};
use crate::protocol::name::{Name, NetId, Role, Slot, Transport};
use crate::protocol::request::{Membership, Request};
use crate::sock::client;
use crate::sock::descriptor::extra::{Key, SocketExtra};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::sockaddr::{self, Given};
use crate::sock::descriptor::socket::{Socket, address_of};
use crate::sock::net;
use crate::sock::options::names::{IP_MULTICAST_ALL, IPV6_MULTICAST_ALL, MULTICAST_INDEX};
use libc::{IPPROTO_IP, IPPROTO_IPV6};

/// `MCAST_JOIN_GROUP`, `MCAST_LEAVE_GROUP`.
pub const MCAST_JOIN_GROUP: i32 = 42;
/// See [`MCAST_JOIN_GROUP`].
pub const MCAST_LEAVE_GROUP: i32 = 45;
/// `struct group_req`: an index, padding, and a `struct sockaddr_storage`.
const GROUP_REQ: usize = 136;
/// Groups of one socket (Linux `net.ipv4.igmp_max_memberships`).
const GROUPS_MAX: usize = 20;
/// Tries to get a name for a sender, while another thread has it.
const TRIES: usize = 64;

/// setsockopt(2) of a membership; `None`: the option is another.
pub fn set(sock: Socket, level: i32, name: i32, value: UserSlice) -> Option<Result<(), Errno>> {
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
    mut sock: Socket,
    level: i32,
    name: i32,
    value: UserSlice,
    join: bool,
) -> Result<(), Errno> {
    let mut wanted = read(level, name, value)?;
    if !wanted.group.is_multicast() {
        return Err(Errno::INVAL);
    }
    if !sock.is_datagram() {
        return Err(Errno::PROTO);
    }
    let view = net::usable()?;
    let groups = Groups::of(&SocketExtra::of(&sock));
    let known = groups.as_slice().contains(&wanted.group);
    if view.has_engine() {
        wanted.inode = fd::inode(sock.fd)?;
        client::demand(&Request::Membership(join, wanted))?;
    } else {
        match (join, known) {
            (true, true) => return Err(Errno::ADDRINUSE),
            (false, false) => return Err(Errno::ADDRNOTAVAIL),
            _ => {}
        }
    }
    SocketExtra::edit(&mut sock, |extra| {
        let mut groups = Groups::of(extra);
        match join {
            true => groups.add(wanted.group)?,
            false => groups.remove(wanted.group),
        }
        groups.keep(extra)
    })
}

/// `IP_MULTICAST_IF`: `struct in_addr`, `ip_mreq` or `ip_mreqn`; only the net's own addresses.
pub fn set_interface(mut sock: Socket, value: UserSlice) -> Result<(), Errno> {
    if !sock.is_datagram() {
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
    if !ip.is_unspecified() && !net::current().is_own(ip.into()) {
        return Err(Errno::ADDRNOTAVAIL);
    }
    let word = u32::from_ne_bytes(address);
    sock.add(SocketFlags::SEND_OPTIONS);
    SocketExtra::edit(&mut sock, |extra| {
        for (name, word) in [(libc::IP_MULTICAST_IF, word), (MULTICAST_INDEX, index)] {
            extra.set(Key::option(IPPROTO_IP, name).ok_or(Errno::NOPROTOOPT)?, &[word])?;
        }
        Ok(())
    })
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

/// The groups that a socket is in. In the extra state: for each one word (IPv4) or four, behind one
/// that says how many.
struct Groups {
    list: [IpAddr; GROUPS_MAX],
    len: usize,
}

impl Groups {
    fn of(extra: &SocketExtra) -> Groups {
        let list = [IpAddr::V4(Ipv4Addr::UNSPECIFIED); GROUPS_MAX];
        let mut groups = Groups { list, len: 0 };
        let Some(words) = extra.get(Key::GROUPS) else { return groups };
        let mut at = 0;
        while let (Some(len), true) = (words.word(at), groups.len < GROUPS_MAX) {
            let word = |i: usize| words.word(at + i).unwrap_or(0);
            groups.list[groups.len] = match len {
                1 => IpAddr::from(word(1).to_be_bytes()),
                4 => {
                    let all = (1..=4).fold(0u128, |all, i| all << 32 | u128::from(word(i)));
                    IpAddr::V6(Ipv6Addr::from(all))
                }
                _ => break,
            };
            groups.len += 1;
            at += 1 + len as usize;
        }
        groups
    }
    fn as_slice(&self) -> &[IpAddr] {
        &self.list[..self.len]
    }
    fn add(&mut self, group: IpAddr) -> Result<(), Errno> {
        *self.list.get_mut(self.len).ok_or(Errno::NOBUFS)? = group;
        self.len += 1;
        Ok(())
    }
    fn remove(&mut self, group: IpAddr) {
        if let Some(at) = self.as_slice().iter().position(|g| *g == group) {
            self.list[at] = self.list[self.len - 1];
            self.len -= 1;
        }
    }
    fn keep(&self, extra: &mut SocketExtra) -> Result<(), Errno> {
        let (mut words, mut count) = ([0; 5 * GROUPS_MAX], 0);
        for group in self.as_slice() {
            let (octets, len) = match group {
                IpAddr::V4(v4) => (u128::from(u32::from(*v4)), 1),
                IpAddr::V6(v6) => (u128::from(*v6), 4),
            };
            words[count] = len as u32;
            for i in 0..len {
                words[count + 1 + i] = (octets >> (32 * (len - 1 - i))) as u32;
            }
            count += 1 + len;
        }
        if count == 0 {
            extra.remove(Key::GROUPS);
            return Ok(());
        }
        extra.set(Key::GROUPS, &words[..count])
    }
}

/// Whether `sock` takes a datagram that came from a socket of this name: all but those of groups
/// that are not for it.
pub fn takes(sock: &Socket, from: Option<Role>) -> bool {
    match from.filter(is_group) {
        Some(Role::Proxy { local, .. }) => takes_group(sock, local),
        _ => true,
    }
}

#[inline(never)]
fn takes_group(sock: &Socket, local: SocketAddr) -> bool {
    let mut extra = SocketExtra::new();
    extra.read(sock);
    if Groups::of(&extra).as_slice().contains(&local.ip()) {
        return true;
    }
    // The engine gives only what somebody here has joined: Linux' default is to take that
    // (`IP_MULTICAST_ALL`). Without an engine nobody knows whether anybody has.
    let (level, name) = match local {
        SocketAddr::V4(_) => (IPPROTO_IP, IP_MULTICAST_ALL),
        SocketAddr::V6(_) => (IPPROTO_IPV6, IPV6_MULTICAST_ALL),
    };
    let all = extra.option(level, name) != Some(0);
    net::current().has_engine() && all
}

/// Whether a datagram from a socket of this name was sent to a group.
pub fn is_group(from: &Role) -> bool {
    let Role::Proxy { transport: Transport::Udp, local, .. } = from else { return false };
    local.ip().is_multicast()
}

/// Whether a name may be that of a proxy: a look at its kind, to spare others the rest.
pub fn may_be_group(name: &[u8]) -> bool {
    name.get(11) == Some(&b'p')
}

/// Sends a datagram to all programs of a net without engine that are in the group `to`: `from` is
/// the sender's address. A receiver without room loses it, as with UDP.
pub fn send(
    from: SocketAddr,
    to: SocketAddr,
    payload: Payload,
    len: usize,
) -> Result<usize, Errno> {
    let net = NetId(net::current().id);
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

/// To one name. That nothing has it, or has no room for a while, is no error.
fn post(actor: fd::Raw, payload: Payload, to: &unix::Address) -> Result<(), Errno> {
    for round in 0..8 {
        match message::post(actor, payload, Some(to)) {
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
    fn groups_survive_the_extra_state() {
        let mut extra = SocketExtra::new();
        let list = ["224.1.1.1", "ff02::fb", "239.255.255.250"].map(|g| g.parse().unwrap());
        let mut groups = Groups::of(&extra);
        list.iter().for_each(|group| groups.add(*group).unwrap());
        groups.keep(&mut extra).unwrap();
        assert_eq!(Groups::of(&extra).as_slice(), list);
        groups.remove(list[0]);
        groups.keep(&mut extra).unwrap();
        assert_eq!(Groups::of(&extra).as_slice(), [list[2], list[1]]);
        list[1..].iter().for_each(|group| groups.remove(*group));
        groups.keep(&mut extra).unwrap();
        assert!(extra.get(Key::GROUPS).is_none());
    }

    #[test]
    fn as_many_as_there_is_room_for() {
        let mut extra = SocketExtra::new();
        let mut groups = Groups::of(&extra);
        for n in 0..GROUPS_MAX {
            groups.add(IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, n as u16])).unwrap();
        }
        assert_eq!(groups.add(IpAddr::from([224, 1, 1, 1])), Err(Errno::NOBUFS));
        groups.keep(&mut extra).unwrap();
        assert_eq!(Groups::of(&extra).as_slice().len(), GROUPS_MAX);
    }
}
