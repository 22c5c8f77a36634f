//! Timers other than retransmission: persist, keep-alive, user timeout; and the heap.
use super::script::*;
use crate::base::NetError;
use crate::base::limits::TCP_CONNECTIONS;
use crate::base::time::Duration;
use crate::stack::tcp::*;

/// RFC 9293 3.8.6.1: probes with back-off, for ever, as long as the peer answers.
#[test]
fn zero_window_probes() {
    let mut s = Script::established();
    s.send(500);
    s.expect(P.with(A), 1, 1, 500);
    s.window = 0;
    s.put(A, 1, 501, &[]);
    s.send(700);
    s.expect_nothing();
    let mut last = 0;
    for i in 0..40 {
        let (ms, probe) = s.until_sent();
        assert_eq!(probe.header.seq.wrapping_sub(s.ours), 500);
        assert!(probe.payload.is_empty());
        if i < 9 {
            assert_eq!(ms, 200 << i);
        }
        last = ms;
        s.put(A, 1, 501, &[]);
    }
    assert_eq!(last, 120_000);
    s.expect_state(State::Established);
    s.window = 10_000;
    s.put(A, 1, 501, &[]);
    s.expect(P.with(A), 501, 1, 700);
}

/// RFC 9293 3.8.3: unanswered probes.
#[test]
fn a_peer_that_does_not_answer_probes_is_dead() {
    let mut s = Script::established();
    s.window = 0;
    s.put(A, 2, 1, &[]);
    s.put(A, 1, 1, &[]);
    s.get();
    s.send(1);
    for _ in 0..15 {
        s.until_sent();
    }
    s.pass(Duration::from_secs(121));
    assert_eq!(s.status().error, Some(NetError::TimedOut));
}

/// An orphan does not probe for ever, even if it is answered.
#[test]
fn an_orphan_before_a_closed_window_ends() {
    let mut s = Script::established();
    s.window = 0;
    s.put(A, 1, 1, &[]);
    s.send(10);
    s.release();
    let start = s.now;
    while s.tcp.connections().count() > 0 {
        s.pass_ms(500);
        while let Some(got) = s.get() {
            assert_eq!(got.header.flags, A);
            s.put(A, 1, 1, &[]);
        }
    }
    let seconds = s.now.since(start).as_secs();
    assert!((120..600).contains(&seconds), "{seconds}");
}

/// The FIN waits for the window as well, and gets out.
#[test]
fn fin_behind_a_closed_window() {
    let mut s = Script::established();
    s.window = 0;
    s.put(A, 1, 1, &[]);
    s.close();
    s.expect_nothing();
    let (_, probe) = s.until_sent();
    assert_eq!(probe.header.flags, A);
    s.window = 100;
    s.put(A, 1, 1, &[]);
    s.expect(F.with(A), 1, 1, 0);
}

fn keepalive(s: &mut Script) {
    s.options(|o| {
        o.keepalive = true;
        o.keepidle = Duration::from_secs(100);
        o.keepintvl = Duration::from_secs(10);
        o.keepcnt = 3;
    });
}

/// RFC 9293 3.8.4.
#[test]
fn keepalive_probes_then_gives_up() {
    let mut s = Script::established();
    keepalive(&mut s);
    let (ms, probe) = s.until_sent();
    assert_eq!(ms, 100_000);
    assert_eq!((probe.header.seq.wrapping_sub(s.ours), probe.payload.len()), (0, 0));
    // An answer starts it over.
    s.put(A, 1, 1, &[]);
    assert_eq!(s.until_sent().0, 100_000);
    for _ in 0..2 {
        assert_eq!(s.until_sent().0, 10_000);
    }
    s.pass(Duration::from_secs(10));
    assert_eq!(s.status().error, Some(NetError::TimedOut));
    assert_eq!(s.get().unwrap().header.flags, R.with(A));
}

/// RFC 1122 4.2.3.6: only after silence, and off by default.
#[test]
fn keepalive_can_be_taken_off_and_waits_for_silence() {
    let mut s = Script::established();
    keepalive(&mut s);
    s.pass(Duration::from_secs(60));
    s.put(A, 1, 1, b"x");
    s.get();
    assert_eq!(s.until_sent().0, 100_000);
    s.put(A, 2, 1, &[]);
    s.options(|o| o.keepalive = false);
    s.pass(Duration::from_secs(1000));
    s.expect_nothing();
    s.expect_state(State::Established);
}

