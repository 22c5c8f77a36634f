"""The socket calls of the library through ctypes, without any preload.

    sockets.py LIBRARY us|plain udp-server|udp-client|tcp-server|tcp-client|calls

The four lecture programs (see tests/lecture), and `calls`: every call, blocking and not, TCP and
UDP, IPv4 and IPv6. `us` takes the names of the header (us_socket), `plain` the C library's names
(socket).
"""
import ctypes
import errno
import os
import select
import struct
import sys

AF_INET, AF_INET6, STREAM, DGRAM = 2, 10, 1, 2
NONBLOCK = os.O_NONBLOCK
SOL_SOCKET, SO_REUSEADDR, SO_ERROR = 1, 2, 4


def address(host, port):
    """The bytes of struct sockaddr_in or sockaddr_in6."""
    if ':' in host:
        last = 1 if host == '::1' else 0
        octets = bytes(15) + bytes([last])
        return struct.pack('=H2sI16sI', AF_INET6, port.to_bytes(2, 'big'), 0, octets, 0)
    octets = bytes(int(part) for part in host.split('.'))
    return struct.pack('=H2s4s8x', AF_INET, port.to_bytes(2, 'big'), octets)


def host_and_port(raw):
    """What is in such bytes."""
    port = int.from_bytes(raw[2:4], 'big')
    if raw[:2] == AF_INET.to_bytes(2, sys.byteorder):
        return '.'.join(str(octet) for octet in raw[4:8]), port
    return ('::1' if raw[8:24] == bytes(15) + b'\1' else '::'), port


class Library:
    """The calls, which raise OSError as Python's own do."""

    def __init__(self, path, prefix):
        self.library = ctypes.CDLL(path, use_errno=True)
        self.prefix = prefix

    def call(self, name, *arguments):
        function = getattr(self.library, self.prefix + name)
        function.restype = ctypes.c_ssize_t if name in ('send', 'recv', 'sendto', 'recvfrom') \
            else ctypes.c_int
        result = function(*arguments)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def socket(self, family, kind):
        return self.call('socket', family, kind, 0)

    def bind(self, fd, where):
        self.call('bind', fd, where, len(where))

    def listen(self, fd, backlog):
        self.call('listen', fd, backlog)

    def accept(self, fd):
        raw, size = ctypes.create_string_buffer(64), ctypes.c_uint(64)
        new = self.call('accept', fd, raw, ctypes.byref(size))
        return new, host_and_port(raw.raw)

    def connect(self, fd, where):
        self.call('connect', fd, where, len(where))

    def name(self, fd, call='getsockname'):
        raw, size = ctypes.create_string_buffer(64), ctypes.c_uint(64)
        self.call(call, fd, raw, ctypes.byref(size))
        return host_and_port(raw.raw)

    def send(self, fd, data):
        return self.call('send', fd, data, ctypes.c_size_t(len(data)), 0)

    def recv(self, fd, size=1024):
        data = ctypes.create_string_buffer(size)
        got = self.call('recv', fd, data, ctypes.c_size_t(size), 0)
        return data.raw[:got]

    def sendto(self, fd, data, where):
        return self.call('sendto', fd, data, ctypes.c_size_t(len(data)), 0, where, len(where))

    def recvfrom(self, fd, size=1024):
        data = ctypes.create_string_buffer(size)
        raw, length = ctypes.create_string_buffer(64), ctypes.c_uint(64)
        got = self.call('recvfrom', fd, data, ctypes.c_size_t(size), 0, raw, ctypes.byref(length))
        return data.raw[:got], host_and_port(raw.raw)

    def error(self, fd):
        value, size = ctypes.c_int(), ctypes.c_uint(4)
        self.call('getsockopt', fd, SOL_SOCKET, SO_ERROR, ctypes.byref(value), ctypes.byref(size))
        return value.value

    def reuse(self, fd):
        on = ctypes.c_int(1)
        self.call('setsockopt', fd, SOL_SOCKET, SO_REUSEADDR, ctypes.byref(on), 4)

    def close(self, fd):
        self.call('close', fd)


def udp_server(lib):
    s = lib.socket(AF_INET, DGRAM)
    lib.bind(s, address('0.0.0.0', 50000))
    data = b''
    while data != b'stop':
        data, sender = lib.recvfrom(s)
        print('Received', repr(data.decode()), 'from', sender, flush=True)
        lib.sendto(s, data, address(*sender))
    lib.close(s)


def udp_client(lib):
    s = lib.socket(AF_INET, DGRAM)
    for text in ('Hello', 'world', 'stop'):
        lib.sendto(s, text.encode(), address('127.0.0.1', 50000))
        data, server = lib.recvfrom(s)
        print('Answer', repr(data.decode()), 'from', server)
    lib.close(s)


def tcp_server(lib):
    s = lib.socket(AF_INET, STREAM)
    lib.reuse(s)
    lib.bind(s, address('0.0.0.0', 50007))
    lib.listen(s, 1)
    conn, peer = lib.accept(s)
    print('Connected by', peer, flush=True)
    while data := lib.recv(conn):
        lib.send(conn, data)
    lib.close(conn)
    lib.close(s)


