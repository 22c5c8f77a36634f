//! What ICMP errors about TCP segments do: the errno of each, and the path MTU that is remembered.
use crate::lone::*;
use crate::world::*;
use understudy::base::NetError;
use understudy::stack::tcp::TcpOptions;
use understudy::stack::*;
use understudy::wire::{icmpv4, icmpv6, protocol};

/// An error that quotes a packet of ours.
fn about(packet: &[u8], kind: u8, code: u8, rest: [u8; 4]) -> Vec<u8> {
    let mut message = Vec::new();
    if packet[0] >> 4 == 4 {
        icmpv4::Header { kind, code, rest }.emit(&packet[..28], &mut message);
        return v4(PEER4, US4, protocol::ICMP, &message);
    }
    icmpv6::Header { kind, code, rest }.emit(PEER6, US6, &packet[..48], &mut message);
    v6(PEER6, US6, protocol::ICMPV6, 64, &message)
}

/// Opens a connection; its SYN, from the IP header on.
fn connect(lone: &mut Lone, local: &str, remote: &str) -> (ConnId, Vec<u8>) {
    let pair = tuple(local, remote);
    let id = lone.stack.tcp_connect(lone.now, pair, TcpOptions::default()).unwrap();
    let [syn] = &lone.sent()[..] else { panic!("one SYN") };
    (id, syn[14..].to_vec())
}

/// RFC 1122 4.2.3.9, with the errno of Linux's `icmp_err_convert` and `icmpv6_err_convert` for each
/// code: what a program that connects is told.
#[test]
fn every_code_has_its_error() {
    use NetError::*;
    let v4 = [
        (3, 0, NetUnreachable),
        (3, 1, HostUnreachable),
        (3, 2, ProtocolUnreachable),
        (3, 3, Refused),
        (3, 5, NotSupported),
        (3, 6, NetUnreachable),
        (3, 7, HostDown),
        (3, 8, NoNetwork),
        (3, 9, NetUnreachable),
        (3, 10, HostUnreachable),
        (3, 11, NetUnreachable),
        (3, 12, HostUnreachable),
        (3, 13, HostUnreachable),
        (11, 0, HostUnreachable),
        (12, 0, Protocol),
    ];
    let v6 = [
        (1, 0, NetUnreachable),
        (1, 1, Prohibited),
        (1, 2, HostUnreachable),
        (1, 3, HostUnreachable),
        (1, 4, Refused),
        (1, 5, Prohibited),
        (1, 6, Prohibited),
        (3, 0, HostUnreachable),
        (4, 0, Protocol),
        (4, 1, Protocol),
    ];
    let ends = [("10.0.0.1:5", "10.0.0.9:6", &v4[..]), ("[fd00::1]:5", "[fd00::9]:6", &v6[..])];
    for (local, remote, codes) in ends {
        for &(kind, code, error) in codes {
            let mut lone = Lone::new();
            let (id, syn) = connect(&mut lone, local, remote);
            lone.answer(&about(&syn, kind, code, [0; 4]));
            let told = lone.stack.tcp().status(id).unwrap().error;
            assert_eq!(told, Some(error), "{local} {kind} {code}");
        }
    }
}

/// RFC 1191 3, RFC 8201 5.2: the path MTU that TCP learns is the destination's: other connections
/// there obey it, the next ones begin with it, and so do datagrams. One that is not believed (RFC
/// 5927 4.1) changes nothing.
#[test]
fn the_path_mtu_is_remembered_for_the_destination() {
    for (local, remote) in [("10.0.0.1", "10.0.0.9"), ("[fd00::1]", "[fd00::9]")] {
        let mut lone = Lone::new();
        let end = |address: &str, port: u16| format!("{address}:{port}");
        let (other, _) = connect(&mut lone, &end(local, 4), &end(remote, 6));
        let (_, syn) = connect(&mut lone, &end(local, 5), &end(remote, 6));
        let (kind, code) = if syn[0] >> 4 == 4 { (3, 4) } else { (2, 0) };
        let far = tuple("10.0.0.1:1", &end(remote, 6)).remote.ip();
        // A sequence number that is not outstanding.
        let mut forged = syn.clone();
        let at = forged.len() - full_header(&syn) + 4;
        forged[at] ^= 0x55;
        lone.answer(&about(&forged, kind, code, 1300u32.to_be_bytes()));
        assert_eq!(lone.stack.mtu_to(far), Some(1500));
        lone.answer(&about(&syn, kind, code, 1300u32.to_be_bytes()));
        assert_eq!(lone.stack.mtu_to(far), Some(1300));
        let now = lone.now;
        assert_eq!(lone.stack.tcp().info(now, other).unwrap().pmtu, 1300);
        let (new, _) = connect(&mut lone, &end(local, 7), &end(remote, 6));
        assert_eq!(lone.stack.tcp().info(now, new).unwrap().pmtu, 1300);
        // A larger one widens nothing.
        lone.answer(&about(&syn, kind, code, 1400u32.to_be_bytes()));
        assert_eq!(lone.stack.tcp().info(now, other).unwrap().pmtu, 1300);
    }
}

/// Length of the TCP header of a SYN.
fn full_header(packet: &[u8]) -> usize {
    packet.len() - if packet[0] >> 4 == 4 { 20 } else { 40 }
}
