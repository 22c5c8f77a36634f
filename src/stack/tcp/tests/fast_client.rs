//! Fast open (RFC 7413) as a client.
use super::fast_open::{config, cookie, with_cookie};
use super::script::*;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::{Cookie, Options};

fn asking() -> TcpOptions {
    TcpOptions { fast_open: true, ..TcpOptions::default() }
}

const ONLY_MSS: Options = Options { mss: Some(1000), ..NONE };
const NONE: Options = Options {
    mss: None,
    window_shift: None,
    sack_permitted: false,
    timestamps: None,
    sack: [(0, 0); 4],
    sack_len: 0,
    fast_open: None,
};

/// Opens a connection with `data` to go with its SYN; gives the SYN.
fn open(s: &mut Script, port: u16, data: &[u8]) -> Got {
    open_with(s, port, data, asking())
}

fn open_with(s: &mut Script, port: u16, data: &[u8], options: TcpOptions) -> Got {
    s.local.set_port(port);
    let id = s.tcp.connect(s.now, s.tuple(), s.path, options).unwrap();
    s.id = Some(id);
    assert_eq!(s.tcp.preload(s.now, id, data, false), data.len());
    let syn = s.get().expect("a SYN");
    s.ours = syn.header.seq;
    assert_eq!(syn.header.flags, S);
    syn
}

/// A client that has got a cookie.
fn client() -> Script {
    let mut s = Script::with(config(1));
    let syn = open(&mut s, 1000, b"");
    assert_eq!(syn.header.options.fast_open, Some(Cookie::REQUEST));
    s.put_with(S.with(A), 0, 1, &[], with_cookie(cookie()));
    s.expect(A, 1, 1, 0);
    s.expect_state(State::Established);
    s
}

/// RFC 7413 4.2.1: the first connection asks for a cookie and carries no data; the data follows the
/// handshake.
#[test]
fn without_a_cookie_the_client_asks_for_one() {
    let mut s = Script::with(config(1));
    let syn = open(&mut s, 1000, b"hello");
    assert_eq!((syn.header.options.fast_open, syn.payload.len()), (Some(Cookie::REQUEST), 0));
    s.put_with(S.with(A), 0, 1, &[], with_cookie(cookie()));
    s.expect(P.with(A), 1, 1, 5);
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().options & 32, 0);
}

/// RFC 7413 4.2.1: a cookie goes with data; what the SYN-ACK acknowledges has arrived.
#[test]
fn the_cookie_is_shown_with_data() {
    let mut s = client();
    assert_eq!(s.tcp.fast_open_room(s.now, s.remote.ip(), 1040, &asking()), 960);
    let syn = open(&mut s, 1001, &[b'x'; 1500]);
    assert_eq!(syn.header.options.fast_open, Some(cookie()));
    assert_eq!(syn.payload.len(), 960);
    s.put_with(S.with(A), 0, 961, &[], Options { mss: Some(1000), ..Options::default() });
    s.expect(P.with(A), 961, 1, 540);
    s.expect_nothing();
    let info = s.tcp.info(s.now, s.id()).unwrap();
    assert_eq!((info.options & 32, info.bytes_acked), (32, 961));
}

/// RFC 7413 4.2.1: data that the SYN-ACK does not acknowledge is sent again, and a new cookie is
/// remembered.
#[test]
fn data_that_was_not_taken_goes_again() {
    for acked in [1, 4] {
        let mut s = client();
        open(&mut s, 1001, b"hello");
        let new = Cookie::new(b"new!").unwrap();
        s.put_with(S.with(A), 0, acked, &[], with_cookie(new));
        let got = s.expect(P.with(A), acked, 1, 6 - acked as usize);
        assert!(b"hello".ends_with(&got.payload));
        // As on Linux it counts as taken only if all of it was.
        let info = s.tcp.info(s.now, s.id()).unwrap();
        assert_eq!((info.options & 32, info.fastopen_client_fail), (0, 2));
        assert_eq!((info.unacked, info.retrans, info.lost, info.delivered), (1, 1, 1, 1));
        s.put(A, 1, 6, &[]);
        assert!(s.status().all_acknowledged);
        let again = open(&mut s, 1002, b"x");
        assert_eq!(again.header.options.fast_open, Some(new));
    }
}

