//! How connections begin: from either side, in vain, and what the engine knows of listeners.
use super::rig::*;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::SendFlags;
use understudy::base::{FourTuple, NetError};
use understudy::engine::EngineError;
use understudy::link::memory::{MemoryConfig, pair};
use understudy::protocol::name::{Role, Slot};
use understudy::protocol::option::{OptionKind, WireOption};
use understudy::protocol::request::{Reply, Request};

#[test]
fn a_program_connects_and_is_writable_only_then() {
    let mut rig = Rig::new();
    rig.peer.stack.tcp_mut().listen(at(THEIRS, 80), false, 16).unwrap();
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    let fd = rig.connect(tuple, vec![WireOption { kind: OptionKind::NoDelay, value: 1 }]);
    // The other host has not been given a turn, so there cannot have been an answer.
    assert!(!ready(&fd, PollFlags::OUT | PollFlags::HUP));
    rig.peer.until("the socket is writable", |_| ready(&fd, PollFlags::OUT));
    assert!(!ready(&fd, PollFlags::HUP | PollFlags::ERR));
    let Reply::Info(info) = rig.ask(&Request::Info(tuple)) else { panic!("no info") };
    assert_eq!((info.len(), info[0]), (280, 1));
    assert_eq!(rig.ask(&Request::EndReason(tuple)), Reply::Errno(0));
}

#[test]
fn a_refused_connect_hangs_up_and_says_why() {
    let mut rig = Rig::new();
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 81) };
    let fd = rig.connect(tuple, Vec::new());
    rig.peer.until("the socket hangs up", |_| ready(&fd, PollFlags::HUP));
    assert!(ready(&fd, PollFlags::ERR) && ready(&fd, PollFlags::OUT));
    assert_eq!(rig.ask(&Request::EndReason(tuple)), Reply::Errno(111));
    // The same pair again, from a new socket.
    drop(fd);
    rig.peer.stack.tcp_mut().listen(at(THEIRS, 81), false, 16).unwrap();
    let fd = rig.connect(tuple, Vec::new());
    rig.peer.until("the socket is writable", |_| ready(&fd, PollFlags::OUT));
    assert!(!ready(&fd, PollFlags::HUP | PollFlags::ERR));
    assert_eq!(rig.ask(&Request::EndReason(tuple)), Reply::Errno(0));
}

#[test]
fn nonsense_at_the_gateway_is_turned_away() {
    let mut rig = Rig::new();
    let tuple = FourTuple { local: at("10.8.8.8", 50_000), remote: at(THEIRS, 80) };
    let fd = rig.connect(tuple, Vec::new());
    rig.peer.until("not our address", |_| ready(&fd, PollFlags::HUP));
    assert_eq!(rig.ask(&Request::EndReason(tuple)), Reply::Errno(99));

    let fd = rig.socket(rustix::net::SocketType::STREAM);
    rustix::net::connect(&fd, &rig.name(Role::Gateway)).unwrap();
    rig.peer.until("no name", |_| ready(&fd, PollFlags::HUP));

    let fd = rig.socket(rustix::net::SocketType::STREAM);
    let ends = Role::Endpoint { local: at(OURS, 50_001), remote: at(THEIRS, 80) };
    rustix::net::bind(&fd, &rig.name(ends)).unwrap();
    rustix::net::connect(&fd, &rig.name(Role::Gateway)).unwrap();
    rustix::net::send(&fd, b"GET / HTTP/1.0\r\n\r\n", rustix::net::SendFlags::NOSIGNAL).unwrap();
    rig.peer.until("no request", |_| ready(&fd, PollFlags::HUP));

    // Another pair than the name says.
    let fd = rig.connect(
        FourTuple { local: at(OURS, 50_002), remote: at(THEIRS, 80) },
        vec![WireOption { kind: OptionKind::Tos, value: 8 }; 200],
    );
    rig.peer.until("a head that is too long", |_| ready(&fd, PollFlags::HUP));
    assert_eq!(rig.ask(&Request::Brief), Reply::Text(&rig.brief.to_string()));
}

