//! Packets that arrive: checks, extension headers, fragments, then the transport protocol.
use super::Received;
use super::reassembly::{Assembled, Fate, Fragment, Key};
use crate::base::Instant;
use crate::base::addr::IpAddr;
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::icmp::Problem;
use crate::wire::ipv6::{ExtensionOptions, Unknown};
use crate::wire::{ParseError, icmpv6, ipv4, ipv6, protocol};

/// Extension headers of one packet that we walk through.
const EXTENSIONS: usize = 8;

impl Stack {
    /// An IP packet of either version. `link_unicast`: its frame was for us alone.
    pub(in crate::stack) fn ip_arrives(
        &mut self,
        now: Instant,
        interface: IfIndex,
        packet: &[u8],
        link_unicast: bool,
        checksum: RxChecksum,
    ) {
        match packet.first().map(|first| first >> 4) {
            Some(4) => self.ipv4_arrives(now, interface, packet, link_unicast, checksum),
            Some(6) => self.ipv6_arrives(now, interface, packet, link_unicast, checksum),
            _ => self.counters.add(Count::IpMalformed),
        }
    }

    /// An IPv4 packet.
    pub(in crate::stack) fn ipv4_arrives(
        &mut self,
        now: Instant,
        interface: IfIndex,
        bytes: &[u8],
        link_unicast: bool,
        checksum: RxChecksum,
    ) {
        let packet = match ipv4::Header::parse(bytes) {
            Ok(packet) => packet,
            Err(ParseError::Checksum) => return self.counters.add(Count::IpChecksum),
            Err(_) => return self.counters.add(Count::IpMalformed),
        };
        let header = packet.header;
        let (src, dst) = (IpAddr::V4(header.src), IpAddr::V4(header.dst));
        let bytes = bytes.get(..usize::from(header.total_len)).unwrap_or(bytes);
        let mut received = Received {
            interface,
            src,
            dst,
            protocol: header.protocol,
            ttl: header.ttl,
            tos: header.tos,
            unicast: false,
            checksum,
            packet: bytes,
            at: bytes.len() - packet.payload.len(),
        };
        // Before there is an address a server may already use it.
        if !header.is_fragment() && self.dhcp_takes(now, &received) {
            return;
        }
        let Some(unicast) = self.accept(interface, src, dst) else { return };
        if let Err(reason) = check_options(packet.options) {
            return self.counters.add(reason);
        }
        received.unicast = unicast && link_unicast;
        if !header.is_fragment() {
            return self.transport_arrives(now, &received);
        }
        // RFC 3128 2: a fragment whose offset is 1 unit is an attack on filters. (The others that
        // it tells of overlap, and no datagram survives that.)
        if header.protocol == protocol::TCP && header.fragment_offset == 8 {
            return self.counters.add(Count::FragmentOverlap);
        }
        let key = Key { src, dst, id: u32::from(header.id), protocol: header.protocol };
        let (offset, more) = (usize::from(header.fragment_offset), header.more_fragments);
        if let Some(whole) = self.fragment_arrives(now, &received, key, offset, more) {
            let received = received_whole(&whole, &received);
            self.transport_arrives(now, &received);
        }
    }

    /// An IPv6 packet.
    pub(in crate::stack) fn ipv6_arrives(
        &mut self,
        now: Instant,
        interface: IfIndex,
        bytes: &[u8],
        link_unicast: bool,
        checksum: RxChecksum,
    ) {
        let Ok((header, payload)) = ipv6::Header::parse(bytes) else {
            return self.counters.add(Count::IpMalformed);
        };
        let (src, dst) = (IpAddr::V6(header.src), IpAddr::V6(header.dst));
        let Some(unicast) = self.accept(interface, src, dst) else { return };
        let received = Received {
            interface,
            src,
            dst,
            protocol: header.next_header,
            ttl: header.hop_limit,
            tos: header.traffic_class,
            unicast: unicast && link_unicast,
            checksum,
            packet: bytes.get(..ipv6::LEN + payload.len()).unwrap_or(bytes),
            at: ipv6::LEN,
        };
        self.walk_extensions(now, received, false);
    }

