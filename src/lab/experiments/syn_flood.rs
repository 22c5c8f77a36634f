//! A flood of connection requests from addresses that do not answer.
use super::common::*;
use super::settings::{Settings, Unit, param};
use super::{Experiment, Report};
use crate::base::addr::Ipv4Addr;
use crate::base::time::Duration;
use crate::base::{Instant, Rng};
use crate::lab::draw::Picture;
use crate::lab::draw::chart::{Chart, Panel, Series, Style};
use crate::lab::sim::*;
use crate::lab::trace;
use crate::stack::tcp::{SynCookies, TcpConfig};
use crate::wire::tcp::{Flags, Options, TcpHeader};
use crate::wire::{checksum, ipv4, protocol};

pub(super) const SYN_FLOOD: Experiment = Experiment {
    name: "syn-flood",
    about: "half-open connections under a flood, without SYN cookies and with them",
    what_to_see: "\
Each SYN makes the server remember a half-open connection until the handshake is complete. A \
flood from forged addresses fills that queue, and honest clients find no place: their SYNs \
are dropped, and they try again after 1, 3, 7 seconds. With SYN cookies (RFC 4987) a server \
whose queue is full remembers nothing: what it must know is in the sequence number of its \
SYN-ACK, and comes back with the client's acknowledgment. The lower picture shows how long \
honest clients wait.",
    params: &[
        param("rtt", "20", Unit::Ms, "round-trip time"),
        param("flood", "500", Unit::Count, "forged SYNs per second"),
        param("backlog", "64", Unit::Count, "the server's queue"),
        param("clients", "5", Unit::Count, "honest clients per second"),
        param("seconds", "8", Unit::Seconds, "how long it lasts; the flood from 2 s to 6 s"),
    ],
    run,
};

/// A SYN from a stranger.
fn forged(rng: &mut Rng, to: Ipv4Addr) -> Vec<u8> {
    let random = rng.u64();
    let src =
        Ipv4Addr::new(172, 16 + (random % 16) as u8, (random >> 8) as u8, (random >> 16) as u8);
    let header = TcpHeader {
        source: 1024 + (random >> 24) as u16 % 60_000,
        destination: PORT,
        seq: (random >> 32) as u32,
        ack: 0,
        flags: Flags::SYN,
        window: 64_240,
        urgent: 0,
        options: Options { mss: Some(1460), ..Options::default() },
    };
    let mut segment = Vec::new();
    header.emit(&mut segment);
    let sum = checksum::pseudo_header(src.into(), to.into(), protocol::TCP, segment.len());
    let sum = sum.bytes(&segment).finish();
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    let ip = ipv4::Header {
        tos: 0,
        total_len: (ipv4::LEN + segment.len()) as u16,
        id: 0,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        ttl: 64,
        protocol: protocol::TCP,
        src,
        dst: to,
    };
    [&ip.to_bytes()[..], &segment].concat()
}

/// Half-open connections over time, seconds and their number.
type Queue = Vec<(f64, f64)>;
/// When each honest client came and how long it waited, seconds; `None`: for nothing.
type Waits = Vec<(f64, Option<f64>)>;

/// One run.
fn flood(settings: &Settings, cookies: bool) -> (Queue, Waits) {
    let mut world = World::new(settings.seed, Medium::Ip);
    let server = world.add_host(host("server", server_tcp(cookies)));
    let router = world.add_router("network", false);
    let client = world.add_host(host("client", TcpConfig::default()));
    let attacker = world.add_host(host("attacker", TcpConfig::default()));
    let spec = LinkSpec { delay: settings.ms("rtt") / 4, ..LinkSpec::default() };
    for place in [server, client, attacker] {
        world.join(place, router, &spec);
    }
    let backlog = settings.count("backlog").clamp(1, 100_000) as usize;
    world.serve_with(server, PORT, backlog, Plan::closing());
    let seconds = settings.seconds("seconds").min(Duration::from_secs(60));
    let mut rng = Rng::seeded(settings.seed);
    let Some(to) = (match world.address(server, true) {
        core::net::IpAddr::V4(v4) => Some(v4),
        core::net::IpAddr::V6(_) => None,
    }) else {
        return (Vec::new(), Vec::new());
    };
    let forged_syns = settings.count("flood").min(20_000) * 4;
    for n in 0..forged_syns {
        let at =
            Duration::from_secs(2) + Duration::from_secs_f64(4.0 * n as f64 / forged_syns as f64);
        let syn = forged(&mut rng, to);
        world.inject(attacker, at, syn);
    }
    let per_second = settings.count("clients").clamp(1, 200);
    let clients: Vec<(Duration, ProgramId)> = (0..seconds.as_secs() * per_second)
        .map(|n| {
            let at = Duration::from_secs_f64(n as f64 / per_second as f64);
            (at, world.connect(client, server, PORT, at, Plan::sending(100)))
        })
        .collect();
    let mut open = Vec::new();
    let mut at = Instant::ZERO;
    while at < Instant::ZERO + seconds {
        at = at + Duration::from_millis(50);
        world.run_until(at);
        let half = world.host(server).map_or(0, |h| {
            let all = h.stack.tcp().connections();
            all.filter(|c| c.2 == crate::stack::tcp::State::SynReceived).count()
        });
        open.push((trace::seconds(Instant::ZERO, at), half as f64));
    }
    world.run_for(Duration::from_secs(30));
    let waited = clients.iter().map(|(at, id)| {
        let opened = world.progress(*id).opened_at;
        let began = Instant::ZERO + *at;
        (at.as_secs_f64(), opened.map(|o| o.since(began).as_secs_f64() * 1e3))
    });
    (open, waited.collect())
}

fn server_tcp(cookies: bool) -> TcpConfig {
    TcpConfig {
        syn_cookies: if cookies { SynCookies::Auto } else { SynCookies::Off },
        // So that what is left of the flood goes away while we look.
        synack_retries: 1,
        ..TcpConfig::default()
    }
}

fn run(settings: &Settings) -> Report {
    let (mut queue, mut wait, mut facts) = (Vec::new(), Vec::new(), Vec::new());
    for (n, cookies) in [false, true].into_iter().enumerate() {
        let word = if cookies { "with cookies" } else { "without cookies" };
        let (open, waited) = flood(settings, cookies);
        let served: Vec<(f64, f64)> =
            waited.iter().filter_map(|(at, wait)| Some((*at, (*wait)?))).collect();
        let during: Vec<f64> =
            served.iter().filter(|p| (2.0..6.0).contains(&p.0)).map(|p| p.1).collect();
        let late = during.iter().filter(|ms| **ms > 900.0).count();
        facts.push(format!(
            "{word}: {} of {} clients were served; of those that came in the flood {late} waited \
             for a second or more",
            served.len(),
            waited.len()
        ));
        queue.push(trace::step(word, n, open));
        wait.push(Series::new(word, n, Style::Dots, served));
    }
    let panel = |axis: &str, series| Panel { axis: axis.into(), series, ..Panel::default() };
    let chart = Chart {
        name: "syn-flood".into(),
        title: "A flood of SYNs from 2 s to 6 s".into(),
        axis: "time (s)".into(),
        panels: vec![panel("half-open", queue), panel("honest clients wait (ms)", wait)],
        log_x: false,
    };
    Report { pictures: vec![Picture::Chart(chart)], facts }
}
