//! Segments that should not have come, and what Linux answers to them. Each case was played by
//! packetdrill on Linux 6.18 too.
use super::script::*;
use crate::base::NetError;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

/// A connection in TIME-WAIT; both next numbers are 2. Answers are a second ago.
fn resting() -> Script {
    let mut s = Script::plain().open_with(sack());
    s.close();
    s.expect(F.with(A), 1, 1, 0);
    s.put(F.with(A), 1, 2, &[]);
    s.expect(A, 2, 2, 0);
    s.expect_state(State::TimeWait);
    s.pass_ms(1_000);
    s
}

fn sack() -> Options {
    Options { mss: Some(1000), sack_permitted: true, ..Options::default() }
}

/// RFC 9293 3.10.7.4, as Linux `tcp_timewait_state_process`: in TIME-WAIT only the next bare ACK
/// is not answered, whatever it acknowledges.
#[test]
fn time_wait_answers_all_but_the_next_bare_ack() {
    for (flags, seq, ack, data) in [
        (A, 12, 2, &b""[..]),
        (P.with(A), 2, 2, b"data"),
        (P, 2, 0, b"no ack"),
        (F.with(A), 1, 2, b""),
        (P.with(A), 500, 2, b"far"),
        (S.with(A), 2, 2, b""),
        (S, 0, 0, b""),
    ] {
        let mut s = resting();
        s.put(flags, seq, ack, data);
        let answer = s.expect(A, 2, 2, 0);
        assert_eq!(answer.header.options.sack_len, 0, "no D-SACK: nothing is kept");
        s.expect_nothing();
        s.expect_state(State::TimeWait);
    }
    for ack in [2, 5_000] {
        let mut s = resting();
        s.put(A, 2, ack, &[]);
        s.expect_nothing();
        s.expect_state(State::TimeWait);
    }
}

/// What comes in TIME-WAIT makes it begin again, but for an old SYN, which may be that of a new
/// connection.
#[test]
fn time_wait_begins_again_with_each_ack() {
    for (flags, ack, longer) in [(A, 2, true), (F.with(A), 2, true), (S, 0, false)] {
        let mut s = resting();
        let rest = TcpConfig::default().time_wait - Duration::from_millis(1_000);
        s.pass_ms(10_000);
        s.put(flags, 1, ack, &[]);
        s.get();
        s.pass(rest - Duration::from_millis(10_000));
        let expected = if longer { State::TimeWait } else { State::Closed };
        assert_eq!(s.status().state, expected, "{flags:?}");
    }
}

/// RFC 5961 3.2, extended by Linux: a reset at the end of what has arrived out of order is as good
/// as one at RCV.NXT; one at the end of another range is challenged.
#[test]
fn a_reset_at_the_edge_of_sack_resets() {
    let mut s = Script::plain().open_with(sack());
    s.put(A, 1001, 1, &[0; 1000]);
    s.expect(A, 1, 1, 0);
    s.put(A, 3001, 1, &[0; 1000]);
    s.expect(A, 1, 1, 0);
    s.put(R, 2001, 0, &[]);
    s.expect(A, 1, 1, 0);
    s.expect_state(State::Established);
    s.put(R, 4001, 0, &[]);
    s.expect_nothing();
    assert_eq!(s.status().error, Some(NetError::Reset));
    // Without SACK the peer cannot know that edge.
    let mut s = Script::established();
    s.put(A, 1001, 1, &[0; 1000]);
    s.expect(A, 1, 1, 0);
    s.put(R, 2001, 0, &[]);
    s.expect(A, 1, 1, 0);
    s.expect_state(State::Established);
}

/// RFC 5961 5.2, with Linux's bound: an ACK further back than what was ever sent is challenged, and
/// what comes with it is not taken.
#[test]
fn data_with_an_ack_of_bytes_never_sent_is_dropped() {
    for ack in [0xffff_fff0_u32, 0xffff_0000, 2, 5_000] {
        let mut s = Script::established();
        s.put(P.with(A), 1, ack, b"injected");
        s.expect(A, 1, 1, 0);
        assert_eq!(s.status().readable, 0, "{ack}");
        assert_eq!(s.count("challenge_acks_out"), 1);
        s.expect_state(State::Established);
    }
    // What was acknowledged may be acknowledged again.
    let mut s = Script::established();
    s.send(1000);
    s.expect(P.with(A), 1, 1, 1000);
    s.put(A, 1, 1001, &[]);
    s.put(P.with(A), 1, 1, b"late");
    assert_eq!(s.status().readable, 4);
}

/// RFC 9293 3.5.1: an ACK of something else answers our SYN: the peer has an old connection. It is
/// reset, and the SYN is repeated at once; the next ones go every second.
#[test]
fn a_bad_ack_in_syn_sent_is_reset_and_the_syn_repeated() {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    s.pass_ms(20);
    s.put(A, 1000, 5000, &[]);
    s.expect(R, 5000, 0, 0);
    s.expect_nothing();
    let (ms, syn) = s.until_sent();
    assert_eq!((ms, syn.header.flags, syn.header.seq), (2, S, s.ours));
    // Not again: the answer to that one may be on its way.
    s.put(A, 1000, 5000, &[]);
    s.expect(R, 5000, 0, 0);
    let (ms, syn) = s.until_sent();
    assert_eq!((ms, syn.header.flags), (1_000, S));
    // A reset is never answered, and repeats nothing.
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    s.put(R.with(A), 1000, 5000, &[]);
    s.expect_nothing();
    assert_eq!(s.until_sent().0, 1_000);
}

