//! Addresses and routes that a host gets by itself: duplicate address detection, router
//! advertisements, redirects, groups. One stack, and frames made by hand.
use crate::frames::*;
use crate::host::*;
use crate::world::*;
use understudy::base::Duration;
use understudy::base::NetError;
use understudy::base::{Ipv4Addr, Ipv6Addr};
use understudy::stack::*;
use understudy::wire::{arp, ethernet, icmpv4, ipv6, ndp, protocol};

/// RFC 4862 5.4: an address is asked for once, from the unspecified address, to its solicited-node
/// group, within a second; it is ours a second later, and told to all.
#[test]
fn an_address_is_tested_before_it_is_used() {
    let mut host = Host::new(&["fd00::1/64"], dad());
    assert!(host.addresses().is_empty() && !host.stack.addresses_settled());
    let to = tuple("[::]:1", "[fd00::9]:2");
    let early = host.stack.udp_send(host.now, to, &UdpSendOptions::default(), b"x");
    assert_eq!(early, Err(NetError::AddressNotAvailable), "a tentative address is not used");
    let sent = host.run(SECOND * 3);
    let probes: Vec<_> = sent.iter().filter(|(_, s)| matches!(s, Sent::V6(.., 135, _))).collect();
    assert_eq!(probes.len(), 2, "{sent:?}");
    for (at, probe) in probes {
        let Sent::V6(src, dst, _, body) = probe else { unreachable!() };
        let question = ndp::Solicitation::parse(body).unwrap();
        assert!(*at <= SECOND && src.is_unspecified() && question.source_mac.is_none());
        assert_eq!(*dst, ndp::solicited_node(question.target));
        assert!(question.nonce.is_some(), "RFC 7527 4.1");
    }
    let told = sent
        .iter()
        .filter(|(_, s)| matches!(s, Sent::V6(_, dst, 136, _) if *dst == six("ff02::1")));
    assert_eq!(told.count(), 2, "RFC 4861 7.2.6");
    assert_eq!(host.addresses().len(), 2);
    assert!(host.stack.addresses_settled());
}

/// RFC 4862 5.4.3, 5.4.4: who has the address, or tests it too, ends it; who only looks for it gets
/// no answer and changes nothing; RFC 7527 4.2: nor does our own question, come back.
#[test]
fn a_duplicate_is_given_up() {
    let target = six("fd00::1");
    let group = ndp::solicited_node(target);
    let solicit = |src: Ipv6Addr, source_mac, nonce| {
        let mut message = Vec::new();
        ndp::Solicitation { target, source_mac, nonce }.emit(src, group, &mut message);
        v6(src, group, protocol::ICMPV6, 255, &message)
    };
    let advertise = {
        let (router, solicited, overrides) = (false, false, true);
        let target_mac = Some(ROUTER_MAC);
        let mut message = Vec::new();
        ndp::Advertisement { router, solicited, overrides, target, target_mac }.emit(
            target,
            six("ff02::1"),
            &mut message,
        );
        v6(target, six("ff02::1"), protocol::ICMPV6, 255, &message)
    };
    let looked_for = solicit(six("fd00::9"), Some(ROUTER_MAC), None);
    let tested = solicit(Ipv6Addr::UNSPECIFIED, None, Some([9; 6]));
    for (frame, survives) in [(&looked_for, true), (&tested, false), (&advertise, false)] {
        let mut host = Host::new(&["fd00::1/64"], dad());
        assert!(host.hear(ethernet::IPV6, frame).is_empty());
        host.run(SECOND * 3);
        assert_eq!(host.addresses().contains(&"fd00::1/64".to_owned()), survives);
        assert_eq!(host.stack.duplicates().count(), usize::from(!survives));
    }
    let mut host = Host::new(&["fd00::1/64"], dad());
    let sent = host.run(SECOND);
    let questions = sent.iter().filter_map(|(_, s)| match s {
        Sent::V6(_, _, 135, body) => ndp::Solicitation::parse(body).ok(),
        _ => None,
    });
    let own = questions.into_iter().find(|question| question.target == target);
    host.hear(ethernet::IPV6, &solicit(Ipv6Addr::UNSPECIFIED, None, own.unwrap().nonce));
    host.run(SECOND * 2);
    assert_eq!(host.addresses().len(), 2);
}

