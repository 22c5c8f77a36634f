//! Two stacks on a wire: neighbours found, datagrams both ways, fragments, errors, loopback.
use crate::world::*;
use understudy::base::Duration;
use understudy::base::{Instant, MacAddr, NetError};
use understudy::stack::*;

const SECOND: Duration = Duration::from_secs(1);

fn states(stack: &Stack) -> Vec<(String, Option<MacAddr>, &'static str)> {
    stack.neighbors().into_iter().map(|n| (n.address.to_string(), n.mac, n.state)).collect()
}

/// RFC 768, RFC 826, RFC 4861 7.2.2 and 7.2.3: neighbours are found, and datagrams go.
#[test]
fn udp_both_ways_after_arp_and_nd() {
    for (a, b) in [("10.0.0.1:5000", "10.0.0.2:6000"), ("[fd00::1]:5000", "[fd00::2]:6000")] {
        let mut world = World::ethernet();
        world.udp(0, tuple(a, b), b"question").unwrap();
        world.run_for(SECOND);
        let got = world.datagram(1);
        assert_eq!((got.tuple, &got.payload[..]), (tuple(b, a), &b"question"[..]));
        assert_eq!((got.ttl, got.tos, got.interface), (64, 0, IfIndex(1)));
        world.udp(1, got.tuple, b"answer").unwrap();
        world.run_for(SECOND);
        assert_eq!(world.datagram(0).payload, b"answer");
        let theirs = Some(MacAddr([2, 0, 0, 0, 0, 2]));
        let there = b.rsplit_once(':').unwrap().0.trim_matches(['[', ']']).to_string();
        assert_eq!(states(&world.stacks[0]), [(there, theirs, "reachable")]);
    }
}

/// RFC 6724 5, RFC 1122 3.3.4.2: source addresses.
#[test]
fn the_source_is_chosen() {
    let mut world = World::ethernet();
    world.udp(0, tuple("0.0.0.0:1", "10.0.0.2:2"), b"").unwrap();
    world.udp(0, tuple("[::]:1", "[fd00::2]:2"), b"").unwrap();
    world.udp(0, tuple("[::]:1", "[fe80::ff:fe00:2]:2"), b"").unwrap();
    world.run_for(SECOND);
    assert_eq!(world.datagram(1).tuple.remote.ip(), ip("10.0.0.1"));
    assert_eq!(world.datagram(1).tuple.remote.ip(), ip("fd00::1"));
    assert_eq!(world.datagram(1).tuple.remote.ip(), ip("fe80::ff:fe00:1"));
}

/// RFC 791 3.2, RFC 8200 4.5 and 5: 65,507 bytes.
#[test]
fn largest_datagrams_in_fragments() {
    for (a, b, len) in [
        ("10.0.0.1:5000", "10.0.0.2:6000", 65_507),
        ("[fd00::1]:5000", "[fd00::2]:6000", 65_527),
        ("10.0.0.1:5000", "10.0.0.2:6000", 1473),
        ("[fd00::1]:5000", "[fd00::2]:6000", 1453),
    ] {
        let mut world = World::ethernet();
        let payload: Vec<u8> = (0..len).map(|i| (i * 7 / 3) as u8).collect();
        // The first one too: all its fragments wait for the neighbour.
        for _ in 0..3 {
            world.udp(0, tuple(a, b), &payload).unwrap();
            world.run_for(SECOND);
            assert!(world.datagram(1).payload == payload);
        }
        assert!(world.sent.iter().all(|(_, frame)| frame.len() <= 1514));
        let too_long = vec![0; if len < 60_000 { 65_528 } else { len + 1 }];
        assert_eq!(world.udp(0, tuple(a, b), &too_long), Err(NetError::MessageTooLong));
    }
}

