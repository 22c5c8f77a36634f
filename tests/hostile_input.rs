//! The fuzz targets of `tests/fuzz` with some thousand random inputs each, in every test run. A
//! failure prints its seed; `UNDERSTUDY_SEED=N` runs that one alone.
#[path = "fuzz/inputs.rs"]
mod inputs;

/// Runs `target` on inputs made from `samples` by random damage.
fn attack(target: fn(&[u8]), samples: &[Vec<u8>], runs: u64) {
    let only = std::env::var("UNDERSTUDY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..runs, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut input = samples[rng.usize(..samples.len())].clone();
        for _ in 0..rng.usize(..12) {
            let at = rng.usize(..=input.len());
            match rng.u8(..4) {
                0 => input.truncate(at),
                1 => input.insert(at, rng.u8(..)),
                2 => input.splice(at..at, (0..rng.u8(..40)).map(|_| rng.u8(..))).for_each(drop),
                _ if at < input.len() => input[at] = rng.u8(..),
                _ => {}
            }
        }
        let outcome = std::panic::catch_unwind(|| target(&input));
        assert!(outcome.is_ok(), "seed {seed}: {input:02x?}");
    }
}

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| rng.u8(..)).collect()
}

#[test]
fn frames() {
    // An orderly conversation first (see `World::step`), then noise on top of it.
    let orderly = [0x01, 8, 12, 7, 1, 8, 12, 100, 11, 200, 1].repeat(30);
    let samples = [orderly, random(1, 400), random(2, 4000), vec![0x41; 300]];
    attack(inputs::frame, &samples, 3_000);
}

#[test]
fn names_of_sockets() {
    use understudy::protocol::name::{Name, NetId, Role};
    let role = Role::Endpoint {
        local: "10.0.0.2:80".parse().unwrap(),
        remote: "10.0.0.3:81".parse().unwrap(),
    };
    let name = Name { net: NetId(7), role }.encode().as_bytes().to_vec();
    attack(inputs::name, &[name, random(3, 60)], 20_000);
}

#[test]
fn control_packets() {
    use understudy::base::FourTuple;
    use understudy::protocol::connect::ConnectRequest;
    use understudy::protocol::option::OptionList;
    use understudy::protocol::request::{Reply, Request};
    let tuple = FourTuple {
        local: "[fd00::2]:80".parse().unwrap(),
        remote: "[fd00::3]:81".parse().unwrap(),
    };
    let options = OptionList::new();
    let connect = ConnectRequest { length: 300, tuple, options, data: &[1; 9] };
    let mut samples = vec![
        Request::EndReason(tuple).encode().to_vec(),
        Request::Listen {
            local: tuple.local,
            dual: true,
            backlog: Some(9),
            options: OptionList::new(),
            keys: None,
        }
        .encode()
        .to_vec(),
        Reply::Text("words").encode(),
        [&connect.head()[..], connect.data].concat(),
    ];
    samples.extend((0..10).map(|kind| vec![kind; 40]));
    attack(inputs::control, &samples, 20_000);
}

#[test]
fn net_files() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example-net.toml");
    let brief = "v1;name=a;id=1;users=any;route=0.0.0.0/0@10.0.0.1".into();
    let samples = [std::fs::read(example).unwrap(), brief, random(4, 100)];
    attack(inputs::net_file, &samples, 3_000);
}
