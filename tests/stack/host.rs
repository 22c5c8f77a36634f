//! A host on an Ethernet that does all by itself, and what it hears from others.
use crate::frames::*;
use crate::world::*;
use understudy::base::Duration;
use understudy::base::{Instant, MacAddr};
use understudy::base::{IpAddr, Ipv6Addr};
use understudy::stack::*;
use understudy::wire::{arp, ethernet, icmpv6, ipv4, ipv6, mld, protocol};

pub const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xfe]);
pub const ROUTER: &str = "fe80::fe";
pub const OUR_LOCAL: &str = "fe80::ff:fe00:1";

pub fn six(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A host on an Ethernet that does all by itself.
pub struct Host {
    pub stack: Stack,
    pub interface: IfIndex,
    pub now: Instant,
}

/// What a frame of ours is, as far as these tests want to know.
#[derive(Clone, PartialEq, Debug)]
pub enum Sent {
    Arp(arp::Packet),
    /// An ICMPv6 message: to whom, kind, body.
    V6(Ipv6Addr, Ipv6Addr, u8, Vec<u8>),
    V4(ipv4::Header, Vec<u8>),
}

impl Host {
    pub fn new(addresses: &[&str], settings: InterfaceSettings) -> Host {
        let now = Instant::from_millis(1);
        let mut stack = bare_stack(1);
        let interface = stack.add_interface_with(now, ethernet(1, addresses), settings);
        Host { stack, interface, now }
    }
    /// The frames that leave now.
    pub fn frames(&mut self) -> Vec<Vec<u8>> {
        let mut frame = TxFrame::default();
        let mut all = Vec::new();
        while self.stack.poll_transmit(self.now, &mut frame).is_some() {
            all.push(frame.bytes.clone());
        }
        all
    }
    pub fn sent(&mut self) -> Vec<Sent> {
        self.frames().iter().map(|frame| seen(frame)).collect()
    }
    /// Lets time pass; everything sent meanwhile, and when.
    pub fn run(&mut self, time: Duration) -> Vec<(Duration, Sent)> {
        let (begin, end) = (self.now, self.now + time);
        let mut all: Vec<_> = self.sent().into_iter().map(|s| (Duration::ZERO, s)).collect();
        while let Some(at) = self.stack.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            let late = self.now.since(begin);
            all.extend(self.sent().into_iter().map(|s| (late, s)));
        }
        self.now = end;
        all
    }
    pub fn hear(&mut self, ethertype: u16, payload: &[u8]) -> Vec<Sent> {
        let dst = match ethertype {
            ethernet::ARP => MacAddr::BROADCAST,
            ethernet::IPV4 => {
                let dst = ipv4::Header::parse(payload).unwrap().header.dst;
                MacAddr::for_multicast(dst.into()).unwrap_or(OUR_MAC)
            }
            _ => {
                let dst = ipv6::Header::parse(payload).unwrap().0.dst;
                MacAddr::for_multicast(dst.into()).unwrap_or(OUR_MAC)
            }
        };
        let frame = framed(ROUTER_MAC, dst, ethertype, payload);
        self.stack.frame_arrives(self.now, self.interface, &frame, RxChecksum::Unknown);
        self.sent()
    }
    /// An ICMPv6 message from `src`.
    pub fn hear_v6(
        &mut self,
        src: &str,
        dst: &str,
        hops: u8,
        kind: u8,
        rest: [u8; 4],
        body: &[u8],
    ) {
        let (src, dst) = (six(src), six(dst));
        let mut message = Vec::new();
        icmpv6::Header { kind, code: 0, rest }.emit(src, dst, body, &mut message);
        self.hear(ethernet::IPV6, &v6(src, dst, protocol::ICMPV6, hops, &message));
    }
    /// A router advertisement.
    pub fn advertise(&mut self, lifetime: u16, options: &[u8]) {
        let [l0, l1] = lifetime.to_be_bytes();
        let body = [&[0; 8][..], options].concat();
        self.hear_v6(ROUTER, "ff02::1", 255, 134, [0, 0, l0, l1], &body);
    }
    pub fn addresses(&self) -> Vec<String> {
        let (_, config) = self.stack.interfaces().nth(1).unwrap();
        config.addresses.iter().map(ToString::to_string).collect()
    }
    pub fn default_route(&self) -> Option<IpAddr> {
        self.stack.routes().find(|r| r.prefix.prefix_len == 0).and_then(|r| r.via)
    }
}

fn seen(frame: &[u8]) -> Sent {
    let (link, payload) = ethernet::Header::parse(frame).unwrap();
    match link.ethertype {
        ethernet::ARP => Sent::Arp(arp::Packet::parse(payload).unwrap()),
        ethernet::IPV4 => {
            let packet = ipv4::Header::parse(payload).unwrap();
            Sent::V4(packet.header, packet.payload.to_vec())
        }
        _ => sent_v6(payload),
    }
}

fn sent_v6(payload: &[u8]) -> Sent {
    let (header, mut rest) = ipv6::Header::parse(payload).unwrap();
    if header.next_header == protocol::HOP_BY_HOP {
        assert_eq!(rest[..8], mld::ROUTER_ALERT);
        assert_eq!(header.hop_limit, 1);
        rest = &rest[8..];
    }
    let (icmp, body) = icmpv6::Header::parse(header.src, header.dst, rest).unwrap();
    Sent::V6(header.src, header.dst, icmp.kind, body.to_vec())
}

pub fn prefix_option(prefix: &str, flags: u8, valid: u32, preferred: u32) -> Vec<u8> {
    let mut option = vec![3, 4, 64, flags];
    option.extend(valid.to_be_bytes());
    option.extend(preferred.to_be_bytes());
    option.extend([0; 4]);
    option.extend(six(prefix).octets());
    option
}

/// The option of a redirect that quotes a datagram of ours from port 1 to port 2 (RFC 4861 4.6.3).
pub fn redirected(from: &str, to: &str) -> Vec<u8> {
    let datagram = [0, 1, 0, 2, 0, 9, 0, 0];
    let quote = v6(six(from), six(to), protocol::UDP, 64, &datagram);
    [&[4, 7, 0, 0, 0, 0, 0, 0][..], &quote].concat()
}

pub fn dad() -> InterfaceSettings {
    InterfaceSettings { dad: true, ..Default::default() }
}
pub fn auto() -> InterfaceSettings {
    InterfaceSettings { autoconf: true, redirects: true, ..Default::default() }
}
pub const SECOND: Duration = Duration::from_secs(1);
