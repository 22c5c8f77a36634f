//! What routers say: which of it counts, and what is done then. One stack, and frames made by hand.
use crate::frames::*;
use crate::host::*;
use crate::world::*;
use understudy::base::MacAddr;
use understudy::stack::*;
use understudy::wire::{ethernet, icmpv6, ndp, protocol};

const BETTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xfd]);
const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xfc]);

/// An advertisement of `src`, as it lies behind an Ethernet header.
fn advertisement(src: &str, hops: u8, code: u8, body: &[u8]) -> Vec<u8> {
    let (src, dst) = (six(src), six("ff02::1"));
    let mut message = Vec::new();
    let rest = [0x3f, 0x27, 0x01, 0x00];
    icmpv6::Header { kind: 134, code, rest }.emit(src, dst, body, &mut message);
    v6(src, dst, protocol::ICMPV6, hops, &message)
}

/// RFC 4861 6.1.2: an advertisement counts if it comes from a link-local address of this link, is
/// whole, and has no option without a length. What it reserves, and options that nobody knows, are
/// no reason to drop it.
#[test]
fn advertisements_that_count() {
    let whole = [0; 8];
    let empty_option = [&whole[..], &[1, 0, 2, 0, 0, 0, 0, 9]].concat();
    let cut_option = [&whole[..], &[5, 2, 0, 0, 0, 0, 5, 0]].concat();
    let unknown_option = [&whole[..], &[200, 1, 9, 9, 9, 9, 9, 9]].concat();
    let mut host = Host::new(&[], auto());
    host.sent();
    for (packet, reason) in [
        (advertisement(ROUTER, 254, 0, &whole), "drop_nd_invalid"),
        (advertisement("2001:db8::fe", 255, 0, &whole), "drop_nd_invalid"),
        (advertisement("::", 255, 0, &whole), "drop_nd_invalid"),
        (advertisement(ROUTER, 255, 1, &whole), "drop_nd_invalid"),
        (advertisement(ROUTER, 255, 0, &whole[..7]), "drop_nd_invalid"),
        (advertisement(ROUTER, 255, 0, &empty_option), "drop_nd_invalid"),
        (advertisement(ROUTER, 255, 0, &cut_option), "drop_nd_invalid"),
        (
            {
                let mut damaged = advertisement(ROUTER, 255, 0, &whole);
                damaged[40 + 6] ^= 1;
                damaged
            },
            "drop_icmp_malformed",
        ),
    ] {
        let before = counter(&host.stack, reason);
        assert!(host.hear(ethernet::IPV6, &packet).is_empty());
        assert_eq!(counter(&host.stack, reason), before + 1, "{reason}: {packet:x?}");
        assert_eq!(host.default_route(), None);
    }
    assert_eq!(counter(&host.stack, "router_advertisements_in"), 0);
    host.hear(ethernet::IPV6, &advertisement(ROUTER, 255, 0, &unknown_option));
    assert_eq!(host.default_route(), Some(ip(ROUTER)));
}

/// The body of a redirect: `target` is the better hop to `destination`. It quotes a datagram of
/// ours to there.
fn redirect(target: &str, destination: &str, mac: Option<MacAddr>) -> Vec<u8> {
    let mut body = [six(target).octets(), six(destination).octets()].concat();
    if let Some(MacAddr(mac)) = mac {
        body.extend([2, 1]);
        body.extend(mac);
    }
    body.extend(redirected("2001:db8:1::ff:fe00:1", destination));
    body
}

/// To which stations a datagram for `to` leads at once.
fn stations(host: &mut Host, to: &str) -> Vec<MacAddr> {
    let to = tuple("[::]:1", &format!("[{to}]:2"));
    host.stack.udp_send(host.now, to, &UdpSendOptions::default(), b"x").unwrap();
    let to = |frame: Vec<u8>| MacAddr(*frame.first_chunk().unwrap());
    host.frames().into_iter().map(to).collect()
}

fn state(host: &Host, address: &str) -> Option<(Option<MacAddr>, &'static str)> {
    let neighbors = host.stack.neighbors();
    let found = neighbors.iter().find(|neighbor| neighbor.address == ip(address));
    found.map(|neighbor| (neighbor.mac, neighbor.state))
}

