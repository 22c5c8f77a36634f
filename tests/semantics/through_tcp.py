"""What only a connection shows that goes through TCP: run on the kernel, and through an engine with
`loopback = "tcp"`."""
from checks import *


def outcome(address):
    """How a connect that does not block ends."""
    with socket.socket() as s:
        s.setblocking(False)
        s.connect_ex(address)
        until(lambda: flags(s))
        return flags(s), errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def test_bytes_come_before_a_reset():
    for _ in range(30):
        a, b = blocking_pair()
        a.send(b"question")  # nobody reads it
        b.sendall(b"x" * 247)
        b.close()
        data = b""
        try:
            while piece := a.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        assert len(data) == 247, len(data)


def test_connect_and_close_at_once():
    with listener() as server:
        for _ in range(20):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.getsockname())
            client.close()
            accepted, _ = server.accept()
            assert accepted.recv(1) == b""
            accepted.close()


def test_refused_when_the_listener_has_closed():
    for served in (False, True):
        with listener() as server:
            address = server.getsockname()
            if served:
                with socket.create_connection(address):
                    server.accept()[0].close()
        for _ in range(3):
            shown, reason = outcome(address)
            assert {"OUT", "ERR", "HUP"} <= set(shown.split("|")), shown
            assert reason == "ECONNREFUSED", reason
        with socket.socket() as s:
            assert err(s.connect, address) == "ECONNREFUSED"


def test_port_0_is_refused():
    with socket.socket() as s:
        s.settimeout(LIMIT)
        assert err(s.connect, ("127.0.0.1", 0)) == "ECONNREFUSED"


def test_unread_data_after_a_half_close():
    a, b = blocking_pair()
    a.shutdown(socket.SHUT_WR)
    assert b.recv(1) == b""
    b.send(b"x")
    until(lambda: "IN" in flags(a))
    a.close()
    until(lambda: "HUP" in flags(b).split("|"))
    assert err(b.send, b"x") == "EPIPE"


def test_a_reset_after_both_ways_are_shut():
    a, b = blocking_pair()
    a.shutdown(socket.SHUT_RDWR)
    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    b.close()
    until(lambda: a.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x07")  # CLOSE
    assert err(a.recv, 1) == "ECONNRESET"
    assert a.recv(1) == b""
    assert err(a.send, b"x") == "EPIPE"


def fill(*socks):
    """Writes until nobody takes any more."""
    stuck = 0
    while stuck < 100:
        stuck += 1
        for s in socks:
            s.setblocking(False)
            if err(s.send, bytes(65536)) != "EAGAIN":
                stuck = 0
        select.select([], [], [], 0.001)


def test_a_close_with_unread_data_ends_a_write_that_waits():
    a, b = pair()
    fill(a, b)
    a.close()
    b.settimeout(LIMIT)
    sent = err(b.sendall, bytes(1 << 20))
    assert sent == "ECONNRESET", sent


def test_a_reset_drops_what_a_full_peer_does_not_take():
    a, b = pair()
    fill(a, b)
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    a.close()
    b.settimeout(LIMIT)
    sent = err(b.sendall, bytes(1 << 20))
    assert sent == "ECONNRESET", sent


run(globals())
