//! One stack, and frames made by hand: what a host must answer, what it must drop, and why.
use crate::lone::*;
use crate::world::*;
use understudy::base::Duration;
use understudy::base::NetError;
use understudy::base::{Ipv4Addr, Ipv6Addr};
use understudy::stack::*;
use understudy::wire::{arp, ethernet, icmpv4, icmpv6, ipv4, ipv6, ndp, protocol};

/// RFC 792, RFC 1122 3.2.2.6: echo is answered.
#[test]
fn ping() {
    let mut lone = Lone::new();
    for len in [0, 1, 56, 1472] {
        let body = vec![5; len];
        let sent = lone.answer(&v4(PEER4, US4, protocol::ICMP, &echo_request_v4(&body)));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0][..6], PEER_MAC.0);
        let packet = ipv4::Header::parse(&sent[0][14..]).unwrap();
        assert_eq!((packet.header.src, packet.header.dst), (US4, PEER4));
        let (header, got) = icmpv4::Header::parse(packet.payload).unwrap();
        assert_eq!((header.kind, header.rest, got), (0, [1, 2, 3, 4], &body[..]));
    }
}

/// RFC 1122 3.2.2.6 and 3.2.1.4: a long echo comes in fragments, and goes in fragments.
#[test]
fn ping_longer_than_a_frame() {
    let mut lone = Lone::new();
    let message = echo_request_v4(&[5; 4000]);
    let mut sent = Vec::new();
    for (i, piece) in message.chunks(1480).enumerate() {
        let mut frame = v4(PEER4, US4, protocol::ICMP, piece);
        let more = (i + 1) * 1480 < message.len();
        let mut header = ipv4::Header::parse(&frame[14..]).unwrap().header;
        header.more_fragments = more;
        header.fragment_offset = (i * 1480) as u16;
        frame[14..34].copy_from_slice(&header.to_bytes());
        sent = lone.answer(&frame);
    }
    assert_eq!(sent.len(), 3);
}

/// RFC 4443 4.1: echo is answered.
#[test]
fn ping6() {
    let mut lone = Lone::new();
    let link_local = ndp::link_local(OUR_MAC);
    for (to, from) in [(US6, US6), ("ff02::1".parse().unwrap(), US6), (link_local, link_local)] {
        let mut message = Vec::new();
        let header = icmpv6::Header { kind: 128, code: 0, rest: [1, 2, 3, 4] };
        header.emit(PEER6, to, b"body", &mut message);
        let sent = lone.answer(&v6(PEER6, to, protocol::ICMPV6, 64, &message));
        assert_eq!(sent.len(), 1, "{to}");
        let (header, payload) = ipv6::Header::parse(&sent[0][14..]).unwrap();
        assert_eq!((header.src, header.dst), (from, PEER6));
        let (icmp, body) = icmpv6::Header::parse(from, PEER6, payload).unwrap();
        assert_eq!((icmp.kind, icmp.rest, body), (129, [1, 2, 3, 4], &b"body"[..]));
    }
}

/// RFC 826, RFC 5227 2.3: ours, and as announcements.
#[test]
fn arp_is_answered_for_our_addresses_only() {
    let mut lone = Lone::new();
    let sent = lone.answer(&arp_packet(arp::Operation::Request, PEER4, US4));
    let answer = arp::Packet::parse(&sent[0][14..]).unwrap();
    assert_eq!((answer.operation, answer.sender_mac), (arp::Operation::Reply, OUR_MAC));
    assert_eq!((answer.sender_ip, answer.target_ip), (US4, PEER4));
    assert_eq!(answer.target_mac, PEER_MAC);
    assert_eq!(sent[0].len(), 42);
    let others = Ipv4Addr::new(10, 0, 0, 3);
    assert!(lone.answer(&arp_packet(arp::Operation::Request, PEER4, others)).is_empty());
    let loopback = Ipv4Addr::LOCALHOST;
    assert!(lone.answer(&arp_packet(arp::Operation::Request, PEER4, loopback)).is_empty());
    // RFC 5227: a probe is answered, and nothing is learned from it.
    let probe = arp_packet(arp::Operation::Request, Ipv4Addr::UNSPECIFIED, US4);
    assert_eq!(lone.answer(&probe).len(), 1);
    // RFC 5227 2.4 b: who says that he has our address is contradicted.
    assert_eq!(lone.answer(&arp_packet(arp::Operation::Reply, US4, US4)).len(), 1);
    assert_eq!(counter(&lone.stack, "address_conflict"), 1);
    // Off the link, and unasked: not remembered.
    lone.answer(&arp_packet(arp::Operation::Request, Ipv4Addr::new(192, 0, 2, 1), US4));
    lone.answer(&arp_packet(arp::Operation::Reply, Ipv4Addr::new(10, 0, 0, 50), US4));
    assert_eq!(lone.stack.neighbors().len(), 2);
}

