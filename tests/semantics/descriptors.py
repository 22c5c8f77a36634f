"""Descriptors: fork, exec, dup, passing, readiness; and files that are not ours."""
import array
import fcntl
import subprocess
from checks import *


def test_a_forked_child_serves():
    server = listener()
    client = socket.create_connection(server.getsockname(), LIMIT)
    accepted, _ = server.accept()

    def serve():
        assert accepted.getpeername() == client.getsockname()
        assert accepted.recv(10) == b"question"
        accepted.sendall(b"answer")

    pid = child(serve)
    accepted.close()
    client.sendall(b"question")
    assert read_all(client) == b"answer"
    succeeded(pid)


def test_a_child_accepts():
    server = listener()
    pid = child(lambda: server.accept()[0].sendall(b"hi"))
    assert read_all(socket.create_connection(server.getsockname(), LIMIT)) == b"hi"
    succeeded(pid)


PROGRAM = """
import socket, sys
s = socket.socket(fileno=int(sys.argv[1]))
assert s.family == int(sys.argv[2]) and s.type == socket.SOCK_STREAM
print(s.getsockname()[:2], s.getpeername()[:2], flush=True)
s.sendall(s.recv(100).upper())
"""


def test_an_execed_program_finds_its_sockets():
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        a, b = pair(family, host)
        fd = b.fileno()
        argv = [sys.executable, "-c", PROGRAM, str(fd), str(int(family))]
        with subprocess.Popen(argv, pass_fds=[fd], stdout=subprocess.PIPE, text=True) as program:
            expected = f"{b.getsockname()[:2]} {b.getpeername()[:2]}\n"
            b.close()
            a.sendall(b"loud")
            assert read_all(a) == b"LOUD"
            assert program.stdout.read() == expected


def test_an_execed_program_accepts():
    server = listener()
    code = ("import socket,sys\ns=socket.socket(fileno=int(sys.argv[1]))\n"
            "c,_=s.accept()\nc.sendall(b'hi')")
    fd = server.fileno()
    with subprocess.Popen([sys.executable, "-c", code, str(fd)], pass_fds=[fd]):
        assert read_all(socket.create_connection(server.getsockname(), LIMIT)) == b"hi"


def test_stdin_and_stdout_of_a_program():
    a, b = blocking_pair()
    with subprocess.Popen(["cat"], stdin=b.fileno(), stdout=b.fileno()):
        b.close()
        a.sendall(b"through cat")
        a.shutdown(socket.SHUT_WR)
        assert read_all(a) == b"through cat"