/// RFC 7413 4.2.1: a SYN that is sent again has neither data nor option; a late answer to the first
/// one is good all the same.
#[test]
fn a_lost_syn_is_repeated_bare() {
    for acked in [1, 6] {
        let mut s = client();
        open(&mut s, 1001, b"hello");
        let (ms, syn) = s.until_sent();
        assert_eq!((ms, syn.header.flags, syn.payload.len()), (1000, S, 0));
        assert_eq!(syn.header.options.fast_open, None);
        s.put_with(S.with(A), 0, acked, &[], Options { mss: Some(1000), ..Options::default() });
        s.expect_state(State::Established);
        if acked == 1 {
            s.expect(P.with(A), 1, 1, 5);
        } else {
            s.expect(A, 6, 1, 0);
        }
    }
}

/// RFC 7413 7.1: a way on which such SYNs are lost is avoided for a while.
#[test]
fn a_way_that_loses_such_syns_is_avoided() {
    let mut s = client();
    let connect = |s: &mut Script, port| {
        let syn = open(s, port, b"x");
        let used = syn.header.options.fast_open.is_some();
        if used {
            s.until_sent();
        }
        s.put_with(S.with(A), 0, 1, &[], Options { mss: Some(1000), ..Options::default() });
        let id = s.id();
        s.tcp.abort(s.now, id);
        while s.get().is_some() {}
        used
    };
    assert!(connect(&mut s, 1001));
    assert!(connect(&mut s, 1002));
    assert!(!connect(&mut s, 1003));
    s.pass(Duration::from_secs(121));
    assert!(connect(&mut s, 1004));
    s.pass(Duration::from_secs(121));
    assert!(!connect(&mut s, 1005));
}

/// RFC 7413 4.1.3: cookies of a bounded number of hosts are remembered.
#[test]
fn the_oldest_cookie_is_forgotten() {
    let mut s = Script::with(config(1));
    for host in 0..=crate::base::limits::FAST_OPEN_COOKIES {
        s.remote = addr((host >> 8) as u8 + 2, 80);
        let ip = crate::base::addr::Ipv4Addr::new(10, 1, (host >> 8) as u8, host as u8);
        s.remote.set_ip(ip.into());
        open(&mut s, 1000, b"");
        s.put_with(S.with(A), 0, 1, &[], with_cookie(cookie()));
        s.get();
        let id = s.id();
        s.tcp.abort(s.now, id);
        s.get();
    }
    let room = |s: &Script, last| {
        let ip = crate::base::addr::Ipv4Addr::new(10, 1, 0, last).into();
        s.tcp.fast_open_room(s.now, ip, 1040, &asking())
    };
    assert_eq!((room(&s, 0), room(&s, 1)), (0, 960));
}

/// Linux `tcp_fastopen` bits 0 and 2: off, and without a cookie.
#[test]
fn the_net_decides_about_clients() {
    let mut s = Script::with(config(0));
    assert_eq!(open(&mut s, 1000, b"x").header.options.fast_open, None);
    let mut s = Script::with(config(1 | 4));
    let syn = open(&mut s, 1000, b"hello");
    assert_eq!((syn.header.options.fast_open, syn.payload.len()), (None, 5));
    s.put_with(S.with(A), 0, 6, &[], Options { mss: Some(1000), ..Options::default() });
    s.expect(A, 6, 1, 0);
}

/// RFC 7413 4.1.3: the MSS of the last SYN-ACK bounds the data, whether a cookie came with it or
/// not, and so do the path and `TCP_MAXSEG`; without one (where no cookie is wanted) the path
/// alone, as on Linux.
#[test]
fn how_much_goes_with_a_syn() {
    let mut s = client();
    let sizes = [(0, 700, 960), (0, 9000, 660), (500, 1000, 460), (0, 1000, 960)];
    for (i, (max_segment, mss, len)) in sizes.into_iter().enumerate() {
        let options = TcpOptions { max_segment, ..asking() };
        assert_eq!(s.tcp.fast_open_room(s.now, s.remote.ip(), 1040, &options), len);
        let syn = open_with(&mut s, 1001 + i as u16, &[b'x'; 2000], options);
        assert_eq!((syn.header.options.fast_open, syn.payload.len()), (Some(cookie()), len));
        s.put_with(S.with(A), 0, 1 + len as u32, &[], Options { mss: Some(mss), ..NONE });
        assert_eq!(s.tcp.info(s.now, s.id()).unwrap().options & 32, 32);
        while s.get().is_some() {}
    }
    let mut s = Script::with(config(1 | 4));
    assert_eq!(open(&mut s, 1000, &[b'x'; 2000]).payload.len(), 960);
}

