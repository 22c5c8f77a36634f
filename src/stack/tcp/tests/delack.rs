//! When data is acknowledged.
use super::script::*;
use crate::wire::tcp::Options;

/// RFC 9293 3.8.6.3 (SHLD-18, MUST-40), RFC 1122 4.2.3.2: after the first sixteen an ACK waits for
/// a second full segment, or 40 ms.
#[test]
fn every_second_full_segment_or_after_40_ms() {
    let mut s = settled();
    s.put(A, 161, 1, &[0; 1000]);
    s.expect_nothing();
    s.read();
    s.expect_nothing();
    s.put(A, 1161, 1, &[0; 1000]);
    s.read();
    s.expect(A, 1, 2161, 0);
    s.put(A, 2161, 1, &[0; 1000]);
    s.read();
    let (ms, _) = s.until_sent();
    assert_eq!(ms, 40);
}

/// RFC 1122 4.2.3.2: in a stream of full segments every second one is acknowledged at once.
#[test]
fn a_stream_is_acknowledged_by_halves() {
    let mut s = settled();
    for pair in 0..20 {
        let at = 161 + 2000 * pair;
        s.put(A, at, 1, &[0; 1000]);
        s.read();
        s.expect_nothing();
        s.put(A, at + 1000, 1, &[0; 1000]);
        s.read();
        s.expect(A, 1, at + 2000, 0);
        s.pass_ms(1);
    }
}

/// RFC 9293 3.8.6.3 (SHLD-18), RFC 5681 4.2: of a burst, too, every second full segment is
/// acknowledged, if it is read at once; what has been merged on its way counts as one, and data
/// that leaves acknowledges all.
#[test]
fn a_burst_has_its_acks() {
    let mut s = settled();
    let burst = |s: &mut Script, at: u32, count: u32, len: usize| {
        s.pass_ms(1);
        for i in 0..count {
            s.put(A, at + i * len as u32, 1, &vec![0; len]);
        }
        s.read();
    };
    burst(&mut s, 161, 7, 1000);
    let edges =
        [2161, 4161, 6161, 7161].map(|ack| ack + u32::from(s.expect(A, 1, ack, 0).header.window));
    assert!(edges.is_sorted(), "{edges:?}");
    s.expect_nothing();
    burst(&mut s, 7161, 2, 5000);
    s.expect(A, 1, 17_161, 0);
    s.expect_nothing();
    burst(&mut s, 17_161, 6, 1000);
    s.send(5);
    s.expect(P.with(A), 1, 23_161, 5);
    s.expect_nothing();
}

/// RFC 9293 3.8.6.3 (SHLD-18), RFC 2018 4: what came before a gap is acknowledged as if the gap was
/// not known yet; then the selective acknowledgment tells of it.
#[test]
fn a_burst_with_a_gap_has_its_acks() {
    let options = Options { mss: Some(1000), sack_permitted: true, ..Options::default() };
    let mut s = Script::plain().open_with(options);
    for at in [0, 1, 2, 3, 4, 6, 7] {
        s.put(A, 1 + at * 1000, 1, &[0; 1000]);
    }
    s.read();
    assert_eq!(s.expect(A, 1, 2001, 0).header.options, Options::default());
    assert_eq!(s.expect(A, 1, 4001, 0).header.options, Options::default());
    let last = s.expect(A, 1, 5001, 0).header.options;
    assert_eq!(last.sack_blocks().len(), 1);
    s.expect_nothing();
}

/// RFC 9293 3.8.6.3: an ACK rides on data that leaves meanwhile.
#[test]
fn an_ack_rides_on_data() {
    let mut s = settled();
    s.put(A, 161, 1, &[0; 10]);
    s.send(5);
    s.expect(P.with(A), 1, 171, 5);
    s.pass_ms(50);
    s.expect_nothing();
}

/// RFC 9293 3.8.6.3: as long as the reader leaves what it has got, the window cannot follow, and an
/// ACK tells little; its reading sends it (Linux `__tcp_ack_snd_check`).
#[test]
fn while_nobody_reads_acks_wait_for_the_reader() {
    let mut s = settled();
    s.put(A, 161, 1, &[0; 1000]);
    s.put(A, 1161, 1, &[0; 1000]);
    s.expect_nothing();
    s.read();
    s.expect(A, 1, 2161, 0);
}

