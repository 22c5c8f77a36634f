//! The same through a tap device.
use crate::common::Mode;
use crate::common::wire::{Device, OURS4, OURS6, PEER4, PEER6, Plan, Wire};
use crate::web::{fetch, start_nginx};
use crate::{Listener, assert_whole, both_ends, need, need_root};

fn tap() -> Wire {
    let mut plan = Plan::new(Mode::Understudy);
    plan.device = Device::Tap;
    plan.build()
}

#[test]
fn ping_over_tap() {
    need!("ping");
    need_root!();
    let wire = tap();
    for size in [56, 4000] {
        crate::echo::ping(&wire.peer, OURS4, size);
        crate::echo::ping(&wire.peer, OURS6, size);
    }
}

#[test]
fn web_over_tap() {
    need!("nginx", "curl");
    need_root!();
    let wire = tap();
    let _nginx = start_nginx(&wire.ours);
    fetch(&wire.peer, OURS4, PEER4);
    fetch(&wire.peer, OURS6, PEER6);
    let _theirs = start_nginx(&wire.peer);
    fetch(&wire.ours, PEER4, OURS4);
}

#[test]
fn bytes_over_tap() {
    need!("python3");
    need_root!();
    let wire = tap();
    let said = both_ends(&wire, Listener::Ours, false, "transfer.py", &["200"]);
    assert_whole(&said, 200);
    let said = both_ends(&wire, Listener::Peer, false, "closes.py", &[]);
    assert_eq!(said.connector.lines().count(), 17);
    let said = both_ends(&wire, Listener::Peer, false, "many.py", &[]);
    assert_eq!(said.connector, "all came back\n");
}
