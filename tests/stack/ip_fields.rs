//! Fields of the IP header that a host must get right: type of service, time to live, and how the
//! headers of TCP lie in fragments.
use crate::frames::{self, changed};
use crate::lone::*;
use crate::world::*;
use understudy::base::FourTuple;
use understudy::base::IpAddr;
use understudy::stack::tcp::TcpOptions;
use understudy::stack::*;
use understudy::wire::tcp::{Flags, Options, TcpHeader};
use understudy::wire::{checksum, ethernet, icmpv6, ipv4, ipv6, protocol};

fn pairs() -> [FourTuple; 2] {
    [tuple("10.0.0.1:5000", "10.0.0.9:6000"), tuple("[fd00::1]:5000", "[fd00::9]:6000")]
}

/// Type of service and time to live of a frame.
fn tos_ttl(frame: &[u8]) -> (u8, u8) {
    match frame[14] >> 4 {
        4 => {
            let header = ipv4::Header::parse(&frame[14..]).unwrap().header;
            (header.tos, header.ttl)
        }
        _ => {
            let (header, _) = ipv6::Header::parse(&frame[14..]).unwrap();
            (header.traffic_class, header.hop_limit)
        }
    }
}

/// What leaves with these: a datagram, an echo request and a SYN.
fn leaves(lone: &mut Lone, tuple: FourTuple, tos: u8, ttl: u8) -> [Vec<(u8, u8)>; 3] {
    let options = UdpSendOptions { tos, ttl: Some(ttl), ..Default::default() };
    let seen = |lone: &mut Lone| lone.sent().iter().map(|f| tos_ttl(f)).collect();
    lone.stack.udp_send(lone.now, tuple, &options, b"x").unwrap();
    let datagram = seen(lone);
    let kind = if tuple.remote.is_ipv4() { 8 } else { 128 };
    lone.stack.icmp_send(lone.now, tuple, &options, &[kind, 0, 0, 0, 0, 1, 0, 1]).unwrap();
    let echo = seen(lone);
    let options = TcpOptions { tos, ttl, ..Default::default() };
    let id = lone.stack.tcp_connect(lone.now, tuple, options).unwrap();
    let syn = seen(lone);
    lone.stack.tcp_mut().abort(lone.now, id);
    lone.sent();
    [datagram, echo, syn]
}

/// RFC 1122 3.2.1.6: the transport says the type of service of each packet, and is told that of
/// those which arrive.
#[test]
fn type_of_service() {
    let mut lone = Lone::new();
    for tuple in pairs() {
        for tos in [0, 0x10, 0xb8] {
            for sent in leaves(&mut lone, tuple, tos, 64) {
                assert_eq!(sent, [(tos, 64)], "{tuple:?}");
            }
        }
    }
    let datagram = udp_datagram("10.0.0.9", "10.0.0.1", b"x");
    let packet = frames::v4(PEER4, US4, 64, protocol::UDP, &datagram);
    for tos in [0, 0x10, 0xb9] {
        lone.answer(&to_us(ethernet::IPV4, &changed(&packet, |header| header.tos = tos)));
        let Some(Event::UdpArrived(got)) = lone.stack.poll_event() else { panic!("nothing") };
        assert_eq!(got.tos, tos);
    }
    // TCP is told as well: RFC 3168 6.1.1 has no SYN with a mark in this field, and such a one is
    // not answered with the offer of ECN that it makes.
    let offer = Flags::SYN.with(Flags::ECE).with(Flags::CWR);
    lone.stack.tcp_mut().listen("10.0.0.1:80".parse().unwrap(), false, 2).unwrap();
    for (port, tos) in [(7, 0), (8, 2)] {
        let syn = segment_between(PEER4.into(), US4.into(), port, offer);
        let packet = frames::v4(PEER4, US4, 64, protocol::TCP, &syn);
        let marked = changed(&packet, |header| header.tos = tos);
        let sent = lone.answer(&to_us(ethernet::IPV4, &marked));
        let (answer, _) = TcpHeader::parse(&sent[0][34..]).unwrap();
        assert_eq!(answer.flags.has(Flags::ECE), tos == 0);
    }
}

/// RFC 1122 3.2.1.7: the transport says how long a packet may live; none leaves with 0; and what
/// arrives with 0 or 1 has arrived.
#[test]
fn time_to_live() {
    let mut lone = Lone::new();
    for tuple in pairs() {
        for ttl in [1, 7, 255] {
            for sent in leaves(&mut lone, tuple, 0, ttl) {
                assert_eq!(sent, [(0, ttl)], "{tuple:?}");
            }
        }
        let [datagram, echo, _] = leaves(&mut lone, tuple, 0, 0);
        assert!(datagram.is_empty() && echo.is_empty(), "{tuple:?}: {datagram:?} {echo:?}");
    }
    let [_, _, syn] = leaves(&mut lone, pairs()[0], 0, 0);
    assert_eq!(syn, [(0, 1)], "TCP has no use for packets that stay here");
    for ttl in [0, 1] {
        let ping = frames::v4(PEER4, US4, ttl, protocol::ICMP, &echo_request_v4(b"x"));
        let sent = lone.answer(&to_us(ethernet::IPV4, &ping));
        assert_eq!(sent.iter().map(|f| tos_ttl(f)).collect::<Vec<_>>(), [(0, 64)]);
        let datagram = udp_datagram("fd00::9", "fd00::1", b"x");
        lone.answer(&v6(PEER6, US6, protocol::UDP, ttl, &datagram));
        let Some(Event::UdpArrived(got)) = lone.stack.poll_event() else { panic!("nothing") };
        assert_eq!(got.ttl, ttl);
    }
}

