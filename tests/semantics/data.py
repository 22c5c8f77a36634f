"""Data: flags, sizes, timeouts, bad pointers."""
import array
import tempfile
import threading
from checks import *

BAD = ctypes.c_void_p(8)


def test_peek_and_waitall():
    a, b = blocking_pair()
    a.send(b"hello")
    assert b.recv(3, socket.MSG_PEEK) == b"hel"
    assert b.recv(9, socket.MSG_PEEK) == b"hello"
    threading.Thread(target=lambda: (until(lambda: "IN" not in flags(b)), a.send(b"world"))).start()
    b.settimeout(None)
    head = b.recv(5)
    rest = b.recv(5, socket.MSG_WAITALL)
    assert head + rest == b"helloworld"
    a.send(b"abc")
    a.shutdown(socket.SHUT_WR)
    assert b.recv(10, socket.MSG_WAITALL) == b"abc"


def test_trunc_discards():
    a, b = blocking_pair()
    a.send(b"discard-keep")
    assert libc.recv(b.fileno(), None, 8, socket.MSG_TRUNC) == 8
    assert b.recv(10) == b"keep"


def test_dontwait_and_eagain():
    a, b = blocking_pair()
    assert err(b.recv, 1, socket.MSG_DONTWAIT) == "EAGAIN"
    b.setblocking(False)
    assert err(b.recv, 1) == "EAGAIN"
    assert err(os.read, b.fileno(), 1) == "EAGAIN"
    a.setblocking(False)
    sent = 0
    while not isinstance(n := err(a.send, b"x" * 65536), str):
        sent += n
    assert n == "EAGAIN" and "OUT" not in flags(a)
    b.setblocking(True)
    while sent:
        sent -= len(b.recv(1 << 20))
    until(lambda: "OUT" in flags(a))


def test_timeouts():
    a, b = blocking_pair()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 20000))
    assert err(b.recv, 1) == "EAGAIN"
    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 20000))
    while not isinstance(n := err(a.send, b"x" * 65536), str):
        pass
    assert n == "EAGAIN"
    server = listener()
    server.setblocking(True)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 20000))
    assert err(server.accept) == "EAGAIN"


def test_recvfrom_and_recvmsg_have_no_address():
    a, b = blocking_pair()
    a.send(b"xy")
    data, address = b.recvfrom(1)
    assert (data, address) == (b"x", None)
    data, control, flag, address = b.recvmsg(1, 100)
    assert (data, control, flag, address) == (b"y", [], 0, None)
    assert a.sendto(b"z", ("1.2.3.4", 5)) == 1  # TCP ignores the address
    buffer, name = ctypes.create_string_buffer(4), ctypes.create_string_buffer(b"\xee" * 32)
    length = ctypes.c_uint(32)
    assert libc.recvfrom(b.fileno(), buffer, 4, 0, name, ctypes.byref(length)) == 1
    assert length.value == 0 and name.raw[:32] == b"\xee" * 32


def test_vectors():
    a, b = blocking_pair()
    assert a.sendmsg([b"one", b"", b"two"]) == 6
    assert os.writev(a.fileno(), [b"three", b"four"]) == 9
    first, second = bytearray(6), bytearray(5)
    assert b.recvmsg_into([first, second])[0] in (6, 11)
    rest = b.recv(100) if bytes(second) == bytes(5) else bytes(second) + b.recv(100)
    assert bytes(first) + rest == b"onetwothreefour"
    a.send(b"abcd")
    first, second = bytearray(1), bytearray(9)
    assert os.readv(b.fileno(), [first, second]) == 4
    assert bytes(first + second[:3]) == b"abcd"


def test_nothing_is_nothing():
    a, b = blocking_pair()
    assert a.send(b"") == 0 and os.write(a.fileno(), b"") == 0
    assert os.read(b.fileno(), 0) == b"" and b.recv(0, socket.MSG_DONTWAIT) in (b"",)
    a.send(b"x")
    assert b.recv(0) == b"" and b.recv(5) == b"x"


def test_urgent_byte():
    a, b = blocking_pair()
    a.send(b"ab")
    a.send(b"!", socket.MSG_OOB)
    until(lambda: "PRI" in flags(b))
    assert b.recv(1, socket.MSG_OOB) == b"!"
    assert b.recv(10) == b"ab"
    assert err(b.recv, 1, socket.MSG_OOB) == "EINVAL"


def test_waiting_bytes():
    import fcntl
    import termios
    a, b = blocking_pair()
    a.send(b"12345")
    until(lambda: "IN" in flags(b))
    n = array.array("i", [0])
    fcntl.ioctl(b.fileno(), termios.FIONREAD, n)
    assert n[0] == 5
    fcntl.ioctl(b.fileno(), termios.FIONBIO, array.array("i", [1]))
    b.recv(5)
    assert err(b.recv, 1) == "EAGAIN"


