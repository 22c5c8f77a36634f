//! Half-open connections: the SYN queue, SYN cookies, deferred and refused ACKs.
use super::script::*;
use crate::base::time::Duration;
use crate::stack::Event;
use crate::stack::tcp::*;
use crate::wire::tcp::{Flags, Options};

fn mss() -> Options {
    Options { mss: Some(1460), ..Options::default() }
}

fn listening(config: TcpConfig) -> Script {
    let mut s = Script::with(config);
    s.path.mtu = 1500;
    s.tcp.listen(s.local, false, 1).unwrap();
    s
}

fn with_options(config: TcpConfig, options: TcpOptions) -> Script {
    let mut s = listening(config);
    s.tcp.set_listener_options(s.local, false, options);
    s
}

/// A SYN and its SYN-ACK.
#[track_caller]
fn syn(s: &mut Script, options: Options) -> Got {
    s.put_with(S, 0, 0, &[], options);
    let got = s.get().expect("a SYN-ACK");
    assert_eq!(got.header.flags.0 & 0x3f, S.with(A).0);
    s.ours = got.header.seq;
    got
}

fn accepted(s: &mut Script) -> bool {
    while let Some(event) = s.tcp.poll_event() {
        if let Event::TcpAccepted { conn, .. } = event {
            s.id = Some(conn);
            return true;
        }
    }
    false
}

fn always(timestamps: bool) -> TcpConfig {
    TcpConfig { syn_cookies: SynCookies::Always, timestamps, ..TcpConfig::default() }
}

/// RFC 4987 3.2: a half-open connection is a small record, not a connection.
#[test]
fn a_half_open_connection_is_small() {
    let size = core::mem::size_of::<crate::stack::tcp::open::Request>();
    assert!(size <= 320, "{size} bytes");
}

/// RFC 4987 3.6: beyond the queue SYNs are answered with cookies, and nothing is kept of them; the
/// ACK that brings one back opens, also with data.
#[test]
fn a_full_queue_gives_cookies() {
    let mut s = listening(TcpConfig { syn_queue: 4, ..TcpConfig::default() });
    let o = Options { timestamps: Some((5, 0)), window_shift: Some(3), ..mss() };
    let o = Options { sack_permitted: true, ..o };
    for port in 1..=4 {
        s.remote = addr(2, port);
        syn(&mut s, o);
    }
    assert_eq!(s.count("syn_cookies_sent"), 0);
    s.remote = addr(2, 5);
    let got = syn(&mut s, o);
    assert_eq!((s.count("syn_cookies_sent"), s.tcp.connections().count()), (1, 4));
    // It offers all that the cookie can carry.
    let offered = got.header.options;
    assert!(offered.window_shift.is_some() && offered.sack_permitted);
    assert_eq!(offered.timestamps.unwrap().1, 5);
    assert!(!accepted(&mut s));
    s.pass_ms(500);
    let back = Options { timestamps: Some((505, s.last_stamp)), ..Options::default() };
    s.put_with(A.with(P), 1, 1, b"GET", back);
    assert!(accepted(&mut s));
    assert_eq!(s.read(), b"GET");
    let info = s.tcp.info(s.now, s.id()).unwrap();
    assert_eq!((info.options & 7, info.snd_wscale, info.snd_mss), (7, 3, 1448));
    assert_eq!(info.snd_wnd, 50_000 << 3);
    assert_eq!(s.count("syn_cookies_received"), 1);
    // It works: data, with timestamps that never go back.
    let stamp = s.last_stamp;
    s.send(10);
    let got = s.get().unwrap();
    assert_eq!((got.header.ack, got.payload.len()), (THEIRS.wrapping_add(4), 10));
    assert!(got.header.options.timestamps.unwrap().0.wrapping_sub(stamp) < 1000);
}

