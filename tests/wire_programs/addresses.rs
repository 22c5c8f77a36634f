//! Addresses that come from the network: leased from a DHCP server and made of what a router
//! advertises (dnsmasq is both), tested against a kernel that has them already.
use crate::common::netns::Netns;
use crate::common::task::Program;
use crate::common::wire::{start_engine, unique_name};
use crate::common::{Host, LIMIT, Mode, artifacts};
use crate::{need, need_filters, need_root};

/// A net on one end of a veth pair, and the kernel on the other.
struct Link {
    ours: Host,
    peer: Host,
    engine: Option<Program>,
}

impl Link {
    fn new() -> Link {
        let near = Netns::new();
        let far = near.beside();
        let (mut ours, mut peer) = (Host::on(near, Mode::Understudy), Host::on(far, Mode::Kernel));
        (ours.quiet, peer.quiet) = (true, true);
        ours.netns.sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
        ours.netns.sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
        ours.netns.veth("wire0", &peer.netns, "peer0");
        peer.netns.ip("address add 10.77.0.1/24 dev peer0");
        peer.netns.ip("address add fd77::1/64 dev peer0 nodad");
        ours.net = Some(unique_name());
        Link { ours, peer, engine: None }
    }
    /// Starts the engine with these lines for its file.
    fn up(&mut self, lines: &str) {
        let name = self.ours.net.clone().unwrap();
        let toml = format!("name = \"{name}\"\n{lines}\n[[link]]\ndevice = \"packet:wire0\"\n");
        let toml = self.ours.file("net.toml", toml);
        self.engine = Some(start_engine(&self.ours, &toml));
    }
    fn down(&mut self) {
        let name = self.ours.net.clone().unwrap();
        let tool = artifacts::tool();
        self.ours.plain(&[tool.to_str().unwrap(), "down", &name]).ok();
        if let Some(engine) = self.engine.take() {
            engine.finish_within(LIMIT).ok();
        }
    }
    /// From which address a program speaks to `to`.
    fn source(&self, to: &str) -> String {
        let script = format!(
            "import socket\n\
             family = socket.AF_INET6 if ':' in {to:?} else socket.AF_INET\n\
             s = socket.socket(family, socket.SOCK_DGRAM)\n\
             s.connect(({to:?}, 9))\n\
             print(s.getsockname()[0])\n"
        );
        self.ours.python(&script).ok().trim().to_owned()
    }
    fn dnsmasq(&self, options: &[&str]) -> Program {
        let common = [
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--interface=peer0",
            "--user=root",
            "--pid-file=",
            "--leasefile-ro",
            "--log-dhcp",
            "--log-facility=-",
        ];
        let mut server = self.peer.plain(&[&common[..], options].concat()).start();
        server.wait_until_it_says("started");
        server
    }
}

/// RFC 2131: a real server gives an address, a router and an MTU; the lease is given back at the
/// end.
#[test]
fn an_address_by_dhcp() {
    need!("dnsmasq", "python3", "ping");
    need_filters!();
    need_root!();
    let mut link = Link::new();
    let mut server = link.dnsmasq(&[
        "--dhcp-range=10.77.0.50,10.77.0.60,255.255.255.0,5m",
        "--dhcp-option=26,1400",
        "--dhcp-authoritative",
    ]);
    link.up("address = \"dhcp\"");
    let source = link.source("192.0.2.1");
    assert!(source.starts_with("10.77.0.5") || source == "10.77.0.60", "{source}");
    crate::echo::ping(&link.peer, &source, 56);
    link.down();
    server.wait_until_it_says("DHCPRELEASE");
    for step in ["DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK"] {
        assert!(server.said().contains(step), "{}", server.said());
    }
}

/// RFC 4861 6.3, RFC 4862 5.5: a real router's advertisements give addresses and a default route.
#[test]
fn addresses_by_router_advertisements() {
    need!("dnsmasq", "python3", "ping");
    need_filters!();
    need_root!();
    let mut link = Link::new();
    link.peer.netns.sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    let _router = link.dnsmasq(&["--enable-ra", "--dhcp-range=fd77::,ra-only,64,10m"]);
    link.up("addresses = [\"slaac\", \"10.77.0.2/24\"]");
    for to in ["fd77::1", "2001:db8::1"] {
        let source = link.source(to);
        assert!(source.starts_with("fd77::"), "{to} from {source}");
        crate::echo::ping(&link.peer, &source, 56);
    }
    link.down();
}

/// RFC 4862 5.4: an address that the kernel on the link has is not used, the others are.
#[test]
fn an_address_that_the_peer_has() {
    need!("python3");
    need_filters!();
    need_root!();
    let mut link = Link::new();
    link.up("addresses = [\"fd77::1/64\", \"fd77::5/64\", \"10.77.0.2/24\"]");
    assert_eq!(link.source("fd77::1"), "fd77::5");
    link.down();
}
