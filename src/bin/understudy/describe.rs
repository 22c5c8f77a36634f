//! A frame as one line of text, decoded by our own `wire`.
use std::collections::HashMap;
use std::fmt::Write;
use understudy::base::FourTuple;
use understudy::base::{IpAddr, SocketAddr};
use understudy::wire::tcp::{Flags, TcpHeader};
use understudy::wire::{arp, ethernet, icmpv4, icmpv6, ipv4, ipv6, protocol, udp};

/// Directions of connections whose first sequence number is remembered.
const REMEMBERED: usize = 4096;

/// Turns frames into lines. Sequence numbers are relative to the first one seen in each direction.
#[derive(Default)]
pub struct Describer {
    first: HashMap<FourTuple, u32>,
    absolute: bool,
}

impl Describer {
    /// `absolute`: sequence numbers as they are on the wire.
    pub fn new(absolute: bool) -> Describer {
        Describer { first: HashMap::new(), absolute }
    }

    /// An Ethernet frame.
    pub fn frame(&mut self, bytes: &[u8]) -> String {
        let (header, payload) = match ethernet::Header::parse(bytes) {
            Ok(parsed) => parsed,
            Err(why) => return format!("{} bytes, not Ethernet: {why}", bytes.len()),
        };
        match header.ethertype {
            ethernet::IPV4 | ethernet::IPV6 => self.packet(payload),
            ethernet::ARP => arp_line(payload),
            other => {
                format!(
                    "{} > {} ethertype {other:#06x}, {} bytes",
                    header.src,
                    header.dst,
                    bytes.len()
                )
            }
        }
    }

    /// An IP packet.
    pub fn packet(&mut self, bytes: &[u8]) -> String {
        match bytes.first().map(|b| b >> 4) {
            Some(4) => self.v4(bytes),
            Some(6) => self.v6(bytes),
            _ => format!("{} bytes, not IP", bytes.len()),
        }
    }

    fn v4(&mut self, bytes: &[u8]) -> String {
        let packet = match ipv4::Header::parse(bytes) {
            Ok(packet) => packet,
            Err(why) => return format!("IPv4, {} bytes: {why}", bytes.len()),
        };
        let h = packet.header;
        let (src, dst) = (IpAddr::V4(h.src), IpAddr::V4(h.dst));
        if h.more_fragments || h.fragment_offset != 0 {
            let more = if h.more_fragments { ", more follow" } else { ", the last" };
            let (id, offset, len) = (h.id, h.fragment_offset, packet.payload.len());
            return format!("{src} > {dst} fragment of {id:#06x} at {offset}, {len} bytes{more}");
        }
        self.transport(src, dst, h.protocol, packet.payload)
    }

    fn v6(&mut self, bytes: &[u8]) -> String {
        let (h, mut payload) = match ipv6::Header::parse(bytes) {
            Ok(parsed) => parsed,
            Err(why) => return format!("IPv6, {} bytes: {why}", bytes.len()),
        };
        let (src, dst) = (IpAddr::V6(h.src), IpAddr::V6(h.dst));
        let mut next = h.next_header;
        while matches!(next, protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION) {
            match ipv6::Extension::parse(payload) {
                Ok((extension, rest)) => (next, payload) = (extension.next_header, rest),
                Err(why) => return format!("{src} > {dst} extension header: {why}"),
            }
        }
        if next == protocol::FRAGMENT {
            return match ipv6::Fragment::parse(payload) {
                Ok((f, rest)) => {
                    let more = if f.more { ", more follow" } else { ", the last" };
                    let (id, offset, len) = (f.id, f.offset, rest.len());
                    format!("{src} > {dst} fragment of {id:#010x} at {offset}, {len} bytes{more}")
                }
                Err(why) => format!("{src} > {dst} fragment: {why}"),
            };
        }
        self.transport(src, dst, next, payload)
    }

