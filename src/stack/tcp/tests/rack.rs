//! What is lost is found by time (RFC 8985), tail losses by probes, and what was not lost after all
//! is taken back (RFC 3522, 3708, 5682).
use super::script::*;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

/// A round trip of 20 ms, segments of 1000 bytes, SACK; `stamps`: timestamps as well.
fn open(stamps: bool) -> Script {
    let config = TcpConfig {
        timestamps: stamps,
        window_scaling: false,
        congestion: "newreno".into(),
        ..TcpConfig::default()
    };
    let mut s = Script::with(config);
    let mut o = Options { mss: Some(1000), sack_permitted: true, ..Options::default() };
    if stamps {
        s.stamp = Some(5000);
        s.path.mtu = 1052;
        o.mss = Some(1012);
    }
    s.open_after(20, o)
}

/// Ten segments are out, of `bytes` that there are, and 20 ms have passed.
fn ten(stamps: bool, bytes: usize) -> Script {
    let mut s = open(stamps);
    s.send(bytes);
    for _ in 0..10 {
        assert_eq!(s.get().unwrap().payload.len(), 1000);
    }
    s.expect_nothing();
    s.pass_ms(20);
    s
}

fn sack(s: &mut Script, ack: u32, blocks: &[(u32, u32)]) {
    let mut o = Options::default();
    for &(left, right) in blocks {
        o.push_sack(s.ours.wrapping_add(left), s.ours.wrapping_add(right));
    }
    s.put_with(A, 1, ack, &[], o);
}

fn info(s: &Script) -> TcpInfo {
    s.tcp.info(s.now, s.id()).unwrap()
}

/// Numbers of all segments that leave now.
fn sent(s: &mut Script) -> Vec<u32> {
    let mut list = Vec::new();
    while let Some(got) = s.get() {
        list.push(got.header.seq.wrapping_sub(s.ours));
    }
    list
}

/// RFC 8985 6.1, 6.2, 8: one segment beyond a hole is no loss yet; a quarter of the round trip
/// later it is. RFC 3042 2: meanwhile a new segment leaves for the one that has arrived.
#[test]
fn a_quarter_of_a_round_trip_of_patience() {
    let mut s = ten(false, 30_000);
    sack(&mut s, 1, &[(1001, 2001)]);
    assert_eq!(sent(&mut s), [10_001]);
    assert_eq!((info(&s).ca_state, info(&s).sacked), (1, 1));
    let (ms, got) = s.until_sent();
    assert_eq!((ms, got.header.seq.wrapping_sub(s.ours)), (7, 1));
    assert_eq!((info(&s).ca_state, info(&s).lost, info(&s).retrans), (3, 1, 1));
}

/// RFC 8985 6.2 step 4: no patience when as many segments have arrived as duplicate ACKs would be
/// needed for a fast retransmit.
#[test]
fn three_segments_beyond_a_hole_are_enough() {
    let mut s = ten(false, 30_000);
    sack(&mut s, 1, &[(1001, 3001)]);
    assert_eq!(sent(&mut s), [10_001, 11_001]);
    sack(&mut s, 1, &[(1001, 4001)]);
    assert_eq!(sent(&mut s), [1]);
}

/// RFC 8985 6.2 steps 3 and 4: what arrives late was reordered; from then on three segments are
/// not enough. RFC 2883 5: a D-SACK says that even so a retransmission was needless: the window
/// comes back (RFC 3708) and the patience doubles.
#[test]
fn patience_grows_with_reordering_and_d_sacks() {
    let mut s = ten(false, 30_000);
    sack(&mut s, 1, &[(1001, 2001)]);
    s.pass_ms(2);
    sack(&mut s, 2001, &[]);
    sent(&mut s);
    assert_eq!((info(&s).reord_seen, info(&s).total_retrans), (1, 0));
    sack(&mut s, 2001, &[(3001, 6001)]);
    let new = sent(&mut s);
    assert!(new.iter().all(|seq| *seq > 10_000), "{new:?}");
    let cwnd = info(&s).snd_cwnd;
    let (_, got) = s.until_sent();
    assert_eq!(got.header.seq.wrapping_sub(s.ours), 2001);
    assert!(info(&s).snd_ssthresh < cwnd);
    // The original, then the retransmission.
    s.pass_ms(3);
    sack(&mut s, 6001, &[]);
    sack(&mut s, 6001, &[(2001, 3001)]);
    assert_eq!((info(&s).dsack_dups, info(&s).total_retrans), (1, 1));
    assert_eq!(info(&s).ca_state, 0);
    assert!(info(&s).snd_cwnd >= cwnd);
    sent(&mut s);
    s.pass_ms(10);
    sack(&mut s, 7001, &[]);
    sent(&mut s);
    sack(&mut s, 7001, &[(8001, 9001)]);
    sent(&mut s);
    let before = s.now;
    loop {
        let (_, got) = s.until_sent();
        if got.header.seq.wrapping_sub(s.ours) == 7001 {
            break;
        }
    }
    let waited = s.now.since(before).as_millis();
    assert_eq!(info(&s).total_retrans, 2);
    assert!(waited <= 12, "{waited}");
}