/// `TCP_USER_TIMEOUT` (RFC 5482), with data in flight, with a closed window, and idle.
/// RFC 9293 3.10.8: the user timeout.
#[test]
fn user_timeout() {
    let set = |s: &mut Script| s.options(|o| o.user_timeout = Duration::from_secs(5));
    let mut s = Script::established();
    set(&mut s);
    s.pass(Duration::from_secs(100));
    s.expect_state(State::Established);
    s.send(10);
    s.get();
    s.pass_ms(4_900);
    assert_eq!(s.status().error, None);
    s.pass_ms(100);
    assert_eq!(s.status().error, Some(NetError::TimedOut));

    let mut s = Script::established();
    set(&mut s);
    s.window = 0;
    s.put(A, 1, 1, &[]);
    s.send(10);
    s.expect_nothing();
    s.pass_ms(5_000);
    assert_eq!(s.status().error, Some(NetError::TimedOut));
}

/// RFC 9293 3.8.4: after a probe that was answered the idle time counts from that answer (Linux
/// `tcp_keepalive_timer`), not from the end of the interval between probes.
#[test]
fn keepalive_counts_from_the_answer() {
    let mut s = Script::established();
    s.options(|o| {
        o.keepalive = true;
        (o.keepidle, o.keepintvl) = (Duration::from_secs(2), Duration::from_secs(1));
    });
    let (ms, probe) = s.until_sent();
    assert_eq!((ms, probe.header.seq), (2_000, s.ours));
    s.pass_ms(10);
    s.put(A, 1, 1, &[]);
    s.expect_nothing();
    assert_eq!(s.until_sent().0, 2_000);
    // Without an answer it is the interval.
    assert_eq!(s.until_sent().0, 1_000);
    s.put(A, 1, 1, &[]);
    // Data that is on its way when the time is over puts it off by the idle time from then.
    s.pass_ms(900);
    s.send(10);
    s.get().expect("the data");
    s.pass_ms(100);
    s.put(A, 1, 11, &[]);
    assert_eq!(s.until_sent().0, 2_000);
}

/// Thousands of connections, each with its own deadline: every timer fires, once.
#[test]
fn many_connections() {
    let mut s = Script::plain();
    let mut ids = Vec::new();
    for i in 0..10_000u16 {
        s.remote = addr(2, 1000 + i);
        ids.push(s.tcp.connect(s.now, s.tuple(), s.path, TcpOptions::default()).unwrap());
        s.pass(Duration::from_micros(10));
    }
    assert_eq!(s.tcp.connections().count(), 10_000);
    let drain = |s: &mut Script| std::iter::from_fn(|| s.get()).count();
    assert_eq!(drain(&mut s), 10_000);
    s.pass_ms(1000);
    assert_eq!(drain(&mut s), 10_000);
    s.pass_ms(900);
    assert_eq!(drain(&mut s), 0);
    s.pass_ms(100);
    assert_eq!(drain(&mut s), 10_000);
    s.pass(Duration::from_secs(200));
    drain(&mut s);
    for id in ids {
        assert_eq!(s.tcp.status(id).unwrap().error, Some(NetError::TimedOut));
        s.tcp.release(s.now, id);
    }
    assert_eq!(s.tcp.connections().count(), 0);
    assert_eq!(s.tcp.poll_timeout(), None);
}

/// TIME-WAIT never keeps new connections out: the oldest gives way.
#[test]
fn a_table_full_of_time_wait_has_room() {
    let mut s = Script::with(TcpConfig { time_wait_max: usize::MAX, ..plain_config() });
    for i in 0..TCP_CONNECTIONS + 10 {
        s.remote = addr(2 + (i / 60_000) as u8, 1 + (i % 60_000) as u16);
        s = s.open();
        s.close();
        s.get();
        s.put(F.with(A), 1, 2, &[]);
        s.get();
        s.expect_state(State::TimeWait);
        s.release();
        while s.tcp.poll_event().is_some() {}
    }
    assert_eq!(s.tcp.connections().count(), TCP_CONNECTIONS);
    s.pass(Duration::from_secs(60));
    assert_eq!(s.tcp.connections().count(), 0);
}

/// A connection that carries nothing owns little.
#[test]
fn an_idle_connection_is_small() {
    let size = core::mem::size_of::<crate::stack::tcp::conn::Conn>();
    assert!(size <= 2048, "{size} bytes");
}
