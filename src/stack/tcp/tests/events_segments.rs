//! RFC 9293 3.10.7, SEGMENT ARRIVES, step by step in every state.
//! [`events_calls`](super::events_calls) has the other events; LISTEN, and SYN-RECEIVED of what
//! came through it, are in `half_open` and `open`.
use super::events_calls::{STATES, at};
use super::script::*;
use crate::base::NetError;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::{Flags, Options};

/// The states of 3.10.7.4.
fn synchronized() -> impl Iterator<Item = State> {
    STATES.into_iter().filter(|state| *state != State::SynSent)
}

/// RFC 9293 3.10.7.1: in CLOSED a segment is answered by a reset, but not a reset.
#[test]
fn closed() {
    for (flags, reply) in [
        (S, Some((R.with(A), 0, 6))),
        (S.with(A), Some((R, 9, 0))),
        (A.with(P), Some((R, 9, 0))),
        (F.with(A), Some((R, 9, 0))),
        (Flags(0), Some((R.with(A), 0, 5))),
        (R, None),
        (R.with(A), None),
    ] {
        let mut s = Script::plain();
        s.put(flags, 5, 9, &[]);
        match reply {
            Some((flags, seq, ack)) => drop(s.expect(flags, seq, ack, 0)),
            None => s.expect_nothing(),
        }
    }
}

/// RFC 9293 3.10.7.3: SYN-SENT by its five steps.
#[test]
fn syn_sent() {
    let check = |flags: Flags, ack: u32, reply: Option<(Flags, u32, u32)>, after: State| {
        let (mut s, ..) = at(State::SynSent);
        s.put(flags, 0, ack, &[]);
        match reply {
            Some((flags, seq, ack)) => drop(s.expect(flags, seq, ack, 0)),
            None => s.expect_nothing(),
        }
        s.expect_state(after);
        s
    };
    use State::{Closed, Established, SynReceived, SynSent};
    // First: an ACK out of range is reset, unless it is a reset itself.
    for ack in [0, 2, 1_000_000, 0x8000_0001] {
        check(A, ack, Some((R, ack, 0)), SynSent);
        check(S.with(A), ack, Some((R, ack, 0)), SynSent);
        check(R.with(A), ack, None, SynSent);
    }
    // Second: a reset that acknowledges our SYN refuses; any other is dropped.
    let s = check(R.with(A), 1, None, Closed);
    assert_eq!(s.status().error, Some(NetError::Refused));
    check(R, 0, None, SynSent);
    // Fourth: SYN and ACK, or SYN alone (figure 8).
    check(S.with(A), 1, Some((A, 1, 1)), Established);
    check(S, 0, Some((S.with(A), 0, 1)), SynReceived);
    // Fifth: neither SYN nor RST.
    check(A, 1, None, SynSent);
    check(F.with(A), 1, None, SynSent);
    check(Flags(0), 0, None, SynSent);
}

/// RFC 9293 3.10.7.4, first: what is not in the window is answered by an ACK that says what is
/// expected; a reset there is dropped; nothing else happens.
#[test]
fn first_the_sequence_number() {
    for state in synchronized() {
        let (mut s, nxt, expected) = at(state);
        s.put(A, expected + 200_000, nxt, b"beyond");
        s.expect(A, nxt, expected, 0);
        s.put(R, expected + 200_000, 0, &[]);
        s.expect_nothing();
        s.expect_state(state);
        let (mut s, nxt, expected) = at(state);
        s.put(A, expected.wrapping_sub(10_000), nxt, b"before");
        s.expect(A, nxt, expected, 0);
        s.expect_state(state);
    }
}

/// RFC 9293 3.10.7.4, second: an exact reset ends the connection: as on Linux with "connection
/// reset" in SYN-RECEIVED of an active open too, in peace where both FINs were on their way (RFC
/// 1337 in TIME-WAIT is `close.rs`); an inexact one is challenged (RFC 5961 3.2).
#[test]
fn second_the_reset() {
    for state in synchronized() {
        let (mut s, nxt, expected) = at(state);
        if state != State::TimeWait {
            s.put(R, expected + 5, 0, &[]);
            s.expect(A, nxt, expected, 0);
        }
        s.expect_state(state);
        s.put(R, expected, 0, &[]);
        s.expect_nothing();
        match state {
            State::TimeWait => assert_eq!(s.status().error, None),
            State::SynReceived => assert_eq!(s.status().error, Some(NetError::Reset)),
            _ => assert!(s.status().error.is_some(), "{state:?}"),
        }
        s.expect_state(State::Closed);
    }
}

/// RFC 9293 3.10.7.4, fourth: a SYN in the window is challenged in every synchronized state (RFC
/// 5961 4.2): half-open discovery is left to the peer's reset.
#[test]
fn fourth_the_syn() {
    for state in synchronized() {
        let (mut s, nxt, expected) = at(state);
        s.put(S, expected + 3, 0, &[]);
        s.expect(A, nxt, expected, 0);
        s.expect_state(state);
    }
}

/// RFC 9293 3.5.1, figure 10: the peer has crashed and connects again: our ACK makes it reset the
/// old connection, in every synchronized state.
#[test]
fn half_open_discovery() {
    let states = [State::Established, State::FinWait1, State::FinWait2, State::CloseWait];
    for state in states {
        let (mut s, nxt, expected) = at(state);
        s.put(S, 0x7000_0000, 0, &[]);
        let ack = s.expect(A, nxt, expected, 0);
        // Its SYN-SENT answers our ACK by a reset with what we acknowledged.
        let seq = ack.header.ack.wrapping_sub(THEIRS);
        s.put(R, seq, 0, &[]);
        s.expect_state(State::Closed);
        assert!(s.status().error.is_some());
    }
}

