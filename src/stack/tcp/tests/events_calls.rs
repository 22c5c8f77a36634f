//! RFC 9293 3.10, event by event: what the program asks for (3.10.1 to 3.10.6) and timeouts
//! (3.10.8), in every state. [`events_segments`](super::events_segments) has the segments.
use super::script::*;
use crate::base::NetError;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

/// The states in which there is a connection, in the order of the RFC.
pub const STATES: [State; 9] = [
    State::SynSent,
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
];

/// A connection in `state`, with nothing left to send: it, SND.NXT and RCV.NXT, both relative.
/// (SYN-RECEIVED by a simultaneous open: what came through a listener is `half_open`'s.)
pub fn at(state: State) -> (Script, u32, u32) {
    let mut s = match state {
        State::SynSent | State::SynReceived => Script::plain(),
        _ => Script::established(),
    };
    let (mut nxt, mut expected) = (1, 1);
    match state {
        State::SynSent => drop(s.connect(TcpOptions::default())),
        State::SynReceived => {
            s.connect(TcpOptions::default());
            s.put_with(S, 0, 0, &[], Options { mss: Some(1000), ..Options::default() });
        }
        State::FinWait1 | State::FinWait2 | State::Closing | State::TimeWait => {
            s.close();
            s.get();
            nxt = 2;
        }
        State::CloseWait | State::LastAck => {
            s.put(F.with(A), 1, 1, &[]);
            expected = 2;
        }
        _ => {}
    }
    match state {
        State::FinWait2 => s.put(A, 1, 2, &[]),
        State::Closing => s.put(F.with(A), 1, 1, &[]),
        State::TimeWait => s.put(F.with(A), 1, 2, &[]),
        State::LastAck => {
            s.close();
            nxt = 2;
        }
        _ => {}
    }
    if matches!(state, State::Closing | State::TimeWait) {
        expected = 2;
    }
    while s.get().is_some() {}
    while s.tcp.poll_event().is_some() {}
    s.expect_state(state);
    (s, nxt, expected)
}

/// RFC 9293 3.10.1: OPEN of a pair that has a connection is an error, in every state.
#[test]
fn open_in_every_state() {
    for state in STATES {
        let (mut s, ..) = at(state);
        let again = s.tcp.connect(s.now, s.tuple(), s.path, TcpOptions::default());
        assert_eq!(again, Err(NetError::AddressInUse), "{state:?}");
        s.expect_state(state);
        s.expect_nothing();
    }
}

/// RFC 9293 3.10.2: SEND. Before the handshake is done nothing is taken yet; after our FIN, and
/// where there is no connection, it is an error.
#[test]
fn send_in_every_state() {
    for state in STATES {
        let (mut s, nxt, expected) = at(state);
        let sent = s.tcp.send(s.now, s.id(), b"data");
        match state {
            State::SynSent | State::SynReceived => assert_eq!(sent, Ok(0), "{state:?}"),
            State::Established | State::CloseWait => {
                assert_eq!(sent, Ok(4), "{state:?}");
                s.expect(P.with(A), nxt, expected, 4);
            }
            _ => assert_eq!(sent, Err(NetError::NotConnected), "{state:?}"),
        }
        s.expect_nothing();
        s.expect_state(state);
    }
    let (mut s, ..) = at(State::Established);
    let id = s.id();
    s.tcp.abort(s.now, id);
    assert_eq!(s.tcp.send(s.now, id, b"x"), Err(NetError::NotConnected));
}

/// RFC 9293 3.10.3: RECEIVE. Nothing yet; data; what is left and then the end; an error.
#[test]
fn receive_in_every_state() {
    for state in STATES {
        let (mut s, nxt, expected) = at(state);
        assert_eq!(s.tcp.receive(s.now, s.id(), &mut [0; 9]), Ok(0), "{state:?}");
        let ended = !matches!(
            state,
            State::SynSent
                | State::SynReceived
                | State::Established
                | State::FinWait1
                | State::FinWait2
        );
        assert_eq!(s.status().remote_closed, ended, "{state:?}");
        if matches!(state, State::Established | State::FinWait1 | State::FinWait2) {
            s.put(A.with(P).with(F), expected, nxt, b"data");
            assert_eq!(s.read(), b"data");
            assert_eq!(s.read(), b"");
            assert!(s.status().remote_closed);
        }
    }
}

