//! Datagrams of the wire on their way to programs.
use super::super::state::Engine;
use super::super::system::slab::Key;
use crate::base::Instant;
use crate::base::addr::SocketAddr;
use crate::protocol::name::{Role, Transport};
use crate::protocol::request::interest;
use crate::stack::UdpDatagram;

impl Engine {
    /// A datagram has come from the wire.
    pub(in crate::engine) fn deliver_datagram(
        &mut self,
        now: Instant,
        transport: Transport,
        mut datagram: UdpDatagram,
    ) {
        let to = datagram.tuple.local.ip();
        let group = to.is_multicast() || self.stack.is_broadcast(to);
        if group && transport == Transport::Udp {
            return self.deliver_to_all(now, &datagram);
        }
        let known = self.peer_sockets.of_pair(transport, datagram.tuple);
        if known.is_none() && !self.has_socket_for(transport, datagram.tuple.local) {
            return self.refuse_datagram(now, transport, &datagram);
        }
        let key = match self.peer_socket(now, transport, datagram.tuple) {
            Ok(key) => key,
            Err(error) => {
                tracing::debug!(tuple = ?datagram.tuple, %error, "no socket for a datagram");
                self.peer_sockets.count_dropped(1);
                return;
            }
        };
        if transport == Transport::Udp && !self.peer_sockets.has_waiting(key) {
            let program = self.peer_sockets.program_of(transport, datagram.tuple);
            let joins = |role| self.datagram_errors.interests_of(role) & interest::JOINED != 0;
            if program.is_some_and(joins) {
                self.stack.udp_join(&mut datagram);
            }
        }
        let Err(datagram) = self.try_deliver(now, key, datagram) else { return };
        // Since the list was read a socket may have come or gone.
        let refreshed = self.datagram_sockets.refresh(self.net.id());
        let again = if refreshed { self.try_deliver(now, key, datagram) } else { Err(datagram) };
        if let Err(datagram) = again {
            self.peer_sockets.remove(key);
            self.refuse_datagram(now, transport, &datagram);
        }
    }

    fn try_deliver(
        &mut self,
        now: Instant,
        key: Key,
        datagram: UdpDatagram,
    ) -> Result<(), UdpDatagram> {
        let (net, sockets) = (self.net.id(), &self.datagram_sockets);
        self.peer_sockets.deliver(now, key, net, datagram, sockets, &mut self.timers)
    }

    /// Whether a datagram to `local` may find a program's socket. The kernel's list is read again,
    /// but in a flood.
    fn has_socket_for(&mut self, transport: Transport, local: SocketAddr) -> bool {
        self.datagram_sockets.refresh(self.net.id());
        self.datagram_sockets.has(transport, local)
    }

    fn refuse_datagram(&mut self, now: Instant, transport: Transport, datagram: &UdpDatagram) {
        if transport == Transport::Udp {
            self.stack.udp_refuse(now, datagram);
        }
    }

    /// Time to offer again the datagrams that wait for room.
    pub(in crate::engine) fn retry_datagrams(&mut self, now: Instant) {
        let sockets = &self.datagram_sockets;
        self.peer_sockets.retry(now, self.net.id(), sockets, &mut self.timers);
    }

    /// A raw socket gets every ICMP packet.
    pub(in crate::engine) fn deliver_raw(&mut self, now: Instant, datagram: &UdpDatagram) {
        let sockets: Vec<Role> = self.datagram_errors.raw_sockets().collect();
        for role in sockets {
            let Role::Datagram { local, .. } = role else { continue };
            if local.is_ipv4() != datagram.tuple.local.is_ipv4() {
                continue;
            }
            let mut copy = datagram.clone();
            copy.tuple.local.set_port(local.port());
            self.deliver_datagram(now, Transport::Raw, copy);
        }
    }
}
