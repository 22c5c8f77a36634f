"""Options: values from the start, what can be set, what comes back, lengths, what is inherited."""
from checks import *

SOL, IP, TCP, UDP, IPV6 = (socket.SOL_SOCKET, socket.IPPROTO_IP, socket.IPPROTO_TCP,
                           socket.IPPROTO_UDP, socket.IPPROTO_IPV6)
KINDS = {"t4": (socket.AF_INET, socket.SOCK_STREAM), "t6": (socket.AF_INET6, socket.SOCK_STREAM),
         "u4": (socket.AF_INET, socket.SOCK_DGRAM), "u6": (socket.AF_INET6, socket.SOCK_DGRAM)}


def sock(kind):
    return socket.socket(*KINDS[kind])


def set_get(kind, level, name, value):
    """What comes back after setting, or the error of setting."""
    with sock(kind) as s:
        return err(s.setsockopt, level, name, value) or err(s.getsockopt, level, name)


def test_what_a_socket_is():
    for kind, (family, type) in KINDS.items():
        s = sock(kind)
        protocol = 6 if type == socket.SOCK_STREAM else 17
        assert s.getsockopt(SOL, socket.SO_DOMAIN) == family
        assert s.getsockopt(SOL, socket.SO_TYPE) == type
        assert s.getsockopt(SOL, socket.SO_PROTOCOL) == protocol
        assert s.getsockopt(SOL, socket.SO_ACCEPTCONN) == 0
        assert s.getsockopt(SOL, socket.SO_ERROR) == 0
        for name in (socket.SO_DOMAIN, socket.SO_TYPE, socket.SO_PROTOCOL, socket.SO_ERROR):
            assert err(s.setsockopt, SOL, name, 1) == "ENOPROTOOPT"
        assert s.getsockopt(SOL, 17, 12) == struct.pack("iii", 0, -1, -1)  # SO_PEERCRED
        for name in (16, 34):  # SO_PASSCRED, SO_PASSSEC
            assert err(s.setsockopt, SOL, name, 1) == "ENOTSUP"
    s = listener()
    assert s.getsockopt(SOL, socket.SO_ACCEPTCONN) == 1


def test_values_from_the_start():
    expected = {
        (SOL, socket.SO_REUSEADDR): 0, (SOL, socket.SO_REUSEPORT): 0, (SOL, socket.SO_KEEPALIVE): 0,
        (SOL, socket.SO_BROADCAST): 0, (SOL, socket.SO_OOBINLINE): 0, (SOL, socket.SO_RCVLOWAT): 1,
        (IP, socket.IP_TTL): 64, (IP, socket.IP_TOS): 0, (IP, 10): 1, (IP, 8): 0, (IP, 34): 1,
    }
    for kind in KINDS:
        with sock(kind) as s:
            for (level, name), value in expected.items():
                assert s.getsockopt(level, name) == value, (kind, level, name)
    tcp = {socket.TCP_NODELAY: 0, socket.TCP_CORK: 0, socket.TCP_KEEPIDLE: 7200,
           socket.TCP_KEEPINTVL: 75, socket.TCP_KEEPCNT: 9, socket.TCP_SYNCNT: 6,
           socket.TCP_LINGER2: 60, socket.TCP_DEFER_ACCEPT: 0, socket.TCP_MAXSEG: 536,
           socket.TCP_USER_TIMEOUT: 0, socket.TCP_QUICKACK: 1, socket.TCP_FASTOPEN: 0}
    for kind in ("t4", "t6"):
        with sock(kind) as s:
            for name, value in tcp.items():
                assert s.getsockopt(TCP, name) == value, (kind, name)
    v6 = {socket.IPV6_V6ONLY: 0, socket.IPV6_UNICAST_HOPS: 64, socket.IPV6_TCLASS: 0, 23: 1, 49: 0}
    for kind in ("t6", "u6"):
        with sock(kind) as s:
            for name, value in v6.items():
                assert s.getsockopt(IPV6, name) == value, (kind, name)
    with sock("u6") as s:
        assert s.getsockopt(IPV6, socket.IPV6_MULTICAST_HOPS) == 1
        assert s.getsockopt(IP, socket.IP_MULTICAST_TTL) == 1


