//! The variables of a connection, and where the first of them comes from.
use super::script::*;
use crate::base::FourTuple;
use crate::base::addr::SocketAddr;
use crate::base::rng::Secret;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

/// The variables of RFC 9293 3.3.1 by their names there; sequence numbers relative to the ISS and
/// the IRS, SND.WL1 to the IRS, SND.WL2 to the ISS.
fn variables(s: &Script) -> [(&'static str, u32); 8] {
    let conn = s.tcp.conn(s.id()).expect("the connection exists");
    let (tx, rx) = conn.sides();
    [
        ("SND.UNA", tx.una.past(tx.iss)),
        ("SND.NXT", tx.nxt.past(tx.iss)),
        ("SND.WND", tx.wnd),
        ("SND.UP", tx.up.past(tx.una)),
        ("SND.WL1", tx.wl1.past(rx.irs())),
        ("SND.WL2", tx.wl2.past(tx.iss)),
        ("RCV.NXT", rx.nxt().past(rx.irs())),
        ("RCV.WND", rx.window()),
    ]
}

/// Asserts that these have changed, to these values, and no others.
#[track_caller]
fn changed(s: &Script, before: &mut [(&'static str, u32); 8], changes: &[(&str, u32)]) {
    let now = variables(s);
    let new: Vec<_> = now.iter().zip(before.iter()).filter(|(a, b)| a != b).map(|p| *p.0).collect();
    assert_eq!(new, changes);
    *before = now;
}

/// RFC 9293 3.3.1: each variable changes when its meaning says so, and at no other time.
#[test]
fn the_variables_of_a_connection() {
    let mut s = Script::plain();
    s.connect(TcpOptions::default());
    let conn = s.tcp.conn(s.id()).unwrap();
    let tx = conn.sides().0;
    assert_eq!(tx.iss.0, s.ours);
    assert_eq!((tx.una, tx.nxt), (tx.iss, tx.iss + 1));
    s.put_with(S.with(A), 0, 1, &[], Options { mss: Some(1000), ..Options::default() });
    s.expect(A, 1, 1, 0);
    assert_eq!(s.tcp.conn(s.id()).unwrap().sides().1.irs().0, THEIRS);
    let mut v = variables(&s);
    let window = v[7].1;
    assert_eq!(v.map(|v| v.1), [1, 1, 50_000, 0, 0, 1, 1, window]);
    // Sent: SND.NXT. Acknowledged: SND.UNA, and the segment that said so is SND.WL2.
    s.send(1000);
    s.expect(P.with(A), 1, 1, 1000);
    changed(&s, &mut v, &[("SND.NXT", 1001)]);
    s.put(A, 1, 1001, &[]);
    changed(&s, &mut v, &[("SND.UNA", 1001), ("SND.WL1", 1), ("SND.WL2", 1001)]);
    // A new window.
    s.window = 40_000;
    s.put(A, 1, 1001, &[]);
    changed(&s, &mut v, &[("SND.WND", 40_000)]);
    // Received: RCV.NXT; the window is what is left of the buffer.
    s.put(A, 1, 1001, &[0; 500]);
    s.expect(A, 1001, 501, 0);
    changed(&s, &mut v, &[("RCV.NXT", 501), ("RCV.WND", 65_536 - 500)]);
    s.put(A, 501, 1001, &[0; 100]);
    s.expect(A, 1001, 601, 0);
    let next = [("SND.WL1", 501), ("RCV.NXT", 601), ("RCV.WND", 65_536 - 600)];
    changed(&s, &mut v, &next);
    // A window that is older than SND.WL1, because its segment was overtaken, does not count.
    s.window = 10_000;
    s.put(A, 1, 1001, &[0; 500]);
    s.get();
    changed(&s, &mut v, &[]);
    // Behind a gap: nothing is next.
    s.window = 40_000;
    s.put(A, 611, 1001, &[0; 10]);
    s.expect(A, 1001, 601, 0);
    changed(&s, &mut v, &[("SND.WL1", 611)]);
    // Urgent: SND.UP is behind the byte, until that is acknowledged; RCV.UP is where theirs stands.
    s.send(1);
    s.tcp.urge(s.now, s.id());
    s.get().expect("the urgent byte");
    changed(&s, &mut v, &[("SND.NXT", 1002), ("SND.UP", 1)]);
    s.put(A, 611, 1002, &[]);
    changed(&s, &mut v, &[("SND.UNA", 1002), ("SND.UP", 0), ("SND.WL2", 1002)]);
    s.urgent = 3;
    s.put(U.with(A), 601, 1002, b"abc");
    let rx = s.tcp.conn(s.id()).unwrap().sides().1;
    assert_eq!(rx.urgent().map(|at| at.past(rx.irs())), Some(603));
}

/// The initial sequence number that a connect to `remote` from `local` has now.
fn chosen(tcp: &Tcp, now: crate::base::Instant, local: SocketAddr, remote: SocketAddr) -> u32 {
    tcp.sequence_now(&FourTuple { local, remote }, now)
}

/// RFC 9293 3.4.1 (MUST-8, SHLD-1, MUST-9): the number comes from a clock that ticks every 4 us and
/// goes round in 4.55 hours, plus what a secret makes of both addresses and both ports: for who
/// does not know it, the number of one connection says nothing of another's.
#[test]
fn the_initial_sequence_number() {
    let mut s = Script::plain();
    let syn = s.connect(TcpOptions::default());
    assert_eq!(syn.header.seq, chosen(&s.tcp, s.now, s.local, s.remote));
    let first = syn.header.seq;
    let after = |s: &Script, time: Duration| {
        chosen(&s.tcp, s.now + time, s.local, s.remote).wrapping_sub(first)
    };
    assert_eq!(after(&s, Duration::from_micros(4)), 1);
    assert_eq!(after(&s, Duration::from_secs(1)), 250_000);
    assert_eq!(after(&s, Duration::from_micros(4 << 32)), 0, "once round");
    let here = [addr(1, LISTEN), addr(3, LISTEN), addr(1, 81)];
    let there = [addr(2, 5000), addr(4, 5000), addr(2, 5001)];
    let others = || here.into_iter().flat_map(|l| there.into_iter().map(move |r| (l, r)));
    let mut all: Vec<u32> = others().map(|(l, r)| chosen(&s.tcp, s.now, l, r)).collect();
    let another = Tcp::new(plain_config(), Secret::new([8; 16]), 1);
    all.extend(others().map(|(l, r)| chosen(&another, s.now, l, r)));
    // And not by a step that one could add.
    let steps: Vec<u32> = all.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    for numbers in [all, steps] {
        let mut different = numbers.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), numbers.len(), "{numbers:?}");
    }
}
