"""What goes with datagrams: TTL, TOS, addresses, segments, errors; and ICMP sockets."""
from checks import *
from socket import IPPROTO_IP as IP, IPPROTO_IPV6 as IP6, IPPROTO_UDP as UDP, SOL_SOCKET

IP_TOS, IP_TTL, IP_PKTINFO, IP_MTU_DISCOVER = 1, 2, 8, 10
IP_RECVERR, IP_RECVTTL, IP_RECVTOS = 11, 12, 13
IP_RECVORIGDSTADDR, IPV6_RECVORIGDSTADDR, IPV6_RECVERR = 20, 74, 25
UDP_SEGMENT, UDP_GRO, UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX = 103, 104, 101, 102
MSG_ERRQUEUE = 0x2000
INT, HERE4, HERE6 = struct.Struct("=i").pack, socket.inet_aton("127.0.0.1"), bytes(15) + b"\1"


def udp(family=socket.AF_INET, bound=None, *options):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(LIMIT)
    for option in options:
        s.setsockopt(*option)
    if bound is not None:
        s.bind((bound, 0))
    return s


def received(s, room=1000):
    data, control, shown, address = s.recvmsg(70000, room)
    return data, {(level, kind): value for level, kind, value in control}, address


def dead(family=socket.AF_INET, host="127.0.0.1"):
    with udp(family, host) as s:
        return s.getsockname()


def test_ttl_and_tos_of_the_socket():
    server = udp(socket.AF_INET, "127.0.0.1", (IP, IP_RECVTTL, 1), (IP, IP_RECVTOS, 1))
    client = udp()
    for connected in (False, True):
        for ttl, tos in ((64, 0), (3, 0), (255, 0xb8), (64, 2)):
            client.setsockopt(IP, IP_TTL, ttl)
            client.setsockopt(IP, IP_TOS, tos)
            client.send(b"x") if connected else client.sendto(b"x", server.getsockname())
            data, told, address = received(server)
            assert (data, address) == (b"x", ("127.0.0.1", client.getsockname()[1]))
            assert told == {(IP, IP_TTL): INT(ttl), (IP, IP_TOS): bytes([tos])}, told
        client.connect(server.getsockname())
    # Who does not ask is not told, and reads the same.
    client.setsockopt(IP, IP_TTL, 9)
    other = udp(socket.AF_INET, "127.0.0.1")
    for read in (lambda: other.recv(9), lambda: other.recvfrom(9)[0], lambda: other.recvmsg(9)[0],
                 lambda: os.read(other.fileno(), 9)):
        client.sendto(b"y", other.getsockname())
        assert read() == b"y"
    client.sendto(b"y", other.getsockname())
    assert other.recvmsg(9, 1000)[1:3] == ([], 0)


def test_ttl_and_tos_of_one_datagram():
    server = udp(socket.AF_INET, "127.0.0.1", (IP, IP_RECVTTL, 1), (IP, IP_RECVTOS, 1))
    client = udp()
    for control, told in (([(IP, IP_TTL, INT(7))], (7, 0)), ([(IP, IP_TOS, INT(8))], (64, 8)),
                          ([(IP, IP_TOS, b"\4"), (IP, IP_TTL, INT(1))], (1, 4)), ([], (64, 0))):
        client.sendmsg([b"x"], control, 0, server.getsockname())
        assert received(server)[1] == {(IP, IP_TTL): INT(told[0]), (IP, IP_TOS): bytes([told[1]])}
    for kind, value in ((IP_TTL, INT(0)), (IP_TTL, INT(256)), (IP_TTL, b"\1"), (IP_TOS, INT(256)),
                        (99, INT(1))):
        wrong = err(client.sendmsg, [b"x"], [(IP, kind, value)], 0, server.getsockname())
        assert wrong == "EINVAL", (kind, value, wrong)


def test_hop_limit_and_traffic_class():
    asks = (IP6, socket.IPV6_RECVHOPLIMIT, 1), (IP6, socket.IPV6_RECVTCLASS, 1)
    server, client = udp(socket.AF_INET6, "::1", *asks), udp(socket.AF_INET6)
    hops, tclass = (IP6, socket.IPV6_HOPLIMIT), (IP6, socket.IPV6_TCLASS)
    client.setsockopt(IP6, socket.IPV6_UNICAST_HOPS, 5)
    client.setsockopt(*tclass, 0x12)
    for control, told in (([], (5, 0x12)), ([(*hops, INT(9))], (9, 0x12)),
                          ([(*tclass, INT(1)), (*hops, INT(-1))], (5, 1))):
        client.sendmsg([b"x"], control, 0, server.getsockname())
        assert received(server)[1] == {hops: INT(told[0]), tclass: INT(told[1])}
    for kind, value in ((hops, 256), (hops, -2), (tclass, 256)):
        control = [(*kind, INT(value))]
        assert err(client.sendmsg, [b"x"], control, 0, server.getsockname()) == "EINVAL"


