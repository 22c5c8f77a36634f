//! Groups and broadcasts, on one host and across the wire.
use crate::common::task::Program;
use crate::common::wire::{OURS4, OURS6, PEER4, PEER6, Wire};
use crate::common::{Host, Mode, wait_for};
use crate::{need, need_filters, need_root, py};

on_both! { groups_of_one_host, groups_across_the_wire, a_membership_ends_with_its_socket }

/// RFC 1112 6, 7, RFC 3493 5: sockets of one host in groups, as ip(7) and ipv6(7) have it.
fn groups_of_one_host(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let said = py(&wire.ours, "groups.py", &[OURS4, OURS6, "10.77.0.255"]).ok();
    assert_eq!(said, "all as on Linux\n");
}

fn member(host: &Host, group: &str, own: &str) -> Program {
    let mut program = py(host, "group_member.py", &[group, own, "5010"]).start();
    program.wait_until_it_says("ready\n");
    program
}

fn send(host: &Host, group: &str, own4: &str, own6: &str, words: &str) {
    let script = format!(
        "import socket\n\
         six = ':' in {group:?}\n\
         s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)\n\
         if six: s.bind(({own6:?}, 0))\n\
         else: s.setsockopt(0, socket.IP_MULTICAST_IF, socket.inet_aton({own4:?}))\n\
         s.sendto({words:?}.encode(), ({group:?}, 5010))\n"
    );
    host.python(&script).ok();
}

/// RFC 1112 7.2, RFC 3376 5.1: datagrams of groups go both ways across the wire, to two programs of
/// our side at once.
fn groups_across_the_wire(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    for group in ["224.1.1.1", "ff15::5"] {
        let ours = [member(&wire.ours, group, OURS4), member(&wire.ours, group, OURS4)];
        let peer = member(&wire.peer, group, PEER4);
        send(&wire.peer, group, PEER4, PEER6, "hello");
        send(&wire.ours, group, OURS4, OURS6, "end");
        let (there, here) = match group.contains(':') {
            true => (PEER6, OURS6),
            false => (PEER4, OURS4),
        };
        let expected = format!("ready\nhello from {there}\nend from {here}\n");
        for program in ours.into_iter().chain([peer]) {
            assert_eq!(program.finish().ok(), expected);
        }
    }
}

/// RFC 3376 5.1: when the program ends, the host leaves: a router on the wire is told.
fn a_membership_ends_with_its_socket(mode: Mode) {
    need!("python3", "tshark");
    need_filters!();
    need_root!();
    let wire = Wire::new(mode);
    let mut reports = wire
        .peer
        .plain(&["tshark", "-l", "-n", "-i", "peer0", "-Y", "igmp.maddr == 224.1.1.7", "-T"])
        .args(&["fields", "-e", "igmp.record_type"])
        .start();
    reports.wait_until_it_says("Capturing");
    let program = member(&wire.ours, "224.1.1.7", OURS4);
    // 4: CHANGE_TO_EXCLUDE, a join; 3: CHANGE_TO_INCLUDE, a leave.
    wait_for("a join on the wire", || reports.said().contains('4'));
    send(&wire.peer, "224.1.1.7", PEER4, PEER6, "end");
    program.finish().ok();
    wait_for("a leave on the wire", || reports.said().contains('3'));
    reports.kill();
}