    /// Whether a packet with these addresses is taken, and if so, whether it is to us alone.
    fn accept(&mut self, interface: IfIndex, src: IpAddr, dst: IpAddr) -> Option<bool> {
        let local = self.is_local(dst);
        if interface != IfIndex::LOOPBACK && !self.own_packet {
            // RFC 1122 3.2.1.3, RFC 4291 2.5.3, 2.7: what may not be seen on a wire.
            let from_itself = src.is_loopback() || dst.is_loopback() || self.is_local(src);
            let no_host = match src {
                IpAddr::V4(v4) => v4.octets()[0] == 0 && !v4.is_unspecified(),
                IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
            };
            if from_itself || no_host || src.is_multicast() || self.is_broadcast(src) {
                self.counters.add(Count::IpMartian);
                return None;
            }
        }
        if local {
            if src.is_unspecified() && dst.is_ipv4() {
                self.counters.add(Count::IpMartian);
                return None;
            }
            return Some(true);
        }
        if self.is_broadcast(dst) {
            return Some(false);
        }
        if dst.is_multicast() {
            if self.is_member(interface, dst) {
                return Some(false);
            }
            self.counters.add(Count::IpNotJoined);
            return None;
        }
        self.counters.add(Count::IpNotOurs);
        None
    }

    /// RFC 8200 4: through extension headers, in the order in which they come. `nested`: behind a
    /// fragment header already.
    fn walk_extensions(&mut self, now: Instant, mut packet: Received<'_>, nested: bool) {
        // Where the current header is named: in the IPv6 header first.
        let mut named_at = 6;
        for _ in 0..EXTENSIONS {
            let walk = match packet.protocol {
                protocol::NONE => return,
                protocol::FRAGMENT if nested => Err(Count::IpOptions),
                protocol::FRAGMENT => return self.ipv6_fragment_arrives(now, packet),
                // RFC 8200 4.1: hop-by-hop options only first.
                protocol::HOP_BY_HOP if packet.at != ipv6::LEN => {
                    self.report(now, &packet, icmpv6::problem::NEXT_HEADER, named_at);
                    Err(Count::IpOptions)
                }
                next if ipv6::is_extension(next) => self.extension(now, &mut packet, &mut named_at),
                _ => return self.transport_arrives(now, &packet),
            };
            if let Err(reason) = walk {
                return self.counters.add(reason);
            }
        }
        self.counters.add(Count::IpOptions);
    }
    /// One extension header with a length: its options are looked at, then it is behind us.
    fn extension(
        &mut self,
        now: Instant,
        packet: &mut Received<'_>,
        named_at: &mut usize,
    ) -> Result<(), Count> {
        let (extension, rest) =
            ipv6::Extension::parse(packet.payload()).map_err(|_| Count::IpOptions)?;
        if packet.protocol == protocol::ROUTING {
            // RFC 8200 4.4: unknown types (all, to us; type 0 is dead by RFC 5095) are skipped
            // when no segments are left and reported otherwise, pointing at the type.
            if extension.body.get(1).is_none_or(|segments_left| *segments_left != 0) {
                self.report(now, packet, icmpv6::problem::FIELD, packet.at + 2);
                return Err(Count::IpOptions);
            }
        } else {
            for option in ExtensionOptions::new(extension.body) {
                let option = option.map_err(|_| Count::IpOptions)?;
                let pointer = packet.at + 2 + option.offset;
                match option.if_unknown() {
                    Unknown::Skip => continue,
                    Unknown::Report => {
                        let problem = Problem::Parameter { code: icmpv6::problem::OPTION, pointer };
                        self.icmp_report(now, packet, problem);
                    }
                    Unknown::ReportUnicast if packet.unicast => {
                        self.report(now, packet, icmpv6::problem::OPTION, pointer);
                    }
                    Unknown::Discard | Unknown::ReportUnicast => {}
                }
                return Err(Count::IpOptions);
            }
        }
        *named_at = packet.at;
        packet.at = packet.packet.len() - rest.len();
        packet.protocol = extension.next_header;
        Ok(())
    }
    fn report(&mut self, now: Instant, packet: &Received<'_>, code: u8, pointer: usize) {
        self.icmp_report(now, packet, Problem::Parameter { code, pointer });
    }

