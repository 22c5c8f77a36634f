//! Path-MTU discovery by probing.
use super::script::*;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

/// A connection over 1540 bytes of MTU, with a peer that would take 1500 bytes of payload.
fn wide(mtu_probing: MtuProbing) -> Script {
    let mut s = Script::with(TcpConfig { mtu_probing, ..plain_config() });
    s.path.mtu = 1540;
    s.open_with(Options { mss: Some(1500), sack_permitted: true, ..Options::default() })
}

/// Everything that comes out: where it begins and how long it is.
fn sent(s: &mut Script) -> Vec<(u32, u32)> {
    let place = |s: &Script, got: &Got| got.header.seq.wrapping_sub(s.ours);
    let mut all = Vec::new();
    while let Some(got) = s.get() {
        all.push((place(s, &got), got.payload.len() as u32));
    }
    all
}

/// Acknowledges what comes out until a segment is of another size than `usual`; that one.
fn until_probe(s: &mut Script, usual: u32) -> (u32, u32) {
    for _ in 0..50 {
        s.send(100_000);
        let all = sent(s);
        if let Some(probe) = all.iter().copied().find(|piece| piece.1 > usual) {
            return probe;
        }
        let (seq, len) = all.last().copied().expect("something leaves");
        s.pass_ms(10);
        s.put(A, 1, seq + len, &[]);
    }
    panic!("no probe");
}

/// RFC 4821 7.7: data that was sent again three times without an answer may be too large for the
/// path: then no more than 1024 bytes at once, then half of that.
#[test]
fn a_black_hole_is_answered_by_small_segments() {
    let mut s = wide(MtuProbing::BlackHole);
    s.send(3000);
    assert_eq!(sent(&mut s), [(1, 1500), (1501, 1500)]);
    let mut sizes = Vec::new();
    while sizes.len() < 6 {
        let (_, again) = s.until_sent();
        if again.header.seq.wrapping_sub(s.ours) == 1 {
            sizes.push(again.payload.len());
        }
    }
    assert_eq!(sizes, [1500, 1500, 1500, 1024, 512, 256]);
    s.put(A, 1, 257, &[]);
    assert!(sent(&mut s).iter().all(|piece| piece.1 <= 256));
    // Not where only ICMP is believed.
    let mut s = wide(MtuProbing::Off);
    s.send(1500);
    for _ in 0..6 {
        assert_eq!(s.until_sent().1.payload.len(), 1500);
    }
}

/// RFC 4821 7.4, 7.6.1: a probe is one larger segment made of data that is waiting anyway, in the
/// middle of what is not known; its acknowledgement makes it the size of all. (RFC 8899 5.3.2.)
#[test]
fn probes_find_the_largest_size() {
    let mut s = wide(MtuProbing::Always);
    s.send(1024);
    assert_eq!(sent(&mut s), [(1, 1024)]);
    s.put(A, 1, 1025, &[]);
    let mut size = 1024;
    for expected in [1262, 1381, 1440, 1470, 1485, 1492] {
        let (_, len) = until_probe(&mut s, size);
        assert_eq!(len, expected);
        s.pass_ms(10);
        let all = s.tcp.info(s.now, s.id()).unwrap().bytes_sent as u32;
        s.put(A, 1, all + 1, &[]);
        size = len;
    }
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().pmtu, 1532);
}

/// RFC 4821 7.6.2: a probe that alone is lost is sent again in pieces, and is no sign of
/// congestion; the next one is smaller.
#[test]
fn a_lost_probe_is_not_congestion() {
    let mut s = wide(MtuProbing::Always);
    let (seq, len) = until_probe(&mut s, 1024);
    assert_eq!(len, 1262);
    let before = s.tcp.info(s.now, s.id()).unwrap();
    sent(&mut s);
    s.pass_ms(10);
    // All before it has arrived, and all behind it.
    let end = s.tcp.info(s.now, s.id()).unwrap().bytes_sent as u32 + 1;
    let block = |l: u32, r: u32| (s.ours.wrapping_add(l), s.ours.wrapping_add(r));
    let mut options = Options::default();
    let (left, right) = block(seq + len, end);
    options.push_sack(left, right);
    s.put_with(A, 1, seq, &[], options);
    s.pass_ms(20);
    let again: Vec<_> = sent(&mut s).into_iter().filter(|piece| piece.0 < seq + len).collect();
    assert_eq!(again, [(seq, 1024), (seq + 1024, 238)]);
    let after = s.tcp.info(s.now, s.id()).unwrap();
    assert!(after.cwnd_bytes >= before.cwnd_bytes, "{} {}", after.cwnd_bytes, before.cwnd_bytes);
    assert_eq!(after.ssthresh_bytes, before.ssthresh_bytes);
    s.pass_ms(10);
    s.put(A, 1, after.bytes_sent as u32 - after.bytes_retrans as u32 + 1, &[]);
    let (_, next) = until_probe(&mut s, 1024);
    assert_eq!(next, (1064 + 1301) / 2 - 40);
}

/// RFC 4821 7.7, RFC 8201 4: when the search is over it begins again after ten minutes.
#[test]
fn the_search_begins_again_after_ten_minutes() {
    let mut s = wide(MtuProbing::Always);
    // Every probe is lost for good: only what is 1024 bytes long arrives.
    s.path.mtu = 1066;
    s.tcp.set_path(s.now, s.id(), s.path);
    for _ in 0..20 {
        s.send(100_000);
        let all = sent(&mut s);
        assert!(all.iter().all(|piece| piece.1 == 1024), "{all:?}");
        let (seq, len) = all.last().copied().unwrap();
        s.pass_ms(10);
        s.put(A, 1, seq + len, &[]);
    }
    s.path.mtu = 1540;
    s.tcp.set_path(s.now, s.id(), s.path);
    s.pass(Duration::from_secs(601));
    let (_, len) = until_probe(&mut s, 1024);
    assert_eq!(len, 1262);
}
