//! Bytes: many of them, both ways at once, with back pressure.
use super::rig::*;
use rustix::event::PollFlags;
use understudy::protocol::name::Slot;

#[test]
fn megabytes_both_ways_at_once() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let (up, down) = (pattern(8 << 20, 1), pattern(8 << 20, 2));
    let (mut up_sent, mut down_sent) = (0, 0);
    let (mut up_got, mut down_got) = (Vec::new(), Vec::new());
    rig.peer.until("all bytes", |peer| {
        up_sent += write_some(&fd, &up[up_sent..]);
        down_sent += peer.send(conn, &down[down_sent..]);
        peer.receive(conn, &mut up_got);
        while read_some(&fd, &mut down_got).unwrap() != Some(0) {}
        up_got.len() >= up.len() && down_got.len() >= down.len()
    });
    assert!(up_got == up && down_got == down);
}

#[test]
fn a_program_that_does_not_read_stops_the_other_host() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let data = pattern(16 << 20, 3);
    let mut sent = 0;
    let mut stuck = 0;
    rig.peer.until("the sender is stuck", |peer| {
        let n = peer.send(conn, &data[sent..]);
        sent += n;
        stuck = if n == 0 { stuck + 1 } else { 0 };
        stuck > 200
    });
    assert!(sent < data.len(), "16 MiB vanished into buffers");
    let mut got = Vec::new();
    rig.peer.until("all bytes", |peer| {
        sent += peer.send(conn, &data[sent..]);
        while read_some(&fd, &mut got).unwrap() != Some(0) {}
        got.len() >= data.len()
    });
    assert!(got == data);
}

#[test]
fn a_host_that_does_not_read_stops_the_program() {
    let mut rig = Rig::new();
    let (fd, conn) = rig.connected(50_000);
    let data = pattern(16 << 20, 4);
    let mut sent = 0;
    let mut stuck = 0;
    rig.peer.until("the program is stuck", |_| {
        let n = write_some(&fd, &data[sent..]);
        sent += n;
        stuck = if n == 0 { stuck + 1 } else { 0 };
        stuck > 200
    });
    assert!(sent < data.len(), "16 MiB vanished into buffers");
    let mut got = Vec::new();
    rig.peer.until("all bytes", |peer| {
        sent += write_some(&fd, &data[sent..]);
        peer.receive(conn, &mut got);
        got.len() >= data.len()
    });
    assert!(got == data);
}

#[test]
fn a_hundred_connections_at_once() {
    let mut rig = Rig::new();
    let listener = rig.listen(at(OURS, 80), Slot::Exclusive, 128);
    let conns: Vec<_> =
        (0..100).map(|n| rig.peer.connect(at(THEIRS, 40_000 + n), at(OURS, 80))).collect();
    let mut served = Vec::new();
    let data = pattern(100 << 10, 5);
    let mut sent = vec![0; conns.len()];
    let mut got = vec![Vec::new(); conns.len()];
    // An echo server on this side, a hundred clients on the other.
    let mut echo: Vec<Vec<u8>> = Vec::new();
    rig.peer.until("all echoes", |peer| {
        while ready(&listener, PollFlags::IN) {
            let flags = rustix::net::SocketFlags::NONBLOCK;
            served.push(rustix::net::accept_with(&listener, flags).unwrap());
            echo.push(Vec::new());
        }
        for (fd, pending) in served.iter().zip(&mut echo) {
            if pending.len() < 65_536 {
                read_some(fd, pending).unwrap();
            }
            let n = write_some(fd, pending);
            pending.drain(..n);
        }
        for (i, conn) in conns.iter().enumerate() {
            sent[i] += peer.send(*conn, &data[sent[i]..]);
            peer.receive(*conn, &mut got[i]);
        }
        got.iter().all(|g| g.len() >= data.len())
    });
    assert!(got.iter().all(|g| *g == data));
}