/// RFC 9293 3.10.7.4, fifth: a segment without ACK is dropped; one that acknowledges what was never
/// sent is answered by an ACK (a reset in SYN-RECEIVED); an old one changes nothing.
#[test]
fn fifth_the_ack() {
    for state in synchronized() {
        let (mut s, nxt, expected) = at(state);
        s.put(P, expected, 0, b"no ack");
        if state == State::TimeWait {
            // See `answers.rs`.
            s.expect(A, nxt, expected, 0);
            continue;
        }
        s.expect_nothing();
        s.expect_state(state);
        s.put(A, expected, nxt + 1000, &[]);
        if state == State::SynReceived {
            s.expect(R, nxt + 1000, 0, 0);
        } else {
            s.expect(A, nxt, expected, 0);
            s.put(A, expected, 1, &[]);
        }
        s.expect_state(state);
    }
}

/// RFC 9293 3.10.7.4, fifth: what the ACK of everything does in each state.
#[test]
fn fifth_the_ack_of_our_fin() {
    for (state, after) in [
        (State::SynReceived, State::Established),
        (State::Established, State::Established),
        (State::FinWait1, State::FinWait2),
        (State::FinWait2, State::FinWait2),
        (State::CloseWait, State::CloseWait),
        (State::Closing, State::TimeWait),
        (State::LastAck, State::Closed),
        (State::TimeWait, State::TimeWait),
    ] {
        let (mut s, nxt, expected) = at(state);
        s.put(A, expected, nxt, &[]);
        s.expect_nothing();
        s.expect_state(after);
        assert_eq!(s.status().error, None, "{state:?}");
    }
}

/// RFC 9293 3.10.7.4, sixth and seventh: data is taken in ESTABLISHED and both FIN-WAITs; after the
/// peer's FIN data and urgent pointers are ignored.
#[test]
fn seventh_the_data() {
    for state in synchronized() {
        let (mut s, nxt, expected) = at(state);
        s.put(A.with(P).with(Flags::URG), expected, nxt, b"data");
        let takes = matches!(
            state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2
        );
        if takes {
            assert_eq!(s.read(), b"data", "{state:?}");
            assert_eq!(s.get().unwrap().header.ack, THEIRS.wrapping_add(expected + 4));
        } else if s.status().error.is_none() {
            assert_eq!(s.read(), b"", "{state:?}");
        }
    }
}

/// RFC 9293 3.10.7.4, eighth: the FIN, in each state; a repeated one is acknowledged again.
#[test]
fn eighth_the_fin() {
    for (state, ack, after) in [
        (State::SynReceived, 1, State::CloseWait),
        (State::Established, 1, State::CloseWait),
        (State::FinWait1, 1, State::Closing),
        (State::FinWait1, 2, State::TimeWait),
        (State::FinWait2, 2, State::TimeWait),
    ] {
        let (mut s, nxt, expected) = at(state);
        s.put(F.with(A), expected, ack, &[]);
        s.expect(A, nxt, expected + 1, 0);
        s.expect_state(after);
        s.put(F.with(A), expected, ack, &[]);
        s.expect(A, nxt, expected + 1, 0);
        s.expect_state(after);
    }
    for state in [State::CloseWait, State::Closing, State::LastAck, State::TimeWait] {
        let (mut s, nxt, expected) = at(state);
        s.put(F.with(A), expected - 1, 1, &[]);
        s.expect(A, nxt, expected, 0);
        s.expect_state(state);
    }
}

/// RFC 9293 3.10.7.4, eighth: in TIME-WAIT a repeated FIN starts the 2 MSL again.
#[test]
fn eighth_the_fin_in_time_wait() {
    let (mut s, ..) = at(State::TimeWait);
    s.pass(Duration::from_secs(40));
    s.put(F.with(A), 1, 2, &[]);
    s.expect(A, 2, 2, 0);
    s.pass(Duration::from_secs(59));
    s.expect_state(State::TimeWait);
    s.pass(Duration::from_secs(1));
    s.expect_state(State::Closed);
}

/// RFC 9293 3.5, figure 8, with options: a simultaneous open ends in ESTABLISHED by either ACK, and
/// data that came with it is kept.
#[test]
fn simultaneous_open_by_either_ack() {
    let o = Options { mss: Some(1000), ..Options::default() };
    for syn_again in [true, false] {
        let (mut s, ..) = at(State::SynReceived);
        if syn_again {
            s.put_with(S.with(A), 0, 1, &[], o);
        } else {
            s.put(A.with(P), 1, 1, b"data");
            assert_eq!(s.read(), b"data");
        }
        s.expect_state(State::Established);
        assert_eq!(s.send(3), 3);
        assert_eq!(s.get().map(|_| ()), Some(()));
    }
}

/// RFC 9293 3.6, figure 13: a simultaneous close, with the FINs crossing data.
#[test]
fn simultaneous_close_with_data() {
    let mut s = Script::established();
    s.send(5);
    s.close();
    let got = s.get().unwrap();
    assert!(got.header.flags.has(F) && got.payload.len() == 5);
    s.put(F.with(A).with(P), 1, 1, b"theirs");
    s.expect_state(State::Closing);
    assert_eq!(s.read(), b"theirs");
    while s.get().is_some() {}
    s.put(A, 8, 7, &[]);
    s.expect_state(State::TimeWait);
    assert!(s.status().all_acknowledged);
}