def test_original_destination():
    server = udp(socket.AF_INET, "", (IP, IP_RECVORIGDSTADDR, 1), (IP, IP_PKTINFO, 1))
    port = server.getsockname()[1]
    client = udp()
    client.sendto(b"x", ("127.0.0.1", port))
    told = received(server)[1]
    original = told[IP, IP_RECVORIGDSTADDR]
    assert original[:8] == struct.pack("=H", socket.AF_INET) + port.to_bytes(2, "big") + HERE4
    assert list(told) == [(IP, IP_PKTINFO), (IP, IP_RECVORIGDSTADDR)]


def test_timestamps():
    for option, form in ((29, "qq"), (35, "qq")):  # SO_TIMESTAMP, SO_TIMESTAMPNS
        server = udp(socket.AF_INET, "127.0.0.1", (SOL_SOCKET, option, 1))
        udp().sendto(b"x", server.getsockname())
        told = received(server)[1]
        assert list(told) == [(SOL_SOCKET, option)], told
        seconds = struct.unpack(form, told[SOL_SOCKET, option])[0]
        assert abs(seconds - time.time()) < 60
        assert server.getsockopt(SOL_SOCKET, option) == 1


def extended_error(control):
    (level, kind, value), = control
    code = struct.unpack("=IBBBBII", value[:16])
    return (level, kind), code, value[16:]


def test_error_queue():
    for connected in (True, False):
        s = udp(socket.AF_INET, None, (IP, IP_RECVERR, 1))
        where = dead()
        s.settimeout(None)
        assert err(s.recvmsg, 100, 500, MSG_ERRQUEUE) == "EAGAIN"
        if connected:
            s.connect(where)
            s.send(b"anybody there?")
        else:
            s.sendto(b"anybody there?", where)
        until(lambda: flags(s) != "OUT", "the error")
        assert "ERR" in flags(s)
        assert err(s.recv, 100) == "ECONNREFUSED"
        assert flags(s) == "OUT|ERR"  # as long as the queue has something
        assert err(s.recv, 100, socket.MSG_DONTWAIT) == "EAGAIN"
        data, control, shown, address = s.recvmsg(100, 500, MSG_ERRQUEUE)
        assert (data, address, shown & ~0x20) == (b"anybody there?", where, MSG_ERRQUEUE)
        which, code, offender = extended_error(control)
        assert which == (IP, IP_RECVERR)
        assert code == (errno.ECONNREFUSED, 2, 3, 3, 0, 0, 0)
        assert offender[:8] == struct.pack("=HH4s", socket.AF_INET, 0, HERE4)
        assert err(s.recvmsg, 100, 500, MSG_ERRQUEUE) == "EAGAIN"
        assert flags(s) == "OUT"


def test_reading_the_queue_takes_the_error():
    s = udp(socket.AF_INET, None, (IP, IP_RECVERR, 1))
    s.connect(dead())
    s.send(b"x")
    until(lambda: "ERR" in flags(s), "POLLERR")
    data, control, shown, address = s.recvmsg(0, 0, MSG_ERRQUEUE)
    assert data == b"" and shown & socket.MSG_TRUNC and shown & socket.MSG_CTRUNC
    s.setblocking(False)
    assert err(s.recv, 10) == "EAGAIN"
    assert s.getsockopt(SOL_SOCKET, socket.SO_ERROR) == 0


def test_error_queue_of_v6():
    s = udp(socket.AF_INET6, None, (IP6, IPV6_RECVERR, 1))
    where = dead(socket.AF_INET6, "::1")
    s.sendto(b"x", where)
    until(lambda: "ERR" in flags(s), "POLLERR")
    data, control, shown, address = s.recvmsg(100, 500, MSG_ERRQUEUE)
    assert (data, address[:2]) == (b"x", where[:2])
    which, code, offender = extended_error(control)
    assert which == (IP6, IPV6_RECVERR)
    assert code == (errno.ECONNREFUSED, 3, 1, 4, 0, 0, 0)
    assert offender[:2] == struct.pack("=H", socket.AF_INET6) and offender[8:24] == HERE6


