//! The control channel: what it answers, and that nobody on it can harm the engine.
use super::rig::*;
use rustix::event::PollFlags;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType,
};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use understudy::base::FourTuple;
use understudy::protocol::name::Transport;
use understudy::protocol::option::OptionList;
use understudy::protocol::option::{OptionKind, WireOption};
use understudy::protocol::request::{Reply, Request};

#[test]
fn what_is_not_there_is_an_errno() {
    let rig = Rig::new();
    let tuple = FourTuple { local: at(OURS, 1), remote: at(THEIRS, 2) };
    let option = WireOption { kind: OptionKind::NoDelay, value: 1 };
    assert_eq!(rig.ask(&Request::Info(tuple)), Reply::Errno(107));
    assert_eq!(rig.ask(&Request::SetOption(tuple, option)), Reply::Errno(107));
    assert_eq!(rig.ask(&Request::EndReason(tuple)), Reply::Errno(0));
    assert_eq!(rig.ask(&Request::UdpError(tuple)), Reply::Errno(0));
    assert_eq!(rig.ask(&Request::PeerSocket(Transport::Udp, tuple.reversed())), Reply::Errno(99));
    let elsewhere = Request::Listen {
        local: at("10.8.8.8", 80),
        dual: false,
        backlog: Some(1),
        options: OptionList::new(),
        keys: None,
    };
    // Who may bind where is decided in the program (`IP_FREEBIND`).
    assert_eq!(rig.ask(&elsewhere), Reply::Errno(0));
    assert_eq!(rig.ask(&Request::Capture), Reply::Errno(9), "no descriptor came along");
}

#[test]
fn options_reach_the_connection() {
    let mut rig = Rig::new();
    let (_fd, _conn) = rig.connected(50_000);
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    for kind in [OptionKind::NoDelay, OptionKind::KeepAlive, OptionKind::Ttl] {
        let option = WireOption { kind, value: 1 };
        assert_eq!(rig.ask(&Request::SetOption(tuple, option)), Reply::Errno(0));
    }
}

/// `TCP_CONGESTION`, `SO_MAX_PACING_RATE`: by the algorithm's name, whatever its number is here.
#[test]
fn congestion_control_of_a_connection() {
    use understudy::base::congestion;
    let mut rig = Rig::new();
    let (_fd, _conn) = rig.connected(50_000);
    let tuple = FourTuple { local: at(OURS, 50_000), remote: at(THEIRS, 80) };
    let snapshot = |rig: &Rig| {
        let fd = rig.control();
        let packet = Request::Snapshot.encode();
        rustix::net::send(&fd, &packet, SendFlags::NOSIGNAL).unwrap();
        let mut text = String::new();
        loop {
            match rig.answer(&fd) {
                Reply::Text("") => return text,
                Reply::Text(piece) => text += piece,
                other => panic!("{other:?}"),
            }
        }
    };
    for name in congestion::NAMES {
        let option = WireOption { kind: OptionKind::Congestion, value: congestion::code(name) };
        assert_eq!(rig.ask(&Request::SetOption(tuple, option)), Reply::Errno(0));
        let text = snapshot(&rig);
        assert!(text.contains(&format!("\"congestion\":\"{name}\"")), "{name}: {text}");
    }
    let option = WireOption { kind: OptionKind::Congestion, value: 1 };
    rig.ask(&Request::SetOption(tuple, option));
    assert!(snapshot(&rig).contains("\"congestion\":"), "an unknown number changes nothing");
    let option = WireOption { kind: OptionKind::MaxPacingRate, value: 1_000_000 };
    rig.ask(&Request::SetOption(tuple, option));
    assert!(snapshot(&rig).contains("\"max_pacing_rate\":1000000"));
}

#[test]
fn nonsense_and_crowds_are_hung_up_on() {
    let rig = Rig::new();
    let fd = rig.control();
    rustix::net::send(&fd, b"\xffnonsense", SendFlags::NOSIGNAL).unwrap();
    wait(&fd, PollFlags::HUP);
    // Callers that say nothing: the oldest make room.
    let crowd: Vec<_> = (0..400).map(|_| rig.control()).collect();
    assert_eq!(rig.ask(&Request::Brief), Reply::Text(&rig.brief.to_string()));
    wait(&crowd[0], PollFlags::HUP);
    // One that asks and never listens.
    let deaf = rig.control();
    for _ in 0..2_000 {
        let packet = Request::Snapshot.encode();
        if rustix::net::send(&deaf, &packet, SendFlags::NOSIGNAL).is_err() {
            break;
        }
    }
    assert_eq!(rig.ask(&Request::Brief), Reply::Text(&rig.brief.to_string()));
}

#[test]
fn frames_are_captured_while_somebody_reads() {
    let mut rig = Rig::new();
    let flags = SocketFlags::CLOEXEC;
    let (theirs, ours) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    let fd = rig.control();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [theirs.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    let packet = Request::Capture.encode();
    rustix::net::sendmsg(&fd, &[IoSlice::new(&packet)], &mut ancillary, SendFlags::NOSIGNAL)
        .unwrap();
    assert_eq!(rig.answer(&fd), Reply::Errno(0));
    drop(theirs);
    rig.connected(50_000);
    let mut text = Vec::new();
    rig.peer.until("the frames of a handshake", |_| {
        let mut buffer = [0u8; 4096];
        if let Ok((n, _)) = rustix::net::recv(&ours, &mut buffer[..], RecvFlags::DONTWAIT) {
            text.extend_from_slice(&buffer[..n]);
        }
        text.len() > 400
    });
    assert_eq!(text[..4], [0x0a, 0x0d, 0x0d, 0x0a], "a section header block");
    // Nobody reads any more; the connection does not care.
    drop(ours);
    rig.connected(50_001);
}

/// A disk that is full, or a file that must not grow: the capture ends, and the counters say so.
#[test]
fn a_capture_that_cannot_be_written_is_counted() {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let mut rig = Rig::new();
    let file = memfd_create("capture", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    fcntl_add_seals(&file, SealFlags::GROW).unwrap();
    let fd = rig.control();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [file.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    let packet = Request::Capture.encode();
    rustix::net::sendmsg(&fd, &[IoSlice::new(&packet)], &mut ancillary, SendFlags::NOSIGNAL)
        .unwrap();
    assert_eq!(rig.answer(&fd), Reply::Errno(0));
    rig.connected(50_000);
    let interfaces = rig.snapshot().interfaces;
    assert_eq!(interfaces[1].counters["capture_broken"], 1);
}

#[test]
fn a_stop_is_answered_and_hung_up_on_at_the_end() {
    let mut rig = Rig::new();
    let fd = rig.control();
    rustix::net::send(&fd, &Request::Stop.encode(), SendFlags::NOSIGNAL).unwrap();
    assert_eq!(rig.answer(&fd), Reply::Errno(0));
    wait(&fd, PollFlags::HUP);
    let engine = &rig.engine;
    rig.peer.until("the engine ends", |_| engine.has_ended());
}
