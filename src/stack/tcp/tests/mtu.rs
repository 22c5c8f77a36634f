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

/// What a probe is between: the smallest and largest size, as IP packets, when probing begins.
fn first_probe(mtu: u16, mss: u16) -> (u32, Option<u32>) {
    let mut s = Script::with(TcpConfig { mtu_probing: MtuProbing::Always, ..plain_config() });
    s.path.mtu = mtu;
    let mut s = s.open_with(Options { mss: Some(mss), ..Options::default() });
    let usual = s.tcp.info(s.now, s.id()).unwrap().snd_mss;
    for _ in 0..20 {
        s.send(100_000);
        let all = sent(&mut s);
        if let Some(probe) = all.iter().find(|piece| piece.1 > usual) {
            return (usual + 40, Some(probe.1 + 40));
        }
        let (seq, len) = all.last().copied().unwrap();
        s.pass_ms(10);
        s.put(A, 1, seq + len, &[]);
    }
    (usual + 40, None)
}

/// RFC 4821 7.2: the search begins between 1024 bytes of payload and what both the link and the
/// peer's MSS allow; where that is less, with that, and there is nothing to search.
#[test]
fn where_the_search_begins() {
    let middle = |high: u32| Some((1064 + high) / 2);
    assert_eq!(first_probe(1540, 1500), (1064, middle(1540)));
    assert_eq!(first_probe(9000, 1500), (1064, middle(1540)));
    assert_eq!(first_probe(1540, 8960), (1064, middle(1540)));
    assert_eq!(first_probe(9000, 8960), (1064, middle(9000)));
    assert_eq!(first_probe(800, 1460), (800, None));
    assert_eq!(first_probe(1500, 500), (540, None));
    assert_eq!(first_probe(1064, 1460), (1064, None));
}

/// RFC 4821 7.3: each probe is in the middle of what is known to pass and what may; what is not
/// worth a probe ends the search.
#[test]
fn probes_halve_what_is_not_known() {
    // The path carries this much, and nobody says so.
    for carried in [1064, 1100, 1300, 1472, 1500, 1540u32] {
        let mut s = wide(MtuProbing::Always);
        let (mut low, mut high) = (1064, 1540);
        while high - low >= 8 {
            let (seq, len) = until_probe(&mut s, low - 40);
            let tried = len + 40;
            assert_eq!(tried, (low + high) / 2, "between {low} and {high}");
            sent(&mut s);
            s.pass_ms(10);
            let end = s.tcp.conn(s.id()).unwrap().sides().0.nxt.0.wrapping_sub(s.ours);
            if tried <= carried {
                low = tried;
            } else {
                high = tried - 1;
                let mut o = Options::default();
                o.push_sack(s.ours.wrapping_add(seq + len), s.ours.wrapping_add(end));
                s.put_with(A, 1, seq, &[], o);
                s.pass_ms(20);
                sent(&mut s);
            }
            s.put(A, 1, end, &[]);
        }
        assert!(carried - low < 8, "{low} of {carried}");
        for _ in 0..5 {
            s.send(100_000);
            let all = sent(&mut s);
            assert!(all.iter().all(|piece| piece.1 <= low - 40), "the search is over");
            let (seq, len) = all.last().copied().unwrap();
            s.pass_ms(10);
            s.put(A, 1, seq + len, &[]);
        }
    }
}

/// RFC 4821 7.5: a probe is one packet which is, with its headers and options, as long as the size
/// that is tried; while it is under way there is no other.
#[test]
fn a_probe_is_as_long_as_the_size_it_tries() {
    let config = TcpConfig { mtu_probing: MtuProbing::Always, ..plain_config() };
    let mut s = Script::with(TcpConfig { timestamps: true, ..config });
    s.path.mtu = 1540;
    s.stamp = Some(1);
    let mut s = s.open_with(Options { mss: Some(1500), ..Options::default() });
    let mut probes = Vec::new();
    let mut known = 1;
    // What leaves is acknowledged up to the probe, and the probe is not.
    for _ in 0..20 {
        s.send(100_000);
        while let Some(got) = s.get() {
            let mut bytes = Vec::new();
            got.header.emit(&mut bytes);
            let packet = 20 + bytes.len() + got.payload.len();
            assert_eq!(got.gso_size, 0);
            let seq = got.header.seq.wrapping_sub(s.ours);
            if packet > 1064 {
                probes.push((seq, packet));
            }
            known = seq + got.payload.len() as u32;
        }
        s.pass_ms(10);
        let acknowledged = probes.first().map_or(known, |probe| probe.0);
        s.put(A, 1, acknowledged, &[]);
    }
    let [(_, size)] = probes[..] else { panic!("{probes:?}") };
    assert_eq!(size, (1064 + 1540) / 2);
}

/// RFC 1191 6.5: what left before the path was known to be narrow goes again in pieces, also if it
/// was another connection that learned it; the whole host is told of it once.
#[test]
fn what_another_connection_has_learned_is_obeyed() {
    let mut s = Script::plain();
    s.path.mtu = 1540;
    let mut s = s.open_with(Options { mss: Some(1500), ..Options::default() });
    s.send(1500);
    s.expect(P.with(A), 1, 1, 1500);
    let first = s.ours.wrapping_add(1);
    s.tcp.path_mtu_changed(s.now, s.remote.ip(), 1040);
    let known = s.tcp.icmp_arrives(s.now, s.tuple(), first, IcmpError::TooBig(1040));
    assert_eq!(known, Some(1040));
    s.expect(A, 1, 1, 1000);
    s.expect(P.with(A), 1001, 1, 500);
    for (seq, mtu) in [(first.wrapping_add(1500), 900), (first.wrapping_sub(1), 900), (first, 1100)]
    {
        assert_eq!(s.tcp.icmp_arrives(s.now, s.tuple(), seq, IcmpError::TooBig(mtu)), None);
    }
}
