//! What leaves: segmentation, Nagle, cork, silly windows, offload, fairness.
use super::script::*;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

/// RFC 9293 3.7.4: a small segment waits while another one is outstanding.
#[test]
fn nagle_holds_back_the_second_small_segment() {
    let mut s = Script::established();
    s.send(1100);
    s.expect(A, 1, 1, 1000);
    s.expect(P.with(A), 1001, 1, 100);
    s.send(50);
    s.send(50);
    s.expect_nothing();
    s.put(A, 1, 1101, &[]);
    s.expect(P.with(A), 1101, 1, 100);
    s.send(10);
    s.expect_nothing();
    s.options(|o| o.nodelay = true);
    s.expect(P.with(A), 1201, 1, 10);
    s.send(1);
    s.expect(P.with(A), 1211, 1, 1);
}

/// RFC 1122 4.2.3.4: a full segment goes at once.
#[test]
fn a_full_segment_does_not_wait() {
    let mut s = Script::established();
    s.send(10);
    s.expect(P.with(A), 1, 1, 10);
    s.send(990);
    s.expect_nothing();
    s.send(10);
    s.expect(P.with(A), 11, 1, 1000);
}

#[test]
fn cork_waits_for_full_segments_or_200_ms() {
    let mut s = Script::established();
    s.options(|o| o.cork = true);
    s.send(600);
    s.expect_nothing();
    s.send(600);
    s.expect(A, 1, 1, 1000);
    s.expect_nothing();
    s.options(|o| o.cork = false);
    s.expect(P.with(A), 1001, 1, 200);
    s.put(A, 1, 1201, &[]);
    s.options(|o| o.cork = true);
    s.send(3);
    s.expect_nothing();
    let (ms, got) = s.until_sent();
    assert_eq!((ms, got.payload.len()), (200, 3));
}

/// RFC 9293 3.8.6.2.1.
#[test]
fn small_windows_are_not_filled() {
    let mut s = Script::plain();
    s.window = 5000;
    let mut s = s.open();
    s.send(10_000);
    for i in 0..5 {
        s.expect(A, 1 + i * 1000, 1, 1000);
    }
    s.window = 300;
    s.put(A, 1, 5001, &[]);
    s.expect_nothing();
    // Half the largest window ever is worth it.
    s.window = 2600;
    s.put(A, 1, 5001, &[]);
    s.expect(A, 5001, 1, 1000);
    s.expect(A, 6001, 1, 1000);
    s.expect_nothing();
    s.window = 300;
    s.put(A, 1, 7001, &[]);
    // The override timer sends what fits.
    let (ms, got) = s.until_sent();
    assert_eq!(got.payload.len(), 300);
    assert!((100..3000).contains(&ms), "{ms}");
}

/// RFC 9293 3.8.6 and 3.10.2: SEND fills the window and no more.
#[test]
fn the_window_is_never_exceeded() {
    let mut s = Script::plain();
    s.window = 2500;
    let mut s = s.open();
    s.send(9000);
    s.expect(A, 1, 1, 1000);
    s.expect(A, 1001, 1, 1000);
    s.expect_nothing();
    s.put(A, 1, 1001, &[]);
    s.expect(A, 2001, 1, 1000);
    s.expect_nothing();
}

/// RFC 6928: ten segments; RFC 5681 3.1: then two for each one acknowledged.
/// RFC 6928 2: ten segments.
#[test]
fn slow_start_from_ten_segments() {
    let mut s = Script::established();
    s.send(60_000);
    let burst = |s: &mut Script| std::iter::from_fn(|| s.get()).count();
    assert_eq!(burst(&mut s), 10);
    s.put(A, 1, 2001, &[]);
    assert_eq!(burst(&mut s), 4);
    s.put(A, 1, 14_001, &[]);
    assert_eq!(burst(&mut s), 24);
}

/// RFC 9293 3.9.1.2: what a link is to cut (TSO) is pushed, as Linux does; a FIN alone is not.
#[test]
fn super_segments_when_the_link_cuts_them() {
    let mut s = Script::plain();
    s.path.tso_max = 65_535;
    let mut s = s.open();
    s.send(60_000);
    // Half of cwnd in each, so that two are in flight.
    assert_eq!(s.expect(A.with(P), 1, 1, 5_000).gso_size, 1000);
    s.expect(A.with(P), 5001, 1, 5_000);
    s.expect_nothing();
    s.put(A, 1, 10_001, &[]);
    assert_eq!(s.expect(A.with(P), 10_001, 1, 10_000).gso_size, 1000);
    // A tail that is not full goes along when Nagle allows.
    let mut s = Script::plain();
    s.path.tso_max = 65_535;
    let mut s = s.open();
    s.send(2500);
    s.close();
    let got = s.get().unwrap();
    assert_eq!(
        (got.payload.len(), got.gso_size, got.header.flags),
        (2500, 1000, F.with(P).with(A))
    );
}

