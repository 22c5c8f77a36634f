//! A DHCP client (RFC 2131): an interface that asks a server for its IPv4 address.
//!
//! | state (RFC 2131 4.4) | what it waits for | what it says meanwhile |
//! |---|---|---|
//! | Selecting | an offer | DISCOVER, at 4, 8, 16, 32, 64 s |
//! | Requesting | the server's word | REQUEST, four times, then again from the start |
//! | Bound | T1 | nothing |
//! | Renewing | the server's word | REQUEST to the server, until T2 |
//! | Rebinding | any server's word | REQUEST to all, until the lease ends |
//!
//! The first offer is taken. An address that somebody has already is declined (4.4.1), and the
//! client waits ten seconds before it asks again. There is no INIT-REBOOT: nothing is remembered
//! from one engine to the next.
use crate::base::addr::{IpAddr, Ipv4Addr};
use crate::base::time::Duration;
use crate::base::{Cidr, Instant, MacAddr, NetError, Rng};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::{Outgoing, Received};
use crate::stack::route::Hop;
use crate::wire::dhcp::{Answer, CLIENT_PORT, Kind, Question, SERVER_PORT};
use crate::wire::{protocol, udp};

/// RFC 2131 4.1: the first pause, doubled each time up to the longest, give or take a second.
const FIRST_PAUSE: Duration = Duration::from_secs(4);
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// Requests that are answered by nobody before the client starts again.
const REQUESTS: u32 = 4;
/// RFC 2131 4.4.5: the shortest pause between renewals.
const RENEW_PAUSE: Duration = Duration::from_secs(60);
/// RFC 2131 3.1 5: after a decline.
const DECLINED: Duration = Duration::from_secs(10);
/// A lease without a time, and the shortest that is believed.
const LEASE_DEFAULT: u32 = 3600;
const LEASE_MIN: u32 = 10;
/// Metric of the routes of a lease: behind those that are written down.
const METRIC: u32 = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Selecting,
    Requesting,
    Bound,
    Renewing,
    Rebinding,
}

/// What a server has given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Our address and its prefix.
    pub address: Cidr,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// Default routers, best first.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers.
    pub name_servers: Vec<Ipv4Addr>,
    /// MTU of the link, bytes.
    pub mtu: Option<u16>,
    /// When to ask the server again, when any, and when it ends.
    pub renew: Instant,
    /// See `renew`.
    pub rebind: Instant,
    /// See `renew`.
    pub end: Instant,
}

/// The client of one interface.
#[derive(Debug)]
pub(in crate::stack) struct Client {
    state: State,
    xid: u32,
    began: Instant,
    /// When to say or do something next.
    at: Instant,
    pause: Duration,
    tries: u32,
    /// The address offered, and by whom.
    offer: Option<(Ipv4Addr, Ipv4Addr)>,
    lease: Option<Lease>,
}

