//! Urgent data, both ways.
use super::script::*;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

fn urge(s: &mut Script, len: usize) {
    s.send(len);
    s.tcp.urge(s.now, s.id());
}

/// RFC 9293 3.8.5, RFC 6093 3.1: the pointer is an offset from the segment's own number, to the
/// byte behind the urgent one, and goes with every segment until the peer has acknowledged it.
#[test]
fn every_segment_points_behind_the_urgent_byte_until_it_is_acknowledged() {
    let mut s = Script::established();
    urge(&mut s, 1500);
    // Nor does the tail wait for Nagle.
    let first = s.expect(A.with(U), 1, 1, 1000);
    assert_eq!(first.header.urgent, 1500);
    let second = s.expect(A.with(U).with(P), 1001, 1, 500);
    assert_eq!(second.header.urgent, 500);
    // What follows the urgent byte points to nothing any more.
    s.send(1000);
    assert_eq!(s.expect(A.with(P), 1501, 1, 1000).header.urgent, 0);
    s.put(A, 1, 1001, &[]);
    s.pass_ms(5_000);
    let again = s.expect(A.with(U), 1001, 1, 1000);
    assert_eq!(again.header.urgent, 500);
    s.put(A, 1, 2501, &[]);
    s.send(10);
    s.expect(A.with(P), 2501, 1, 10);
}

/// RFC 9293 3.8.5: a second urgent byte takes the first one's place.
#[test]
fn a_later_urgent_byte_takes_the_place_of_an_earlier_one() {
    let mut s = Script::established();
    s.window = 4;
    s.put(A, 1, 1, &[]);
    urge(&mut s, 3);
    assert_eq!(s.expect(A.with(U).with(P), 1, 1, 3).header.urgent, 3);
    urge(&mut s, 3);
    // Half the window that the peer ever offered is not free: the byte waits, the pointer does not.
    s.put(P.with(A), 1, 1, b"x");
    let ack = s.expect(A.with(U), 4, 2, 0);
    assert_eq!(ack.header.urgent, 3);
}

/// RFC 9293 3.8.5: segments that a link cuts would all carry the first one's pointer; so there are
/// none while something is urgent.
#[test]
fn no_super_segments_while_something_is_urgent() {
    let mut s = Script::plain();
    s.path.tso_max = 60_000;
    let mut s = s.open();
    urge(&mut s, 3000);
    for (seq, pointer) in [(1, 3000), (1001, 2000), (2001, 1000)] {
        let got = s.get().unwrap();
        assert_eq!((got.payload.len(), got.gso_size), (1000, 0));
        assert_eq!(got.header.seq.wrapping_sub(s.ours), seq);
        assert_eq!(got.header.urgent, pointer);
    }
    s.put(A, 1, 3001, &[]);
    s.send(3000);
    assert_eq!(s.get().unwrap().payload.len(), 3000);
}

/// RFC 9293 3.8.5 (MUST-60, MUST-62): beyond the pointer's reach it says "at least so far" in what
/// is last, and the exact place as soon as that can be said.
#[test]
fn a_distant_urgent_byte_is_announced_as_soon_as_the_pointer_reaches_it() {
    let options = Options { mss: Some(1000), window_shift: Some(4), ..Options::default() };
    let config = TcpConfig { window_scaling: true, ..plain_config() };
    let mut s = Script::with(config).open_with(options);
    s.window = 50_000;
    s.put(A, 1, 1, &[]);
    // So far nothing has been acknowledged but the SYN: ten segments are the window.
    urge(&mut s, 65_536);
    let mut at = 1;
    for _ in 0..10 {
        let got = s.expect(A.with(U), at, 1, 1000);
        assert_eq!(u32::from(got.header.urgent), (65_537 - at).min(0xffff));
        at += 1000;
    }
}

/// RFC 9293 3.8.5, 3.8.6.1: into a closed window goes, with each probe, the pointer.
#[test]
fn probes_of_a_closed_window_carry_the_pointer() {
    let mut s = Script::established();
    s.window = 0;
    s.put(A, 1, 1, &[]);
    urge(&mut s, 5);
    s.expect_nothing();
    let (_, probe) = s.until_sent();
    assert_eq!((probe.header.flags, probe.header.urgent), (A.with(U), 5));
    assert_eq!(probe.header.seq.wrapping_sub(s.ours), 1);
    let probe = s.expect(A.with(U), 0, 1, 0);
    assert_eq!(probe.header.urgent, 6);
}

/// RFC 9293 3.10.7.4, sixth: the pointer is heard before the byte, the byte is found where it
/// stands, and what is read is no longer urgent.
#[test]
fn the_peers_urgent_byte_is_found_in_line() {
    let mut s = Script::established();
    s.urgent = 6;
    s.put(A.with(U), 1, 1, b"abc");
    assert_eq!(s.tcp.poll_event(), Some(crate::stack::Event::TcpChanged(s.id())));
    assert_eq!(s.tcp.urgent_ahead(s.id()), Some(5));
    s.urgent = 3;
    s.put(A.with(U), 4, 1, b"de!fg");
    assert_eq!(s.tcp.urgent_ahead(s.id()), Some(5));
    s.tcp.consume(s.now, s.id(), 5);
    assert_eq!(s.tcp.urgent_ahead(s.id()), Some(0));
    assert_eq!(s.tcp.peek(s.id())[0], b"!fg");
    s.tcp.consume(s.now, s.id(), 1);
    assert_eq!(s.tcp.urgent_ahead(s.id()), None);
    // Again: of what has been read nothing is urgent any more.
    s.put(A.with(U), 4, 1, b"de!fg");
    assert_eq!(s.tcp.urgent_ahead(s.id()), None);
}

/// RFC 9293 3.8.5: only a later pointer counts, and one without URG does not.
#[test]
fn an_urgent_pointer_never_goes_back() {
    let mut s = Script::established();
    s.urgent = 9;
    s.put(A.with(U), 1, 1, b"a");
    s.urgent = 3;
    s.put(A.with(U), 2, 1, b"b");
    assert_eq!(s.tcp.urgent_ahead(s.id()), Some(8));
    s.urgent = 50;
    s.put(A, 3, 1, b"c");
    assert_eq!(s.tcp.urgent_ahead(s.id()), Some(8));
    s.urgent = 8;
    s.put(A.with(U), 4, 1, b"d");
    assert_eq!(s.tcp.urgent_ahead(s.id()), Some(10));
    // RFC 6093 3.1: a pointer of 0 can only mean the segment's first byte.
    let mut s = Script::established();
    s.put(A.with(U), 1, 1, b"x");
    assert_eq!(s.tcp.urgent_ahead(s.id()), Some(0));
}

/// RFC 9293 3.10.7.4, sixth: after the peer's FIN nothing can be urgent.
#[test]
fn urgent_data_after_the_end_is_ignored() {
    let mut s = Script::established();
    s.put(A.with(F), 1, 1, b"");
    s.urgent = 10;
    s.put(A.with(U), 2, 1, b"x");
    assert_eq!(s.tcp.urgent_ahead(s.id()), None);
    s.expect_state(State::CloseWait);
}