    fn transport(&mut self, src: IpAddr, dst: IpAddr, kind: u8, payload: &[u8]) -> String {
        match (kind, src, dst) {
            (protocol::TCP, ..) => self.tcp(src, dst, payload),
            (protocol::UDP, ..) => match udp::Header::parse(payload) {
                Ok((h, data)) => {
                    let from = SocketAddr::new(src, h.src_port);
                    let to = SocketAddr::new(dst, h.dst_port);
                    format!("{from} > {to} udp len {}", data.len())
                }
                Err(why) => format!("{src} > {dst} udp: {why}"),
            },
            (protocol::ICMP, ..) => match icmpv4::Header::parse(payload) {
                Ok((h, body)) => format!("{src} > {dst} icmp {}", icmp4_line(&h, body.len())),
                Err(why) => format!("{src} > {dst} icmp: {why}"),
            },
            (protocol::ICMPV6, IpAddr::V6(a), IpAddr::V6(b)) => {
                match icmpv6::Header::parse(a, b, payload) {
                    Ok((h, body)) => format!("{src} > {dst} icmp6 {}", icmp6_line(&h, body)),
                    Err(why) => format!("{src} > {dst} icmp6: {why}"),
                }
            }
            _ => format!("{src} > {dst} protocol {kind}, {} bytes", payload.len()),
        }
    }

    fn tcp(&mut self, src: IpAddr, dst: IpAddr, segment: &[u8]) -> String {
        let (h, data) = match TcpHeader::parse(segment) {
            Ok(parsed) => parsed,
            Err(why) => return format!("{src} > {dst} tcp, {} bytes: {why:?}", segment.len()),
        };
        let local = SocketAddr::new(src, h.source);
        let remote = SocketAddr::new(dst, h.destination);
        let tuple = FourTuple { local, remote };
        let mut line = format!("{local} > {remote} tcp {}", flags(h.flags));
        let seq = h.seq.wrapping_sub(self.base(tuple, h.seq, h.flags.has(Flags::SYN)));
        // Writing to a String cannot fail.
        let _ = match data.len() as u32 {
            0 => write!(line, " seq {seq}"),
            len => write!(line, " seq {seq}:{}", seq.wrapping_add(len)),
        };
        if h.flags.has(Flags::ACK) {
            let base = self.base(tuple.reversed(), h.ack, false);
            let _ = write!(line, " ack {}", h.ack.wrapping_sub(base));
        }
        let _ = write!(line, " win {} len {}", h.window, data.len());
        let o = &h.options;
        if let Some(mss) = o.mss {
            let _ = write!(line, " mss {mss}");
        }
        if let Some(shift) = o.window_shift {
            let _ = write!(line, " wscale {shift}");
        }
        if o.sack_permitted {
            line.push_str(" sackOK");
        }
        if let Some((value, echo)) = o.timestamps {
            let _ = write!(line, " ts {value}/{echo}");
        }
        for (left, right) in o.sack_blocks() {
            let base = self.base(tuple.reversed(), h.ack, false);
            let (left, right) = (left.wrapping_sub(base), right.wrapping_sub(base));
            let _ = write!(line, " sack {left}:{right}");
        }
        line
    }

    /// The number that this direction's sequence numbers are shown relative to.
    fn base(&mut self, direction: FourTuple, seen: u32, syn: bool) -> u32 {
        if self.absolute {
            return 0;
        }
        if self.first.len() >= REMEMBERED {
            self.first.clear();
        }
        if syn {
            self.first.insert(direction, seen);
        }
        *self.first.entry(direction).or_insert(seen)
    }
}

/// As letters, in tcpdump's order; `.` for ACK alone.
fn flags(flags: Flags) -> String {
    let named = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::PSH, "PSH"),
        (Flags::URG, "URG"),
        (Flags::ACK, "ACK"),
    ];
    let set: Vec<&str> = named.iter().filter(|(f, _)| flags.has(*f)).map(|(_, n)| *n).collect();
    if set.is_empty() { "-".into() } else { set.join(",") }
}

fn arp_line(payload: &[u8]) -> String {
    match arp::Packet::parse(payload) {
        Ok(p) => match p.operation {
            arp::Operation::Request => format!("arp who has {}? tell {}", p.target_ip, p.sender_ip),
            arp::Operation::Reply => format!("arp {} is at {}", p.sender_ip, p.sender_mac),
        },
        Err(why) => format!("arp: {why}"),
    }
}

fn icmp4_line(h: &icmpv4::Header, len: usize) -> String {
    let [a, b, c, d] = h.rest;
    let (id, seq) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match (h.kind, h.code) {
        (icmpv4::kind::ECHO_REQUEST, _) => format!("echo request id {id} seq {seq} len {len}"),
        (icmpv4::kind::ECHO_REPLY, _) => format!("echo reply id {id} seq {seq} len {len}"),
        (icmpv4::kind::UNREACHABLE, 3) => "port unreachable".into(),
        (icmpv4::kind::UNREACHABLE, 4) => format!("too big, mtu {seq}"),
        (icmpv4::kind::UNREACHABLE, code) => format!("unreachable, code {code}"),
        (icmpv4::kind::TIME_EXCEEDED, _) => "time exceeded".into(),
        (kind, code) => format!("type {kind} code {code}"),
    }
}

