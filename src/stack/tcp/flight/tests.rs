//! Arbitrary ACKs, SACK blocks and losses: the records stay whole, and bounded.
use super::*;
use crate::base::limits::TCP_FLIGHT_RECORDS;
use proptest::prelude::*;

const MSS: u32 = 1000;

#[derive(Clone, Debug)]
enum Act {
    Push(u32),
    Acknowledge(u32),
    Sack(u32, u32),
    Lose(usize),
    Judge(u8),
    Resend(u32),
    Tail,
    Unmark,
    Forget,
}

fn act() -> impl Strategy<Value = Act> {
    let at = || prop_oneof![0u32..5, 0u32..30_000, (0u32..30).prop_map(|n| n * MSS)];
    prop_oneof![
        6 => prop_oneof![1u32..10, 1u32..20_000, Just(MSS)].prop_map(Act::Push),
        3 => at().prop_map(Act::Acknowledge),
        6 => (at(), at()).prop_map(|(a, b)| Act::Sack(a, b)),
        3 => (0usize..20).prop_map(Act::Lose),
        2 => (0u8..10).prop_map(Act::Judge),
        4 => (1u32..20_000).prop_map(Act::Resend),
        1 => Just(Act::Tail),
        1 => Just(Act::Unmark),
        1 => Just(Act::Forget),
    ]
}

fn run(start: u32, acts: Vec<Act>) {
    let mut flight = Flight::default();
    let (mut una, mut nxt) = (Seq(start), Seq(start));
    for (step, act) in acts.into_iter().enumerate() {
        let now = Instant::from_micros(step as u64 / 3);
        match act {
            Act::Push(len) => {
                flight.push(nxt, nxt + len, now, MSS, Snapshot::default());
                nxt += len;
            }
            Act::Acknowledge(ahead) => {
                let ack = (una + ahead).earlier(nxt);
                let mut at = una;
                while let Some(piece) = flight.pop_acknowledged(ack) {
                    assert_eq!(piece.start, at);
                    at = piece.end;
                }
                assert!(flight.is_empty() || at == ack);
                una = ack;
            }
            Act::Sack(a, b) => {
                let before = flight.sums.sacked.bytes;
                let mut told = 0;
                flight.sack(una + a, una + b, |piece, _| {
                    assert!(!piece.sacked && piece.start.before(piece.end));
                    assert!(piece.start.at_or_after(una + a) && piece.end.at_or_before(una + b));
                    told += piece.len();
                });
                assert_eq!(flight.sums.sacked.bytes, before + told);
            }
            Act::Lose(place) => {
                flight.lose(place);
            }
            Act::Judge(most) => {
                let mut left = most;
                flight.judge_oldest(|_| {
                    left = left.saturating_sub(1);
                    match (left, left % 2) {
                        (0, _) => Judgement::Stop,
                        (_, 0) => Judgement::Keep,
                        _ => Judgement::Lost,
                    }
                });
            }
            Act::Resend(bytes) => {
                let mut all = (0..flight.records()).filter(|&p| flight.at(p).unwrap().waits());
                let want = all.next();
                assert_eq!(flight.next_lost(), want);
                if let Some(place) = want {
                    flight.gather(place, bytes);
                    let record = *flight.at(place).unwrap();
                    flight.split(place, record.start + bytes);
                    flight.sent_again(place, now, MSS, Snapshot::default(), true);
                }
            }
            Act::Tail => {
                if flight.tail().is_some_and(|tail| !tail.sacked && !tail.waits()) {
                    let place = flight.records() - 1;
                    flight.sent_again(place, now, MSS, Snapshot::default(), false);
                }
            }
            Act::Unmark => flight.unmark_lost(),
            Act::Forget => flight.forget_sacked(),
        }
        assert_eq!(flight.broken_invariant(una, nxt), None, "{flight:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn records_stay_whole(start: u32, acts in proptest::collection::vec(act(), 1..120)) {
        run(start, acts);
    }
}

/// Neighbours that have arrived are one record; a super-segment is cut at its segments' edges only.
#[test]
fn records_follow_the_holes() {
    let mut flight = Flight::default();
    flight.push(Seq(0), Seq(10_000), Instant::ZERO, MSS, Snapshot::default());
    for i in [5, 7, 6, 2, 3] {
        flight.sack(Seq(i * 1000), Seq(i * 1000 + 1000), |_, _| ());
    }
    // 0..2, 2..4, 4..5, 5..8, 8..10
    assert_eq!((flight.records(), flight.sums.sacked.segs), (5, 5));
    flight.sack(Seq(8001), Seq(9999), |_, _| ());
    flight.sack(Seq(500), Seq(500), |_, _| ());
    flight.sack(Seq(900), Seq(100), |_, _| ());
    assert_eq!(flight.sums.sacked.bytes, 5000);
    flight.sack(Seq(8001), Seq(10_000), |_, _| ());
    assert_eq!((flight.sums.sacked.bytes, flight.pipe()), (6000, 4000));
    assert_eq!(flight.highest_sacked(), Some(Seq(10_000)));
}

/// More pieces than there is room for become longer ones.
#[test]
fn records_are_bounded() {
    let mut flight = Flight::default();
    let end = 3 * TCP_FLIGHT_RECORDS as u32;
    for i in 0..end {
        flight.push(Seq(i), Seq(i + 1), Instant::from_micros(i.into()), 1, Snapshot::default());
    }
    assert_eq!(flight.records(), TCP_FLIGHT_RECORDS);
    for i in (0..end).step_by(2) {
        flight.sack(Seq(i), Seq(i + 1), |_, _| ());
    }
    assert!(flight.records() <= 2 * TCP_FLIGHT_RECORDS);
    assert_eq!(flight.broken_invariant(Seq(0), Seq(end)), None);
    while flight.pop_acknowledged(Seq(end)).is_some() {}
    assert_eq!((flight.sums, flight.slab.len()), (Sums::default(), 0));
}