/// RFC 4987 3.6, RFC 7323: each option survives on its own.
#[test]
fn every_option_survives_the_cookie() {
    for bits in 0..8u8 {
        let (scaled, sacked, ecn) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
        let mut s = listening(always(true));
        let o = Options {
            mss: Some(536),
            window_shift: scaled.then_some(9),
            sack_permitted: sacked,
            timestamps: Some((7, 0)),
            ..Options::default()
        };
        s.put_with(if ecn { Flags(0xc2) } else { S }, 0, 0, &[], o);
        s.ours = s.get().unwrap().header.seq;
        let back = Options { timestamps: Some((8, s.last_stamp)), ..Options::default() };
        s.put_with(A, 1, 1, &[], back);
        assert!(accepted(&mut s));
        let info = s.tcp.info(s.now, s.id()).unwrap();
        let expected = [true, sacked, scaled, ecn];
        let expected = (0..4).map(|bit| u8::from(expected[bit]) << bit).sum();
        assert_eq!((info.options & 15, info.snd_mss), (expected, 524), "{bits}");
        assert_eq!(info.snd_wscale, if scaled { 9 } else { 0 });
    }
}

/// RFC 4987 3.6: without timestamps a cookie carries the MSS alone, and nothing else is offered.
#[test]
fn without_timestamps_only_the_mss_survives() {
    for (ours, theirs) in [(true, None), (false, Some((1, 0)))] {
        let mut s = listening(always(ours));
        let o =
            Options { window_shift: Some(7), sack_permitted: true, timestamps: theirs, ..mss() };
        let got = syn(&mut s, o);
        assert_eq!(got.header.options, Options { mss: Some(1460), ..Options::default() });
        s.put(A, 1, 1, &[]);
        assert!(accepted(&mut s));
        let info = s.tcp.info(s.now, s.id()).unwrap();
        assert_eq!((info.options & 7, info.snd_mss, info.snd_wnd), (0, 1460, 50_000));
    }
}

/// RFC 4987 3.6: a forged cookie is refused like any ACK for nobody, and so is one that comes when
/// none was given of late.
#[test]
fn forged_and_old_cookies_are_refused() {
    let mut s = listening(always(false));
    s.put(A, 1, 1, &[]);
    s.expect(R, 1, 0, 0);
    assert_eq!(s.count("drop_bad_syn_cookie"), 0);
    syn(&mut s, mss());
    s.put(A, 1, 77, &[]);
    s.expect(R, 77, 0, 0);
    s.put(A, 2, 1, &[]);
    s.expect(R, 1, 0, 0);
    assert_eq!(s.count("drop_bad_syn_cookie"), 2);
    s.put(R, 1, 0, &[]);
    s.expect_nothing();
    // Another one keeps cookies welcome, but this one is too old by then.
    s.pass(Duration::from_secs(100));
    let ours = s.ours;
    s.remote = addr(3, 1);
    syn(&mut s, mss());
    s.remote = addr(2, 5000);
    s.ours = ours;
    s.pass(Duration::from_secs(29));
    s.put(A, 1, 1, &[]);
    s.expect(R, 1, 0, 0);
    assert_eq!(s.count("drop_bad_syn_cookie"), 3);
    assert!(!accepted(&mut s));
    // With cookies off none is believed.
    let mut s = listening(TcpConfig { syn_cookies: SynCookies::Off, ..plain_config() });
    syn(&mut s, mss());
    s.remote = addr(9, 9);
    s.put(A, 1, 1, &[]);
    s.expect(R, 1, 0, 0);
}

