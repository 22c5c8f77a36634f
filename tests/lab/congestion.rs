//! What congestion controls do on a path: how full the link is, how long the queue, who gets what.
use std::time::Duration;
use understudy::base::Instant;
use understudy::lab::sim::*;
use understudy::stack::tcp::{TcpConfig, TcpInfo};

/// Bits per second and one-way delay of the bottleneck: 40 ms there and back.
const RATE: u64 = 10_000_000;
const DELAY: Duration = Duration::from_millis(20);
/// Bytes that the path itself holds.
const BDP: u64 = RATE / 8 * 40 / 1000;

struct Race {
    world: World,
    sender: Vec<Place>,
    receiver: Place,
    router: Place,
}

impl Race {
    /// One bulk flow for each algorithm, over one bottleneck.
    fn new(seed: u64, algorithms: &[&str], bottleneck: LinkSpec) -> Race {
        let mut world = World::new(seed, Medium::Ip);
        world.keep(false, true);
        let (router, receiver) = (world.add_router("r", true), world.add_host(host("b", "cubic")));
        let back = LinkSpec { rate: 0, loss: Loss::None, ..bottleneck.clone() };
        world.join_two(router, receiver, bottleneck, back);
        let near = LinkSpec { delay: Duration::from_micros(10), ..LinkSpec::default() };
        world.serve(receiver, 80, Plan::closing());
        let mut sender = Vec::new();
        for (i, name) in algorithms.iter().enumerate() {
            let place = world.add_host(host(&format!("a{i}"), name));
            world.join(place, router, &near);
            let start = Duration::from_millis(37 * i as u64);
            world.connect(place, receiver, 80, start, Plan::sending(1 << 40));
            sender.push(place);
        }
        Race { world, sender, receiver, router }
    }

    /// Bytes that each flow has had acknowledged by `at`.
    fn delivered(&self, at: Instant) -> Vec<u64> {
        let of = |place: &Place| {
            let mine = |s: &&Sample| s.place == *place && s.at <= at;
            self.world.record.samples.iter().rfind(mine).map_or(0, |s| s.info.bytes_acked)
        };
        self.sender.iter().map(of).collect()
    }

    /// Bits per second of each flow between two times.
    fn rates(&self, from: u64, to: u64) -> Vec<f64> {
        let (from, to) = (Instant::from_millis(from * 1000), Instant::from_millis(to * 1000));
        let seconds = to.since(from).as_secs_f64();
        let (before, after) = (self.delivered(from), self.delivered(to));
        after.iter().zip(before).map(|(a, b)| (a - b) as f64 * 8.0 / seconds).collect()
    }

    /// Bytes in front of the bottleneck on average, samples weighted alike.
    fn queue(&self, from: u64) -> f64 {
        let link = (self.router, self.receiver);
        let all = self.world.record.queues.iter();
        let mine = |q: &&QueueSample| q.link == link && q.at >= Instant::from_millis(from * 1000);
        let bytes: Vec<u64> = all.filter(mine).map(|q| q.bytes).collect();
        bytes.iter().sum::<u64>() as f64 / bytes.len().max(1) as f64
    }

    fn infos(&self, flow: usize, from: u64) -> impl Iterator<Item = (Instant, &TcpInfo)> {
        let (place, from) = (self.sender[flow], Instant::from_millis(from * 1000));
        let mine = move |s: &&Sample| s.place == place && s.at >= from;
        self.world.record.samples.iter().filter(mine).map(|s| (s.at, &s.info))
    }
}

fn host(name: &str, algorithm: &str) -> HostSpec {
    let tcp = TcpConfig {
        congestion: algorithm.into(),
        send_buffer: 4 << 20,
        receive_buffer: 8 << 20,
        ..TcpConfig::default()
    };
    HostSpec { tcp, ..HostSpec::named(name) }
}

fn bottleneck(queue: u64) -> LinkSpec {
    LinkSpec { rate: RATE, delay: DELAY, queue: QueueLimit::Bytes(queue), ..LinkSpec::default() }
}

fn seconds(race: &mut Race, seconds: u64) {
    race.world.run_for(Duration::from_secs(seconds));
    assert_eq!(race.world.stuck, None);
}

/// draft-ietf-ccwg-bbr 3.1: the link is full and the queue is not, however deep it could be; CUBIC
/// fills what there is.
#[test]
fn bbr_fills_the_link_and_not_the_queue() {
    for (name, most) in [("bbr", BDP), ("cubic", 20 * BDP)] {
        let mut race = Race::new(1, &[name], bottleneck(20 * BDP));
        seconds(&mut race, 30);
        let (rate, queue) = (race.rates(5, 30)[0], race.queue(5));
        println!("{name}: {:.2} Mb/s, {:.2} BDP in the queue", rate / 1e6, queue / BDP as f64);
        assert!(rate > 0.88 * RATE as f64, "{name}: {rate}");
        assert!(queue < most as f64, "{name}: {queue}");
        assert!(name == "bbr" || queue > 3.0 * BDP as f64, "{name}: {queue}");
    }
}

/// draft-ietf-ccwg-bbr 2.8: less than 2 % loss is no sign of congestion; to CUBIC each one is.
#[test]
fn bbr_survives_losses_that_are_no_congestion() {
    let (mut rates, rate) = (Vec::new(), 5 * RATE);
    for name in ["bbr", "cubic"] {
        let lossy = LinkSpec { rate, loss: Loss::Uniform(0.01), ..bottleneck(20 * BDP) };
        let mut race = Race::new(2, &[name], lossy);
        seconds(&mut race, 30);
        rates.push(race.rates(5, 30)[0]);
    }
    println!("bbr {:.2}, cubic {:.2} Mb/s at 1 % loss", rates[0] / 1e6, rates[1] / 1e6);
    assert!(rates[0] > 0.6 * rate as f64, "{rates:?}");
    assert!(rates[0] > 3.0 * rates[1], "{rates:?}");
}