/// RFC 5227 2.1.1: a leased IPv4 address would be tested the same way; 2.4: one in use is defended,
/// at most once in ten seconds.
#[test]
fn an_ipv4_address_is_defended() {
    let mut host = Host::new(&["10.0.0.1/24"], dad());
    let sent = host.run(SECOND * 5);
    let arps = sent.iter().filter(|(_, s)| matches!(s, Sent::Arp(_))).count();
    assert_eq!(arps, 1, "an announcement (RFC 5227 2.3)");
    let claim = arp::Packet {
        operation: arp::Operation::Reply,
        sender_mac: ROUTER_MAC,
        sender_ip: Ipv4Addr::new(10, 0, 0, 1),
        target_mac: OUR_MAC,
        target_ip: Ipv4Addr::new(10, 0, 0, 1),
    };
    for (seconds, answers) in [(0, 1), (5, 0), (6, 1)] {
        host.run(SECOND * seconds);
        assert_eq!(host.hear(ethernet::ARP, &claim.to_bytes()).len(), answers, "{seconds}");
    }
}

/// RFC 4861 6.3.7, RFC 7559 2: routers are asked for after a random delay, then less and less often
/// until one answers.
#[test]
fn routers_are_solicited() {
    let mut host = Host::new(&[], auto());
    let sent = host.run(SECOND * 70);
    let at: Vec<_> = sent.iter().filter(|(_, s)| matches!(s, Sent::V6(.., 133, _))).collect();
    let gaps: Vec<_> = at.windows(2).map(|w| (w[1].0 - w[0].0).as_secs()).collect();
    assert!(at[0].0 <= SECOND);
    assert_eq!(gaps, [4, 8, 16, 32]);
    let Sent::V6(src, dst, _, body) = &at[0].1 else { unreachable!() };
    assert_eq!((*src, *dst), (six(OUR_LOCAL), six("ff02::2")));
    assert_eq!(body[..], [1, 1, 2, 0, 0, 0, 0, 1], "our Ethernet address");
    host.advertise(1800, &[]);
    assert!(!host.run(SECOND * 100).iter().any(|(_, s)| matches!(s, Sent::V6(.., 133, _))));
}

/// RFC 4861 6.3.4: default routers with lifetimes; RFC 4191 3.1: the preferred one first.
#[test]
fn default_routers() {
    let mut host = Host::new(&[], auto());
    host.advertise(1800, &[]);
    assert_eq!(host.default_route(), Some(ip(ROUTER)));
    host.hear_v6("fe80::fd", "ff02::1", 255, 134, [0, 0x08, 0, 60], &[0; 8]);
    assert_eq!(host.default_route(), Some(ip("fe80::fd")), "high preference");
    host.run(SECOND * 61);
    assert_eq!(host.default_route(), Some(ip(ROUTER)), "its lifetime is over");
    host.advertise(0, &[]);
    assert_eq!(host.default_route(), None, "it is none any more");
    // 6.1.2: not from this link, or not from a router's address.
    for (src, hops) in [(ROUTER, 64), ("fd00::9", 255)] {
        host.hear_v6(src, "ff02::1", hops, 134, [0, 0, 1, 0], &[0; 8]);
        assert_eq!(host.default_route(), None);
    }
    let mut deaf = Host::new(&[], InterfaceSettings::host());
    deaf.advertise(1800, &[]);
    assert_eq!(deaf.default_route(), None, "not asked for");
}