#[test]
fn a_program_that_gives_up_while_connecting_takes_the_connection_along() {
    let mut rig = Rig::new();
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at("10.9.0.77", 80) };
    let fd = rig.connect(tuple, Vec::new());
    rig.peer.until("a SYN waits", |_| true);
    drop(fd);
    let gone = || rig.snapshot().counters["engine_sessions"] == 0;
    let end = std::time::Instant::now() + LIMIT;
    while !gone() {
        assert!(std::time::Instant::now() < end, "the session stays");
    }
}

#[test]
fn a_host_connects_to_a_program() {
    let mut rig = Rig::new();
    let listener = rig.listen(at("0.0.0.0", 80), Slot::Exclusive, 16);
    let (fd, conn) = rig.accepted(&listener, 40_000);
    let peer = rustix::net::getpeername(&fd).unwrap().unwrap();
    let peer = rustix::net::SocketAddrUnix::try_from(peer).unwrap();
    let wanted = Role::Wire { local: at(THEIRS, 40_000), remote: at(OURS, 80) };
    assert_eq!(peer, rig.name(wanted));
    assert_eq!(rig.peer.send(conn, b"hello"), 5);
    rig.peer.until("hello", |_| ready(&fd, PollFlags::IN));
    let mut got = Vec::new();
    read_some(&fd, &mut got).unwrap();
    assert_eq!(got, b"hello");
    let snapshot = rig.snapshot();
    assert_eq!(snapshot.listeners[0].local, at("0.0.0.0", 80));
    assert_eq!(snapshot.connections[0].pid, std::process::id() as i32);
    assert_eq!(snapshot.connections[0].state, "ESTAB");
}

#[test]
fn nobody_listens_for_a_host() {
    let mut rig = Rig::new();
    let conn = rig.peer.connect(at(THEIRS, 40_000), at(OURS, 80));
    rig.peer.until("a reset", |peer| peer.status(conn).is_none_or(|s| s.error.is_some()));
    // Nor when a listener has closed, whom the engine has not heard of it from.
    for slot in [Slot::Exclusive, Slot::Shared(3)] {
        let listener = rig.listen(at(OURS, 80), slot, 16);
        let (_fd, _) = rig.accepted(&listener, 40_001 + u16::from(slot == Slot::Exclusive));
        drop(listener);
        assert_eq!(rig.snapshot().listeners.len(), 1);
        let conn = rig.peer.connect(at(THEIRS, 40_003), at(OURS, 80));
        rig.peer.until("the end", |peer| peer.status(conn).is_none_or(|s| s.error.is_some()));
        assert_eq!(rig.peer.status(conn).unwrap().error, Some(NetError::Refused));
        rig.peer.stack.tcp_mut().release(understudy::host::clock::now(), conn);
        assert!(rig.snapshot().listeners.is_empty());
    }
}

#[test]
fn a_full_backlog_only_delays() {
    let mut rig = Rig::new();
    let listener = rig.listen(at(OURS, 80), Slot::Exclusive, 1);
    let conns: Vec<_> =
        (0..6).map(|n| rig.peer.connect(at(THEIRS, 40_000 + n), at(OURS, 80))).collect();
    let (mut accepted, mut greeted) = (Vec::new(), vec![false; conns.len()]);
    rig.peer.until("a byte from each", |peer| {
        for (conn, greeted) in conns.iter().zip(&mut greeted) {
            *greeted = *greeted || peer.send(*conn, b"x") == 1;
        }
        if ready(&listener, PollFlags::IN) {
            let flags = rustix::net::SocketFlags::NONBLOCK;
            accepted.push(rustix::net::accept_with(&listener, flags).unwrap());
        }
        accepted.len() == conns.len() && accepted.iter().all(|fd| ready(fd, PollFlags::IN))
    });
}

