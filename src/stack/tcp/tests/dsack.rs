//! D-SACK (RFC 2883): what arrived twice is reported, and what such reports are good for.
use super::script::*;
use crate::wire::tcp::Options;

fn with_sack() -> Options {
    Options { mss: Some(1000), sack_permitted: true, ..Options::default() }
}

/// Bytes 1 to 40 of the peer are here.
fn forty() -> Script {
    let mut s = Script::plain().open_with(with_sack());
    s.put(A, 1, 1, &[1; 40]);
    s.expect(A, 1, 41, 0);
    s
}

fn block(left: u32, right: u32) -> (u32, u32) {
    (THEIRS.wrapping_add(left), THEIRS.wrapping_add(right))
}

#[track_caller]
fn expect_blocks(s: &mut Script, ack: u32, blocks: &[(u32, u32)]) {
    let got = s.expect(A, 1, ack, 0);
    let want: Vec<_> = blocks.iter().map(|b| block(b.0, b.1)).collect();
    assert_eq!(got.header.options.sack_blocks(), want);
}

/// RFC 2883 4.1.1: what is before the cumulative acknowledgment, once.
#[test]
fn a_duplicate_segment_is_reported_once() {
    let mut s = forty();
    s.put(A, 11, 1, &[1; 10]);
    expect_blocks(&mut s, 41, &[(11, 21)]);
    s.expect_nothing();
    s.put(A, 61, 1, &[1; 10]);
    expect_blocks(&mut s, 41, &[(61, 71)]);
}

/// RFC 2883 4.1.2: behind it stand the ranges beyond the gap.
#[test]
fn a_duplicate_segment_while_there_is_a_gap() {
    let mut s = forty();
    s.put(A, 61, 1, &[1; 10]);
    expect_blocks(&mut s, 41, &[(61, 71)]);
    s.put(A, 1, 1, &[1; 40]);
    expect_blocks(&mut s, 41, &[(1, 41), (61, 71)]);
}

/// RFC 2883 4.1.3: of data that is out of order, followed by the range that holds it.
#[test]
fn a_duplicate_beyond_the_gap() {
    let mut s = forty();
    s.put(A, 61, 1, &[1; 30]);
    expect_blocks(&mut s, 41, &[(61, 91)]);
    s.put(A, 101, 1, &[1; 10]);
    expect_blocks(&mut s, 41, &[(101, 111), (61, 91)]);
    s.put(A, 71, 1, &[1; 10]);
    expect_blocks(&mut s, 41, &[(71, 81), (61, 91), (101, 111)]);
}

/// RFC 2883 4.2: the part that was here, of segments that bring something new as well.
#[test]
fn partial_duplicates() {
    let mut s = forty();
    s.put(A, 31, 1, &[1; 20]);
    expect_blocks(&mut s, 51, &[(31, 41)]);
    s.put(A, 61, 1, &[1; 10]);
    expect_blocks(&mut s, 51, &[(61, 71)]);
    s.put(A, 66, 1, &[1; 10]);
    expect_blocks(&mut s, 51, &[(66, 71), (61, 76)]);
    // The gap is filled, and more than that.
    s.put(A, 51, 1, &[1; 15]);
    expect_blocks(&mut s, 76, &[(61, 66)]);
    assert_eq!(s.read(), [1; 75]);
}

/// RFC 2883 4: several at once: an ACK for each, neighbours in one, and no more than a few.
#[test]
fn duplicates_that_wait_are_not_forgotten() {
    let mut s = forty();
    for seq in [1, 11, 31, 5] {
        s.put(A, seq, 1, &[1; 5]);
    }
    for left in [1, 11, 31, 5] {
        expect_blocks(&mut s, 41, &[(left, left + 5)]);
    }
    s.put(A, 1, 1, &[1; 5]);
    s.put(A, 6, 1, &[1; 5]);
    expect_blocks(&mut s, 41, &[(1, 11)]);
    s.expect_nothing();
    for _ in 0..100 {
        s.put(A, 1, 1, &[1; 2]);
        s.put(A, 21, 1, &[1; 2]);
    }
    let mut answers = 0;
    while s.get().is_some() {
        answers += 1;
    }
    assert_eq!(answers, 8);
}

/// Not on data: a link that cuts segments would repeat it.
#[test]
fn reports_go_in_bare_acks() {
    let mut s = forty();
    s.put(A, 1, 1, &[1; 40]);
    s.send(5);
    let got = s.expect(P.with(A), 1, 41, 5);
    assert_eq!(got.header.options.sack_blocks(), []);
    let got = s.expect(A, 6, 41, 0);
    assert_eq!(got.header.options.sack_blocks(), [block(1, 41)]);
}

/// RFC 7323 5.3: what PAWS drops is answered, and reported like any other.
#[test]
fn old_timestamps() {
    let mut s = Script::with(crate::stack::tcp::TcpConfig::default());
    s.stamp = Some(5_000);
    let mut s = s.open_with(with_sack());
    s.stamp = Some(6_000);
    s.put(A, 1, 1, &[1; 40]);
    expect_blocks(&mut s, 41, &[]);
    s.stamp = Some(5_500);
    s.put(A, 1, 1, &[1; 40]);
    expect_blocks(&mut s, 41, &[(1, 41)]);
    assert_eq!(s.count("drop_paws"), 1);
}

/// Without SACK there is no option to report in.
#[test]
fn without_sack_nothing_is_reported() {
    let mut s = Script::established();
    s.put(A, 1, 1, &[1; 40]);
    s.expect(A, 1, 41, 0);
    s.put(A, 1, 1, &[1; 40]);
    expect_blocks(&mut s, 41, &[]);
    s.expect_nothing();
}
