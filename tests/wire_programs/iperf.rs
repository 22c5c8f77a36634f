//! iperf3 on either side of the wire.
use crate::common::wire::{OURS4, PEER4, Wire};
use crate::common::{LIMIT, Mode};
use crate::{need, need_root};
use serde_json::Value;

on_both! { iperf3_against_a_server_of_the_kernel, iperf3_against_our_server }

fn iperf3(wire: &Wire, server_is_ours: bool, options: &str) {
    let (server, client, address) = if server_is_ours {
        (&wire.ours, &wire.peer, OURS4)
    } else {
        (&wire.peer, &wire.ours, PEER4)
    };
    let listening = server.tcp_server(server.line("iperf3 -s -1"), 5201);
    let line = format!("iperf3 -J -c {address} -t 2 {options}");
    let report = client.line(&line).within(LIMIT * 2).ok();
    let report: Value = serde_json::from_str(&report).expect("iperf3 prints JSON");
    let end = &report["end"];
    let bytes = |sum: &str| end[sum]["bytes"].as_f64().unwrap_or(0.0);
    if options.contains("-u") {
        assert!(bytes("sum") > 1e5, "{options}: {}", end["sum"]);
        let lost = end["sum"]["lost_percent"].as_f64().unwrap();
        assert!(lost < 5.0, "{options}: {lost} % lost");
    } else {
        assert!(bytes("sum_received") > 1e6, "{options}: {}", end["sum_received"]);
        if options.contains("--bidir") {
            let back = bytes("sum_received_bidir_reverse");
            assert!(back > 1e6, "{options}: {back} bytes came back");
        }
    }
    listening.finish().ok();
}

const KINDS: &[&str] = &["", "-R", "-P 8", "--bidir", "-u -b 50M", "-u -b 50M -R"];

fn iperf3_against_a_server_of_the_kernel(mode: Mode) {
    need!("iperf3");
    need_root!();
    let wire = Wire::new(mode);
    KINDS.iter().for_each(|options| iperf3(&wire, false, options));
}

fn iperf3_against_our_server(mode: Mode) {
    need!("iperf3");
    need_root!();
    let wire = Wire::new(mode);
    KINDS.iter().for_each(|options| iperf3(&wire, true, options));
}
