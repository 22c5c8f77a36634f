//! The DHCP client in virtual time, against a server made by hand.
use crate::frames::v4;
use crate::host::{Host, SECOND, Sent, dad};
use crate::world::*;
use understudy::base::Duration;
use understudy::base::Ipv4Addr;
use understudy::stack::InterfaceSettings;
use understudy::wire::{arp, ethernet, protocol, udp};

const SERVER: [u8; 4] = [10, 0, 0, 254];
const OFFERED: [u8; 4] = [10, 0, 0, 50];
const LEASE: &[u8] = &[51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 0, 254];
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const ACK: u8 = 5;
const NAK: u8 = 6;
const RELEASE: u8 = 7;

/// A message of the client: its kind, where to, its bytes.
#[derive(Clone, Debug)]
struct Said {
    kind: u8,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    bytes: Vec<u8>,
}

impl Said {
    fn of(sent: &Sent) -> Option<Said> {
        let Sent::V4(header, payload) = sent else { return None };
        let (udp, bytes) = udp::Header::parse(payload).unwrap();
        assert_eq!((udp.src_port, udp.dst_port), (68, 67));
        assert!(udp::verify(header.src.into(), header.dst.into(), &udp, payload));
        assert_eq!(bytes[240..242], [53, 1], "the kind comes first");
        let (src, dst) = (header.src, header.dst);
        Some(Said { kind: bytes[242], src, dst, bytes: bytes.to_vec() })
    }
    fn option(&self, wanted: u8) -> Option<Vec<u8>> {
        let mut rest = &self.bytes[240..];
        while let [number, len, ..] = *rest {
            if number == 255 {
                return None;
            }
            let (value, behind) = rest[2..].split_at(usize::from(len));
            if number == wanted {
                return Some(value.to_vec());
            }
            rest = behind;
        }
        None
    }
}

fn client(settings: InterfaceSettings) -> Host {
    let mut host = Host::new(&[], settings);
    host.stack.start_dhcp(host.now, host.interface);
    host
}

/// What the client says within `time`.
fn says(host: &mut Host, time: Duration) -> Vec<(Duration, Said)> {
    host.run(time).iter().filter_map(|(at, sent)| Some((*at, Said::of(sent)?))).collect()
}

/// The server answers `said`; what the client says at once.
fn answer(host: &mut Host, said: &Said, kind: u8, options: &[u8]) -> Vec<Sent> {
    let mut bytes = said.bytes[..240].to_vec();
    bytes[0] = 2;
    bytes[16..20].copy_from_slice(if kind == NAK { &[0; 4] } else { &OFFERED });
    bytes.extend([53, 1, kind, 54, 4]);
    bytes.extend(SERVER);
    bytes.extend(options);
    bytes.push(255);
    let len = (udp::LEN + bytes.len()) as u16;
    let header = udp::Header { src_port: 67, dst_port: 68, len, checksum: 0 };
    let datagram = [&header.to_bytes()[..], &bytes].concat();
    // To the address that is offered: not ours yet.
    host.hear(ethernet::IPV4, &v4(SERVER, OFFERED, 64, protocol::UDP, &datagram))
}

/// Through the whole exchange; the client is bound.
fn lease(host: &mut Host, options: &[u8]) {
    let said = says(host, SECOND * 10);
    let discover = &said.first().expect("a discover").1;
    answer(host, discover, OFFER, options);
    let said = says(host, SECOND / 10);
    let request = &said.first().expect("a request").1;
    answer(host, request, ACK, options);
}

