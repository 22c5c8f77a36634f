"""connect: states, errors, and again."""
import threading
from checks import *


def nonblocking():
    s = socket.socket()
    s.setblocking(False)
    return s


def so_error(s):
    return errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)


def connect_now(s, address):
    """connect(2) itself: Python's settimeout makes others of it."""
    packed = struct.pack("=H", socket.AF_INET) + struct.pack("!H", address[1])
    packed += socket.inet_aton(address[0]) + bytes(8)
    if libc.connect(s.fileno(), packed, 16) == 0:
        return 0
    return errno.errorcode[ctypes.get_errno()]


def test_nonblocking():
    server = listener()
    s = nonblocking()
    assert connect_now(s, server.getsockname()) == "EINPROGRESS"
    assert flags(s, LIMIT * 1000) == "OUT"
    assert so_error(s) == 0
    assert s.getpeername() == server.getsockname()
    assert connect_now(s, server.getsockname()) in (0, "EISCONN")
    assert connect_now(s, server.getsockname()) == "EISCONN"
    a, _ = server.accept()
    s.send(b"x")
    assert a.recv(9) == b"x"


def test_nonblocking_second_connect_says_so():
    server = listener()
    s = nonblocking()
    assert connect_now(s, server.getsockname()) == "EINPROGRESS"
    until(lambda: "OUT" in flags(s))
    assert connect_now(s, server.getsockname()) == 0
    assert connect_now(s, server.getsockname()) == "EISCONN"


def test_refused():
    s = socket.socket()
    dead = dead_address()
    for _ in range(3):
        assert connect_now(s, dead) == "ECONNREFUSED"
    assert flags(s) == "OUT|HUP"
    server = listener()
    assert connect_now(s, server.getsockname()) == 0
    assert server.accept()[1] == s.getsockname()


def test_refused_late_and_told_once():
    s = nonblocking()
    assert connect_now(s, dead_address()) == "EINPROGRESS"
    assert flags(s, LIMIT * 1000) == "IN|OUT|ERR|HUP|RDHUP"
    assert err(s.getpeername) == "ENOTCONN"
    assert so_error(s) == "ECONNREFUSED"
    assert so_error(s) == 0
    assert flags(s) == "IN|OUT|HUP|RDHUP"
    server = listener()
    # Linux: the attempt before is closed off first.
    assert connect_now(s, server.getsockname()) == "ECONNABORTED"
    assert connect_now(s, server.getsockname()) == "EINPROGRESS"
    assert flags(s, LIMIT * 1000) == "OUT"
    assert so_error(s) == 0
    assert server.accept()[1] == s.getsockname()


def test_refused_late_told_by_connect():
    s = nonblocking()
    dead = dead_address()
    assert connect_now(s, dead) == "EINPROGRESS"
    until(lambda: "ERR" in flags(s))
    assert connect_now(s, dead) == "ECONNREFUSED"
    assert connect_now(s, dead) == "EINPROGRESS"
    until(lambda: "ERR" in flags(s))
    assert so_error(s) == "ECONNREFUSED"


def test_refused_late_told_by_recv_and_send():
    s = nonblocking()
    assert connect_now(s, dead_address()) == "EINPROGRESS"
    until(lambda: "ERR" in flags(s))
    assert err(s.recv, 10) == "ECONNREFUSED"
    assert s.recv(10) == b""
    assert err(s.send, b"x") == "EPIPE"
    s = nonblocking()
    assert connect_now(s, dead_address()) == "EINPROGRESS"
    until(lambda: "ERR" in flags(s))
    assert err(s.send, b"x") == "ECONNREFUSED"
    assert err(s.send, b"x") == "EPIPE"
    s = nonblocking()
    assert connect_now(s, dead_address()) == "EINPROGRESS"
    until(lambda: "ERR" in flags(s))
    assert err(os.read, s.fileno(), 10) == "ECONNREFUSED"


