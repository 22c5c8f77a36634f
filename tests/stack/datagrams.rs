//! Datagrams and ICMP of programs: what they leave with, what arrives with them, what is reported.
use crate::lone::*;
use crate::world::*;
use understudy::base::Duration;
use understudy::base::NetError;
use understudy::stack::*;
use understudy::wire::{icmpv4, icmpv6, ipv4, ipv6, protocol};

const SECOND: Duration = Duration::from_secs(1);
const PAIRS: [(&str, &str); 2] =
    [("10.0.0.1:5000", "10.0.0.2:6000"), ("[fd00::1]:5000", "[fd00::2]:6000")];

fn send(world: &mut World, pair: (&str, &str), options: &UdpSendOptions, payload: &[u8]) {
    let tuple = tuple(pair.0, pair.1);
    world.stacks[0].udp_send(world.now, tuple, options, payload).unwrap();
    world.run_for(SECOND);
}

/// The last frame that our side sent, from its IP header on.
fn last(world: &World) -> &[u8] {
    let sent = world.sent.iter().rev().find(|(who, _)| *who == 0);
    &sent.expect("a frame").1[14..]
}

/// RFC 1122 4.1.4: a program sets the time to live and the type of service of its datagrams, and is
/// told of those that they arrived with (RFC 3542 6.3, 6.5 for IPv6).
#[test]
fn ttl_and_tos_of_a_datagram() {
    for pair in PAIRS {
        let mut world = World::ethernet();
        for (ttl, tos) in [(None, 0), (Some(1), 0xb8), (Some(255), 3)] {
            send(&mut world, pair, &UdpSendOptions { ttl, tos, ..Default::default() }, b"x");
            let got = world.datagram(1);
            assert_eq!((got.ttl, got.tos), (ttl.unwrap_or(64), tos));
        }
    }
}

/// RFC 768: a checksum of zero says that the sender made none, and is taken over IPv4.
/// RFC 8200 8.1: over IPv6 it is not, but where the owner of the port has allowed it (RFC 6936 5).
#[test]
fn datagrams_without_a_checksum() {
    let options = UdpSendOptions { no_checksum: true, ..Default::default() };
    let mut world = World::ethernet();
    send(&mut world, PAIRS[0], &options, b"unchecked");
    assert_eq!(last(&world)[26..28], [0, 0]);
    assert_eq!(world.datagram(1).payload, b"unchecked");
    send(&mut world, PAIRS[1], &options, b"unchecked");
    assert_eq!(last(&world)[46..48], [0, 0]);
    assert!(world.events[1].is_empty());
    assert_eq!(counter(&world.stacks[1], "drop_udp_checksum"), 1);
    world.stacks[1].udp_accept_unchecked([6000].into_iter());
    send(&mut world, PAIRS[1], &options, b"allowed");
    assert_eq!(world.datagram(1).payload, b"allowed");
}

/// RFC 791 3.2: the don't-fragment bit is set as the program wants, and a datagram that must not be
/// cut and does not fit is refused (RFC 1191 6.2; `IP_MTU_DISCOVER`, ip(7)).
#[test]
fn dont_fragment_as_the_program_wants() {
    let with = |cutting| UdpSendOptions { cutting, ..Default::default() };
    for (cutting, small, large) in [
        (Cutting::Here, true, Some(false)),
        (Cutting::Anywhere, false, Some(false)),
        (Cutting::Never, true, None),
        (Cutting::Probe, true, None),
    ] {
        let mut world = World::ethernet();
        send(&mut world, PAIRS[0], &with(cutting), &[1; 1472]);
        assert_eq!(last(&world)[6] & 0x40 != 0, small, "{cutting:?}");
        assert_eq!(world.datagram(1).payload.len(), 1472);
        let pair = tuple(PAIRS[0].0, PAIRS[0].1);
        let sent = world.stacks[0].udp_send(world.now, pair, &with(cutting), &[1; 1473]);
        world.run_for(SECOND);
        match large {
            None => assert_eq!(sent, Err(NetError::MessageTooLong)),
            Some(bit) => {
                assert_eq!(last(&world)[6] & 0x40 != 0, bit, "{cutting:?}");
                assert_eq!(world.datagram(1).payload.len(), 1473);
            }
        }
    }
    assert_eq!(World::ethernet().stacks[0].mtu_to(ip("10.0.0.2")), Some(1500));
    assert_eq!(World::ethernet().stacks[0].mtu_to(ip("192.0.2.1")), None);
}

