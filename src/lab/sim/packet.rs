//! Packets as a router and a reader of traces see them.
use crate::base::addr::{IpAddr, SocketAddr};
use crate::wire::tcp::{Flags, Options, TcpHeader};
use crate::wire::{checksum, icmpv4, icmpv6, ipv4, ipv6, protocol, udp};

/// A decoded packet.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Length of the IP packet, bytes.
    pub len: u16,
    /// Type of service or traffic class; the last two bits are ECN.
    pub tos: u8,
    /// What it carries.
    pub what: What,
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A TCP segment.
    Tcp {
        /// Source and destination port.
        ports: (u16, u16),
        /// Sequence number, absolute.
        seq: u32,
        /// Acknowledgment number, absolute; means something with the ACK flag.
        ack: u32,
        /// Flags.
        flags: Flags,
        /// Window field, not scaled.
        window: u16,
        /// Bytes of payload.
        len: u32,
        /// Options.
        options: Options,
    },
    /// A UDP datagram.
    Udp {
        /// Source and destination port.
        ports: (u16, u16),
        /// Bytes of payload.
        len: u32,
    },
    /// A piece of an IP packet.
    Fragment {
        /// Which packet.
        id: u32,
        /// Where it belongs, bytes.
        offset: u16,
        /// Its length, bytes.
        len: u32,
        /// Not the last one.
        more: bool,
    },
    /// An ICMP message in words.
    Icmp(String),
    /// Something else.
    Other,
}

impl View {
    /// Of an IP packet; `None` if it is none.
    pub fn of(packet: &[u8]) -> Option<View> {
        match packet.first()? >> 4 {
            4 => View::of_v4(packet),
            6 => View::of_v6(packet),
            _ => None,
        }
    }

    fn of_v4(bytes: &[u8]) -> Option<View> {
        let packet = ipv4::Header::parse(bytes).ok()?;
        let h = packet.header;
        let what = if h.is_fragment() {
            let (offset, more) = (h.fragment_offset, h.more_fragments);
            let len = packet.payload.len() as u32;
            What::Fragment { id: h.id.into(), offset, len, more }
        } else if h.protocol == protocol::ICMP {
            let header = icmpv4::Header::parse(packet.payload).ok().map(|(h, _)| h);
            header.map_or(What::Other, |h| What::Icmp(icmp4(&h)))
        } else {
            transport(h.protocol, packet.payload)
        };
        let (src, dst) = (IpAddr::V4(h.src), IpAddr::V4(h.dst));
        Some(View { src, dst, len: h.total_len, tos: h.tos, what })
    }

    fn of_v6(bytes: &[u8]) -> Option<View> {
        let (h, mut payload) = ipv6::Header::parse(bytes).ok()?;
        let mut next = h.next_header;
        while ipv6::is_extension(next) {
            let (extension, rest) = ipv6::Extension::parse(payload).ok()?;
            (next, payload) = (extension.next_header, rest);
        }
        let what = if next == protocol::FRAGMENT {
            let (f, rest) = ipv6::Fragment::parse(payload).ok()?;
            What::Fragment { id: f.id, offset: f.offset, len: rest.len() as u32, more: f.more }
        } else if next == protocol::ICMPV6 {
            let header = icmpv6::Header::parse(h.src, h.dst, payload).ok().map(|(h, _)| h);
            header.map_or(What::Other, |h| What::Icmp(icmp6(&h)))
        } else {
            transport(next, payload)
        };
        let len = (ipv6::LEN as u16).saturating_add(h.payload_len);
        let (src, dst) = (IpAddr::V6(h.src), IpAddr::V6(h.dst));
        Some(View { src, dst, len, tos: h.traffic_class, what })
    }

    /// Source and destination with ports; `None` if it has none.
    pub fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        match self.what {
            What::Tcp { ports, .. } | What::Udp { ports, .. } => {
                Some((SocketAddr::new(self.src, ports.0), SocketAddr::new(self.dst, ports.1)))
            }
            _ => None,
        }
    }

    /// Whether it carries payload of TCP or UDP.
    pub fn has_data(&self) -> bool {
        match self.what {
            What::Tcp { len, .. } | What::Udp { len, .. } => len > 0,
            What::Fragment { .. } => true,
            _ => false,
        }
    }

    /// Congestion was experienced (RFC 3168 5).
    pub fn marked(&self) -> bool {
        self.tos & 3 == 3
    }
}

