"""Closing: what the other end sees, in every order; what writes to a closed connection do."""
import signal
from checks import *


def test_peer_closed():
    a, b = blocking_pair()
    b.close()
    until(lambda: "RDHUP" in flags(a))
    assert {"IN", "OUT", "RDHUP"} <= set(flags(a).split("|"))
    assert a.recv(1) == b""
    assert a.send(b"x") == 1  # taken, and answered with a reset
    until(lambda: "HUP" in flags(a).split("|"))
    assert err(a.send, b"x") == "EPIPE"
    assert a.recv(1) == b""
    assert a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_write_readv_writev_after_close():
    for write in (lambda s: os.write(s.fileno(), b"xy"),
                  lambda s: os.writev(s.fileno(), [b"x", b"y"]),
                  lambda s: s.sendmsg([b"x", b"y"])):
        a, b = blocking_pair()
        b.close()
        until(lambda: "RDHUP" in flags(a))
        assert write(a) == 2
        until(lambda: "HUP" in flags(a).split("|"))
        assert err(write, a) == "EPIPE"


def test_peer_closed_with_data_unread():
    a, b = blocking_pair()
    a.send(b"abc")
    until(lambda: "IN" in flags(b))
    b.close()
    until(lambda: "ERR" in flags(a))
    assert flags(a) == "IN|OUT|ERR|HUP|RDHUP"
    assert err(a.send, b"x") == "ECONNRESET"
    assert err(a.send, b"x") == "EPIPE"
    assert a.recv(1) == b""


def test_data_before_a_reset_can_be_read():
    a, b = blocking_pair()
    a.send(b"abc")
    b.send(b"xyz")
    until(lambda: "IN" in flags(b) and "IN" in flags(a))
    b.close()
    until(lambda: "ERR" in flags(a))
    assert a.recv(10) == b"xyz"
    assert err(a.recv, 10) == "ECONNRESET"
    assert a.recv(10) == b""
    assert err(a.send, b"x") == "EPIPE"


def test_shut_wr():
    a, b = blocking_pair()
    a.send(b"all")
    a.shutdown(socket.SHUT_WR)
    assert flags(a) == "OUT"
    until(lambda: "RDHUP" in flags(b))
    assert flags(b) == "IN|OUT|RDHUP"
    assert read_all(b) == b"all"
    assert err(a.send, b"x") == "EPIPE"
    assert a.shutdown(socket.SHUT_WR) is None
    assert b.send(b"answer") == 6
    b.close()
    assert read_all(a) == b"answer"
    until(lambda: flags(a) == "IN|OUT|HUP|RDHUP", "IN|OUT|HUP|RDHUP")
    assert err(a.shutdown, socket.SHUT_WR) == "ENOTCONN"


def test_shut_rd_takes_what_the_peer_sends():
    a, b = blocking_pair()
    b.send(b"before")
    until(lambda: "IN" in flags(a))
    a.shutdown(socket.SHUT_RD)
    assert flags(a) == "IN|OUT|RDHUP"
    assert a.recv(100) == b"before"
    for _ in range(10):
        assert b.send(b"after") == 5
    assert "HUP" not in flags(b).split("|")
    assert a.send(b"still") == 5
    assert b.recv(100) == b"still"


def test_shut_rdwr():
    a, b = blocking_pair()
    a.shutdown(socket.SHUT_RDWR)
    until(lambda: "RDHUP" in flags(b))
    assert a.recv(10) == b""
    assert b.recv(10) == b""
    assert err(a.send, b"x") == "EPIPE"
    assert b.send(b"x") == 1
    until(lambda: err(b.send, b"x") == "EPIPE", "EPIPE")
    assert err(a.shutdown, 9) == "EINVAL"


def test_shutdown_wakes_a_reader():
    import threading
    a, b = blocking_pair()
    got = []
    thread = threading.Thread(target=lambda: got.append(a.recv(1)))
    thread.start()
    until(lambda: open(f"/proc/self/task/{thread.native_id}/wchan").read() not in ("", "0")
          or open(f"/proc/self/task/{thread.native_id}/stat").read().split()[2] == "S")
    a.shutdown(socket.SHUT_RDWR)
    thread.join(LIMIT)
    assert got == [b""]


def sigpipe_of(act):
    """Whether act() ends a child by SIGPIPE."""
    def body():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        act()
    pid = child(body)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGPIPE


def test_sigpipe():
    a, b = blocking_pair()
    a.shutdown(socket.SHUT_WR)
    assert sigpipe_of(lambda: err(a.send, b"x"))
    assert sigpipe_of(lambda: err(os.write, a.fileno(), b"x"))
    assert sigpipe_of(lambda: err(a.sendmsg, [b"x"]))
    assert not sigpipe_of(lambda: err(a.send, b"x", socket.MSG_NOSIGNAL))
    r, w = os.pipe()
    os.close(r)
    assert sigpipe_of(lambda: err(os.write, w, b"x"))
    u, v = socket.socketpair()
    v.close()
    assert sigpipe_of(lambda: err(u.send, b"x"))
    assert sigpipe_of(lambda: err(os.write, u.fileno(), b"x"))


def test_written_just_before_exit():
    size = 3_000_000
    a, b = blocking_pair()

    def write_and_exit():
        b.close()
        a.sendall(b"z" * size)
        os._exit(0)

    pid = child(write_and_exit)
    a.close()
    data = read_all(b)
    succeeded(pid)
    assert len(data) == size


def test_the_last_holder_closes():
    a, b = blocking_pair()
    pid = child(lambda: (b.close(), os.read(0, 0), a.recv(1), a.send(b"child")))
    a.close()
    b.setblocking(False)
    assert err(b.recv, 1) == "EAGAIN"
    b.setblocking(True)
    b.send(b"!")
    assert read_all(b) == b"child"
    succeeded(pid)


run(globals())