/// RFC 4862 5.5.3: addresses are made of prefixes of 64 bits with the A flag; their end comes with
/// the valid lifetime, and nobody shortens it below two hours at once.
#[test]
fn addresses_are_made_of_prefixes() {
    let mut host = Host::new(&[], auto());
    host.advertise(1800, &prefix_option("2001:db8:1::", 0xc0, 100_000, 50_000));
    let made = "2001:db8:1::ff:fe00:1/64".to_owned();
    assert!(host.addresses().contains(&made), "{:?}", host.addresses());
    assert_eq!(host.stack.source_for(ip("2001:db8:2::1")), Some(ip("2001:db8:1::ff:fe00:1")));
    // Without the A flag, with a preferred lifetime beyond the valid one, of the link itself.
    for (prefix, flags, valid, preferred) in [
        ("2001:db8:3::", 0x80, 1000, 1000),
        ("2001:db8:4::", 0xc0, 1000, 2000),
        ("fe80::", 0xc0, 1000, 1000),
    ] {
        host.advertise(1800, &prefix_option(prefix, flags, valid, preferred));
        assert_eq!(host.addresses().len(), 2);
    }
    // 5.5.3 e 3: an attacker who says "one second" gets two hours.
    host.advertise(1800, &prefix_option("2001:db8:1::", 0xc0, 1, 1));
    host.run(Duration::from_secs(7100));
    assert!(host.addresses().contains(&made));
    host.run(Duration::from_secs(200));
    assert!(!host.addresses().contains(&made), "{:?}", host.addresses());
}

/// RFC 6724 5 rule 3: a deprecated address is avoided where there is another; RFC 4862 5.5.4: it
/// still is ours.
#[test]
fn deprecated_addresses_are_avoided() {
    let mut host = Host::new(&[], auto());
    host.advertise(9000, &prefix_option("2001:db8:1::", 0xc0, 20_000, 100));
    host.advertise(9000, &prefix_option("2001:db8:2::", 0xc0, 20_000, 20_000));
    let near = ip("2001:db8:1::99");
    assert_eq!(host.stack.source_for(near), Some(ip("2001:db8:1::ff:fe00:1")));
    host.run(SECOND * 200);
    assert_eq!(host.stack.source_for(near), Some(ip("2001:db8:2::ff:fe00:1")));
    assert!(host.stack.is_local(ip("2001:db8:1::ff:fe00:1")));
}

/// RFC 4861 6.3.4: hop limit and MTU of an advertisement hold for what we send; an MTU that cannot
/// be is ignored. RFC 8106: name servers are kept as long as they are said to serve.
#[test]
fn parameters_of_the_link() {
    let mut host = Host::new(&[], auto());
    let mtu = |mtu: u32| [&[5, 1, 0, 0][..], &mtu.to_be_bytes()].concat();
    let servers = [&[25, 3, 0, 0, 0, 0, 0, 60][..], &six("fd00::53").octets()].concat();
    let prefix = prefix_option("2001:db8:1::", 0xc0, 9000, 9000);
    let body = [&[0; 8][..], &mtu(1400), &servers, &prefix].concat();
    host.hear_v6(ROUTER, "ff02::1", 255, 134, [33, 0, 1, 0], &body);
    host.advertise(1800, &mtu(100));
    host.advertise(1800, &mtu(9000));
    assert_eq!(host.stack.name_servers().map(|(_, ip)| ip).collect::<Vec<_>>(), [six("fd00::53")]);
    let options = UdpSendOptions::default();
    let to = tuple("[::]:1", "[2001:db8:1::9]:2");
    host.stack.udp_send(host.now, to, &options, &[0; 1400]).unwrap();
    // Its neighbour is looked for; after it has answered, fragments of 1400 bytes with 33 hops.
    let target = six("2001:db8:1::9");
    let mut answer = Vec::new();
    let (router, solicited, overrides, target_mac) = (false, true, true, Some(ROUTER_MAC));
    let us = six("2001:db8:1::ff:fe00:1");
    ndp::Advertisement { router, solicited, overrides, target, target_mac }.emit(
        target,
        us,
        &mut answer,
    );
    let packet = v6(target, us, protocol::ICMPV6, 255, &answer);
    let frame = framed(ROUTER_MAC, OUR_MAC, ethernet::IPV6, &packet);
    host.sent();
    host.stack.frame_arrives(host.now, host.interface, &frame, RxChecksum::Unknown);
    let mut frame = TxFrame::default();
    let mut sizes = Vec::new();
    while host.stack.poll_transmit(host.now, &mut frame).is_some() {
        let (header, _) = ipv6::Header::parse(&frame.bytes[14..]).unwrap();
        assert_eq!(header.hop_limit, 33);
        sizes.push(frame.bytes.len() - 14);
    }
    assert_eq!(sizes.len(), 2);
    assert!(sizes.iter().all(|size| *size <= 1400), "{sizes:?}");
    host.run(SECOND * 61);
    assert_eq!(host.stack.name_servers().count(), 0);
}

