"""Urgent data, in each direction: urgent.py listen|connect ADDRESS PORT

The connecting side sends first, then the listening side: the same scenes, and what the receiver of
each sees is asserted here, since it is the same on every system.
"""
import array
import fcntl
import os
import select
import signal
import socket
import sys

LIMIT = 10_000
OOB = socket.MSG_OOB
SIOCATMARK = 0x8905
signals = []


def at_mark(s):
    answer = array.array("i", [0])
    fcntl.ioctl(s, SIOCATMARK, answer)
    return answer[0]


def wait(s, what):
    poll = select.poll()
    poll.register(s, what)
    assert poll.poll(LIMIT), f"{what} never came"


def is_ready(s, what):
    poll = select.poll()
    poll.register(s, what)
    return bool(poll.poll(0))


def exactly(s, n):
    """Reads `n` bytes, never across a mark."""
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        assert piece, "the end"
        data += piece
    return data


def refused(call, *args):
    try:
        return call(*args)
    except OSError as e:
        return e.strerror


def send(s):
    assert exactly(s, 1) == b"0"
    s.send(b"abc")
    assert s.send(b"de!", OOB) == 3
    s.send(b"fgh")
    assert exactly(s, 1) == b"1"
    # In line, and a mark at the very beginning.
    s.send(b"?", OOB)
    s.send(b"tail")
    assert exactly(s, 1) == b"2"
    # The second is the urgent one; the first is an ordinary byte then.
    s.send(b"1", OOB)
    s.send(b"2", OOB)
    assert exactly(s, 1) == b"3"
    # Much before it.
    s.sendall(b"x" * 100_000)
    s.send(b"!", OOB)
    assert exactly(s, 1) == b"4"
    # And nothing urgent any more.
    s.sendall(b"plain")


def receive(s):
    signal.signal(signal.SIGURG, lambda *_: signals.append(1))
    fcntl.fcntl(s, fcntl.F_SETOWN, os.getpid())
    before = len(signals)
    assert not is_ready(s, select.POLLPRI)
    assert refused(s.recv, 1, OOB) == "Invalid argument"
    s.send(b"0")
    wait(s, select.POLLPRI)
    assert len(signals) > before, "no SIGURG"
    assert not at_mark(s)
    # A read never goes across the mark.
    data = s.recv(100)
    data += exactly(s, 5 - len(data))
    assert data == b"abcde", data
    assert at_mark(s)
    assert s.recv(1, OOB | socket.MSG_PEEK) == b"!"
    assert s.recv(1, OOB) == b"!"
    assert not is_ready(s, select.POLLPRI)
    assert refused(s.recv, 1, OOB) == "Invalid argument"
    assert exactly(s, 3) == b"fgh"
    assert not at_mark(s)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    s.send(b"1")
    wait(s, select.POLLPRI)
    assert at_mark(s)
    assert refused(s.recv, 1, OOB) == "Invalid argument"
    assert exactly(s, 5) == b"?tail"
    s.send(b"2")
    data = exactly(s, 2)
    assert data == b"12", data
    s.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 0)
    s.send(b"3")
    wait(s, select.POLLPRI)
    assert exactly(s, 100_000) == b"x" * 100_000
    while not at_mark(s):
        wait(s, select.POLLIN | select.POLLPRI)
    assert s.recv(1, OOB) == b"!"
    s.send(b"4")
    assert exactly(s, 5) == b"plain"


def main(role, address, port):
    if role == "listen":
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        s, _ = socket.create_server((address, int(port)), family=family).accept()
        receive(s)
        send(s)
        assert s.recv(1) == b""
    else:
        s = socket.create_connection((address, int(port)))
        send(s)
        receive(s)
    s.close()
    print("as it should be")


main(*sys.argv[1:])