/// RFC 9293 3.10.7.4, first to fifth, SYN-RECEIVED after a passive open: out of the window is
/// answered by an ACK, a reset or SYN in it returns to LISTEN, a wrong ACK is refused.
#[test]
fn segments_in_syn_received() {
    let fresh = || {
        let mut s = listening(plain_config());
        syn(&mut s, mss());
        s
    };
    let count = |s: &Script| s.tcp.connections().count();
    // First: not acceptable; limited in number (RFC 5961 7).
    let mut s = fresh();
    s.put(A, 100_000, 1, b"x");
    s.expect(A, 1, 1, 0);
    s.put(A, 100_000, 1, b"x");
    s.expect_nothing();
    s.put(R, 100_000, 0, &[]);
    s.expect_nothing();
    assert_eq!(count(&s), 1);
    // Second: RST, exact or not (RFC 5961 3.2).
    let mut s = fresh();
    s.put(R, 9, 0, &[]);
    s.expect(A, 1, 1, 0);
    assert_eq!(count(&s), 1);
    s.put(R, 1, 0, &[]);
    s.expect_nothing();
    assert_eq!(count(&s), 0);
    // Fourth: SYN in the window. As on Linux its sender is told.
    let mut s = fresh();
    s.put(S, 9, 0, &[]);
    let reset = s.get().expect("a reset").header;
    assert_eq!((reset.flags, reset.seq, reset.ack), (R.with(A), 0, THEIRS.wrapping_add(10)));
    assert_eq!(count(&s), 0);
    // The same SYN: the SYN-ACK again.
    let mut s = fresh();
    s.put(S, 0, 0, &[]);
    s.expect(S.with(A), 0, 1, 0);
    s.put(S, 0, 0, &[]);
    s.expect_nothing();
    // Half-open discovery (RFC 9293 3.5.1): the peer has begun anew, far away; our ACK makes it
    // reset what we have, and its next SYN opens.
    let mut s = fresh();
    s.put(S, 0x4000_0000, 0, &[]);
    s.expect(A, 1, 1, 0);
    s.put(R, 1, 0, &[]);
    s.put(S, 0x4000_0000, 0, &[]);
    assert_eq!(s.get().unwrap().header.flags, S.with(A));
    // Fifth: no ACK, a wrong ACK, the right one; eighth: a FIN may come with it.
    let mut s = fresh();
    s.put(P, 1, 0, b"x");
    s.expect_nothing();
    s.put(A, 1, 2, &[]);
    s.expect(R, 2, 0, 0);
    s.put(F.with(A), 1, 1, &[]);
    assert!(accepted(&mut s));
    s.expect_state(State::CloseWait);
    s.expect(A, 1, 2, 0);
}

/// RFC 9293 3.10.7.4, SYN-RECEIVED: data that overtook the ACK of our SYN-ACK opens and is kept.
#[test]
fn data_may_come_before_the_ack() {
    let mut s = listening(plain_config());
    syn(&mut s, mss());
    s.put(A.with(P), 5, 1, b"late");
    assert!(accepted(&mut s));
    s.expect_state(State::Established);
    s.put(A, 1, 1, b"earl");
    assert_eq!(s.read(), b"earllate");
}

/// RFC 7323 5.3: PAWS holds in SYN-RECEIVED.
#[test]
fn paws_in_syn_received() {
    let mut s = listening(TcpConfig::default());
    syn(&mut s, Options { timestamps: Some((1000, 0)), ..mss() });
    let o = |value| Options { timestamps: Some((value, 0)), ..Options::default() };
    s.put_with(A, 1, 1, &[], o(999));
    s.expect(A, 1, 1, 0);
    assert!(!accepted(&mut s));
    s.put_with(A, 1, 1, &[], o(1001));
    assert!(accepted(&mut s));
}

/// RFC 6298 2.1, 5.5: SYN-ACKs at 1, 3, 7, ... seconds; `TCP_SYNCNT` of the listener says how many.
#[test]
fn syn_acks_are_repeated() {
    for (syn_count, most) in [(0, 5), (2, 2)] {
        let options = TcpOptions { syn_count, ..TcpOptions::default() };
        let mut s = with_options(plain_config(), options);
        syn(&mut s, mss());
        for retry in 0..most {
            let (ms, got) = s.until_sent();
            assert_eq!((ms, got.header.flags), (1000 << retry, S.with(A)));
        }
        s.pass(Duration::from_secs(1 << most));
        s.expect_nothing();
        assert_eq!(s.tcp.connections().count(), 0);
        assert_eq!(s.count("half_open_timed_out"), 1);
        assert_eq!(s.tcp.poll_timeout(), None);
    }
}

/// RFC 4987 3.3: old half-open connections give up early when they are about to fill the queue.
#[test]
fn old_requests_are_pruned_in_a_crowd() {
    let mut s = listening(TcpConfig { syn_queue: 16, ..plain_config() });
    for port in 1..=16 {
        s.remote = addr(2, port);
        syn(&mut s, mss());
    }
    let mut sent = 0;
    for _ in 0..8 {
        s.pass(Duration::from_secs(1));
        sent += std::iter::from_fn(|| s.get()).count();
    }
    // Two repetitions for most, more for those that are left when there is room again.
    assert!((32..48).contains(&sent), "{sent}");
    assert!(s.tcp.connections().count() <= 8);
}

