//! Explicit congestion notification, both sides of it.
use super::script::*;
use crate::base::congestion::NAMES;
use crate::stack::tcp::*;
use crate::wire::tcp::{Flags, Options};

/// The ECN field.
const ECT_0: u8 = 2;
const CE: u8 = 3;

fn with(ecn: Ecn, congestion: &str) -> Script {
    Script::with(TcpConfig { ecn, congestion: congestion.into(), ..plain_config() })
}

fn mss() -> Options {
    Options { mss: Some(1000), ..Options::default() }
}

/// Connected, and both sides speak ECN.
fn open(congestion: &str) -> Script {
    let mut s = with(Ecn::On, congestion);
    assert_eq!(start(&mut s), S.with(E).with(W));
    s.put_with(S.with(A).with(E), 0, 1, &[], mss());
    s.expect(A, 1, 1, 0);
    s.tos = ECT_0;
    s
}

/// Starts a connect; the flags of the SYN.
fn start(s: &mut Script) -> Flags {
    let id = s.tcp.connect(s.now, s.tuple(), s.path, TcpOptions::default()).unwrap();
    s.id = Some(id);
    let syn = s.get().expect("a SYN");
    assert_eq!(syn.tos, 0);
    s.ours = syn.header.seq;
    syn.header.flags
}

fn info(s: &Script) -> TcpInfo {
    s.tcp.info(s.now, s.id()).unwrap()
}

fn spoken(s: &Script) -> bool {
    info(s).options & 8 != 0
}

/// RFC 3168 6.1.1: an ECN-setup SYN has ECE and CWR, an ECN-setup SYN-ACK ECE alone; anything else
/// is no for an answer.
#[test]
fn what_the_answer_to_our_offer_means() {
    for (answer, spoken_then) in [
        (S.with(A).with(E), true),
        (S.with(A), false),
        (S.with(A).with(W), false),
        // From a host that reflects flags that it does not know.
        (S.with(A).with(E).with(W), false),
    ] {
        let mut s = with(Ecn::On, "cubic");
        assert_eq!(start(&mut s), S.with(E).with(W));
        s.put_with(answer, 0, 1, &[], mss());
        s.expect(A, 1, 1, 0);
        assert_eq!(spoken(&s), spoken_then, "{answer:?}");
        s.send(100);
        assert_eq!(s.get().unwrap().tos, if spoken_then { ECT_0 } else { 0 });
    }
    for ecn in [Ecn::Off, Ecn::Accept] {
        let mut s = with(ecn, "cubic");
        assert_eq!(start(&mut s), S);
        s.put_with(S.with(A).with(E), 0, 1, &[], mss());
        assert!(!spoken(&s), "nobody asked");
    }
}

/// RFC 3168 6.1.1: a listener takes an ECN-setup SYN, if the net does not forbid it (Linux
/// `tcp_ecn` 2); not one whose packet has an ECN field itself.
#[test]
fn what_a_listener_answers() {
    for (ecn, offer, tos, taken) in [
        (Ecn::Accept, S.with(E).with(W), 0, true),
        (Ecn::On, S.with(E).with(W), 0, true),
        (Ecn::Off, S.with(E).with(W), 0, false),
        (Ecn::On, S, 0, false),
        (Ecn::On, S.with(E), 0, false),
        (Ecn::On, S.with(W), 0, false),
        (Ecn::Accept, S.with(E).with(W), ECT_0, false),
    ] {
        let mut s = with(ecn, "cubic");
        s.tcp.listen(s.local, false, 10).unwrap();
        s.tos = tos;
        s.put_with(offer, 0, 0, &[], mss());
        let answer = s.get().unwrap();
        let flags = if taken { S.with(A).with(E) } else { S.with(A) };
        assert_eq!((answer.header.flags, answer.tos), (flags, 0), "{ecn:?} {offer:?} {tos}");
    }
}

