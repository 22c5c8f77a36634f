//! Fast open (RFC 7413) as a server.
use super::script::*;
use crate::base::time::Duration;
use crate::base::{FastOpenKeys, NetError};
use crate::stack::Event;
use crate::stack::tcp::*;
use crate::wire::tcp::{Cookie, Options};

pub fn config(bits: u32) -> TcpConfig {
    TcpConfig { fast_open: FastOpenBits(bits), ..plain_config() }
}

pub fn cookie() -> Cookie {
    Cookie::new(b"8 bytes!").unwrap()
}

pub fn with_cookie(cookie: Cookie) -> Options {
    Options { mss: Some(1000), fast_open: Some(cookie), ..Options::default() }
}

fn server(bits: u32, queue: u16) -> Script {
    let mut s = Script::with(config(bits));
    s.tcp.listen(s.local, false, 10).unwrap();
    let options = TcpOptions { fast_open_queue: queue, ..TcpOptions::default() };
    s.tcp.set_listener_options(s.local, false, options);
    s
}

/// Asks the server for a cookie.
#[track_caller]
fn ask(s: &mut Script) -> Option<Cookie> {
    s.put_with(S, 0, 0, &[], with_cookie(Cookie::REQUEST));
    let got = s.expect_syn_ack(1);
    s.put(R, 1, 0, &[]);
    got.header.options.fast_open
}

impl Script {
    #[track_caller]
    fn expect_syn_ack(&mut self, ack: u32) -> Got {
        let got = self.get().expect("a SYN-ACK");
        assert_eq!(got.header.flags, S.with(A));
        assert_eq!(got.header.ack, THEIRS.wrapping_add(ack));
        self.ours = got.header.seq;
        got
    }
    fn accept(&mut self) -> bool {
        match self.tcp.poll_event() {
            Some(Event::TcpAccepted { conn, .. }) => {
                self.id = Some(conn);
                true
            }
            _ => false,
        }
    }
}

/// RFC 7413 4.1.2: a cookie is for one client; who asks gets it, if the listener takes part.
#[test]
fn cookies_are_made_for_one_client() {
    let mut s = server(2, 5);
    let first = ask(&mut s).unwrap();
    assert_eq!(first.as_bytes().len(), 8);
    assert_eq!(ask(&mut s), Some(first));
    s.remote = addr(3, 5000);
    assert_ne!(ask(&mut s), Some(first));
    for (bits, queue, given) in [(1, 5, false), (2, 0, false), (0x402, 0, true)] {
        assert_eq!(ask(&mut server(bits, queue)).is_some(), given);
    }
}

/// RFC 7413 4.2.2: data with a good cookie is there at once, and the program may answer before the
/// handshake is done.
#[test]
fn a_good_cookie_opens_at_once() {
    let mut s = server(2, 5);
    let cookie = ask(&mut s).unwrap();
    s.put_with(S, 0, 0, b"GET", with_cookie(cookie));
    assert!(s.accept());
    s.expect_state(State::SynReceived);
    assert_eq!(s.read(), b"GET");
    s.expect_syn_ack(4);
    assert_eq!(s.send(1500), 1500);
    s.expect(A, 1, 4, 1000);
    s.expect(P.with(A), 1001, 4, 500);
    // Only the SYN-ACK is repeated.
    let (ms, again) = s.until_sent();
    assert_eq!((ms, again.header.flags), (1000, S.with(A)));
    s.put(A, 4, 1501, &[]);
    s.expect_state(State::Established);
    assert!(s.status().all_acknowledged);
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().options & 32, 32);
    s.put(A.with(P), 4, 1501, b"more");
    assert_eq!(s.read(), b"more");
}

/// RFC 7413 4.2.2: a bad cookie is answered by an ordinary SYN-ACK with the right one; the data is
/// not taken.
#[test]
fn a_bad_cookie_falls_back() {
    let mut s = server(2, 5);
    let right = ask(&mut s).unwrap();
    s.put_with(S, 0, 0, b"GET", with_cookie(cookie()));
    assert!(!s.accept());
    let got = s.expect_syn_ack(1);
    assert_eq!(got.header.options.fast_open, Some(right));
    assert_eq!(s.count("fast_open_bad_cookie"), 1);
    s.put(A, 1, 1, b"GET");
    assert!(s.accept());
    assert_eq!(s.read(), b"GET");
}

