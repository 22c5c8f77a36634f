//! Closing: every order of it, resets in every state, TIME-WAIT, orphans.
use super::script::*;
use crate::base::NetError;
use crate::base::time::Duration;
use crate::stack::Event;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

const FPA: crate::wire::tcp::Flags = crate::wire::tcp::Flags(0x19);
const FA: crate::wire::tcp::Flags = crate::wire::tcp::Flags(0x11);

/// RFC 9293 figure 12: we close first.
/// RFC 9293 3.6, 3.10.4 and 3.10.8: close, and the TIME-WAIT timeout.
#[test]
fn active_close_goes_through_time_wait() {
    let mut s = Script::established();
    s.close();
    s.expect(FA, 1, 1, 0);
    s.expect_state(State::FinWait1);
    s.put(A, 1, 2, &[]);
    s.expect_state(State::FinWait2);
    assert!(s.status().all_acknowledged);
    // Half-closed: data still comes.
    s.put(A.with(P), 1, 2, b"more");
    assert_eq!(s.read(), b"more");
    s.expect(A, 2, 5, 0);
    s.put(F.with(A), 5, 2, &[]);
    s.expect(A, 2, 6, 0);
    s.expect_state(State::TimeWait);
    assert!(s.status().remote_closed);
    // A FIN that comes again is acknowledged, and 2 MSL starts again.
    s.pass(Duration::from_secs(59));
    s.put(F.with(A), 5, 2, &[]);
    s.expect(A, 2, 6, 0);
    s.pass(Duration::from_secs(59));
    s.expect_state(State::TimeWait);
    s.pass(Duration::from_secs(1));
    s.expect_state(State::Closed);
    assert_eq!(s.status().error, None);
    s.release();
    assert_eq!(s.tcp.connections().count(), 0);
}

#[test]
fn passive_close_ends_in_last_ack() {
    let mut s = Script::established();
    s.put(F.with(A).with(P), 1, 1, b"bye");
    s.expect(A, 1, 5, 0);
    s.expect_state(State::CloseWait);
    assert!(s.status().remote_closed);
    assert_eq!(s.read(), b"bye");
    assert_eq!(s.read(), b"");
    // RFC 9293 3.6: we may go on sending.
    s.send(10);
    s.expect(P.with(A), 1, 5, 10);
    s.put(A, 5, 11, &[]);
    s.close();
    s.expect(FA, 11, 5, 0);
    s.expect_state(State::LastAck);
    s.put(A, 5, 12, &[]);
    s.expect_state(State::Closed);
    assert_eq!(s.status().error, None);
    assert!(s.status().all_acknowledged);
}

/// RFC 9293 figure 13.
/// RFC 9293 3.6: both close at once.
#[test]
fn simultaneous_close() {
    let mut s = Script::established();
    s.close();
    s.expect(FA, 1, 1, 0);
    s.put(F.with(A), 1, 1, &[]);
    s.expect_state(State::Closing);
    s.expect(A, 2, 2, 0);
    s.put(A, 2, 2, &[]);
    s.expect_state(State::TimeWait);
}

/// RFC 9293 3.10.7.4, eighth: FIN and ACK in one segment.
#[test]
fn a_fin_that_acknowledges_ours_goes_straight_to_time_wait() {
    let mut s = Script::established();
    s.close();
    s.expect(FA, 1, 1, 0);
    s.put(F.with(A), 1, 2, &[]);
    s.expect_state(State::TimeWait);
    s.expect(A, 2, 2, 0);
}

/// RFC 9293 3.10.4: CLOSE waits until all is segmentized; RFC 9293 3.6.
#[test]
fn the_fin_follows_everything_queued_and_is_sent_again() {
    let mut s = Script::established();
    s.send(2500);
    s.close();
    s.expect(A, 1, 1, 1000);
    s.expect(A, 1001, 1, 1000);
    s.expect(FPA, 2001, 1, 500);
    s.expect_nothing();
    assert_eq!(s.status().writable, 0);
    assert_eq!(s.tcp.send(s.now, s.id(), b"x"), Err(NetError::NotConnected));
    s.put(A, 1, 2001, &[]);
    let (_, got) = s.until_sent();
    assert_eq!((got.header.flags, got.payload.len()), (FPA, 500));
    s.put(A, 1, 2501, &[]);
    let (_, got) = s.until_sent();
    assert_eq!((got.header.flags, got.payload.len()), (FA, 0));
    s.put(A, 1, 2502, &[]);
    s.expect_state(State::FinWait2);
}

