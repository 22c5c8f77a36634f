//! Fast open (RFC 7413) as a client.
use super::fast_open::{config, cookie, with_cookie};
use super::script::*;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::{Cookie, Options};

fn asking() -> TcpOptions {
    TcpOptions { fast_open: true, ..TcpOptions::default() }
}

/// Opens a connection with `data` to go with its SYN; gives the SYN.
fn open(s: &mut Script, port: u16, data: &[u8]) -> Got {
    s.local.set_port(port);
    let id = s.tcp.connect(s.now, s.tuple(), s.path, asking()).unwrap();
    s.id = Some(id);
    assert_eq!(s.tcp.preload(s.now, id, data), data.len());
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
