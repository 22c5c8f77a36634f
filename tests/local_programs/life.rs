//! The life of descriptors: exit, kill, restart, fork, exec, and being passed to another program.
use crate::common::{Host, Mode};
use crate::need;
use std::os::unix::process::ExitStatusExt;

on_both! {
    bytes_before_exit_arrive, bytes_before_kill_arrive, a_killed_server_restarts_at_once,
    a_port_in_use, nobody_there, a_forked_child_serves, a_passed_descriptor_keeps_its_addresses,
    an_execed_program_finds_its_sockets, datagram_senders_have_addresses,
}

/// A client that takes all and prints how much it was.
const COUNT: &str = r"
import socket
c = socket.create_connection(('127.0.0.1', 5000))
n = 0
while data := c.recv(65536): n += len(data)
print(n)
";

/// A server that writes 100,000 bytes to one client and ends as `end` says.
fn writes_and_ends(host: &Host, end: &str) -> std::process::ExitStatus {
    let server = format!(
        r"
import os, signal, socket
s = socket.create_server(('127.0.0.1', 5000))
c, a = s.accept()
c.sendall(b'x' * 100000)
{end}
"
    );
    let server = host.tcp_server(host.python(&server), 5000);
    assert_eq!(host.python(COUNT).ok(), "100000\n");
    server.finish().status
}

fn bytes_before_exit_arrive(mode: Mode) {
    need!("python3");
    let host = Host::local(mode);
    assert!(writes_and_ends(&host, "os._exit(0)").success());
}

fn bytes_before_kill_arrive(mode: Mode) {
    need!("python3");
    let host = Host::local(mode);
    let status = writes_and_ends(&host, "os.kill(os.getpid(), signal.SIGKILL)");
    assert_eq!(status.signal(), Some(9));
}

fn a_killed_server_restarts_at_once(mode: Mode) {
    need!("python3", "curl");
    let host = Host::local(mode);
    host.file("page", "here again\n");
    let start = || host.tcp_server(host.line("python3 -m http.server 8000 --bind 127.0.0.1"), 8000);
    let mut server = start();
    for _ in 0..3 {
        let page = host.line("curl -sS --fail http://127.0.0.1:8000/page").ok();
        assert_eq!(page, "here again\n");
        server.kill();
        server = start();
    }
    let page = host.line("curl -sS --fail http://127.0.0.1:8000/page").ok();
    assert_eq!(page, "here again\n");
}

fn a_port_in_use(mode: Mode) {
    need!("python3");
    let mut host = Host::local(mode);
    host.quiet = true;
    let _server = host.tcp_server(host.line("python3 -m http.server 8000 --bind 127.0.0.1"), 8000);
    let second = host.line("python3 -m http.server 8000 --bind 127.0.0.1").finish();
    assert!(!second.status.success(), "{second}");
    assert!(second.errors().contains("Address already in use"), "{second}");
    let text = host.python(
        "
import errno, socket
for family, address in ((socket.AF_INET, ''), (socket.AF_INET, '127.0.0.1')):
    s = socket.socket(family)
    try: s.bind((address, 8000))
    except OSError as e: print(errno.errorcode[e.errno])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('127.0.0.1', 8000))
print('udp is another matter')
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try: v.bind(('127.0.0.1', 8000))
except OSError as e: print(errno.errorcode[e.errno])
",
    );
    assert_eq!(text.ok(), "EADDRINUSE\nEADDRINUSE\nudp is another matter\nEADDRINUSE\n");
}

fn nobody_there(mode: Mode) {
    need!("curl", "python3");
    let host = Host::local(mode);
    for address in ["127.0.0.1", "[::1]"] {
        let refused = host.task(&["curl", "-sS", &format!("http://{address}:81/")]).finish();
        assert_eq!(refused.status.code(), Some(7), "{refused}");
    }
    let script = "
import errno, socket
c = socket.socket()
for _ in range(2):
    try: c.connect(('127.0.0.1', 81))
    except OSError as e: print(errno.errorcode[e.errno])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(u.sendto(b'nobody', ('127.0.0.1', 81)))
";
    assert_eq!(host.python(script).ok(), "ECONNREFUSED\nECONNREFUSED\n6\n");
}

