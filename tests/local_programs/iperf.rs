//! iperf3: bulk data, several streams, reversed, and UDP.
use crate::common::{Host, Mode};
use crate::need;
use serde_json::Value;

on_both! { iperf3_tcp, iperf3_reverse, iperf3_parallel, iperf3_udp, iperf3_udp_reverse }

fn iperf3(mode: Mode, options: &str) {
    need!("iperf3");
    let host = Host::local(mode);
    let server = host.tcp_server(host.line("iperf3 -s -1 -p 5201"), 5201);
    let report = host.line(&format!("iperf3 -J -c 127.0.0.1 -p 5201 -t 1 {options}")).ok();
    let report: Value = serde_json::from_str(&report).expect("iperf3 prints JSON");
    let end = &report["end"];
    let udp = options.contains("-u");
    let bytes = if udp { &end["sum"]["bytes"] } else { &end["sum_received"]["bytes"] };
    assert!(bytes.as_u64().is_some_and(|n| n > 100_000), "{}", end["sum"]);
    if udp {
        // Nothing limits the path but the receiver's queue; at this rate that suffices.
        let lost = end["sum"]["lost_percent"].as_f64().unwrap();
        assert!(lost < 5.0, "{lost} % lost");
    }
    server.finish().ok();
}

fn iperf3_tcp(mode: Mode) {
    iperf3(mode, "");
}
fn iperf3_reverse(mode: Mode) {
    iperf3(mode, "-R");
}
fn iperf3_parallel(mode: Mode) {
    iperf3(mode, "-P 4");
}
fn iperf3_udp(mode: Mode) {
    iperf3(mode, "-u -b 20M");
}
fn iperf3_udp_reverse(mode: Mode) {
    iperf3(mode, "-u -R -b 20M");
}
