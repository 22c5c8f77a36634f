//! The software offloads against `etherparse`, an independent implementation.
use super::*;
use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

const MACS: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);

fn tcp_frame(ipv6: bool, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1);
    let builder = if ipv6 {
        let (src, dst) = ([0xfd; 16], [0xfe; 16]);
        builder.ipv6(src, dst, 64)
    } else {
        builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
    };
    let builder = builder.tcp(1234, 80, u32::MAX - 2000, 500).ack(7).psh().fin().cwr();
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn udp_frame(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(53, 5353);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn collect(frame: &[u8], size: u16) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    cut(frame, Medium::Ethernet, size, &mut Vec::new(), &mut |f| out.push(f.to_vec()));
    out
}

/// Checks all sums of a frame with etherparse; its transport payload.
fn payload_if_right(frame: &[u8]) -> Vec<u8> {
    let sliced = SlicedPacket::from_ethernet(frame).unwrap();
    let net = sliced.net.unwrap();
    let ip = match &net {
        etherparse::NetSlice::Ipv4(v4) => {
            let header = v4.header().to_header();
            assert_eq!(header.calc_header_checksum(), header.header_checksum);
            assert_eq!(usize::from(header.total_len) + 14, frame.len());
            etherparse::IpHeaders::Ipv4(header, Default::default())
        }
        etherparse::NetSlice::Ipv6(v6) => {
            etherparse::IpHeaders::Ipv6(v6.header().to_header(), Default::default())
        }
        other => panic!("not IP: {other:?}"),
    };
    match sliced.transport.unwrap() {
        TransportSlice::Tcp(tcp) => {
            let header = tcp.to_header();
            let sum = match &ip {
                etherparse::IpHeaders::Ipv4(v4, _) => header.calc_checksum_ipv4(v4, tcp.payload()),
                etherparse::IpHeaders::Ipv6(v6, _) => header.calc_checksum_ipv6(v6, tcp.payload()),
            };
            assert_eq!(sum.unwrap(), header.checksum);
            tcp.payload().to_vec()
        }
        TransportSlice::Udp(udp) => {
            let etherparse::IpHeaders::Ipv4(v4, _) = &ip else { panic!("IPv4 only here") };
            let sum = udp.to_header().calc_checksum_ipv4(v4, udp.payload()).unwrap();
            assert_eq!(sum, udp.to_header().checksum);
            assert_eq!(usize::from(udp.length()), udp.payload().len() + 8);
            udp.payload().to_vec()
        }
        other => panic!("not TCP or UDP: {other:?}"),
    }
}

fn tcp_of(frame: &[u8]) -> etherparse::TcpHeader {
    match SlicedPacket::from_ethernet(frame).unwrap().transport.unwrap() {
        TransportSlice::Tcp(tcp) => tcp.to_header(),
        other => panic!("not TCP: {other:?}"),
    }
}

#[test]
fn super_segments_become_right_segments() {
    let payload: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
    for ipv6 in [false, true] {
        let segments = collect(&tcp_frame(ipv6, &payload), 1448);
        assert_eq!(segments.len(), 4);
        let got: Vec<u8> = segments.iter().flat_map(|s| payload_if_right(s)).collect();
        assert_eq!(got, payload);
        for (i, segment) in segments.iter().enumerate() {
            let tcp = tcp_of(segment);
            let expected = (u32::MAX - 2000).wrapping_add(1448 * i as u32);
            assert_eq!(tcp.sequence_number, expected);
            assert_eq!((tcp.fin, tcp.psh, tcp.cwr), (i == 3, i == 3, i == 0));
            assert!(tcp.ack);
        }
    }
}

#[test]
fn merged_datagrams_are_cut() {
    let payload: Vec<u8> = (0..2500u32).map(|i| i as u8).collect();
    let datagrams = collect(&udp_frame(&payload), 1000);
    let sizes: Vec<_> = datagrams.iter().map(|d| payload_if_right(d).len()).collect();
    assert_eq!(sizes, [1000, 1000, 500]);
}

