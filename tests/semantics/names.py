"""Addresses: what getsockname, getpeername and accept tell, and which addresses are taken."""
from checks import *


def test_before_bind():
    assert socket.socket().getsockname() == ("0.0.0.0", 0)
    assert socket.socket(socket.AF_INET6).getsockname() == ("::", 0, 0, 0)
    assert err(socket.socket().getpeername) == "ENOTCONN"


def test_after_bind_to_port_zero():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    host, port = s.getsockname()
    assert host == "127.0.0.1" and port >= 1024
    assert err(s.getpeername) == "ENOTCONN"


def test_both_ends_agree():
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        server = listener(family, host)
        client = socket.socket(family)
        client.connect(server.getsockname())
        accepted, address = server.accept()
        assert address == client.getsockname() == accepted.getpeername()
        assert client.getpeername() == accepted.getsockname() == server.getsockname()
        assert client.getsockname()[0] == host


def test_wildcard_listener_tells_the_address_that_was_dialled():
    server = listener(host="")
    port = server.getsockname()[1]
    assert server.getsockname() == ("0.0.0.0", port)
    for host in ("127.0.0.1", "127.0.0.5", "localhost"):
        client = socket.create_connection((host, port), LIMIT)
        accepted, address = server.accept()
        assert accepted.getsockname()[0] == socket.gethostbyname(host)
        # The source of all of 127/8 is 127.0.0.1.
        assert address[0] == client.getsockname()[0] == "127.0.0.1", address


def test_connect_to_the_wildcard_is_loopback():
    server = listener(host="")
    client = socket.create_connection(("0.0.0.0", server.getsockname()[1]), LIMIT)
    assert client.getpeername() == ("127.0.0.1", server.getsockname()[1])
    six = listener(socket.AF_INET6, "::")
    client = socket.create_connection(("::", six.getsockname()[1]), LIMIT)
    assert client.getpeername()[:2] == ("::1", six.getsockname()[1])


def test_dual_stack():
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", 0))
    server.listen()
    port = server.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port), LIMIT)
    accepted, address = server.accept()
    assert address[:2] == ("::ffff:127.0.0.1", client.getsockname()[1])
    assert accepted.getsockname()[:2] == ("::ffff:127.0.0.1", port)
    assert accepted.getpeername()[0] == "::ffff:127.0.0.1"
    client = socket.create_connection(("::1", port), LIMIT)
    assert server.accept()[1][0] == "::1"
    mapped = socket.socket(socket.AF_INET6)
    mapped.connect(("::ffff:127.0.0.1", port))
    assert mapped.getsockname()[0] == mapped.getpeername()[0] == "::ffff:127.0.0.1"


def test_v6only_takes_no_v4():
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind(("::", 0))
    server.listen()
    port = server.getsockname()[1]
    assert err(socket.socket().connect, ("127.0.0.1", port)) == "ECONNREFUSED"
    only = socket.socket(socket.AF_INET6)
    only.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    assert err(only.connect, ("::ffff:127.0.0.1", port)) == "ENETUNREACH"
    assert err(only.bind, ("::ffff:127.0.0.1", 0)) == "EINVAL"


def test_a_bound_client_keeps_its_port():
    server = listener()
    for bind_to in ("127.0.0.1", ""):
        client = socket.socket()
        client.bind((bind_to, 0))
        port = client.getsockname()[1]
        client.connect(server.getsockname())
        assert client.getsockname() == ("127.0.0.1", port)
        assert server.accept()[1] == ("127.0.0.1", port)


def test_short_buffers_are_filled_as_far_as_they_go():
    s = listener()
    buffer = ctypes.create_string_buffer(b"\xff" * 16, 16)
    length = ctypes.c_uint(6)
    assert libc.getsockname(s.fileno(), buffer, ctypes.byref(length)) == 0
    assert length.value == 16
    assert buffer.raw[:2] == struct.pack("=H", socket.AF_INET)
    assert buffer.raw[2:4] == struct.pack("!H", s.getsockname()[1])
    assert buffer.raw[4:] == bytes([127, 0]) + b"\xff" * 10 or buffer.raw[6:] == b"\xff" * 10
    length = ctypes.c_int(-1)
    assert libc.getsockname(s.fileno(), buffer, ctypes.byref(length)) == -1
    assert ctypes.get_errno() == errno.EINVAL


def test_lengths_and_families():
    def answers(family, call, address, lengths):
        s = socket.socket(family)
        out = []
        for n in lengths:
            assert call(s.fileno(), address, n) == -1
            out.append(errno.errorcode[ctypes.get_errno()])
        return out

    six_on_four = struct.pack("=H", socket.AF_INET6) + bytes(26)
    four_on_six = struct.pack("=H", socket.AF_INET) + bytes(26)
    for call in (libc.connect, libc.bind):
        got = answers(socket.AF_INET, call, six_on_four, (0, 1, 2, 8, 15, 16))
        assert got == ["EINVAL"] * 5 + ["EAFNOSUPPORT"], got
        got = answers(socket.AF_INET6, call, four_on_six, (0, 1, 2, 16, 23, 24, 28))
        assert got == ["EINVAL"] * 5 + ["EAFNOSUPPORT"] * 2, got


def test_addresses_that_are_not_ours():
    assert err(socket.socket().bind, ("9.9.9.9", 0)) == "EADDRNOTAVAIL"
    assert err(socket.socket(socket.AF_INET6).bind, ("2001:db8::1", 0)) == "EADDRNOTAVAIL"


def test_free_bind_takes_any_address():
    """ip(7), IP_FREEBIND"""
    ip_freebind, ipv6_freebind = 15, 78
    for family, level, name, host in (
        (socket.AF_INET, socket.IPPROTO_IP, ip_freebind, "9.9.9.9"),
        (socket.AF_INET6, socket.IPPROTO_IPV6, ipv6_freebind, "2001:db8::1"),
    ):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            s = socket.socket(family, kind)
            assert s.getsockopt(level, name) == 0
            s.setsockopt(level, name, 1)
            assert s.getsockopt(level, name) == 1
            s.bind((host, 0))
            assert s.getsockname()[0] == host and s.getsockname()[1] > 0
            if kind == socket.SOCK_STREAM:
                s.listen()


def test_a_stream_bound_to_a_group():
    assert err(socket.socket().bind, ("224.0.0.1", 0)) is None
    assert err(socket.socket(socket.AF_INET6).bind, ("ff02::1", 0, 0, 1)) == "EINVAL"


def test_groups_and_broadcast_cannot_be_connected_to():
    for host in ("224.0.0.1", "255.255.255.255"):
        assert err(socket.socket().connect, (host, 80)) == "ENETUNREACH"


def test_getpeername_after_the_end():
    a, b = pair()
    peer = a.getpeername()
    b.close()
    until(lambda: "RDHUP" in flags(a))
    assert a.getpeername() == peer
    a.shutdown(socket.SHUT_WR)
    until(lambda: err(a.getpeername) == "ENOTCONN", "ENOTCONN")


run(globals())