/// RFC 7413 4.2.1: what the SYN-ACK did not acknowledge is outstanding like any data: it goes again
/// at once, in segments of the MSS that was told, before what follows, and is repaired if it is
/// lost again.
#[test]
fn data_that_was_not_taken_is_in_flight() {
    let mut s = client();
    open(&mut s, 1001, &[b'x'; 900]);
    let answer = Options { mss: Some(500), sack_permitted: true, ..NONE };
    s.put_with(S.with(A), 0, 101, &[], answer);
    s.send(700);
    s.expect(A, 101, 1, 500);
    s.expect(P.with(A), 601, 1, 300);
    s.expect(A, 901, 1, 500);
    s.expect(P.with(A), 1401, 1, 200);
    let info = s.tcp.info(s.now, s.id()).unwrap();
    assert_eq!((info.unacked, info.retrans, info.ca_state), (4, 2, 4));
    s.pass_ms(20);
    let mut sack = NONE;
    sack.push_sack(s.ours.wrapping_add(601), s.ours.wrapping_add(1601));
    s.put_with(A, 1, 101, &[], sack);
    let (_, got) = s.until_sent();
    assert_eq!((got.header.seq.wrapping_sub(s.ours), got.payload.len()), (101, 500));
    s.put(A, 1, 1601, &[]);
    assert!(s.status().all_acknowledged);
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().ca_state, 0);
}

/// RFC 6994, and Linux `tcp_fastopen_cache_set`: a host that does not answer the option is asked in
/// the experimental form, once; its cookie is shown in the form in which it came.
#[test]
fn the_experimental_form_is_tried_once() {
    let experimental = cookie().as_experimental();
    let mut s = Script::with(config(1));
    let request = Cookie::REQUEST;
    let asked = |s: &mut Script, port, answer: Option<Cookie>| {
        let shown = open(s, port, b"").header.options.fast_open.unwrap();
        s.put_with(S.with(A), 0, 1, &[], Options { fast_open: answer, ..ONLY_MSS });
        s.expect(A, 1, 1, 0);
        shown
    };
    for (port, form) in [(1, request), (2, request.as_experimental()), (3, request), (4, request)] {
        assert_eq!(asked(&mut s, port, None), form, "{port}");
    }
    s.remote = addr(3, 5000);
    assert_eq!(asked(&mut s, 1, None), request);
    assert_eq!(asked(&mut s, 2, Some(experimental)), request.as_experimental());
    assert_eq!(asked(&mut s, 3, None), experimental);
    // A server that answers in the other form has the last word.
    assert_eq!(asked(&mut s, 4, Some(cookie())), experimental);
    assert_eq!(asked(&mut s, 5, None), cookie());
}

/// RFC 7413 4.2.1: a cookie that nobody asked for is not kept.
#[test]
fn a_cookie_without_a_question_is_ignored() {
    let mut s = Script::with(config(1 | 4));
    open(&mut s, 1000, b"x");
    s.put_with(S.with(A), 0, 2, &[], with_cookie(cookie()));
    s.expect(A, 2, 1, 0);
    s.tcp.set_config(config(1));
    assert_eq!(open(&mut s, 1001, b"x").header.options.fast_open, Some(Cookie::REQUEST));
}

/// RFC 9293 3.10.7.3: data and FIN may come with the SYN-ACK. Like Linux they are taken where fast
/// open was asked for, up to the window.
#[test]
fn a_syn_ack_brings_data() {
    let mut s = client();
    open(&mut s, 1001, b"GET");
    s.put_with(S.with(A).with(F), 0, 4, b"page", ONLY_MSS);
    s.expect_state(State::CloseWait);
    assert_eq!(s.read(), b"page");
    s.expect(A, 4, 6, 0);
    let mut s = Script::with(config(0));
    open(&mut s, 1001, b"GET");
    s.put_with(S.with(A).with(F), 0, 1, b"page", ONLY_MSS);
    s.expect_state(State::Established);
    assert_eq!(s.read(), b"");
    s.expect(P.with(A), 1, 1, 3);
    // If our own data was not taken, theirs is not either: Linux sends it again first.
    let mut s = client();
    open(&mut s, 1001, b"GET");
    s.put_with(S.with(A), 0, 1, b"page", ONLY_MSS);
    s.expect(P.with(A), 1, 1, 3);
    s.put(P.with(A), 1, 4, b"page");
    assert_eq!(s.read(), b"page");
}

