//! Datagrams of the wire on their way to programs.
use super::super::state::Engine;
use crate::base::Instant;
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
        let net = self.net.id();
        let delivered = self.peer_sockets.deliver(now, key, net, datagram, &mut self.timers);
        if let Err(datagram) = delivered {
            self.peer_sockets.remove(key);
            if transport == Transport::Udp {
                self.stack.udp_refuse(now, &datagram);
            }
        }
    }

    /// Time to offer again the datagrams that wait for room.
    pub(in crate::engine) fn retry_datagrams(&mut self, now: Instant) {
        self.peer_sockets.retry(now, self.net.id(), &mut self.timers);
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
