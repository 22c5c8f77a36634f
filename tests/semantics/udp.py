"""Datagrams: addresses, connecting, errors that come late, sizes, sharing of addresses."""
from checks import *
import threading

V4, V6 = (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")


def udp(family=socket.AF_INET, bound=None, reuse=False):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(LIMIT)
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if bound is not None:
        s.bind((bound, 0) if isinstance(bound, str) else bound)
    return s


def dead(family=socket.AF_INET, host="127.0.0.1"):
    with udp(family, host) as s:
        return s.getsockname()


def disconnect(s):
    assert libc.connect(s.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16) == 0


def test_question_and_answer():
    for family, host in (V4, V6):
        server, client = udp(family, host), udp(family)
        assert client.getsockname()[1] == 0
        assert client.sendto(b"question", server.getsockname()) == 8
        data, address = server.recvfrom(100)
        assert data == b"question" and address[0] == host
        assert address[1] == client.getsockname()[1] > 0
        server.sendto(b"answer", address)
        assert client.recvfrom(100) == (b"answer", server.getsockname())


def test_wildcards():
    server = udp(bound="")
    port = server.getsockname()[1]
    assert server.getsockname() == ("0.0.0.0", port)
    for host in ("127.0.0.1", "127.1.2.3", "0.0.0.0", "localhost"):
        client = udp()
        client.sendto(b"x", (host, port))
        data, address = server.recvfrom(10)
        assert address == ("127.0.0.1", client.getsockname()[1]), address


def test_dual_stack():
    server = udp(socket.AF_INET6, "::")
    port = server.getsockname()[1]
    four, six = udp(), udp(socket.AF_INET6)
    four.sendto(b"4", ("127.0.0.1", port))
    data, address = server.recvfrom(10)
    assert address[:2] == ("::ffff:127.0.0.1", four.getsockname()[1])
    server.sendto(b"back", address)
    assert four.recvfrom(10) == (b"back", ("127.0.0.1", port))
    six.sendto(b"6", ("::1", port))
    assert server.recvfrom(10)[1][:2] == ("::1", six.getsockname()[1])


def test_v6only_and_mapped():
    only = udp(socket.AF_INET6)
    only.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    assert err(only.sendto, b"x", ("::ffff:127.0.0.1", 9)) == "ENETUNREACH"
    assert err(only.connect, ("::ffff:127.0.0.1", 9)) == "ENETUNREACH"
    specific = udp(socket.AF_INET6, "::1")
    assert err(specific.sendto, b"x", ("::ffff:127.0.0.1", 9)) == "ENETUNREACH"
    mapped = udp(socket.AF_INET6, "::ffff:127.0.0.1")
    assert mapped.getsockname()[0] == "::ffff:127.0.0.1"
    assert err(mapped.sendto, b"x", ("::1", 9)) == "EAFNOSUPPORT"
    server = udp(bound="127.0.0.1")
    mapped.sendto(b"m", ("::ffff:127.0.0.1", server.getsockname()[1]))
    assert server.recvfrom(10) == (b"m", ("127.0.0.1", mapped.getsockname()[1]))


def test_connected():
    server, client, other = udp(bound="127.0.0.1"), udp(), udp(bound="127.0.0.1")
    assert err(client.getpeername) == "ENOTCONN"
    client.connect(server.getsockname())
    assert client.getpeername() == server.getsockname()
    assert client.getsockname()[0] == "127.0.0.1"
    client.send(b"one")
    os.write(client.fileno(), b"two")
    assert server.recvfrom(10) == (b"one", client.getsockname())
    assert server.recv(10) == b"two"
    # Only the peer is heard; but others can be spoken to.
    other.sendto(b"stranger", client.getsockname())
    server.sendto(b"peer", client.getsockname())
    assert client.recvfrom(10) == (b"peer", server.getsockname())
    client.setblocking(False)
    assert err(client.recv, 10) == "EAGAIN"
    client.sendto(b"elsewhere", other.getsockname())
    assert other.recvfrom(10) == (b"elsewhere", client.getsockname())


def test_reconnect_and_disconnect():
    one, two, client = udp(bound="127.0.0.1"), udp(bound="127.0.0.1"), udp(bound="127.0.0.1")
    for server in (one, two, one):
        client.connect(server.getsockname())
        assert client.getpeername() == server.getsockname()
        client.send(b"x")
        assert server.recvfrom(10) == (b"x", client.getsockname())
    disconnect(client)
    assert err(client.getpeername) == "ENOTCONN"
    assert err(client.send, b"x") == "EDESTADDRREQ"


def test_both_connected():
    a, b = udp(bound="127.0.0.1"), udp(bound="127.0.0.1")
    a.connect(b.getsockname())
    b.connect(a.getsockname())
    for n in range(5):
        a.send(b"%d" % n)
        assert b.recv(10) == b"%d" % n
        b.send(b"%d!" % n)
        assert a.recv(10) == b"%d!" % n


def test_both_connected_before_the_other_is_there():
    where = dead()
    a = udp(bound="127.0.0.1")
    a.connect(where)
    b = udp(bound=where)
    b.connect(a.getsockname())
    b.send(b"first")
    assert a.recvfrom(10) == (b"first", where)
    a.send(b"second")
    assert b.recv(10) == b"second"


def test_to_oneself():
    s = udp(bound="127.0.0.1")
    s.sendto(b"me", s.getsockname())
    assert s.recvfrom(10) == (b"me", s.getsockname())
    s.connect(s.getsockname())
    s.send(b"again")
    assert s.recvfrom(10) == (b"again", s.getsockname())


def test_nobody_is_there():
    s = udp()
    for _ in range(3):
        assert s.sendto(b"lost", dead()) == 4
    s.connect(dead())
    assert s.send(b"first") == 5
    until(lambda: "ERR" in flags(s), "POLLERR")
    assert err(s.recv, 10) == "ECONNREFUSED"
    assert flags(s) == "OUT"
    s.send(b"second")
    until(lambda: "ERR" in flags(s), "POLLERR")
    assert err(s.send, b"third") == "ECONNREFUSED"
    s.send(b"fourth")
    until(lambda: "ERR" in flags(s), "POLLERR")
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_a_blocked_reader_hears_that_nobody_is_there():
    s = udp()
    s.connect(dead())
    s.settimeout(None)
    heard = []
    reader = threading.Thread(target=lambda: heard.append(err(s.recv, 10)), daemon=True)
    reader.start()
    while reader.is_alive():
        # Until the reader has slept once, the error may be ours.
        err(s.send, b"x")
        reader.join(0.05)
    assert heard == ["ECONNREFUSED"], heard


def test_server_goes_and_comes_back():
    server = udp(bound="127.0.0.1")
    where = server.getsockname()
    client = udp()
    client.connect(where)
    client.send(b"x")
    server.close()
    client.send(b"lost")
    until(lambda: "ERR" in flags(client), "POLLERR")
    assert err(client.recv, 10) == "ECONNREFUSED"
    server = udp(bound=where)
    client.send(b"found")
    assert server.recvfrom(10) == (b"found", client.getsockname())
    server.sendto(b"hello", client.getsockname())
    assert client.recv(10) == b"hello"


def test_sizes():
    for (family, host), largest in ((V4, 65507), (V6, 65527)):
        server, client = udp(family, host), udp(family)
        assert err(client.sendto, bytes(largest + 1), server.getsockname()) == "EMSGSIZE"
        data = os.urandom(largest)
        assert client.sendto(data, server.getsockname()) == largest
        assert server.recv(70000) == data
        client.connect(server.getsockname())
        assert err(client.send, bytes(largest + 1)) == "EMSGSIZE"
        assert client.send(b"") == 0
        assert server.recvfrom(10) == (b"", client.getsockname())


def test_a_small_send_buffer_sends_large_datagrams():
    server, client = udp(bound="127.0.0.1"), udp()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    assert client.sendto(bytes(50000), server.getsockname()) == 50000
    assert len(server.recv(65536)) == 50000


def test_truncation_and_peeking():
    server, client = udp(bound="127.0.0.1"), udp()
    for n in range(3):
        client.sendto(b"%d: longer than it may be" % n, server.getsockname())
    assert server.recv(2) == b"0:"
    assert server.recv(2, socket.MSG_PEEK) == b"1:"
    assert server.recv_into(bytearray(2), 2, socket.MSG_PEEK | socket.MSG_TRUNC) == 24
    data, control, shown, address = server.recvmsg(2)
    assert (data, shown & socket.MSG_TRUNC) == (b"1:", socket.MSG_TRUNC)
    assert address == ("127.0.0.1", client.getsockname()[1])
    assert server.recvmsg(100)[2] & socket.MSG_TRUNC == 0


def test_gather_and_scatter():
    server, client = udp(bound="127.0.0.1"), udp()
    assert client.sendmsg([b"ab", b"", b"cde"], [], 0, server.getsockname()) == 5
    one, two = bytearray(1), bytearray(10)
    assert server.recvmsg_into([one, two])[0] == 5
    assert (one, two[:4]) == (b"a", b"bcde")
    client.connect(server.getsockname())
    assert os.writev(client.fileno(), [b"x", b"yz"]) == 3
    assert os.readv(server.fileno(), [one, two]) == 3


def test_what_cannot_be_sent():
    s = udp()
    assert err(s.send, b"x") == "EDESTADDRREQ"
    assert err(os.write, s.fileno(), b"x") == "EDESTADDRREQ"
    assert err(s.sendto, b"x", ("127.0.0.1", 0)) == "EINVAL"
    assert err(s.sendto, b"x", socket.MSG_OOB, ("127.0.0.1", 9)) == "ENOTSUP"
    assert err(s.sendto, b"x", ("127.255.255.255", 9)) == "EACCES"
    assert err(s.connect, ("127.255.255.255", 9)) == "EACCES"
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    assert s.sendto(b"x", ("127.255.255.255", 9)) == 1
    s.settimeout(None)
    assert err(s.listen) == err(s.accept) == "ENOTSUP"
    assert err(udp().bind, ("192.0.2.1", 0)) == "EADDRNOTAVAIL"
    assert err(s.bind, ("127.0.0.1", 0)) == "EINVAL"


def test_addresses_of_the_wrong_kind():
    def sendto(s, raw):
        ctypes.set_errno(0)
        n = libc.sendto(s.fileno(), b"x", 1, 0, raw, len(raw))
        return n if n >= 0 else errno.errorcode[ctypes.get_errno()]

    server = udp(socket.AF_INET6, "::")
    port = server.getsockname()[1].to_bytes(2, "big")
    v4 = struct.pack("=H2s4s8x", socket.AF_INET, port, b"\x7f\0\0\1")
    v6 = struct.pack("=H2sI16sI", socket.AF_INET6, port, 0, bytes(15) + b"\1", 0)
    assert sendto(udp(), v6) == "EAFNOSUPPORT"
    assert sendto(udp(), v4[:8]) == "EINVAL"
    # A v6 socket takes a v4 address; and for a v4 socket AF_UNSPEC is AF_INET.
    assert sendto(udp(socket.AF_INET6), v4) == 1
    assert sendto(udp(), bytes(2) + v4[2:]) == 1
    assert server.recv(10) == server.recv(10) == b"x"


def test_bad_pointers():
    server, client = udp(bound="127.0.0.1"), udp()
    client.connect(server.getsockname())

    def fault(n):
        return n == -1 and ctypes.get_errno() == errno.EFAULT

    assert fault(libc.send(client.fileno(), ctypes.c_void_p(8), 5, 0))
    assert fault(libc.sendto(client.fileno(), b"x", 1, 0, ctypes.c_void_p(8), 16))
    client.send(b"x")
    select.select([server], [], [], LIMIT)
    assert fault(libc.recvfrom(server.fileno(), ctypes.c_void_p(8), 5, 0, None, None))
    assert fault(libc.recvmsg(server.fileno(), ctypes.c_void_p(8), 0))
    assert fault(libc.sendmsg(client.fileno(), ctypes.c_void_p(8), 0))


def test_conflicts():
    s = udp(bound="127.0.0.1")
    port = s.getsockname()[1]
    for host in ("127.0.0.1", ""):
        assert err(udp().bind, (host, port)) == "EADDRINUSE"
    assert err(udp(socket.AF_INET6).bind, ("::", port)) == "EADDRINUSE"
    udp().bind(("127.0.0.2", port))
    udp(socket.AF_INET6).bind(("::1", port))
    # TCP's ports are others.
    socket.socket().bind(("127.0.0.1", port))
    s.close()
    udp().bind(("127.0.0.1", port))


def test_shared_addresses():
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        group = []
        for _ in range(3):
            s = udp()
            s.setsockopt(socket.SOL_SOCKET, option, 1)
            s.bind(group[0].getsockname() if group else ("127.0.0.1", 0))
            group.append(s)
        assert err(udp().bind, group[0].getsockname()) == "EADDRINUSE"
        client = udp()
        client.sendto(b"one of you", group[0].getsockname())
        ready, _, _ = select.select(group, [], [], LIMIT)
        assert len(ready) == 1 and ready[0].recv(20) == b"one of you"


def test_a_server_that_connects_and_binds_again():
    # iperf3 and others: one socket a client, all with the server's address.
    server = udp(bound="127.0.0.1", reuse=True)
    where = server.getsockname()
    served = []
    for n in range(3):
        client = udp()
        client.connect(where)
        client.send(b"hello %d" % n)
        data, address = server.recvfrom(20)
        assert data == b"hello %d" % n and address == client.getsockname()
        server.connect(address)
        served.append((server, client))
        server = udp(reuse=True)
        server.bind(where)
    for n, (mine, client) in enumerate(served):
        mine.send(b"yours %d" % n)
        assert client.recvfrom(20) == (b"yours %d" % n, where)
        client.send(b"mine %d" % n)
        assert mine.recv(20) == b"mine %d" % n


def test_readiness():
    server, client = udp(bound="127.0.0.1"), udp()
    assert flags(server) == flags(client) == "OUT"
    poll = select.epoll()
    poll.register(server, select.EPOLLIN | select.EPOLLET)
    assert poll.poll(0) == []
    client.sendto(b"a", server.getsockname())
    assert poll.poll(LIMIT) == [(server.fileno(), select.EPOLLIN)]
    assert poll.poll(0) == []
    client.sendto(b"b", server.getsockname())
    assert poll.poll(LIMIT) == [(server.fileno(), select.EPOLLIN)]
    assert flags(server) == "IN|OUT"


def test_timeouts():
    s = udp(bound="127.0.0.1")
    s.settimeout(None)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, 20000))
    assert err(s.recv, 10) == "EAGAIN"
    assert err(s.recv, 10, socket.MSG_DONTWAIT) == "EAGAIN"
    assert err(s.recv, 10, 0x2000) == "EAGAIN"  # MSG_ERRQUEUE


