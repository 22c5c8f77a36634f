//! How connections end: every order of close and half-close, failures, and the end of the engine.
use super::rig::*;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use understudy::base::{FourTuple, NetError};
use understudy::protocol::name::Slot;
use understudy::protocol::option::{OptionKind, WireOption};
use understudy::protocol::request::{Reply, Request};

#[test]
fn the_program_half_closes_and_the_answer_still_comes() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    write_some(&fd, b"question");
    rustix::net::shutdown(&fd, Shutdown::Write).unwrap();
    let mut got = Vec::new();
    rig.peer.until("the question and its end", |peer| {
        peer.receive(conn, &mut got);
        peer.status(conn).is_some_and(|s| s.remote_closed && s.readable == 0)
    });
    assert_eq!(got, b"question");
    rig.peer.send(conn, b"answer");
    rig.peer.close(conn);
    let mut answer = Vec::new();
    rig.peer.until("the answer and its end", |_| read_some(&fd, &mut answer).unwrap().is_none());
    assert_eq!(answer, b"answer");
}

#[test]
fn the_host_half_closes_and_the_program_still_writes() {
    let mut rig = Rig::new();
    let listener = rig.listen(at(OURS, 80), Slot::Exclusive, 16);
    let (fd, conn) = rig.accepted(&listener, 40_000);
    rig.peer.send(conn, b"question");
    rig.peer.close(conn);
    let mut question = Vec::new();
    rig.peer
        .until("the question and its end", |_| read_some(&fd, &mut question).unwrap().is_none());
    assert_eq!(question, b"question");
    assert!(!ready(&fd, PollFlags::HUP), "only one direction has ended");
    write_some(&fd, b"answer");
    drop(fd);
    let mut got = Vec::new();
    rig.peer.until("the answer and its end", |peer| {
        peer.receive(conn, &mut got);
        peer.status(conn).is_none_or(|s| s.remote_closed)
    });
    assert_eq!(got, b"answer");
}

#[test]
fn bytes_written_before_the_program_is_gone_arrive() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let data = pattern(10 << 20, 6);
    let copy = data.clone();
    let writer = std::thread::spawn(move || {
        let mut rest = &copy[..];
        while !rest.is_empty() {
            wait(&fd, PollFlags::OUT);
            rest = &rest[write_some(&fd, rest)..];
        }
    });
    let mut got = Vec::new();
    rig.peer.until("all bytes and the end", |peer| {
        peer.receive(conn, &mut got);
        peer.status(conn).is_none_or(|s| s.remote_closed && s.readable == 0)
    });
    writer.join().unwrap();
    assert!(got == data, "{} of {}", got.len(), data.len());
}

#[test]
fn bytes_written_before_a_stop_arrive() {
    let mut rig = Rig::with_linger(LIMIT);
    let (fd, conn) = rig.connected(50_000);
    let data = pattern(1 << 20, 7);
    let mut sent = 0;
    let mut stuck = 0;
    rig.peer.until("no more is taken", |_| {
        let n = write_some(&fd, &data[sent..]);
        sent += n;
        stuck = if n == 0 { stuck + 1 } else { 0 };
        stuck > 100
    });
    drop(fd);
    rig.engine.ask_to_end();
    let mut got = Vec::new();
    rig.peer.until("all bytes", |peer| {
        peer.receive(conn, &mut got);
        got.len() >= sent
    });
    assert!(got == data[..sent]);
    let engine = &rig.engine;
    rig.peer.until("the engine ends", |_| engine.has_ended());
}

#[test]
fn a_program_that_closes_with_bytes_unread_resets() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    rig.peer.send(conn, b"not wanted");
    rig.peer.until("bytes", |_| ready(&fd, PollFlags::IN));
    write_some(&fd, b"last words");
    drop(fd);
    let mut got = Vec::new();
    rig.peer.until("a reset", |peer| {
        peer.receive(conn, &mut got);
        peer.status(conn).is_some_and(|s| s.error == Some(NetError::Reset))
    });
    assert_eq!(got, b"last words");
}

/// Linux `tcp_recvmsg`: what comes after `SHUT_RD` is kept for whoever reads it, within the window;
/// what nobody has read at the close is answered by a reset.
#[test]
fn what_comes_after_shut_rd_can_be_asked_for() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    rustix::net::shutdown(&fd, Shutdown::Read).unwrap();
    let late = |rig: &Rig, most, peek| match rig.ask(&Request::ReadAfterShutdown(tuple, most, peek))
    {
        Reply::Info(bytes) => bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(late(&rig, 100, false), b"");
    rig.peer.send(conn, b"late words");
    rig.peer.until("an acknowledgment", |peer| peer.status(conn).unwrap().all_acknowledged);
    assert_eq!(late(&rig, 100, true), b"late words");
    assert_eq!(late(&rig, 5, false), b"late ");
    assert_eq!(late(&rig, 100, false), b"words");
    assert_eq!(write_some(&fd, b"still here"), 10);
    let mut got = Vec::new();
    rig.peer.until("an answer", |peer| peer.receive(conn, &mut got) > 0);
    assert_eq!(got, b"still here");
    rig.peer.send(conn, b"never read");
    rig.peer.until("an acknowledgment", |peer| peer.status(conn).unwrap().all_acknowledged);
    drop(fd);
    rig.peer.until("a reset", |peer| {
        peer.status(conn).is_some_and(|s| s.error == Some(NetError::Reset))
    });
}

