"""bind and listen: who excludes whom."""
from checks import *


def bound(host, port, family=socket.AF_INET, reuse=False, reuseport=False, only=None):
    s = socket.socket(family)
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuseport:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if only is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    s.bind((host, port))
    return s


def test_taken():
    a = listener()
    port = a.getsockname()[1]
    assert err(bound, "127.0.0.1", port) == "EADDRINUSE"
    assert err(bound, "", port) == "EADDRINUSE"
    assert err(bound, "127.0.0.1", port, socket.AF_INET, True) == "EADDRINUSE"
    assert err(bound, "::", port, socket.AF_INET6, False, False, 0) == "EADDRINUSE"
    with bound("127.0.0.2", port), bound("::", port, socket.AF_INET6, only=1):
        pass
    a.close()
    bound("127.0.0.1", port).close()


def test_twice():
    s = bound("127.0.0.1", 0)
    assert err(s.bind, ("127.0.0.1", 0)) == "EINVAL"
    a, b = pair()
    assert err(a.bind, ("127.0.0.1", 0)) == "EINVAL"
    assert err(a.listen) == "EINVAL"


def test_reuseport_group():
    members = [bound("127.0.0.1", 0, reuseport=True)]
    port = members[0].getsockname()[1]
    members += [bound("127.0.0.1", port, reuseport=True) for _ in range(3)]
    assert err(bound, "127.0.0.1", port) == "EADDRINUSE"
    for s in members:
        s.listen()
        s.setblocking(False)
    clients = [socket.create_connection(("127.0.0.1", port), LIMIT) for _ in range(64)]
    served = [0] * 4
    for i, s in enumerate(members):
        while not isinstance(err(s.accept), str):
            served[i] += 1
    assert sum(served) == 64 and min(served) > 0, served
    # One leaves; the others serve.
    members[0].close()
    for _ in range(20):
        socket.create_connection(("127.0.0.1", port), LIMIT).close()


def test_listen_without_bind():
    s = socket.socket()
    s.listen()
    host, port = s.getsockname()
    assert host == "0.0.0.0" and port != 0
    socket.create_connection(("127.0.0.1", port), LIMIT)
    s6 = socket.socket(socket.AF_INET6)
    s6.listen()
    socket.create_connection(("::1", s6.getsockname()[1]), LIMIT)


def test_listen_again_changes_the_backlog_only():
    s = listener()
    s.listen(1)
    s.listen(100)
    socket.create_connection(s.getsockname(), LIMIT)


def test_a_listener_is_no_client():
    s = listener()
    s.setblocking(True)
    assert err(s.connect, s.getsockname()) == "EISCONN"
    assert err(s.send, b"x") == "EPIPE"
    assert err(s.recv, 1) == "ENOTCONN"
    assert err(s.getpeername) == "ENOTCONN"
    assert err(socket.socket().accept) == "EINVAL"
    assert err(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).listen) in ("EOPNOTSUPP", "ENOTSUP")


def test_bound_is_not_listening():
    s = bound("127.0.0.1", 0)
    assert err(socket.socket().connect, s.getsockname()) == "ECONNREFUSED"


def test_a_killed_server_restarts_at_once():
    probe = bound("127.0.0.1", 0)
    address = probe.getsockname()
    probe.close()
    for _ in range(3):
        ready_r, ready_w = os.pipe()

        def serve():
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(address)
            s.listen()
            os.write(ready_w, b"!")
            c, _ = s.accept()
            c.sendall(b"last words")
            os.kill(os.getpid(), 9)

        pid = child(serve)
        os.read(ready_r, 1)
        client = socket.create_connection(address, LIMIT)
        os.waitpid(pid, 0)
        # What was written just before kill -9 arrives.
        assert read_all(client) == b"last words"
        assert err(socket.socket().connect, address) == "ECONNREFUSED"


def test_shutdown_of_a_listener_ends_it():
    s = listener()
    assert err(s.shutdown, socket.SHUT_WR) is None
    assert err(s.shutdown, socket.SHUT_RD) is None
    assert err(s.accept) == "EINVAL"
    assert err(socket.socket().connect, s.getsockname()) == "ECONNREFUSED"


run(globals())