def test_shutdown():
    server, s = udp(bound="127.0.0.1"), udp(bound="127.0.0.1")
    assert err(udp().shutdown, socket.SHUT_RDWR) == "ENOTCONN"
    s.connect(server.getsockname())
    s.shutdown(socket.SHUT_WR)
    assert err(s.send, b"x") == err(s.sendto, b"x", server.getsockname()) == "EPIPE"
    server.sendto(b"still heard", s.getsockname())
    assert s.recv(20) == b"still heard"
    assert err(s.shutdown, 7) == "EINVAL"


def test_shutdown_wakes_a_reader():
    s = udp(bound="127.0.0.1")
    s.settimeout(None)
    heard = []
    reader = threading.Thread(target=lambda: heard.append(err(s.recv, 10)), daemon=True)
    reader.start()
    while reader.is_alive():
        err(s.shutdown, socket.SHUT_RD)
        reader.join(0.05)
    assert heard == [b""], heard


def test_a_receiver_that_does_not_read_stops_nobody():
    server, client = udp(bound="127.0.0.1"), udp()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(None)
    for connected in (False, True):
        for _ in range(2000):
            assert client.sendto(bytes(1000), server.getsockname()) == 1000
        client.connect(server.getsockname())
    assert len(server.recv(2000)) == 1000