/// RFC 3168 6.1.1.1: a SYN that nobody answers is sent again without the offer; if the first one
/// was only late, its answer still counts.
#[test]
fn a_lost_offer_is_not_repeated() {
    for (answer, spoken_then) in [(S.with(A), false), (S.with(A).with(E), true)] {
        let mut s = with(Ecn::On, "cubic");
        start(&mut s);
        assert_eq!(s.until_sent().1.header.flags, S);
        assert_eq!(s.until_sent().1.header.flags, S);
        s.put_with(answer, 0, 1, &[], mss());
        assert_eq!(spoken(&s), spoken_then);
    }
}

/// RFC 3168 6.1.1: in a simultaneous open both SYNs offer, and both are answered by ECE.
#[test]
fn simultaneous_open() {
    for (theirs, answer) in [(S.with(E).with(W), S.with(A).with(E)), (S, S.with(A))] {
        let mut s = with(Ecn::On, "cubic");
        start(&mut s);
        s.put_with(theirs, 0, 0, &[], mss());
        assert_eq!(s.get().unwrap().header.flags, answer);
    }
}

/// RFC 3168 6.1.4, 6.1.5, 6.1.6: ECT(0) on new data; not on pure ACKs, retransmissions, window
/// probes; RFC 3168 6.1: the program's type of service has no say in these bits.
#[test]
fn only_new_data_is_ecn_capable() {
    let mut s = open("cubic");
    s.options(|o| o.tos = 0xb8 | 1);
    s.send(1500);
    assert_eq!(s.get().unwrap().tos, 0xb8 | ECT_0);
    assert_eq!(s.get().unwrap().tos, 0xb8 | ECT_0);
    let (_, again) = s.until_sent();
    assert_eq!((again.payload.len(), again.tos), (1000, 0xb8));
    s.window = 0;
    s.put(A, 1, 1501, &[]);
    s.put(P.with(A), 1, 1501, b"data");
    let ack = s.get().unwrap();
    assert_eq!((ack.payload.len(), ack.tos), (0, 0xb8));
    s.send(10);
    let (_, probe) = s.until_sent();
    assert_eq!((probe.payload.len(), probe.tos), (0, 0xb8));
}

/// RFC 3168 6.1.3: from a mark on every ACK carries ECE, until CWR; a mark in the packet that
/// carries CWR is a new one. Linux acknowledges both at once.
#[test]
fn a_mark_is_echoed_until_cwr() {
    let mut s = open("cubic");
    s.put(A, 1, 1, &[1; 1000]);
    s.expect(A, 1, 1001, 0);
    assert_eq!(info(&s).options & 16, 16, "ECN seen");
    s.tos = CE;
    s.put(A, 1001, 1, &[1; 1000]);
    s.expect(A.with(E), 1, 2001, 0);
    s.tos = ECT_0;
    for i in 2..5 {
        s.put(A, 1 + i * 1000, 1, &[1; 1000]);
        s.expect(A.with(E), 1, 1001 + i * 1000, 0);
    }
    s.send(10);
    s.expect(A.with(P).with(E), 1, 5001, 10);
    s.put(A.with(W), 5001, 1, &[1; 1000]);
    s.expect(A, 11, 6001, 0);
    s.tos = CE;
    s.put(A.with(W), 6001, 1, &[1; 1000]);
    s.expect(A.with(E), 11, 7001, 0);
}

/// RFC 3168 6.1.5: a mark on data that is not in the window says nothing.
#[test]
fn a_mark_on_old_data_does_not_count() {
    let mut s = open("cubic");
    s.put(A, 1, 1, &[1; 1000]);
    s.expect(A, 1, 1001, 0);
    s.tos = CE;
    s.put(A, 1, 1, &[1; 1000]);
    s.expect(A, 1, 1001, 0);
}

