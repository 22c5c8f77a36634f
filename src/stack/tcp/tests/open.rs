//! Opening: every way into ESTABLISHED, and what may go wrong on it.
use super::script::*;
use crate::base::NetError;
use crate::base::addr::*;
use crate::base::time::Duration;
use crate::stack::Event;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

fn mss() -> Options {
    Options { mss: Some(1000), ..Options::default() }
}

/// RFC 9293 figure 6, with the options of RFC 7323 1.3 and 2018 2.
/// RFC 9293 3.5 and 3.10.1, RFC 7323 3.2, RFC 2018 2: an active open.
#[test]
fn active_open_offers_and_takes_options() {
    let mut s = Script::with(TcpConfig::default());
    let syn = s.connect(TcpOptions::default());
    let o = syn.header.options;
    assert_eq!((o.mss, o.window_shift, o.sack_permitted), (Some(1000), Some(7), true));
    assert!(o.timestamps.is_some());
    s.expect_state(State::SynSent);
    assert_eq!(s.status().writable, 0);
    s.put_with(
        S.with(A),
        0,
        1,
        &[],
        Options {
            mss: Some(500),
            window_shift: Some(3),
            sack_permitted: true,
            timestamps: Some((77, s.last_stamp)),
            ..Options::default()
        },
    );
    let ack = s.expect(A, 1, 1, 0);
    assert_eq!(ack.header.options.timestamps.unwrap().1, 77);
    s.expect_state(State::Established);
    let info = s.tcp.info(s.now, s.id()).unwrap();
    assert_eq!((info.options, info.snd_wscale, info.rcv_wscale), (7, 3, 7));
    assert_eq!(info.snd_mss, 488);
    // RFC 7323 2.2: the window in a SYN is not scaled.
    assert_eq!(info.snd_wnd, 50_000);
}

/// RFC 9293 3.7.1, RFC 1122 4.2.2.6: 536 bytes without an MSS option.
#[test]
fn a_peer_without_options_gets_the_defaults() {
    let mut s = Script::with(TcpConfig::default());
    s.connect(TcpOptions::default());
    s.put(S.with(A), 0, 1, &[]);
    let ack = s.expect(A, 1, 1, 0);
    assert_eq!(ack.header.options, Options::default());
    let info = s.tcp.info(s.now, s.id()).unwrap();
    // RFC 9293 3.7.1 (MUST-15): 536.
    assert_eq!((info.snd_mss, info.options), (536, 0));
}

/// RFC 9293 3.5 and 3.10.1: a passive open.
#[test]
fn passive_open_announces_the_connection_once() {
    let mut s = Script::plain();
    s.tcp.listen(s.local, false, 5).unwrap();
    s.put_with(S, 0, 0, &[], mss());
    let syn_ack = s.get().unwrap();
    assert_eq!(syn_ack.header.flags, S.with(A));
    assert_eq!(syn_ack.header.ack, THEIRS.wrapping_add(1));
    assert_eq!(syn_ack.header.options, mss());
    assert_eq!(s.tcp.poll_event(), None);
    s.ours = syn_ack.header.seq;
    s.put(A.with(P), 1, 1, b"GET");
    let Some(Event::TcpAccepted { conn, tuple }) = s.tcp.poll_event() else { panic!() };
    assert_eq!(tuple, s.tuple());
    s.id = Some(conn);
    s.expect_state(State::Established);
    assert_eq!(s.read(), b"GET");
    assert_eq!(s.tcp.poll_event(), None);
}

#[test]
fn listeners_wildcard_and_dual() {
    let any4: SocketAddr = "0.0.0.0:80".parse().unwrap();
    let any6: SocketAddr = "[::]:80".parse().unwrap();
    for (local, dual, heard) in [(any4, false, true), (any6, false, false), (any6, true, true)] {
        let mut s = Script::plain();
        s.tcp.listen(local, dual, 1).unwrap();
        assert_eq!(s.tcp.listeners().collect::<Vec<_>>(), [(local, dual)]);
        s.put_with(S, 0, 0, &[], mss());
        assert_eq!(s.get().unwrap().header.flags == S.with(A), heard, "{local} {dual}");
        s.tcp.unlisten(local, dual);
        assert_eq!(s.tcp.listeners().count(), 0);
        assert_eq!(s.tcp.connections().count(), 0);
    }
}

/// RFC 9293 3.10.7.1.
/// RFC 9293 3.5.2: group 1.
#[test]
fn nobody_listens_is_answered_by_reset() {
    let mut s = Script::plain();
    s.put(S, 0, 0, &[]);
    s.expect(R.with(A), 0, 1, 0);
    s.put(A, 5, 9, b"abc");
    s.expect(R, 9, 0, 0);
    s.put(R, 5, 9, &[]);
    s.put(R.with(A), 5, 9, &[]);
    s.expect_nothing();
}