def test_close_on_exec():
    s = socket.socket()
    assert fcntl.fcntl(s, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    plain = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    assert not fcntl.fcntl(plain, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    os.close(plain)
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    both = libc.socket(socket.AF_INET, kind, 0)
    assert fcntl.fcntl(both, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(both)


def test_accept_flags():
    server = listener()
    server.setblocking(False)
    for flag in (0, socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC,
                 socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC):
        client = socket.create_connection(server.getsockname(), LIMIT)
        fd = libc.accept4(server.fileno(), None, None, flag)
        # Not inherited from the listener, on Linux.
        status, own = fcntl.fcntl(fd, fcntl.F_GETFL), fcntl.fcntl(fd, fcntl.F_GETFD)
        assert bool(status & os.O_NONBLOCK) == bool(flag & socket.SOCK_NONBLOCK)
        assert bool(own & fcntl.FD_CLOEXEC) == bool(flag & socket.SOCK_CLOEXEC)
        os.close(fd)
    assert libc.accept4(server.fileno(), None, None, 1) == -1 and ctypes.get_errno() == errno.EINVAL
    assert err(server.accept) == "EAGAIN"


def test_accepted_sockets_inherit_options():
    server = listener()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 7))
    client = socket.create_connection(server.getsockname(), LIMIT)
    a, _ = server.accept()
    assert a.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert a.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert struct.unpack("ii", a.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 7)
    assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0


def test_dup():
    a, b = blocking_pair()
    peer = a.getpeername()
    copy = a.dup()
    a.close()
    assert copy.getpeername() == peer
    copy.sendall(b"x")
    assert b.recv(1) == b"x"
    r, w = os.pipe()
    os.dup2(copy.fileno(), w)
    os.write(w, b"y")
    assert b.recv(1) == b"y"
    os.close(w)
    copy.close()
    assert b.recv(1) == b""
    # The numbers now belong to other files.
    os.close(r)
    r, w = os.pipe()
    assert os.write(w, b"pipe") == 4 and os.read(r, 10) == b"pipe"


def test_a_number_that_was_a_socket_is_a_file_now():
    a, b = blocking_pair()
    fd = a.fileno()
    a.send(b"1")
    a.detach()
    with open("/dev/null", "wb", buffering=0) as null:
        # Closed behind our back, as libc does in fclose.
        os.dup2(null.fileno(), fd)
        assert os.write(fd, b"into the void") == 13
        assert err(socket.socket, socket.AF_INET, socket.SOCK_STREAM, 0, fd) == "ENOTSOCK"
    os.close(fd)


def closed_by_libc(s):
    """Closes a socket's descriptor where no interposed call sees it."""
    fd = s.detach()
    os.write(fd, b"!")
    libc.fdopen.restype = ctypes.c_void_p
    libc.fclose(ctypes.c_void_p(libc.fdopen(fd, b"w")))
    return fd


def test_a_number_that_was_a_socket_passes_descriptors_now():
    a, b = blocking_pair()
    low = a.fileno()
    closed_by_libc(a)
    left, right = socket.socketpair()
    assert low in (left.fileno(), right.fileno())
    if left.fileno() != low:
        left, right = right, left
    r, w = os.pipe()
    socket.send_fds(left, [b"x"], [r])
    _, fds, _, _ = socket.recv_fds(right, 10, 1)
    os.write(w, b"through")
    assert os.read(fds[0], 10) == b"through"
    socket.send_fds(right, [b"y"], [r])
    assert len(socket.recv_fds(left, 10, 1)[1]) == 1


def test_a_number_that_was_a_socket_is_a_datagram_socket_now():
    a, b = blocking_pair()
    low = a.fileno()
    closed_by_libc(a)
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    assert low in (left.fileno(), right.fileno())
    path = f"/tmp/understudy-dgram-{os.getpid()}"
    named = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    named.bind(path)
    loose = left if left.fileno() == low else right
    loose.send(b"x")
    data, address = (right if loose is left else left).recvfrom(10)
    assert data == b"x" and not address
    os.unlink(path)


def test_passed_descriptors_keep_their_addresses():
    left, right = socket.socketpair()
    a, b = pair()
    expected = (b.getsockname(), b.getpeername())

    def receive():
        left.close()
        _, fds, _, _ = socket.recv_fds(right, 10, 1)
        s = socket.socket(fileno=fds[0])
        assert (s.getsockname(), s.getpeername()) == expected
        s.sendall(b"from afar")

    pid = child(receive)
    socket.send_fds(left, [b"!"], [b.fileno()])
    b.close()
    assert read_all(a) == b"from afar"
    succeeded(pid)


def test_makefile_and_fdopen():
    a, b = blocking_pair()
    with a.makefile("rwb") as f:
        f.write(b"line one\nline two\n")
        f.flush()
        assert b.makefile("rb").readline() == b"line one\n"


def test_stdio_of_libc():
    a, b = blocking_pair()
    libc.fdopen.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(libc.fdopen(a.detach(), b"w"))
    libc.fputs(b"by stdio", stream)
    libc.fclose(stream)
    assert read_all(b) == b"by stdio"


def test_select_poll_epoll_agree():
    a, b = blocking_pair()
    epoll = select.epoll()
    epoll.register(b.fileno(), select.EPOLLIN | select.EPOLLET)
    assert epoll.poll(0) == [] and select.select([b], [], [], 0)[0] == []
    a.send(b"x")
    assert epoll.poll(LIMIT) == [(b.fileno(), select.EPOLLIN)]
    assert epoll.poll(0) == []
    assert select.select([b], [a], [], LIMIT) == ([b], [a], [])
    a.send(b"y")
    assert epoll.poll(LIMIT) == [(b.fileno(), select.EPOLLIN)]
    server = listener()
    epoll.register(server.fileno(), select.EPOLLIN)
    socket.create_connection(server.getsockname(), LIMIT)
    assert (server.fileno(), select.EPOLLIN) in epoll.poll(LIMIT)


def test_other_sockets_are_untouched():
    u, v = socket.socketpair()
    assert u.family == socket.AF_UNIX and u.send(b"x") == 1 and v.recv(2) == b"x"
    path = f"/tmp/understudy-test-{os.getpid()}"
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    accepted, _ = server.accept()
    assert client.getpeername() == path and accepted.getsockname() == path
    client.send(b"unix")
    assert accepted.recv(10) == b"unix"
    os.unlink(path)
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    link.bind((0, 0))
    assert link.getsockname()[0] != 0
    creds = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    assert struct.unpack("iii", creds)[0] == os.getpid()


def test_kinds_that_there_are_not():
    make = socket.socket
    assert err(make, socket.AF_INET, socket.SOCK_STREAM, 17) == "EPROTONOSUPPORT"
    assert err(make, socket.AF_INET, socket.SOCK_DGRAM, 6) == "EPROTONOSUPPORT"
    answer = err(make, socket.AF_INET, socket.SOCK_SEQPACKET, 0)
    assert answer in ("ESOCKTNOSUPPORT", "EPROTONOSUPPORT")
    assert err(make, socket.AF_INET, 12, 0) == "EINVAL"
    assert err(make, 99, socket.SOCK_STREAM, 0) == "EAFNOSUPPORT"


def test_questions_of_ioctl():
    """What internet sockets answer to requests that other sockets answer otherwise."""
    stream, datagram = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    room = ctypes.create_string_buffer(256)

    def ask(sock, request):
        if libc.ioctl(sock.fileno(), ctypes.c_ulong(request), room) < 0:
            return errno.errorcode[ctypes.get_errno()]
        return 0

    SIOCATMARK, SIOCGSTAMP, SIOCGSTAMPNS, SIOCUNIXFILE = 0x8905, 0x8906, 0x8907, 0x89E0
    for sock in (stream, datagram, listener, client):
        assert ask(sock, SIOCGSTAMP) == "ENOENT"
        assert ask(sock, SIOCGSTAMPNS) == "ENOENT"
        assert ask(sock, SIOCUNIXFILE) == "ENOTTY"
    assert ask(client, SIOCATMARK) == 0
    assert ask(datagram, SIOCATMARK) == "ENOTTY"
    ours, theirs = socket.socketpair()
    assert ask(ours, SIOCGSTAMP) != "ENOENT", "another family's socket"


run(globals())
