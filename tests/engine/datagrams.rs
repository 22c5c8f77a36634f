//! Datagrams.
use super::rig::*;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrUnix, SocketType};
use std::os::fd::OwnedFd;
use understudy::base::FourTuple;
use understudy::protocol::name::{Role, Slot, Transport};
use understudy::protocol::request::{Reply, Request};

fn bound(rig: &Rig, port: u16, slot: Slot) -> OwnedFd {
    let fd = rig.socket(SocketType::DGRAM);
    let role =
        Role::Datagram { transport: Transport::Udp, local: at("0.0.0.0", port), dual: false, slot };
    rustix::net::bind(&fd, &rig.name(role)).unwrap();
    fd
}

fn proxy(port: u16, remote: u16) -> (FourTuple, Role) {
    let (local, remote) = (at(OURS, port), at(THEIRS, remote));
    (FourTuple { local, remote }, Role::Proxy { transport: Transport::Udp, local, remote })
}

fn receive(fd: &OwnedFd) -> (Vec<u8>, SocketAddrUnix) {
    let mut buffer = [0u8; 2048];
    let (n, _, from) = rustix::net::recvfrom(fd, &mut buffer[..], RecvFlags::empty()).unwrap();
    (buffer[..n].to_vec(), SocketAddrUnix::try_from(from.unwrap()).unwrap())
}

#[test]
fn a_question_and_its_answer() {
    let mut rig = Rig::new();
    let fd = bound(&rig, 50_000, Slot::Exclusive);
    let (tuple, role) = proxy(50_000, 53);
    let flags = SendFlags::NOSIGNAL;
    let sent = rustix::net::sendto(&fd, b"?", flags, &rig.name(role));
    assert_eq!(sent, Err(Errno::CONNREFUSED));
    assert_eq!(rig.ask(&Request::PeerSocket(Transport::Udp, tuple)), Reply::Errno(0));
    rustix::net::sendto(&fd, b"question", flags, &rig.name(role)).unwrap();
    rig.peer.until("the question", |peer| !peer.datagrams.is_empty());
    let question = rig.peer.datagrams.remove(0);
    assert_eq!((question.payload.as_slice(), question.tuple), (&b"question"[..], tuple.reversed()));
    rig.peer.udp_send(tuple.reversed(), b"answer");
    rig.peer.until("the answer", |_| ready(&fd, PollFlags::IN));
    assert_eq!(receive(&fd), (b"answer".to_vec(), rig.name(role)));
}

#[test]
fn a_server_is_found_and_nobody_is_refused() {
    let mut rig = Rig::new();
    let fd = bound(&rig, 53, Slot::Exclusive);
    let (tuple, role) = proxy(53, 40_000);
    rig.peer.udp_send(tuple.reversed(), b"one");
    rig.peer.until("one", |_| ready(&fd, PollFlags::IN));
    assert_eq!(receive(&fd), (b"one".to_vec(), rig.name(role)));
    let (closed, _) = proxy(54, 40_000);
    rig.peer.udp_send(closed.reversed(), b"two");
    rig.peer.until("port unreachable", |peer| peer.failures == [closed.reversed()]);
}

#[test]
fn the_connected_socket_of_a_port_gets_its_hosts_datagrams() {
    // As iperf3's server does: connect the bound socket to the client, then bind another one.
    let mut rig = Rig::new();
    let first = bound(&rig, 5201, Slot::Shared(0));
    let (one, one_role) = proxy(5201, 40_001);
    rig.peer.udp_send(one.reversed(), b"hello");
    rig.peer.until("hello", |_| ready(&first, PollFlags::IN));
    receive(&first);
    rustix::net::connect(&first, &rig.name(one_role)).unwrap();
    let second = bound(&rig, 5201, Slot::Shared(1));
    let (two, _) = proxy(5201, 40_002);
    rig.peer.udp_send(two.reversed(), b"other");
    rig.peer.until("the other's", |_| ready(&second, PollFlags::IN));
    assert_eq!(receive(&second).0, b"other");
    rig.peer.udp_send(one.reversed(), b"mine");
    rig.peer.until("mine", |_| ready(&first, PollFlags::IN));
    assert_eq!(receive(&first).0, b"mine");
    assert!(!ready(&second, PollFlags::IN));
}

#[test]
fn a_burst_larger_than_the_kernels_queue_arrives_in_order() {
    let mut rig = Rig::new();
    let fd = bound(&rig, 53, Slot::Exclusive);
    let (tuple, _) = proxy(53, 40_000);
    for n in 0..100u8 {
        rig.peer.udp_send(tuple.reversed(), &[n]);
    }
    let mut got = Vec::new();
    rig.peer.until("all", |_| {
        while ready(&fd, PollFlags::IN) {
            got.extend(receive(&fd).0);
        }
        got.len() == 100
    });
    assert!(got.is_sorted());
}