/// `UDP_GRO`: what has come in one flow, of one length and alike, is joined; a shorter one ends it;
/// nothing else is touched, and nothing is joined unasked.
#[test]
fn datagrams_of_one_flow_are_joined_when_asked() {
    let mut world = World::ethernet();
    let (pair, other) = (tuple(PAIRS[0].0, PAIRS[0].1), tuple("10.0.0.1:5001", PAIRS[0].1));
    let options = UdpSendOptions::default();
    let strange = UdpSendOptions { tos: 4, ..options };
    for (tuple, options, len) in [
        (pair, &options, 100),
        (pair, &options, 100),
        (pair, &options, 30),
        (pair, &options, 100),
        (pair, &strange, 100),
        (other, &options, 100),
        (pair, &options, 50),
        (pair, &options, 60),
    ] {
        world.stacks[0].udp_send(world.now, tuple, options, &vec![len as u8; len]).unwrap();
    }
    world.run_for(SECOND);
    // Put them back into a stack's queue, all at once.
    let mut stack = World::ethernet();
    let frames: Vec<Vec<u8>> = world
        .sent
        .iter()
        .filter(|(who, frame)| *who == 0 && frame[12..14] == [8, 0])
        .map(|(_, frame)| frame.clone())
        .collect();
    for frame in &frames {
        let (now, interface) = (stack.now, stack.interfaces[1]);
        stack.stacks[1].frame_arrives(now, interface, frame, RxChecksum::Unknown);
    }
    let mut got = Vec::new();
    while let Some(Event::UdpArrived(mut datagram)) = stack.stacks[1].poll_event() {
        stack.stacks[1].udp_join(&mut datagram);
        got.push((datagram.payload.len(), datagram.segment));
    }
    assert_eq!(got, [(230, 100), (100, 0), (100, 0), (100, 0), (50, 0), (60, 0)]);
}

/// RFC 1122 3.2.2.6, RFC 4443 4.1, 4.2: a program sends echo requests and gets the replies, small
/// and in fragments; who has not asked for ICMP gets nothing.
#[test]
fn echo_of_a_program() {
    for (a, b, request, reply) in
        [("10.0.0.1:77", "10.0.0.2:0", 8u8, 0u8), ("[fd00::1]:77", "[fd00::2]:0", 128, 129)]
    {
        let mut world = World::ethernet();
        for (wanted, size) in [(false, 8), (true, 8), (true, 5000)] {
            world.stacks[0].want_icmp(IcmpWanted { echo: wanted, all: false });
            let mut message = vec![request, 0, 0, 0, 0, 77, 0, 1];
            message.resize(8 + size, 0x5a);
            let options = UdpSendOptions::default();
            world.stacks[0].icmp_send(world.now, tuple(a, b), &options, &message).unwrap();
            world.run_for(SECOND);
            if !wanted {
                assert!(world.events[0].is_empty());
                continue;
            }
            let Some(Event::EchoArrived(got)) = world.events[0].pop_front() else { panic!() };
            assert_eq!(got.tuple, tuple(a, b));
            assert_eq!((got.payload[0], &got.payload[4..]), (reply, &message[4..]));
            assert_eq!(got.ttl, 64);
        }
        // A raw socket sees it as well.
        world.stacks[0].want_icmp(IcmpWanted { echo: false, all: true });
        let message = [request, 0, 0, 0, 0, 77, 0, 2];
        let options = UdpSendOptions::default();
        world.stacks[0].icmp_send(world.now, tuple(a, b), &options, &message).unwrap();
        world.run_for(SECOND);
        let replies = world.events[0].drain(..).filter(|event| match event {
            Event::IcmpArrived(got) => {
                let at = if got.payload[0] == 0x45 { 20 } else { 0 };
                got.payload[at] == reply
            }
            _ => false,
        });
        assert_eq!(replies.count(), 1);
    }
}

/// RFC 1122 4.1.3.3, 3.2.2.1: what ICMP says of a datagram is passed to its sender: type and code,
/// who said it, and what was quoted.
#[test]
fn errors_are_told_in_full() {
    for ((a, b), kind, code) in [(PAIRS[0], 3, 3), (PAIRS[1], 1, 4)] {
        let mut world = World::ethernet();
        send(&mut world, (a, b), &UdpSendOptions::default(), b"anybody?");
        let datagram = world.datagram(1);
        world.stacks[1].udp_refuse(world.now, &datagram);
        world.run_for(SECOND);
        let Some(Event::DatagramFailed(failed)) = world.events[0].pop_front() else { panic!() };
        assert_eq!((failed.echo, failed.kind, failed.code, failed.info), (false, kind, code, 0));
        assert_eq!((failed.tuple, failed.from), (tuple(a, b), tuple(a, b).remote.ip()));
        assert_eq!(failed.quote, b"anybody?");
    }
}

