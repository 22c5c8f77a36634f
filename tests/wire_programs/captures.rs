//! tshark looks at what went over the wire: nothing malformed, no wrong checksum.
use crate::common::wire::{OURS4, OURS6, PEER4, Plan};
use crate::common::{Host, LIMIT, Mode};
use crate::web::{fetch, start_nginx};
use crate::{Listener, assert_whole, both_ends, need, need_root};
use std::path::Path;

/// Packets in a capture that `filter` finds, one line each.
pub fn find(host: &Host, capture: &Path, filter: &str) -> Vec<String> {
    let mut argv = vec!["tshark", "-n", "-r", capture.to_str().unwrap(), "-Y", filter];
    for check in ["tcp.check_checksum:TRUE", "ip.check_checksum:TRUE", "udp.check_checksum:TRUE"] {
        argv.extend(["-o", check]);
    }
    // tshark takes these ports for those of protocols that we do not speak.
    for port in ["tcp.port==5000,data", "udp.port==5001,data"] {
        argv.extend(["-d", port]);
    }
    let said = host.plain(&argv).within(LIMIT * 4).ok();
    said.lines().map(str::to_owned).collect()
}

/// Packets that are malformed or whose checksum is wrong.
pub fn objections(host: &Host, capture: &Path) -> Vec<String> {
    // A checksum's status is 0 when it is wrong.
    let bad = "_ws.malformed || tcp.checksum.status == 0 || udp.checksum.status == 0 || \
               ip.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0";
    find(host, capture, bad)
}

/// Asserts that tshark has nothing to say against a capture that holds TCP, UDP and ICMP.
pub fn assert_clean(host: &Host, capture: &Path) {
    for protocol in ["tcp", "udp", "icmp", "icmpv6", "arp"] {
        assert!(!find(host, capture, protocol).is_empty(), "no {protocol} in the capture");
    }
    let found = objections(host, capture);
    assert!(found.is_empty(), "tshark objects to:\n{}", found.join("\n"));
}

#[test]
fn tshark_has_nothing_to_say() {
    need!("tshark", "nginx", "curl", "python3", "ping", "socat");
    need_root!();
    let mut plan = Plan::new(Mode::Understudy);
    plan.link = "capture = \"CAPTURE\"".into();
    let mut wire = plan.build();
    crate::echo::ping(&wire.peer, OURS4, 3000);
    crate::echo::ping(&wire.peer, OURS6, 3000);
    {
        let _nginx = start_nginx(&wire.ours);
        fetch(&wire.peer, OURS4, PEER4);
    }
    let said = both_ends(&wire, Listener::Ours, false, "transfer.py", &["4"]);
    assert_whole(&said, 4);
    let said = both_ends(&wire, Listener::Peer, true, "transfer.py", &["4"]);
    assert_whole(&said, 4);
    {
        let _echo =
            wire.ours.udp_server(wire.ours.line("socat UDP-RECVFROM:5001,fork EXEC:cat"), 5001);
        let big = "a sentence of some length\n".repeat(150);
        let client = wire.peer.line(&format!("socat -b 8192 -t 2 - UDP:{OURS4}:5001"));
        assert_eq!(client.input(big.clone()).ok(), big);
    }
    let capture = wire.end_engine();
    assert_clean(&wire.peer, &capture);
}
