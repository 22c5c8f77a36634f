//! What an impaired wire does, in virtual time.
use super::*;

const MS: Duration = Duration::from_millis(1);

fn line(options: &str) -> Line {
    let spec: crate::net::link_spec::LinkSpec = format!("tap:t,{options}").parse().unwrap();
    Line::new(&spec.impair, Medium::Ethernet, spec.impair.seed.unwrap_or(1))
}

/// A frame with an IPv4 packet in it that carries its number.
fn frame(number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([1; 4], [2; 4], 9)
        .udp(1, 2)
        .write(&mut bytes, &number.to_be_bytes())
        .unwrap();
    bytes
}

fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(*frame.last_chunk().unwrap())
}

/// Sends `count` frames, one a millisecond; what comes out, with its time in milliseconds.
fn run(line: &mut Line, count: u32) -> Vec<(u64, u32)> {
    let mut out = Vec::new();
    let mut drain = |line: &mut Line, until: Instant| {
        while let Some(at) = line.next().filter(|at| *at <= until) {
            let frame = line.pop(at).expect("its time has come");
            out.push((at.as_millis(), number(&frame)));
        }
    };
    for i in 0..count {
        let now = Instant::from_millis(i.into());
        drain(line, now);
        line.push(now, &frame(i));
    }
    drain(line, Instant::FAR_FUTURE);
    out
}

#[test]
fn a_clean_wire_gives_all_at_once_and_in_order() {
    let got = run(&mut line("delay=0"), 100);
    assert_eq!(got, (0..100).map(|i| (u64::from(i), i)).collect::<Vec<_>>());
}

#[test]
fn delay_is_exact_and_jitter_keeps_order_and_bounds() {
    assert_eq!(run(&mut line("delay=20ms"), 3), [(20, 0), (21, 1), (22, 2)]);
    let got = run(&mut line("delay=20ms,jitter=5ms"), 1000);
    assert!(got.iter().map(|(_, n)| *n).eq(0..1000));
    for (at, n) in &got {
        // A frame never overtakes, so it can be as late as the latest before it: still 25 ms.
        assert!((15..=25).contains(&(at - u64::from(*n))), "{n} at {at}");
    }
    let late = got.iter().filter(|(at, n)| at - u64::from(*n) > 20).count();
    assert!((300..=999).contains(&late), "{late}");
    // Jitter larger than the delay does not go back in time.
    let got = run(&mut line("delay=1ms,jitter=5ms"), 200);
    assert!(got.iter().all(|(at, n)| (0..=6).contains(&(at - u64::from(*n)))));
}

#[test]
fn chances_are_kept_and_the_same_seed_gives_the_same_fate() {
    let options = "delay=10ms,loss=2%,reorder=1%,duplicate=0.5%,corrupt=0.5%";
    let all = |seed| {
        let mut line = line(&format!("{options},seed={seed}"));
        (run(&mut line, 20_000), line.fates())
    };
    let (first, fates) = all(7);
    assert_eq!((&first, &fates), (&all(7).0, &all(7).1));
    assert_ne!(first, all(8).0);
    let lost = 20_000 - (first.len() as u64 - fates.duplicated);
    assert_eq!(lost, fates.lost);
    // Four standard deviations around the expected 400, 200, 100, 100.
    assert!(fates.lost.abs_diff(400) < 80, "{fates:?}");
    assert!(fates.reordered.abs_diff(196) < 60, "{fates:?}");
    assert!(fates.duplicated.abs_diff(98) < 40, "{fates:?}");
    assert!(fates.corrupted.abs_diff(98) < 40, "{fates:?}");
}

#[test]
fn one_chance_does_not_change_what_another_gives() {
    let lost = |options: &str| {
        let mut line = line(options);
        let got = run(&mut line, 1000);
        (0..1000u32).filter(|n| !got.iter().any(|(_, m)| m == n)).collect::<Vec<_>>()
    };
    assert_eq!(lost("loss=5%"), lost("loss=5%,reorder=9%,duplicate=20%,jitter=3ms,delay=9ms"));
}

#[test]
fn overtaking_frames_skip_the_delay() {
    let mut line = line("delay=10ms,reorder=5%");
    let got = run(&mut line, 1000);
    let quick = got.iter().filter(|(at, n)| *at == u64::from(*n)).count() as u64;
    assert_eq!(quick, line.fates().reordered);
    assert!(quick > 20);
}