/// RFC 4443 3.3, RFC 1122 3.2.1.4: reassembly time exceeded.
#[test]
fn fragments_are_lost_and_the_sender_is_told() {
    let mut world = World::ethernet();
    let (ours, theirs) = ("10.0.0.1:5000", "10.0.0.2:6000");
    world.udp(0, tuple(ours, theirs), b"hello").unwrap();
    world.run_for(SECOND);
    world.datagram(1);
    let before = world.sent.len();
    world.loss = 0.0;
    world.udp(0, tuple(ours, theirs), &[1; 4000]).unwrap();
    // The first two of three fragments arrive.
    let mut frame = TxFrame::default();
    for nth in 0..3 {
        assert!(world.stacks[0].poll_transmit(world.now, &mut frame).is_some());
        if nth < 2 {
            let (now, interface) = (world.now, world.interfaces[1]);
            world.stacks[1].frame_arrives(now, interface, &frame.bytes, RxChecksum::Unknown);
        }
    }
    world.run_for(Duration::from_secs(29));
    assert!(world.events[0].is_empty());
    world.run_for(Duration::from_secs(9));
    let icmp: Vec<_> = world.sent[before..].iter().filter(|(_, f)| f[12..14] == [8, 0]).collect();
    assert_eq!((icmp.len(), icmp[0].0, &icmp[0].1[34..36]), (1, 1, &[11, 1][..]));
    let error = NetError::HostUnreachable;
    let failed = world.events[0].pop_front().and_then(|event| event.failed());
    assert_eq!(failed, Some((tuple(ours, theirs), error)));
    assert_eq!(counter(&world.stacks[1], "drop_fragment_timeout"), 1);
}

/// RFC 1122 4.1.3.1 and 4.1.3.3, RFC 4443 3.1: port unreachable.
#[test]
fn refused_datagrams() {
    for (a, b) in [("10.0.0.1:5000", "10.0.0.2:6000"), ("[fd00::1]:5000", "[fd00::2]:6000")] {
        let mut world = World::ethernet();
        for len in [0, 3, 1400, 9000] {
            world.udp(0, tuple(a, b), &vec![7; len]).unwrap();
            world.run_for(SECOND);
            let datagram = world.datagram(1);
            world.stacks[1].udp_refuse(world.now, &datagram);
            world.run_for(SECOND);
            let failed = (tuple(a, b), NetError::Refused);
            let event = world.events[0].pop_front();
            assert_eq!(event.and_then(|event| event.failed()), Some(failed));
        }
    }
}

/// RFC 4443 2.4, RFC 1122 3.2.2.1: and not without limit.
#[test]
fn refusals_are_rate_limited() {
    let mut world = World::ethernet();
    let (a, b) = ("10.0.0.1:5000", "10.0.0.2:6000");
    world.udp(0, tuple(a, b), b"x").unwrap();
    world.run_for(SECOND);
    let datagram = world.datagram(1);
    for _ in 0..500 {
        world.stacks[1].udp_refuse(world.now, &datagram);
    }
    world.run_for(SECOND);
    assert_eq!(world.events[0].len(), 50);
    assert_eq!(counter(&world.stacks[1], "icmp_errors_limited"), 450);
}

/// RFC 4861 7.2.2, RFC 1122 3.2.2.1: nobody answers.
#[test]
fn a_neighbor_that_is_not_there() {
    for (a, b) in [("10.0.0.1:5000", "10.0.0.9:6000"), ("[fd00::1]:5000", "[fd00::9]:6000")] {
        let mut world = World::ethernet();
        world.udp(0, tuple(a, b), b"anybody?").unwrap();
        world.run_for(Duration::from_millis(2_900));
        assert!(world.events[0].is_empty());
        world.run_for(Duration::from_millis(200));
        let error = NetError::HostUnreachable;
        let failed = (tuple(a, b), error);
        let event = world.events[0].pop_front();
        assert_eq!(event.and_then(|event| event.failed()), Some(failed));
        assert!(world.stacks[0].neighbors().is_empty());
    }
}

/// RFC 1122 3.3.1 and 3.2.1.3: no way, or no such address of ours.
#[test]
fn no_route_and_wrong_sources() {
    let mut world = World::ethernet();
    let mut send = |a, b| world.udp(0, tuple(a, b), b"x");
    assert_eq!(send("0.0.0.0:1", "192.0.2.1:2"), Err(NetError::NetUnreachable));
    assert_eq!(send("[::]:1", "[2001:db8::1]:2"), Err(NetError::NetUnreachable));
    assert_eq!(send("10.0.0.77:1", "10.0.0.2:2"), Err(NetError::AddressNotAvailable));
    assert_eq!(send("127.0.0.1:1", "10.0.0.2:2"), Err(NetError::AddressNotAvailable));
    assert_eq!(send("10.0.0.1:1", "[fd00::2]:2"), Err(NetError::AddressNotAvailable));
    let options = UdpSendOptions { broadcast: false, ..Default::default() };
    for broadcast in ["10.0.0.255:9", "255.255.255.255:9"] {
        let tuple = tuple("10.0.0.1:9", broadcast);
        let sent = world.stacks[0].udp_send(world.now, tuple, &options, b"x");
        assert_eq!(sent, Err(NetError::Prohibited));
    }
}