/// RFC 7413 5.1: the number of connections without a handshake is limited; beyond it the handshake
/// is an ordinary one.
#[test]
fn the_queue_of_a_listener_is_limited() {
    let mut s = server(2, 2);
    let cookie = ask(&mut s).unwrap();
    for (port, opens) in [(1, true), (2, true), (3, false)] {
        s.remote.set_port(port);
        s.put_with(S, 0, 0, b"x", with_cookie(cookie));
        assert_eq!(s.accept(), opens);
        let syn_ack = s.get().unwrap();
        if port == 2 {
            s.ours = syn_ack.header.seq;
        }
    }
    assert_eq!(s.count("fast_open_queue_full"), 1);
    // One of them finishes.
    s.remote.set_port(2);
    s.put(A, 2, 1, &[]);
    s.expect_state(State::Established);
    s.remote.set_port(4);
    s.put_with(S, 0, 0, b"x", with_cookie(cookie));
    assert!(
        std::iter::from_fn(|| s.tcp.poll_event())
            .any(|event| matches!(event, Event::TcpAccepted { .. }))
    );
}

/// RFC 7413 5.1: one that is reset before its handshake is done makes no room for another; only a
/// minute later (Linux `reqsk_fastopen_remove`).
#[test]
fn a_reset_child_still_counts() {
    let mut s = server(2, 2);
    let cookie = ask(&mut s).unwrap();
    let opens = |s: &mut Script, port| {
        s.remote.set_port(port);
        let asked = ask(s);
        s.put_with(S, 0, 0, b"x", with_cookie(asked.unwrap_or(cookie)));
        let opened = s.accept();
        s.expect_syn_ack(if opened { 2 } else { 1 });
        s.put(R, if opened { 2 } else { 1 }, 0, &[]);
        if opened {
            assert_eq!(s.status().error, Some(NetError::Reset));
            s.release();
        }
        opened
    };
    assert!(opens(&mut s, 1));
    s.pass(Duration::from_secs(30));
    assert!(opens(&mut s, 2));
    assert!(!opens(&mut s, 3));
    s.pass(Duration::from_secs(30));
    assert!(opens(&mut s, 4));
    assert!(!opens(&mut s, 5));
    s.pass(Duration::from_secs(30));
    assert!(opens(&mut s, 6));
}

/// `TCP_FASTOPEN_NO_COOKIE` of a listener, and Linux's bit 0x200: data without a cookie is taken.
#[test]
fn without_a_cookie_where_none_is_wanted() {
    for (bits, no_cookie) in [(0x202, false), (2, true)] {
        let mut s = server(bits, 5);
        let mut options = s.tcp.listener_options(s.local, false).unwrap().clone();
        options.fast_open_no_cookie = no_cookie;
        s.tcp.set_listener_options(s.local, false, options);
        s.put_with(S, 0, 0, b"GET", Options { mss: Some(1000), ..Options::default() });
        assert!(s.accept());
        s.expect_syn_ack(4);
    }
}

/// RFC 7413 4.2.2, RFC 9293 3.10.7.4: a SYN-ACK that nobody answers ends the connection.
#[test]
fn a_child_without_a_handshake_times_out() {
    let mut s = server(2, 5);
    let cookie = ask(&mut s).unwrap();
    s.put_with(S, 0, 0, b"GET", with_cookie(cookie));
    assert!(s.accept());
    s.expect_syn_ack(4);
    s.pass(Duration::from_secs(64));
    assert_eq!(s.status().error, Some(NetError::TimedOut));
}

/// RFC 9293 3.10.5: a child that is given up before its handshake is done is reset, at once, as it
/// has nothing to deliver.
#[test]
fn a_child_without_a_handshake_is_reset() {
    let mut s = server(2, 5);
    let cookie = ask(&mut s).unwrap();
    s.put_with(S, 0, 0, b"GET", with_cookie(cookie));
    assert!(s.accept());
    s.expect_syn_ack(4);
    assert!(s.status().all_acknowledged);
    let id = s.id();
    s.tcp.abort(s.now, id);
    s.expect(R.with(A), 1, 4, 0);
    s.pass(Duration::from_secs(2));
    s.expect_nothing();
}

/// RFC 7413 4.2.2: the answer to a SYN's data may fill the whole window that the SYN told, and the
/// initial window.
#[test]
fn a_child_fills_the_window_of_the_syn() {
    for (window, fits) in [(2000, 2000), (50_000, 10_000)] {
        let mut s = server(2, 5);
        let cookie = ask(&mut s).unwrap();
        s.window = window;
        s.put_with(S, 0, 0, b"GET", with_cookie(cookie));
        assert!(s.accept());
        s.expect_syn_ack(4);
        s.send(20_000);
        let sent: usize = std::iter::from_fn(|| s.get()).map(|got| got.payload.len()).sum();
        assert_eq!(sent, fits);
    }
}

