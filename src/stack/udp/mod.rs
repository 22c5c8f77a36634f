//! UDP (RFC 768, RFC 1122 4.1): datagrams in become events, datagrams out go through IP.
//!
//! Who listens at which port is the driver's business: every datagram for us is an event, and the
//! driver says [`Stack::udp_refuse`] when nobody wants it.
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::limits::UDP_QUEUE;
use crate::base::{FourTuple, Instant, NetError};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::icmp::Problem;
use crate::stack::ip::output::header_len;
use crate::stack::ip::{Outgoing, Received};
use crate::stack::route::Hop;
use crate::wire::{checksum, protocol, udp};

/// Datagrams joined to one at most (Linux' UDP_GRO_CNT_MAX), and their bytes.
const JOINED: usize = 64;
const JOINED_BYTES: usize = 65_507;
/// Ports at which datagrams without a checksum are taken over IPv6, at most.
pub const UNCHECKED_PORTS: usize = 64;

impl Stack {
    pub(in crate::stack) fn udp_arrives(&mut self, _now: Instant, packet: &Received<'_>) {
        let bytes = packet.payload();
        let Ok((header, payload)) = udp::Header::parse(bytes) else {
            return self.counters.add(Count::UdpMalformed);
        };
        let datagram = bytes.get(..usize::from(header.len)).unwrap_or(bytes);
        if packet.checksum == RxChecksum::Unknown
            && !udp::verify(packet.src, packet.dst, &header, datagram)
            // RFC 8200 8.1: none over IPv6, unless the port's owner allows it (RFC 6936).
            && !(header.checksum == 0 && self.unchecked.contains(&header.dst_port))
        {
            return self.counters.add(Count::UdpChecksum);
        }
        // Not worth the copies if it will not be taken.
        if self.udp_events.len() >= UDP_QUEUE {
            return self.counters.add(Count::UdpFull);
        }
        self.counters.add(Count::UdpIn);
        let quote = packet.packet.get(..packet.at + udp::LEN).unwrap_or(&[]);
        self.push_udp_event(Event::UdpArrived(UdpDatagram {
            tuple: FourTuple {
                local: SocketAddr::new(packet.dst, header.dst_port),
                remote: SocketAddr::new(packet.src, header.src_port),
            },
            interface: packet.interface,
            ttl: packet.ttl,
            tos: packet.tos,
            payload: payload.to_vec(),
            segment: 0,
            quote: quote.to_vec(),
        }));
    }
    /// Joins to a datagram those that have come right behind it in the same flow, as Linux does for
    /// who asked for it (`UDP_GRO`): all of one length but for the last, which may be shorter; with
    /// the same TTL and TOS.
    pub fn udp_join(&mut self, first: &mut UdpDatagram) {
        let size = first.payload.len();
        let mut count = 1;
        while let Some(Event::UdpArrived(next)) = self.udp_events.front() {
            let alike = next.tuple == first.tuple
                && (next.ttl, next.tos, next.interface) == (first.ttl, first.tos, first.interface);
            let len = next.payload.len();
            let fits = (1..=size).contains(&len) && first.payload.len() + len <= JOINED_BYTES;
            if !alike || !fits || count == JOINED || !first.payload.len().is_multiple_of(size) {
                return;
            }
            if let Some(Event::UdpArrived(next)) = self.udp_events.pop_front() {
                first.payload.extend_from_slice(&next.payload);
                first.segment = size as u16;
                count += 1;
            }
        }
    }
    /// Over IPv6 datagrams without a checksum are taken at these ports (`UDP_NO_CHECK6_RX`,
    /// RFC 6936); at most [`UNCHECKED_PORTS`] of them count.
    pub fn udp_accept_unchecked(&mut self, ports: impl Iterator<Item = u16>) {
        self.unchecked = ports.take(UNCHECKED_PORTS).collect();
    }
    /// Queues an event of UDP, or drops it if the driver does not keep up.
    pub(in crate::stack) fn push_udp_event(&mut self, event: Event) {
        if self.udp_events.len() >= UDP_QUEUE {
            return self.counters.add(Count::UdpFull);
        }
        self.udp_events.push_back(event);
    }