def test_what_can_be_set():
    for kind, level, name, values in (
        ("t4", TCP, socket.TCP_NODELAY, {1: 1, 0: 0, 7: 1, -1: 1}),
        ("t4", TCP, socket.TCP_CORK, {1: 1, 0: 0}),
        ("t4", TCP, socket.TCP_KEEPIDLE, {1: 1, 32767: 32767, 0: "EINVAL", 32768: "EINVAL"}),
        ("t4", TCP, socket.TCP_KEEPINTVL, {5: 5, 0: "EINVAL", -1: "EINVAL"}),
        ("t4", TCP, socket.TCP_KEEPCNT, {127: 127, 128: "EINVAL", 0: "EINVAL"}),
        ("t4", TCP, socket.TCP_SYNCNT, {127: 127, 128: "EINVAL", 0: "EINVAL"}),
        ("t4", TCP, socket.TCP_LINGER2, {-3: -1, 0: 60, 5: 5, 300: 120}),
        ("t4", TCP, socket.TCP_DEFER_ACCEPT, {0: 0, 1: 1, 2: 3, 5: 7, 100: 127}),
        ("t4", TCP, socket.TCP_MAXSEG, {0: 536, 87: "EINVAL", 88: 88, 1460: 1460, 40000: "EINVAL"}),
        ("t4", TCP, socket.TCP_USER_TIMEOUT, {0: 0, 5000: 5000, -1: "EINVAL"}),
        ("t4", TCP, socket.TCP_FASTOPEN, {5: 5, -1: "EINVAL"}),
        ("t4", TCP, socket.TCP_NOTSENT_LOWAT, {100: 100}),
        ("t4", IP, socket.IP_TOS, {0x55: 0x54, 256: 0}),
        ("u4", IP, socket.IP_TOS, {0x55: 0x55, 256: 0}),
        ("u4", IP, socket.IP_TTL, {0: "EINVAL", 1: 1, 255: 255, 256: "EINVAL", -1: 64}),
        ("u4", IP, socket.IP_MULTICAST_TTL, {0: 0, 255: 255, 256: "EINVAL", -1: 1}),
        ("u4", IP, socket.IP_MULTICAST_LOOP, {0: 0, 7: 1}),
        ("u4", IP, 10, {0: 0, 2: 2, 6: "EINVAL"}),
        ("u6", IPV6, socket.IPV6_UNICAST_HOPS, {-1: 64, 0: 0, 255: 255, 256: "EINVAL"}),
        ("u6", IPV6, socket.IPV6_UNICAST_HOPS, {-2: "EINVAL"}),
        ("u6", IPV6, socket.IPV6_TCLASS, {-1: 0, 255: 255, 256: "EINVAL"}),
        ("t6", IPV6, socket.IPV6_V6ONLY, {1: 1, 0: 0, 7: 1}),
        ("t4", SOL, socket.SO_REUSEPORT, {1: 1, 0: 0, 7: 1}),
        ("u4", SOL, socket.SO_BROADCAST, {1: 1, 0: 0, 7: 1}),
        ("t4", SOL, socket.SO_PRIORITY, {3: 3}),
        ("t4", SOL, socket.SO_SNDBUF, {65536: 131072}),
        ("t4", SOL, socket.SO_RCVBUF, {65536: 131072}),
    ):
        for value, expected in values.items():
            got = set_get(kind, level, name, value)
            assert got == expected, (kind, level, name, value, got)


def test_structures():
    s = sock("t4")
    for value in ((1, 0), (1, 5), (0, 5)):
        s.setsockopt(SOL, socket.SO_LINGER, struct.pack("ii", *value))
        assert struct.unpack("ii", s.getsockopt(SOL, socket.SO_LINGER, 8)) == value
    assert err(s.setsockopt, SOL, socket.SO_LINGER, 1) == "EINVAL"
    for name in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        s.setsockopt(SOL, name, struct.pack("qq", 3, 0))
        assert s.getsockopt(SOL, name, 16) == struct.pack("qq", 3, 0)
    rate = 47  # SO_MAX_PACING_RATE
    assert s.getsockopt(SOL, rate, 8) == b"\xff" * 8
    s.setsockopt(SOL, rate, struct.pack("Q", 1 << 33))
    assert s.getsockopt(SOL, rate, 8) == struct.pack("Q", 1 << 33)
    s.setsockopt(SOL, rate, 1000)
    assert s.getsockopt(SOL, rate) == 1000