/// RFC 9293 3.10.7.2.
#[test]
fn a_listener_takes_only_syns() {
    let mut s = Script::plain();
    s.tcp.listen(s.local, false, 5).unwrap();
    s.put(A, 0, 5, &[]);
    s.expect(R, 5, 0, 0);
    s.put(R, 0, 0, &[]);
    s.put(F, 0, 0, &[]);
    s.put(S.with(F), 0, 0, &[]);
    s.expect_nothing();
    assert_eq!(s.count("drop_listen_not_syn"), 4);
}

/// RFC 9293 figure 8 and 3.5: both SYNs cross.
/// RFC 9293 3.5: a simultaneous open.
#[test]
fn simultaneous_open() {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    s.put_with(S, 0, 0, &[], mss());
    s.expect(S.with(A), 0, 1, 0);
    s.expect_state(State::SynReceived);
    s.put_with(S.with(A), 0, 1, &[], mss());
    s.expect_state(State::Established);
    s.put(A.with(P), 1, 1, b"hi");
    assert_eq!(s.read(), b"hi");
    assert_eq!(s.send(3), 3);
    s.expect(P.with(A), 1, 3, 3);
}

/// A connection to oneself (connect from a port to the same port) is a simultaneous open of one.
#[test]
fn connect_to_oneself() {
    let mut s = Script::plain();
    s.remote = s.local;
    let id = s.tcp.connect(s.now, s.tuple(), s.path, TcpOptions::default()).unwrap();
    s.id = Some(id);
    let meta = SegmentMeta { local: s.local.ip(), remote: s.local.ip(), tos: 0, path: s.path };
    let turn = |s: &mut Script| {
        let mut out = empty();
        while s.tcp.poll_transmit(s.now, &mut out) {
            let bytes = out.bytes.clone();
            s.tcp.segment_arrives(s.now, &meta, &bytes);
        }
    };
    turn(&mut s);
    s.expect_state(State::Established);
    s.send(5);
    turn(&mut s);
    assert_eq!(s.read(), b"xxxxx");
    s.close();
    turn(&mut s);
    s.expect_state(State::TimeWait);
}

/// RFC 9293 3.5.3 and 3.10.7.3, second: a reset is believed if it acknowledges our SYN.
#[test]
fn a_reset_refuses_the_connection() {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    // Without ACK, or with a wrong one, it is not for us.
    s.put(R, 0, 0, &[]);
    s.put(R.with(A), 0, 7, &[]);
    s.expect_state(State::SynSent);
    s.put(R.with(A), 0, 1, &[]);
    assert_eq!(s.status().error, Some(NetError::Refused));
    assert_eq!(s.tcp.poll_event(), Some(Event::TcpChanged(s.id())));
    s.release();
    assert_eq!(s.tcp.status(s.id()), None);
}

/// RFC 9293 3.10.7.3, first: an ACK of something else is refused, we stay.
#[test]
fn a_wrong_ack_in_syn_sent_is_refused() {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    s.put(S.with(A), 0, 9, &[]);
    s.expect(R, 9, 0, 0);
    s.expect_state(State::SynSent);
}

/// RFC 9293 3.8.1 and 3.8.3, RFC 1122 4.2.3.5: SYNs are repeated, and given up.
#[test]
fn syns_are_retried_and_time_out() {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    let start = s.now;
    // Linux 6.5 and later: tcp_syn_linear_timeouts = 4, then the timeout doubles.
    for seconds in [1, 1, 1, 1, 1, 2, 4, 8, 16, 32] {
        let (ms, syn) = s.until_sent();
        assert_eq!((ms, syn.header.flags), (seconds * 1000, S));
    }
    s.pass(Duration::from_secs(64));
    s.expect_nothing();
    // And tcp_syn_retries = 6 on top of those.
    assert_eq!(s.now.since(start), Duration::from_secs(131));
    assert_eq!(s.status().error, Some(NetError::TimedOut));
}

/// RFC 9293 3.8.3 and 3.10.8: the program may say how long.
#[test]
fn tcp_syncnt_and_user_timeout_end_the_handshake_sooner() {
    let mut s = Script::plain();
    s.connect(TcpOptions { syn_count: 2, ..TcpOptions::default() });
    // Repeated every second, for as long as two timeouts that double would take.
    s.pass(Duration::from_millis(6_999));
    assert_eq!(s.status().error, None);
    s.pass_ms(1);
    assert_eq!(s.status().error, Some(NetError::TimedOut));
    let mut s = Script::plain();
    let user_timeout = Duration::from_secs(2);
    s.connect(TcpOptions { user_timeout, ..TcpOptions::default() });
    s.pass(Duration::from_secs(4));
    assert_eq!(s.status().error, Some(NetError::TimedOut));
}