/// RFC 8985 7.2, 7.3: two round trips after the last sign of life the last segment goes again; its
/// SACK shows what else is missing, without a retransmission timeout.
#[test]
fn a_lost_tail_is_probed() {
    let mut s = open(false);
    s.send(2000);
    assert_eq!(sent(&mut s), [1, 1001]);
    let (ms, got) = s.until_sent();
    assert_eq!((ms, got.header.seq.wrapping_sub(s.ours), got.payload.len()), (42, 1001, 1000));
    s.pass_ms(20);
    sack(&mut s, 1, &[(1001, 2001)]);
    assert_eq!(sent(&mut s), [1]);
    s.pass_ms(20);
    sack(&mut s, 2001, &[]);
    assert_eq!((s.count("tail_loss_probes"), s.count("retransmission_timeouts")), (1, 0));
}

/// RFC 8985 7.3: if there is new data that the peer's window takes, that is the probe, even beyond
/// cwnd.
#[test]
fn new_data_is_the_better_probe() {
    let mut s = open(false);
    s.send(30_000);
    assert_eq!(sent(&mut s).len(), 10);
    let (ms, got) = s.until_sent();
    assert_eq!((ms, got.header.seq.wrapping_sub(s.ours)), (42, 10_001));
    // RFC 8985 7.2: one probe; then the retransmission timeout.
    let (ms, got) = s.until_sent();
    assert_eq!((ms, got.header.seq.wrapping_sub(s.ours)), (220, 1));
}

/// RFC 8985 7.4.2: a probe that repaired a loss is answered as a loss: the window falls; unless a
/// D-SACK says that the original had arrived.
#[test]
fn what_a_probe_repairs_is_a_loss() {
    for (d_sack, reduced) in [(false, true), (true, false)] {
        let mut s = open(false);
        s.send(2000);
        sent(&mut s);
        s.pass_ms(20);
        sack(&mut s, 1001, &[]);
        let (_, got) = s.until_sent();
        assert_eq!(got.header.seq.wrapping_sub(s.ours), 1001);
        s.pass_ms(20);
        if d_sack {
            sack(&mut s, 2001, &[(1001, 2001)]);
        } else {
            sack(&mut s, 2001, &[]);
        }
        s.send(1000);
        sent(&mut s);
        s.pass_ms(20);
        sack(&mut s, 3001, &[]);
        assert_eq!(info(&s).snd_ssthresh < 10, reduced, "{:?}", info(&s));
        assert_eq!(info(&s).ca_state, 0);
    }
}

/// RFC 5682 2.1: after the timeout an ACK that advances lets two new segments go, and if the next
/// one advances too, past what was never sent again, the timeout was spurious.
#[test]
fn f_rto_without_sack() {
    let mut s = Script::with(TcpConfig { congestion: "newreno".into(), ..plain_config() })
        .open_after(20, Options { mss: Some(1000), ..Options::default() });
    s.send(30_000);
    assert_eq!(sent(&mut s).len(), 10);
    let (ms, got) = s.until_sent();
    assert_eq!((ms, got.header.seq.wrapping_sub(s.ours)), (220, 1));
    assert_eq!((info(&s).ca_state, info(&s).snd_cwnd), (4, 1));
    s.pass_ms(1);
    s.put(A, 1, 1001, &[]);
    assert_eq!(sent(&mut s), [10_001, 11_001]);
    s.put(A, 1, 2001, &[]);
    assert_eq!(s.count("spurious_timeouts"), 1);
    assert!(info(&s).snd_cwnd >= 10, "{}", info(&s).snd_cwnd);
    assert!(sent(&mut s).iter().all(|seq| *seq > 11_001));
    assert_eq!((info(&s).total_retrans, info(&s).lost), (1, 0));
}

/// RFC 5682 3.1: with SACK it is enough that something sent once, before the timeout, arrives.
#[test]
fn f_rto_with_sack() {
    let mut s = ten(false, 10_000);
    while s.count("retransmission_timeouts") == 0 {
        s.until_sent();
    }
    let probes = info(&s).total_retrans;
    s.pass_ms(1);
    sack(&mut s, 1, &[(2001, 3001)]);
    assert_eq!(s.count("spurious_timeouts"), 1);
    assert_eq!((info(&s).total_retrans, info(&s).lost), (probes, 0));
}

/// RFC 3522 3.2 (Eifel), RFC 4015 3: the first ACK after a timeout echoes the timestamp of the
/// original: the window comes back, nothing else is sent again.
#[test]
fn eifel_after_a_timeout() {
    let mut s = ten(true, 30_000);
    let original = s.last_stamp;
    let probe = s.until_sent().1;
    assert_eq!(probe.header.seq.wrapping_sub(s.ours), 10_001);
    let (_, got) = s.until_sent();
    assert_eq!(got.header.seq.wrapping_sub(s.ours), 1);
    assert_eq!((info(&s).ca_state, info(&s).snd_cwnd), (4, 1));
    s.last_stamp = original;
    s.put(A, 1, 1001, &[]);
    assert_eq!((info(&s).ca_state, info(&s).lost), (0, 0));
    assert!(info(&s).snd_cwnd >= 10);
    assert!(sent(&mut s).iter().all(|seq| *seq > 10_000));
    assert_eq!(info(&s).total_retrans, 1);
}

