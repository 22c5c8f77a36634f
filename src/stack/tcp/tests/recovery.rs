//! Loss: fast retransmit and recovery with and without SACK, timeouts, back-off.
use super::script::*;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

/// Ten segments of 1000 bytes are out.
fn ten(sack: bool, congestion: &str) -> Script {
    let config = TcpConfig { congestion: congestion.into(), ..plain_config() };
    let o = Options { mss: Some(1000), sack_permitted: sack, ..Options::default() };
    let mut s = Script::with(config).open_after(20, o);
    s.send(30_000);
    for i in 0..10 {
        s.expect(A, 1 + i * 1000, 1, 1000);
    }
    s.expect_nothing();
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

/// RFC 5681 3.2, RFC 3042, RFC 6582 3.2.
#[test]
fn fast_retransmit_at_the_third_duplicate() {
    let mut s = ten(false, "newreno");
    // Limited transmit: one new segment for each of the first two duplicates.
    s.put(A, 1, 1, &[]);
    s.expect(A, 10_001, 1, 1000);
    s.put(A, 1, 1, &[]);
    s.expect(A, 11_001, 1, 1000);
    s.put(A, 1, 1, &[]);
    s.expect(A, 1, 1, 1000);
    s.expect_nothing();
    assert_eq!((info(&s).snd_ssthresh, info(&s).ca_state), (5, 3));
    // Further duplicates let the pipe drain to the new window, then new data goes.
    for _ in 0..8 {
        s.put(A, 1, 1, &[]);
    }
    let mut sent = 0;
    while let Some(got) = s.get() {
        assert_eq!(got.header.seq.wrapping_sub(s.ours), 12_001 + sent * 1000);
        sent += 1;
    }
    assert!((3..=6).contains(&sent), "{sent}");
    // A partial ACK: the next hole at once, recovery goes on.
    s.put(A, 1, 4001, &[]);
    s.expect(A, 4001, 1, 1000);
    // The end: more than what was out when the loss was found (RFC 6582 3.2 step 1).
    s.put(A, 1, 12_001, &[]);
    while s.get().is_some() {}
    s.put(A, 1, 14_001, &[]);
    assert_eq!(info(&s).snd_cwnd, 5);
    assert_eq!(info(&s).total_retrans, 2);
    assert_eq!(s.count("retransmission_timeouts"), 0);
}

/// RFC 5681: in reno a partial ACK ends recovery; nothing is sent again for it.
#[test]
fn reno_leaves_recovery_at_a_partial_ack() {
    let mut s = ten(false, "reno");
    for _ in 0..3 {
        s.put(A, 1, 1, &[]);
    }
    while s.get().is_some() {}
    s.put(A, 1, 4001, &[]);
    while let Some(got) = s.get() {
        assert_ne!(got.header.seq.wrapping_sub(s.ours), 4001);
    }
    assert_eq!(info(&s).total_retrans, 1);
}

/// RFC 5681 2: what carries data or changes the window is no duplicate.
#[test]
fn what_is_not_a_duplicate_ack() {
    let mut s = ten(false, "newreno");
    for i in 0..5 {
        s.put(A, 1 + i, 1, b"x");
        s.window -= 100;
        s.put(A, 2 + i, 1, &[]);
    }
    while let Some(got) = s.get() {
        assert!(got.payload.is_empty(), "{got:?}");
    }
    assert_eq!(s.count("fast_recoveries"), 0);
}

/// RFC 6675 2, 4, 5: the holes, in order, and nothing that has arrived.
/// RFC 6675 4 and 5, RFC 2018 5: the recovery.
#[test]
fn sack_recovery_fills_the_holes() {
    let mut s = ten(true, "newreno");
    // Segments 1, 3 and 5 (of 0 to 9) are lost.
    s.pass_ms(20);
    sack(&mut s, 1001, &[]);
    while s.get().is_some() {}
    sack(&mut s, 1001, &[(2001, 3001)]);
    sack(&mut s, 1001, &[(4001, 5001), (2001, 3001)]);
    while s.get().is_some() {}
    assert_eq!(s.count("fast_recoveries"), 0);
    s.pass_ms(1);
    sack(&mut s, 1001, &[(6001, 7001), (4001, 5001), (2001, 3001)]);
    s.expect(A, 1001, 1, 1000);
    s.pass_ms(10);
    sack(&mut s, 1001, &[(6001, 14_001), (4001, 5001), (2001, 3001)]);
    s.expect(A, 3001, 1, 1000);
    s.expect(A, 5001, 1, 1000);
    let before = info(&s).total_retrans;
    s.pass_ms(10);
    sack(&mut s, 3001, &[(6001, 14_001), (4001, 5001)]);
    sack(&mut s, 5001, &[(6001, 14_001)]);
    s.put(A, 1, 14_001, &[]);
    while let Some(got) = s.get() {
        assert!(got.header.seq.wrapping_sub(s.ours) > 14_000, "sent again for nothing");
    }
    assert_eq!((info(&s).total_retrans, before), (3, 3));
    assert_eq!(s.count("retransmission_timeouts"), 0);
}

/// RFC 8985 6.2 step 5: what was sent after a retransmission arrives, the retransmission does not:
/// once more, without waiting for the timer.
#[test]
fn a_lost_retransmission_is_found() {
    let mut s = ten(true, "newreno");
    s.pass_ms(20);
    sack(&mut s, 1, &[(1001, 6001)]);
    s.expect(A, 1, 1, 1000);
    s.pass_ms(1);
    sack(&mut s, 1, &[(1001, 10_001)]);
    let mut new = 0;
    while let Some(got) = s.get() {
        assert_eq!(got.header.seq.wrapping_sub(s.ours), 10_001 + new * 1000);
        new += 1;
    }
    assert!(new >= 3, "{new}");
    s.pass_ms(20);
    sack(&mut s, 1, &[(1001, 13_001)]);
    s.expect(A, 1, 1, 1000);
    assert_eq!(s.count("lost_retransmissions"), 1);
    assert_eq!(s.count("retransmission_timeouts"), 0);
}

/// Blocks that nobody could send in good faith.
#[test]
fn absurd_sack_blocks_are_ignored() {
    let mut s = ten(true, "newreno");
    let nonsense = [(5001, 4001), (20_001, 21_001), (0u32.wrapping_sub(5000), 3001), (7001, 7001)];
    for block in nonsense {
        sack(&mut s, 1, &[block]);
    }
    s.expect_nothing();
    assert_eq!(info(&s).sacked, 0);
}

/// RFC 6298 5.5, 5.6; RFC 5681 3.1: cwnd of one segment, ssthresh halved once.
/// RFC 9293 3.8.1 and 3.8.2: timeout and slow start.
#[test]
fn timeout_backs_off_and_starts_slowly() {
    let mut s = ten(false, "newreno");
    let rto = u64::from(info(&s).rto_us) / 1000;
    assert_eq!(rto, 220);
    for doubling in 0..5 {
        let (ms, got) = s.until_sent();
        assert_eq!(ms, 220 << doubling);
        assert_eq!((got.header.seq.wrapping_sub(s.ours), got.payload.len()), (1, 1000));
        s.expect_nothing();
        assert_eq!((info(&s).snd_cwnd, info(&s).snd_ssthresh), (1, 5));
    }
    assert_eq!(info(&s).retransmits, 5);
    // Progress: F-RTO tries two new segments (RFC 5682 2.1 step 2b).
    s.pass_ms(10);
    s.put(A, 1, 1001, &[]);
    // RFC 6298 5.7 (Karn): what was sent again gives no sample, and the back-off stays.
    assert_eq!(info(&s).backoff, 5);
    s.expect(A, 10_001, 1, 1000);
    s.expect(A, 11_001, 1, 1000);
    s.expect_nothing();
    // A duplicate: the loss was real (step 3a). Slow start over what is still missing.
    s.put(A, 1, 1001, &[]);
    s.expect(A, 1001, 1, 1000);
    s.expect_nothing();
    s.put(A, 1, 2001, &[]);
    s.expect(A, 2001, 1, 1000);
    s.expect_nothing();
    s.put(A, 1, 12_001, &[]);
    s.expect(A, 12_001, 1, 1000);
    s.put(A, 1, 13_001, &[]);
    assert_eq!(info(&s).backoff, 0);
}

/// Karn: what was sent again gives no sample; timestamps do (RFC 7323 4).
/// RFC 6298 3, RFC 7323 4.1: Karn, and timestamps.
#[test]
fn round_trip_samples() {
    let mut s = Script::established();
    s.send(100);
    s.get();
    s.pass_ms(30);
    s.put(A, 1, 101, &[]);
    let first = info(&s).rtt_us;
    assert!((3_000..31_000).contains(&first), "{first}");
    s.send(100);
    s.get();
    s.until_sent();
    s.pass_ms(5);
    s.put(A, 1, 201, &[]);
    assert_eq!(info(&s).rtt_us, first);
}

/// Linux `tcp_retries2`: fifteen retransmissions; the reason is what ICMP said, if it did.
/// RFC 9293 3.8.3 and 3.10.8, RFC 1122 4.2.3.5, RFC 5927 5.2: the end of patience.
#[test]
fn an_established_connection_times_out() {
    use crate::base::NetError;
    for (icmp, error) in [(false, NetError::TimedOut), (true, NetError::HostUnreachable)] {
        let mut s = Script::established();
        let start = s.now;
        s.send(10);
        s.get();
        if icmp {
            let error = IcmpError::Unreachable(NetError::HostUnreachable);
            s.tcp.icmp_arrives(s.now, s.tuple(), s.ours.wrapping_add(1), error);
            assert_eq!(s.status().error, None);
        }
        for _ in 0..15 {
            assert_eq!(s.until_sent().1.payload.len(), 10);
        }
        s.pass(Duration::from_secs(121));
        assert_eq!(s.status().error, Some(error));
        let seconds = s.now.since(start).as_secs();
        assert!((920..1100).contains(&seconds), "{seconds}");
    }
}

/// RFC 5461 4, as on Linux: what ICMP says of a connection that lives on is told once, and is over
/// with the next ACK, whatever that acknowledges.
#[test]
fn a_soft_error_is_told_once() {
    use crate::base::NetError::{HostDown, NetUnreachable};
    let mut s = Script::established();
    s.send(10);
    s.get();
    let seq = s.ours.wrapping_add(1);
    let tell = |s: &mut Script, error| {
        s.tcp.icmp_arrives(s.now, s.tuple(), seq, IcmpError::Unreachable(error));
    };
    tell(&mut s, HostDown);
    tell(&mut s, NetUnreachable);
    assert_eq!(s.tcp.take_soft_error(s.id()), Some(NetUnreachable));
    assert_eq!(s.tcp.take_soft_error(s.id()), None);
    tell(&mut s, HostDown);
    s.put(A, 1, 1, &[]);
    assert_eq!(s.tcp.take_soft_error(s.id()), None);
    s.expect_state(State::Established);
}

/// Data that the peer had reported and dropped again (RFC 2018 8).
#[test]
fn reneging_is_survived() {
    let mut s = ten(true, "newreno");
    sack(&mut s, 1, &[(1001, 10_001)]);
    while s.get().is_some() {}
    // Everything before the blocks is acknowledged, but they are not: they are gone.
    sack(&mut s, 1001, &[]);
    while s.get().is_some() {}
    let (_, got) = s.until_sent();
    assert_eq!(got.header.seq.wrapping_sub(s.ours), 1001);
}