/// RFC 1122 4.2.3.9, RFC 9293 3.9.2.2, RFC 5927 4.1: hard while connecting, if it quotes our SYN.
/// RFC 9293 3.9.2.2, RFC 5927 4.1 and 5.2: hard only while connecting, and if it quotes our SYN.
#[test]
fn icmp_errors_end_a_connect() {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    let error = IcmpError::Unreachable(NetError::HostUnreachable);
    s.tcp.icmp_arrives(s.now, s.tuple(), s.ours.wrapping_add(1), error);
    assert_eq!(s.status().error, None);
    s.tcp.icmp_arrives(s.now, s.tuple(), s.ours, error);
    assert_eq!(s.status().error, Some(NetError::HostUnreachable));
}

#[test]
fn a_lost_syn_ack_is_sent_again_and_given_up() {
    let mut s = Script::plain();
    s.tcp.listen(s.local, false, 5).unwrap();
    s.put_with(S, 0, 0, &[], mss());
    let first = s.get().unwrap();
    // The peer's SYN again: it did not get ours.
    s.put_with(S, 0, 0, &[], mss());
    let second = s.get().unwrap();
    assert_eq!(first.header.seq, second.header.seq);
    assert_eq!(second.header.flags, S.with(A));
    for _ in 0..5 {
        assert_eq!(s.until_sent().1.header.flags, S.with(A));
    }
    s.pass(Duration::from_secs(64));
    assert_eq!(s.tcp.connections().count(), 0);
    assert_eq!(s.tcp.poll_event(), None);
}

/// RFC 9293 3.5.1 and 3.10.7.4: SYN-RECEIVED.
#[test]
fn a_reset_or_bad_ack_in_syn_received() {
    let mut s = Script::plain();
    s.tcp.listen(s.local, false, 5).unwrap();
    s.put_with(S, 0, 0, &[], mss());
    s.ours = s.get().unwrap().header.seq;
    s.put(A, 1, 77, &[]);
    s.expect(R, 77, 0, 0);
    assert_eq!(s.tcp.connections().count(), 1);
    s.put(R, 1, 0, &[]);
    assert_eq!(s.tcp.connections().count(), 0);
    assert_eq!(s.tcp.poll_event(), None);
}

/// RFC 4987: the number of half-open connections is limited; finishing one makes room.
/// RFC 4987 3.2: a limited number of half-open connections.
#[test]
fn the_syn_queue_is_limited() {
    let mut s = Script::with(TcpConfig { syn_cookies: SynCookies::Off, ..plain_config() });
    s.tcp.listen(s.local, false, 1).unwrap();
    let mut isns = Vec::new();
    for port in 1..=200 {
        s.remote = addr(2, port);
        s.put_with(S, 0, 0, &[], mss());
        isns.extend(s.get().map(|got| got.header.seq));
    }
    assert_eq!(isns.len(), 128);
    assert_eq!(s.count("drop_syn_queue_full"), 72);
    s.remote = addr(2, 1);
    s.ours = isns[0];
    s.put(A, 1, 1, &[]);
    assert!(matches!(s.tcp.poll_event(), Some(Event::TcpAccepted { .. })));
    s.remote = addr(2, 200);
    s.put_with(S, 0, 0, &[], mss());
    assert!(s.get().is_some());
    // RFC 6528: numbers of different connections say nothing about each other.
    isns.sort_unstable();
    isns.dedup();
    assert_eq!(isns.len(), 128);
}

/// RFC 9293 3.10.4: CLOSE in SYN-RECEIVED.
#[test]
fn a_close_before_the_handshake_is_done_waits_for_it() {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    s.close();
    s.expect_nothing();
    s.put_with(S.with(A), 0, 1, &[], mss());
    s.expect(F.with(A), 1, 1, 0);
    s.expect_state(State::FinWait1);
}

/// RFC 9293 3.10.1: OPEN of a connection that exists is refused.
#[test]
fn stale_handles_and_used_tuples() {
    let mut s = Script::established();
    let again = s.tcp.connect(s.now, s.tuple(), s.path, TcpOptions::default());
    assert_eq!(again, Err(NetError::AddressInUse));
    let id = s.id();
    s.tcp.abort(s.now, id);
    s.expect(R.with(A), 1, 1, 0);
    assert_eq!(s.tcp.status(id), None);
    assert_eq!(s.tcp.send(s.now, id, b"x"), Err(NetError::NotConnected));
    assert_eq!(s.tcp.receive(s.now, id, &mut [0]), Err(NetError::NotConnected));
    assert_eq!(s.tcp.peek(id), [&[], &[]] as [&[u8]; 2]);
    s.tcp.consume(s.now, id, 9);
    s.tcp.send_commit(s.now, id, 9, Mark::default());
    s.tcp.close(s.now, id);
    s.tcp.release(s.now, id);
    assert!(s.tcp.info(s.now, id).is_none() && s.tcp.options(id).is_none());
    // The slot is used again, the handle is not.
    s.connect(TcpOptions::default());
    assert_eq!(s.id().slot, id.slot);
    assert_ne!(s.id(), id);
    assert_eq!(s.tcp.status(id), None);
}
