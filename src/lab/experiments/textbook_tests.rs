//! The numbers of textbooks, measured in the experiments.
use super::common::*;
use super::settings::Settings;
use super::*;
use crate::base::Instant;
use crate::base::time::Duration;
use crate::lab::sim::*;
use crate::stack::tcp::TcpInfo;

fn settings(experiment: &Experiment, given: &[&str]) -> Settings {
    let given: Vec<String> = given.iter().map(|s| s.to_string()).collect();
    Settings::new(experiment.params, &given, 1, None).unwrap()
}

fn sizes(run: &Pair, from: Place) -> Vec<u32> {
    let len = |p: &Packet| match p.view.what {
        What::Tcp { len, .. } => len,
        _ => 0,
    };
    data_segments(&run.world.record, from).map(len).collect()
}

/// RFC 9293 3.7.1: the MSS on Ethernet is 1500 - 20 - 20 = 1460, so 5,000 bytes are four segments.
#[test]
fn five_thousand_bytes_are_four_segments() {
    let run = transfer::exchange(&settings(&transfer::TRANSFER, &["exchange=5000"]));
    let syn = run.world.record.packets.iter().find_map(|p| match &p.view.what {
        What::Tcp { options, .. } => options.mss,
        _ => None,
    });
    assert_eq!(syn, Some(1460));
    assert_eq!(sizes(&run, run.client), [1460, 1460, 1460, 620]);
}

/// RFC 9293 3.4: initial sequence numbers 100 and 500; 1000 bytes, 400 back, 1000 again.
#[test]
fn acknowledgments_of_a_small_exchange() {
    let given = ["exchange=1000,-400,1000", "client-isn=100", "server-isn=500"];
    let run = transfer::exchange(&settings(&transfer::TRANSFER, &given));
    assert_eq!(acknowledgments(&run.world.record, run.client), [101, 1101, 2101]);
    assert_eq!(acknowledgments(&run.world.record, run.server), [501, 901]);
    assert_eq!(sizes(&run, run.client), [1000, 1000]);
    assert_eq!(sizes(&run, run.server), [400]);
}

/// The sender's variables after the third duplicate of acknowledgment `ack` came, and the bytes in
/// flight before.
fn third_duplicate(algorithm: &str) -> (TcpInfo, TcpInfo) {
    let algorithm = format!("algorithm={algorithm}");
    let given = ["segments=40", "lose=14", "rtt=100", &algorithm];
    let settings = settings(&recovery::FAST_RETRANSMIT, &given);
    let (run, _) = recovery::burst(&settings, false);
    let record = &run.world.record;
    let acks = record.packets.iter().filter(|p| p.to == run.client && p.arrived.is_some());
    let mut seen: Vec<(u32, Instant)> = acks
        .filter_map(|p| match p.view.what {
            What::Tcp { ack, len: 0, .. } => Some((ack, p.arrived?)),
            _ => None,
        })
        .collect();
    seen.sort_by_key(|(_, at)| *at);
    // 13 segments came before the lost one.
    let wanted = 13 * 1460 + 1;
    let same: Vec<Instant> = seen.iter().filter(|s| s.0 == wanted).map(|s| s.1).collect();
    let third = same[3];
    let mine = |s: &&Sample| s.place == run.client;
    let after = record.samples.iter().filter(mine).rfind(|s| s.at <= third).unwrap();
    let before = record.samples.iter().filter(mine).rfind(|s| s.at < third).unwrap();
    assert_eq!(after.at, third, "nothing happened at the third duplicate");
    (before.info.clone(), after.info.clone())
}

/// RFC 5681 3.1 (4), and Jacobson 1988: at the third duplicate acknowledgment Tahoe goes to 1 MSS.
#[test]
fn tahoe_falls_to_one_segment() {
    let (before, after) = third_duplicate("tahoe");
    assert_eq!(after.cwnd_bytes, 1460);
    assert!(before.cwnd_bytes > 10 * 1460);
    assert!(after.ssthresh_bytes >= 2 * 1460 && after.ssthresh_bytes < before.cwnd_bytes);
}

/// RFC 5681 3.2 (2): at the third duplicate acknowledgment Reno goes to ssthresh, half the flight.
#[test]
fn reno_falls_to_ssthresh() {
    let (before, after) = third_duplicate("reno");
    assert_eq!(after.cwnd_bytes, after.ssthresh_bytes);
    let half = f64::from(before.cwnd_bytes) / 2.0;
    assert!((f64::from(after.cwnd_bytes) - half).abs() <= 3.0 * 1460.0, "{before:?} {after:?}");
}

/// The link use of stop-and-wait is (L/R) / (RTT + L/R).
#[test]
fn stop_and_wait_obeys_its_formula() {
    for (rate, ms) in [(10_000_000, 1), (10_000_000, 40), (1_000_000, 100), (100_000_000, 200)] {
        let measured = link_use::measure(1, 1, rate, Duration::from_millis(ms));
        let formula = link_use::formula(1.0, rate as f64, ms as f64 / 1e3);
        assert!((measured / formula - 1.0).abs() < 1e-3, "{rate} {ms}: {measured} {formula}");
    }
}

/// A window of W uses the link W times as much, until it is full.
#[test]
fn a_window_multiplies_the_use() {
    for (window, ms) in [(4, 40), (16, 10), (16, 100), (64, 20)] {
        let measured = link_use::measure(1, window, 10_000_000, Duration::from_millis(ms));
        let formula = link_use::formula(window as f64, 1e7, ms as f64 / 1e3);
        assert!((measured / formula - 1.0).abs() < 0.02, "{window} {ms}: {measured} {formula}");
    }
}

/// RFC 5681 3.1: slow start doubles cwnd in each round trip, then one segment is added in each.
#[test]
fn slow_start_doubles() {
    let (run, _) = slow_start::bulk(&settings(&slow_start::SLOW_START, &["ssthresh=32"]));
    let start = run.world.record.packets[0].sent;
    let after = |rounds: u32| {
        let at = start + Duration::from_millis(100) * rounds;
        let mine = |s: &&Sample| s.place == run.client && s.at <= at;
        let last = run.world.record.samples.iter().rfind(mine);
        last.map_or(0, |s| s.info.cwnd_bytes / 1460)
    };
    let windows: Vec<u32> = (1..=9).map(after).collect();
    assert_eq!(windows, [1, 2, 4, 8, 16, 32, 33, 34, 35]);
}

/// RFC 9293 3.6: the states of a close in turns, at once, and by halves.
#[test]
fn closes_go_through_their_states() {
    let facts = |kind: &str| {
        let set = format!("kind={kind}");
        find("close").unwrap().with(&[set], 1, None).unwrap().facts
    };
    let open = "client: SYN-SENT > ESTABLISHED";
    let normal = facts("normal");
    assert_eq!(normal[0], format!("{open} > FIN-WAIT-1 > FIN-WAIT-2 > TIME-WAIT > CLOSED"));
    let server = "server: SYN-RECEIVED > ESTABLISHED";
    assert_eq!(normal[1], format!("{server} > CLOSE-WAIT > LAST-ACK > CLOSED"));
    assert_eq!(normal[2], "TIME-WAIT lasted 4.0 s");
    for (n, side) in [open, server].into_iter().enumerate() {
        let should = format!("{side} > FIN-WAIT-1 > CLOSING > TIME-WAIT > CLOSED");
        assert_eq!(facts("simultaneous")[n], should);
    }
    assert!(facts("half-close")[1].contains("CLOSE-WAIT > LAST-ACK"));
    assert_eq!(facts("reset")[0], format!("{open} > CLOSED"));
}