def test_packet_info():
    server, client = udp(), udp()
    server.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    server.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
    server.bind(("127.0.0.1", 0))
    client.sendto(b"x", server.getsockname())
    data, control, shown, address = server.recvmsg(10, 200)
    told = {(level, kind): value for level, kind, value in control}
    index, local, destination = struct.unpack("=i4s4s", told[0, 8])
    assert index == 1 and destination == socket.inet_aton("127.0.0.1") and shown == 0
    assert told[0, 2] == struct.pack("=i", 64)
    client.sendto(b"x", server.getsockname())
    assert server.recvmsg(10, 20)[2] & socket.MSG_CTRUNC
    six, client = udp(socket.AF_INET6), udp(socket.AF_INET6)
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    six.bind(("::", 0))
    client.sendto(b"x", ("::1", six.getsockname()[1]))
    (level, kind, value), = six.recvmsg(10, 200)[1]
    assert (level, kind) == (41, 50) and value[:16] == socket.inet_pton(socket.AF_INET6, "::1")
    # Sending with it chooses the source.
    info = [(socket.IPPROTO_IP, 8, struct.pack("=i4s4s", 0, socket.inet_aton("127.0.0.1"), b""))]
    client = udp()
    client.sendmsg([b"from"], info, 0, server.getsockname())
    assert server.recvmsg(10)[3][0] == "127.0.0.1"