/// RFC 9293 3.10.4: CLOSE: a FIN from ESTABLISHED and CLOSE-WAIT; before that it waits for the
/// handshake; a second one changes nothing.
#[test]
fn close_in_every_state() {
    for state in STATES {
        let (mut s, nxt, expected) = at(state);
        s.close();
        let after = match state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            other => other,
        };
        s.expect_state(after);
        if after == state {
            s.expect_nothing();
        } else {
            let got = s.get().expect("a FIN");
            assert!(got.header.flags.has(F.with(A)), "{state:?}");
            assert_eq!(got.header.seq, s.ours.wrapping_add(nxt));
            assert_eq!(got.header.ack, THEIRS.wrapping_add(expected));
        }
        s.close();
        s.expect_state(after);
        s.expect_nothing();
    }
    // SYN-RECEIVED: the FIN follows the handshake.
    let (mut s, ..) = at(State::SynReceived);
    s.close();
    s.put(A, 1, 1, &[]);
    s.expect_state(State::FinWait1);
    assert!(s.get().unwrap().header.flags.has(F));
}

/// RFC 9293 3.10.5: ABORT: a reset where the peer may still wait for something of us, none in
/// SYN-SENT, CLOSING, LAST-ACK and TIME-WAIT; the connection is gone in any case.
#[test]
fn abort_in_every_state() {
    for state in STATES {
        let (mut s, nxt, expected) = at(state);
        let id = s.id();
        s.tcp.abort(s.now, id);
        match state {
            State::SynSent | State::Closing | State::LastAck | State::TimeWait => {}
            _ => drop(s.expect(R.with(A), nxt, expected, 0)),
        }
        s.expect_nothing();
        assert_eq!(s.tcp.status(id), None, "{state:?}");
        assert_eq!(s.tcp.connections().count(), 0);
    }
    // As Linux: also in LAST-ACK while there is data that was never sent.
    let mut s = Script::established();
    s.window = 0;
    s.put(F.with(A), 1, 1, &[]);
    s.send(10);
    s.close();
    while s.get().is_some() {}
    s.expect_state(State::LastAck);
    let id = s.id();
    s.tcp.abort(s.now, id);
    s.expect(R.with(A), 1, 2, 0);
}

/// RFC 9293 3.10.6: STATUS tells the state, also to `TCP_INFO`, and nothing is sent for it.
#[test]
fn status_in_every_state() {
    for state in STATES {
        let (mut s, ..) = at(state);
        assert_eq!(s.tcp.info(s.now, s.id()).unwrap().state, state as u8);
        let all: Vec<_> = s.tcp.connections().collect();
        assert_eq!(all, [(s.id(), s.tuple(), state)]);
        s.expect_nothing();
    }
}

/// RFC 9293 3.10.8, USER TIMEOUT: in every state with something unacknowledged the connection ends
/// and the program is told.
#[test]
fn user_timeout_in_every_state() {
    for state in STATES {
        let (mut s, ..) = at(state);
        s.options(|o| o.user_timeout = Duration::from_secs(3));
        if matches!(state, State::Established | State::CloseWait) {
            s.send(1);
        }
        for _ in 0..100 {
            while s.get().is_some() {}
            s.pass_ms(200);
        }
        let waits = matches!(state, State::FinWait2 | State::TimeWait);
        let error = if waits { None } else { Some(NetError::TimedOut) };
        assert_eq!(s.status().error, error, "{state:?}");
        assert_eq!(s.status().state == State::Closed, !waits, "{state:?}");
    }
}

/// RFC 9293 3.10.8, RETRANSMISSION TIMEOUT: what is at the front of the queue goes again: the SYN,
/// the SYN-ACK, data, the FIN.
#[test]
fn retransmission_timeout_in_every_state() {
    for state in STATES {
        let (mut s, nxt, _) = at(state);
        let (flags, seq) = match state {
            State::SynSent => (S, 0),
            State::SynReceived => (S.with(A), 0),
            State::Established | State::CloseWait => {
                s.send(3);
                s.get();
                (P.with(A), nxt)
            }
            State::FinWait1 | State::Closing | State::LastAck => (F.with(A), nxt - 1),
            _ => continue,
        };
        let (_, got) = s.until_sent();
        assert!(got.header.flags.has(flags), "{state:?} {:?}", got.header.flags);
        assert_eq!(got.header.seq, s.ours.wrapping_add(seq), "{state:?}");
        s.expect_state(state);
    }
}

/// RFC 9293 3.10.8, TIME-WAIT TIMEOUT: the connection is gone.
#[test]
fn time_wait_timeout() {
    let (mut s, ..) = at(State::TimeWait);
    s.release();
    s.pass(Duration::from_secs(60));
    assert_eq!(s.tcp.connections().count(), 0);
    s.expect_nothing();
}