/// RFC 4861 6.3.6, 7.3.3: a default router that does not answer is passed over for another.
#[test]
fn a_silent_router_is_passed_over() {
    let mut host = Host::new(&[], auto());
    host.advertise(9000, &prefix_option("2001:db8:1::", 0xc0, 20_000, 20_000));
    host.hear_v6("fe80::fd", "ff02::1", 255, 134, [0, 0, 1, 0], &[0; 8]);
    assert_eq!(host.default_route(), Some(ip(ROUTER)));
    let to = tuple("[::]:1", "[2001:db8:9::9]:2");
    host.stack.udp_send(host.now, to, &UdpSendOptions::default(), b"x").unwrap();
    host.run(SECOND * 10);
    assert_eq!(host.default_route(), Some(ip("fe80::fd")));
}

/// RFC 4861 8.1: a redirect counts if it comes from this link and from the first hop in use, and
/// if it quotes something that has left.
#[test]
fn redirects_v6() {
    let body = |quote: &[u8]| {
        let (target, to) = (six("fe80::fd").octets(), six("2001:db8:9::9").octets());
        [&target[..], &to, quote].concat()
    };
    let ours = "2001:db8:1::ff:fe00:1";
    let quote = redirected(ours, "2001:db8:9::9");
    let mut host = Host::new(&[], auto());
    host.advertise(9000, &prefix_option("2001:db8:1::", 0xc0, 20_000, 20_000));
    host.sent();
    let to = tuple("[::]:1", "[2001:db8:9::9]:2");
    let send = |host: &mut Host| {
        host.stack.udp_send(host.now, to, &UdpSendOptions::default(), b"x").unwrap();
        host.sent()
    };
    // Nothing has left yet.
    host.hear_v6(ROUTER, OUR_LOCAL, 255, 137, [0; 4], &body(&quote));
    assert_eq!(counter(&host.stack, "redirects_in"), 0);
    send(&mut host);
    let other = redirected(ours, "2001:db8:9::8");
    for (src, hops, quote, followed) in [
        ("fe80::fc", 255, &quote[..], 0),
        (ROUTER, 254, &quote, 0),
        (ROUTER, 255, &[], 0),
        (ROUTER, 255, &other, 0),
        (ROUTER, 255, &quote[..40], 0),
        (ROUTER, 255, &quote, 1),
    ] {
        host.hear_v6(src, OUR_LOCAL, hops, 137, [0; 4], &body(quote));
        assert_eq!(counter(&host.stack, "redirects_in"), followed, "{src} {hops}");
    }
    let asked = send(&mut host);
    let group = ndp::solicited_node(six("fe80::fd"));
    let looks_for = |s: &Sent| matches!(s, Sent::V6(_, dst, 135, _) if *dst == group);
    assert!(asked.iter().any(looks_for), "{asked:?}");
    // It does not answer: back to the router.
    host.run(SECOND * 10);
    host.stack.udp_send(host.now, to, &UdpSendOptions::default(), b"x").unwrap();
    assert!(!host.sent().iter().any(looks_for));
}