class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_len", ctypes.c_uint), ("iov", ctypes.c_void_p),
                ("iov_len", ctypes.c_size_t), ("control", ctypes.c_void_p),
                ("control_len", ctypes.c_size_t), ("flags", ctypes.c_ulong), ("len", ctypes.c_uint)]


def test_many_at_once():
    server, client = udp(bound="127.0.0.1"), udp()
    client.connect(server.getsockname())
    texts = [ctypes.create_string_buffer(b"message %d" % n) for n in range(4)]
    vectors = [(ctypes.c_size_t * 2)(ctypes.addressof(t), 9) for t in texts]
    batch = (Message * 4)(*(Message(None, 0, ctypes.addressof(v), 1, None, 0, 0, 0)
                            for v in vectors))
    assert libc.sendmmsg(client.fileno(), batch, 4, 0) == 4
    assert [m.len for m in batch] == [9] * 4
    names = [ctypes.create_string_buffer(16) for _ in range(4)]
    for message, name in zip(batch, names):
        message.name, message.name_len = ctypes.addressof(name), 16
    assert libc.recvmmsg(server.fileno(), batch, 4, socket.MSG_DONTWAIT, None) == 4
    assert [m.len for m in batch] == [9] * 4 and {m.name_len for m in batch} == {16}
    port = client.getsockname()[1].to_bytes(2, "big")
    assert all(name.raw[2:8] == port + b"\x7f\0\0\1" for name in names)
    client.send(b"only one")
    select.select([server], [], [], LIMIT)
    MSG_WAITFORONE = 0x10000
    assert libc.recvmmsg(server.fileno(), batch, 4, MSG_WAITFORONE, None) == 1


