"""Connections that end before they are accepted: early_end.py listen|connect ADDRESS PORT

Two are reset, one of them with data, before the listener accepts them; then it closes, and nobody
is let in any more. A connection that is accepted first carries the cues.
"""
import errno
import socket
import struct
import sys

RESET = struct.pack("ii", 1, 0)
CLOSE = 7


def say(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return errno.errorcode[error.errno]


def listen(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, port), family=family)
    cues, _ = server.accept()
    assert cues.recv(1) == b"!"
    for _ in range(2):
        c, _ = server.accept()
        state = c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0]
        print("closed" if state == CLOSE else state, say(c.recv, 10), say(c.recv, 10))
    server.close()
    cues.sendall(b"!")
    assert cues.recv(1) == b""


def connect(address, port):
    cues = socket.create_connection((address, port))
    for data in (b"", b"data"):
        c = socket.create_connection((address, port))
        c.sendall(data)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        c.close()
    cues.sendall(b"!")
    assert cues.recv(1) == b"!"
    print(say(socket.create_connection, (address, port)))


role, address, port = sys.argv[1:]
(listen if role == "listen" else connect)(address, int(port))
