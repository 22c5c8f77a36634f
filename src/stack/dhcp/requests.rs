//! The DHCP client of an interface at work: datagrams in and out, and the address that is leased.
use super::client::{Client, DECLINED, Lease, usable};
use crate::base::addr::{IpAddr, Ipv4Addr};
use crate::base::time::Duration;
use crate::base::{Cidr, Instant, NetError};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::{Outgoing, Received};
use crate::stack::route::Hop;
use crate::wire::dhcp::{Answer, CLIENT_PORT, Kind, Question, SERVER_PORT};
use crate::wire::{protocol, udp};

/// Metric of the routes of a lease: behind those that are written down.
const METRIC: u32 = 100;

impl Stack {
    /// Asks for an address of an Ethernet interface by DHCP, from now on.
    pub fn start_dhcp(&mut self, now: Instant, interface: IfIndex) {
        let rng = &mut self.rng;
        let Some(on) = self.interfaces.get_mut(usize::from(interface.0)) else { return };
        if on.config.medium == Medium::Ethernet && on.dhcp.is_none() {
            on.dhcp = Some(Client::new(now, rng));
        }
    }
    /// Gives every lease back (RFC 2131 4.4.6): the engine ends.
    pub fn release_leases(&mut self, now: Instant) {
        for index in (0..).map(IfIndex).take(self.interfaces.len()) {
            let Some(on) = self.interface_mut(index) else { continue };
            let mac = on.config.mac;
            let Some(client) = on.dhcp.take() else { continue };
            let Some(lease) = client.lease.as_ref() else { continue };
            let IpAddr::V4(own) = lease.address.address else { continue };
            let question = client.question(Kind::Release, mac, now);
            let question =
                Question { client: own, broadcast: false, server: Some(lease.server), ..question };
            let _ = self.send_dhcp(now, index, &question, lease.server);
        }
    }
    /// The leases, and where.
    pub fn leases(&self) -> impl Iterator<Item = (IfIndex, &Lease)> {
        let all = (0..).map(IfIndex).zip(&self.interfaces);
        all.filter_map(|(index, on)| Some((index, on.dhcp.as_ref()?.lease.as_ref()?)))
    }
    /// What is due for the client of an interface.
    pub(in crate::stack) fn dhcp_timeout(&mut self, now: Instant, interface: IfIndex) {
        let Some(on) = self.interfaces.get_mut(usize::from(interface.0)) else { return };
        let mac = on.config.mac;
        let Some(client) = on.dhcp.as_mut().filter(|client| client.at <= now) else { return };
        if let Some(lease) = client.lease.take_if(|lease| lease.end <= now) {
            // RFC 2131 4.4.5: the lease is over: the address is not used any more.
            client.restart(now, &mut self.rng, Duration::ZERO);
            return self.lose(now, interface, &lease);
        }
        if let Some((question, to)) = client.say(now, &mut self.rng, mac) {
            let _ = self.send_dhcp(now, interface, &question, to);
        }
    }
    fn send_dhcp(
        &mut self,
        now: Instant,
        interface: IfIndex,
        question: &Question,
        to: Ipv4Addr,
    ) -> Result<(), NetError> {
        let payload = question.to_bytes();
        let (src, dst) = (IpAddr::V4(question.client), IpAddr::V4(to));
        let len = udp::LEN + payload.len();
        let (src_port, dst_port) = (CLIENT_PORT, SERVER_PORT);
        let mut header = udp::Header { src_port, dst_port, len: len as u16, checksum: 0 };
        header.checksum = udp::checksum(src, dst, &header, &payload);
        let out = Outgoing::new(src, dst, protocol::UDP);
        let hop = match to.is_broadcast() {
            true => Hop { interface, next: dst },
            false => self.hop_through(interface, dst).ok_or(NetError::NetUnreachable)?,
        };
        self.counters.add(Count::DhcpOut);
        self.ip_send_by(now, hop, &out, &header.to_bytes(), &payload)
    }
    /// Whether a packet is an answer to the client of its interface, which then has had it. Before
    /// there is an address it may be to one that is not ours yet (RFC 2131 4.1).
    pub(in crate::stack) fn dhcp_takes(&mut self, now: Instant, packet: &Received<'_>) -> bool {
        if packet.protocol != protocol::UDP {
            return false;
        }
        let waits = self.interface(packet.interface).is_some_and(|on| on.dhcp.is_some());
        let bytes = packet.payload();
        let Some((header, payload)) = udp::Header::parse(bytes).ok().filter(|_| waits) else {
            return false;
        };
        if (header.src_port, header.dst_port) != (SERVER_PORT, CLIENT_PORT) {
            return false;
        }
        let datagram = bytes.get(..usize::from(header.len)).unwrap_or(bytes);
        let right = packet.checksum != RxChecksum::Unknown
            || udp::verify(packet.src, packet.dst, &header, datagram);
        match Answer::parse(payload).ok().filter(|_| right) {
            Some(answer) => self.dhcp_arrives(now, packet.interface, &answer),
            None => self.counters.add(Count::DhcpInvalid),
        }
        true
    }
    fn dhcp_arrives(&mut self, now: Instant, interface: IfIndex, answer: &Answer) {
        let Some(on) = self.interfaces.get_mut(usize::from(interface.0)) else { return };
        let mac = on.config.mac;
        let client = on.dhcp.as_mut().filter(|c| c.xid == answer.xid && mac == answer.mac);
        let Some(client) = client else { return self.counters.add(Count::DhcpInvalid) };
        self.counters.add(Count::DhcpIn);
        let old = client.lease.clone();
        match client.hear(now, &mut self.rng, answer) {
            Ok(None) => {}
            Ok(Some(lease)) => self.gain(now, interface, old, &lease),
            Err(()) => {
                if let Some(old) = old {
                    self.lose(now, interface, &old);
                }
            }
        }
    }
    fn gain(&mut self, now: Instant, interface: IfIndex, old: Option<Lease>, lease: &Lease) {
        let what = |l: &Lease| (l.address, l.routers.clone(), l.mtu);
        if old.as_ref().map(what) == Some(what(lease)) {
            return;
        }
        if let Some(old) = old {
            self.drop_lease_routes(interface, &old);
            if old.address != lease.address {
                self.remove_address(now, interface, old.address.address);
            }
        }
        if let Some(on) = self.interface_mut(interface) {
            on.leased_mtu = lease.mtu;
        }
        self.add_prefix_route(interface, lease.address);
        self.begin_address(now, interface, lease.address, true);
        for route in lease_routes(interface, lease) {
            self.add_route(route);
        }
        self.changes += 1;
    }
    fn lose(&mut self, now: Instant, interface: IfIndex, lease: &Lease) {
        self.counters.add(Count::LeaseLost);
        if let Some(on) = self.interface_mut(interface) {
            on.leased_mtu = None;
        }
        self.drop_lease_routes(interface, lease);
        self.remove_address(now, interface, lease.address.address);
        self.changes += 1;
    }
    fn drop_lease_routes(&mut self, interface: IfIndex, lease: &Lease) {
        let routes: Vec<Route> = lease_routes(interface, lease).collect();
        self.routes.remove(|route| routes.contains(route));
    }
    /// Somebody has the address of a lease: declines it (RFC 2131 4.4.1), and asks again later.
    pub(in crate::stack) fn dhcp_declines(&mut self, now: Instant, interface: IfIndex, ip: IpAddr) {
        let Some(on) = self.interfaces.get_mut(usize::from(interface.0)) else { return };
        let mac = on.config.mac;
        let Some(client) = on.dhcp.as_mut() else { return };
        let Some(lease) = client.lease.take_if(|lease| lease.address.address == ip) else { return };
        let IpAddr::V4(requested) = ip else { return };
        let question = client.question(Kind::Decline, mac, now);
        let (requested, server) = (Some(requested), Some(lease.server));
        let question = Question { requested, server, broadcast: false, ..question };
        client.restart(now, &mut self.rng, DECLINED);
        let _ = self.send_dhcp(now, interface, &question, Ipv4Addr::BROADCAST);
        self.lose(now, interface, &lease);
    }
    /// Whether no client is still without a lease.
    pub fn leases_settled(&self) -> bool {
        self.interfaces.iter().filter_map(|on| on.dhcp.as_ref()).all(|c| c.lease.is_some())
    }
}

fn lease_routes(interface: IfIndex, lease: &Lease) -> impl Iterator<Item = Route> {
    let prefix = Cidr { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_len: 0 };
    let routers = lease.routers.iter().filter(|router| usable(**router));
    // RFC 2132 3.5: in order of preference.
    (METRIC..).zip(routers).map(move |(metric, router)| Route {
        prefix,
        via: Some(IpAddr::V4(*router)),
        interface,
        metric,
    })
}
