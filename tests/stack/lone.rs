//! One stack, and frames of a peer that it knows.
use crate::frames::{self, framed};
use crate::world::*;
use understudy::base::{Instant, MacAddr};
use understudy::base::{Ipv4Addr, Ipv6Addr};
use understudy::stack::*;
use understudy::wire::{arp, ethernet, icmpv4, ndp, protocol, udp};

pub const PEER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);
pub const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub const US4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const PEER4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
pub const US6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
pub const PEER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9);

/// 10.0.0.1 and fd00::1, which knows its peer already.
pub struct Lone {
    pub stack: Stack,
    pub interface: IfIndex,
    pub now: Instant,
}

impl Lone {
    pub fn new() -> Lone {
        let now = Instant::from_millis(1);
        let mut stack = bare_stack(1);
        let interface = stack.add_interface(now, ethernet(1, &["10.0.0.1/24", "fd00::1/64"]));
        let mut lone = Lone { stack, interface, now };
        let asked = arp_packet(arp::Operation::Request, PEER4, US4);
        assert_eq!(lone.answer(&asked).len(), 1 + 3, "announcements and the answer");
        let asked = solicitation(PEER6, US6);
        assert_eq!(lone.answer(&asked).len(), 1);
        lone
    }
    /// What it sends on `frame`.
    pub fn answer(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.stack.frame_arrives(self.now, self.interface, frame, RxChecksum::Unknown);
        self.sent()
    }
    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut frame = TxFrame::default();
        let mut all = Vec::new();
        while self.stack.poll_transmit(self.now, &mut frame).is_some() {
            audit(&frame.bytes);
            all.push(frame.bytes.clone());
        }
        all
    }
    /// Asserts that `frame` is dropped, and counted under `reason`.
    pub fn dropped(&mut self, frame: &[u8], reason: &str) {
        let before = counter(&self.stack, reason);
        assert_eq!(self.answer(frame), Vec::<Vec<u8>>::new(), "{reason}");
        let now = counters(&self.stack);
        assert_eq!(counter(&self.stack, reason), before + 1, "{reason} not in {now:?}");
        assert_eq!(self.stack.poll_event(), None);
    }
}

pub fn arp_packet(operation: arp::Operation, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let packet = arp::Packet {
        operation,
        sender_mac: PEER_MAC,
        sender_ip: sender,
        target_mac: MacAddr::default(),
        target_ip: target,
    };
    framed(PEER_MAC, MacAddr::BROADCAST, ethernet::ARP, &packet.to_bytes())
}

/// An IPv4 packet to us, in its frame.
pub fn v4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    to_us(ethernet::IPV4, &frames::v4(src, dst, 64, protocol, payload))
}

/// An IPv6 packet to us or a group, in its frame.
pub fn v6(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let to = MacAddr::for_multicast(dst.into()).unwrap_or(OUR_MAC);
    let packet = frames::v6(src, dst, next_header, hop_limit, payload);
    framed(PEER_MAC, to, ethernet::IPV6, &packet)
}

/// A frame to us.
pub fn to_us(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    framed(PEER_MAC, OUR_MAC, ethertype, payload)
}

pub fn solicitation(src: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let dst = ndp::solicited_node(target);
    let source_mac = (!src.is_unspecified()).then_some(PEER_MAC);
    let mut message = Vec::new();
    ndp::Solicitation { target, source_mac, nonce: None }.emit(src, dst, &mut message);
    v6(src, dst, protocol::ICMPV6, 255, &message)
}

pub fn echo_request_v4(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    icmpv4::Header { kind: 8, code: 0, rest: [1, 2, 3, 4] }.emit(body, &mut out);
    out
}

pub fn udp_datagram(src: &str, dst: &str, payload: &[u8]) -> Vec<u8> {
    let len = (udp::LEN + payload.len()) as u16;
    let mut header = udp::Header { src_port: 7, dst_port: 8, len, checksum: 0 };
    header.checksum = udp::checksum(ip(src), ip(dst), &header, payload);
    [&header.to_bytes()[..], payload].concat()
}