def test_registrations_in_epoll_outlive_a_failed_connect():
    epoll = select.epoll()
    s = nonblocking()
    epoll.register(s.fileno(), select.EPOLLOUT | select.EPOLLET)
    epoll.poll(0)
    assert connect_now(s, dead_address()) == "EINPROGRESS"
    until(lambda: dict(epoll.poll(0.01)).get(s.fileno(), 0) & select.EPOLLERR)
    assert so_error(s) == "ECONNREFUSED"
    server = listener()
    assert connect_now(s, server.getsockname()) == "ECONNABORTED"
    assert connect_now(s, server.getsockname()) == "EINPROGRESS"
    until(lambda: dict(epoll.poll(0.01)).get(s.fileno(), 0) & select.EPOLLOUT)
    assert so_error(s) == 0
    epoll.modify(s.fileno(), select.EPOLLIN)
    a, _ = server.accept()
    a.send(b"x")
    assert epoll.poll(LIMIT) == [(s.fileno(), select.EPOLLIN)]


def test_options_outlive_a_failed_connect():
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 7, 0))
    s.set_inheritable(False)
    assert connect_now(s, dead_address()) == "ECONNREFUSED"
    server = listener()
    assert connect_now(s, server.getsockname()) == 0
    assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    timeout = s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)
    assert struct.unpack("ll", timeout) == (7, 0)
    assert not s.get_inheritable()


def test_connected_already():
    server = listener()
    a = socket.socket()
    a.connect(server.getsockname())
    b, _ = server.accept()
    assert connect_now(a, ("127.0.0.1", 9)) == "EISCONN"
    assert connect_now(b, ("127.0.0.1", 9)) == "EISCONN"


def test_unspec_disconnects():
    server = listener()
    s = socket.socket()
    s.connect(server.getsockname())
    a, _ = server.accept()
    assert libc.connect(s.fileno(), bytes(16), 16) == 0
    assert err(s.getpeername) == "ENOTCONN"
    assert err(a.recv, 1) in ("ECONNRESET", b"")
    s.connect(server.getsockname())
    a, address = server.accept()
    assert address == s.getsockname()
    fresh = socket.socket()
    assert libc.connect(fresh.fileno(), bytes(16), 16) == 0


def test_not_connected():
    s = socket.socket()
    assert flags(s) == "OUT|HUP"
    assert err(s.send, b"x") == "EPIPE"
    assert err(s.recv, 1) == "ENOTCONN"
    assert err(os.read, s.fileno(), 1) == "ENOTCONN"
    assert err(s.shutdown, socket.SHUT_WR) == "ENOTCONN"


def test_many_at_once():
    server = listener(backlog=128)
    clients = [nonblocking() for _ in range(100)]
    for s in clients:
        assert connect_now(s, server.getsockname()) == "EINPROGRESS"
    for _ in clients:
        server.accept()
    for s in clients:
        until(lambda: "OUT" in flags(s))
        assert so_error(s) == 0


def test_two_threads_and_a_blocking_accept():
    server = listener()
    server.setblocking(True)
    got = []
    thread = threading.Thread(target=lambda: got.append(server.accept()[1]))
    thread.start()
    client = socket.create_connection(server.getsockname(), LIMIT)
    thread.join(LIMIT)
    assert got == [client.getsockname()]


def test_type_and_domain():
    for family, value in ((socket.AF_INET, 2), (socket.AF_INET6, 10)):
        s = socket.socket(family)
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == value
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == socket.IPPROTO_TCP
        assert socket.socket(fileno=os.dup(s.fileno())).family == family
    assert listener().getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_families_of_bound_sockets():
    for where, to, expected in (
        ("::ffff:127.0.0.1", "::1", "EAFNOSUPPORT"),
        ("::1", "::ffff:127.0.0.1", "ENETUNREACH"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", "ECONNREFUSED"),
    ):
        sock = socket.socket(socket.AF_INET6)
        sock.bind((where, 0))
        assert err(sock.connect, (to, 1)) == expected, (where, to)


def test_a_listener_that_is_shut_down():
    """What waits in its queue is ended; it listens again at the port that the program chose."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        where = probe.getsockname()
    listener = socket.create_server(where)
    waiting = socket.create_connection(where)
    waiting.settimeout(LIMIT)
    listener.shutdown(socket.SHUT_RD)
    assert err(waiting.recv, 9) in ("ECONNRESET", b"")
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0
    assert err(listener.accept) == "EINVAL"
    assert err(socket.create_connection, where) == "ECONNREFUSED"
    assert listener.getsockname() == where
    listener.listen()
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    client = socket.create_connection(where)
    accepted, peer = listener.accept()
    assert peer == client.getsockname()
    client.send(b"again")
    assert accepted.recv(9) == b"again"


run(globals())