fn icmp6_line(h: &icmpv6::Header, body: &[u8]) -> String {
    let [a, b, c, d] = h.rest;
    let (id, seq) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let target = body.first_chunk::<16>().map(|b| std::net::Ipv6Addr::from(*b));
    match (h.kind, target) {
        (icmpv6::kind::ECHO_REQUEST, _) => {
            format!("echo request id {id} seq {seq} len {}", body.len())
        }
        (icmpv6::kind::ECHO_REPLY, _) => format!("echo reply id {id} seq {seq} len {}", body.len()),
        (icmpv6::kind::UNREACHABLE, _) => format!("unreachable, code {}", h.code),
        (icmpv6::kind::TOO_BIG, _) => format!("too big, mtu {}", u32::from_be_bytes(h.rest)),
        (icmpv6::kind::TIME_EXCEEDED, _) => "time exceeded".into(),
        (icmpv6::kind::NEIGHBOR_SOLICITATION, Some(ip)) => format!("who has {ip}?"),
        (icmpv6::kind::NEIGHBOR_ADVERTISEMENT, Some(ip)) => format!("{ip} is here"),
        (kind, _) => format!("type {kind} code {}", h.code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ethernet_frame(ethertype: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
        frame.extend_from_slice(&ethertype.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    /// By an independent builder.
    fn tcp_frame(seq: u32, f: impl FnOnce(&mut etherparse::TcpHeader), data: &[u8]) -> Vec<u8> {
        let mut tcp = etherparse::TcpHeader::new(50_000, 80, seq, 512);
        f(&mut tcp);
        let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .tcp_header(tcp);
        let mut out = Vec::new();
        builder.write(&mut out, data).unwrap();
        out
    }

    #[test]
    fn connections_are_shown_with_relative_numbers() {
        let mut d = Describer::default();
        let syn = tcp_frame(
            u32::MAX - 1,
            |t| {
                t.syn = true;
                let mss = etherparse::TcpOptionElement::MaximumSegmentSize(1460);
                t.set_options(&[mss]).unwrap();
            },
            b"",
        );
        assert_eq!(
            d.frame(&syn),
            "10.0.0.1:50000 > 10.0.0.2:80 tcp SYN seq 0 win 512 len 0 mss 1460"
        );
        let data = tcp_frame(
            u32::MAX,
            |t| {
                (t.ack, t.psh) = (true, true);
                t.acknowledgment_number = 7_000;
            },
            b"hello",
        );
        assert_eq!(
            d.frame(&data),
            "10.0.0.1:50000 > 10.0.0.2:80 tcp PSH,ACK seq 1:6 ack 0 win 512 len 5"
        );
        d.absolute = true;
        assert!(d.frame(&data).contains("seq 4294967295:4 ack 7000"));
    }

    #[test]
    fn other_frames() {
        let mut d = Describer::default();
        let arp = arp::Packet {
            operation: arp::Operation::Request,
            sender_mac: Default::default(),
            sender_ip: [10, 0, 0, 1].into(),
            target_mac: Default::default(),
            target_ip: [10, 0, 0, 2].into(),
        };
        let frame = ethernet_frame(ethernet::ARP, &arp.to_bytes());
        assert_eq!(d.frame(&frame), "arp who has 10.0.0.2? tell 10.0.0.1");
        let mut out = Vec::new();
        etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv6([0xfd; 16], [0xfe; 16], 64)
            .udp(53, 5353)
            .write(&mut out, b"abc")
            .unwrap();
        assert!(d.frame(&out).ends_with("]:5353 udp len 3"), "{}", d.frame(&out));
        let mut out = Vec::new();
        etherparse::PacketBuilder::ipv4([1, 2, 3, 4], [5, 6, 7, 8], 64)
            .icmpv4_echo_request(7, 9)
            .write(&mut out, b"abc")
            .unwrap();
        assert_eq!(d.packet(&out), "1.2.3.4 > 5.6.7.8 icmp echo request id 7 seq 9 len 3");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(0u8..=255, 0..120), kind in 0u8..3) {
            let mut d = Describer::default();
            let ethertype = [ethernet::IPV4, ethernet::IPV6, ethernet::ARP][usize::from(kind)];
            let _ = d.frame(&ethernet_frame(ethertype, &bytes));
            let _ = d.frame(&bytes);
            let _ = d.packet(&bytes);
        }
    }
}