def test_keys_of_fast_open():
    """TCP_FASTOPEN_KEY: one key or two, and only what was set; who is accepted has none."""
    key = 33
    one, two = bytes(range(16)), bytes(range(32))
    s = listener()
    assert s.getsockopt(TCP, key, 64) == b""
    for wrong in (0, 3, 15, 17, 31, 33, 64):
        assert err(s.setsockopt, TCP, key, bytes(wrong)) == "EINVAL", wrong
    for keys in (one, two, one):
        s.setsockopt(TCP, key, keys)
        for length in (3, 16, 20, 32, 64):
            assert s.getsockopt(TCP, key, length) == keys[:length], (keys, length)
    c = socket.create_connection(s.getsockname())
    a, _ = s.accept()
    assert a.getsockopt(TCP, key, 64) == b""
    c.setsockopt(TCP, key, two)
    assert c.getsockopt(TCP, key, 64) == two
    with sock("u4") as u:
        assert err(u.setsockopt, TCP, key, one) in ("ENOPROTOOPT", "EOPNOTSUPP")


def test_lengths():
    s = sock("t4")
    for level, name in ((TCP, socket.TCP_NODELAY), (TCP, socket.TCP_KEEPIDLE),
                        (SOL, socket.SO_REUSEADDR), (SOL, socket.SO_REUSEPORT)):
        for short in (b"", b"\1", b"\1\0\0"):
            assert err(s.setsockopt, level, name, short) == "EINVAL", (level, name, short)
        s.setsockopt(level, name, struct.pack("ii", 1, 77))
        for length in (1, 2, 3, 4, 8):
            got = s.getsockopt(level, name, length)
            assert got == struct.pack("i", 1)[:length], (level, name, got)
    # At IPPROTO_IP a byte will do.
    for short in (b"\7", b"\7\1\1"):
        s.setsockopt(IP, socket.IP_TTL, short)
        assert s.getsockopt(IP, socket.IP_TTL) == 7
    assert err(s.setsockopt, IP, socket.IP_TTL, b"") == "EINVAL"
    assert [len(s.getsockopt(IP, socket.IP_TTL, n)) for n in (1, 3, 4, 8)] == [1, 1, 4, 4]
    six = sock("t6")
    assert err(six.setsockopt, IPV6, socket.IPV6_V6ONLY, b"\1") == "EINVAL"


def test_bad_pointers():
    s = sock("t4")
    bad, four = ctypes.c_void_p(8), ctypes.c_uint(4)
    for level, name in ((SOL, socket.SO_TYPE), (TCP, socket.TCP_NODELAY), (IP, socket.IP_TTL),
                        (SOL, socket.SO_REUSEPORT), (TCP, socket.TCP_KEEPIDLE)):
        for call in (lambda: libc.getsockopt(s.fileno(), level, name, bad, ctypes.byref(four)),
                     lambda: libc.getsockopt(s.fileno(), level, name, ctypes.byref(four), bad),
                     lambda: libc.setsockopt(s.fileno(), level, name, bad, 4)):
            if name == socket.SO_TYPE and call() == -1 and ctypes.get_errno() == errno.ENOPROTOOPT:
                continue
            assert call() == -1 and ctypes.get_errno() == errno.EFAULT, (level, name)


def test_levels_of_other_protocols():
    for kind, level, name, got, put in (
        ("u4", TCP, socket.TCP_NODELAY, "ENOTSUP", "ENOPROTOOPT"),
        ("u6", TCP, socket.TCP_NODELAY, "ENOPROTOOPT", "ENOPROTOOPT"),
        ("t4", IPV6, socket.IPV6_V6ONLY, "ENOTSUP", "ENOPROTOOPT"),
        ("t4", UDP, 1, "ENOTSUP", "ENOPROTOOPT"),
        ("t6", UDP, 1, "ENOPROTOOPT", "ENOPROTOOPT"),
        ("t4", SOL, 200, "ENOPROTOOPT", "ENOPROTOOPT"),
        ("t4", TCP, 200, "ENOPROTOOPT", "ENOPROTOOPT"),
        ("t4", IP, 55, "ENOPROTOOPT", "ENOPROTOOPT"),
        ("t6", IPV6, 99, "ENOPROTOOPT", "ENOPROTOOPT"),
    ):
        s = sock(kind)
        assert err(s.getsockopt, level, name) == got, (kind, level, name)
        assert err(s.setsockopt, level, name, 1) == put, (kind, level, name)


