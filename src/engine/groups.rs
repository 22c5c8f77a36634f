//! Groups that programs have joined: for whom the stack listens, and who gets what arrives.
//!
//! A membership belongs to a socket, which the kernel knows by its inode: when that is gone,
//! however its programs ended, the membership goes. (The kernel tells nobody; as long as there are
//! any memberships it is asked now and then.)
//!
//! What came for a group or a broadcast address goes to every socket bound to the port, as Linux
//! does unless `IP_MULTICAST_ALL` is off; that is looked at by who receives.
use super::listeners::candidates;
use super::timers::Due;
use super::{Engine, unix};
use crate::base::addr::IpAddr;
use crate::base::time::Duration;
use crate::base::{Instant, NetError};
use crate::host::unix_diag;
use crate::protocol::errno;
use crate::protocol::name::{Role, Slot, Transport};
use crate::protocol::request::Membership;
use crate::stack::{IfIndex, UdpDatagram};
use rustix::io::Errno;

/// How often the kernel is asked whether the sockets are still there.
const CHECK: Duration = Duration::from_secs(3);
/// Memberships of all programs.
const MEMBERSHIPS_MAX: usize = 4_096;
/// Memberships of one socket (Linux `net.ipv4.igmp_max_memberships`).
const PER_SOCKET: usize = 20;

/// One.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Member {
    inode: u32,
    interface: IfIndex,
    group: IpAddr,
}

/// All.
#[derive(Debug, Default)]
pub struct Groups {
    members: Vec<Member>,
    /// A check is set.
    watching: bool,
}

impl Engine {
    /// A program's socket joins or leaves a group. Errors as Linux (ip_mc_join_group,
    /// ip_mc_leave_group): `ENODEV`, `EADDRINUSE`, `ENOBUFS`; `EADDRNOTAVAIL`.
    pub(super) fn change_membership(
        &mut self,
        now: Instant,
        join: bool,
        wanted: &Membership,
    ) -> Result<(), Errno> {
        let Membership { inode, group, .. } = *wanted;
        let interface = self.interface_of(wanted);
        let of_socket = |m: &&Member| m.inode == inode;
        if !join {
            let any = wanted.index == 0 && wanted.local.is_unspecified();
            let found = self.groups.members.iter().position(|m| {
                m.inode == inode && m.group == group && (any || Some(m.interface) == interface)
            });
            let member = found.map(|at| self.groups.members.swap_remove(at));
            let member = member.ok_or(Errno::ADDRNOTAVAIL)?;
            let _ = self.stack.leave(now, member.interface, group);
            return Ok(());
        }
        let member = Member { inode, interface: interface.ok_or(Errno::NODEV)?, group };
        if self.groups.members.contains(&member) {
            return Err(Errno::ADDRINUSE);
        }
        let own = self.groups.members.iter().filter(of_socket).count();
        if own >= PER_SOCKET || self.groups.members.len() >= MEMBERSHIPS_MAX {
            return Err(Errno::NOBUFS);
        }
        let joined = self.stack.join(now, member.interface, group);
        joined.map_err(|error: NetError| errno::from_net(error))?;
        self.groups.members.push(member);
        self.watch_members(now);
        Ok(())
    }

    /// The interface that a program means: by index (as it would be in a host of its own: 1 is the
    /// loopback, 2 the first link), by one of our addresses, or the one that routes say.
    fn interface_of(&self, wanted: &Membership) -> Option<IfIndex> {
        if wanted.index != 0 {
            let index = u16::try_from(wanted.index - 1).ok().map(IfIndex)?;
            return self.stack.interfaces().find(|(i, _)| *i == index).map(|(i, _)| i);
        }
        if !wanted.local.is_unspecified() {
            let has = |a: &crate::base::Cidr| a.address == wanted.local;
            let mut all = self.stack.interfaces();
            return all.find(|(_, config)| config.addresses.iter().any(has)).map(|(i, _)| i);
        }
        Some(self.stack.group_interface(wanted.group))
    }

    fn watch_members(&mut self, now: Instant) {
        if !self.groups.watching && !self.groups.members.is_empty() {
            self.groups.watching = true;
            self.timers.set(now + CHECK, Due::Groups);
        }
    }

    /// Time to ask whether the sockets of members are still there.
    pub(super) fn check_members(&mut self, now: Instant) {
        self.groups.watching = false;
        let mut gone = Vec::new();
        for member in &self.groups.members {
            if !gone.contains(&member.inode) && unix_diag::is_there(member.inode) == Some(false) {
                gone.push(member.inode);
            }
        }
        let left = |m: &Member| gone.contains(&m.inode);
        for member in self.groups.members.iter().filter(|m| left(m)) {
            let _ = self.stack.leave(now, member.interface, member.group);
        }
        self.groups.members.retain(|m| !left(m));
        self.watch_members(now);
    }

    /// A datagram for a group or a broadcast address: to every socket that is bound to its port.
    pub(super) fn deliver_to_all(&mut self, now: Instant, datagram: &UdpDatagram) {
        let transport = Transport::Udp;
        let Ok(key) = self.make_proxy(now, transport, datagram.tuple) else {
            self.proxies.dropped += 1;
            return;
        };
        let net = self.net;
        let Some((fd, note)) = self.proxies.ready(now, key, datagram) else { return };
        let slots = (0..Slot::SHARED).map(Slot::Shared);
        let slots = std::iter::once(Slot::Exclusive).chain(slots);
        let mut full = 0;
        for (local, dual) in candidates(datagram.tuple.local) {
            for slot in slots.clone() {
                let role = Role::Datagram { transport, local, dual, slot };
                // Nobody has that name, or its holder is connected elsewhere: no matter.
                let sent = unix::send_noted(fd, &datagram.payload, net, role, note);
                if matches!(sent, Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM)) {
                    full += 1;
                }
            }
        }
        self.proxies.dropped += full;
    }
}
