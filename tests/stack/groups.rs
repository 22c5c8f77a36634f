//! Groups and what is told of them: IGMP, MLD, and datagrams that come back.
use crate::frames::v4;
use crate::host::*;
use crate::world::*;
use understudy::base::Duration;
use understudy::base::NetError;
use understudy::base::{Ipv4Addr, Ipv6Addr};
use understudy::stack::*;
use understudy::wire::{ethernet, igmp, mld, ndp, protocol};

/// RFC 3376 4, 5.1: a join is told to 224.0.0.22 with time to live 1; datagrams to the group are
/// then taken, and those to others dropped.
#[test]
fn joining_an_ipv4_group() {
    let settings = InterfaceSettings { reports: true, ..Default::default() };
    let mut host = Host::new(&["10.0.0.1/24"], settings);
    host.run(SECOND * 3);
    let group = ip("224.1.1.1");
    let datagram = |to: [u8; 4]| v4([10, 0, 0, 9], to, 1, protocol::UDP, &[0, 1, 0, 9, 0, 8, 0, 0]);
    host.hear(ethernet::IPV4, &datagram([224, 1, 1, 1]));
    assert_eq!(host.stack.poll_event(), None);
    host.stack.join(host.now, host.interface, group).unwrap();
    assert!(host.stack.groups().eq([(host.interface, group)]));
    let sent = host.run(SECOND * 3);
    let [(_, Sent::V4(header, report)), _] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((header.dst, header.ttl, header.tos), (Ipv4Addr::new(224, 0, 0, 22), 1, 0xc0));
    assert_eq!(*report, igmp::report(&[(igmp::Record::ToExclude, Ipv4Addr::new(224, 1, 1, 1))]));
    host.hear(ethernet::IPV4, &datagram([224, 1, 1, 1]));
    let Some(Event::UdpArrived(heard)) = host.stack.poll_event() else { panic!("nothing heard") };
    assert_eq!(heard.interface, host.interface);
    host.hear(ethernet::IPV4, &datagram([224, 1, 1, 2]));
    assert_eq!(host.stack.poll_event(), None);
    // A router asks (RFC 3376 4.1), and one from elsewhere (9.1).
    let mut query = igmp::short(igmp::kind::QUERY, Ipv4Addr::UNSPECIFIED).to_vec();
    query.extend([0; 4]);
    host.hear(ethernet::IPV4, &v4([10, 0, 0, 254], [224, 0, 0, 1], 2, protocol::IGMP, &query));
    assert!(host.run(SECOND * 11).is_empty());
    host.hear(ethernet::IPV4, &v4([10, 0, 0, 254], [224, 0, 0, 1], 1, protocol::IGMP, &query));
    assert_eq!(host.run(SECOND * 11).len(), 1);
    host.stack.leave(host.now, host.interface, group).unwrap();
    assert_eq!(host.run(SECOND * 11).len(), 2);
    assert_eq!(
        host.stack.leave(host.now, host.interface, group),
        Err(NetError::AddressNotAvailable)
    );
}

/// RFC 4862 5.4.2, RFC 3810 6.1: the solicited-node group of every address is reported, a joined
/// group too; RFC 3590 4: from the unspecified address as long as there is no other.
#[test]
fn ipv6_groups_are_reported() {
    let mut host = Host::new(&[], InterfaceSettings::host());
    let sent = host.run(SECOND * 5);
    let reports = |sent: &[(Duration, Sent)]| -> Vec<(Ipv6Addr, Ipv6Addr)> {
        let of = |s: &Sent| match s {
            Sent::V6(src, dst, 143, body) if *dst == six("ff02::16") => {
                Some((*src, mld::reported(&body[4..]).unwrap()))
            }
            _ => None,
        };
        sent.iter().filter_map(|(_, s)| of(s)).collect()
    };
    let solicited = ndp::solicited_node(six(OUR_LOCAL));
    assert_eq!(reports(&sent)[0], (Ipv6Addr::UNSPECIFIED, solicited));
    host.stack.join(host.now, host.interface, ip("ff05::7")).unwrap();
    let sent = host.run(SECOND * 5);
    assert_eq!(reports(&sent), [(six(OUR_LOCAL), six("ff05::7")); 2]);
}

/// RFC 1112 6.1: what is sent to a group that we are in comes back, also in fragments, unless that
/// is not wanted (`IP_MULTICAST_LOOP`). A time to live of 0 stays in the host.
#[test]
fn our_own_group_datagrams_come_back() {
    let mut host = Host::new(&["10.0.0.1/24"], InterfaceSettings::default());
    host.sent();
    host.stack.join(host.now, host.interface, ip("224.1.1.1")).unwrap();
    let mut send = |options: UdpSendOptions, len: usize| {
        let to = tuple("0.0.0.0:1", "224.1.1.1:2");
        host.stack.udp_send(host.now, to, &options, &vec![7; len]).unwrap();
        let frames = host.sent().len();
        let got = match host.stack.poll_event() {
            Some(Event::UdpArrived(datagram)) => {
                assert_eq!(datagram.interface, host.interface);
                assert_eq!(datagram.tuple.remote, "10.0.0.1:1".parse().unwrap());
                Some(datagram.payload.len())
            }
            _ => None,
        };
        (frames, got)
    };
    assert_eq!(send(UdpSendOptions::default(), 5), (1, Some(5)));
    assert_eq!(send(UdpSendOptions::default(), 4000), (3, Some(4000)));
    assert_eq!(send(UdpSendOptions { multicast_loop: false, ..Default::default() }, 5), (1, None));
    assert_eq!(send(UdpSendOptions { ttl: Some(0), ..Default::default() }, 5), (0, Some(5)));
}
