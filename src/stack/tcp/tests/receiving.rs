//! What arrives: acceptability, order, windows, ACKs owed, PAWS, blind attacks.
use super::script::*;
use crate::base::{Instant, time::Duration};
use crate::stack::tcp::*;
use crate::wire::tcp::{Flags, Options};

/// RFC 5681 4.2: one at once for each out-of-order segment, and when a gap is filled.
#[test]
fn out_of_order_data_is_kept_and_acknowledged_at_once() {
    let mut s = settled();
    s.put(A, 164, 1, b"def");
    s.put(A, 167, 1, b"ghi");
    s.put(A, 173, 1, b"mno");
    for _ in 0..3 {
        s.expect(A, 1, 161, 0);
    }
    s.expect_nothing();
    assert_eq!(s.status().readable, 0);
    s.put(A, 161, 1, b"abc");
    s.expect(A, 1, 170, 0);
    assert_eq!(s.read(), b"abcdefghi");
    // Overlap on both sides.
    s.put(A, 168, 1, b"hijklmno");
    s.expect(A, 1, 176, 0);
    assert_eq!(s.read(), b"jklmno");
}

/// RFC 2018 4.
/// RFC 2018 3: the option.
#[test]
fn sack_blocks_report_what_is_beyond_the_gap() {
    let o = Options { mss: Some(1000), sack_permitted: true, ..Options::default() };
    let mut s = Script::plain().open_with(o);
    let block = |l: u32, r: u32| (THEIRS.wrapping_add(l), THEIRS.wrapping_add(r));
    s.put(A, 11, 1, &[1; 10]);
    assert_eq!(s.expect(A, 1, 1, 0).header.options.sack_blocks(), [block(11, 21)]);
    s.put(A, 31, 1, &[1; 10]);
    let got = s.expect(A, 1, 1, 0);
    assert_eq!(got.header.options.sack_blocks(), [block(31, 41), block(11, 21)]);
    s.put(A, 1, 1, &[1; 10]);
    assert_eq!(s.expect(A, 1, 21, 0).header.options.sack_blocks(), [block(31, 41)]);
    s.put(A, 21, 1, &[1; 10]);
    assert_eq!(s.expect(A, 1, 41, 0).header.options.sack_blocks(), []);
    assert_eq!(s.read(), [1; 40]);
}

/// RFC 9293 3.10.7.4, first: what is not acceptable is answered by an ACK.
#[test]
fn unacceptable_segments() {
    let mut s = settled();
    s.put(A, 1, 1, &[0; 10]);
    s.expect(A, 1, 161, 0);
    s.put(A, 200_000, 1, &[0; 10]);
    s.expect(A, 1, 161, 0);
    // Without data only now and then: two ends that answer each other would never stop.
    s.pass_ms(500);
    s.put(A, 160, 1, &[]);
    s.expect(A, 1, 161, 0);
    s.put(A, 160, 1, &[]);
    s.expect_nothing();
    s.pass_ms(500);
    s.put(A, 160, 1, &[]);
    s.expect(A, 1, 161, 0);
    // Without ACK nothing is taken.
    s.put(Flags(0), 161, 0, b"x");
    s.expect_nothing();
    assert_eq!(s.count("drop_without_ack"), 1);
}

/// RFC 5961 4.2 and 5.2, with the limit of section 7.
/// RFC 5961 7: and not too often.
#[test]
fn blind_syns_and_acks_are_challenged() {
    for (flags, seq, ack) in [(S, 161, 0), (S, 9999, 0), (S.with(A), 161, 1), (A, 161, 2)] {
        let mut s = settled();
        s.put(flags, seq, ack, b"x");
        s.expect(A, 1, 161, 0);
        s.put(flags, seq, ack, b"x");
        s.expect_nothing();
        s.expect_state(State::Established);
        assert_eq!(s.status().readable, 0);
    }
    let mut s = settled();
    // Older than the largest window ever offered.
    s.put(A, 161, 0u32.wrapping_sub(60_000), b"x");
    s.expect(A, 1, 161, 0);
    assert_eq!(s.status().readable, 0);
    // An old but possible ACK: the data counts.
    s.put(A, 161, 0, b"x");
    assert_eq!(s.status().readable, 1);
}

