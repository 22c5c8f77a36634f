//! Several links: where packets go, from which address, and what is taken in.
use crate::world::*;
use understudy::base::IpAddr;
use understudy::base::{Instant, MacAddr};
use understudy::stack::*;

/// A host on two Ethernets.
struct Two {
    stack: Stack,
    links: [IfIndex; 2],
}

impl Two {
    fn new(first: &[&str], second: &[&str]) -> Two {
        let mut stack = bare_stack(1);
        let links = [(1, first), (2, second)]
            .map(|(last, addresses)| stack.add_interface(Instant::ZERO, ethernet(last, addresses)));
        let mut two = Two { stack, links };
        two.sent();
        two
    }
    fn route(&mut self, prefix: &str, via: Option<&str>, link: usize, metric: u32) {
        let (prefix, via) = (prefix.parse().unwrap(), via.map(ip));
        self.stack.add_route(Route { prefix, via, interface: self.links[link], metric });
    }
    /// What leaves, and by which link (0 or 1).
    fn sent(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut frame = TxFrame::default();
        let mut all = Vec::new();
        while let Some(interface) = self.stack.poll_transmit(Instant::ZERO, &mut frame) {
            let link = self.links.iter().position(|i| *i == interface).unwrap();
            all.push((link, frame.bytes.clone()));
        }
        all
    }
    /// The link by which a datagram to `to` leaves (its neighbour is asked for there), and its
    /// source.
    fn way(&mut self, to: &str) -> Option<(usize, IpAddr)> {
        let source = self.stack.source_for(ip(to))?;
        let remote = std::net::SocketAddr::new(ip(to), 9);
        let local = std::net::SocketAddr::new(source, 7);
        let tuple = understudy::base::FourTuple { local, remote };
        self.stack.udp_send(Instant::ZERO, tuple, &UdpSendOptions::default(), b"x").ok()?;
        self.sent().first().map(|(link, _)| (*link, source))
    }
}

/// RFC 1122 3.3.1.1, 3.3.1.2: a destination on a connected network goes there, others by the
/// longest prefix, equal ones by metric; the source is of the link that is used (RFC 6724 5 rule
/// 5).
#[test]
fn the_longest_prefix_says_the_link() {
    let mut two = Two::new(&["10.1.0.1/24"], &["10.2.0.1/24"]);
    two.route("0.0.0.0/0", Some("10.1.0.254"), 0, 0);
    two.route("192.168.0.0/16", Some("10.2.0.254"), 1, 0);
    two.route("192.168.7.0/24", Some("10.1.0.253"), 0, 0);
    two.route("172.16.0.0/12", Some("10.1.0.254"), 0, 20);
    two.route("172.16.0.0/12", Some("10.2.0.253"), 1, 10);
    for (to, link) in [
        ("10.2.0.9", 1),
        ("10.1.0.9", 0),
        ("8.8.8.8", 0),
        ("192.168.1.1", 1),
        ("192.168.7.1", 0),
        ("172.16.5.5", 1),
    ] {
        let source = ip(["10.1.0.1", "10.2.0.1"][link]);
        assert_eq!(two.way(to), Some((link, source)), "{to}");
    }
}

/// RFC 1122 3.3.4.2: the weak model, as Linux has it: an address of one link is ours on the others
/// too.
#[test]
fn an_address_belongs_to_the_whole_host() {
    let mut two = Two::new(&["10.1.0.1/24"], &["10.2.0.1/24"]);
    two.route("0.0.0.0/0", Some("10.1.0.254"), 0, 0);
    let mut peer = bare_stack(9);
    let at = peer.add_interface(Instant::ZERO, ethernet(9, &["10.1.0.9/24"]));
    let prefix = "10.2.0.0/24".parse().unwrap();
    peer.add_route(Route { prefix, via: Some(ip("10.1.0.1")), interface: at, metric: 0 });
    let to = tuple("10.1.0.9:5", "10.2.0.1:6");
    peer.udp_send(Instant::ZERO, to, &UdpSendOptions::default(), b"x").unwrap();
    for _ in 0..4 {
        let mut frame = TxFrame::default();
        while peer.poll_transmit(Instant::ZERO, &mut frame).is_some() {
            let link = two.links[0];
            two.stack.frame_arrives(Instant::ZERO, link, &frame.bytes, RxChecksum::Unknown);
        }
        for (_, bytes) in two.sent() {
            peer.frame_arrives(Instant::ZERO, at, &bytes, RxChecksum::Unknown);
        }
    }
    let event = two.stack.poll_event();
    assert!(matches!(event, Some(Event::UdpArrived(d)) if d.tuple.local.ip() == ip("10.2.0.1")));
}

/// RFC 6724 5, rules 1, 2, 6 and 8: the destination itself, the right scope, the right label, the
/// longest common prefix.
#[test]
fn source_addresses_by_the_rules() {
    let addresses = ["2001:db8:1::1/64", "2001:db8:2::1/64", "fd00:1::1/64"];
    let mut two = Two::new(&addresses, &[]);
    two.route("::/0", Some("fe80::fe"), 0, 0);
    let local = ip("fe80::ff:fe00:1");
    for (to, from) in [
        ("2001:db8:1::1", "2001:db8:1::1"),
        ("2001:db8:2::99", "2001:db8:2::1"),
        ("2001:db8:1::99", "2001:db8:1::1"),
        ("fd99::1", "fd00:1::1"),
        ("2a00::1", "2001:db8:1::1"),
        ("ff0e::5", "2001:db8:1::1"),
    ] {
        assert_eq!(two.stack.source_for(ip(to)), Some(ip(from)), "{to}");
    }
    for near in ["fe80::9", "ff02::5"] {
        assert_eq!(two.stack.source_for(ip(near)), Some(local), "{near}");
    }
}

/// RFC 1122 3.3.4.3: without a route nothing is sent; a link's own address is asked for in its own
/// name.
#[test]
fn no_way() {
    let mut two = Two::new(&["10.1.0.1/24"], &["10.2.0.1/24"]);
    assert_eq!(two.way("8.8.8.8"), None);
    assert_eq!(two.way("10.1.0.7"), Some((0, ip("10.1.0.1"))));
    let ours = MacAddr([2, 0, 0, 0, 0, 1]);
    two.stack.handle_timeout(Instant::from_millis(1000));
    let mut frame = TxFrame::default();
    let now = Instant::from_millis(1000);
    assert_eq!(two.stack.poll_transmit(now, &mut frame), Some(two.links[0]));
    assert_eq!(frame.bytes[6..12], ours.0);
}