def test_congestion_control():
    s = sock("t4")
    assert len(s.getsockopt(TCP, socket.TCP_CONGESTION, 32)) == 16
    s.setsockopt(TCP, socket.TCP_CONGESTION, b"reno")
    assert s.getsockopt(TCP, socket.TCP_CONGESTION, 32).rstrip(b"\0") == b"reno"
    assert s.getsockopt(TCP, socket.TCP_CONGESTION, 3) == b"ren"
    assert err(s.setsockopt, TCP, socket.TCP_CONGESTION, b"nonesuch") == "ENOENT"
    assert err(s.setsockopt, TCP, socket.TCP_CONGESTION, b"") == "EINVAL"
    assert err(s.setsockopt, TCP, socket.TCP_ULP if hasattr(socket, "TCP_ULP") else 31,
               b"nonesuch") == "ENOENT"


def test_v6only_before_bind_alone():
    s = sock("t6")
    s.bind(("::1", 0))
    assert err(s.setsockopt, IPV6, socket.IPV6_V6ONLY, 1) == "EINVAL"


def test_what_accepted_sockets_inherit():
    server = listener()
    ints = {(TCP, socket.TCP_NODELAY): 1, (TCP, socket.TCP_CORK): 1, (TCP, socket.TCP_KEEPIDLE): 77,
            (TCP, socket.TCP_KEEPINTVL): 7, (TCP, socket.TCP_KEEPCNT): 3,
            (TCP, socket.TCP_USER_TIMEOUT): 99, (TCP, socket.TCP_SYNCNT): 3,
            (IP, socket.IP_TOS): 8, (IP, socket.IP_TTL): 9, (SOL, socket.SO_KEEPALIVE): 1,
            (SOL, socket.SO_PRIORITY): 4}
    for (level, name), value in ints.items():
        server.setsockopt(level, name, value)
    server.setsockopt(TCP, socket.TCP_CONGESTION, b"reno")
    server.setsockopt(SOL, socket.SO_LINGER, struct.pack("ii", 1, 3))
    client = socket.create_connection(server.getsockname(), LIMIT)
    accepted, _ = server.accept()
    for (level, name), value in ints.items():
        if name != socket.SO_PRIORITY:
            assert accepted.getsockopt(level, name) == value, (level, name)
            assert client.getsockopt(level, name) != value, (level, name)
    assert accepted.getsockopt(TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"reno"
    assert accepted.getsockopt(SOL, socket.SO_LINGER, 8) == struct.pack("ii", 1, 3)


def test_options_outlive_connect():
    for kind, level, name, value in (("t4", TCP, socket.TCP_KEEPIDLE, 55), ("t4", IP, 2, 9),
                                     ("t4", TCP, socket.TCP_NODELAY, 1)):
        server, s = listener(), sock(kind)
        s.setsockopt(level, name, value)
        s.bind(("127.0.0.1", 0))
        s.connect(server.getsockname())
        assert s.getsockopt(level, name) == value
        s.setsockopt(level, name, value)
    s = sock("u4")
    s.setsockopt(IP, 2, 9)
    s.connect(("127.0.0.1", 9))
    assert s.getsockopt(IP, 2) == 9 and s.getpeername() == ("127.0.0.1", 9)
    s.setsockopt(IP, 2, 8)
    assert s.getsockopt(IP, 2) == 8 and s.getpeername() == ("127.0.0.1", 9)


def test_tcp_info():
    TCP_ESTABLISHED, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_LISTEN = 1, 7, 8, 10
    state = lambda s: s.getsockopt(TCP, socket.TCP_INFO, 512)[0]
    assert state(sock("t4")) == TCP_CLOSE and state(listener()) == TCP_LISTEN
    client, accepted = pair()
    info = client.getsockopt(TCP, socket.TCP_INFO, 512)
    assert len(info) >= 232 and info[0] == TCP_ESTABLISHED == state(accepted)
    words = struct.unpack("24I", info[8:104])
    rto, snd_mss, pmtu, rtt, cwnd = words[0], words[2], words[13], words[15], words[18]
    assert rto >= 200_000 and snd_mss > 500 and pmtu == 65535 and rtt > 0 and cwnd >= 2
    assert len(client.getsockopt(TCP, socket.TCP_INFO, 5)) == 5
    assert client.getsockopt(TCP, socket.TCP_MAXSEG) > 500
    client.close()
    until(lambda: state(accepted) == TCP_CLOSE_WAIT, "CLOSE-WAIT")


def test_mtu_of_the_path():
    s = sock("u4")
    assert err(s.getsockopt, IP, 14) == "ENOTCONN"  # IP_MTU
    s.connect(("127.0.0.1", 9))
    assert s.getsockopt(IP, 14) == 65535


run(globals())