/// RFC 7323 5.3: an old timestamp drops the segment, but not a reset.
/// RFC 7323 5.3 and 5.5: PAWS, and its end after 24 days of silence.
#[test]
fn paws_drops_what_is_older_than_the_last_timestamp() {
    let mut s = Script::with(TcpConfig { window_scaling: false, ..TcpConfig::default() });
    s.stamp = Some(5_000);
    let mut s = s.open();
    s.stamp = Some(6_000);
    s.put(A, 1, 1, b"a");
    assert_eq!(s.expect(A, 1, 2, 0).header.options.timestamps.unwrap().1, 6_000);
    s.stamp = Some(5_999);
    s.put(A, 2, 1, b"b");
    s.expect(A, 1, 2, 0);
    assert_eq!(s.count("drop_paws"), 1);
    // Resets are not subject to it.
    s.put(R, 2, 0, &[]);
    s.expect_state(State::Closed);
}

/// RFC 7323 5.5: after 24 days of silence the last timestamp is not to be believed any more.
#[test]
fn paws_ends_after_24_days() {
    let mut s = Script::with(TcpConfig { window_scaling: false, ..TcpConfig::default() });
    s.stamp = Some(5_000);
    let mut s = s.open();
    for (days, taken) in [(23, false), (25, true)] {
        s.stamp = Some(4_000);
        s.now = s.now + Duration::from_secs(days * 24 * 3600);
        s.put(A, 1, 1, b"a");
        s.expect(A, 1, 1 + u32::from(taken), 0);
    }
}

/// RFC 7323 4.3: a segment beyond a gap does not set TS.Recent.
#[test]
fn the_echoed_timestamp_is_of_the_segment_that_is_acknowledged() {
    let mut s = Script::with(TcpConfig { window_scaling: false, ..TcpConfig::default() });
    s.stamp = Some(10);
    let mut s = s.open();
    s.stamp = Some(30);
    s.put(A, 5, 1, b"efgh");
    assert_eq!(s.expect(A, 1, 1, 0).header.options.timestamps.unwrap().1, 10);
    s.stamp = Some(20);
    s.put(A, 1, 1, b"abcd");
    assert_eq!(s.expect(A, 1, 9, 0).header.options.timestamps.unwrap().1, 20);
}

/// The number of separate ranges is limited; what does not fit comes again.
#[test]
fn too_many_gaps() {
    let mut s = Script::established();
    for i in 0..100 {
        s.put(A, 10 + i * 2, 1, b"x");
    }
    while s.get().is_some() {}
    assert_eq!(s.count("drop_out_of_order_full"), 36);
    s.put(A, 1, 1, &[0; 300]);
    assert_eq!(s.read().len(), 300);
    assert_eq!(s.now, Instant::from_millis(1_000_000));
}

/// Linux `tcp_grow_window`: data behind a gap, which nobody can read yet, lets the window grow, up
/// to what the first buffer takes; but not without SACK, nor beyond what the program has set.
#[test]
fn the_window_grows_on_data_behind_a_gap() {
    let edge = |receive_buffer: u32, sack_permitted: bool| {
        let mut s = Script::with(TcpConfig { window_scaling: true, ..plain_config() });
        s.path.mtu = 1500;
        s.connect(TcpOptions { receive_buffer, ..TcpOptions::default() });
        let (mss, window_shift) = (Some(1460), Some(7));
        let options = Options { mss, window_shift, sack_permitted, ..Options::default() };
        s.put_with(S.with(A), 0, 1, &[], options);
        s.get().expect("an ACK");
        let mut windows = Vec::new();
        for seq in [2001, 11_001, 21_001] {
            s.put(A, seq, 1, &[0; 9000]);
            let info = s.tcp.info(s.now, s.id()).unwrap();
            let got = s.get().expect("an ACK").header;
            windows.push(u32::from(got.window) << info.rcv_wscale);
        }
        windows
    };
    let grown = edge(0, true);
    assert!(grown[0] > 80_000 && grown[0] <= 83_500, "{grown:?}");
    assert_eq!(grown[1..], [grown[0]; 2]);
    assert!(edge(0, false).iter().all(|window| *window <= 65_536));
    assert!(edge(30_000, true).iter().all(|window| *window <= 30_000));
}