def test_sendfile():
    a, b = blocking_pair()
    with tempfile.TemporaryFile() as f:
        f.write(b"0123456789" * 1000)
        f.flush()
        assert os.sendfile(a.fileno(), f.fileno(), 10, 5000) == 5000
    a.close()
    assert read_all(b) == b"0123456789" * 500


def test_more_and_zero_copy_flags():
    a, b = blocking_pair()
    assert a.send(b"x", socket.MSG_MORE) == 1
    assert a.send(b"y") == 1
    assert b.recv(2, socket.MSG_WAITALL) == b"xy"
    assert err(b.recv, 1, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT) == "EAGAIN"


def bad(call, *args):
    ctypes.set_errno(0)
    answer = call(*args)
    assert answer == -1, (answer, args)
    return errno.errorcode[ctypes.get_errno()]


def test_bad_pointers():
    a, b = blocking_pair()
    fd, length = a.fileno(), ctypes.c_uint(16)
    fresh, server = socket.socket(), listener()
    assert bad(libc.bind, fresh.fileno(), BAD, 16) == "EFAULT"
    assert bad(libc.connect, fresh.fileno(), BAD, 16) == "EFAULT"
    for call in (libc.getsockname, libc.getpeername):
        assert bad(call, fd, BAD, ctypes.byref(length)) == "EFAULT"
        assert bad(call, fd, ctypes.create_string_buffer(16), BAD) == "EFAULT"
        assert bad(call, fd, None, None) == "EFAULT"
    assert bad(libc.setsockopt, fd, socket.SOL_SOCKET, socket.SO_KEEPALIVE, BAD, 4) == "EFAULT"
    assert bad(libc.setsockopt, fd, socket.IPPROTO_TCP, socket.TCP_NODELAY, BAD, 4) == "EFAULT"
    n = ctypes.c_uint(4)
    for level, name in ((socket.SOL_SOCKET, socket.SO_TYPE),
                        (socket.IPPROTO_TCP, socket.TCP_NODELAY)):
        assert bad(libc.getsockopt, fd, level, name, BAD, ctypes.byref(n)) == "EFAULT"
        assert bad(libc.getsockopt, fd, level, name, BAD, BAD) == "EFAULT"
    assert bad(libc.send, fd, BAD, 10, 0) == "EFAULT"
    assert bad(libc.write, fd, BAD, 10) == "EFAULT"
    assert bad(libc.sendmsg, fd, BAD, 0) == "EFAULT"
    assert bad(libc.writev, fd, BAD, 1) == "EFAULT"
    b.send(b"data")
    until(lambda: "IN" in flags(a))
    assert bad(libc.recv, fd, BAD, 10, 0) == "EFAULT"
    assert bad(libc.read, fd, BAD, 10) == "EFAULT"
    assert bad(libc.recvmsg, fd, BAD, 0) == "EFAULT"
    assert bad(libc.readv, fd, BAD, 1) == "EFAULT"
    assert a.recv(10) == b"data"
    socket.create_connection(server.getsockname(), LIMIT)
    until(lambda: "IN" in flags(server))
    assert bad(libc.accept, server.fileno(), BAD, ctypes.byref(length)) == "EFAULT"


def test_bad_descriptors():
    for call, args in ((libc.bind, (BAD, 16)), (libc.connect, (BAD, 16)), (libc.listen, (1,)),
                       (libc.accept, (None, None)), (libc.getsockname, (None, None)),
                       (libc.send, (None, 0, 0)), (libc.recv, (None, 0, 0)), (libc.shutdown, (2,)),
                       (libc.read, (None, 0)), (libc.write, (None, 0)), (libc.close, ()),
                       (libc.fcntl, (1, 0)), (libc.dup, ())):
        assert bad(call, -1, *args) == "EBADF", call
        assert bad(call, 100_000, *args) == "EBADF", call
    with tempfile.TemporaryFile() as f:
        fd = f.fileno()
        buffer = ctypes.create_string_buffer(16)
        assert bad(libc.listen, fd, 1) == "ENOTSOCK"
        assert bad(libc.connect, fd, buffer, 16) == "ENOTSOCK"
        assert bad(libc.send, fd, buffer, 1, 0) == "ENOTSOCK"
        assert bad(libc.shutdown, fd, 2) == "ENOTSOCK"


def test_big_both_ways_at_once():
    size = 20_000_000
    a, b = blocking_pair()
    block = os.urandom(1 << 16)

    def send(s):
        left = size
        while left:
            left -= s.send(block[:left])
        s.shutdown(socket.SHUT_WR)

    threads = [threading.Thread(target=send, args=(s,)) for s in (a, b)]
    got = []
    threads += [threading.Thread(target=lambda s=s: got.append(len(read_all(s)))) for s in (a, b)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == [size, size]


run(globals())