/// RFC 1122 3.2.2.2: an ICMP redirect counts if it comes from the gateway in use, names one on the
/// connected network, and quotes something that has left.
#[test]
fn redirects_v4() {
    let mut host = Host::new(&["10.0.0.1/24"], auto());
    let prefix = "0.0.0.0/0".parse().unwrap();
    let interface = host.interface;
    host.stack.add_route(Route { prefix, via: Some(ip("10.0.0.254")), interface, metric: 0 });
    let datagram = [0, 1, 0, 2, 0, 9, 0, 0];
    let quote = v4([10, 0, 0, 1], [192, 0, 2, 7], 64, protocol::UDP, &datagram);
    let redirect = |gateway: [u8; 4], from: [u8; 4]| {
        let mut message = Vec::new();
        icmpv4::Header { kind: 5, code: 1, rest: gateway }.emit(&quote, &mut message);
        v4(from, [10, 0, 0, 1], 64, protocol::ICMP, &message)
    };
    host.hear(ethernet::IPV4, &redirect([10, 0, 0, 253], [10, 0, 0, 254]));
    assert_eq!(counter(&host.stack, "redirects_in"), 0, "nothing has left yet");
    let to = tuple("10.0.0.1:1", "192.0.2.7:2");
    host.stack.udp_send(host.now, to, &UdpSendOptions::default(), b"x").unwrap();
    for (gateway, from, followed) in [
        ([10, 0, 0, 253], [10, 0, 0, 9], 0),
        ([192, 0, 2, 1], [10, 0, 0, 254], 0),
        ([10, 0, 0, 1], [10, 0, 0, 254], 0),
        ([10, 0, 0, 253], [10, 0, 0, 254], 1),
    ] {
        host.hear(ethernet::IPV4, &redirect(gateway, from));
        assert_eq!(counter(&host.stack, "redirects_in"), followed, "{gateway:?} {from:?}");
    }
    host.sent();
    host.stack.udp_send(host.now, to, &UdpSendOptions::default(), b"x").unwrap();
    let asked = host.sent();
    let [Sent::Arp(question)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(question.target_ip, Ipv4Addr::new(10, 0, 0, 253));
}

/// A host on the link is no router: it redirects nobody's packets to itself, to another station, or
/// to a place that it is not; and a connection is quoted with a number that is outstanding.
#[test]
fn a_neighbor_redirects_nothing() {
    let mut host = Host::new(&["10.0.0.1/24"], auto());
    let prefix = "0.0.0.0/0".parse().unwrap();
    let interface = host.interface;
    host.stack.add_route(Route { prefix, via: Some(ip("10.0.0.254")), interface, metric: 0 });
    let connect = |host: &mut Host, to: &str| {
        let pair = tuple("10.0.0.1:5", &format!("{to}:6"));
        let options = understudy::stack::tcp::TcpOptions::default();
        let conn = host.stack.tcp_connect(host.now, pair, options).unwrap();
        host.run(SECOND);
        conn
    };
    connect(&mut host, "10.0.0.9");
    connect(&mut host, "192.0.2.7");
    let redirect = |from: [u8; 4], to: [u8; 4], seq: u32| {
        let segment = [&[0, 5, 0, 6][..], &seq.to_be_bytes()].concat();
        let quote = v4([10, 0, 0, 1], to, 64, protocol::TCP, &segment);
        let mut message = Vec::new();
        icmpv4::Header { kind: 5, code: 1, rest: [10, 0, 0, 66] }.emit(&quote, &mut message);
        v4(from, [10, 0, 0, 1], 64, protocol::ICMP, &message)
    };
    for from in [[10, 0, 0, 9], [10, 0, 0, 254]] {
        for to in [[10, 0, 0, 9], [192, 0, 2, 7]] {
            host.hear(ethernet::IPV4, &redirect(from, to, 1));
        }
    }
    assert_eq!(counter(&host.stack, "redirects_in"), 0);
}
