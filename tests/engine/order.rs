//! The order of bytes, ends and resets when a program leaves while something is on its way, and
//! connections within the host (`loopback = "tcp"`).
use super::rig::*;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use std::os::fd::OwnedFd;
use understudy::base::{FourTuple, NetError};
use understudy::protocol::connect::ConnectRequest;
use understudy::protocol::name::{Name, Role, Slot};
use understudy::protocol::request::{Reply, Request};
use understudy::stack::ConnId;

fn is_reset(peer: &Peer, conn: ConnId) -> bool {
    peer.status(conn).is_some_and(|s| s.error == Some(NetError::Reset))
}

/// Writes until the program's socket takes no more; how much it took.
fn fill(rig: &mut Rig, fd: &OwnedFd) -> usize {
    let data = pattern(1 << 20, 8);
    let (mut sent, mut stuck) = (0, 0);
    rig.peer.until("no more is taken", |_| {
        let n = write_some(fd, &data);
        sent += n;
        stuck = if n == 0 { stuck + 1 } else { 0 };
        stuck > 100
    });
    sent
}

/// Linux: what a program writes leaves within `write`, so that a reset for what arrives after its
/// close cannot overtake it.
#[test]
fn bytes_come_before_the_reset_for_what_arrives_later() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let data = pattern(100_000, 9);
    assert_eq!(write_some(&fd, &data), data.len());
    drop(fd);
    // The first window has left at most; the rest waits for acknowledgments.
    assert_eq!(rig.snapshot().connections.len(), 1);
    rig.peer.send(conn, b"too late");
    let mut got = Vec::new();
    rig.peer.until("a reset", |peer| {
        peer.receive(conn, &mut got);
        is_reset(peer, conn)
    });
    assert_eq!(got.len(), data.len());
    assert!(got == data);
}

/// RFC 1122 4.2.2.13, and Linux `tcp_close`: what is queued does not hold up the reset of a peer
/// that takes nothing.
#[test]
fn a_close_with_unread_data_resets_a_peer_that_takes_nothing() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    rig.peer.send(conn, b"not wanted");
    rig.peer.until("bytes", |_| ready(&fd, PollFlags::IN));
    fill(&mut rig, &fd);
    drop(fd);
    // The other host reads nothing.
    rig.peer.until("a reset", |peer| is_reset(peer, conn));
}

#[test]
fn unread_data_after_a_half_close_resets() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    rustix::net::shutdown(&fd, Shutdown::Write).unwrap();
    rig.peer.until("the end", |peer| peer.status(conn).is_some_and(|s| s.remote_closed));
    rig.peer.send(conn, b"not wanted");
    rig.peer.until("bytes", |_| ready(&fd, PollFlags::IN));
    drop(fd);
    // Linux tcp_reset: in CLOSE-WAIT it is a broken pipe; the stack says that it was a reset.
    rig.peer.until("a reset", |peer| is_reset(peer, conn));
}

#[test]
fn a_socket_that_is_shut_both_ways_still_learns_of_a_reset() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    rustix::net::shutdown(&fd, Shutdown::Both).unwrap();
    rig.peer.until("the end", |peer| peer.status(conn).is_some_and(|s| s.remote_closed));
    let Reply::Info(info) = rig.ask(&Request::Info(tuple)) else { panic!("no info") };
    assert!(matches!(info[0], 4 | 5), "FIN-WAIT, and not {}", info[0]);
    assert_eq!(rig.ask(&Request::EndReason(tuple)), Reply::Errno(0));
    rig.peer.abort(conn);
    let control = rig.control();
    rig.peer.until("the reset is known", |_| {
        let question = Request::EndReason(tuple).encode();
        rustix::net::send(&control, &question, SendFlags::NOSIGNAL).unwrap();
        reply(&control) == Reply::Errno(104)
    });
    let info = rig.ask(&Request::Info(tuple));
    assert!(matches!(info, Reply::Info([7, ..])), "{info:?}");
    drop(fd);
}

/// Linux tcp_rcv_state_process: data after `SHUT_RDWR` is answered by a reset.
#[test]
fn data_for_a_socket_that_is_shut_both_ways_is_reset() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    rustix::net::shutdown(&fd, Shutdown::Both).unwrap();
    rig.peer.until("the end", |peer| peer.status(conn).is_some_and(|s| s.remote_closed));
    rig.peer.send(conn, b"not wanted");
    rig.peer.until("a reset", |peer| is_reset(peer, conn));
    drop(fd);
}

/// A program that waits for room to write is told at once that the connection was reset, whatever
/// it has not read.
#[test]
fn a_reset_ends_a_write_that_waits_for_room() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let data = pattern(8 << 20, 10);
    let mut sent = 0;
    rig.peer.until("both directions are full", |peer| {
        sent += peer.send(conn, &data[sent..]);
        ready(&fd, PollFlags::IN) && !ready(&fd, PollFlags::OUT) || {
            write_some(&fd, &data);
            false
        }
    });
    rig.peer.abort(conn);
    rig.peer.until("the program may write", |_| ready(&fd, PollFlags::OUT));
    let sent = rustix::net::send(&fd, b"x", SendFlags::NOSIGNAL);
    assert!(matches!(sent, Err(Errno::PIPE | Errno::CONNRESET)), "{sent:?}");
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    assert_eq!(rig.ask(&Request::EndReason(tuple)), Reply::Errno(104));
    let mut got = Vec::new();
    assert!(matches!(read_some(&fd, &mut got), Ok(Some(1..))), "what had come can be read");
}