fn a_forked_child_serves(mode: Mode) {
    need!("python3");
    let host = Host::local(mode);
    // The parent accepts and goes on; the child, which never called a socket function of its own
    // before, answers on the parent's connection, and asks for names on it.
    let server = r"
import os, socket
s = socket.create_server(('127.0.0.1', 5000))
for _ in range(3):
    c, a = s.accept()
    if os.fork() == 0:
        s.close()
        assert c.getpeername() == a, (c.getpeername(), a)
        assert c.getsockname() == ('127.0.0.1', 5000), c.getsockname()
        while data := c.recv(65536): c.sendall(data.upper())
        os._exit(0)
    c.close()
for _ in range(3): assert os.wait()[1] == 0
";
    let server = host.tcp_server(host.python(server), 5000);
    let client = r"
import socket
cs = [socket.create_connection(('127.0.0.1', 5000)) for _ in range(3)]
for c in cs: c.sendall(b'hello')
for c in cs:
    c.shutdown(socket.SHUT_WR)
    with c.makefile() as f: print(f.read())
";
    assert_eq!(host.python(client).ok(), "HELLO\nHELLO\nHELLO\n");
    server.finish().ok();
}

fn a_passed_descriptor_keeps_its_addresses(mode: Mode) {
    need!("python3");
    let host = Host::local(mode);
    // A worker that has no socket of its own gets the listener and a connection over a unix socket.
    let worker = r"
import array, socket
u = socket.socket(socket.AF_UNIX)
u.connect('handover')
msg, fds, flags, addr = socket.recv_fds(u, 16, 2)
listener, conn = (socket.socket(fileno=fd) for fd in fds)
assert listener.family == socket.AF_INET and listener.type == socket.SOCK_STREAM
print(listener.getsockname(), conn.getsockname())
assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
conn.sendall(b'from the worker; you are %d' % conn.getpeername()[1])
conn.close()
c, a = listener.accept()
c.sendall(b'and again %d' % a[1])
";
    let server = r"
import os, socket
s = socket.create_server(('127.0.0.1', 5000))
u = socket.socket(socket.AF_UNIX)
u.bind('handover')
u.listen()
c, a = s.accept()
w, _ = u.accept()
socket.send_fds(w, [b'two'], [s.fileno(), c.fileno()])
";
    let server = host.tcp_server(host.python(server), 5000);
    let client = r"
import socket
for words in (b'from the worker; you are %d', b'and again %d'):
    c = socket.create_connection(('127.0.0.1', 5000))
    with c.makefile('rb') as f: assert f.read() == words % c.getsockname()[1]
";
    let client = host.python(client).start();
    assert_eq!(host.python(worker).ok(), "('127.0.0.1', 5000) ('127.0.0.1', 5000)\n");
    client.finish().ok();
    server.finish().ok();
}

fn an_execed_program_finds_its_sockets(mode: Mode) {
    need!("python3");
    let host = Host::local(mode);
    let second = r"
import socket, sys
s, c = (socket.socket(fileno=int(fd)) for fd in sys.argv[1:3])
assert s.getsockname() == ('127.0.0.1', 5000)
c.sendall(b'%s %s' % (str(c.getsockname()).encode(), str(c.family == socket.AF_INET).encode()))
c.close()
d, a = s.accept()
d.sendall(b'accepted after exec')
";
    host.file("second.py", second);
    let first = r"
import os, socket, sys
s = socket.create_server(('127.0.0.1', 5000))
c, a = s.accept()
os.set_inheritable(s.fileno(), True)
os.set_inheritable(c.fileno(), True)
os.execvp('python3', ['python3', 'second.py', str(s.fileno()), str(c.fileno())])
";
    let server = host.tcp_server(host.python(first), 5000);
    let client = r"
import socket
for _ in range(2):
    c = socket.create_connection(('127.0.0.1', 5000))
    with c.makefile() as f: print(f.read())
";
    let said = host.python(client).ok();
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("('127.0.0.1', 5000) True"), "{said}");
    assert_eq!(lines.next(), Some("accepted after exec"), "{said}");
    server.finish().ok();
}

fn datagram_senders_have_addresses(mode: Mode) {
    need!("python3");
    let host = Host::local(mode);
    let server = r"
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 50000))
for _ in range(3):
    data, address = s.recvfrom(2048)
    s.sendto(b'%s from %d' % (data, address[1]), address)
";
    let server = host.udp_server(host.python(server), 50000);
    let client = r"
import socket
a, b, c = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
b.bind(('127.0.0.1', 50001))
c.connect(('127.0.0.1', 50000))
for s in (a, b): s.sendto(b'hi', ('127.0.0.1', 50000))
c.send(b'hi')
for s in (a, b, c):
    data, address = s.recvfrom(2048)
    assert data == b'hi from %d' % s.getsockname()[1], data
    assert address == ('127.0.0.1', 50000), address
";
    host.python(client).ok();
    server.finish().ok();
}