/// RFC 7413 4.1.2: with a given key the cookies are those of Linux (seen there with
/// `tcp_fastopen_key` a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4).
#[test]
fn cookies_are_the_ones_of_linux() {
    let key = [0xa1u32, 0xb2, 0xc3, 0xd4].map(|byte| byte as u8);
    let key = core::array::from_fn(|i| key[i / 4]);
    for (client, server, cookie) in [
        ("192.0.2.1", "192.168.0.1", 0x3021_b9d8_8901_7eebu64),
        ("fd3d:fa7b:d17d::1", "fd3d:0a0b:17d6::1", 0xc1d1_e974_2a47_a9bc),
    ] {
        let keys = Some(FastOpenKeys { active: key, backup: None });
        let mut s = Script::with(TcpConfig { fast_open_keys: keys, ..config(2) });
        s.remote.set_ip(client.parse().unwrap());
        s.local.set_ip(server.parse().unwrap());
        s.tcp.listen(s.local, false, 10).unwrap();
        let options = TcpOptions { fast_open_queue: 5, ..TcpOptions::default() };
        s.tcp.set_listener_options(s.local, false, options);
        assert_eq!(ask(&mut s).unwrap().as_bytes(), cookie.to_be_bytes());
    }
}

/// RFC 7413 4.1.2, `TCP_FASTOPEN_KEY`: a listener's own key comes before the net's; a cookie of its
/// backup key is good, and is renewed.
#[test]
fn a_listener_has_keys_of_its_own() {
    let [old, new] = [[1; 16], [2; 16]];
    let keys = |active, backup| Some(FastOpenKeys { active, backup });
    let mut s = Script::with(TcpConfig { fast_open_keys: keys([3; 16], None), ..config(2) });
    s.tcp.listen(s.local, false, 10).unwrap();
    let set = |s: &mut Script, fast_open_keys| {
        let options = TcpOptions { fast_open_queue: 5, fast_open_keys, ..TcpOptions::default() };
        s.tcp.set_listener_options(s.local, false, options);
        ask(s).unwrap()
    };
    let of_net = set(&mut s, None);
    let [of_old, of_new] = [old, new].map(|key| set(&mut s, keys(key, None)));
    assert!(of_net != of_old && of_net != of_new && of_old != of_new);
    assert_eq!(set(&mut s, keys(new, Some(old))), of_new);
    for (cookie, opens, renewed) in
        [(of_new, true, None), (of_old, true, Some(of_new)), (of_net, false, Some(of_new))]
    {
        s.put_with(S, 0, 0, b"GET", with_cookie(cookie));
        assert_eq!(s.accept(), opens);
        let got = s.expect_syn_ack(if opens { 4 } else { 1 });
        assert_eq!(got.header.options.fast_open, renewed);
        s.put(R, if opens { 4 } else { 1 }, 0, &[]);
        while s.tcp.poll_event().is_some() {}
        s.remote.set_port(s.remote.port() + 1);
    }
}

/// As on Linux before the program has accepted (`tcp_v4_err`): an ICMP error about the SYN-ACK ends
/// a connection that fast open has begun. The program finds the data of the SYN, then the error;
/// the peer, a reset. An error about something else does nothing.
#[test]
fn an_icmp_error_ends_a_child_before_its_handshake() {
    let mut s = server(2, 5);
    let cookie = ask(&mut s).unwrap();
    s.remote = addr(2, 5001);
    s.put_with(S, 0, 0, b"hello", with_cookie(cookie));
    s.expect_syn_ack(6);
    assert!(s.accept());
    let error = IcmpError::Unreachable(crate::base::NetError::HostUnreachable);
    s.tcp.icmp_arrives(s.now, s.tuple(), s.ours.wrapping_add(5_000), error);
    s.expect_state(State::SynReceived);
    s.tcp.icmp_arrives(s.now, s.tuple(), s.ours, error);
    s.expect_state(State::Closed);
    assert_eq!(s.read(), b"hello");
    let mut rest = [0; 8];
    let end = s.tcp.receive(s.now, s.id(), &mut rest);
    assert_eq!(end, Err(crate::base::NetError::HostUnreachable));
    s.put(A, 6, 1, &[]);
    s.expect(R, 1, 0, 0);
}