/// RFC 3168 6.1.2: at ECE the window is reduced as for a loss (RFC 8311 4.1: as far as Linux
/// reduces it), nothing is sent again, CWR stands on the next new data, once; further ECE in the
/// same round trip change nothing, and the window does not grow. RFC 9438 4.6 for CUBIC's 0.7.
#[test]
fn the_window_is_reduced_once_in_a_round_trip() {
    for name in NAMES.into_iter().filter(|name| *name != "bbr") {
        let mut s = open(name);
        s.send(60_000);
        for i in 0..10 {
            assert_eq!(s.expect(A, 1 + i * 1000, 1, 1000).tos, ECT_0);
        }
        s.put(A.with(E), 1, 1001, &[]);
        let kept = if name == "cubic" { 7_000 } else { 5_000 };
        let windows = |s: &Script| (info(s).cwnd_bytes, info(s).ssthresh_bytes);
        assert_eq!(windows(&s), (kept, kept), "{name}");
        // Nothing goes until the flight is below the window.
        let mut acked = 1;
        while acked < 10 {
            acked += 1;
            s.put(A.with(E), 1, 1 + acked * 1000, &[]);
            let mut first = true;
            while let Some(got) = s.get() {
                let new = got.header.seq.wrapping_sub(s.ours);
                assert!(new > 10_000, "{name}: {new} sent again");
                let cwr = got.header.flags.has(W);
                assert_eq!(cwr, new == 10_001 && first, "{name}: CWR once, on {new}");
                first = false;
            }
            assert_eq!(windows(&s), (kept, kept), "{name}: at {acked}");
        }
        assert_eq!(info(&s).total_retrans, 0);
        // The next round trip: once more.
        s.put(A.with(E), 1, 11_001, &[]);
        assert!(windows(&s).1 < kept, "{name}");
        assert_eq!(info(&s).delivered_ce, 11);
    }
}

/// RFC 3168 6.1.2: without ECN an ECE means nothing.
#[test]
fn an_echo_that_nobody_agreed_on() {
    let mut s = with(Ecn::Off, "reno").open();
    s.send(10_000);
    while s.get().is_some() {}
    s.put(A.with(E), 1, 1001, &[]);
    assert!(info(&s).cwnd_bytes >= 10_000);
}

/// RFC 3168 6.1.2: a loss reduces the window as well, and CWR says so; ECE of that window is
/// answered by nothing more.
#[test]
fn a_loss_and_a_mark_in_one_window_are_one() {
    let mut s = open("reno");
    s.send(60_000);
    while s.get().is_some() {}
    for _ in 0..3 {
        s.put(A.with(E), 1, 1, &[]);
    }
    let mut sent = Vec::new();
    while let Some(got) = s.get() {
        sent.push((got.header.seq.wrapping_sub(s.ours), got.header.flags.has(W), got.tos));
    }
    // The first duplicate's ECE reduced the window; the loss of the same window no further.
    let (cwnd, ssthresh) = (info(&s).cwnd_bytes, info(&s).ssthresh_bytes);
    assert!((4_000..=6_000).contains(&ssthresh), "{cwnd} {ssthresh} {sent:?}");
    assert!(sent.contains(&(1, false, 0)), "the lost one, without ECT and CWR: {sent:?}");
}

/// RFC 3168 6.1.2: CWR on a super-segment stands on its first piece only: the link is given one
/// such segment (VIRTIO_NET_HDR_GSO_ECN, `link::finish`).
#[test]
fn cwr_on_a_super_segment() {
    let mut s = with(Ecn::On, "reno");
    s.path = Path { mtu: 1040, tso_max: 65_000 };
    start(&mut s);
    s.put_with(S.with(A).with(E), 0, 1, &[], mss());
    s.expect(A, 1, 1, 0);
    s.send(60_000);
    let got = s.get().unwrap();
    assert_eq!((got.payload.len(), got.gso_size, got.tos), (5_000, 1000, ECT_0));
    s.expect(A.with(P), 5001, 1, 5_000);
    s.put(A.with(E), 1, 2001, &[]);
    s.put(A.with(E), 1, 10_001, &[]);
    let got = s.get().unwrap();
    assert!(got.gso_size == 1000 && got.header.flags.has(W), "{got:?}");
    s.put(A, 1, 10_001 + got.payload.len() as u32, &[]);
    assert!(!s.get().unwrap().header.flags.has(W));
}