/// RFC 9293 figure 8: SYNs that cross, ours with data. The SYN-ACK has no cookie; data that is
/// acknowledged does not go again, the rest does; the peer's SYN, which comes twice, is answered.
#[test]
fn syns_cross() {
    for acked in [6, 1] {
        let mut s = client();
        open(&mut s, 1001, b"hello");
        let theirs = Options { sack_permitted: true, ..with_cookie(cookie()) };
        s.put_with(S, 0, 0, b"data", theirs);
        let answer = s.expect(S.with(A), 0, 1, 0);
        assert_eq!(answer.header.options.fast_open, None);
        if acked == 6 {
            s.put_with(S.with(A), 0, 6, &[], theirs);
            let got = s.expect(A, 6, 1, 0);
            assert_eq!(got.header.options.sack_blocks(), [(THEIRS, THEIRS.wrapping_add(1))]);
        } else {
            s.put(A, 1, 1, &[]);
            let (_, got) = s.until_sent();
            assert_eq!(got.payload, b"hello");
        }
        s.expect_state(State::Established);
        s.put(P.with(A), 1, 6, b"data");
        assert_eq!(s.read(), b"data");
        assert!(s.status().all_acknowledged);
    }
}

/// RFC 1191 6.5, as Linux `tcp_simple_retransmit`: a SYN with data that is too large for the way
/// goes again at once without, and says what fits.
#[test]
fn a_syn_that_is_too_large() {
    let mut s = client();
    open(&mut s, 1001, &[b'x'; 900]);
    s.tcp.icmp_arrives(s.now, s.tuple(), s.ours, IcmpError::TooBig(740));
    let again = s.expect(S, 0, 0, 0);
    assert_eq!((again.header.options.mss, again.header.options.fast_open), (Some(700), None));
    s.put_with(S.with(A), 0, 1, &[], ONLY_MSS);
    s.expect(A, 1, 1, 700);
    s.expect(P.with(A), 701, 1, 200);
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().fastopen_client_fail, 3);
}

/// RFC 7323 3.2: a SYN-ACK that echoes none of our timestamps is not for this connection (Linux
/// `PAWSActiveRejected`).
#[test]
fn a_syn_ack_with_a_strange_echo() {
    let mut s = Script::with(TcpConfig { timestamps: true, ..config(1) });
    let syn = open(&mut s, 1000, b"");
    let (sent, _) = syn.header.options.timestamps.unwrap();
    s.pass_ms(10);
    for (echo, good) in [(sent - 1, false), (sent + 11, false), (sent + 5, true)] {
        let answer = Options { timestamps: Some((1, echo)), ..ONLY_MSS };
        s.put_with(S.with(A), 0, 1, &[], answer);
        s.expect(if good { A } else { R }, 1, if good { 1 } else { 0 }, 0);
    }
    assert_eq!(s.count("drop_syn_sent_bad_echo"), 2);
}

/// RFC 9293 3.8.6.3, Linux `tcp_rcv_synsent_state_process`: while the program waits to write more,
/// the ACK of the SYN-ACK goes with that, or after 200 ms; and the exchange is interactive.
#[test]
fn the_first_ack_waits_for_data() {
    let mut s = client();
    let begin = |s: &mut Script, port| {
        s.local.set_port(port);
        let id = s.tcp.connect(s.now, s.tuple(), s.path, asking()).unwrap();
        s.id = Some(id);
        s.tcp.preload(s.now, id, b"hello", true);
        s.ours = s.get().unwrap().header.seq;
        s.put_with(S.with(A), 0, 6, &[], ONLY_MSS);
        s.expect_nothing();
    };
    begin(&mut s, 1001);
    s.send(500);
    s.expect(P.with(A), 6, 1, 500);
    s.pass_ms(10);
    s.put(P.with(A), 1, 506, b"answer");
    s.expect_nothing();
    let mut s = client();
    begin(&mut s, 1002);
    let (ms, ack) = s.until_sent();
    assert_eq!((ms, ack.header.flags, ack.payload.len()), (200, A, 0));
}
