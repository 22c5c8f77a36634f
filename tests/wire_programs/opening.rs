//! How connections begin: fast open, deferred accept, and a flood of SYNs.
use crate::common::wire::{OURS4, Plan, Wire};
use crate::common::{Mode, artifacts};
use crate::{Listener, assert_whole, both_ends, need, need_root};

on_both! {
    fast_open_both_ways, keys_of_fast_open_both_ways, deferred_accept_both_ways,
    what_ends_before_it_is_accepted
}

/// A wire on which both ends take part in fast open, as clients and as servers.
fn fast(mode: Mode) -> Wire {
    let mut plan = Plan::new(mode);
    plan.tcp = "fast_open = 3".into();
    let wire = plan.build();
    for host in [&wire.ours, &wire.peer] {
        host.netns.sh("echo 3 > /proc/sys/net/ipv4/tcp_fastopen");
    }
    wire
}

/// RFC 7413: with the kernel at the other end, cookies are given and shown, and data goes with the
/// SYN: by `MSG_FASTOPEN` and `TCP_FASTOPEN_CONNECT`, to `TCP_FASTOPEN`.
fn fast_open_both_ways(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = fast(mode);
    for (who, v6) in [(Listener::Ours, false), (Listener::Peer, false), (Listener::Ours, true)] {
        let said = both_ends(&wire, who, v6, "fast_open.py", &[]);
        let lines: Vec<&str> = said.connector.lines().collect();
        let fits = if v6 { 1400 } else { 1420 };
        let six = &*format!("ENOTCONN EAGAIN EISCONN EINVAL {fits} with the SYN");
        let expected = [
            "blocking 4 later",
            "blocking 4 with the SYN",
            "blocking 10005 with the SYN",
            "non-blocking 5 with the SYN",
            "connected True with the SYN",
            "connected True with the SYN",
            six,
            "blocking 3005 with the SYN",
            "given up done ENOTCONN",
        ];
        assert_eq!(lines, expected, "{who:?} {v6}");
        let heard = "queue 5\nb'one\\n' 4 later\nb'two\\n' 4 with the SYN\n\
                     b'long' 10005 with the SYN\nb'four' 5 with the SYN\n\
                     b'five' 5 with the SYN\nb'five' 5 with the SYN\n\
                     b'six.' 3005 with the SYN\nb'six.' 3005 with the SYN\n";
        assert_eq!(said.listener, heard, "{who:?} {v6}");
    }
}

/// RFC 7413 4.1.2, `TCP_FASTOPEN_KEY`: keys are changed while the server runs. A cookie of the
/// backup key opens and is renewed, one of a key that is gone does not.
fn keys_of_fast_open_both_ways(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = fast(mode);
    for (who, v6) in [(Listener::Ours, false), (Listener::Peer, false), (Listener::Ours, true)] {
        let said = both_ends(&wire, who, v6, "fast_open_keys.py", &[]);
        let syn = "with the SYN\n";
        let expected = format!("listens\nlater\n{syn}{syn}{syn}later\n{syn}");
        assert_eq!(said.listener, expected, "{who:?} {v6}");
    }
}

/// tcp(7) `TCP_DEFER_ACCEPT`: `accept` returns when there is data, not before.
fn deferred_accept_both_ways(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    for who in [Listener::Ours, Listener::Peer] {
        let said = both_ends(&wire, who, false, "deferred.py", &[]);
        assert_eq!(said.listener, "seconds 3\nnot yet\nb'now' at once\n", "{who:?}");
    }
}

/// RFC 9293 3.10.7.1, 3.10.7.4: what is reset before it is accepted is accepted all the same, and
/// has what had come; a listener that has closed refuses the next one at once.
fn what_ends_before_it_is_accepted(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    for v6 in [false, true] {
        let said = both_ends(&wire, Listener::Ours, v6, "early_end.py", &[]);
        assert_eq!(said.listener, "closed ECONNRESET b''\nclosed b'data' ECONNRESET\n", "{v6}");
        assert_eq!(said.connector, "ECONNREFUSED\n", "{v6}");
    }
}

/// RFC 4987: under a flood of SYNs from forged addresses (200,000 a second, if the machine can send
/// so many), running transfers go on and new
/// connections are made, both ways, and the engine does not grow.
#[test]
fn a_flood_of_syns() {
    need!("python3");
    need_root!();
    let wire = Wire::new(Mode::Understudy);
    let script = artifacts::root().join("tests/programs/flood.py");
    let script = script.to_str().unwrap();
    let rate = ["5000", "200000", "600"];
    // With what the others leave of the processors: the machine may have more to do.
    let nice = ["nice", "-n", "19", "python3", "-u", script, "peer0", OURS4];
    let flood = [&nice, &rate[..]].concat();
    let mut flood = wire.peer.plain(&flood).start();
    flood.wait_until_it_says("flooding\n");
    for (who, v6) in [(Listener::Ours, false), (Listener::Peer, false), (Listener::Ours, true)] {
        assert_whole(&both_ends(&wire, who, v6, "transfer.py", &["1"]), 1);
    }
    assert!(flood.alive(), "the flood has ended: {}", flood.said());
    println!("{}", flood.said());
    flood.kill();
    let engine = wire.engine.as_ref().unwrap().pid();
    let status = std::fs::read_to_string(format!("/proc/{engine}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: usize = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 96 << 10, "{resident}");
}
