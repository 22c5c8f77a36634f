"""Groups and broadcasts among the sockets of one host: groups.py OWN4 OWN6 BROADCAST

Every statement here holds on Linux. Silence is shown by what comes next, not by waiting."""
import errno
import socket
import struct
import sys

own4, own6, everybody = sys.argv[1:4]
ONE, TWO = "224.1.1.1", "224.1.1.2"
SIX_ONE, SIX_TWO = "ff15::1", "ff15::2"
PORT = 5007
MULTICAST_ALL = 49
MULTICAST_ALL_6 = 29


def fails(name, call, *args):
    try:
        call(*args)
    except OSError as error:
        got = errno.errorcode[error.errno]
        assert got == name, f"{got} instead of {name}"
    else:
        raise AssertionError(f"no {name}")


def bound(family, port=PORT):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("", port))
    return s


def member(group, interface=own4):
    return socket.inet_aton(group) + socket.inet_aton(interface)


def member6(group):
    return socket.inet_pton(socket.AF_INET6, group) + struct.pack("I", 0)


def four():
    ip = socket.IPPROTO_IP
    a, b, c = (bound(socket.AF_INET) for _ in range(3))
    for s in (a, b):
        s.setsockopt(ip, socket.IP_ADD_MEMBERSHIP, member(ONE))
    fails("EADDRINUSE", a.setsockopt, ip, socket.IP_ADD_MEMBERSHIP, member(ONE))
    fails("EADDRNOTAVAIL", a.setsockopt, ip, socket.IP_DROP_MEMBERSHIP, member(TWO))
    fails("EINVAL", a.setsockopt, ip, socket.IP_ADD_MEMBERSHIP, member("10.9.9.9"))
    fails("ENODEV", a.setsockopt, ip, socket.IP_ADD_MEMBERSHIP, member(TWO, "192.0.2.1"))
    fails("EINVAL", a.setsockopt, ip, socket.IP_ADD_MEMBERSHIP, b"1234")
    stream = socket.socket()
    fails("EPROTO", stream.setsockopt, ip, socket.IP_ADD_MEMBERSHIP, member(ONE))
    # c is in another group, and wants no others.
    c.setsockopt(ip, MULTICAST_ALL, 0)
    c.setsockopt(ip, socket.IP_ADD_MEMBERSHIP, member(TWO))

    tx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tx.setsockopt(ip, socket.IP_MULTICAST_IF, socket.inet_aton(own4))
    assert tx.sendto(b"one", (ONE, PORT)) == 3
    source = (own4, tx.getsockname()[1])
    for s in (a, b):
        assert s.recvfrom(100) == (b"one", source)
    tx.setsockopt(ip, socket.IP_MULTICAST_LOOP, 0)
    tx.sendto(b"not for us", (ONE, PORT))
    tx.setsockopt(ip, socket.IP_MULTICAST_LOOP, 1)
    tx.setsockopt(ip, socket.IP_MULTICAST_TTL, 0)
    tx.sendto(b"two", (ONE, PORT))
    tx.sendto(b"three", (TWO, PORT))
    assert c.recvfrom(100) == (b"three", source)
    for s in (a, b):
        # Whoever is bound to the port gets what anybody has joined.
        assert [s.recv(100), s.recv(100)] == [b"two", b"three"]
    # Larger than a packet.
    tx.sendto(b"x" * 5000, (ONE, PORT))
    assert len(a.recv(9000)) == len(b.recv(9000)) == 5000

    a.setsockopt(ip, MULTICAST_ALL, 0)
    a.setsockopt(ip, socket.IP_DROP_MEMBERSHIP, member(ONE))
    a.setsockopt(ip, socket.IP_ADD_MEMBERSHIP, member(TWO))
    tx.sendto(b"five", (ONE, PORT))
    tx.sendto(b"six", (TWO, PORT))
    assert a.recv(100) == b"six"
    assert b.recv(100) == b"five"
    # One that is bound to the group gets nothing else; one that is connected sends to it.
    d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    d.settimeout(10)
    d.bind((TWO, PORT + 1))
    d.setsockopt(ip, socket.IP_ADD_MEMBERSHIP, member(TWO))
    tx.connect((TWO, PORT + 1))
    tx.send(b"seven")
    assert d.recvfrom(100) == (b"seven", source)


def six():
    ip6 = socket.IPPROTO_IPV6
    a, b = bound(socket.AF_INET6), bound(socket.AF_INET6)
    for s in (a, b):
        s.setsockopt(ip6, socket.IPV6_JOIN_GROUP, member6(SIX_ONE))
    fails("EADDRINUSE", a.setsockopt, ip6, socket.IPV6_JOIN_GROUP, member6(SIX_ONE))
    fails("EADDRNOTAVAIL", a.setsockopt, ip6, socket.IPV6_LEAVE_GROUP, member6(SIX_TWO))
    fails("EINVAL", a.setsockopt, ip6, socket.IPV6_JOIN_GROUP, member6("fd00::1"))
    tx = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    tx.bind((own6, 0))
    tx.sendto(b"one", (SIX_ONE, PORT))
    for s in (a, b):
        data, address = s.recvfrom(100)
        assert (data, address[:2]) == (b"one", tx.getsockname()[:2])
    a.setsockopt(ip6, MULTICAST_ALL_6, 0)
    a.setsockopt(ip6, socket.IPV6_LEAVE_GROUP, member6(SIX_ONE))
    a.setsockopt(ip6, socket.IPV6_JOIN_GROUP, member6(SIX_TWO))
    tx.sendto(b"two", (SIX_ONE, PORT))
    tx.sendto(b"three", (SIX_TWO, PORT))
    assert a.recv(100) == b"three"
    assert b.recv(100) == b"two"


def broadcast():
    a, b = bound(socket.AF_INET, PORT + 2), bound(socket.AF_INET, PORT + 2)
    tx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fails("EACCES", tx.sendto, b"x", (everybody, PORT + 2))
    tx.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    tx.sendto(b"all", (everybody, PORT + 2))
    for s in (a, b):
        assert s.recvfrom(100) == (b"all", (own4, tx.getsockname()[1]))


four()
six()
broadcast()
print("all as on Linux")