/// RFC 4861 7.1.1, 7.1.2, 7.2.3 and 7.2.5: what is valid, and what is answered.
#[test]
fn neighbor_discovery_by_the_rules() {
    let mut lone = Lone::new();
    let sent = lone.answer(&solicitation(PEER6, US6));
    let (header, payload) = ipv6::Header::parse(&sent[0][14..]).unwrap();
    assert_eq!((header.src, header.dst, header.hop_limit), (US6, PEER6, 255));
    let (icmp, body) = icmpv6::Header::parse(US6, PEER6, payload).unwrap();
    let answer = ndp::Advertisement::parse(&icmp, body).unwrap();
    assert!(answer.solicited && answer.overrides && !answer.router);
    assert_eq!((answer.target, answer.target_mac), (US6, Some(OUR_MAC)));
    // Somebody tests whether he may have our address: all nodes are told that he may not.
    let sent = lone.answer(&solicitation(Ipv6Addr::UNSPECIFIED, US6));
    let (header, _) = ipv6::Header::parse(&sent[0][14..]).unwrap();
    assert_eq!(header.dst, "ff02::1".parse::<Ipv6Addr>().unwrap());
    // Not from this link.
    let mut far = solicitation(PEER6, US6);
    far[14 + 7] = 254;
    lone.dropped(&far, "drop_nd_invalid");
    assert!(lone.answer(&solicitation(PEER6, "fd00::5".parse().unwrap())).is_empty());
}

/// RFC 1122 3.2.1.3, 4.2.3.10, RFC 9293 3.9.2.3: addresses that cannot be.
#[test]
fn what_cannot_be_true_is_dropped() {
    let mut lone = Lone::new();
    let ping = echo_request_v4(b"");
    let icmp = |src: [u8; 4], dst: [u8; 4]| v4(src.into(), dst.into(), protocol::ICMP, &ping);
    for src in [[127, 0, 0, 1], [224, 0, 0, 1], [255; 4], [10, 0, 0, 255], [10, 0, 0, 1], [0; 4]] {
        lone.dropped(&icmp(src, US4.octets()), "drop_ip_martian");
    }
    lone.dropped(&icmp(PEER4.octets(), [127, 0, 0, 1]), "drop_ip_martian");
    lone.dropped(&icmp(PEER4.octets(), [10, 0, 0, 2]), "drop_ip_not_ours");
    for src in ["::1", "ff02::1", "fd00::1"] {
        let frame = v6(src.parse().unwrap(), US6, protocol::ICMPV6, 64, &ping);
        lone.dropped(&frame, "drop_ip_martian");
    }
    let mut damaged = icmp(PEER4.octets(), US4.octets());
    damaged[14 + 8] ^= 1;
    lone.dropped(&damaged, "drop_ip_checksum");
    let mut damaged = icmp(PEER4.octets(), US4.octets());
    damaged[14 + 20 + 5] ^= 1;
    lone.dropped(&damaged, "drop_icmp_malformed");
    let mut other = icmp(PEER4.octets(), US4.octets());
    other[5] ^= 1;
    lone.dropped(&other, "drop_ethernet_other_station");
    lone.dropped(&other[..13], "drop_ethernet_short");
    other[5] ^= 1;
    other[12] = 0x88;
    lone.dropped(&other, "drop_ethernet_type");
    lone.dropped(&to_us(ethernet::ARP, &[0; 28]), "drop_arp_malformed");
    let mut datagram = udp_datagram("10.0.0.9", "10.0.0.1", b"data");
    datagram[9] ^= 1;
    lone.dropped(&v4(PEER4, US4, protocol::UDP, &datagram), "drop_udp_checksum");
    lone.dropped(&v4(PEER4, US4, protocol::UDP, &datagram[..10]), "drop_udp_malformed");
    lone.dropped(&v4(PEER4, US4, protocol::TCP, &[0; 20]), "drop_tcp_checksum");
}