impl Client {
    fn new(now: Instant, rng: &mut Rng) -> Client {
        Client {
            state: State::Selecting,
            xid: rng.u64() as u32,
            began: now,
            at: now,
            pause: FIRST_PAUSE,
            tries: 0,
            offer: None,
            lease: None,
        }
    }
    fn restart(&mut self, now: Instant, rng: &mut Rng, after: Duration) {
        *self = Client { at: now + after, ..Client::new(now, rng) };
    }
    /// When it wants to be called.
    pub fn deadline(&self) -> Instant {
        self.at
    }
    /// RFC 2131 4.1: the pause until the next try.
    fn next_pause(&mut self, now: Instant, rng: &mut Rng) {
        let jitter = Duration::from_millis(rng.below(2_000));
        self.at = now + self.pause + jitter - Duration::from_secs(1);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
    fn question(&self, kind: Kind, mac: MacAddr, now: Instant) -> Question {
        let seconds = now.since(self.began).as_secs();
        Question {
            kind,
            xid: self.xid,
            seconds: u16::try_from(seconds).unwrap_or(u16::MAX),
            broadcast: true,
            client: Ipv4Addr::UNSPECIFIED,
            mac,
            requested: None,
            server: None,
        }
    }
    /// What to say at `now`, and where to; the lease's end is the caller's to see.
    fn say(&mut self, now: Instant, rng: &mut Rng, mac: MacAddr) -> Option<(Question, Ipv4Addr)> {
        if self.state == State::Requesting && self.tries >= REQUESTS {
            self.restart(now, rng, Duration::ZERO);
        }
        let all = Ipv4Addr::BROADCAST;
        match (self.state, &self.lease, self.offer) {
            (State::Selecting, ..) => {
                let question = self.question(Kind::Discover, mac, now);
                self.next_pause(now, rng);
                Some((question, all))
            }
            (State::Requesting, _, Some((ip, server))) => {
                let question = self.question(Kind::Request, mac, now);
                self.tries += 1;
                self.next_pause(now, rng);
                // RFC 2131 4.3.2: the server that was chosen, and what it offered.
                Some((Question { requested: Some(ip), server: Some(server), ..question }, all))
            }
            (State::Bound | State::Renewing | State::Rebinding, Some(lease), _) => {
                let (server, rebind, end) = (lease.server, lease.rebind, lease.end);
                let IpAddr::V4(client) = lease.address.address else { return None };
                if self.state == State::Bound {
                    (self.xid, self.began) = (rng.u64() as u32, now);
                }
                self.state = if now < rebind { State::Renewing } else { State::Rebinding };
                let (to, until) = match self.state {
                    State::Renewing => (server, rebind),
                    _ => (all, end),
                };
                // RFC 2131 4.4.5: after half of what is left, but not too often.
                self.at = (now + (until.since(now) / 2).max(RENEW_PAUSE)).min(until).min(end);
                let question = self.question(Kind::Request, mac, now);
                // RFC 2131 4.3.2: neither address wanted nor server, but the one that is used.
                Some((Question { client, broadcast: false, ..question }, to))
            }
            _ => {
                self.restart(now, rng, FIRST_PAUSE);
                None
            }
        }
    }
    /// What an answer changes: the new lease, if it gives one. `Err`: the address is lost.
    fn hear(&mut self, now: Instant, rng: &mut Rng, answer: &Answer) -> Result<Option<Lease>, ()> {
        let server = answer.server.unwrap_or(Ipv4Addr::UNSPECIFIED);
        match (self.state, answer.kind) {
            (State::Selecting, Kind::Offer) if usable(answer.yours) && answer.server.is_some() => {
                self.state = State::Requesting;
                self.offer = Some((answer.yours, server));
                (self.at, self.pause, self.tries) = (now, FIRST_PAUSE, 0);
                Ok(None)
            }
            (State::Requesting, Kind::Ack)
                if self.offer.is_some_and(|(ip, _)| ip == answer.yours) =>
            {
                Ok(Some(self.bind(now, answer, server)))
            }
            (State::Renewing | State::Rebinding, Kind::Ack)
                if self.lease.as_ref().is_some_and(|l| l.address.address == answer.yours) =>
            {
                Ok(Some(self.bind(now, answer, server)))
            }
            // RFC 2131 3.1 4, 4.4.5: not that address (any more): from the start.
            (State::Requesting, Kind::Nak)
                if self.offer.is_some_and(|(_, chosen)| chosen == server) =>
            {
                self.restart(now, rng, FIRST_PAUSE);
                Ok(None)
            }
            (State::Renewing | State::Rebinding, Kind::Nak) => {
                self.restart(now, rng, Duration::ZERO);
                Err(())
            }
            _ => Ok(None),
        }
    }
    fn bind(&mut self, now: Instant, answer: &Answer, server: Ipv4Addr) -> Lease {
        let after = |seconds: u32| match seconds {
            u32::MAX => Instant::FAR_FUTURE,
            seconds => now + Duration::from_secs(u64::from(seconds)),
        };
        let lease_s = answer.lease_s.unwrap_or(LEASE_DEFAULT).max(LEASE_MIN);
        // RFC 2131 4.4.5: at half of the lease, and at seven eighths.
        let half = if lease_s == u32::MAX { u32::MAX } else { lease_s / 2 };
        let late = if lease_s == u32::MAX { u32::MAX } else { lease_s - lease_s / 8 };
        let renew = answer.renew_s.filter(|t1| *t1 < lease_s && *t1 > 0).unwrap_or(half);
        let rebind = answer.rebind_s.filter(|t2| (renew..lease_s).contains(t2)).unwrap_or(late);
        let old = self.lease.as_ref().map(|lease| lease.server);
        let lease = Lease {
            address: Cidr {
                address: answer.yours.into(),
                prefix_len: answer.prefix_len.unwrap_or(class_prefix(answer.yours)),
            },
            server: answer.server.or(old).unwrap_or(server),
            routers: answer.routers.clone(),
            name_servers: answer.name_servers.clone(),
            // RFC 2132 5.1 allows 68; what a host must take is the least that we do.
            mtu: answer.mtu.filter(|mtu| *mtu >= 576),
            renew: after(renew),
            rebind: after(rebind),
            end: after(lease_s),
        };
        self.state = State::Bound;
        self.at = lease.renew;
        self.lease = Some(lease.clone());
        lease
    }
}

/// Whether a host can have this address.
fn usable(ip: Ipv4Addr) -> bool {
    let special = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast();
    !special && ip.octets()[0] < 240 && ip.octets()[0] != 0
}

/// RFC 2132 3.3: without a mask, what the address's class was.
fn class_prefix(ip: Ipv4Addr) -> u8 {
    match ip.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}

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