    /// Sends a datagram. An unspecified local address is selected; the ports must be chosen.
    /// Errors: `NetUnreachable`, `AddressNotAvailable`, `MessageTooLong` (more than 65,507 bytes,
    /// 65,527 over IPv6), `NoBuffers` (the transmit queue is full: try again when frames have
    /// left), `Prohibited` (broadcast not allowed).
    pub fn udp_send(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        options: &UdpSendOptions,
        payload: &[u8],
    ) -> Result<(), NetError> {
        let dst = tuple.remote.ip();
        if self.is_broadcast(dst) && !options.broadcast {
            return Err(NetError::Prohibited);
        }
        let (src, hop) = self.udp_route(tuple.local.ip(), dst, options.interface)?;
        let most = if dst.is_ipv4() { 65_507 } else { 65_527 };
        let len = udp::LEN + payload.len();
        let len16 = u16::try_from(len).ok().filter(|_| payload.len() <= most);
        let len16 = len16.ok_or(NetError::MessageTooLong)?;
        let (src_port, dst_port) = (tuple.local.port(), tuple.remote.port());
        let mut header = udp::Header { src_port, dst_port, len: len16, checksum: 0 };
        let fits = self.fits(hop.interface, dst, len, options.cutting)?;
        let partial = fits && !options.no_checksum && self.completes_checksums(hop.interface);
        header.checksum = if options.no_checksum {
            // RFC 768: all zeros mean that the sender made none.
            0
        } else if partial {
            checksum::pseudo_header(src, dst, protocol::UDP, len).fold()
        } else {
            udp::checksum(src, dst, &header, payload)
        };
        let out = Outgoing {
            checksum_at: partial.then_some(udp::CHECKSUM_OFFSET as u16),
            ..self.outgoing(hop.interface, (src, dst), protocol::UDP, options, fits)
        };
        // Linux ip_mc_output: who is in a group here gets what goes out to it; and everybody here
        // gets broadcasts.
        let inside = if dst.is_multicast() {
            options.multicast_loop && self.is_member(hop.interface, dst)
        } else {
            self.is_broadcast(dst)
        };
        if inside && hop.interface != IfIndex::LOOPBACK {
            self.feed_own(hop.interface, &out, &header.to_bytes(), payload);
        }
        self.ip_send_by(now, hop, &out, &header.to_bytes(), payload)?;
        let local = SocketAddr::new(src, src_port);
        self.recent.note(protocol::UDP, FourTuple { local, ..tuple });
        self.counters.add(Count::UdpOut);
        Ok(())
    }
    /// Whether `len` bytes behind the IP header go into one packet. `MessageTooLong`: no, and they
    /// must not be cut.
    pub(in crate::stack) fn fits(
        &self,
        interface: IfIndex,
        dst: IpAddr,
        len: usize,
        cutting: Cutting,
    ) -> Result<bool, NetError> {
        let mtu = match cutting {
            Cutting::Probe => self.interface(interface).map_or(0, |i| i.config.mtu),
            _ => self.mtu(interface, dst),
        };
        let fits = header_len(dst) + len <= usize::from(mtu);
        match cutting {
            Cutting::Never | Cutting::Probe if !fits => Err(NetError::MessageTooLong),
            _ => Ok(fits),
        }
    }
    /// How a packet of a program leaves.
    pub(in crate::stack) fn outgoing(
        &self,
        interface: IfIndex,
        (src, dst): (IpAddr, IpAddr),
        number: u8,
        options: &UdpSendOptions,
        fits: bool,
    ) -> Outgoing {
        Outgoing {
            ttl: options.ttl.unwrap_or(match dst.is_multicast() {
                true => 1,
                false => self.hop_limit(interface, dst),
            }),
            tos: options.tos,
            // As Linux (IP_PMTUDISC_WANT): what fits must not be cut on the way.
            dont_fragment: match options.cutting {
                Cutting::Here => fits && !dst.is_multicast(),
                Cutting::Anywhere => false,
                Cutting::Never | Cutting::Probe => true,
            },
            ..Outgoing::new(src, dst, number)
        }
    }
    /// The longest IP packet to `dst` that need not be cut, bytes; `None` without a route.
    pub fn mtu_to(&self, dst: IpAddr) -> Option<u16> {
        self.hop(dst, None).map(|hop| self.mtu(hop.interface, dst))
    }
    /// Source address and way of a datagram.
    pub(in crate::stack) fn udp_route(
        &mut self,
        local: IpAddr,
        dst: IpAddr,
        interface: Option<IfIndex>,
    ) -> Result<(IpAddr, Hop), NetError> {
        if local.is_ipv4() != dst.is_ipv4() {
            return Err(NetError::AddressNotAvailable);
        }
        let given = Some(local).filter(|ip| !ip.is_unspecified());
        if given.is_some_and(|ip| !self.is_local(ip)) {
            return Err(NetError::AddressNotAvailable);
        }
        // An interface that is asked for has its say about what is not for one of our own.
        let asked = interface.filter(|i| self.interface(*i).is_some() && !self.is_local(dst));
        let hop = match asked {
            Some(interface) => self.hop_through(interface, dst),
            None => self.hop(dst, given),
        };
        let Some(hop) = hop.filter(|_| !dst.is_unspecified()) else {
            self.counters.add(Count::NoRoute);
            return Err(NetError::NetUnreachable);
        };
        let on = asked.and_then(|interface| self.source_on(interface, dst, hop.next));
        let src = given.or(on).or_else(|| self.source_for(dst));
        let src = src.ok_or(NetError::AddressNotAvailable)?;
        // A loopback address must not be seen on a wire (RFC 1122 3.2.1.3, RFC 4291 2.5.3).
        if src.is_loopback() && hop.interface != IfIndex::LOOPBACK {
            return Err(NetError::AddressNotAvailable);
        }
        Ok((src, hop))
    }
    /// Nobody listens for `datagram`: answers with ICMP port unreachable (rate limited; not for
    /// multicast or broadcast).
    pub fn udp_refuse(&mut self, now: Instant, datagram: &UdpDatagram) {
        let FourTuple { local, remote } = datagram.tuple;
        if self.is_local(local.ip()) && !remote.ip().is_unspecified() {
            let (from, to) = (local.ip(), remote.ip());
            self.icmp_error(now, from, to, Problem::Port, &datagram.quote, &datagram.payload);
        }
    }
    /// Whether checksums may be left half done for this interface.
    pub(in crate::stack) fn completes_checksums(&self, interface: IfIndex) -> bool {
        // What is fed back inside is trusted.
        interface == IfIndex::LOOPBACK
            || self.interface(interface).is_some_and(|i| i.config.offload.checksum)
    }
}