/// tcp(7) `TCP_DEFER_ACCEPT`: a bare ACK does not open, data does; or the end of the deferral,
/// before which the peer is asked once more.
#[test]
fn deferred_accept() {
    let options = TcpOptions { defer_accept: 2, ..TcpOptions::default() };
    let mut s = with_options(plain_config(), options.clone());
    syn(&mut s, mss());
    s.put(A, 1, 1, &[]);
    assert!(!accepted(&mut s));
    assert_eq!(s.count("drop_deferred_ack"), 1);
    s.expect_nothing();
    s.put(A.with(P), 1, 1, b"now");
    assert!(accepted(&mut s));
    assert_eq!(s.read(), b"now");

    let mut s = with_options(plain_config(), options.clone());
    syn(&mut s, mss());
    s.put(A, 1, 1, &[]);
    // At the first timeout nothing but the counting; the second asks again.
    let (ms, got) = s.until_sent();
    assert_eq!((ms, got.header.flags), (3000, S.with(A)));
    s.put(A, 1, 1, &[]);
    assert!(accepted(&mut s));

    // A FIN is no bare ACK.
    let mut s = with_options(plain_config(), options);
    syn(&mut s, mss());
    s.put(F.with(A), 1, 1, &[]);
    assert!(accepted(&mut s));
}

/// RFC 9293 3.10.7.2, as Linux: while the program's queue is full, SYNs are dropped and handshakes
/// wait, with their SYN-ACKs repeated; or are refused (`tcp_abort_on_overflow`).
#[test]
fn a_full_accept_queue() {
    let mut s = listening(plain_config());
    syn(&mut s, mss());
    let until = s.now + Duration::from_millis(1500);
    s.tcp.accept_queue_is_full(s.local, until);
    s.put(A, 1, 1, &[]);
    s.expect_nothing();
    assert!(!accepted(&mut s));
    let other = addr(2, 1);
    let mine = core::mem::replace(&mut s.remote, other);
    s.put_with(S, 0, 0, &[], mss());
    s.expect_nothing();
    s.remote = mine;
    assert_eq!(s.count("drop_accept_queue_full"), 2);
    assert_eq!(s.until_sent().0, 1000);
    s.pass_ms(500);
    s.put(A, 1, 1, &[]);
    assert!(accepted(&mut s));

    let mut s = listening(TcpConfig { abort_on_overflow: true, ..plain_config() });
    syn(&mut s, mss());
    s.tcp.accept_queue_is_full(s.local, s.now + Duration::from_secs(1));
    s.put(A, 1, 1, &[]);
    s.expect(R, 1, 0, 0);
    assert_eq!(s.tcp.connections().count(), 0);
}

/// RFC 5927 4.1: an ICMP error forgets a half-open connection only if it quotes its SYN-ACK.
#[test]
fn icmp_errors_about_a_syn_ack() {
    let mut s = listening(plain_config());
    syn(&mut s, mss());
    let error = IcmpError::Unreachable(crate::base::NetError::HostUnreachable);
    s.tcp.icmp_arrives(s.now, s.tuple(), s.ours.wrapping_add(1), error);
    assert_eq!(s.tcp.connections().count(), 1);
    s.tcp.icmp_arrives(s.now, s.tuple(), s.ours, error);
    assert_eq!(s.tcp.connections().count(), 0);
}

/// RFC 9293 3.10.4 (CLOSE in LISTEN): half-open connections are forgotten, and refused when they
/// speak again.
#[test]
fn a_listener_that_goes_away() {
    let mut s = listening(plain_config());
    syn(&mut s, mss());
    s.tcp.unlisten(s.local, false);
    assert_eq!(s.tcp.connections().count(), 0);
    s.expect_nothing();
    s.put(A, 1, 1, &[]);
    s.expect(R, 1, 0, 0);
}