/// RFC 1122 2.3.2.2, 3.2.2.1, RFC 4861 7.2.2: a neighbour that does not answer is reported to the
/// echo request that waited for him, as from ourselves.
#[test]
fn an_echo_request_to_nobody() {
    for (a, b, request, kind, code) in
        [("10.0.0.1:77", "10.0.0.9:0", 8u8, 3, 1), ("[fd00::1]:77", "[fd00::9]:0", 128, 1, 3)]
    {
        let mut world = World::ethernet();
        let message = [request, 0, 0, 0, 0, 77, 0, 1, 1, 2, 3];
        let options = UdpSendOptions::default();
        world.stacks[0].icmp_send(world.now, tuple(a, b), &options, &message).unwrap();
        world.run_for(SECOND * 5);
        let Some(Event::DatagramFailed(failed)) = world.events[0].pop_front() else { panic!() };
        assert!(failed.echo);
        assert_eq!((failed.tuple, failed.kind, failed.code), (tuple(a, b), kind, code));
        assert_eq!(
            (failed.from, failed.error),
            (ip(&a.replace(":77", "").replace(['[', ']'], "")), NetError::HostUnreachable)
        );
        assert_eq!(failed.quote[4..], message[4..]);
    }
}

/// A router says that `packet` is too big for a link of 1300 bytes.
fn too_big(packet: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let rest = 1300u32.to_be_bytes();
    if packet[0] >> 4 == 4 {
        icmpv4::Header { kind: 3, code: 4, rest }.emit(&packet[..28], &mut message);
        return v4(PEER4, US4, protocol::ICMP, &message);
    }
    icmpv6::Header { kind: 2, code: 0, rest }.emit(PEER6, US6, &packet[..48], &mut message);
    v6(PEER6, US6, protocol::ICMPV6, 64, &message)
}

/// RFC 8899 3: a program that finds the path's MTU by probes of its own has what it needs for that:
/// the size that its link takes and the one that is known; probes of more than is known, which
/// leave in one piece that no router may cut, or are refused if the link cannot take them; and what
/// routers say of them, unless it is about something that was not sent from here.
#[test]
fn probes_of_a_program() {
    let with = |cutting| UdpSendOptions { cutting, ..Default::default() };
    for (a, b, headers) in [("10.0.0.1:5", "10.0.0.9:6", 28), ("[fd00::1]:5", "[fd00::9]:6", 48)] {
        let (pair, mut lone) = (tuple(a, b), Lone::new());
        let send = |lone: &mut Lone, cutting, size: usize| {
            let payload = vec![1; size - headers];
            let result = lone.stack.udp_send(lone.now, pair, &with(cutting), &payload);
            result.map(|()| lone.sent())
        };
        assert_eq!(lone.stack.mtu_to(pair.remote.ip()), Some(1500));
        let probe = send(&mut lone, Cutting::Probe, 1500).unwrap();
        let [whole] = &probe[..] else { panic!("{} pieces", probe.len()) };
        // Not ours: it changes nothing.
        let mut strange = whole[14..].to_vec();
        if headers == 28 {
            let header = ipv4::Header::parse(&strange).unwrap().header;
            strange[..20].copy_from_slice(&ipv4::Header { src: PEER4, ..header }.to_bytes());
        } else {
            strange[8..24].copy_from_slice(&PEER6.octets());
        }
        lone.dropped(&too_big(&strange), "drop_icmp_strange");
        assert_eq!(lone.stack.mtu_to(pair.remote.ip()), Some(1500));
        assert!(lone.answer(&too_big(&whole[14..])).is_empty());
        let Some(Event::DatagramFailed(failed)) = lone.stack.poll_event() else { panic!("{a}") };
        assert_eq!((failed.tuple, failed.info), (pair, 1300));
        assert_eq!(lone.stack.mtu_to(pair.remote.ip()), Some(1300));
        // Data obeys that; probes may be larger, up to what the link takes.
        assert_eq!(send(&mut lone, Cutting::Never, 1301), Err(NetError::MessageTooLong));
        assert_eq!(send(&mut lone, Cutting::Never, 1300).unwrap().len(), 1);
        for size in [1301, 1500] {
            let sent = send(&mut lone, Cutting::Probe, size).unwrap();
            assert_eq!((sent.len(), sent[0].len()), (1, 14 + size));
            if headers == 28 {
                assert!(ipv4::Header::parse(&sent[0][14..]).unwrap().header.dont_fragment);
            } else {
                let (header, _) = ipv6::Header::parse(&sent[0][14..]).unwrap();
                assert_eq!(header.next_header, protocol::UDP, "no fragment");
            }
        }
        assert_eq!(send(&mut lone, Cutting::Probe, 1501), Err(NetError::MessageTooLong));
        // One that is lost without a word is nobody's business but the program's.
        lone.now = lone.now + SECOND * 20;
        lone.stack.handle_timeout(lone.now);
        assert!(!matches!(lone.stack.poll_event(), Some(Event::DatagramFailed(_))));
    }
}
