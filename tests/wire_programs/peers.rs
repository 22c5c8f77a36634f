//! Against the kernel over a bad wire: each algorithm, each option on and off at either end, both
//! directions at once; and what a clean wire must not show.
use crate::captures::{find, objections};
use crate::common::Mode;
use crate::common::wire::{OURS4, PEER4, Plan};
use crate::{Listener, assert_whole, both_ends, need, need_root};
use understudy::base::congestion::NAMES;

/// The wire: what a path across a continent does on a bad day.
const BAD: &str = "delay = \"3ms\"\nloss = \"1%\"\nreorder = \"1%\"\nduplicate = \"0.2%\"\n\
                   seed = 11\ncapture = \"CAPTURE\"";

/// Two megabytes each way, who listens in turn, over IPv4 and IPv6; the capture must be clean.
/// `sysctls`: of the kernel at the other end, `tcp_sack=0`.
fn transfer(tcp: &str, sysctls: &[&str]) {
    let mut plan = Plan::new(Mode::Understudy);
    plan.link = BAD.into();
    plan.tcp = tcp.into();
    let mut wire = plan.build();
    for sysctl in sysctls {
        let (name, value) = sysctl.split_once('=').unwrap();
        wire.peer.netns.sh(&format!("echo {value} > /proc/sys/net/ipv4/{name}"));
    }
    for (who, v6) in [(Listener::Ours, false), (Listener::Peer, true)] {
        assert_whole(&both_ends(&wire, who, v6, "transfer.py", &["2"]), 2);
    }
    let capture = wire.end_engine();
    let found = objections(&wire.peer, &capture);
    assert!(found.is_empty(), "{tcp:?} {sysctls:?}: tshark objects to:\n{}", found.join("\n"));
}

#[test]
fn every_algorithm() {
    need!("tshark", "python3");
    need_root!();
    for name in NAMES {
        transfer(&format!("congestion = \"{name}\""), &[]);
    }
}

/// RFC 3168: ECN with the kernel, offered by either side or by both, over a wire that marks. Where
/// both speak it, marks are echoed and the echo is answered by CWR, in both directions.
#[test]
fn marks() {
    need!("tshark", "python3");
    need_root!();
    for (ours, theirs, spoken) in [("on", "1", true), ("on", "0", false), ("off", "1", false)] {
        let mut plan = Plan::new(Mode::Understudy);
        plan.link = "delay = \"3ms\"\nrate = \"50Mbit\"\nmark = 5\ncapture = \"CAPTURE\"".into();
        plan.tcp = format!("ecn = \"{ours}\"");
        let mut wire = plan.build();
        wire.peer.netns.sh(&format!("echo {theirs} > /proc/sys/net/ipv4/tcp_ecn"));
        for who in [Listener::Ours, Listener::Peer] {
            assert_whole(&both_ends(&wire, who, false, "transfer.py", &["2"]), 2);
        }
        let capture = wire.end_engine();
        for source in [OURS4, PEER4] {
            for flag in ["ece", "cwr"] {
                let filter =
                    format!("ip.src == {source} && tcp.flags.syn == 0 && tcp.flags.{flag} == 1");
                let found = find(&wire.peer, &capture, &filter);
                assert_eq!(!found.is_empty(), spoken, "{ours} {theirs} {source} {flag}");
            }
        }
    }
    // Who offers it does not matter; a wire that loses does not, either.
    transfer("ecn = \"on\"", &["tcp_ecn=2"]);
    transfer("ecn = \"accept\"", &["tcp_ecn=1"]);
}

/// Everybody paced, whatever the algorithm.
#[test]
fn paced() {
    need!("tshark", "python3");
    need_root!();
    transfer("pacing = true", &[]);
}

/// RFC 7323 and RFC 2018: what either end does not offer is not used.
#[test]
fn options_that_we_do_not_offer() {
    need!("tshark", "python3");
    need_root!();
    for option in ["window_scaling", "timestamps", "sack"] {
        transfer(&format!("{option} = false"), &[]);
    }
    transfer("window_scaling = false\ntimestamps = false\nsack = false", &[]);
}

/// See [`options_that_we_do_not_offer`].
#[test]
fn options_that_the_kernel_does_not_offer() {
    need!("tshark", "python3");
    need_root!();
    for option in ["tcp_window_scaling=0", "tcp_timestamps=0", "tcp_sack=0", "tcp_dsack=0"] {
        transfer("", &[option]);
    }
    transfer("", &["tcp_window_scaling=0", "tcp_timestamps=0", "tcp_sack=0"]);
}

/// On a wire that loses nothing we send nothing twice.
#[test]
fn nothing_is_repeated_on_a_clean_wire() {
    need!("tshark", "python3");
    need_root!();
    let mut plan = Plan::new(Mode::Understudy);
    plan.link = "delay = \"5ms\"\ncapture = \"CAPTURE\"".into();
    let mut wire = plan.build();
    for who in [Listener::Ours, Listener::Peer] {
        assert_whole(&both_ends(&wire, who, false, "transfer.py", &["4"]), 4);
    }
    let capture = wire.end_engine();
    let again = "tcp.analysis.retransmission || tcp.analysis.fast_retransmission || \
                 tcp.analysis.spurious_retransmission";
    let found = find(&wire.peer, &capture, &format!("ip.src == {OURS4} && ({again})"));
    assert!(found.is_empty(), "sent twice:\n{}", found.join("\n"));
}