#[test]
fn a_connection_can_be_reset_by_request() {
    let mut rig = Rig::new();
    let (_fd, conn) = rig.connected(50_000);
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    assert_eq!(rig.ask(&Request::Abort(tuple)), Reply::Errno(0));
    rig.peer.until("a reset", |peer| is_reset(peer, conn));
    assert_eq!(rig.ask(&Request::Abort(tuple)), Reply::Errno(107));
}

fn within(port: u16) -> FourTuple {
    FourTuple { local: at(OURS, 50_000), remote: at(OURS, port) }
}

#[test]
fn a_program_that_connects_and_closes_at_once_leaves_a_clean_end() {
    let mut rig = Rig::new();
    let listener = rig.listen(at(OURS, 80), Slot::Exclusive, 16);
    for port in 50_000..50_020 {
        drop(rig.connect(FourTuple { local: at(OURS, port), ..within(80) }, Vec::new()));
        let accepted = rig.accept(&listener);
        rig.peer.until("the end", |_| ready(&accepted, PollFlags::IN));
        assert_eq!(read_some(&accepted, &mut Vec::new()), Ok(None));
        assert!(!ready(&accepted, PollFlags::ERR));
    }
}

#[test]
fn a_listener_that_has_closed_refuses_within_the_host() {
    let mut rig = Rig::new();
    for round in 0..3 {
        let listener = rig.listen(at(OURS, 80), Slot::Exclusive, 16);
        if round == 1 {
            let fd = rig.connect(within(80), Vec::new());
            rig.peer.until("a connection", |_| ready(&fd, PollFlags::OUT));
            drop((rig.accept(&listener), fd));
        }
        drop(listener);
        for port in [80, 0] {
            let tuple = FourTuple { local: at(OURS, 50_001), ..within(port) };
            let fd = rig.connect(tuple, Vec::new());
            rig.peer.until("the socket hangs up", |_| ready(&fd, PollFlags::HUP));
            assert_eq!(rig.ask(&Request::EndReason(tuple)), Reply::Errno(111));
        }
    }
}

#[test]
fn a_listener_that_is_shut_down_resets_its_queue() {
    let mut rig = Rig::new();
    let listener = rig.listen(at(OURS, 80), Slot::Exclusive, 16);
    let (accepted, first) = rig.accepted(&listener, 40_000);
    let second = rig.peer.connect(at(THEIRS, 40_001), at(OURS, 80));
    rig.peer.until("a connection", |_| ready(&listener, PollFlags::IN));
    rustix::net::shutdown(&listener, Shutdown::Read).unwrap();
    let role = Role::Listener { local: at(OURS, 80), dual: false, slot: Slot::Exclusive };
    let name = Name { net: rig.net, role };
    assert_eq!(rig.ask(&Request::ListenerShut(name)), Reply::Errno(0));
    rig.peer.until("a reset", |peer| is_reset(peer, second));
    assert!(rig.snapshot().listeners.is_empty());
    // What was accepted goes on.
    rig.peer.send(first, b"hello");
    rig.peer.until("bytes", |_| ready(&accepted, PollFlags::IN));
}

/// A program that is still writing its request must not see the engine close.
#[test]
fn a_connect_is_refused_when_its_request_is_complete() {
    let mut rig = Rig::new();
    let tuple = FourTuple { local: at("10.8.8.8", 50_000), remote: at(THEIRS, 80) };
    let fd = rig.socket(rustix::net::SocketType::STREAM);
    let name = Role::Endpoint { local: tuple.local, remote: tuple.remote };
    rustix::net::bind(&fd, &rig.name(name)).unwrap();
    rustix::net::connect(&fd, &rig.name(Role::Gateway)).unwrap();
    let length = 40_000;
    let options = Vec::new().into_iter().collect();
    let request = ConnectRequest { length, tuple, options, data: &[] };
    let mut bytes = request.head().to_vec();
    bytes.resize(length as usize, 0);
    assert_eq!(write_some(&fd, &bytes[..9_000]), 9_000);
    let control = rig.control();
    rig.peer.until("the failure is known", |_| {
        let question = Request::EndReason(tuple).encode();
        rustix::net::send(&control, &question, SendFlags::NOSIGNAL).unwrap();
        reply(&control) == Reply::Errno(99)
    });
    assert!(!ready(&fd, PollFlags::HUP));
    assert_eq!(write_some(&fd, &bytes[9_000..]), bytes.len() - 9_000);
    rig.peer.until("the socket hangs up", |_| ready(&fd, PollFlags::HUP));
}
