//! What goes with datagrams across the wire: TTL, TOS, segments, errors; ping and traceroute.
use crate::common::netns::Netns;
use crate::common::wire::{OURS4, PEER4, PEER6, Wire, start_engine, unique_name};
use crate::common::{Host, Mode, Program, artifacts};
use crate::{need, need_root};

on_both! {
    we_ping, we_ping_nobody, a_route_is_traced, the_error_queue, ttl_and_tos_arrive,
    segments_cross_the_wire, a_datagram_that_must_not_be_cut,
}

/// On the kernel, unprivileged echo sockets must be allowed first.
fn open_echo_sockets(wire: &Wire) {
    wire.ours.netns.sh("echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range");
}

fn we_ping(mode: Mode) {
    need!("ping");
    need_root!();
    let wire = Wire::new(mode);
    open_echo_sockets(&wire);
    for address in [PEER4, PEER6] {
        for size in ["0", "56", "4000", "20000"] {
            let line = format!("ping -n -c 3 -i 0.2 -W 5 -s {size} {address}");
            let said = wire.ours.line(&line).ok();
            assert!(said.contains("3 packets transmitted, 3 received, 0% packet loss"), "{said}");
            assert_eq!(said.matches(" ttl=64").count(), 3, "{said}");
            assert!(!said.contains("wrong") && !said.contains("DUP"), "{said}");
            assert_eq!(said.contains(" time="), size != "0", "{said}");
        }
    }
}

fn we_ping_nobody(mode: Mode) {
    need!("ping");
    need_root!();
    let wire = Wire::new(mode);
    open_echo_sockets(&wire);
    for (address, says) in [
        ("10.77.0.99", "From 10.77.0.2 icmp_seq=1 Destination Host Unreachable"),
        ("fd77::99", "From fd77::2 icmp_seq=1 Destination unreachable: Address unreachable"),
    ] {
        let said = wire.ours.line(&format!("ping -n -c 1 -W 10 {address}")).finish();
        let text = said.text();
        assert!(text.contains(says), "{text}");
        assert!(text.contains("1 packets transmitted, 0 received, +1 errors"), "{text}");
    }
}

fn a_route_is_traced(mode: Mode) {
    need!("traceroute");
    need_root!();
    let wire = Wire::new(mode);
    open_echo_sockets(&wire);
    // The far side of the peer: one hop before it.
    wire.peer.netns.ip("address add 10.78.0.1/24 dev lo");
    if mode == Mode::Kernel {
        wire.ours.netns.ip(&format!("route add default via {PEER4}"));
    }
    for method in ["", "-I"] {
        for address in [PEER4, "10.78.0.1"] {
            let line = format!("traceroute {method} -n -q 1 -N 1 -m 3 {address}");
            let said = wire.ours.line(&line).ok();
            let hops: Vec<&str> = said.lines().skip(1).collect();
            assert_eq!(hops.len(), 1, "{said}");
            assert!(hops[0].trim().starts_with(&format!("1  {address}  ")), "{said}");
        }
    }
}

/// Sends to a port that nobody has, and reads the error queue; connected or not.
const ERRORS: &str = "
import errno, select, socket, struct, sys
address = (sys.argv[1], 81)
for connected in True, False:
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.setsockopt(0, 11, 1)
    if connected:
        u.connect(address)
        u.send(b'anybody?')
    else:
        u.sendto(b'anybody?', address)
    u.settimeout(20)
    try: print(u.recv(10))
    except OSError as e: print(errno.errorcode.get(e.errno, e))
    data, control, flags, to = u.recvmsg(100, 500, 0x2000)
    (level, kind, value), = control
    error, offender = struct.unpack('=IBBBBII', value[:16]), value[20:24]
    print(data, to, level, kind, error, socket.inet_ntoa(offender))
    u.settimeout(None)
    try: u.recvmsg(100, 500, 0x2000)
    except OSError as e: print(errno.errorcode.get(e.errno, e))
";

fn the_error_queue(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let said = wire.ours.python(ERRORS).args(&[PEER4]).ok();
    let once = format!(
        "ECONNREFUSED\nb'anybody?' ('{PEER4}', 81) 0 11 (111, 2, 3, 3, 0, 0, 0) {PEER4}\nEAGAIN\n"
    );
    assert_eq!(said, once.repeat(2));
}

/// Prints the length, TTL and TOS of each datagram, until a `.` comes.
const LISTEN: &str = "
import socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for option in 12, 13: u.setsockopt(0, option, 1)
if 'gro' in sys.argv: u.setsockopt(17, 104, 1)
u.settimeout(20)
u.bind(('', 5000))
total = 0
while True:
    data, control, flags, peer = u.recvmsg(70000, 500)
    told = {(l, k): int.from_bytes(v, 'little') for l, k, v in control}
    if data == b'.': break
    total += len(data)
    if 'gro' in sys.argv:
        size = told.get((17, 104), len(data))
        assert size == 1000 and (len(data) > size) == ((17, 104) in told), (told, len(data))
    else:
        print(len(data), told[0, 2], told[0, 1])
    if total % 8000 == 0: u.sendto(b'on', peer)