def test_segments():
    server, client = udp(bound="127.0.0.1"), udp()
    where = server.getsockname()
    control = [(UDP, UDP_SEGMENT, struct.pack("=H", 1000))]
    for size, pieces in ((3500, [1000, 1000, 1000, 500]), (1000, [1000]), (10, [10])):
        data = os.urandom(size)
        assert client.sendmsg([data[:7], data[7:]], control, 0, where) == size
        got = [server.recv(70000) for _ in pieces]
        assert [len(piece) for piece in got] == pieces and b"".join(got) == data
    client.connect(where)
    client.setsockopt(UDP, UDP_SEGMENT, 600)
    assert client.getsockopt(UDP, UDP_SEGMENT) == 600
    assert client.send(bytes(1201)) == 1201
    assert [len(server.recv(2000)) for _ in range(3)] == [600, 600, 1]
    assert err(client.send, bytes(600 * 128 + 1)) in ("EINVAL", "EMSGSIZE")
    client.setsockopt(UDP, UDP_SEGMENT, 100)
    assert err(client.send, bytes(12801)) == "EINVAL"
    for value in (-1, 65536):
        assert err(client.setsockopt, UDP, UDP_SEGMENT, value) == "EINVAL"
    client.setsockopt(UDP, UDP_SEGMENT, 0)
    assert client.send(bytes(3000)) == 3000
    assert len(server.recv(4000)) == 3000
    server.setblocking(False)
    assert err(server.recv, 10) == "EAGAIN"
    wrong = [(UDP, UDP_SEGMENT, INT(1000))]
    assert err(client.sendmsg, [bytes(5000)], wrong, 0, where) == "EINVAL"


def test_a_group_shares_by_hash():
    group = []
    for _ in range(4):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(group[0].getsockname() if group else ("127.0.0.1", 0))
        group.append(s)
    chosen = []
    for _ in range(60):
        client, who = udp(), set()
        for n in range(3):
            client.sendto(b"%d" % n, group[0].getsockname())
            ready, _, _ = select.select(group, [], [], LIMIT)
            assert len(ready) == 1 and ready[0].recv(9) == b"%d" % n
            who.add(group.index(ready[0]))
        # The same two ends, the same member.
        assert len(who) == 1, who
        chosen += who
    assert set(chosen) == {0, 1, 2, 3}, chosen
    assert max(chosen.count(n) for n in range(4)) < 40


def test_udp_options():
    s = udp(socket.AF_INET6)
    for name in (UDP_GRO, UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX):
        assert s.getsockopt(UDP, name) == 0
        s.setsockopt(UDP, name, 1)
        assert s.getsockopt(UDP, name) == 1
    assert err(s.getsockopt, UDP, 77) == err(s.setsockopt, UDP, 77, 1) == "ENOPROTOOPT"
    # With GRO a datagram that comes alone is told of as before.
    server, client = udp(socket.AF_INET, "127.0.0.1", (UDP, UDP_GRO, 1)), udp()
    client.sendto(b"alone", server.getsockname())
    assert received(server)[:2] == (b"alone", {})


def test_no_checksum_and_no_cutting():
    server, client = udp(bound="127.0.0.1"), udp()
    client.setsockopt(SOL_SOCKET, 11, 1)  # SO_NO_CHECK
    client.setsockopt(IP, IP_MTU_DISCOVER, 2)  # IP_PMTUDISC_DO
    assert client.getsockopt(SOL_SOCKET, 11) == 1
    assert client.getsockopt(IP, IP_MTU_DISCOVER) == 2
    for size in (0, 1, 65507):
        client.sendto(bytes(size), server.getsockname())
        assert len(server.recv(70000)) == size


def echo(family=socket.AF_INET, kind=socket.SOCK_DGRAM):
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    s = socket.socket(family, kind, protocol)
    s.settimeout(LIMIT)
    return s


def open_echo_sockets():
    """On the kernel it takes this to use them."""
    try:
        with open("/proc/sys/net/ipv4/ping_group_range", "w") as f:
            f.write("0 2147483647")
    except OSError:
        pass


def test_echo():
    open_echo_sockets()
    for family, host, request, reply in ((socket.AF_INET, "127.0.0.1", 8, 0),
                                         (socket.AF_INET, "127.3.2.1", 8, 0),
                                         (socket.AF_INET6, "::1", 128, 129)):
        s = echo(family)
        assert s.type == socket.SOCK_DGRAM and s.proto in (socket.IPPROTO_ICMP, 58)
        for connected in (False, True):
            for size in (0, 56, 3000, 20000):
                data = os.urandom(size)
                # The identifier and the checksum are the socket's business.
                message = struct.pack("!BBHHH", request, 0, 0, 4711, 99) + data
                if connected:
                    assert s.send(message) == len(message)
                else:
                    assert s.sendto(message, (host, 0)) == len(message)
                answer, address = s.recvfrom(70000)
                kind, code, checksum, number, sequence = struct.unpack("!BBHHH", answer[:8])
                assert (kind, code, sequence, answer[8:]) == (reply, 0, 99, data)
                assert number == s.getsockname()[1] != 0
                assert address[:2] == (host, 0), address
                if family == socket.AF_INET:
                    padded = answer + b"\0" * (size % 2)
                    words = struct.unpack(f"!{len(padded) // 2}H", padded)
                    assert sum(words) % 0xffff == 0
            s.connect((host, 0))