/// RFC 2131 3.1, 4.4.1: discover, offer, request, acknowledgment; then address, prefix and default
/// route are in use, and taken datagrams of the client's port are no program's.
#[test]
fn an_address_is_leased() {
    let mut host = client(InterfaceSettings::default());
    let said = says(&mut host, SECOND);
    let [(_, discover)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((discover.kind, discover.src), (DISCOVER, Ipv4Addr::UNSPECIFIED));
    assert_eq!((discover.dst, discover.bytes[10]), (Ipv4Addr::BROADCAST, 0x80));
    assert!(!host.stack.leases_settled());
    answer(&mut host, discover, OFFER, LEASE);
    let said = says(&mut host, SECOND / 10);
    let [(_, request)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((request.kind, request.dst), (REQUEST, Ipv4Addr::BROADCAST));
    // 4.3.2: what was offered, and by whom; the client does not use it yet.
    assert_eq!(request.option(50), Some(OFFERED.to_vec()));
    assert_eq!(request.option(54), Some(SERVER.to_vec()));
    assert_eq!(request.bytes[12..16], [0; 4]);
    answer(&mut host, request, ACK, LEASE);
    assert!(host.addresses().contains(&"10.0.0.50/24".to_owned()) && host.stack.leases_settled());
    assert_eq!(host.default_route(), Some(ip("10.0.0.254")));
    assert_eq!(host.stack.source_for(ip("192.0.2.1")), Some(ip("10.0.0.50")));
    assert_eq!(host.stack.poll_event(), None);
}

/// RFC 2131 4.1: unanswered, the client asks at about 4, 8, 16, 32, 64 and 64 s.
#[test]
fn nobody_answers() {
    let mut host = client(InterfaceSettings::default());
    let said = says(&mut host, SECOND * 200);
    let gaps: Vec<_> = said.windows(2).map(|w| (w[1].0 - w[0].0).as_secs_f64()).collect();
    for (gap, wanted) in gaps.iter().zip([4.0, 8.0, 16.0, 32.0, 64.0, 64.0]) {
        assert!((gap - wanted).abs() <= 1.0, "{gaps:?}");
    }
    assert!(gaps.len() >= 5 && said.iter().all(|(_, s)| s.kind == DISCOVER));
}

/// RFC 2131 4.4.5: at half of the lease its server is asked, at seven eighths everybody; at its end
/// the address is not used any more, and the client starts again.
#[test]
fn a_lease_is_renewed_or_ends() {
    let mut host = client(InterfaceSettings::default());
    lease(&mut host, LEASE);
    assert!(says(&mut host, SECOND * 1780).is_empty());
    // The server asks for us, so that we know its Ethernet address.
    let server = arp::Packet {
        operation: arp::Operation::Request,
        sender_mac: understudy::base::MacAddr([2, 0, 0, 0, 0, 0xfe]),
        sender_ip: SERVER.into(),
        target_mac: understudy::base::MacAddr::default(),
        target_ip: OFFERED.into(),
    };
    host.hear(ethernet::ARP, &server.to_bytes());
    let renewals: Vec<Said> = says(&mut host, SECOND * 30).into_iter().map(|(_, s)| s).collect();
    let renewal = renewals.first().expect("a renewal").clone();
    assert_eq!((renewal.kind, renewal.dst), (REQUEST, SERVER.into()));
    // 4.3.2: our own address, and neither of these options.
    assert_eq!((renewal.src, &renewal.bytes[12..16]), (OFFERED.into(), &OFFERED[..]));
    assert_eq!((renewal.option(50), renewal.option(54)), (None, None));
    answer(&mut host, &renewal, ACK, LEASE);
    let said = says(&mut host, SECOND * 1700);
    assert!(said.is_empty(), "renewed: {said:?}");
    // From now on the server is silent.
    let said = says(&mut host, SECOND * 2000);
    assert!(said.iter().any(|(_, s)| s.dst == Ipv4Addr::BROADCAST && s.kind == REQUEST));
    assert!(!host.addresses().contains(&"10.0.0.50/24".to_owned()));
    assert_eq!((host.default_route(), said.last().unwrap().1.kind), (None, DISCOVER));
}

/// RFC 2131 3.1 4, 3.2 3: a server that says no sends the client back to the start.
#[test]
fn a_server_says_no() {
    let mut host = client(InterfaceSettings::default());
    let discover = says(&mut host, SECOND).remove(0).1;
    answer(&mut host, &discover, OFFER, LEASE);
    let request = says(&mut host, SECOND / 10).remove(0).1;
    answer(&mut host, &request, NAK, &[]);
    assert!(host.stack.leases().next().is_none());
    let again = says(&mut host, SECOND * 10).remove(0).1;
    assert_eq!(again.kind, DISCOVER);
    assert_ne!(again.bytes[4..8], discover.bytes[4..8], "another transaction");
}

/// RFC 2131 4.4.1, RFC 5227 2.1: the address is looked for before it is used; if somebody has it,
/// it is declined, and the client asks again ten seconds later.
#[test]
fn an_address_that_somebody_has_is_declined() {
    let mut host = client(dad());
    lease(&mut host, LEASE);
    assert!(!host.addresses().contains(&"10.0.0.50/24".to_owned()), "not yet");
    let claim = arp::Packet {
        operation: arp::Operation::Reply,
        sender_mac: understudy::base::MacAddr([2, 0, 0, 0, 0, 0x77]),
        sender_ip: OFFERED.into(),
        target_mac: understudy::base::MacAddr([2, 0, 0, 0, 0, 1]),
        target_ip: Ipv4Addr::UNSPECIFIED,
    };
    let sent = host.hear(ethernet::ARP, &claim.to_bytes());
    let decline = sent.iter().find_map(Said::of).expect("a decline");
    assert_eq!((decline.kind, decline.option(50)), (DECLINE, Some(OFFERED.to_vec())));
    assert_eq!(decline.option(54), Some(SERVER.to_vec()));
    assert!(says(&mut host, SECOND * 9).is_empty());
    assert_eq!(says(&mut host, SECOND * 2)[0].1.kind, DISCOVER);
    // Nobody has it: it is in use a second later.
    let mut host = client(dad());
    lease(&mut host, LEASE);
    host.run(SECOND * 2);
    assert!(host.addresses().contains(&"10.0.0.50/24".to_owned()));
}

/// RFC 2131 4.4.6: a lease is given back at the end.
#[test]
fn a_lease_is_released() {
    let mut host = client(InterfaceSettings::default());
    lease(&mut host, &[LEASE, &[26, 2, 5, 120]].concat());
    let server = arp::Packet {
        operation: arp::Operation::Request,
        sender_mac: understudy::base::MacAddr([2, 0, 0, 0, 0, 0xfe]),
        sender_ip: SERVER.into(),
        target_mac: understudy::base::MacAddr::default(),
        target_ip: OFFERED.into(),
    };
    host.hear(ethernet::ARP, &server.to_bytes());
    host.stack.release_leases(host.now);
    let said: Vec<_> = host.sent().iter().filter_map(Said::of).collect();
    let [release] = &said[..] else { panic!("{said:?}") };
    assert_eq!((release.kind, release.dst), (RELEASE, SERVER.into()));
    assert_eq!(release.bytes[12..16], OFFERED);
}

/// RFC 2131 4.1: answers to somebody else, or to another question, change nothing.
#[test]
fn answers_to_others() {
    let mut host = client(InterfaceSettings::default());
    let discover = says(&mut host, SECOND).remove(0).1;
    for at in [4, 28] {
        let mut other = discover.clone();
        other.bytes[at] ^= 1;
        answer(&mut host, &other, OFFER, LEASE);
        assert!(says(&mut host, SECOND / 10).is_empty());
    }
    assert_eq!(counter(&host.stack, "drop_dhcp"), 2);
    // An acknowledgment of what nobody has asked for.
    answer(&mut host, &discover, ACK, LEASE);
    assert!(host.stack.leases().next().is_none());
}
