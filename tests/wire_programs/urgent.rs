//! Urgent data: out of line, in line, marks and signals, in both directions.
use crate::common::Mode;
use crate::common::wire::Wire;
use crate::{Listener, both_ends, need, need_root};

on_both! { urgent_bytes_both_ways }

fn urgent_bytes_both_ways(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    for (who, v6) in [(Listener::Ours, false), (Listener::Peer, true)] {
        let said = both_ends(&wire, who, v6, "urgent.py", &[]);
        assert_eq!((&*said.listener, &*said.connector), ("as it should be\n", "as it should be\n"));
    }
}
