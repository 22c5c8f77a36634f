//! netcat and socat in both roles, also with the socket on descriptors 0 and 1 of another program.
use crate::common::{Host, Mode, wait_for};
use crate::need;

on_both! {
    netcat_carries_bytes_both_ways, netcat_datagrams, netcat_probes_ports, socat_both_roles,
    socat_exec, socat_datagrams,
}

fn megabyte(seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..1_000_000).map(|_| rng.u8(..)).collect()
}

fn netcat_carries_bytes_both_ways(mode: Mode) {
    need!("nc");
    for (family, address) in [("-4", "127.0.0.1"), ("-6", "::1")] {
        let host = Host::local(mode);
        let line = format!("nc {family} -N -l {address} 5000");
        let server = host.tcp_server(host.line(&line).input(megabyte(1)), 5000);
        // Without -N: a listening nc ends at the end of its input, whatever it has still to send.
        let line = format!("nc {family} {address} 5000");
        let client = host.line(&line).input(megabyte(2)).finish();
        assert!(client.status.success(), "{client}");
        assert!(client.stdout == megabyte(1), "the client got other bytes");
        assert!(server.finish().stdout == megabyte(2), "the server got other bytes");
    }
}

fn netcat_datagrams(mode: Mode) {
    need!("nc");
    let host = Host::local(mode);
    let server = host
        .udp_server(host.line("nc -u -l 127.0.0.1 5000").input("hello from the server\n"), 5000);
    // -q would end it before the answer; -w is its idle time-out.
    let client = host.line("nc -u -w 1 127.0.0.1 5000").input("hello from the client\n").finish();
    assert_eq!(client.text(), "hello from the server\n", "{client}");
    wait_for("the datagram", || server.said().contains("hello from the client"));
}

fn netcat_probes_ports(mode: Mode) {
    need!("nc");
    let host = Host::local(mode);
    let _server = host.tcp_server(host.line("nc -k -l 127.0.0.1 5000"), 5000);
    host.line("nc -z -v 127.0.0.1 5000").ok();
    let refused = host.line("nc -z -v 127.0.0.1 5001").finish();
    assert!(!refused.status.success(), "{refused}");
    assert!(refused.errors().contains("Connection refused"), "{refused}");
}

fn socat_both_roles(mode: Mode) {
    need!("socat");
    let host = Host::local(mode);
    let _server = host.tcp_server(host.line("socat TCP-LISTEN:5000,reuseaddr,fork PIPE"), 5000);
    let client = host.line("socat -t 30 - TCP:127.0.0.1:5000").input(megabyte(3)).finish();
    assert!(client.status.success() && client.stdout == megabyte(3), "{:?}", client.status);
    let _server = host.tcp_server(host.line("socat TCP6-LISTEN:5001,reuseaddr,fork PIPE"), 5001);
    let client = host.line("socat -t 30 - TCP6:[::1]:5001").input(megabyte(4)).finish();
    assert!(client.status.success() && client.stdout == megabyte(4), "{:?}", client.status);
    // A chain: one socat hands on to another.
    let _relay =
        host.tcp_server(host.line("socat TCP-LISTEN:5002,reuseaddr,fork TCP:127.0.0.1:5000"), 5002);
    let client = host.line("socat -t 30 - TCP:127.0.0.1:5002").input(megabyte(5)).finish();
    assert!(client.status.success() && client.stdout == megabyte(5), "{:?}", client.status);
}

fn socat_exec(mode: Mode) {
    need!("socat");
    let host = Host::local(mode);
    // `nofork` makes the accepted socket itself descriptors 0 and 1 of the program.
    let services =
        [(5000, "EXEC:cat"), (5001, "EXEC:cat,nofork"), (5002, "SYSTEM:'tr a-z A-Z',nofork")];
    for (port, service) in services {
        let listen = format!("TCP-LISTEN:{port},reuseaddr,fork");
        let _server = host.tcp_server(host.task(&["socat", &listen, service]), port);
        let connect = format!("TCP:127.0.0.1:{port}");
        let text = "the play's the thing\n".repeat(5000);
        for _ in 0..3 {
            let task = host.task(&["socat", "-t", "30", "-", &connect]).input(text.clone());
            let expected = if port == 5002 { text.to_uppercase() } else { text.clone() };
            assert!(task.ok() == expected, "{service} answers wrongly");
        }
    }
    // The other way round: the connecting socket becomes a program's input and output.
    let _server = host.tcp_server(host.line("socat TCP-LISTEN:5003,reuseaddr,fork PIPE"), 5003);
    let script = "echo to be; read line; echo \"$line\" > heard; echo or not to be; read line; \
                  echo \"$line\" >> heard";
    let exec = format!("SYSTEM:{},nofork", host.file("talk.sh", script).replace("talk.sh", "t"));
    let program = host.file("t", format!("#!/bin/sh\n{script}\n"));
    host.plain(&["chmod", "+x", &program]).ok();
    host.task(&["socat", "TCP:127.0.0.1:5003", &exec]).ok();
    assert_eq!(std::fs::read_to_string(host.path("heard")).unwrap(), "to be\nor not to be\n");
}

fn socat_datagrams(mode: Mode) {
    need!("socat");
    let host = Host::local(mode);
    let _server = host.udp_server(host.line("socat UDP-LISTEN:5000,fork PIPE"), 5000);
    let client = host.line("socat -t 1 - UDP:127.0.0.1:5000").input("yorick\n").ok();
    assert_eq!(client, "yorick\n");
    let _server = host.udp_server(host.line("socat UDP6-RECVFROM:5001,fork EXEC:cat"), 5001);
    let client = host.line("socat -t 1 - UDP6:[::1]:5001").input("alas\n").ok();
    assert_eq!(client, "alas\n");
}