/// RFC 9293 3.10.7.1: a listener that goes away before a SYN was answered leaves a refusal; a
/// SYN-ACK that was to be repeated is not repeated, as on Linux.
#[test]
fn a_listener_that_goes_away_before_it_answers() {
    let mut s = listening(plain_config());
    assert_eq!(s.tcp.next_called(), None);
    s.put_with(S, 0, 0, &[], mss());
    s.put_with(S, 0, 0, &[], mss());
    assert_eq!(s.tcp.next_called(), Some((s.local, false)));
    assert_eq!(s.tcp.next_called(), None);
    s.tcp.unlisten(s.local, false);
    s.ours = 0;
    s.expect(R.with(A), 0, 1, 0);
    let mut s = listening(plain_config());
    syn(&mut s, mss());
    assert_eq!(s.tcp.next_called(), Some((s.local, false)));
    s.pass(Duration::from_millis(999));
    assert_eq!(s.tcp.next_called(), None);
    s.pass(Duration::from_millis(1));
    assert_eq!(s.tcp.next_called(), Some((s.local, false)));
    s.tcp.unlisten(s.local, false);
    s.expect_nothing();
}

/// A specific listener that goes away leaves who asked for it to the wildcard.
#[test]
fn a_listener_that_goes_away_and_another_that_stays() {
    let mut s = listening(plain_config());
    let any = "0.0.0.0:80".parse().unwrap();
    s.tcp.listen(any, false, 10).unwrap();
    s.put_with(S, 0, 0, &[], mss());
    s.tcp.unlisten(s.local, false);
    s.expect_nothing();
    s.put_with(S, 0, 0, &[], mss());
    assert_eq!(s.get().unwrap().header.flags, S.with(A));
}

/// Connections begin with the options of their listener, and their SYN-ACK has them.
#[test]
fn a_connection_has_the_options_of_its_listener() {
    let options = TcpOptions { ttl: 9, tos: 32, max_segment: 700, ..TcpOptions::default() };
    let mut s = with_options(plain_config(), options.clone());
    let mut out = empty();
    s.put_with(S, 0, 0, &[], mss());
    assert!(s.tcp.poll_transmit(s.now, &mut out));
    assert_eq!((out.ttl, out.tos), (9, 32));
    let (header, _) = crate::wire::tcp::TcpHeader::parse(&out.bytes).unwrap();
    assert_eq!(header.options.mss, Some(700));
    s.ours = header.seq;
    s.put(A, 1, 1, &[]);
    assert!(accepted(&mut s));
    assert_eq!(s.tcp.options(s.id()), Some(&options));
}

/// RFC 4987 2: a flood neither takes memory nor holds up a connection that is there: their segments
/// take turns with the answers.
#[test]
fn a_flood_leaves_connections_their_turn() {
    let mut s = Script::established();
    let established = s.remote;
    s.tcp.listen(s.local, false, 1).unwrap();
    for number in 0..50_000u32 {
        s.remote = addr((number >> 13) as u8 + 3, (number & 0x1fff) as u16 + 1);
        s.put_with(S, 0, 0, &[], mss());
    }
    assert!(s.tcp.connections().count() <= 129);
    assert!(s.count("drop_replies_full") > 40_000);
    s.remote = established;
    s.send(10_000);
    // Ten segments among the first twenty.
    let mut ours = 0;
    for _ in 0..20 {
        ours += usize::from(!s.get().unwrap().payload.is_empty());
    }
    assert_eq!(ours, 10);
}

/// RFC 6528 3: numbers grow with time for one 4-tuple, and say nothing of another's.
#[test]
fn initial_sequence_numbers() {
    let mut s = listening(plain_config());
    let isn = |s: &mut Script, port| {
        s.remote = addr(2, port);
        let isn = syn(s, mss()).header.seq;
        s.put(R, 1, 0, &[]);
        isn
    };
    let (first, other) = (isn(&mut s, 1), isn(&mut s, 2));
    assert!(first.abs_diff(other) > 1000);
    s.pass(Duration::from_secs(1));
    // The clock of 4 us: 250,000 a second.
    assert_eq!(isn(&mut s, 1).wrapping_sub(first), 250_000);
    let mut with_another_key = listening(plain_config());
    with_another_key.tcp = Tcp::new(plain_config(), crate::base::rng::Secret::new([8; 16]), 1);
    with_another_key.tcp.listen(s.local, false, 1).unwrap();
    assert_ne!(isn(&mut with_another_key, 1), first);
}