/// RFC 1122 4.1.3.3: errors reach the program.
#[test]
fn an_icmp_error_reaches_the_connected_socket() {
    let mut rig = Rig::new();
    let fd = bound(&rig, 50_000, Slot::Exclusive);
    let (tuple, role) = proxy(50_000, 9);
    assert_eq!(rig.ask(&Request::PeerSocket(Transport::Udp, tuple)), Reply::Errno(0));
    rustix::net::connect(&fd, &rig.name(role)).unwrap();
    rustix::net::send(&fd, b"anybody?", SendFlags::NOSIGNAL).unwrap();
    rig.peer.until("the datagram", |peer| !peer.datagrams.is_empty());
    let datagram = rig.peer.datagrams.remove(0);
    rig.peer.stack.udp_refuse(understudy::host::clock::now(), &datagram);
    rig.peer.until("an error", |_| ready(&fd, PollFlags::ERR));
    let mut buffer = [0u8; 8];
    let got = rustix::net::recv(&fd, &mut buffer[..], RecvFlags::empty()).map(|_| ());
    assert_eq!(got, Err(Errno::CONNRESET));
    assert_eq!(rig.ask(&Request::UdpError(tuple)), Reply::Errno(111));
    assert_eq!(rig.ask(&Request::UdpError(tuple)), Reply::Errno(0));
    // The socket is as good as before.
    rustix::net::send(&fd, b"again", SendFlags::NOSIGNAL).unwrap();
    rig.peer.until("the next one", |peer| !peer.datagrams.is_empty());
}

#[test]
fn a_program_may_queue_more_than_the_kernel_lets_strangers() {
    let mut rig = Rig::new();
    let first = bound(&rig, 50_000, Slot::Exclusive);
    let (tuple, role) = proxy(50_000, 9);
    let name = rig.name(role);
    assert_eq!(rig.ask(&Request::PeerSocket(Transport::Udp, tuple)), Reply::Errno(0));
    let send =
        |fd: &OwnedFd, n: u8| rustix::net::sendto(fd, &[n], SendFlags::NOSIGNAL, &name).map(|_| ());
    send(&first, 0).unwrap();
    rig.peer.until("the first", |peer| peer.datagrams.len() == 1);
    for n in 1..60 {
        send(&first, n).unwrap();
    }
    rig.peer.until("all", |peer| peer.datagrams.len() == 60);
    let order: Vec<u8> = rig.peer.datagrams.drain(..).map(|d| d.payload[0]).collect();
    assert!(order.is_sorted());
    // A successor, with the same name.
    drop(first);
    let second = bound(&rig, 50_000, Slot::Exclusive);
    assert_eq!(send(&second, 1), Err(Errno::PERM));
    assert_eq!(rig.ask(&Request::PeerSocket(Transport::Udp, tuple)), Reply::Errno(0));
    send(&second, 2).unwrap();
    rig.peer.until("its datagram", |peer| peer.datagrams.len() == 1);
    // And the other way.
    rig.peer.udp_send(tuple.reversed(), b"answer");
    rig.peer.until("the answer", |_| ready(&second, PollFlags::IN));
}

/// A datagram to a closed port costs a look into a table: the kernel's list of sockets is read for
/// a small share of the time, and no socket is made.
#[test]
fn a_flood_to_closed_ports_makes_no_sockets() {
    let mut rig = Rig::new();
    let server = bound(&rig, 53, Slot::Exclusive);
    const FLOOD: u16 = 5_000;
    for n in 0..FLOOD {
        let (tuple, _) = proxy(1_000 + n, 2_000 + n);
        rig.peer.udp_send(tuple.reversed(), b"?");
        if n % 100 == 0 {
            let mut turns = 0;
            rig.peer.until("some have left", |_| {
                turns += 1;
                turns > 2
            });
        }
    }
    // One to an open port, behind all the others.
    let (tuple, role) = proxy(53, 40_000);
    rig.peer.udp_send(tuple.reversed(), b"question");
    rig.peer.until("the question", |_| ready(&server, PollFlags::IN));
    assert_eq!(receive(&server), (b"question".to_vec(), rig.name(role)));
    let snapshot = rig.snapshot();
    assert_eq!(snapshot.datagrams.len(), 1, "one peer socket, and no others");
    assert!(!rig.peer.failures.is_empty(), "some were refused");
    let read = snapshot.counters["engine_datagram_lists_read"];
    assert!(read < u64::from(FLOOD) / 2, "the list was read {read} times");
}

/// A socket that is bound a moment before a datagram arrives is found.
#[test]
fn a_socket_is_found_at_once() {
    let mut rig = Rig::new();
    for port in 6_000..6_040 {
        let fd = bound(&rig, port, Slot::Exclusive);
        let (tuple, role) = proxy(port, 40_000);
        rig.peer.udp_send(tuple.reversed(), b"hello");
        rig.peer.until("the datagram", |_| ready(&fd, PollFlags::IN));
        assert_eq!(receive(&fd), (b"hello".to_vec(), rig.name(role)));
        drop(fd);
        rig.peer.udp_send(tuple.reversed(), b"hello?");
        rig.peer.until("a refusal", |peer| peer.failures.pop() == Some(tuple.reversed()));
    }
}
