"""Fast open (RFC 7413): fast_open.py listen|connect ADDRESS PORT

The listening side says for each connection what it read; the connecting side what its calls
answered, and whether data went with the SYN (TCPI_OPT_SYN_DATA).
"""
import errno
import select
import socket
import sys

TCP = socket.IPPROTO_TCP
FASTOPEN, FASTOPEN_CONNECT, SYN_DATA = 23, 30, 32
ROUNDS = 8


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def with_syn(s):
    # struct tcp_info: state, ca_state, retransmits, probes, backoff, options.
    return bool(s.getsockopt(TCP, socket.TCP_INFO, 8)[5] & SYN_DATA)


def listen(address, port):
    s = socket.socket(family(address))
    s.settimeout(30)
    s.setsockopt(TCP, FASTOPEN, 5)
    s.bind((address, port))
    s.listen(5)
    sys.stdout.write(f"queue {s.getsockopt(TCP, FASTOPEN)}\n")
    for _ in range(ROUNDS):
        c, _ = s.accept()
        c.settimeout(30)
        data = b""
        while not data.endswith(b"\n"):
            piece = c.recv(4096)
            assert piece
            data += piece
        c.sendall(data)
        head = f"{data[:4]!r} {len(data)}"
        print(head, "with the SYN" if with_syn(c) else "later")
        assert c.recv(1) == b""
        c.close()


def refused(call):
    try:
        call()
    except OSError as e:
        return errno.errorcode[e.errno]
    return "done"


def finish(s, data, what):
    s.setblocking(True)
    s.settimeout(30)
    back = b""
    while len(back) < len(data):
        back += s.recv(65536)
    assert back == data
    print(what, "with the SYN" if with_syn(s) else "later")
    s.close()


def connect(address, port):
    to = (address, port)
    # The first asks for a cookie.
    s = socket.socket(family(address))
    sent = s.sendto(b"one\n", socket.MSG_FASTOPEN, to)
    finish(s, b"one\n", f"blocking {sent}")
    s = socket.socket(family(address))
    sent = s.sendto(b"two\n", socket.MSG_FASTOPEN, to)
    finish(s, b"two\n", f"blocking {sent}")
    # More than fits a SYN.
    s = socket.socket(family(address))
    data = b"long" + b"x" * 10000 + b"\n"
    sent = s.sendto(data, socket.MSG_FASTOPEN, to)
    finish(s, data, f"blocking {sent}")
    # Does not block: what went with the SYN counts.
    s = socket.socket(family(address))
    s.setblocking(False)
    sent = s.sendto(b"four\n", socket.MSG_FASTOPEN, to)
    finish(s, b"four\n", f"non-blocking {sent}")
    # connect(2) that waits for the data, non-blocking and blocking.
    for blocking in (False, True):
        s = socket.socket(family(address))
        s.setblocking(blocking)
        s.setsockopt(TCP, FASTOPEN_CONNECT, 1)
        s.connect(to)
        writable = bool(select.select([], [s], [], 30)[1])
        s.sendall(b"five\n")
        finish(s, b"five\n", f"connected {writable}")
    # Until then there is no peer, and nothing to read; a call that does not block takes what fits
    # the SYN, and the others wait for the handshake.
    s = socket.socket(family(address))
    s.setblocking(False)
    s.setsockopt(TCP, FASTOPEN_CONNECT, 1)
    s.connect(to)
    early = [s.getpeername, lambda: s.recv(1), lambda: s.connect(to)]
    early.append(lambda: s.setsockopt(TCP, FASTOPEN_CONNECT, 1))
    said = " ".join(refused(call) for call in early)
    data = b"six." + b"x" * 3000 + b"\n"
    sent = s.send(data)
    s.setblocking(True)
    s.sendall(data[sent:])
    finish(s, data, f"{said} {sent}")
    s = socket.socket(family(address))
    s.setsockopt(TCP, FASTOPEN_CONNECT, 1)
    s.connect(to)
    finish(s, data[:s.send(data)], f"blocking {len(data)}")
    # A connect that is given up, and nobody ever heard of.
    s = socket.socket(family(address))
    s.setsockopt(TCP, FASTOPEN_CONNECT, 1)
    s.connect(to)
    print("given up", refused(lambda: s.shutdown(socket.SHUT_WR)), refused(s.getpeername))


role, address, port = sys.argv[1:]
(listen if role == "listen" else connect)(address, int(port))
