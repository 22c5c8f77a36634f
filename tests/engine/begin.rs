//! How connections begin: from either side, in vain, and what the engine knows of listeners.
use super::rig::*;
use rustix::event::PollFlags;
use rustix::io::Errno;
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
    rig.peer.until("all are established", |peer| {
        conns.iter().all(|c| peer.status(*c).is_some_and(|s| s.writable > 0))
    });
    for conn in &conns {
        rig.peer.send(*conn, b"x");
    }
    for _ in &conns {
        let fd = rig.accept(&listener);
        rig.peer.until("a byte", |_| ready(&fd, PollFlags::IN));
    }
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

#[test]
fn a_pair_that_rests_is_waited_for() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    // The program closes first: its connection goes to TIME-WAIT.
    drop(fd);
    rig.peer.until("the end", |peer| peer.status(conn).is_some_and(|s| s.remote_closed));
    rig.peer.close(conn);
    rig.peer.until("both ends", |peer| peer.status(conn).is_none_or(|s| s.all_acknowledged));
    let end = std::time::Instant::now() + LIMIT;
    while rig.snapshot().connections.iter().all(|c| c.state != "TIME-WAIT") {
        assert!(std::time::Instant::now() < end, "no TIME-WAIT");
    }
    rig.peer.stack.tcp_mut().release(understudy::host::clock::now(), conn);
    rig.connected(50_000);
}
