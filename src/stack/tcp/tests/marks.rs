//! `MSG_MORE` and `MSG_EOR`: what programs say of the bytes that they write.
use super::script::*;
use crate::wire::tcp::Options;

/// RFC 9293 3.9.1.2: `MSG_MORE` holds what is no full segment until more comes, `TCP_NODELAY` or
/// not; what has more behind it is not pushed (Linux tcp_push).
#[test]
fn more_waits_for_more() {
    let mut s = Script::established();
    s.options(|o| o.nodelay = true);
    s.send_marked(100, true, false);
    s.send_marked(160, true, false);
    s.expect_nothing();
    s.send(5);
    s.expect(A.with(P), 1, 1, 265);
    s.put(A, 1, 266, &[]);
    // Full segments go at once, the rest when the peer speaks.
    s.send_marked(3100, true, false);
    for i in 0..3 {
        s.expect(A, 266 + i * 1000, 1, 1000);
    }
    s.expect_nothing();
    s.put(A, 1, 2266, &[]);
    s.expect(A, 3266, 1, 100);
    s.put(A, 1, 3366, &[]);
    // Nothing is in flight and nothing comes: a timeout later it goes as if it was all.
    s.send_marked(7, true, false);
    let (ms, got) = s.until_sent();
    assert_eq!((got.header.flags, got.payload.len()), (A.with(P), 7));
    assert!((200..=210).contains(&ms), "{ms}");
}

/// `TCP_NODELAY`, set anew, lets it go (tcp(7)), and so does the end.
#[test]
fn what_more_holds_is_let_go() {
    let mut s = Script::established();
    s.send_marked(40, true, false);
    s.expect_nothing();
    s.options(|o| o.nodelay = true);
    let (now, id) = (s.now, s.id());
    s.tcp.push(now, id);
    s.expect(A, 1, 1, 40);
    s.send_marked(40, true, false);
    s.expect_nothing();
    s.close();
    s.expect(A.with(F), 41, 1, 40);
}

/// send(2), `MSG_EOR`: no segment goes over the end of a record, when it is sent and when it is
/// sent again; each end is pushed.
#[test]
fn records_are_not_joined() {
    let options = Options { mss: Some(1000), sack_permitted: true, ..Options::default() };
    let mut s = Script::plain();
    s.path.tso_max = 65_535;
    let mut s = s.open_with(options);
    s.send(10_400);
    for _ in 0..3 {
        s.send_marked(400, false, true);
    }
    s.send(2000);
    s.expect(A.with(P), 1, 1, 5_000);
    s.expect(A.with(P), 5_001, 1, 5_000);
    s.put(A, 1, 10_001, &[]);
    s.expect(A.with(P), 10_001, 1, 800);
    s.expect(A.with(P), 10_801, 1, 400);
    s.expect(A.with(P), 11_201, 1, 400);
    s.expect(A.with(P), 11_601, 1, 2000);
    // The two in the middle are lost.
    s.put(A, 1, 10_801, &[]);
    for i in 1..4 {
        let mut sack = Options::default();
        sack.push_sack(s.ours.wrapping_add(11_601), s.ours.wrapping_add(11_601 + i * 600));
        s.put_with(A, 1, 10_801, &[], sack);
    }
    s.pass_ms(2);
    let (_, first) = s.until_sent();
    assert_eq!((first.payload.len(), first.header.flags), (400, A.with(P)));
    let (_, second) = s.until_sent();
    assert_eq!((second.payload.len(), second.header.flags), (400, A.with(P)));
}
