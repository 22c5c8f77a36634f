"""A program in a chroot without /proc, which must be root: epoll registrations hold through
everything that Linux allows a socket, and nothing is asked of /proc."""
import encodings.idna  # noqa: F401 (Python would load it when it is not there any more)
import errno
import os
import select
import socket
import tempfile

LIMIT = 10


def refusing():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()


def finish(s, error):
    if error == errno.EINPROGRESS:
        select.select([], [s], [], LIMIT)
        error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return error


def prepare(how, s):
    if how == "bound":
        s.bind(("127.0.0.1", 0))
    elif how == "refused":
        assert finish(s, s.connect_ex(refusing())) == errno.ECONNREFUSED


def registered(how, server):
    s, epoll = socket.socket(), select.epoll()
    s.setblocking(False)
    epoll.register(s, select.EPOLLIN)
    prepare(how, s)
    error = s.connect_ex(server.getsockname())
    if error == errno.ECONNABORTED:
        error = s.connect_ex(server.getsockname())
    assert finish(s, error) == 0, errno.errorcode[error]
    peer, _ = server.accept()
    peer.send(b"x")
    events = epoll.poll(LIMIT)
    assert events and events[0][0] == s.fileno() and events[0][1] & select.EPOLLIN, (how, events)
    assert s.recv(9) == b"x"
    peer.close()
    events = epoll.poll(LIMIT)
    assert events and s.recv(9) == b"", (how, events)


def blocking(how, server):
    s = socket.socket()
    prepare(how, s)
    assert s.connect_ex(server.getsockname()) == 0
    peer, _ = server.accept()
    s.send(b"y")
    assert peer.recv(9) == b"y"


def main():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(16)
    server.settimeout(LIMIT)
    with tempfile.TemporaryDirectory() as empty:
        os.chroot(empty)
        os.chdir("/")
        for how in ("new", "bound", "refused"):
            registered(how, server)
            blocking(how, server)
        u, v = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        u.bind(("127.0.0.1", 0))
        u.settimeout(LIMIT)
        v.sendto(b"z", u.getsockname())
        data, name = u.recvfrom(9)
        assert data == b"z" and name[1] == v.getsockname()[1]
        os._exit(0)


main()
