//! What each congestion control does with its window, as segments show it.
use super::script::*;
use crate::base::congestion::NAMES;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

fn opened(config: TcpConfig) -> Script {
    let o = Options { mss: Some(1000), ..Options::default() };
    Script::with(config).open_with(o)
}

/// Sends all that may go; how many segments that was, and the first number behind them.
fn drain(s: &mut Script) -> (u32, u32) {
    let (mut count, mut end) = (0, 0);
    while let Some(got) = s.get() {
        count += 1;
        end = got.header.seq.wrapping_sub(s.ours) + got.payload.len() as u32;
    }
    (count, end)
}

fn windows(s: &Script) -> (u32, u32) {
    let info = s.tcp.info(s.now, s.id()).unwrap();
    (info.cwnd_bytes, info.ssthresh_bytes)
}

/// RFC 5681 3.1, 3.2, and Tahoe before it: at the third duplicate ACK Tahoe falls to 1 MSS and goes
/// into slow start, Reno to ssthresh, half of what was in flight; from the textbook's initial
/// window of 1 MSS and threshold of 64 KiB.
#[test]
fn tahoe_falls_to_one_segment_and_reno_to_ssthresh() {
    for (name, cwnd) in [("tahoe", 1000), ("reno", 8000), ("newreno", 8000)] {
        let congestion = name.into();
        let (initial_window, initial_ssthresh) = (1, 65_536);
        let mut s =
            opened(TcpConfig { congestion, initial_window, initial_ssthresh, ..plain_config() });
        s.send(60_000);
        assert_eq!(windows(&s), (1000, 65_536));
        // Slow start: 1, 2, 4, 8, 16 segments.
        for window in [1, 2, 4, 8] {
            let (sent, end) = drain(&mut s);
            assert_eq!(sent, window, "{name}");
            s.put(A, 1, end, &[]);
        }
        assert_eq!(drain(&mut s), (16, 31_001), "{name}");
        assert_eq!(windows(&s), (16_000, 65_536));
        // 15001 is lost: two duplicates let two more segments out (RFC 3042), the third is enough.
        for _ in 0..3 {
            s.put(A, 1, 15_001, &[]);
        }
        let mut again = Vec::new();
        while let Some(got) = s.get() {
            again.push(got.header.seq.wrapping_sub(s.ours));
        }
        assert!(again.contains(&15_001), "{name} {again:?}");
        let (now, ssthresh) = windows(&s);
        assert!((8000..=9000).contains(&ssthresh), "{name} {ssthresh}");
        assert_eq!(now, if name == "tahoe" { cwnd } else { ssthresh }, "{name}");
        // Tahoe takes everything for lost and starts over from there.
        s.put(A, 1, 16_001, &[]);
        if name == "tahoe" {
            s.expect(A, 16_001, 1, 1000);
            s.expect(A, 17_001, 1, 1000);
            s.expect_nothing();
            assert_eq!(windows(&s).0, 2000);
        }
    }
}

/// RFC 5681 3.1: one segment after the handshake if the SYN was lost; as on Linux at the second
/// loss only.
#[test]
fn a_lost_syn_is_a_lost_segment() {
    for lost in 0..3 {
        let mut s = Script::with(plain_config());
        s.connect(TcpOptions::default());
        for _ in 0..lost {
            s.until_sent();
        }
        s.put_with(S.with(A), 0, 1, &[], Options { mss: Some(1000), ..Options::default() });
        s.get();
        assert_eq!(windows(&s).0, if lost > 1 { 1000 } else { 10_000 }, "{lost} lost");
    }
}

/// `TCP_CONGESTION` in the middle: the next algorithm goes on with the windows that are there.
#[test]
fn another_algorithm_takes_the_windows_over() {
    for name in NAMES {
        let mut s = opened(TcpConfig { congestion: "reno".into(), ..plain_config() });
        s.send(60_000);
        let (_, end) = drain(&mut s);
        s.put(A, 1, end, &[]);
        let before = windows(&s);
        assert_eq!(before.0, 20_000);
        s.options(|o| o.congestion = name.into());
        assert_eq!(s.tcp.info(s.now, s.id()).unwrap().congestion, name);
        assert_eq!(windows(&s), before, "{name}");
        assert_eq!(drain(&mut s).0, if name == "bbr" { 1 } else { 20 }, "{name}");
    }
}