def test_children_and_copies_share_it():
    server = udp(bound="127.0.0.1")
    where = server.getsockname()

    def child_part():
        data, address = server.recvfrom(10)
        assert data == b"question" and server.getsockname() == where
        socket.socket(fileno=os.dup(server.fileno())).sendto(b"answer", address)

    pid = child(child_part)
    client = udp()
    client.sendto(b"question", where)
    assert client.recvfrom(10) == (b"answer", where)
    succeeded(pid)


def test_first_to_speak_gets_a_port_of_the_dynamic_range():
    server, ports = udp(bound="127.0.0.1"), set()
    for _ in range(8):
        client = udp()
        client.sendto(b"x", server.getsockname())
        ports.add(server.recvfrom(10)[1][1])
    assert len(ports) > 4 and min(ports) >= 1024


def test_the_source_of_a_socket_of_both_families():
    """A v6 wildcard that speaks to a v4-mapped address speaks from 127.0.0.1, and so on; whether
    it is connected or not, and whatever the receiver is bound to."""
    for where in ("::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"):
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        server.bind((where, 0))
        server.settimeout(LIMIT)
        port = server.getsockname()[1]
        for bound in (None, ("::", 0)):
            client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            if bound:
                client.bind(bound)
            client.sendto(b"x", ("::ffff:127.0.0.1", port))
            assert server.recvfrom(9)[1][0] == "::ffff:127.0.0.1", where
            client.connect(("::ffff:127.0.0.1", port))
            client.send(b"y")
            data, source = server.recvfrom(9)
            assert (data, source[0]) == (b"y", "::ffff:127.0.0.1"), (where, source)
            server.sendto(b"z", source)
            client.settimeout(LIMIT)
            assert client.recv(9) == b"z"
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.bind(("::", 0))
    server.settimeout(LIMIT)
    client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    client.sendto(b"x", ("::1", server.getsockname()[1]))
    assert server.recvfrom(9)[1][0] == "::1"


run(globals())
