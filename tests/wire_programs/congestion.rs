//! `TCP_CONGESTION` of programs, obeyed on the wire.
use crate::common::Mode;
use crate::common::wire::Wire;
use crate::{Listener, both_ends, need, need_root};

on_both! { each_socket_has_its_algorithm }

/// Before connecting, after, and inherited from a listener; what is refused; `TCP_CC_INFO`. The
/// kernel at the other end runs the same script.
fn each_socket_has_its_algorithm(mode: Mode) {
    need!("python3");
    need_root!();
    // Both need BBR of their own.
    let known = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control");
    if !known.is_ok_and(|names| names.contains("bbr")) {
        return;
    }
    let wire = Wire::new(mode);
    for (who, v6) in [(Listener::Ours, false), (Listener::Peer, true)] {
        let said = both_ends(&wire, who, v6, "congestion.py", &[]);
        assert_eq!((&*said.listener, &*said.connector), ("as it should be\n", "as it should be\n"));
    }
}