/// A segment from port 7 of the peer to our port 80.
fn segment(flags: Flags) -> Vec<u8> {
    segment_between(PEER4.into(), US4.into(), 7, flags)
}

/// A segment with its checksum.
fn segment_between(src: IpAddr, dst: IpAddr, port: u16, flags: Flags) -> Vec<u8> {
    let header = TcpHeader {
        source: port,
        destination: 80,
        seq: 1000,
        ack: 0,
        flags,
        window: 1000,
        urgent: 0,
        options: Options::default(),
    };
    let mut bytes = Vec::new();
    header.emit(&mut bytes);
    bytes[16..18].fill(0);
    let sum = checksum::pseudo_header(src, dst, protocol::TCP, bytes.len()).bytes(&bytes).finish();
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// A piece of a datagram of TCP, as a frame.
fn piece(id: u16, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let packet = frames::v4(PEER4, US4, 64, protocol::TCP, payload);
    let packet = changed(&packet, |header| {
        (header.id, header.fragment_offset, header.more_fragments) = (id, offset as u16, more);
    });
    to_us(ethernet::IPV4, &packet)
}

/// RFC 3128 2: neither can the flags of a segment come in a second fragment, past a filter that
/// looks at the first, nor can a tiny one take the place of the ports in a header that was let
/// through.
#[test]
fn tiny_fragments_of_tcp() {
    let mut lone = Lone::new();
    let syn = segment(Flags::SYN);
    // Behind the flags it may be cut: nobody listens, and the answer is a reset.
    assert!(lone.answer(&piece(1, 0, true, &syn[..16])).is_empty());
    assert_eq!(lone.answer(&piece(1, 16, false, &syn[16..])).len(), 1);
    // Before them it may not.
    assert!(lone.answer(&piece(2, 0, true, &syn[..8])).is_empty());
    lone.dropped(&piece(2, 8, false, &syn[8..]), "drop_fragment_overlap");
    // The same backwards.
    lone.dropped(&piece(3, 8, false, &syn[8..]), "drop_fragment_overlap");
    assert!(lone.answer(&piece(3, 0, true, &syn[..8])).is_empty());
    // The tiny overlapping fragment: first a header that a filter lets through, then eight bytes
    // with other ports over it, then the rest. Whichever comes first.
    let harmless = segment(Flags::ACK);
    let ports = &segment_between(PEER4.into(), US4.into(), 9, Flags::ACK)[..8];
    let (whole, tiny) = (piece(4, 0, true, &harmless[..16]), piece(4, 0, true, ports));
    assert!(lone.answer(&whole).is_empty());
    lone.dropped(&tiny, "drop_fragment_overlap");
    lone.dropped(&piece(4, 16, false, &harmless[16..]), "drop_fragment_overlap");
    assert!(lone.answer(&piece(5, 0, true, ports)).is_empty());
    lone.dropped(&piece(5, 0, true, &harmless[..16]), "drop_fragment_overlap");
    lone.dropped(&piece(5, 16, false, &harmless[16..]), "drop_fragment_overlap");
}

/// RFC 8200 4.5, RFC 7112 5: a first fragment has all headers, that of the transport included; one
/// that has not is dropped and reported, pointing at the start of the packet.
#[test]
fn first_fragments_have_all_headers() {
    let syn = segment_between(PEER6.into(), US6.into(), 7, Flags::SYN);
    let cut = |next: u8, offset: u16, more: bool, payload: &[u8]| {
        let head = ipv6::Fragment { next_header: next, offset, more, id: 7 }.to_bytes();
        v6(PEER6, US6, protocol::FRAGMENT, 64, &[&head[..], payload].concat())
    };
    let mut padded = vec![protocol::TCP, 0, 1, 4, 0, 0, 0, 0];
    padded.extend(&syn);
    for (next, whole, first) in [
        (protocol::TCP, &syn, 8),
        (protocol::TCP, &syn, 16),
        (protocol::DESTINATION, &padded, 8),
        (protocol::DESTINATION, &padded, 24),
    ] {
        let mut lone = Lone::new();
        let sent = lone.answer(&cut(next, 0, true, &whole[..first]));
        let (_, payload) = ipv6::Header::parse(&sent[0][14..]).unwrap();
        let (icmp, _) = icmpv6::Header::parse(US6, PEER6, payload).unwrap();
        assert_eq!((icmp.kind, icmp.code, icmp.rest), (4, 3, [0; 4]));
        assert_eq!(counter(&lone.stack, "drop_ip_options"), 1);
        assert!(lone.answer(&cut(next, first as u16, false, &whole[first..])).is_empty());
    }
    // With all of them it is put together.
    let mut lone = Lone::new();
    let datagram = udp_datagram("fd00::9", "fd00::1", &[5; 16]);
    assert!(lone.answer(&cut(protocol::UDP, 0, true, &datagram[..8])).is_empty());
    assert!(lone.answer(&cut(protocol::UDP, 8, false, &datagram[8..])).is_empty());
    let Some(Event::UdpArrived(got)) = lone.stack.poll_event() else { panic!("nothing") };
    assert_eq!(got.payload, [5; 16]);
}