/// draft-ietf-ccwg-bbr 5.3.4: every five seconds half of the path is left empty for 200 ms, so that
/// the round trip without queues is seen.
#[test]
fn bbr_probes_the_round_trip() {
    let mut race = Race::new(3, &["bbr"], bottleneck(20 * BDP));
    seconds(&mut race, 33);
    let low = |info: &TcpInfo| u64::from(info.cwnd_bytes) < BDP * 6 / 10;
    let mut times: Vec<u64> = Vec::new();
    for (at, _) in race.infos(0, 2).filter(|(_, info)| low(info)) {
        let ms = at.as_millis();
        if times.last().is_none_or(|last| ms > last + 1_000) {
            times.push(ms);
        }
    }
    println!("ProbeRTT at {times:?} ms");
    assert!((4..=7).contains(&times.len()), "{times:?}");
    assert!(times.windows(2).all(|two| (4_900..6_500).contains(&(two[1] - two[0]))), "{times:?}");
    let min = race.infos(0, 10).map(|(_, info)| info.min_rtt_us).min().unwrap();
    assert!((40_000..44_000).contains(&min), "{min}");
}

/// Jain's index.
fn fairness(rates: &[f64]) -> f64 {
    let (sum, squares): (f64, f64) = (rates.iter().sum(), rates.iter().map(|r| r * r).sum());
    sum * sum / (rates.len() as f64 * squares)
}

/// draft-ietf-ccwg-bbr 3.1: flows of BBR come to the same share, in shallow and in deep queues.
#[test]
fn bbr_is_fair_to_itself() {
    for queue in [BDP, 8 * BDP] {
        let mut race = Race::new(4, &["bbr"; 4], bottleneck(queue));
        seconds(&mut race, 60);
        let rates = race.rates(20, 60);
        let (sum, fair) = (rates.iter().sum::<f64>(), fairness(&rates));
        println!("{rates:.0?}: {:.2} Mb/s, Jain {fair:.3}", sum / 1e6);
        assert!(sum > 0.88 * RATE as f64, "{rates:?}");
        assert!(fair > 0.9, "{fair} {rates:?}");
    }
}

/// draft-ietf-ccwg-bbr 5.3.3.8.1: neither BBR nor CUBIC starves beside the other.
#[test]
fn bbr_and_cubic_share() {
    let mut race = Race::new(5, &["bbr", "cubic"], bottleneck(2 * BDP));
    seconds(&mut race, 60);
    let rates = race.rates(10, 60);
    println!("bbr {:.2}, cubic {:.2} Mb/s", rates[0] / 1e6, rates[1] / 1e6);
    assert!(rates.iter().sum::<f64>() > 0.88 * RATE as f64, "{rates:?}");
    assert!(rates.iter().all(|rate| *rate > 0.12 * RATE as f64), "{rates:?}");
}

/// RFC 9438 5.1, RFC 5681: flows of one algorithm come to the same share.
#[test]
fn loss_based_flows_are_fair_to_each_other() {
    for name in ["reno", "newreno", "cubic", "tahoe"] {
        let mut race = Race::new(6, &[name; 3], bottleneck(2 * BDP));
        seconds(&mut race, 60);
        let rates = race.rates(15, 60);
        let (sum, fair) = (rates.iter().sum::<f64>(), fairness(&rates));
        println!("{name}: {rates:.0?}: {:.2} Mb/s, Jain {fair:.3}", sum / 1e6);
        assert!(sum > 0.85 * RATE as f64, "{name} {rates:?}");
        assert!(fair > 0.85, "{name} {fair} {rates:?}");
    }
}

/// RFC 3168 6.1.2: where the queue marks, nothing is lost, and the link is full all the same.
#[test]
fn marks_instead_of_losses() {
    for name in ["reno", "cubic", "bbr"] {
        let marking = LinkSpec { mark: Mark::Threshold(30), ..bottleneck(20 * BDP) };
        let mut world = World::new(7, Medium::Ip);
        world.keep(false, true);
        let mut spec = host("a", name);
        spec.tcp.ecn = understudy::stack::tcp::Ecn::On;
        let (a, b) = (world.add_host(spec), world.add_host(host("b", "cubic")));
        world.join_two(a, b, marking.clone(), LinkSpec { rate: 0, ..marking });
        world.serve(b, 80, Plan::closing());
        world.connect(a, b, 80, Duration::ZERO, Plan::sending(1 << 40));
        world.run_for(Duration::from_secs(20));
        let last = world.record.samples.iter().rfind(|s| s.place == a).unwrap();
        let info = &last.info;
        let rate = info.bytes_acked as f64 * 8.0 / 20.0;
        println!("{name}: {:.2} Mb/s, {} marked", rate / 1e6, info.delivered_ce);
        assert_eq!(info.options & 8, 8, "{name}: both speak it");
        let peer = world.record.samples.iter().rfind(|s| s.place == b).unwrap();
        assert_eq!(peer.info.options & 24, 24, "{name}: and it has been seen");
        assert_eq!(info.total_retrans, 0, "{name}");
        assert!(info.delivered_ce > 0 && rate > 0.8 * RATE as f64, "{name}: {rate}");
    }
}