/// RFC 9293 3.10.7.4, eighth: a FIN beyond a gap is not taken yet.
#[test]
fn a_fin_behind_a_gap_waits() {
    let mut s = Script::established();
    s.put(F.with(A), 4, 1, b"def");
    s.expect(A, 1, 1, 0);
    s.expect_state(State::Established);
    s.put(A, 1, 1, b"abc");
    s.expect(A, 1, 8, 0);
    s.expect_state(State::CloseWait);
    assert_eq!(s.read(), b"abcdef");
}

/// A reset at `rcv_nxt` ends the connection in every state (RFC 9293 3.10.7.4, second).
/// RFC 9293 3.5.3: in every state.
#[test]
fn reset_in_every_state() {
    type Prepare = fn(&mut Script);
    let to: [(State, Prepare); 6] = [
        (State::Established, |_| ()),
        (State::CloseWait, |s| s.put(F.with(A), 1, 1, &[])),
        (State::FinWait1, |s| s.close()),
        (State::FinWait2, |s| {
            s.close();
            s.get();
            s.put(A, 1, 2, &[]);
        }),
        (State::Closing, |s| {
            s.close();
            s.get();
            s.put(F.with(A), 1, 1, &[]);
        }),
        (State::LastAck, |s| {
            s.put(F.with(A), 1, 1, &[]);
            s.close();
        }),
    ];
    for (state, prepare) in to {
        let mut s = Script::established();
        prepare(&mut s);
        while s.get().is_some() {}
        s.expect_state(state);
        let nxt = if s.status().remote_closed { 2 } else { 1 };
        // RFC 5961 3.2: in the window but not exact is challenged, elsewhere ignored.
        s.put(R, nxt + 10, 0, &[]);
        s.expect_state(state);
        assert_eq!(s.get().unwrap().header.flags, A, "{state:?}");
        s.put(R, nxt + 100_000, 0, &[]);
        s.expect_nothing();
        s.expect_state(state);
        s.put(R, nxt, 0, &[]);
        assert_eq!(s.status().error, Some(NetError::Reset), "{state:?}");
        s.expect_state(State::Closed);
        s.expect_nothing();
    }
}

/// RFC 9293 3.5.3 and 3.10.3: RECEIVE gives what had come.
#[test]
fn what_arrived_before_a_reset_can_be_read() {
    let mut s = Script::established();
    s.put(A.with(P), 1, 1, b"last words");
    s.put(R, 11, 0, &[]);
    assert_eq!(s.status().readable, 10);
    assert_eq!(s.read(), b"last words");
    assert_eq!(s.tcp.receive(s.now, s.id(), &mut [0]), Err(NetError::Reset));
    assert_eq!(s.tcp.send(s.now, s.id(), b"x"), Err(NetError::Reset));
    // The 4-tuple is nobody's now.
    s.put(A, 11, 1, &[]);
    s.expect(R, 1, 0, 0);
}

fn time_wait(mut s: Script) -> Script {
    s.tcp.listen(s.local, false, 5).unwrap();
    s.close();
    s.get();
    s.put(F.with(A), 1, 2, &[]);
    s.get();
    s.expect_state(State::TimeWait);
    s
}

