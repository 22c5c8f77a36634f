//! Bytes: all of them, in order, in both directions, on many connections, to the last one.
use crate::common::wire::{OURS4, PEER4, Wire};
use crate::common::{LIMIT, Mode, wait_for};
use crate::{Listener, assert_whole, both_ends, need, need_root};

on_both! {
    two_hundred_megabytes_both_ways_at_once, a_hundred_connections_at_once,
    every_order_of_close_when_we_listen, every_order_of_close_when_we_connect,
    a_program_writes_and_exits_at_once, datagrams,
}

/// 200 MB from one side, nothing from the other.
fn one_way(from_us: bool) {
    need!("python3");
    need_root!();
    let wire = Wire::new(Mode::Understudy);
    let send = "
import hashlib, random, socket, sys
c = socket.create_connection((sys.argv[1], 5000))
block, digest = random.Random(5).randbytes(1 << 20), hashlib.sha256()
for number in range(200):
    data = bytes([number]) + block
    digest.update(data)
    c.sendall(data)
print(digest.hexdigest())
";
    let receive = "
import hashlib, socket, sys
s = socket.create_server((sys.argv[1], 5000))
c, a = s.accept()
digest = hashlib.sha256()
while data := c.recv(1 << 18): digest.update(data)
print(digest.hexdigest())
";
    let (sender, receiver, address) =
        if from_us { (&wire.ours, &wire.peer, PEER4) } else { (&wire.peer, &wire.ours, OURS4) };
    let server = receiver.tcp_server(receiver.python(receive).args(&[address]), 5000);
    let sent = sender.python(send).args(&[address]).within(LIMIT * 3).ok();
    assert_eq!(server.finish().ok(), sent);
}

#[test]
fn two_hundred_megabytes_out() {
    one_way(true);
}

#[test]
fn two_hundred_megabytes_in() {
    one_way(false);
}

fn two_hundred_megabytes_both_ways_at_once(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let said = both_ends(&wire, Listener::Ours, false, "transfer.py", &["200"]);
    assert_whole(&said, 200);
    let said = both_ends(&wire, Listener::Peer, true, "transfer.py", &["20"]);
    assert_whole(&said, 20);
}

fn a_hundred_connections_at_once(mode: Mode) {
    need!("python3");
    need_root!();
    for who in [Listener::Ours, Listener::Peer] {
        let wire = Wire::new(mode);
        let said = both_ends(&wire, who, false, "many.py", &[]);
        assert_eq!(said.connector, "all came back\n");
    }
}

/// What Linux shows in each scene of `closes.py`: the client's notes and the server's.
const CLOSES: &[(&str, &str, &str)] = &[
    ("client closes first", "", "5 0"),
    ("server closes first", "5 0", ""),
    ("both at once", "", ""),
    ("client half-closes", "end 1000", "end 3"),
    ("server half-closes", "end 3", "end 1000"),
    ("both half-close", "end 2", "end 2"),
    ("megabytes after half-close", "end 3000000", "end 0"),
    ("client leaves with unread data", "", "ECONNRESET"),
    ("server leaves with unread data", "ECONNRESET", ""),
    ("client resets", "", "ECONNRESET"),
    ("server resets", "ECONNRESET", ""),
    ("server reads what came before a reset", "", "10 ECONNRESET"),
    ("writes after the peer has gone", "EPIPE", ""),
    ("reads after half-close, then gone", "0", "end 0"),
    ("shut both", "0", "end 0"),
    ("reads after shut-rd", "0 none missing", "end 3"),
    ("shut twice", "end 4", "end 0"),
];

fn closes(mode: Mode, who: Listener) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let said = both_ends(&wire, who, false, "closes.py", &[]);
    let expected = |notes: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        CLOSES.iter().map(|scene| format!("{}: {}\n", scene.0, notes(scene))).collect::<String>()
    };
    assert_eq!(said.connector, expected(|scene| scene.1), "the client's view");
    assert_eq!(said.listener, expected(|scene| scene.2), "the server's view");
}

fn every_order_of_close_when_we_listen(mode: Mode) {
    closes(mode, Listener::Ours);
}

fn every_order_of_close_when_we_connect(mode: Mode) {
    closes(mode, Listener::Peer);
}

fn a_program_writes_and_exits_at_once(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    // The peer reads nothing until the program has gone.
    let server = "
import os, socket, sys, time
s = socket.create_server((sys.argv[1], 5000))
c, a = s.accept()
while not os.path.exists('gone'): time.sleep(0.01)
n = 0
while data := c.recv(65536): n += len(data)
print(n)
";
    let server = wire.peer.tcp_server(wire.peer.python(server).args(&[PEER4]), 5000);
    // As much as the buffers on the way take without a reader is written before the exit; then it
    // ends.
    let client = "
import os, socket, sys
c = socket.create_connection((sys.argv[1], 5000))
c.setblocking(False)
n = 0
try:
    while n < 10_000_000: n += c.send(b'x' * min(65536, 10_000_000 - n))
except BlockingIOError: pass
print(n, flush=True)
os._exit(0)
";
    let sent = wire.ours.python(client).args(&[PEER4]).ok();
    wire.peer.file("gone", "");
    assert_eq!(server.finish().ok(), sent);
    // And all ten megabytes, to a reader that takes them.
    let server = "
import socket, sys
s = socket.create_server((sys.argv[1], 5001))
c, a = s.accept()
n = 0
while data := c.recv(65536): n += len(data)
print(n)
";
    let server = wire.peer.tcp_server(wire.peer.python(server).args(&[PEER4]), 5001);
    let client = "
import os, socket, sys
c = socket.create_connection((sys.argv[1], 5001))
c.sendall(b'x' * 10_000_000)
os._exit(0)
";
    wire.ours.python(client).args(&[PEER4]).ok();
    assert_eq!(server.finish().ok(), "10000000\n");
}

fn datagrams(mode: Mode) {
    need!("socat", "python3");
    need_root!();
    let wire = Wire::new(mode);
    // Our server, the kernel's client; then the other way round.
    for (server, client, address) in
        [(&wire.ours, &wire.peer, OURS4), (&wire.peer, &wire.ours, PEER4)]
    {
        let echo = "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 50000))
for _ in range(6):
    data, address = s.recvfrom(65536)
    s.sendto(data, address)
";
        let echo = server.udp_server(server.python(echo), 50000);
        let talk = "
import socket, sys
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
b.connect((sys.argv[1], 50000))
for size in (0, 1400, 9000):
    data = bytes([size % 251]) * size
    a.sendto(data, (sys.argv[1], 50000))
    got, address = a.recvfrom(65536)
    assert got == data and address == (sys.argv[1], 50000), address
    b.send(data)
    assert b.recv(65536) == data
";
        client.python(talk).args(&[address]).ok();
        echo.finish().ok();
    }
    let server =
        wire.ours.udp_server(wire.ours.line("socat UDP6-RECVFROM:5001,fork EXEC:cat"), 5001);
    let echo = wire.peer.line(&format!("socat -t 5 - UDP6:[{}]:5001", crate::OURS6));
    let client = echo.input("alas\n").start();
    wait_for("the echo", || client.said() == "alas\n");
    drop(server);
}