/// RFC 1112 7.2, RFC 922 6: broadcasts, and what goes to a group that was joined, is taken; no
/// error answers it (RFC 1122 3.2.2).
/// RFC 1122 3.3.6: broadcasts.
#[test]
fn broadcast_and_multicast() {
    let mut world = World::ethernet();
    for group in ["224.0.0.251", "ff02::fb"] {
        world.stacks[1].join(world.now, world.interfaces[1], ip(group)).unwrap();
    }
    for to in ["10.0.0.255:9", "255.255.255.255:9", "224.0.0.251:9"] {
        world.udp(0, tuple("10.0.0.1:9", to), b"all").unwrap();
        world.run_for(SECOND);
        let datagram = world.datagram(1);
        assert_eq!(datagram.tuple.local, to.parse().unwrap());
        assert_eq!(datagram.ttl, if to.starts_with("224") { 1 } else { 64 });
        world.stacks[1].udp_refuse(world.now, &datagram);
    }
    world.udp(0, tuple("[::]:9", "[ff02::fb]:9"), b"all").unwrap();
    world.run_for(SECOND);
    assert_eq!(world.datagram(1).tuple.remote.ip(), ip("fe80::ff:fe00:1"));
    assert_eq!(counter(&world.stacks[1], "icmp_errors_out"), 0);
}

#[test]
fn to_ourselves_without_a_wire() {
    let mut world = World::ethernet();
    let before = world.sent.len();
    for (a, b, len) in [
        ("127.0.0.1:1", "127.0.0.1:2", 10),
        ("127.0.0.1:1", "127.1.2.3:2", 10),
        ("10.0.0.1:1", "10.0.0.1:2", 65_507),
        ("[::1]:1", "[::1]:2", 10),
        ("[fd00::1]:1", "[fd00::1]:2", 65_527),
    ] {
        let payload = vec![9; len];
        world.udp(0, tuple(a, b), &payload).unwrap();
        world.step();
        let got = world.datagram(0);
        assert_eq!((got.tuple, got.interface), (tuple(b, a), IfIndex::LOOPBACK));
        assert!(got.payload == payload);
        world.stacks[0].udp_refuse(world.now, &got);
        world.step();
        let failed = (tuple(a, b), NetError::Refused);
        let event = world.events[0].pop_front();
        assert_eq!(event.and_then(|event| event.failed()), Some(failed));
    }
    let ours = world.sent[before..].iter().filter(|(who, f)| *who == 0 && f[12..14] == [8, 0]);
    assert_eq!(ours.count(), 0);
}

/// RFC 1122 3.3.1: through a router.
#[test]
fn through_a_gateway() {
    let mut a = ethernet(1, &["10.0.0.1/24", "fd00::1/64"]);
    a.name = String::from("lan");
    let mut world = World::new(a, ethernet(2, &["10.0.0.2/24", "fd00::2/64", "192.0.2.5/32"]));
    let interface = world.interfaces[0];
    for (prefix, via) in [("0.0.0.0/0", "10.0.0.2"), ("::/0", "fd00::2")] {
        let (prefix, via) = (prefix.parse().unwrap(), Some(ip(via)));
        world.stacks[0].add_route(Route { prefix, via, interface, metric: 0 });
    }
    assert_eq!(world.stacks[0].source_for(ip("192.0.2.5")), Some(ip("10.0.0.1")));
    world.udp(0, tuple("0.0.0.0:1", "192.0.2.5:2"), b"far").unwrap();
    world.run_for(SECOND);
    assert_eq!(world.datagram(1).payload, b"far");
    world.udp(0, tuple("[::]:1", "[2001:db8::1]:2"), b"farther").unwrap();
    world.run_for(SECOND);
    assert_eq!(counter(&world.stacks[1], "drop_ip_not_ours"), 1);
    let known: Vec<_> = states(&world.stacks[0]).into_iter().map(|(ip, ..)| ip).collect();
    assert_eq!(known, ["10.0.0.2", "fd00::2"]);
}

