//! Packets and frames made by hand.
use understudy::base::MacAddr;
use understudy::base::{Ipv4Addr, Ipv6Addr};
use understudy::wire::{ethernet, ipv4, ipv6};

/// An Ethernet frame.
pub fn framed(src: MacAddr, dst: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let header = ethernet::Header { dst, src, ethertype };
    [&header.to_bytes()[..], payload].concat()
}

/// An IPv4 packet in one piece.
pub fn v4(
    src: impl Into<Ipv4Addr>,
    dst: impl Into<Ipv4Addr>,
    ttl: u8,
    protocol: u8,
    payload: &[u8],
) -> Vec<u8> {
    let header = ipv4::Header {
        tos: 0,
        total_len: (ipv4::LEN + payload.len()) as u16,
        id: 1,
        dont_fragment: false,
        more_fragments: false,
        fragment_offset: 0,
        ttl,
        protocol,
        src: src.into(),
        dst: dst.into(),
    };
    [&header.to_bytes()[..], payload].concat()
}

/// The same with another IPv4 header, whose checksum is made right.
pub fn changed(packet: &[u8], change: impl FnOnce(&mut ipv4::Header)) -> Vec<u8> {
    let mut header = ipv4::Header::parse(packet).expect("a packet").header;
    change(&mut header);
    [&header.to_bytes()[..], &packet[ipv4::LEN..]].concat()
}

/// An IPv6 packet.
pub fn v6(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let payload_len = payload.len() as u16;
    let (traffic_class, flow_label) = (0, 0);
    let header =
        ipv6::Header { traffic_class, flow_label, payload_len, next_header, hop_limit, src, dst };
    [&header.to_bytes()[..], payload].concat()
}