/// RFC 894: padding of short frames is no part of the packet.
#[test]
fn a_frame_padded_to_60_bytes() {
    let mut lone = Lone::new();
    let datagram = udp_datagram("10.0.0.9", "10.0.0.1", b"x");
    let mut frame = v4(PEER4, US4, protocol::UDP, &datagram);
    frame.resize(60, 0xee);
    assert!(lone.answer(&frame).is_empty());
    let Some(Event::UdpArrived(datagram)) = lone.stack.poll_event() else { panic!("nothing") };
    assert_eq!((&datagram.payload[..], datagram.quote.len()), (&b"x"[..], 28));
}

/// RFC 4443 3.4, RFC 1122 3.2.2.1: an unknown protocol.
#[test]
fn unknown_protocols_are_reported_unless_to_many() {
    let mut lone = Lone::new();
    let sent = lone.answer(&v4(PEER4, US4, 99, b"what"));
    let packet = ipv4::Header::parse(&sent[0][14..]).unwrap();
    let (icmp, quote) = icmpv4::Header::parse(packet.payload).unwrap();
    assert_eq!((icmp.kind, icmp.code, quote.len()), (3, 2, 24));
    lone.dropped(&v4(PEER4, Ipv4Addr::BROADCAST, 99, b"what"), "drop_ip_protocol");
    let mut broadcast = v4(PEER4, US4, 99, b"what");
    broadcast[..6].fill(0xff);
    lone.dropped(&broadcast, "drop_ip_protocol");
    let sent = lone.answer(&v6(PEER6, US6, 99, 64, b"what"));
    let (_, payload) = ipv6::Header::parse(&sent[0][14..]).unwrap();
    let (icmp, quote) = icmpv6::Header::parse(US6, PEER6, payload).unwrap();
    assert_eq!((icmp.kind, icmp.code, icmp.rest), (4, 1, [0, 0, 0, 6]));
    assert_eq!(quote.len(), 44);
}

/// RFC 1122 3.2.2, RFC 4443 2.4: about what no error may be sent.
#[test]
fn no_error_about_an_error() {
    let mut lone = Lone::new();
    let unreachable = icmpv4::Header { kind: 3, code: 3, rest: [0; 4] };
    let mut message = Vec::new();
    unreachable.emit(&v4(US4, PEER4, 99, b"12345678")[14..], &mut message);
    assert!(lone.answer(&v4(PEER4, US4, protocol::ICMP, &message)).is_empty());
    // About something that we did not send.
    let mut message = Vec::new();
    unreachable.emit(&v4(PEER4, US4, protocol::UDP, b"12345678")[14..], &mut message);
    lone.dropped(&v4(PEER4, US4, protocol::ICMP, &message), "drop_icmp_strange");
}

/// RFC 8200 4.1, 4.2 and 4.3, RFC 6946 4: in any order, and atomic fragments.
#[test]
fn extension_headers() {
    let mut lone = Lone::new();
    let datagram = udp_datagram("fd00::9", "fd00::1", b"data");
    let with = |kind: u8, extension: &[u8]| {
        v6(PEER6, US6, kind, 64, &[&[protocol::UDP], &extension[1..], &datagram].concat())
    };
    // Padding; an option that may be skipped; a routing header that is done.
    for (kind, extension) in [
        (protocol::HOP_BY_HOP, [0, 0, 1, 4, 0, 0, 0, 0]),
        (protocol::DESTINATION, [0, 0, 0x1e, 4, 9, 9, 9, 9]),
        (protocol::ROUTING, [0, 0, 0, 0, 0, 0, 0, 0]),
        // An atomic fragment (RFC 6946).
        (protocol::FRAGMENT, [0, 0, 0, 0, 1, 2, 3, 4]),
    ] {
        assert!(lone.answer(&with(kind, &extension)).is_empty());
        let Some(Event::UdpArrived(datagram)) = lone.stack.poll_event() else { panic!("{kind}") };
        assert_eq!(datagram.payload, b"data");
        assert_eq!(datagram.quote.len(), 40 + 8 + 8);
    }
    lone.dropped(&with(protocol::DESTINATION, &[0, 0, 0x41, 4, 0, 0, 0, 0]), "drop_ip_options");
    // What must be reported: code, and where.
    for (kind, extension, code, pointer) in [
        (protocol::DESTINATION, [0, 0, 0x81, 4, 0, 0, 0, 0], 2, 42),
        (protocol::HOP_BY_HOP, [0, 0, 1, 0, 0xc1, 2, 0, 0], 2, 44),
        (protocol::ROUTING, [0, 0, 0, 1, 0, 0, 0, 0], 0, 42),
    ] {
        let sent = lone.answer(&with(kind, &extension));
        let (_, payload) = ipv6::Header::parse(&sent[0][14..]).unwrap();
        let (icmp, _) = icmpv6::Header::parse(US6, PEER6, payload).unwrap();
        assert_eq!((icmp.kind, icmp.code, icmp.rest), (4, code, [0, 0, 0, pointer]));
    }
    // A chain without end.
    let chain: Vec<u8> =
        (0..20).flat_map(|_| [protocol::DESTINATION, 0, 1, 4, 0, 0, 0, 0]).collect();
    lone.dropped(&v6(PEER6, US6, protocol::DESTINATION, 64, &chain), "drop_ip_options");
}

