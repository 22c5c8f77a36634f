"""TCP_CONGESTION before and after connecting and by a listener, TCP_CC_INFO, and bytes that go on:
congestion.py listen|connect ADDRESS PORT"""
import errno, socket, struct, sys

TCP, NAME, CC_INFO = socket.IPPROTO_TCP, socket.TCP_CONGESTION, 26
SIZE = 60_000


def name(s):
    return s.getsockopt(TCP, NAME, 16).rstrip(b"\0").decode()


def refused(s, wanted):
    try:
        s.setsockopt(TCP, NAME, wanted)
    except OSError as e:
        return errno.errorcode[e.errno]
    return "taken"


def read(s, wanted):
    got = 0
    while got < wanted:
        piece = s.recv(wanted - got)
        assert piece, got
        got += len(piece)


def shown(s):
    """TCP_CC_INFO: of bbr its bandwidth, smallest round trip and gains; of others nothing."""
    info = s.getsockopt(TCP, CC_INFO, 64)
    if len(info) != 20:
        return len(info)
    low, high, min_rtt, pacing, cwnd = struct.unpack("5I", info)
    fine = low + (high << 32) > 0 and 0 < min_rtt < 10_000_000 and pacing > 0 and cwnd > 0
    return fine or (low, high, min_rtt, pacing, cwnd)


def speak(s, first, then):
    assert name(s) == first, name(s)
    s.sendall(b"x" * SIZE)
    read(s, SIZE)
    # What the peer says now acknowledges what it has read.
    s.sendall(b"!")
    read(s, 1)
    before = shown(s)
    s.setsockopt(TCP, NAME, then.encode())
    assert name(s) == then
    s.sendall(b"x" * SIZE)
    read(s, SIZE)
    after = shown(s)
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    return before, after


v6 = ":" in sys.argv[2]
if sys.argv[1] == "listen":
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((sys.argv[2], int(sys.argv[3])))
    s.setsockopt(TCP, NAME, b"bbr")
    s.listen()
    c, _ = s.accept()
    got = speak(c, "bbr", "reno")
    assert got == (True, 0), got
    # The listener's own goes on.
    assert name(s) == "bbr"
else:
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    assert refused(s, b"nonesuch") == "ENOENT", refused(s, b"nonesuch")
    assert refused(s, b"") == "EINVAL", refused(s, b"")
    s.setsockopt(TCP, NAME, b"reno")
    s.connect((sys.argv[2], int(sys.argv[3])))
    assert refused(s, b"nonesuch") == "ENOENT"
    got = speak(s, "reno", "cubic")
    assert got == (0, 0), got
print("as it should be")