/// Two SYNs have crossed.
fn crossed() -> Script {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    s.put_with(S, 0, 0, &[], sack());
    s.expect(S.with(A), 0, 1, 0);
    s.expect_state(State::SynReceived);
    s
}

/// RFC 9293 3.10.4: a program that goes while SYNs cross sends its FIN at once, as on Linux; one
/// that only shuts its side waits for the handshake.
#[test]
fn a_simultaneous_open_that_is_closed() {
    let mut s = crossed();
    s.release();
    s.expect(F.with(A), 1, 1, 0);
    s.put(A, 1, 2, &[]);
    s.expect_nothing();
    s.put(F.with(A), 1, 2, &[]);
    s.expect(A, 2, 2, 0);
    let mut s = crossed();
    s.close();
    s.expect_nothing();
    s.put(A, 1, 1, &[]);
    s.expect(F.with(A), 1, 1, 0);
    s.expect_state(State::FinWait1);
}

/// RFC 5961 4.2: the peer's SYN again, after both have crossed, is challenged; with the ACK of ours
/// it opens (RFC 9293 figure 8).
#[test]
fn the_syn_again_after_syns_have_crossed() {
    let mut s = crossed();
    s.put_with(S, 0, 0, &[], sack());
    s.expect(A, 1, 1, 0);
    s.expect_state(State::SynReceived);
    s.put_with(S.with(A), 0, 1, &[], sack());
    s.expect(A, 1, 1, 0);
    s.expect_state(State::Established);
}

/// The FIN of such a program is repeated if it is lost, and so is the SYN-ACK before it.
#[test]
fn the_fin_of_a_simultaneous_open_is_repeated() {
    let mut s = crossed();
    s.release();
    s.expect(F.with(A), 1, 1, 0);
    assert_eq!(s.until_sent().1.header.flags, S.with(A));
    s.put(A, 1, 1, &[]);
    let (_, fin) = s.until_sent();
    assert_eq!((fin.header.flags, fin.header.seq), (F.with(A), s.ours.wrapping_add(1)));
    s.put(A, 1, 2, &[]);
    s.expect_nothing();
}

/// RFC 2883 4: one segment, one ACK with one block, also if it covers data that was delivered and
/// data that waits behind a gap (Linux `tcp_dsack_extend`).
#[test]
fn one_ack_for_a_segment_over_delivered_and_queued_data() {
    let mut s = Script::plain().open_with(sack());
    s.put(A, 1, 1, &[0; 1000]);
    s.expect(A, 1, 1001, 0);
    s.put(A, 2001, 1, &[0; 1000]);
    s.expect(A, 1, 1001, 0);
    s.put(A, 501, 1, &[0; 3000]);
    let ack = s.expect(A, 1, 3501, 0).header;
    let block = |left: u32, right: u32| (THEIRS.wrapping_add(left), THEIRS.wrapping_add(right));
    assert_eq!(ack.options.sack_blocks(), [block(501, 1001)]);
    s.expect_nothing();
    // Two segments have two.
    s.put(A, 1, 1, &[0; 100]);
    s.put(A, 201, 1, &[0; 100]);
    let blocks: Vec<_> = std::iter::from_fn(|| s.get())
        .flat_map(|got| got.header.options.sack_blocks().to_vec())
        .collect();
    assert_eq!(blocks, [block(1, 101), block(201, 301)]);
    // Also where the second brings something new.
    s.put(A, 1, 1, &[0; 100]);
    s.put(A, 3401, 1, &[0; 200]);
    let blocks: Vec<_> = std::iter::from_fn(|| s.get())
        .flat_map(|got| got.header.options.sack_blocks().to_vec())
        .collect();
    assert_eq!(blocks, [block(1, 101), block(3401, 3501)]);
}

/// As on Linux: a FIN needs no room in the window; data in front of it does.
#[test]
fn a_fin_into_a_closed_window() {
    let full = || {
        let mut s = Script::established();
        s.options(|o| o.receive_buffer = 2_000);
        while s.get().is_some() {}
        let mut next = 1;
        while s.status().readable < 65_000 {
            s.put(A, next, 1, &[0; 1000]);
            next += 1000;
            s.pass_ms(50);
            while s.get().is_some() {}
        }
        let left = 65_000 - (next - 1);
        assert_eq!(left, 0, "the window that was offered at first is full");
        (s, next)
    };
    let (mut s, next) = full();
    s.put(F.with(A), next, 1, &[]);
    s.expect(A, 1, next + 1, 0);
    s.expect_state(State::CloseWait);
    let (mut s, next) = full();
    s.put(F.with(A), next, 1, b"x");
    s.expect(A, 1, next, 0);
    s.expect_state(State::Established);
}