/// RFC 1337 3: with `rfc1337` TIME-WAIT is not assassinated by a reset; without, as on Linux, an
/// exact one ends it. RFC 9293 3.10.7.4: a later SYN opens anew.
#[test]
fn time_wait_stands_resets_and_yields_to_a_new_syn() {
    let mut s = time_wait(Script::established());
    s.put(R, 3, 0, &[]);
    s.expect_nothing();
    s.expect_state(State::TimeWait);
    s.put(R, 2, 0, &[]);
    s.expect_nothing();
    s.expect_state(State::Closed);
    assert_eq!(s.status().error, None);
    let config = TcpConfig { rfc1337: true, ..plain_config() };
    let mut s = time_wait(Script::with(config).open());
    s.release();
    s.put(R, 2, 0, &[]);
    s.expect_state(State::TimeWait);
    // An old SYN is answered with what we expect.
    s.put(S, 0, 0, &[]);
    s.expect(A, 2, 2, 0);
    s.put(S, 1000, 0, &[]);
    let got = s.get().unwrap();
    assert_eq!(got.header.flags, S.with(A));
    assert!((got.header.seq.wrapping_sub(s.ours) as i32) > 65_000);
    assert_eq!(s.tcp.status(s.id()), None);
}

/// RFC 6191: with timestamps, the later timestamp decides, whatever the sequence number.
/// RFC 6191 2: when a 4-tuple may be taken again.
#[test]
fn time_wait_yields_to_a_later_timestamp() {
    let config = TcpConfig { window_scaling: false, ..TcpConfig::default() };
    let mut s = Script::with(config);
    s.stamp = Some(1000);
    let mut s = time_wait(s.open());
    let syn = |s: &mut Script, stamp| {
        let o = Options { timestamps: Some((stamp, 0)), ..Options::default() };
        s.put_with(S, 0x8000_0000, 0, &[], o);
        s.get().map(|got| got.header.flags)
    };
    assert_ne!(syn(&mut s, 900), Some(S.with(A)));
    assert_eq!(syn(&mut s, 1001), Some(S.with(A)));
    // The old handle is still there until it is let go.
    assert_eq!(s.status().state, State::Closed);
    assert_eq!(s.status().error, None);
}

/// RFC 6191 2: for connects of our own, after a second as on Linux.
#[test]
fn our_own_connect_may_reuse_time_wait_after_a_second() {
    let mut s = Script::with(TcpConfig::default());
    s.stamp = Some(1000);
    let mut s = time_wait(s.open());
    s.release();
    let tuple = s.tuple();
    let connect = |s: &mut Script| s.tcp.connect(s.now, tuple, s.path, TcpOptions::default());
    assert_eq!(connect(&mut s), Err(NetError::AddressInUse));
    s.pass_ms(1000);
    assert!(connect(&mut s).is_ok());
    assert_eq!(s.get().unwrap().header.flags, S);
}

/// An orphan delivers what it has, then FIN, and ends by itself in FIN-WAIT-2.
#[test]
fn an_orphan_drains_and_frees_itself() {
    let mut s = Script::established();
    s.send(1500);
    s.release();
    s.expect(A, 1, 1, 1000);
    s.expect(FPA, 1001, 1, 500);
    s.put(A, 1, 1502, &[]);
    s.expect_state(State::FinWait2);
    s.pass(Duration::from_secs(59));
    s.expect_state(State::FinWait2);
    s.pass(Duration::from_secs(1));
    assert_eq!(s.tcp.connections().count(), 0);
    assert_eq!(s.tcp.poll_event(), None);
}

/// RFC 2525 2.17: unread data is not silently thrown away.
#[test]
fn release_with_unread_data_resets() {
    let mut s = Script::established();
    s.put(A.with(P), 1, 1, b"unread");
    s.release();
    s.expect(R.with(A), 1, 7, 0);
    assert_eq!(s.tcp.connections().count(), 0);
}

/// RFC 9293 3.6.1: data for an orphan is answered by a reset.
#[test]
fn data_for_an_orphan_resets() {
    let mut s = Script::established();
    s.release();
    s.expect(FA, 1, 1, 0);
    s.put(A.with(P), 1, 1, b"too late");
    s.expect(R, 1, 0, 0);
    assert_eq!(s.tcp.connections().count(), 0);
    assert_eq!(s.count("drop_data_after_release"), 1);
}

/// RFC 9293 3.8.3: nobody waits for ever for an orphan.
#[test]
fn an_orphan_gives_up_on_a_dead_peer() {
    let mut s = Script::established();
    s.send(10);
    s.release();
    s.expect(FPA, 1, 1, 10);
    for _ in 0..8 {
        assert_eq!(s.until_sent().1.header.flags, FPA);
    }
    s.pass(Duration::from_secs(300));
    s.expect_nothing();
    assert_eq!(s.tcp.connections().count(), 0);
}

