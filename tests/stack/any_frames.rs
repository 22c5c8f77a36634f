//! No frame may panic a stack, make it send a broken one, or make it grow without bound.
use crate::frames::{self, framed};
use crate::world::*;
use proptest::prelude::*;
use understudy::base::Duration;
use understudy::base::{Instant, MacAddr};
use understudy::stack::*;

/// Feeds frames to a host that has a UDP and a TCP conversation going, and looks at what it sends.
fn feed(frames: &[Vec<u8>], checksum: RxChecksum, medium: Medium) {
    let mut stack = bare_stack(9);
    let mut now = Instant::from_millis(1);
    let config = InterfaceConfig { medium, ..ethernet(1, &["10.0.0.1/24", "fd00::1/64"]) };
    let settings = InterfaceSettings { autoconf: true, ..InterfaceSettings::host() };
    let interface = stack.add_interface_with(now, config, settings);
    stack.start_dhcp(now, interface);
    for group in ["224.1.1.1", "ff02::fb"] {
        let _ = stack.join(now, interface, group.parse().unwrap());
    }
    let _ = stack.tcp_mut().listen("0.0.0.0:80".parse().unwrap(), false, 10);
    let _ = stack.tcp_mut().listen("[::]:81".parse().unwrap(), true, 10);
    let _ = stack.tcp_connect(now, tuple("10.0.0.1:5", "10.0.0.9:80"), Default::default());
    let mut out = TxFrame::default();
    for frame in frames {
        stack.frame_arrives(now, interface, frame, checksum);
        while stack.poll_transmit(now, &mut out).is_some() {
            if medium == Medium::Ethernet {
                audit(&out.bytes);
            }
        }
        while let Some(event) = stack.poll_event() {
            if let Event::UdpArrived(datagram) = event {
                stack.udp_refuse(now, &datagram);
            }
        }
        now = now + Duration::from_millis(333);
        if stack.poll_timeout().is_some_and(|at| at <= now) {
            stack.handle_timeout(now);
        }
    }
}