/// RFC 3522 3.2: the same in fast recovery.
#[test]
fn eifel_in_fast_recovery() {
    let mut s = ten(true, 30_000);
    let original = s.last_stamp;
    sack(&mut s, 1, &[(1001, 5001)]);
    sent(&mut s);
    assert_eq!((info(&s).ca_state, info(&s).total_retrans), (3, 1));
    s.pass_ms(1);
    s.last_stamp = original;
    s.put(A, 1, 5001, &[]);
    assert_eq!((info(&s).ca_state, info(&s).lost), (0, 0));
    assert!(info(&s).snd_ssthresh > 100);
    assert!(info(&s).reord_seen > 0);
}

/// RFC 6937 3: of what arrives in recovery, half is sent (NewReno halves), never nothing and never
/// all.
#[test]
fn prr_sends_in_proportion() {
    let mut s = ten(false, 40_000);
    sack(&mut s, 1, &[(1001, 4001)]);
    assert_eq!(sent(&mut s), [1]);
    let mut count = 0;
    for end in 5..=10 {
        s.pass_ms(1);
        sack(&mut s, 1, &[(1001, end * 1000 + 1)]);
        count += sent(&mut s).len();
    }
    assert!((3..=5).contains(&count), "{count}");
    assert_eq!(info(&s).snd_ssthresh, 5);
}

/// RFC 2018 8: the peer has dropped what it had reported: all of it goes again, but not at once.
#[test]
fn reneging() {
    let mut s = ten(false, 10_000);
    sack(&mut s, 1, &[(1001, 10_001)]);
    assert_eq!(sent(&mut s), [1]);
    s.pass_ms(5);
    sack(&mut s, 1001, &[]);
    let (ms, got) = s.until_sent();
    assert_eq!((ms, got.header.seq.wrapping_sub(s.ours)), (10, 1001));
    assert_eq!(info(&s).sacked, 0);
}

/// RFC 2018 3: blocks are of whole segments; a part of one that a peer (or somebody between)
/// reports is not believed, and costs no memory.
#[test]
fn parts_of_segments_are_not_believed() {
    let mut s = ten(false, 10_000);
    for i in 0..400 {
        sack(&mut s, 1, &[(1003 + i * 2, 1004 + i * 2)]);
    }
    assert_eq!(info(&s).sacked, 0);
    assert_eq!(s.count("fast_recoveries"), 0);
}

/// draft-ietf-ccwg-bbr 4.1: ten segments in a round trip of 20 ms.
#[test]
fn the_delivery_rate() {
    let mut s = ten(false, 10_000);
    sack(&mut s, 10_001, &[]);
    assert_eq!(info(&s).delivery_rate, 500_000);
    // Ten segments and the SYN.
    assert_eq!(info(&s).delivered, 11);
}

/// RFC 7661 4.1: a window that is not used does not grow.
#[test]
fn an_unused_window_does_not_grow() {
    let mut s = open(false);
    let mut at = 1;
    for _ in 0..20 {
        s.send(3000);
        at += 3000;
        assert_eq!(sent(&mut s).len(), 3);
        s.pass_ms(20);
        sack(&mut s, at, &[]);
    }
    assert_eq!(info(&s).snd_cwnd, 10);
}

/// RFC 8985 6.3: a timeout does not take for lost what left less than a round trip ago.
#[test]
fn a_timeout_spares_what_has_just_left() {
    let mut s = open(false);
    s.send(2000);
    sent(&mut s);
    s.pass_ms(20);
    sack(&mut s, 1001, &[]);
    // The probe, and just before the timeout something new.
    s.until_sent();
    s.pass_ms(215);
    s.send(1000);
    assert_eq!(sent(&mut s), [2001]);
    let (ms, got) = s.until_sent();
    assert_eq!((ms, got.header.seq.wrapping_sub(s.ours)), (5, 1001));
    assert_eq!(s.count("retransmission_timeouts"), 1);
    assert_eq!((info(&s).unacked, info(&s).lost), (2, 1));
}

/// RFC 6675 5.1: a timeout does not forget what was reported; only the holes go again.
#[test]
fn a_timeout_keeps_the_scoreboard() {
    let mut s = ten(false, 10_000);
    sack(&mut s, 1, &[(1001, 3001)]);
    sent(&mut s);
    while s.count("retransmission_timeouts") == 0 {
        s.until_sent();
    }
    assert_eq!((info(&s).ca_state, info(&s).sacked), (4, 2));
    s.pass_ms(20);
    sack(&mut s, 3001, &[]);
    assert_eq!(sent(&mut s), [3001, 4001]);
}