#[test]
fn without_delay_neighbours_swap() {
    let mut line = line("reorder=100%");
    line.push(Instant::ZERO, &frame(0));
    assert_eq!(line.next(), Some(Instant::ZERO + MS * 10));
    assert!(line.pop(Instant::from_millis(9)).is_none());
    let now = Instant::from_millis(3);
    line.push(now, &frame(1));
    let got: Vec<_> = std::iter::from_fn(|| line.pop(now)).map(|f| number(&f)).collect();
    assert_eq!(got, [1, 0]);
    // Alone, it is only late.
    line.push(now, &frame(2));
    let later = line.next().unwrap();
    assert_eq!(later, now + MS * 10);
    assert_eq!(number(&line.pop(later).unwrap()), 2);
    assert_eq!((line.next(), line.bytes), (None, 0));
}

#[test]
fn the_bottleneck_spaces_frames_and_drops_behind_its_queue() {
    let len = frame(0).len() as u64;
    // One frame a millisecond.
    let mut line = line(&format!("rate={}bit,queue=3", len * 8 * 1000));
    for i in 0..10 {
        line.push(Instant::ZERO, &frame(i));
    }
    assert_eq!(line.fates().overflowed, 6);
    let mut times = Vec::new();
    while let Some(at) = line.next() {
        times.push((at.as_millis(), number(&line.pop(at).unwrap())));
    }
    assert_eq!(times, [(1, 0), (2, 1), (3, 2), (4, 3)]);
    // Idle time is not saved up.
    line.push(Instant::from_millis(50), &frame(9));
    assert_eq!(line.next(), Some(Instant::from_millis(51)));
}

#[test]
fn without_rate_the_queue_limits_what_is_under_way() {
    let mut line = line("delay=1s,queue=5");
    (0..9).for_each(|i| line.push(Instant::ZERO, &frame(i)));
    assert_eq!((line.fates().overflowed, line.under_way.len()), (4, 5));
}

#[test]
fn damage_is_one_byte_of_the_packet() {
    let mut line = line("corrupt=100%");
    for i in 0..500 {
        line.push(Instant::ZERO, &frame(i));
        let got = line.pop(Instant::ZERO).unwrap();
        let differing: Vec<_> =
            got.iter().zip(frame(i)).enumerate().filter(|(_, (a, b))| **a != *b).collect();
        assert_eq!(differing.len(), 1);
        assert!(differing[0].0 >= 14);
    }
    let mut arp = frame(0);
    arp[12..14].copy_from_slice(&[8, 6]);
    line.push(Instant::ZERO, &arp);
    assert!(line.pop(Instant::ZERO).is_none(), "what nothing protects is lost instead");
}

#[test]
fn memory_is_bounded() {
    let mut line = line("delay=60s");
    let big = vec![0; 60_000];
    (0..2000).for_each(|_| line.push(Instant::ZERO, &big));
    assert!(line.bytes <= limits::IMPAIR_BYTES);
    assert!(line.fates().overflowed > 0);
}

/// Losses come in rows of the length that was asked for, and are as many in all.
#[test]
fn bursts_keep_the_share_of_losses() {
    let got = run(&mut line("loss=5%,burst=5"), 40_000);
    let lost = 40_000 - got.len();
    assert!((1_400..2_600).contains(&lost), "{lost}");
    let rows = got.windows(2).filter(|w| w[1].1 - w[0].1 > 1).count();
    let mean = lost as f64 / rows as f64;
    assert!((4.0..6.0).contains(&mean), "{mean}");
}

/// RFC 3168 5: only packets of senders that said so are marked, and their checksum is right
/// (RFC 1624 3).
#[test]
fn a_queue_that_fills_marks() {
    for (ecn, ipv6) in [(0u8, false), (1, false), (2, false), (2, true), (0, true)] {
        let mut frame = Vec::new();
        let ethernet = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]);
        let ip = if ipv6 {
            ethernet.ipv6([1; 16], [2; 16], 9)
        } else {
            ethernet.ipv4([1; 4], [2; 4], 9)
        };
        ip.udp(1, 2).write(&mut frame, &[0; 100]).unwrap();
        if ipv6 {
            frame[15] |= ecn << 4;
        } else {
            frame[15] |= ecn;
            frame[24..26].fill(0);
            let sum = checksum::of(&frame[14..34]);
            frame[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        let mut line = line("rate=1Mbit,queue=10,mark=3");
        (0..20).for_each(|_| line.push(Instant::ZERO, &frame));
        let mut marks = Vec::new();
        while let Some(at) = line.next() {
            let out = line.pop(at).unwrap();
            marks.push(if ipv6 { out[15] >> 4 & 3 } else { out[15] & 3 } == 3);
            assert!(ipv6 || checksum::of(&out[14..34]) == 0);
        }
        // One is being sent, three find room, and the queue holds ten.
        let expected: Vec<bool> = (0..11).map(|i| ecn != 0 && i > 3).collect();
        assert_eq!(marks, expected, "{ecn} {ipv6}");
    }
}
