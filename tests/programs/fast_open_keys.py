"""Keys of fast open (TCP_FASTOPEN_KEY): fast_open_keys.py listen|connect ADDRESS PORT

The listening side changes its keys while it serves, and says of each connection whether its data
was taken with the SYN. It changes them before it answers: the next connection meets the new ones.
"""
import socket
import sys

TCP = socket.IPPROTO_TCP
FASTOPEN, FASTOPEN_KEY, SYN_DATA = 23, 33, 32
A, B, C = (bytes([n]) * 16 for n in (1, 2, 3))
# The keys for each connection.
ROUNDS = [A, A, B + A, B, C, C]


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(address, port):
    s = socket.socket(family(address))
    s.settimeout(30)
    s.setsockopt(TCP, FASTOPEN, 5)
    s.setsockopt(TCP, FASTOPEN_KEY, ROUNDS[0])
    s.bind((address, port))
    s.listen(5)
    sys.stdout.write("listens\n")
    for following in ROUNDS[1:] + [A]:
        c, _ = s.accept()
        c.settimeout(30)
        assert c.recv(100) == b"data"
        taken = c.getsockopt(TCP, socket.TCP_INFO, 8)[5] & SYN_DATA
        print("with the SYN" if taken else "later")
        s.setsockopt(TCP, FASTOPEN_KEY, following)
        c.sendall(b"answer")
        assert c.recv(1) == b""
        c.close()


def connect(address, port):
    for _ in ROUNDS:
        s = socket.socket(family(address))
        s.sendto(b"data", socket.MSG_FASTOPEN, (address, port))
        s.settimeout(30)
        assert s.recv(100) == b"answer"
        s.close()


role, address, port = sys.argv[1:]
(listen if role == "listen" else connect)(address, int(port))