/// RFC 4861 8.3: a redirect leads to the better hop from now on, without a question if it says the
/// hop's Ethernet address, which is then stale; each destination for itself. RFC 4861 7.2.5: until
/// the hop says that it is no router.
#[test]
fn redirects_are_followed() {
    let mut host = Host::new(&[], auto());
    let router = [1, 1, 2, 0, 0, 0, 0, 0xfe];
    let prefix = prefix_option("2001:db8:1::", 0xc0, 20_000, 20_000);
    host.advertise(9000, &[&router[..], &prefix].concat());
    host.run(SECOND * 2);
    let (first, second, near) = ("2001:db8:9::1", "2001:db8:9::2", "2001:db8:9::3");
    for to in [first, second, near, "2001:db8:9::4"] {
        assert_eq!(stations(&mut host, to), [ROUTER_MAC]);
    }
    let hear = |host: &mut Host, body: &[u8]| {
        host.hear_v6(ROUTER, "2001:db8:1::ff:fe00:1", 255, 137, [0; 4], body);
    };
    // A better router.
    hear(&mut host, &redirect("fe80::fd", first, Some(BETTER_MAC)));
    assert_eq!(state(&host, "fe80::fd"), Some((Some(BETTER_MAC), "stale")));
    assert_eq!(stations(&mut host, first), [BETTER_MAC]);
    assert_eq!(state(&host, "fe80::fd"), Some((Some(BETTER_MAC), "delay")));
    assert_eq!(stations(&mut host, second), [ROUTER_MAC]);
    // The same address again changes nothing; another one does.
    hear(&mut host, &redirect("fe80::fd", second, Some(BETTER_MAC)));
    assert_eq!(state(&host, "fe80::fd"), Some((Some(BETTER_MAC), "delay")));
    assert_eq!(stations(&mut host, second), [BETTER_MAC]);
    hear(&mut host, &redirect("fe80::fd", "2001:db8:9::4", Some(OTHER_MAC)));
    assert_eq!(state(&host, "fe80::fd"), Some((Some(OTHER_MAC), "stale")));
    assert_eq!(stations(&mut host, first), [OTHER_MAC]);
    // The destination itself: it is on the link.
    hear(&mut host, &redirect(near, near, Some(BETTER_MAC)));
    assert_eq!(state(&host, near), Some((Some(BETTER_MAC), "stale")));
    assert_eq!(stations(&mut host, near), [BETTER_MAC]);
    // Neither of the two is a router any more: who is on the link still is.
    for from in ["fe80::fd", near] {
        let (src, dst) = (six(from), six("ff02::1"));
        let (router, solicited, overrides, target_mac) = (false, false, false, None);
        let mut said = Vec::new();
        ndp::Advertisement { router, solicited, overrides, target: src, target_mac }
            .emit(src, dst, &mut said);
        host.hear(ethernet::IPV6, &v6(src, dst, protocol::ICMPV6, 255, &said));
    }
    assert_eq!(stations(&mut host, first), [ROUTER_MAC]);
    assert_eq!(stations(&mut host, second), [ROUTER_MAC]);
    assert_eq!(stations(&mut host, near), [BETTER_MAC]);
}

/// RFC 4862 5.3: an interface has a link-local address without being told one, made of fe80::/64
/// and its own identifier; it is tested like others, and no time and no router ends it.
#[test]
fn the_link_local_address() {
    let settings = InterfaceSettings { dad: true, ..auto() };
    let mut host = Host::new(&[], settings);
    assert!(host.addresses().is_empty());
    assert!(host.stack.tentative().any(|(_, address)| address.address == ip(OUR_LOCAL)));
    let own = [format!("{OUR_LOCAL}/64")];
    host.run(SECOND * 3);
    assert_eq!(host.addresses(), own);
    host.advertise(9000, &prefix_option("fe80::", 0xc0, 1, 1));
    host.run(SECOND * 10);
    assert_eq!(host.addresses(), own);
    host.run(SECOND * 366 * 24 * 3600);
    assert_eq!(host.addresses(), own);
    assert_eq!(host.stack.source_for(ip("fe80::9")), Some(ip(OUR_LOCAL)));
    // Who is given one has no second one.
    let host = Host::new(&["fe80::5/64"], auto());
    assert_eq!(host.addresses(), ["fe80::5/64"]);
}