def test_what_an_echo_socket_refuses():
    open_echo_sockets()
    s = echo()
    where = ("127.0.0.1", 0)
    assert err(s.sendto, bytes(7), where) == "EINVAL"
    assert err(s.sendto, struct.pack("!BBHHH", 0, 0, 0, 0, 0), where) == "EINVAL"
    assert err(s.sendto, struct.pack("!BBHHH", 8, 1, 0, 0, 0), where) == "EINVAL"
    assert err(s.send, struct.pack("!BBHHH", 8, 0, 0, 0, 0)) == "EDESTADDRREQ"
    assert err(s.sendto, struct.pack("!BBHHH", 8, 0, 0, 0, 0) + bytes(65528), where) == "EMSGSIZE"
    s = echo()
    s.bind(("127.0.0.1", 4321))
    assert s.getsockname() == ("127.0.0.1", 4321)
    # Several may have one identifier.
    echo().bind(("127.0.0.1", 4321))
    # A UDP socket has ports of its own.
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", 4321))
    assert err(echo(socket.AF_INET6).setsockopt, UDP, UDP_SEGMENT, 5) == "ENOPROTOOPT"
    assert err(socket.socket, socket.AF_INET, socket.SOCK_DGRAM, 58) == "EPROTONOSUPPORT"


def test_ttl_of_a_reply():
    open_echo_sockets()
    s = echo()
    s.setsockopt(IP, IP_RECVTTL, 1)
    s.setsockopt(SOL_SOCKET, 29, 1)
    s.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 1), ("127.0.0.1", 0))
    told = received(s)[1]
    assert list(told) == [(SOL_SOCKET, 29), (IP, IP_TTL)] and told[IP, IP_TTL] == INT(64)


def test_raw_icmp():
    if os.geteuid() != 0:
        return
    s = echo(kind=socket.SOCK_RAW)
    assert s.type == socket.SOCK_RAW
    message = struct.pack("!BBHHH", 8, 0, 0xe642, 0x1234, 0x0187) + b"data" * 2
    body = message[:2] + b"\0\0" + message[4:]
    words = sum(struct.unpack(f"!{len(body) // 2}H", body))
    checksum = ~((words & 0xffff) + (words >> 16)) & 0xffff
    message = body[:2] + checksum.to_bytes(2, "big") + body[4:]
    s.sendto(message, ("127.0.0.1", 0))
    packets = [s.recvfrom(1000) for _ in range(2)]
    assert all(address == ("127.0.0.1", 0) for _, address in packets)
    for packet, _ in packets:
        assert packet[0] == 0x45 and packet[9] == 1 and packet[12:20] == HERE4 * 2
    request, reply = (packet[20:] for packet, _ in packets)
    assert request == message
    assert (reply[0], reply[4:]) == (0, message[4:])
    # ICMP_FILTER: requests are not to be seen any more.
    s.setsockopt(255, 1, struct.pack("=I", 1 << 8))
    s.sendto(message, ("127.0.0.1", 0))
    assert s.recv(1000)[20] == 0


def test_a_negative_length_of_the_name():
    class Header(ctypes.Structure):
        _fields_ = [
            ("name", ctypes.c_void_p),
            ("name_len", ctypes.c_int),
            ("iov", ctypes.c_void_p),
            ("iov_len", ctypes.c_size_t),
            ("control", ctypes.c_void_p),
            ("control_len", ctypes.c_size_t),
            ("flags", ctypes.c_int),
        ]

    listener = socket.create_server(("127.0.0.1", 0))
    stream = socket.create_connection(listener.getsockname())
    datagram = socket.socket(type=socket.SOCK_DGRAM)
    datagram.bind(("127.0.0.1", 0))
    room = ctypes.create_string_buffer(128)
    for sock in (stream, datagram):
        header = Header(ctypes.addressof(room), -1, None, 0, None, 0, 0)
        for call in (libc.sendmsg, libc.recvmsg):
            got = call(sock.fileno(), ctypes.byref(header), socket.MSG_DONTWAIT)
            assert (got, ctypes.get_errno()) == (-1, errno.EINVAL), (call, sock)


run(globals())
