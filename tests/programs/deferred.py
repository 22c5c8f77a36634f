"""TCP_DEFER_ACCEPT: deferred.py listen|connect ADDRESS PORT

A second connection says when the first has connected, so that nothing is a matter of time.
"""
import select
import socket
import sys

TCP = socket.IPPROTO_TCP


def listen(address, port):
    s = socket.socket()
    s.setsockopt(TCP, socket.TCP_DEFER_ACCEPT, 3)
    s.bind((address, port))
    word = socket.socket()
    word.bind((address, port + 1))
    word.listen(1)
    s.listen(5)
    print("seconds", s.getsockopt(TCP, socket.TCP_DEFER_ACCEPT))
    sys.stdout.flush()
    told, _ = word.accept()
    assert told.recv(1) == b"1"
    print("there" if select.select([s], [], [], 0)[0] else "not yet")
    told.sendall(b"2")
    c, _ = s.accept()
    print(c.recv(10, socket.MSG_DONTWAIT), "at once")


def connect(address, port):
    s = socket.create_connection((address, port))
    word = socket.create_connection((address, port + 1))
    word.sendall(b"1")
    assert word.recv(1) == b"2"
    s.sendall(b"now")
    assert s.recv(1) == b""


role, address, port = sys.argv[1:]
(listen if role == "listen" else connect)(address, int(port))