#[test]
fn linger_zero_resets() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    let option = WireOption { kind: OptionKind::LingerZero, value: 1 };
    assert_eq!(rig.ask(&Request::SetOption(tuple, option)), Reply::Errno(0));
    drop(fd);
    rig.peer.until("a reset", |peer| {
        peer.status(conn).is_some_and(|s| s.error == Some(NetError::Reset))
    });
}

#[test]
fn a_reset_gives_what_had_come_and_then_an_error() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    rig.peer.send(conn, b"before");
    rig.peer.until("bytes", |_| ready(&fd, PollFlags::IN));
    rig.peer.abort(conn);
    rig.peer.until("the end", |_| ready(&fd, PollFlags::HUP));
    let mut got = Vec::new();
    let mut read = || read_some(&fd, &mut got);
    assert_eq!(read(), Ok(Some(6)));
    assert!(matches!(read(), Ok(None) | Err(Errno::CONNRESET)));
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    assert_eq!(rig.ask(&Request::EndReason(tuple)), Reply::Errno(104));
    // Who still holds the socket may ask what it was: closed (7), and 6 bytes came.
    let Reply::Info(info) = rig.ask(&Request::Info(tuple)) else { panic!("no info") };
    assert_eq!((info[0], &info[128..136]), (7, &6u64.to_ne_bytes()[..]));
}

/// RFC 7413 4.2.2, RFC 9293 3.10.5: a listener that closes resets those that it has not accepted,
/// also one whose handshake is not done.
#[test]
fn a_listener_that_closes_resets_whom_it_has_not_accepted() {
    let mut rig = Rig::new();
    let listener = rig.listen(at(OURS, 80), Slot::Exclusive, 16);
    let conn = rig.peer.connect(at(THEIRS, 40_000), at(OURS, 80));
    rig.peer.until("somebody to accept", |_| ready(&listener, PollFlags::IN));
    drop(listener);
    let reset = |peer: &mut Peer, conn| {
        peer.until("a reset", |peer| {
            peer.status(conn).is_some_and(|s| s.error == Some(NetError::Reset))
        });
    };
    reset(&mut rig.peer, conn);

    let options = vec![
        WireOption { kind: OptionKind::FastOpenQueue, value: 5 },
        WireOption { kind: OptionKind::NoFastOpenCookie, value: 1 },
    ];
    let listener = rig.listen_with(at(OURS, 80), Slot::Exclusive, 16, options);
    let conn = rig.peer.connect_with_data(at(THEIRS, 40_001), at(OURS, 80), b"early");
    // The other host has no turn from here on: the handshake stands still.
    wait(&listener, PollFlags::IN);
    let states = |rig: &Rig| -> Vec<String> {
        let here = rig.snapshot().connections.into_iter().filter(|c| c.remote.port() == 40_001);
        here.map(|c| c.state).collect()
    };
    assert_eq!(states(&rig), ["SYN-RECV"]);
    drop(listener);
    let end = std::time::Instant::now() + LIMIT;
    while !states(&rig).is_empty() {
        assert!(std::time::Instant::now() < end, "the connection stays");
    }
    reset(&mut rig.peer, conn);
}

#[test]
fn when_both_have_closed_nothing_stays() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    rig.peer.close(conn);
    rig.peer.until("the end of the stream", |_| ready(&fd, PollFlags::RDHUP));
    rustix::net::shutdown(&fd, Shutdown::Write).unwrap();
    // The program still holds its descriptor.
    rig.peer.until("both have ended", |_| ready(&fd, PollFlags::HUP));
    // Until our FIN is acknowledged the connection is there, as on Linux; then what is remembered.
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    let control = rig.control();
    rig.peer.until("no session", |_| {
        rustix::net::send(&control, &Request::Info(tuple).encode(), SendFlags::NOSIGNAL).unwrap();
        matches!(reply(&control), Reply::Info(info) if info[0] == 7)
    });
    let end = std::time::Instant::now() + LIMIT;
    while rig.snapshot().counters["engine_sessions"] != 0 {
        assert!(std::time::Instant::now() < end, "the session stays");
    }
}
