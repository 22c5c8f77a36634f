"""A socket stays the same file for all that hold it, whatever becomes of it: copies made before
bind and connect, by dup, in another process, or sent there; epoll in another process; signals."""
import array
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import traceback

F_SETSIG, F_GETSIG = 10, 11
LIMIT = 10


def listener():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(16)
    s.settimeout(LIMIT)
    return s


def refusing():
    """An address that refuses."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()


def accepted(server):
    peer, _ = server.accept()
    peer.settimeout(LIMIT)
    return peer


def connect(s, address):
    """Also where the socket does not block."""
    error = s.connect_ex(address)
    if error == errno.ECONNABORTED:
        # Said once after a failure that SO_ERROR has told of.
        error = s.connect_ex(address)
    if error == errno.EINPROGRESS:
        select.select([], [s], [], LIMIT)
        error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert error == 0, errno.errorcode[error]


def prepared(how):
    """A new socket that has been used as `how` says."""
    s = socket.socket()
    if how == "bound":
        s.bind(("127.0.0.1", 0))
    elif how == "refused":
        assert s.connect_ex(refusing()) == errno.ECONNREFUSED
    elif how == "refused without blocking":
        s.setblocking(False)
        error = s.connect_ex(refusing())
        if error == errno.EINPROGRESS:
            select.select([], [s], [], LIMIT)
            error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert error == errno.ECONNREFUSED, errno.errorcode[error]
        s.setblocking(True)
    return s


def talks(one, peer):
    """Both ways."""
    one.send(b"to")
    assert peer.recv(9) == b"to"
    peer.send(b"fro")
    one.settimeout(LIMIT)
    assert one.recv(9) == b"fro"


def a_copy_by_dup(how):
    server, s = listener(), prepared(how)
    copy = s.dup()
    connect(s, server.getsockname())
    peer = accepted(server)
    assert copy.getpeername() == server.getsockname()
    assert copy.getsockname() == s.getsockname()
    talks(copy, peer)
    copy.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
    assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77


def a_child_connects(how):
    server, s = listener(), prepared(how)
    child = os.fork()
    if child == 0:
        connect(s, server.getsockname())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    talks(s, accepted(server))
    assert s.getpeername() == server.getsockname()


def a_child_holds_it(how):
    """The parent connects, the child uses its own descriptor."""
    server, s = listener(), prepared(how)
    ready, begin = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.read(ready, 1)
            assert s.getpeername() == server.getsockname()
            s.send(b"child")
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    connect(s, server.getsockname())
    peer = accepted(server)
    os.write(begin, b"x")
    assert os.waitpid(child, 0)[1] == 0
    assert peer.recv(9) == b"child"


def a_copy_that_was_sent(how):
    server, s = listener(), prepared(how)
    here, there = socket.socketpair()
    here.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
    connect(s, server.getsockname())
    peer = accepted(server)
    _, control, _, _ = there.recvmsg(1, 64)
    with socket.socket(fileno=struct.unpack("i", control[0][2][:4])[0]) as copy:
        assert copy.getpeername() == server.getsockname()
        talks(copy, peer)


def epoll_in_another_process(how):
    server, s = listener(), prepared(how)
    ready, begin = os.pipe()
    child = os.fork()
    if child == 0:
        epoll = select.epoll()
        epoll.register(s, select.EPOLLIN)
        os.write(begin, b"x")
        events = epoll.poll(LIMIT)
        # A socket that is not connected shows an event too: it goes away with the connect.
        while events and not events[0][1] & select.EPOLLIN or s.recv(1, socket.MSG_PEEK) == b"":
            events = epoll.poll(LIMIT)
        os._exit(not events)
    os.read(ready, 1)
    connect(s, server.getsockname())
    peer = accepted(server)
    peer.send(b"wake")
    assert os.waitpid(child, 0)[1] == 0


def signals_of_a_socket(how):
    server, s = listener(), prepared(how)
    number = signal.SIGRTMIN + 3
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    while signal.sigtimedwait([number], 0):
        pass
    fcntl.fcntl(s, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(s, F_SETSIG, number)
    flags = fcntl.fcntl(s, fcntl.F_GETFL)
    fcntl.fcntl(s, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    connect(s, server.getsockname())
    peer = accepted(server)
    assert fcntl.fcntl(s, fcntl.F_GETFL) & os.O_ASYNC
    assert fcntl.fcntl(s, fcntl.F_GETOWN) == os.getpid()
    assert fcntl.fcntl(s, F_GETSIG) == number
    while signal.sigtimedwait([number], 0):
        pass
    peer.send(b"x")
    assert signal.sigtimedwait([number], LIMIT), "no signal when something arrived"


if __name__ == "__main__":
    test, how = globals()[sys.argv[1]], sys.argv[2]
    test(how)
