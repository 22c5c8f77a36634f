"""What Understudy does otherwise than Linux. Each function prints one line; `main.rs` knows what
the kernel prints and what we do, and docs/COMPATIBILITY.md has a row for each. Run: scenes.py NAME
"""
import errno
import os
import select
import socket
import struct
import sys


def err(call, *args):
    try:
        return call(*args)
    except OSError as e:
        return errno.errorcode.get(e.errno, e)


def pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def wait_for_end(sock):
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    assert poll.poll(10_000)


def low_port():
    """bind to port 80 without privilege"""
    os.setresuid(65534, 65534, 65534)
    with socket.socket() as s:
        return err(s.bind, ("127.0.0.1", 80)) or "bound"


def hang_up():
    """what poll shows as soon as the peer has closed"""
    a, b = pair()
    b.close()
    wait_for_end(a)
    poll = select.poll()
    poll.register(a, 0x3FFF)
    shown = poll.poll(0)[0][1]
    return "HUP" if shown & select.POLLHUP else "no HUP"


def linger_zero():
    """what the peer of a local connection reads after a close with SO_LINGER 0"""
    a, b = pair()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    b.close()
    wait_for_end(a)
    return err(a.recv, 1) or "the end"


def full_backlog():
    """a non-blocking connect to a listener whose queue is full"""
    server = socket.create_server(("127.0.0.1", 0), backlog=1)
    clients = []
    for _ in range(300):
        c = socket.socket()
        c.setblocking(False)
        assert c.connect_ex(server.getsockname()) == errno.EINPROGRESS
        clients.append(c)
    last = clients[-1]
    poll = select.poll()
    poll.register(last, select.POLLOUT)
    if not poll.poll(500):
        return "goes on trying"
    return errno.errorcode.get(last.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "connected")


def socket_filter():
    """SO_ATTACH_FILTER, with a filter that accepts everything"""
    import ctypes

    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0xFFFFFFFF))
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(code))
    with socket.socket() as s:
        return err(s.setsockopt, socket.SOL_SOCKET, 26, program) or "attached"


def other_user():
    """a program of one user connects to a program of another (neither is root)"""
    ready, listening = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setresuid(65533, 65533, 65533)
        server = socket.create_server(("127.0.0.1", 5000))
        os.write(listening, b"!")
        while True:
            select.select([server], [], [])
    os.read(ready, 1)
    os.setresuid(65534, 65534, 65534)
    with socket.socket() as client:
        answer = err(client.connect, ("127.0.0.1", 5000)) or "connected"
    return answer


def more_on_udp():
    """MSG_MORE on a datagram socket"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return err(s.sendto, b"part", socket.MSG_MORE, ("127.0.0.1", 9))


def notices_of_what_left():
    """SO_ZEROCOPY, and SO_TIMESTAMPING of what is sent"""
    zerocopy, timestamping, tx_software, rx_software, software = 60, 37, 2, 8, 16
    with socket.socket() as s:
        assert err(s.setsockopt, socket.SOL_SOCKET, timestamping, rx_software | software) is None
        answers = [err(s.setsockopt, socket.SOL_SOCKET, zerocopy, 1),
                   err(s.setsockopt, socket.SOL_SOCKET, timestamping, tx_software | software)]
    return " ".join(str(answer) for answer in answers)


def seventeen_share():
    """more than 16 sockets with SO_REUSEPORT on one address"""
    sockets = []
    for _ in range(17):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        answer = err(s.bind, ("127.0.0.1", 5000))
        if answer:
            return f"{answer} at the {len(sockets) + 1}th"
        sockets.append(s)
    return "17 share it"


def two_bound():
    """two TCP sockets with SO_REUSEADDR bound to one port"""
    a, b = socket.socket(), socket.socket()
    for s in (a, b):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    a.bind(("127.0.0.1", 5000))
    return err(b.bind, ("127.0.0.1", 5000)) or "bound"


def connect_to_oneself():
    """connect to the port that the socket itself is bound to"""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 5000))
        return err(s.connect, ("127.0.0.1", 5000)) or "connected"


def failed_connect_name():
    """getsockname after a connect that was refused"""
    with socket.socket() as s:
        assert err(s.connect, ("127.0.0.1", 5000)) == "ECONNREFUSED"
        return s.getsockname()[0]


def shut_rd():
    """what can be read after SHUT_RD, when the peer has sent more"""
    a, b = pair()
    a.shutdown(socket.SHUT_RD)
    b.sendall(b"more")
    return a.recv(10).decode() or "nothing"


def in_the_kernels_tables():
    """the connection in /proc/net/tcp"""
    a, b = pair()
    with open("/proc/net/tcp") as table:
        return "seen" if f":{a.getsockname()[1]:04X}" in table.read() else "not seen"


def the_file_itself():
    """what the file is to those who look past the library"""
    a, b = pair()
    inode = os.fstat(a.fileno()).st_ino
    with open("/proc/net/unix") as table:
        return "unix" if any(line.split()[6] == str(inode) for line in table) else "inet"


print(globals()[sys.argv[1]]())