    fn ipv6_fragment_arrives(&mut self, now: Instant, mut packet: Received<'_>) {
        let Ok((header, payload)) = ipv6::Fragment::parse(packet.payload()) else {
            return self.counters.add(Count::FragmentMalformed);
        };
        packet.at = packet.packet.len() - payload.len();
        packet.protocol = header.next_header;
        if header.offset == 0 && !header.more {
            // RFC 6946: an atomic fragment is a packet of its own.
            return self.walk_extensions(now, packet, true);
        }
        // RFC 8200 4.5, RFC 7112 5: with less a filter on the way could not know what it lets
        // through.
        if header.offset == 0 && !ipv6::has_all_headers(header.next_header, payload) {
            self.report(now, &packet, icmpv6::problem::INCOMPLETE, 0);
            return self.counters.add(Count::IpOptions);
        }
        let key = Key { src: packet.src, dst: packet.dst, id: header.id, protocol: 0 };
        let (offset, more) = (usize::from(header.offset), header.more);
        if let Some(whole) = self.fragment_arrives(now, &packet, key, offset, more) {
            let received = received_whole(&whole, &packet);
            self.walk_extensions(now, received, true);
        }
    }
    fn fragment_arrives(
        &mut self,
        now: Instant,
        packet: &Received<'_>,
        key: Key,
        offset: usize,
        more: bool,
    ) -> Option<Assembled> {
        self.counters.add(Count::Fragments);
        let fragment = Fragment {
            key,
            offset,
            more,
            protocol: packet.protocol,
            head: packet.packet.get(..packet.at).unwrap_or(&[]),
            payload: packet.payload(),
            interface: packet.interface,
            unicast: packet.unicast,
            tos: packet.tos,
        };
        match self.reassembly.insert(now, &fragment) {
            Fate::Kept => None,
            Fate::Dropped(reason) => {
                self.counters.add(reason);
                None
            }
            Fate::Complete(whole) => {
                self.counters.add(Count::Reassembled);
                Some(whole)
            }
        }
    }
    /// Gives up datagrams whose missing fragments did not come in time.
    pub(in crate::stack) fn expire_fragments(&mut self, now: Instant) {
        while let Some(partial) = self.reassembly.expire(now) {
            self.counters.add(Count::FragmentTimeout);
            // RFC 792, RFC 8200 4.5: only if the first fragment is there.
            if partial.at > 0 {
                let packet = Received {
                    interface: partial.interface,
                    src: partial.key.src,
                    dst: partial.key.dst,
                    protocol: partial.protocol,
                    ttl: 0,
                    tos: 0,
                    unicast: partial.unicast,
                    checksum: RxChecksum::Unknown,
                    packet: &partial.packet,
                    at: partial.at,
                };
                self.icmp_report(now, &packet, Problem::ReassemblyTimeout);
            }
        }
    }

    /// A whole packet: to its protocol.
    fn transport_arrives(&mut self, now: Instant, packet: &Received<'_>) {
        match packet.protocol {
            protocol::TCP => self.tcp_arrives(now, packet),
            protocol::UDP => self.udp_arrives(now, packet),
            protocol::IGMP if packet.src.is_ipv4() => self.igmp_arrives(now, packet),
            protocol::ICMP if packet.src.is_ipv4() => self.icmpv4_arrives(now, packet),
            protocol::ICMPV6 if packet.src.is_ipv6() => self.icmpv6_arrives(now, packet),
            _ => {
                self.counters.add(Count::IpProtocol);
                self.icmp_report(now, packet, Problem::Protocol);
            }
        }
    }
}

/// A datagram put together from fragments, of which `last` was the last.
fn received_whole<'a>(whole: &'a Assembled, last: &Received<'_>) -> Received<'a> {
    Received {
        interface: whole.interface,
        src: last.src,
        dst: last.dst,
        protocol: whole.protocol,
        ttl: last.ttl,
        tos: whole.tos,
        unicast: whole.unicast,
        // A link that trusts a fragment does not know the sum of the whole, unless it is our own.
        checksum: match whole.interface {
            IfIndex::LOOPBACK => RxChecksum::Trusted,
            _ => RxChecksum::Unknown,
        },
        packet: &whole.packet,
        at: whole.at,
    }
}

/// Source routes are refused (RFC 7126 4.3, 4.4), as Linux does by default; others are of no
/// concern to a host.
fn check_options(options: &[u8]) -> Result<(), Count> {
    for option in ipv4::Options::new(options) {
        match option {
            Ok((ipv4::option::LOOSE_SOURCE_ROUTE | ipv4::option::STRICT_SOURCE_ROUTE, _)) => {
                return Err(Count::IpSourceRoute);
            }
            Ok(_) => {}
            Err(_) => return Err(Count::IpOptions),
        }
    }
    Ok(())
}