#[test]
fn release_in_every_state_ends_without_events() {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    s.release();
    s.expect_nothing();
    assert_eq!(s.tcp.connections().count(), 0);

    let mut s = Script::established();
    s.put(F.with(A), 1, 1, &[]);
    assert_eq!(s.tcp.poll_event(), Some(Event::TcpChanged(s.id())));
    s.release();
    s.expect(FA, 1, 2, 0);
    s.put(A, 2, 2, &[]);
    assert_eq!(s.tcp.connections().count(), 0);
    assert_eq!(s.tcp.poll_event(), None);
}

/// RFC 9293 3.10.5: ABORT.
#[test]
fn aborting_drops_everything() {
    let mut s = Script::established();
    s.send(5000);
    s.expect(A, 1, 1, 1000);
    let id = s.id();
    s.tcp.abort(s.now, id);
    s.expect(R.with(A), 1001, 1, 0);
    s.expect_nothing();
    assert_eq!(s.tcp.connections().count(), 0);
}

/// RFC 9293 3.6.1 (MUST-13), limited in number as on Linux (`tcp_max_tw_buckets`): what is too many
/// acknowledges the FIN and ends; room comes back.
#[test]
fn time_waits_are_limited() {
    let config = TcpConfig { time_wait_max: 1, ..plain_config() };
    let mut s = time_wait(Script::with(config).open());
    s.release();
    let first = s.remote;
    s.remote = addr(2, 6000);
    while s.tcp.poll_event().is_some() {}
    s = s.open();
    s.close();
    s.get();
    s.put(F.with(A), 1, 2, &[]);
    s.expect(A, 2, 2, 0);
    s.expect_nothing();
    s.expect_state(State::Closed);
    assert_eq!((s.status().error, s.count("time_waits_cut_short")), (None, 1));
    s.release();
    s.pass(Duration::from_secs(60));
    s.remote = first;
    assert_eq!(s.tcp.connections().count(), 0);
    let s = time_wait(s.open());
    s.expect_state(State::TimeWait);
}

/// RFC 9293 3.10.4, limited as on Linux (`tcp_max_orphans`): one orphan too many is reset.
#[test]
fn orphans_are_limited() {
    let mut s = Script::with(TcpConfig { orphans: 1, ..plain_config() }).open();
    s.release();
    s.expect(FA, 1, 1, 0);
    let (first, ours) = (s.remote, s.ours);
    s.remote = addr(2, 6000);
    s = s.open();
    s.release();
    s.expect(R.with(A), 1, 1, 0);
    assert_eq!((s.tcp.connections().count(), s.count("reset_too_many_orphans")), (1, 1));
    // The first one ends: there is room again.
    let second = core::mem::replace(&mut s.remote, first);
    s.ours = ours;
    s.put(R, 1, 0, &[]);
    assert_eq!(s.tcp.connections().count(), 0);
    s.remote = second;
    s = s.open();
    s.release();
    s.expect(FA, 1, 1, 0);
}

/// tcp(7) `TCP_LINGER2`: how long an orphan waits in FIN-WAIT-2; below zero not at all.
#[test]
fn linger2_bounds_fin_wait_2() {
    let mut s = Script::established();
    s.options(|o| o.linger2 = 3);
    s.release();
    s.expect(FA, 1, 1, 0);
    s.put(A, 1, 2, &[]);
    s.expect_state(State::FinWait2);
    s.pass_ms(2999);
    s.expect_state(State::FinWait2);
    s.pass_ms(1);
    assert_eq!(s.tcp.connections().count(), 0);

    let mut s = Script::established();
    s.options(|o| o.linger2 = -1);
    s.close();
    s.expect(FA, 1, 1, 0);
    s.put(A, 1, 2, &[]);
    s.expect_state(State::FinWait2);
    s.release();
    s.expect(R.with(A), 2, 1, 0);
    assert_eq!(s.tcp.connections().count(), 0);
}