/// RFC 9293 3.7.1: the least of all limits.
#[test]
fn the_peer_s_mss_and_tcp_maxseg_count() {
    let mut s = Script::plain().open_with(Options { mss: Some(300), ..Options::default() });
    s.send(301);
    s.expect(A, 1, 1, 300);
    let mut s = Script::plain();
    let syn = s.connect(TcpOptions { max_segment: 200, ..TcpOptions::default() });
    assert_eq!(syn.header.options.mss, Some(200));
    // An absurd MSS does not make us send dust.
    let mut s = Script::plain().open_with(Options { mss: Some(1), ..Options::default() });
    s.send(1000);
    assert_eq!(s.get().unwrap().payload.len(), 64);
}

/// Path-MTU discovery (RFC 1191): smaller segments at once.
/// RFC 9293 3.7.2, RFC 1191 3, RFC 8201 4, RFC 5927 7.2: if it quotes what is in flight.
#[test]
fn packet_too_big_makes_segments_smaller() {
    let mut s = Script::established();
    s.send(3000);
    for i in 0..3 {
        s.expect(A.with(if i == 2 { P } else { A }), 1 + i * 1000, 1, 1000);
    }
    let seq = s.ours.wrapping_add(1001);
    s.tcp.icmp_arrives(s.now, s.tuple(), seq, IcmpError::TooBig(640));
    for i in 0..5 {
        s.expect(A.with(if i == 4 { P } else { A }), 1 + i * 600, 1, 600);
    }
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().pmtu, 640);
    // Larger values and forged sequence numbers change nothing; tiny ones are bounded.
    s.tcp.icmp_arrives(s.now, s.tuple(), seq, IcmpError::TooBig(9000));
    s.tcp.icmp_arrives(s.now, s.tuple(), seq.wrapping_add(1 << 20), IcmpError::TooBig(600));
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().pmtu, 640);
    s.tcp.icmp_arrives(s.now, s.tuple(), seq, IcmpError::TooBig(0));
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().pmtu, 552);
}

/// Connections take turns.
#[test]
fn round_robin() {
    let mut s = Script::established();
    let first = s.id();
    s.remote = addr(2, 5001);
    let mut s = s.open();
    s.send(3000);
    s.tcp.send(s.now, first, &[0; 3000]).unwrap();
    let ports: Vec<u16> =
        std::iter::from_fn(|| s.get().map(|got| got.header.destination)).collect();
    assert_eq!(ports, [5001, 5000, 5001, 5000, 5001, 5000]);
}

/// The buffer grows as it is used, up to its limit; `writable` tells the truth.
#[test]
fn the_send_buffer_is_bounded() {
    let mut s = Script::with(TcpConfig { send_buffer: 70_000, ..plain_config() });
    s.window = 0;
    let mut s = s.open();
    assert_eq!(s.status().writable, 65_536);
    assert_eq!(s.send(100_000), 65_536);
    assert_eq!(s.send(1), 0);
    assert_eq!(s.status().writable, 0);
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().send_queue, 65_536);
}

/// RFC 2861: after a pause the window shrinks towards the initial one.
/// RFC 2861 3, RFC 5681 4.1: a window that was not used decays.
#[test]
fn an_idle_connection_starts_slowly_again() {
    let mut s = Script::established();
    let mut at = 1;
    for _ in 0..5 {
        s.send(60_000);
        while let Some(got) = s.get() {
            at = got.header.seq.wrapping_sub(s.ours) + got.payload.len() as u32;
        }
        s.put(A, 1, at, &[]);
    }
    while let Some(got) = s.get() {
        at = got.header.seq.wrapping_sub(s.ours) + got.payload.len() as u32;
    }
    s.put(A, 1, at, &[]);
    let before = s.tcp.info(s.now, s.id()).unwrap().snd_cwnd;
    assert!(before >= 40, "{before}");
    s.pass(Duration::from_secs(60));
    s.send(60_000);
    let mut burst = 0;
    while s.get().is_some() {
        burst += 1;
    }
    assert_eq!(burst, 10);
}

/// More than 2^31 bytes without a loss or a small segment: what is remembered of long ago must not
/// look like the future.
#[test]
fn nothing_ages_into_the_future() {
    let mut s = Script::plain();
    s.path.tso_max = 65_535;
    let mut s = s.open();
    let (mut at, goal) = (1, (1u32 << 31) + 100_000_000);
    let data = vec![b'x'; 50_000];
    while at < goal {
        let (now, id) = (s.now, s.id());
        s.tcp.send(now, id, &data).unwrap();
        while let Some(got) = s.get() {
            at = got.header.seq.wrapping_sub(s.ours) + got.payload.len() as u32;
        }
        s.put(A, 1, at, &[]);
    }
    while let Some(got) = s.get() {
        at = got.header.seq.wrapping_sub(s.ours) + got.payload.len() as u32;
    }
    s.put(A, 1, at, &[]);
    s.send(10);
    s.expect(P.with(A), at, 1, 10);
    s.put(A, 1, at + 10, &[]);
    s.send(10_000);
    s.expect(P.with(A), at + 10, 1, 10_000);
    for _ in 0..3 {
        s.put(A, 1, at + 10, &[]);
    }
    s.expect(A, at + 10, 1, 1000);
    assert_eq!(s.count("fast_recoveries"), 1);
}
