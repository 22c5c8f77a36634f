"""What the scripts beside this file share. Each of them runs on the kernel's sockets and on
Understudy's, and must pass on both: what they assert is what Linux does."""
import ctypes
import errno
import os
import select
import socket
import struct
import sys
import time
import traceback

LIMIT = 10
libc = ctypes.CDLL(None, use_errno=True)


def err(call, *args):
    """The call's result, or the name of its errno."""
    try:
        return call(*args)
    except OSError as e:
        return errno.errorcode.get(e.errno, e)


def flags(sock, wait=0):
    """What poll shows, as a text like 'IN|OUT'."""
    poll = select.poll()
    poll.register(sock, 0x3FFF)
    shown = dict((fd, event) for fd, event in poll.poll(wait)).get(sock.fileno(), 0)
    names = (("IN", 1), ("PRI", 2), ("OUT", 4), ("ERR", 8), ("HUP", 16), ("RDHUP", 0x2000))
    return "|".join(name for name, bit in names if shown & bit)


def until(condition, what="the condition"):
    """Waits for something to become true."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"{what} never came"
        select.select([], [], [], 0.001)


def listener(family=socket.AF_INET, host="127.0.0.1", port=0, backlog=16):
    s = socket.socket(family)
    s.bind((host, port))
    s.listen(backlog)
    s.settimeout(LIMIT)
    return s


def pair(family=socket.AF_INET, host="127.0.0.1"):
    """A connected client and server."""
    with listener(family, host) as server:
        client = socket.socket(family)
        client.settimeout(LIMIT)
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        accepted.settimeout(LIMIT)
        return client, accepted


def blocking_pair():
    client, accepted = pair()
    client.setblocking(True)
    accepted.setblocking(True)
    return client, accepted


def dead_address(family=socket.AF_INET, host="127.0.0.1"):
    """An address where nobody listens."""
    with socket.socket(family) as s:
        s.bind((host, 0))
        return s.getsockname()


def read_all(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def child(function):
    """Runs a function in a forked child; its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return pid


def succeeded(pid):
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the child failed"


def run(scope):
    """Runs every function called test_*; all of them, then fails if any did."""
    failed = 0
    for name, function in list(scope.items()):
        if name.startswith("test_") and (len(sys.argv) < 2 or sys.argv[1] in name):
            try:
                function()
                print("ok    ", name)
            except BaseException:
                failed += 1
                print("FAILED", name)
                traceback.print_exc(file=sys.stdout)
    sys.exit(1 if failed else 0)
