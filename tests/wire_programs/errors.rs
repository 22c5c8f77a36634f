//! What a program is told when it does not work.
use crate::common::wire::{OURS4, PEER4, Plan, Wire};
use crate::common::{Mode, wait_for};
use crate::{need, need_root};

on_both! {
    refused_at_once, no_such_host, a_peer_that_vanishes, a_connect_that_nobody_answers,
    an_unbound_port_answers_with_a_reset, a_datagram_to_nobody, writes_before_the_handshake,
}

/// Connects to an address and port, blocking and not; a third argument is `TCP_SYNCNT`.
const CONNECT: &str = "
import errno, select, socket, sys
def made():
    s = socket.socket()
    if len(sys.argv) > 3: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, int(sys.argv[3]))
    return s
def blocking(address):
    c = made()
    try: c.connect(address)
    except OSError as e: return errno.errorcode[e.errno]
def waiting(address):
    c = made()
    c.setblocking(False)
    begun = c.connect_ex(address)
    if begun != errno.EINPROGRESS: return errno.errorcode[begun]
    p = select.poll()
    p.register(c, select.POLLOUT)
    assert len(p.poll(20000)) == 1
    return errno.errorcode[c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)]
address = (sys.argv[1], int(sys.argv[2]))
print(blocking(address), waiting(address))
";

fn refused_at_once(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let said = wire.ours.python(CONNECT).args(&[PEER4, "81"]).ok();
    assert_eq!(said, "ECONNREFUSED ECONNREFUSED\n");
}

fn an_unbound_port_answers_with_a_reset(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let said = wire.peer.python(CONNECT).args(&[OURS4, "81"]).ok();
    assert_eq!(said, "ECONNREFUSED ECONNREFUSED\n");
}

fn no_such_host(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let said = wire.ours.python(CONNECT).args(&["10.77.0.99", "80"]).ok();
    assert_eq!(said, "EHOSTUNREACH EHOSTUNREACH\n");
}

#[test]
fn no_route() {
    need!("python3");
    need_root!();
    // The default policy for what lies outside; `local` has nothing but itself.
    let host = crate::common::Host::local(Mode::Understudy);
    let said = host.python(CONNECT).args(&[PEER4, "80"]).ok();
    assert_eq!(said, "ENETUNREACH ENETUNREACH\n");
}

/// 10.78.0.1 is there, and says nothing: the peer knows the way, which ends there.
fn silent_host(wire: &Wire, mode: Mode) {
    wire.peer.netns.ip("route add blackhole 10.78.0.0/16");
    wire.peer.netns.sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
    if mode == Mode::Kernel {
        wire.ours.netns.ip(&format!("route add 10.78.0.0/16 via {PEER4}"));
    }
}

/// RFC 9293 3.10.2 lets SEND queue data in SYN-SENT; Linux does not: it is refused, or waits, for
/// `SO_SNDTIMEO` at most.
fn writes_before_the_handshake(mode: Mode) {
    const EARLY: &str = "
import errno, os, socket, struct, sys
def said(call):
    try: return call()
    except OSError as e: return errno.errorcode[e.errno]
s = socket.socket()
s.setblocking(False)
print(errno.errorcode[s.connect_ex((sys.argv[1], 80))])
calls = [lambda: s.send(b'x'), lambda: os.write(s.fileno(), b'x'), lambda: s.sendmsg([b'x', b'y'])]
print(*map(said, calls), said(lambda: s.recv(1)))
os.set_blocking(s.fileno(), True)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', 0, 100000))
print(said(lambda: os.write(s.fileno(), b'x')))
";
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    silent_host(&wire, mode);
    let said = wire.ours.python(EARLY).args(&["10.78.0.1"]).ok();
    assert_eq!(said, "EINPROGRESS\nEAGAIN EAGAIN EAGAIN EAGAIN\nEAGAIN\n");
}

fn a_connect_that_nobody_answers(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    silent_host(&wire, mode);
    // One retransmission, and that is it.
    let said = wire.ours.python(CONNECT).args(&["10.78.0.1", "80", "1"]).ok();
    assert_eq!(said, "ETIMEDOUT ETIMEDOUT\n");
}

fn a_peer_that_vanishes(mode: Mode) {
    need!("python3");
    need_root!();
    let mut plan = Plan::new(mode);
    plan.tcp = "retries = 3".into();
    let wire = plan.build();
    let server = "
import socket, sys
s = socket.create_server((sys.argv[1], 5000))
c, a = s.accept()
c.recv(100)
";
    let _server = wire.peer.tcp_server(wire.peer.python(server).args(&[PEER4]), 5000);
    let client = "
import errno, os, socket, sys, time
TCP_USER_TIMEOUT = 18
c = socket.create_connection((sys.argv[1], 5000))
c.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1500)
print('connected', flush=True)
while not os.path.exists('vanished'): time.sleep(0.01)
c.sendall(b'is anybody there?')
c.settimeout(25)
try: c.recv(100)
except OSError as e: print(errno.errorcode.get(e.errno, e))
print(c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
";
    let mut client = wire.ours.python(client).args(&[PEER4]).start();
    client.wait_until_it_says("connected");
    wire.peer.netns.ip("link set peer0 down");
    wire.ours.file("vanished", "");
    wait_for("an error", || client.said().lines().count() >= 3);
    assert_eq!(client.finish().ok(), "connected\nETIMEDOUT\n0\n");
}

fn a_datagram_to_nobody(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    // A connected socket hears of it, an unconnected one does not.
    let script = "
import errno, socket, sys
address = (sys.argv[1], 81)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(0.5)
u.sendto(b'x', address)
try: u.recv(10)
except TimeoutError: print('silence')
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect(address)
u.settimeout(20)
u.send(b'x')
try: u.recv(10)
except OSError as e: print(errno.errorcode.get(e.errno, e))
";
    for (host, address) in [(&wire.ours, PEER4), (&wire.peer, OURS4)] {
        assert_eq!(host.python(script).args(&[address]).ok(), "silence\nECONNREFUSED\n");
    }
}