def tcp_client(lib):
    s = lib.socket(AF_INET, STREAM)
    lib.connect(s, address('127.0.0.1', 50007))
    lib.send(s, b'Hello, world')
    print('Received', repr(lib.recv(s).decode()))
    lib.close(s)


def fails(code, call, *arguments):
    """The call must fail with this errno."""
    try:
        result = call(*arguments)
    except OSError as error:
        assert error.errno == code, (error, errno.errorcode[code])
        return
    raise AssertionError(f'{call.__name__} answered {result}, not {errno.errorcode[code]}')


def when(fd, events):
    """Waits until the descriptor is ready: the way to handle EAGAIN."""
    poll = select.poll()
    poll.register(fd, events)
    assert poll.poll(10_000), 'nothing happened in ten seconds'


def tcp_calls(lib, family, host):
    server = lib.socket(family, STREAM | NONBLOCK)
    lib.bind(server, address(host, 0))
    lib.listen(server, 8)
    there = lib.name(server)
    assert there[0] == host and there[1] > 0, there
    fails(errno.EAGAIN, lib.accept, server)

    client = lib.socket(family, STREAM)
    fails(errno.ENOTCONN, lib.name, client, 'getpeername')
    lib.connect(client, address(*there))
    when(server, select.POLLIN)
    conn, peer = lib.accept(server)
    assert peer == lib.name(client) == lib.name(conn, 'getpeername')
    assert there == lib.name(client, 'getpeername') == lib.name(conn)
    assert lib.send(client, b'blocking') == 8
    assert lib.recv(conn) == b'blocking'

    os.set_blocking(conn, False)
    fails(errno.EAGAIN, lib.recv, conn)
    assert lib.send(client, b'later') == 5
    when(conn, select.POLLIN)
    assert lib.recv(conn) == b'later'
    # Fill it until it would block, drain it, and go on.
    sent = 0
    try:
        while True:
            sent += lib.send(conn, bytes(65536))
    except OSError as error:
        assert error.errno == errno.EAGAIN, error
    assert sent > 0
    while sent:
        sent -= len(lib.recv(client, 65536))
    when(conn, select.POLLOUT)
    assert lib.send(conn, b'room again') == 10
    assert lib.recv(client) == b'room again'

    lib.close(client)
    when(conn, select.POLLIN)
    assert lib.recv(conn) == b''
    lib.close(conn)
    lib.close(server)
    late = lib.socket(family, STREAM)
    fails(errno.ECONNREFUSED, lib.connect, late, address(*there))
    lib.close(late)

    again = lib.socket(family, STREAM)
    lib.bind(again, address(*there))
    lib.listen(again, 8)
    second = lib.socket(family, STREAM)
    fails(errno.EADDRINUSE, lib.bind, second, address(*there))
    lib.close(second)
    slow = lib.socket(family, STREAM | NONBLOCK)
    fails(errno.EINPROGRESS, lib.connect, slow, address(*there))
    when(slow, select.POLLOUT)
    assert lib.error(slow) == 0
    lib.close(slow)
    lib.close(again)


def udp_calls(lib, family, host):
    server = lib.socket(family, DGRAM)
    lib.bind(server, address(host, 0))
    there = lib.name(server)
    client = lib.socket(family, DGRAM | NONBLOCK)
    fails(errno.EAGAIN, lib.recvfrom, client)
    fails(errno.EDESTADDRREQ, lib.send, client, b'to nobody')
    assert lib.sendto(client, b'ping', address(*there)) == 4
    data, sender = lib.recvfrom(server)
    assert data == b'ping' and sender == (host, lib.name(client)[1]), (data, sender)
    assert lib.sendto(server, b'', address(*sender)) == 0
    when(client, select.POLLIN)
    assert lib.recvfrom(client) == (b'', there)

    lib.connect(client, address(*there))
    assert lib.name(client, 'getpeername') == there and lib.name(client) == sender
    assert lib.send(client, b'connected') == 9
    assert lib.recvfrom(server) == (b'connected', sender)
    assert lib.sendto(server, b'answer', address(*sender)) == 6
    when(client, select.POLLIN)
    assert lib.recv(client) == b'answer'
    fails(errno.EMSGSIZE, lib.send, client, bytes(70_000))
    lib.close(server)
    assert lib.send(client, b'gone') == 4
    when(client, select.POLLIN)
    fails(errno.ECONNREFUSED, lib.recv, client)
    lib.close(client)


def calls(lib):
    for family, host in ((AF_INET, '127.0.0.1'), (AF_INET6, '::1')):
        tcp_calls(lib, family, host)
        udp_calls(lib, family, host)
    fails(errno.EBADF, lib.close, -1)
    fails(errno.EAFNOSUPPORT, lib.socket, 99, STREAM)
    print('all calls behave')


if __name__ == '__main__':
    path, names, role = sys.argv[1:]
    globals()[role.replace('-', '_')](Library(path, {'us': 'us_', 'plain': ''}[names]))