#[test]
fn a_group_of_listeners_shares_the_work() {
    let mut rig = Rig::new();
    let one = rig.listen(at(OURS, 80), Slot::Shared(0), 64);
    let two = rig.listen(at(OURS, 80), Slot::Shared(5), 64);
    for port in 0..32 {
        rig.peer.connect(at(THEIRS, 40_000 + port), at(OURS, 80));
    }
    let mut counts = [0, 0];
    rig.peer.until("all are accepted", |_| {
        for (i, listener) in [&one, &two].into_iter().enumerate() {
            if ready(listener, PollFlags::IN) {
                rustix::net::accept(listener).unwrap();
                counts[i] += 1;
            }
        }
        counts[0] + counts[1] == 32
    });
    assert!(counts.iter().all(|n| *n > 4), "{counts:?}");
}

#[test]
fn another_engine_finds_the_listeners_of_the_first() {
    let mut rig = Rig::new();
    let listener = rig.listen(at(OURS, 80), Slot::Exclusive, 16);
    let (fd, _) = rig.accepted(&listener, 40_000);
    let (link, _) = pair(&MemoryConfig::default()).unwrap();
    match try_start(&rig.brief, link) {
        Err(EngineError::AlreadyRunning(_)) => {}
        other => panic!("two engines in one net: {:?}", other.map(drop)),
    }
    rig.restart();
    let mut rest = Vec::new();
    let ended = matches!(read_some(&fd, &mut rest), Ok(None) | Err(Errno::CONNRESET));
    assert!(ended, "the first engine's connection has ended");
    let (fd, conn) = rig.accepted(&listener, 40_001);
    rig.peer.send(conn, b"again");
    rig.peer.until("again", |_| ready(&fd, PollFlags::IN));
}

/// A pair that TCP still needs is taken in the kernel's table of names, so that a program that
/// draws a port finds out without asking. In TIME-WAIT it comes free after a second (RFC 6191).
#[test]
fn a_pair_that_rests_is_taken_until_it_may_be_used_again() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    let name = rig.name(Role::Endpoint { local: tuple.local, remote: tuple.remote });
    let take = |rig: &Rig| {
        let fd = rig.socket(rustix::net::SocketType::STREAM);
        rustix::net::bind(&fd, &name)
    };
    // The program closes first: its connection goes to FIN-WAIT-2, and then to TIME-WAIT.
    drop(fd);
    rig.peer.until("the end", |peer| peer.status(conn).is_some_and(|s| s.remote_closed));
    let control = rig.control();
    rig.peer.until("the program has left", |_| {
        rustix::net::send(&control, &Request::Info(tuple).encode(), SendFlags::NOSIGNAL).unwrap();
        matches!(reply(&control), Reply::Errno(107))
    });
    assert_eq!(take(&rig), Err(Errno::ADDRINUSE));
    rig.peer.close(conn);
    rig.peer.until("both ends", |peer| peer.status(conn).is_none_or(|s| s.all_acknowledged));
    rig.peer.stack.tcp_mut().release(understudy::host::clock::now(), conn);
    let end = std::time::Instant::now() + LIMIT;
    while take(&rig).is_err() {
        assert!(std::time::Instant::now() < end, "the pair stays reserved");
        std::thread::yield_now();
    }
    rig.connected(50_000);
}

/// Linux: `backlog` + 1 connections wait to be accepted; as long as they do, no other begins.
#[test]
fn a_listener_that_does_not_accept_is_not_offered_more() {
    let mut rig = Rig::new();
    let listener = rig.listen(at(OURS, 80), Slot::Exclusive, 4);
    let mut open = 0;
    for port in 40_000..40_060 {
        let conn = rig.peer.connect(at(THEIRS, port), at(OURS, 80));
        let (mut turns, control) = (0, rig.control());
        rig.peer.until("the engine has seen the handshake", |peer| {
            turns += 1;
            let packet = Request::Brief.encode();
            rustix::net::send(&control, &packet, SendFlags::NOSIGNAL).unwrap();
            reply(&control);
            turns == 10 || peer.status(conn).is_some_and(|s| s.writable > 0)
        });
        open += usize::from(rig.peer.status(conn).is_some_and(|s| s.writable > 0));
    }
    // Five in the queue, and one that found it full.
    assert!((5..=8).contains(&open), "{open} of 60 connections have begun");
    // When the program accepts, connections begin again.
    for _ in 0..20 {
        drop(rig.accept(&listener));
    }
}