/// RFC 4861 7.2.6: an unsolicited advertisement.
#[test]
fn a_neighbor_that_moves_is_followed() {
    let mut world = World::ethernet();
    world.udp(0, tuple("10.0.0.1:1", "10.0.0.2:2"), b"1").unwrap();
    world.udp(0, tuple("[fd00::1]:1", "[fd00::2]:2"), b"1").unwrap();
    world.run_for(SECOND);
    // The other host comes back with another Ethernet address, and announces itself.
    let mut stack = bare_stack(3);
    let config = ethernet(77, &["10.0.0.2/24", "fd00::2/64"]);
    world.interfaces[1] = stack.add_interface(world.now, config);
    world.stacks[1] = stack;
    world.run_for(SECOND);
    world.events[1].clear();
    world.udp(0, tuple("10.0.0.1:1", "10.0.0.2:2"), b"2").unwrap();
    world.udp(0, tuple("[fd00::1]:1", "[fd00::2]:2"), b"2").unwrap();
    world.run_for(SECOND);
    assert_eq!(world.events[1].len(), 2);
}

/// RFC 4861 7.3: unreachability is detected.
#[test]
fn a_neighbor_that_dies_is_noticed() {
    let mut world = World::ethernet();
    world.udp(0, tuple("10.0.0.1:1", "10.0.0.2:2"), b"1").unwrap();
    world.run_for(Duration::from_secs(40));
    world.loss = 1.0;
    world.udp(0, tuple("10.0.0.1:1", "10.0.0.2:2"), b"2").unwrap();
    assert_eq!(states(&world.stacks[0])[0].2, "delay");
    world.run_for(Duration::from_secs(9));
    assert!(states(&world.stacks[0]).is_empty());
}

#[test]
fn checksum_offload_of_datagrams() {
    let offload = Offload { checksum: true, tso_max: 0 };
    let a = InterfaceConfig { offload, ..ethernet(1, &["10.0.0.1/24", "fd00::1/64"]) };
    let mut world = World::new(a, ethernet(2, &["10.0.0.2/24", "fd00::2/64"]));
    // `World` finishes the sums and verifies them; what is cut into fragments has its own.
    for len in [0, 1, 100, 1400, 5000] {
        world.udp(0, tuple("10.0.0.1:1", "10.0.0.2:2"), &vec![3; len]).unwrap();
        world.udp(0, tuple("[fd00::1]:1", "[fd00::2]:2"), &vec![3; len]).unwrap();
        world.run_for(SECOND);
        assert_eq!(world.datagram(1).payload.len(), len);
        assert_eq!(world.datagram(1).payload.len(), len);
    }
    let mut frame = TxFrame::default();
    world.udp(0, tuple("10.0.0.1:1", "10.0.0.2:2"), b"x").unwrap();
    world.stacks[0].poll_transmit(world.now, &mut frame).unwrap();
    assert!(frame.offload.needs_checksum);
    assert_eq!((frame.offload.checksum_start, frame.offload.checksum_offset), (34, 6));
}

#[test]
fn an_ip_link_has_no_neighbors() {
    let bare = |addresses| InterfaceConfig { medium: Medium::Ip, ..ethernet(0, addresses) };
    let mut stack = bare_stack(1);
    let interface = stack.add_interface(Instant::ZERO, bare(&["10.0.0.1/24", "fd00::1/64"]));
    let mut frame = TxFrame::default();
    assert_eq!(stack.poll_transmit(Instant::ZERO, &mut frame), None);
    let to = tuple("10.0.0.1:1", "10.0.0.2:2");
    stack.udp_send(Instant::ZERO, to, &UdpSendOptions::default(), b"x").unwrap();
    assert_eq!(stack.poll_transmit(Instant::ZERO, &mut frame), Some(interface));
    assert_eq!((frame.bytes[0], frame.bytes.len()), (0x45, 29));
    assert_eq!(stack.poll_timeout(), None);
}