/// Frames that get past the first checks: one from a list, with bytes changed and its IPv4 header
/// checksum made right again.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let changes = prop::collection::vec(change, 0..4);
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (prop::sample::select(samples()), changes, cut).prop_map(|(mut frame, changes, cut)| {
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        if frame.len() >= 34 && frame[12..15] == [8, 0, 0x45] {
            frame[24..26].fill(0);
            let sum = understudy::wire::checksum::of(&frame[14..34]);
            frame[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        frame
    })
}

/// What another stack sends in a conversation with this one.
fn samples() -> Vec<Vec<u8>> {
    let mut world = World::new(
        ethernet(1, &["10.0.0.1/24", "fd00::1/64"]),
        ethernet(2, &["10.0.0.9/24", "fd00::9/64"]),
    );
    for (a, b) in [("10.0.0.9:5", "10.0.0.1:80"), ("[fd00::9]:5", "[fd00::1]:81")] {
        for len in [0, 10, 3000] {
            world.udp(1, tuple(a, b), &vec![1; len]).unwrap();
        }
        let _ = world.stacks[1].tcp_connect(world.now, tuple(a, b), Default::default());
        world.run_for(Duration::from_secs(5));
        while let Some(event) = world.events[0].pop_front() {
            if let Event::UdpArrived(datagram) = event {
                world.stacks[0].udp_refuse(world.now, &datagram);
                world.udp(0, datagram.tuple, b"answer").unwrap();
            }
        }
        world.run_for(Duration::from_secs(5));
        while let Some(event) = world.events[1].pop_front() {
            if let Event::UdpArrived(datagram) = event {
                world.stacks[1].udp_refuse(world.now, &datagram);
            }
        }
        world.run_for(Duration::from_secs(5));
    }
    let mut samples: Vec<_> = world.sent.into_iter().map(|(_, frame)| frame).collect();
    for frame in &mut samples {
        if frame[..6] == [2, 0, 0, 0, 0, 2] {
            frame[..6].copy_from_slice(&MacAddr([2, 0, 0, 0, 0, 1]).0);
        }
    }
    samples.extend(of_routers());
    assert!(samples.len() > 20);
    samples
}

/// What routers and servers say: advertisements, redirects, queries, offers.
fn of_routers() -> Vec<Vec<u8>> {
    use understudy::wire::{dhcp, ethernet, icmpv4, icmpv6, igmp, mld, protocol, udp};
    let (router, all) = ("fe80::fe".parse().unwrap(), "ff02::1".parse().unwrap());
    let mut all_frames = Vec::new();
    let mut v6 = |next_header, hop_limit, head: &[u8], kind: u8, body: &[u8]| {
        let mut message = head.to_vec();
        icmpv6::Header { kind, code: 0, rest: [64, 0, 7, 8] }.emit(router, all, body, &mut message);
        let packet = frames::v6(router, all, next_header, hop_limit, &message);
        let mac = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
        all_frames.push(framed(mac, mac, ethernet::IPV6, &packet));
    };
    let mut advertised = vec![0; 8];
    advertised.extend([1, 1, 2, 0, 0, 0, 0, 9, 5, 1, 0, 0, 0, 0, 5, 120, 3, 4, 64, 0xc0]);
    advertised.extend([0, 0, 255, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x20, 1, 0x0d, 0xb8]);
    advertised.extend([0; 12]);
    v6(protocol::ICMPV6, 255, &[], icmpv6::kind::ROUTER_ADVERTISEMENT, &advertised);
    v6(protocol::ICMPV6, 255, &[], icmpv6::kind::REDIRECT, &[0xfd; 32]);
    v6(protocol::HOP_BY_HOP, 1, &mld::ROUTER_ALERT, mld::kind::QUERY, &[0; 20]);
    v6(protocol::HOP_BY_HOP, 1, &mld::ROUTER_ALERT, mld::kind::REPORT, &[0xff; 16]);
    let mut v4 = |protocol: u8, ttl: u8, payload: &[u8]| {
        let packet = frames::v4([10, 0, 0, 254], [255; 4], ttl, protocol, payload);
        let src = MacAddr([2, 0, 0, 0, 0, 9]);
        all_frames.push(framed(src, MacAddr::BROADCAST, ethernet::IPV4, &packet));
    };
    v4(protocol::IGMP, 1, &igmp::short(igmp::kind::QUERY, [0; 4].into()));
    v4(protocol::IGMP, 1, &igmp::short(igmp::kind::REPORT_V2, [224, 1, 1, 1].into()));
    let mut redirect = Vec::new();
    icmpv4::Header { kind: 5, code: 1, rest: [10, 0, 0, 7] }.emit(&[0x45; 28], &mut redirect);
    v4(protocol::ICMP, 64, &redirect);
    let question = dhcp::Question {
        kind: dhcp::Kind::Offer,
        xid: 1,
        seconds: 0,
        broadcast: true,
        client: [0; 4].into(),
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        requested: None,
        server: Some([10, 0, 0, 254].into()),
    };
    let mut offer = question.to_bytes();
    offer[0] = 2;
    let (src_port, dst_port, len) = (67, 68, (udp::LEN + offer.len()) as u16);
    let header = udp::Header { src_port, dst_port, len, checksum: 0 };
    v4(protocol::UDP, 64, &[&header.to_bytes()[..], &offer].concat());
    all_frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..20),
        ethernet: bool,
    ) {
        let medium = if ethernet { Medium::Ethernet } else { Medium::Ip };
        feed(&frames, RxChecksum::Trusted, medium);
    }

    #[test]
    fn likely_frames(frames in prop::collection::vec(likely(), 1..40), trusted: bool) {
        let checksum = if trusted { RxChecksum::Trusted } else { RxChecksum::Unknown };
        feed(&frames, checksum, Medium::Ethernet);
    }

    #[test]
    fn likely_packets(frames in prop::collection::vec(likely(), 1..40)) {
        let packets: Vec<_> = frames.iter().map(|f| f.get(14..).unwrap_or(&[]).to_vec()).collect();
        feed(&packets, RxChecksum::Trusted, Medium::Ip);
    }
}