#[test]
fn a_partial_checksum_is_completed() {
    for (mut frame, start, offset) in
        [(tcp_frame(false, b"hello"), 34, 16u16), (udp_frame(b"hello"), 34, 6)]
    {
        let right = frame.clone();
        let layout = Layout::of(&frame, Medium::Ethernet).unwrap();
        let (src, dst) = layout.addresses(&frame);
        let len = layout.end - layout.transport;
        let pseudo = checksum::pseudo_header(src, dst, layout.protocol, len).fold();
        let at = start + usize::from(offset);
        frame[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
        let mut merged = frame.clone();
        let offload = TxOffload {
            needs_checksum: true,
            checksum_start: start as u16,
            checksum_offset: offset,
            ..TxOffload::default()
        };
        let mut out = Vec::new();
        let tx = TxFrame { bytes: frame, offload };
        finish(&tx, Medium::Ethernet, &mut Vec::new(), &mut |f| out.push(f.to_vec()));
        assert_eq!(out, std::slice::from_ref(&right));
        complete_checksum(&mut merged, Medium::Ethernet);
        assert_eq!(merged, right);
    }
}

#[test]
fn what_is_not_tcp_or_udp_stays_as_it_is() {
    let mut arp = vec![0xff; 60];
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(collect(&arp, 100), [arp.clone()]);
    let mut fragment = tcp_frame(false, &[5; 3000]);
    fragment[20] = 0x20;
    assert_eq!(collect(&fragment, 1000), [fragment.clone()]);
    // A UDP datagram over IPv4 that has no checksum gets none.
    let mut udp = udp_frame(b"x");
    udp[40..42].fill(0);
    let mut same = udp.clone();
    complete_checksum(&mut same, Medium::Ethernet);
    assert_eq!(same, udp);
}

proptest! {
    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..120), v: u8, size: u16) {
        let mut frame = bytes.clone();
        if frame.len() > 14 {
            frame[12..14].copy_from_slice(if v & 1 == 0 { &[0x08, 0] } else { &[0x86, 0xdd] });
            frame[14] = if v & 1 == 0 { 0x40 | (frame[14] & 0xf) } else { 0x60 };
        }
        for medium in [Medium::Ethernet, Medium::Ip] {
            let mut scratch = Vec::new();
            cut(&frame, medium, size, &mut scratch, &mut |_| {});
            complete_checksum(&mut frame.clone(), medium);
            let offload = TxOffload {
                needs_checksum: true,
                checksum_start: size,
                checksum_offset: v.into(),
                ..TxOffload::default()
            };
            let tx = TxFrame { bytes: frame.clone(), offload };
            finish(&tx, medium, &mut scratch, &mut |_| {});
        }
    }

    #[test]
    fn a_damaged_valid_packet_does_not_panic(at in 14usize..60, byte: u8, size in 1u16..2000) {
        for ipv6 in [false, true] {
            let mut frame = tcp_frame(ipv6, &[1; 200]);
            frame[at] = byte;
            cut(&frame, Medium::Ethernet, size, &mut Vec::new(), &mut |_| {});
        }
    }
}

/// RFC 768 and RFC 1624 3: a sum of zero is all ones in UDP, and stays zero in TCP.
#[test]
fn a_sum_of_zero() {
    for udp in [true, false] {
        let frame = if udp { udp_frame(&[0; 2]) } else { tcp_frame(false, &[0; 2]) };
        let at = 34 + if udp { 6 } else { 16 };
        // What is missing to zero is put into the payload.
        let mut whole = frame.clone();
        complete_checksum(&mut whole, Medium::Ethernet);
        let sum: [u8; 2] = whole[at..at + 2].try_into().unwrap();
        let end = whole.len();
        whole[end - 2..].copy_from_slice(&sum);
        complete_checksum(&mut whole, Medium::Ethernet);
        let expected = if udp { [0xff; 2] } else { [0; 2] };
        assert_eq!(whole[at..at + 2], expected);
        payload_if_right(&whole);
    }
}