fn transport(kind: u8, payload: &[u8]) -> What {
    match kind {
        protocol::TCP => match TcpHeader::parse(payload) {
            Ok((h, data)) => What::Tcp {
                ports: (h.source, h.destination),
                seq: h.seq,
                ack: h.ack,
                flags: h.flags,
                window: h.window,
                len: data.len() as u32,
                options: h.options,
            },
            Err(_) => What::Other,
        },
        protocol::UDP => match udp::Header::parse(payload) {
            Ok((h, data)) => What::Udp { ports: (h.src_port, h.dst_port), len: data.len() as u32 },
            Err(_) => What::Other,
        },
        _ => What::Other,
    }
}

fn icmp4(h: &icmpv4::Header) -> String {
    match (h.kind, h.code) {
        (icmpv4::kind::ECHO_REQUEST, _) => "echo request".into(),
        (icmpv4::kind::ECHO_REPLY, _) => "echo reply".into(),
        (icmpv4::kind::UNREACHABLE, icmpv4::unreachable::FRAGMENTATION_NEEDED) => {
            format!("fragmentation needed, MTU {}", u16::from_be_bytes([h.rest[2], h.rest[3]]))
        }
        (icmpv4::kind::UNREACHABLE, icmpv4::unreachable::PORT) => "port unreachable".into(),
        (icmpv4::kind::UNREACHABLE, code) => format!("unreachable, code {code}"),
        (icmpv4::kind::TIME_EXCEEDED, _) => "time exceeded".into(),
        (kind, code) => format!("type {kind} code {code}"),
    }
}

fn icmp6(h: &icmpv6::Header) -> String {
    match (h.kind, h.code) {
        (icmpv6::kind::TOO_BIG, _) => {
            format!("packet too big, MTU {}", u32::from_be_bytes(h.rest))
        }
        (icmpv6::kind::UNREACHABLE, code) => format!("unreachable, code {code}"),
        (icmpv6::kind::TIME_EXCEEDED, _) => "time exceeded".into(),
        (icmpv6::kind::ECHO_REQUEST, _) => "echo request".into(),
        (icmpv6::kind::ECHO_REPLY, _) => "echo reply".into(),
        (kind, code) => format!("type {kind} code {code}"),
    }
}

/// Source and destination of an IP packet, as far as they can be read.
pub(super) fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match packet.first()? >> 4 {
        4 => {
            let src = packet.get(12..16)?.first_chunk::<4>()?;
            let dst = packet.get(16..20)?.first_chunk::<4>()?;
            Some((IpAddr::from(*src), IpAddr::from(*dst)))
        }
        6 => {
            let src = packet.get(8..24)?.first_chunk::<16>()?;
            let dst = packet.get(24..40)?.first_chunk::<16>()?;
            Some((IpAddr::from(*src), IpAddr::from(*dst)))
        }
        _ => None,
    }
}

/// RFC 3168 5: sets CE on a packet that is ECT; says whether it is.
pub(super) fn mark_congestion(packet: &mut [u8]) -> bool {
    match packet.first().map(|b| b >> 4) {
        Some(4) if packet.len() >= ipv4::LEN && packet[1] & 3 != 0 => {
            let old = u16::from_be_bytes([packet[0], packet[1]]);
            packet[1] |= 3;
            let new = u16::from_be_bytes([packet[0], packet[1]]);
            update_v4(packet, old, new);
            true
        }
        // The traffic class lies across two bytes; its last bits are 0x30 of the second.
        Some(6) if packet.len() >= ipv6::LEN && packet[1] & 0x30 != 0 => {
            packet[1] |= 0x30;
            true
        }
        _ => false,
    }
}

/// A router's part: one less to live; `false` if that was the last.
pub(super) fn decrement_ttl(packet: &mut [u8]) -> bool {
    match packet.first().map(|b| b >> 4) {
        Some(4) if packet.len() >= ipv4::LEN && packet[8] > 1 => {
            let old = u16::from_be_bytes([packet[8], packet[9]]);
            packet[8] -= 1;
            update_v4(packet, old, u16::from_be_bytes([packet[8], packet[9]]));
            true
        }
        Some(6) if packet.len() >= ipv6::LEN && packet[7] > 1 => {
            packet[7] -= 1;
            true
        }
        _ => false,
    }
}

fn update_v4(packet: &mut [u8], old: u16, new: u16) {
    let at = ipv4::CHECKSUM_OFFSET;
    let sum = checksum::update(u16::from_be_bytes([packet[at], packet[at + 1]]), old, new);
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
