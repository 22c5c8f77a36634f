//! Groups (multicast) and broadcast: which sockets are members, and datagrams that go to every
//! socket of a port. A socket that is bound to a port receives the datagrams of a group that it or
//! any other socket of the net has joined, as on Linux by default (`IP_MULTICAST_ALL`).
use super::super::state::Engine;
use super::super::state::memberships::Member;
use super::super::system::unix;
use crate::base::{Instant, NetError};
use crate::host::unix_diag;
use crate::protocol::errno;
use crate::protocol::name::{Role, Transport};
use crate::protocol::request::Membership;
use crate::stack::{IfIndex, UdpDatagram};
use rustix::io::Errno;

impl Engine {
    /// A program's socket joins or leaves a group. Errors as Linux (ip_mc_join_group,
    /// ip_mc_leave_group): `ENODEV`, `EADDRINUSE`, `ENOBUFS`; `EADDRNOTAVAIL`.
    pub(in crate::engine) fn change_membership(
        &mut self,
        now: Instant,
        join: bool,
        wanted: &Membership,
    ) -> Result<(), Errno> {
        let Membership { inode, group, .. } = *wanted;
        let interface = self.interface_of(wanted);
        if !join {
            let any = wanted.index == 0 && wanted.local.is_unspecified();
            if !any && interface.is_none() {
                return Err(Errno::ADDRNOTAVAIL);
            }
            let member = self.memberships.leave(inode, group, interface.filter(|_| !any));
            let member = member.ok_or(Errno::ADDRNOTAVAIL)?;
            let _ = self.stack.leave(now, member.interface, group);
            return Ok(());
        }
        let member = Member { inode, interface: interface.ok_or(Errno::NODEV)?, group };
        self.memberships.check(member)?;
        let joined = self.stack.join(now, member.interface, group);
        joined.map_err(|error: NetError| errno::from_net(error))?;
        self.memberships.add(member);
        self.memberships.set_check(now, &mut self.timers);
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

    /// Time to ask whether the sockets of members are still there.
    pub(in crate::engine) fn check_members(&mut self, now: Instant) {
        self.memberships.check_is_due();
        let is_there = |inode| unix_diag::is_there(inode) != Some(false);
        for member in self.memberships.remove_gone(is_there) {
            let _ = self.stack.leave(now, member.interface, member.group);
        }
        self.memberships.set_check(now, &mut self.timers);
    }

    /// A datagram for a group or a broadcast address: to every socket that is bound to its port.
    pub(super) fn deliver_to_all(&mut self, now: Instant, datagram: &UdpDatagram) {
        let transport = Transport::Udp;
        self.datagram_sockets.refresh(self.net.id());
        let local = datagram.tuple.local;
        let sockets: Vec<Role> = self.datagram_sockets.at(transport, local).collect();
        if sockets.is_empty() {
            return;
        }
        let Ok(key) = self.peer_socket(now, transport, datagram.tuple) else {
            return self.peer_sockets.count_dropped(1);
        };
        let net = self.net.id();
        let Some((fd, meta)) = self.peer_sockets.sender(now, key, datagram) else { return };
        let mut full = 0;
        for role in sockets {
            // The socket may have gone, or be connected elsewhere: no matter.
            let sent = unix::send_with_meta(fd, &datagram.payload, net, role, meta);
            if matches!(sent, Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM)) {
                full += 1;
            }
        }
        self.peer_sockets.count_dropped(full);
    }
}
