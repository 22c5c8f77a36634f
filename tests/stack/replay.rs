//! The core draws no entropy and reads no clock: the same seed, the same frames.
use crate::world::*;
use understudy::base::Duration;

fn a_run() -> Vec<(usize, Vec<u8>)> {
    let mut world = World::ethernet();
    world.loss = 0.1;
    for i in 0..50u16 {
        let payload = vec![i as u8; usize::from(i) * 100];
        world.udp(0, tuple("10.0.0.1:1", "10.0.0.2:2"), &payload).unwrap();
        world.udp(1, tuple("[fd00::2]:1", "[fd00::1]:2"), &payload).unwrap();
        world.run_for(Duration::from_millis(100));
    }
    world.loss = 0.0;
    world.run_for(Duration::from_secs(10));
    crate::tcp::noise(&mut world);
    world.run_for(Duration::from_secs(60));
    world.sent
}

#[test]
fn the_same_seed_gives_the_same_frames() {
    let first = a_run();
    assert!(first.len() > 300);
    assert!(a_run() == first);
}