print('total', total)
";

/// Starts [`LISTEN`] on a host.
fn listen(host: &Host, args: &[&str]) -> Program {
    host.udp_server(host.python(LISTEN).args(args), 5000)
}

fn ttl_and_tos_arrive(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let script = "
import socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect((sys.argv[1], 5000))
u.send(b'1')
u.setsockopt(0, 2, 7)
u.setsockopt(0, 1, 0xb8)
u.send(b'22')
u.sendmsg([b'333'], [(0, 2, b'\\xff\\0\\0\\0'), (0, 1, b'\\2\\0\\0\\0')])
u.send(b'.')
";
    for (to, from, address) in [(&wire.peer, &wire.ours, PEER4), (&wire.ours, &wire.peer, OURS4)] {
        let server = listen(to, &[]);
        from.python(script).args(&[address]).ok();
        assert_eq!(server.finish().ok(), "1 64 0\n2 7 184\n3 255 2\ntotal 6\n");
    }
}

fn segments_cross_the_wire(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let script = "
import socket, sys, time
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(20)
u.connect((sys.argv[1], 5000))
u.setsockopt(17, 103, 1000)
for _ in range(3):
    assert u.send(bytes(8000)) == 8000
    # No more than what every queue has room for.
    assert u.recv(9) == b'on'
u.setsockopt(17, 103, 0)
u.send(b'.')
";
    for (to, from, address) in [(&wire.peer, &wire.ours, PEER4), (&wire.ours, &wire.peer, OURS4)] {
        for args in [&[][..], &["gro"]] {
            let server = listen(to, args);
            from.python(script).args(&[address]).ok();
            let said = server.finish().ok();
            assert!(said.ends_with("total 24000\n"), "{said}");
            assert_eq!(said.matches("1000 64 0\n").count(), if args.is_empty() { 24 } else { 0 });
        }
    }
}

fn a_datagram_that_must_not_be_cut(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    let script = "
import errno, socket, struct, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.setsockopt(0, 10, 2)
u.setsockopt(0, 11, 1)
u.connect((sys.argv[1], 5000))
print(u.getsockopt(0, 14), u.send(bytes(1472)))
try: u.send(bytes(1473))
except OSError as e: print(errno.errorcode[e.errno])
data, control, flags, to = u.recvmsg(100, 500, 0x2000)
print(data, struct.unpack('=IBBBBII', control[0][2][:16]))
u.setsockopt(0, 10, 1)
print(u.send(bytes(1473)))
";
    let server = wire.peer.udp_server(
        wire.peer.python(
            "import socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(20)
u.bind(('', 5000))
print(*(len(u.recv(2000)) for _ in range(2)))",
        ),
        5000,
    );
    let said = wire.ours.python(script).args(&[PEER4]).ok();
    assert_eq!(said, "1500 1472\nEMSGSIZE\nb'' (90, 1, 0, 0, 0, 1500, 0)\n1473\n");
    assert_eq!(server.finish().ok(), "1472 1473\n");
}

/// `outside = "host"`: datagrams for what lies outside the net go through the host's own UDP, under
/// the same descriptor, with the port, the options and the epoll registrations it had.
#[test]
fn datagrams_outside_are_the_hosts() {
    need!("python3");
    need_root!();
    let host = Host::on(Netns::new(), Mode::Kernel);
    host.netns.ip("address add 10.79.0.1/32 dev lo");
    let name = unique_name();
    let text = format!("name = \"{name}\"\naddresses = [\"10.66.0.2/24\"]\noutside = \"host\"\n");
    let engine = start_engine(&host, &host.file("net.toml", text));
    let server = "
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.setsockopt(0, 12, 1)
u.settimeout(20)
u.bind(('10.79.0.1', 7007))
for _ in range(2):
    data, control, flags, peer = u.recvmsg(100, 100)
    u.sendto(data + bytes([control[0][2][0]]), peer)
";
    let server = host.udp_server(host.python(server), 7007);
    let script = "
import select, socket
for connected in True, False:
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.setsockopt(0, 2, 9)
    poll = select.epoll()
    poll.register(u, select.EPOLLIN)
    if connected:
        u.connect(('10.79.0.1', 7007))
        u.send(b'hello')
    else:
        u.bind(('', 5555))
        u.sendto(b'hello', ('10.79.0.1', 7007))
    assert poll.poll(20) == [(u.fileno(), select.EPOLLIN)]
    print(u.recvfrom(100), connected or u.getsockname())
";
    let preload = format!("LD_PRELOAD={}", artifacts::library().display());
    let net = format!("UNDERSTUDY_NET={name}");
    let said = host.plain(&["env", &preload, &net, "python3", "-c", script]).ok();
    let answer = "(b'hello\\t', ('10.79.0.1', 7007))";
    assert_eq!(said, format!("{answer} True\n{answer} ('0.0.0.0', 5555)\n"));
    server.finish().ok();
    drop(engine);
}