/// RFC 1122 3.2.1.8, RFC 8200 4.4, RFC 5095 3: source routes are not for us.
#[test]
fn source_routes_and_bad_options() {
    let mut lone = Lone::new();
    for (options, reason) in [
        ([131, 4, 4, 0], Some("drop_ip_source_route")),
        ([137, 4, 4, 0], Some("drop_ip_source_route")),
        ([148, 1, 0, 0], Some("drop_ip_options")),
        ([148, 4, 0, 0], None),
        ([1, 1, 1, 0], None),
    ] {
        let mut packet = v4(PEER4, US4, protocol::ICMP, &echo_request_v4(b""))[14..].to_vec();
        packet.splice(20..20, options);
        packet[0] = 0x46;
        packet[3] += 4;
        packet[10..12].fill(0);
        let sum = understudy::wire::checksum::of(&packet[..24]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        let frame = to_us(ethernet::IPV4, &packet);
        match reason {
            Some(reason) => lone.dropped(&frame, reason),
            None => assert_eq!(lone.answer(&frame).len(), 1),
        }
    }
}

/// RFC 1191 3 and 6.3, RFC 8201 4 and 5.3: path MTU.
#[test]
fn path_mtu_is_learned_and_forgotten() {
    let mut lone = Lone::new();
    let send = |lone: &mut Lone| {
        let (tuple, options) = (tuple("10.0.0.1:7", "10.0.0.9:8"), UdpSendOptions::default());
        lone.stack.udp_send(lone.now, tuple, &options, &[1; 1400]).unwrap();
        lone.sent()
    };
    let whole = send(&mut lone);
    assert_eq!(whole.len(), 1);
    assert!(ipv4::Header::parse(&whole[0][14..]).unwrap().header.dont_fragment);
    let too_big = icmpv4::Header { kind: 3, code: 4, rest: [0, 0, 0x03, 0xe8] };
    let mut message = Vec::new();
    too_big.emit(&whole[0][14..14 + 28], &mut message);
    assert!(lone.answer(&v4(PEER4, US4, protocol::ICMP, &message)).is_empty());
    let (tuple, error) = (tuple("10.0.0.1:7", "10.0.0.9:8"), NetError::MessageTooLong);
    let event = lone.stack.poll_event();
    assert_eq!(event.and_then(|event| event.failed()), Some((tuple, error)));
    let cut = send(&mut lone);
    assert_eq!(cut.len(), 2);
    assert!(cut.iter().all(|frame| frame.len() <= 1014));
    lone.now = lone.now + Duration::from_secs(601);
    lone.stack.handle_timeout(lone.now);
    assert_eq!(send(&mut lone).last().unwrap().len(), 14 + 28 + 1400);
}

#[test]
fn events_are_bounded() {
    let mut lone = Lone::new();
    let datagram = udp_datagram("10.0.0.9", "10.0.0.1", b"x");
    for _ in 0..5000 {
        lone.answer(&v4(PEER4, US4, protocol::UDP, &datagram));
    }
    let events = std::iter::from_fn(|| lone.stack.poll_event()).count();
    assert_eq!(events as u64 + counter(&lone.stack, "drop_udp_queue_full"), 5000);
    assert_eq!(events, understudy::base::limits::UDP_QUEUE);
}

#[test]
fn the_transmit_queue_is_bounded() {
    let mut lone = Lone::new();
    let options = UdpSendOptions::default();
    let to = tuple("10.0.0.1:7", "10.0.0.9:8");
    let mut sent = 0;
    let full = loop {
        match lone.stack.udp_send(lone.now, to, &options, &[0; 3000]) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, NetError::NoBuffers);
    assert_eq!(lone.sent().len(), sent * 3);
    assert!(lone.stack.udp_send(lone.now, to, &options, b"again").is_ok());
}