/// RFC 9293 3.8.6.3: what was pushed and has been read is acknowledged at once, unless an answer is
/// to be expected (Linux `tcp_cleanup_rbuf`).
#[test]
fn a_push_that_was_read_is_acknowledged_unless_answers_are_usual() {
    let mut s = settled();
    s.put(P.with(A), 161, 1, &[0; 10]);
    s.expect_nothing();
    s.read();
    s.expect(A, 1, 171, 0);
    // An answer within 40 ms: from now on ACKs wait for the next one.
    s.put(P.with(A), 171, 1, &[0; 10]);
    s.send(5);
    s.expect(P.with(A), 1, 181, 5);
    s.put(P.with(A), 181, 6, &[0; 10]);
    s.read();
    s.expect_nothing();
    // There was none: it was not that kind of exchange.
    let (ms, _) = s.until_sent();
    assert_eq!(ms, 40);
    s.put(P.with(A), 191, 6, &[0; 10]);
    s.read();
    s.expect(A, 6, 201, 0);
}

/// RFC 9293 3.8.6.3, RFC 1122 4.2.3.2: the wait follows the pace of arrivals, doubled when it was
/// too short, up to 200 ms (the RFCs allow less than 500) but no more than a round trip (Linux
/// `tcp_send_delayed_ack`).
#[test]
fn the_wait_follows_the_pace_of_arrivals() {
    let mut s = settled();
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().ato_us, 40_000);
    // A round trip of 150 ms.
    for i in 0..40 {
        s.send(10);
        s.expect(P.with(A), 1 + 10 * i, 161, 10);
        s.pass_ms(150);
        s.put(A, 161, 11 + 10 * i, &[]);
    }
    // The ACKs that the pause has made quick.
    for _ in 0..17 {
        s.put(A, s.theirs, 401, &[0; 10]);
        s.theirs += 10;
        s.until_sent();
        s.pass_ms(60);
    }
    let mut waits = Vec::new();
    for _ in 0..4 {
        s.put(A, s.theirs, 401, &[0; 10]);
        s.theirs += 10;
        waits.push(s.until_sent().0);
        s.pass_ms(60);
    }
    assert!((40..=80).contains(&waits[0]), "{waits:?}");
    assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
    assert!((100..=200).contains(&waits[3]), "{waits:?}");
    // Segments close to each other bring it down again.
    for _ in 0..12 {
        s.put(A, s.theirs, 401, &[0; 1]);
        s.theirs += 1;
        s.pass_ms(1);
        while s.get().is_some() {}
    }
    let ato = s.tcp.info(s.now, s.id()).unwrap().ato_us;
    assert!(ato <= 45_000, "{ato}");
}

/// RFC 5681 4.2: after a pause of more than a timeout the sender is in slow start again, and every
/// segment is acknowledged at once for a while.
#[test]
fn after_a_long_pause_acks_are_quick_again() {
    let mut s = settled();
    s.put(A, 161, 1, &[0; 10]);
    assert_eq!(s.until_sent().0, 40);
    s.pass_ms(3_000);
    for i in 0..16 {
        s.put(A, 171 + 10 * i, 1, &[0; 10]);
        s.expect(A, 1, 181 + 10 * i, 0);
    }
    s.put(A, 331, 1, &[0; 10]);
    s.expect_nothing();
}

/// RFC 5681 4.2: old data that comes again says that the sender has timed out: quick ACKs.
#[test]
fn old_data_makes_acks_quick() {
    let mut s = settled();
    s.put(A, 151, 1, &[0; 10]);
    s.expect(A, 1, 161, 0);
    for i in 0..15 {
        s.put(A, 161 + 10 * i, 1, &[0; 10]);
        s.expect(A, 1, 171 + 10 * i, 0);
    }
}

/// tcp(7) `TCP_QUICKACK` (RFC 9293 3.8.6.3): 1 lets go of what is held back and ends the waiting
/// for answers, 0 begins it; neither is for ever.
#[test]
fn quickack() {
    let mut s = settled();
    let set = |s: &mut Script, value| s.tcp.set_quickack(s.now, s.id(), value);
    assert_eq!(s.tcp.quickack(s.id()), Some(true));
    s.put(P.with(A), 161, 1, &[0; 10]);
    s.expect_nothing();
    set(&mut s, 1);
    s.expect(A, 1, 171, 0);
    set(&mut s, 0);
    assert_eq!(s.tcp.quickack(s.id()), Some(false));
    s.put(P.with(A), 171, 1, &[0; 10]);
    s.read();
    s.expect_nothing();
    // Even: this one now, and then as before.
    set(&mut s, 2);
    s.expect(A, 1, 181, 0);
    assert_eq!(s.tcp.quickack(s.id()), Some(false));
    // An ACK that nothing carried ends it.
    s.put(P.with(A), 181, 1, &[0; 10]);
    s.read();
    s.until_sent();
    assert_eq!(s.tcp.quickack(s.id()), Some(true));
    // From the start: not even the first ACKs are quick.
    let mut s = Script::established();
    set(&mut s, 0);
    s.put(A, 1, 1, &[0; 10]);
    s.expect_nothing();
}
