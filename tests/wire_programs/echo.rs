//! The net answers ping, small and fragmented, over both families.
use crate::common::wire::{OURS4, OURS6, Wire};
use crate::common::{Host, Mode};
use crate::{need, need_root};

on_both! { a_net_answers_ping }

/// Pings `address` from `host` with packets of `size` bytes; all must be answered.
pub fn ping(host: &Host, address: &str, size: u32) {
    let said = host.plain(&[
        "ping",
        "-n",
        "-c",
        "5",
        "-i",
        "0.05",
        "-W",
        "5",
        "-s",
        &size.to_string(),
        address,
    ]);
    let said = said.ok();
    assert!(said.contains("5 packets transmitted, 5 received, 0% packet loss"), "{said}");
    assert!(!said.contains("wrong") && !said.contains("DUP"), "{said}");
}

fn a_net_answers_ping(mode: Mode) {
    need!("ping");
    need_root!();
    let wire = Wire::new(mode);
    for size in [0, 56, 1400, 1472, 4000, 20_000] {
        ping(&wire.peer, OURS4, size);
        ping(&wire.peer, OURS6, size);
    }
}
