"""Options about the flow of data: flow.py listen|connect ADDRESS PORT

Both ends go through the same scenes, one connection each. In each scene one end is the sender and
the other the receiver, and then the other way round.
"""
import array
import ctypes
import fcntl
import select
import socket
import struct
import sys
import time

LIMIT = 10
TCP, SOL = socket.IPPROTO_TCP, socket.SOL_SOCKET
TCP_NOTSENT_LOWAT, SO_MEMINFO, IP_MTU, IPV6_MTU = 25, 55, 14, 24
SIOCOUTQ, SIOCOUTQNSD = 0x5411, 0x894B
libc = ctypes.CDLL(None, use_errno=True)
FIELDS = (
    "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent "
    "last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss "
    "reordering rcv_rtt rcv_space total_retrans pacing_rate max_pacing_rate bytes_acked "
    "bytes_received segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out "
    "delivery_rate busy_time rwnd_limited sndbuf_limited delivered delivered_ce bytes_sent "
    "bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash").split()
LAYOUT = "=8B24I4Q6I4Q2I2Q6I"


class Info:
    def __init__(self, s):
        raw = s.getsockopt(TCP, socket.TCP_INFO, 1024)
        assert len(raw) >= 248, len(raw)
        values = struct.unpack_from(LAYOUT, raw)
        (self.state, self.ca_state, self.retransmits, self.probes, self.backoff, self.options,
         self.scales, _) = values[:8]
        self.__dict__.update(zip(FIELDS, values[8:], strict=True))


def until(condition, what):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"{what} never came"
        time.sleep(0.002)


def question(s, request):
    answer = array.array("i", [-1])
    fcntl.ioctl(s, request, answer)
    return answer[0]


def memory(s):
    return struct.unpack("9I", s.getsockopt(SOL, SO_MEMINFO, 36))


def fill(s, piece=65536):
    """Sends until there is no room; how many bytes."""
    s.setblocking(False)
    total = 0
    try:
        while True:
            total += s.send(bytes(piece))
    except BlockingIOError:
        s.setblocking(True)
        return total


def take(s, n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        assert piece, "the end"
        data += piece
    return data


class Scenes:
    """A method of a name, `send` or `receive`, for each end; `before` for options of both."""

    class info:
        def send(s, cue, wait):
            s.sendall(bytes(100_000))
            wait()
            i = Info(s)
            v6 = s.family == socket.AF_INET6
            assert i.state == 1 and i.options & 7 == 7 and i.ca_state == 0
            mss = 1428 if v6 else 1448
            assert (i.snd_mss, i.advmss, i.pmtu) == (mss, mss, 1500), (i.snd_mss, i.advmss, i.pmtu)
            until(lambda: Info(s).unacked == 0, "the last ACK")
            i = Info(s)
            assert i.bytes_sent - i.bytes_retrans == 100_000
            assert i.bytes_acked in (100_000, 100_001), i.bytes_acked
            assert i.snd_cwnd >= 10 and i.reordering == 3 and i.rto >= 200_000
            assert 0 < i.min_rtt <= i.rtt < 10_000_000 and i.rttvar > 0
            assert i.data_segs_out > 0 and i.segs_out >= i.data_segs_out and i.segs_in > 0
            assert i.notsent_bytes == 0
            assert i.last_data_sent < 10_000 and i.last_ack_recv < 10_000
            assert i.snd_wnd > 10_000 and i.delivered > 0 and i.delivered_ce == 0
            assert (i.retransmits, i.backoff, i.lost, i.fackets) == (0,) * 4
            # As much as there is room for.
            for size in (0, 1, 7, 104, 247):
                assert len(s.getsockopt(TCP, socket.TCP_INFO, size) if size else b"") == size
            assert s.getsockopt(*((41, IPV6_MTU) if v6 else (0, IP_MTU))) == 1500
            cue()

        def receive(s, cue, wait):
            take(s, 100_000)
            cue()
            wait()
            i = Info(s)
            assert i.bytes_received == 100_000 and i.data_segs_in > 0, i.bytes_received
            assert i.rcv_mss > 1000 and i.last_data_recv < 10_000 and i.rcv_wnd > 0
            assert i.rcv_ssthresh > 10_000 and i.rcv_space > 10_000 and i.ato > 0

    class queues:
        def send(s, cue, wait):
            assert question(s, SIOCOUTQ) == 0 and question(s, SIOCOUTQNSD) == 0
            total = 0

            def closed():
                # The peer and the buffers may take more than fits at first. At the end nothing is
                # in flight any more, and what is left waits for the peer's window.
                nonlocal total
                more = fill(s)
                total += more
                return more == 0 and question(s, SIOCOUTQ) == question(s, SIOCOUTQNSD) > 0

            until(closed, "a closed window")
            assert 0 < question(s, SIOCOUTQNSD) <= question(s, SIOCOUTQ) < total
            assert memory(s)[5] > 0
            assert Info(s).notsent_bytes > 0
            cue(total)
            until(lambda: question(s, SIOCOUTQ) == 0, "an empty queue")
            assert question(s, SIOCOUTQNSD) == 0
            until(lambda: memory(s)[5] == 0, "an empty queue")

        def receive(s, cue, wait):
            total = wait()
            assert memory(s)[0] > 0
            assert Info(s).bytes_received > 0
            take(s, total)

    class notsent_lowat:
        def send(s, cue, wait):
            s.setsockopt(TCP, TCP_NOTSENT_LOWAT, 32_768)
            assert s.getsockopt(TCP, TCP_NOTSENT_LOWAT) == 32_768
            total = fill(s, 4096)
            until(lambda: Info(s).unacked == 0 or Info(s).snd_wnd < 1000, "a full peer")
            total += fill(s, 4096)
            assert question(s, SIOCOUTQNSD) <= 3 * 32_768, question(s, SIOCOUTQNSD)
            cue(total)
            until(lambda: select.select([], [s], [], 0)[1], "room")

        def receive(s, cue, wait):
            take(s, wait())

    class receive_buffer:
        def before(s, sender):
            if not sender:
                s.setsockopt(SOL, socket.SO_RCVBUF, 16_384)
                assert s.getsockopt(SOL, socket.SO_RCVBUF) == 32_768

        def send(s, cue, wait):
            total = fill(s)
            assert Info(s).snd_wnd <= 32_768, Info(s).snd_wnd
            cue(total)
            s.sendall(bytes(100_000))
            assert Info(s).snd_wnd <= 32_768, Info(s).snd_wnd

        def receive(s, cue, wait):
            take(s, wait() + 100_000)

    class segment_size:
        def before(s, sender):
            if sender:
                s.setsockopt(TCP, socket.TCP_MAXSEG, 600)

        def send(s, cue, wait):
            assert s.getsockopt(TCP, socket.TCP_MAXSEG) == 588
            assert Info(s).snd_mss == 588
            # Too late to change it.
            s.setsockopt(TCP, socket.TCP_MAXSEG, 300)
            assert s.getsockopt(TCP, socket.TCP_MAXSEG) == 588
            s.sendall(bytes(5000))
            cue()

        def receive(s, cue, wait):
            wait()
            take(s, 5000)

    class quickack:
        def send(s, cue, wait):
            s.setsockopt(TCP, socket.TCP_QUICKACK, 0)
            assert s.getsockopt(TCP, socket.TCP_QUICKACK) == 0
            s.setsockopt(TCP, socket.TCP_QUICKACK, 1)
            assert s.getsockopt(TCP, socket.TCP_QUICKACK) == 1
            cue()

        def receive(s, cue, wait):
            wait()

    class receive_lowat:
        def send(s, cue, wait):
            wait()
            s.send(bytes(400))
            cue()
            wait()
            s.send(bytes(700))
            cue()
            s.send(bytes(10))
            s.shutdown(socket.SHUT_WR)

        def receive(s, cue, wait):
            s.setsockopt(SOL, socket.SO_RCVLOWAT, 1000)
            cue()
            wait()
            assert not select.select([s], [], [], 0.05)[0]
            cue()
            wait()
            assert select.select([s], [], [], LIMIT)[0]
            assert len(take(s, 1100)) == 1100
            # The end is enough.
            assert select.select([s], [], [], LIMIT)[0]
            take(s, 10)
            assert s.recv(1) == b""

    class more_follows:
        """send(2), `MSG_MORE`: what is not a full segment waits for what follows, also without
        Nagle's algorithm; `MSG_EOR` changes nothing of the bytes."""

        def send(s, cue, wait):
            s.setsockopt(TCP, socket.TCP_NODELAY, 1)
            total = 0

            def one_segment():
                nonlocal total
                before = Info(s).data_segs_out
                for flags in (socket.MSG_MORE, socket.MSG_MORE, 0):
                    assert s.send(bytes(100), flags) == 100
                total += 300
                until(lambda: Info(s).bytes_acked >= total, "the last ACK")
                return Info(s).data_segs_out == before + 1

            # A program that is kept from the processor for long is not waited for.
            assert any(one_segment() for _ in range(20))
            cue(total)
            for size in (1, 100, 3_000, 40_000, 150_000, 7):
                flags = socket.MSG_EOR if size % 8 else socket.MSG_MORE | socket.MSG_EOR
                data = memoryview(bytes(i * size % 251 for i in range(size)))
                while data:
                    data = data[s.send(data, flags):]

        def receive(s, cue, wait):
            take(s, wait())
            for size in (1, 100, 3_000, 40_000, 150_000, 7):
                assert take(s, size) == bytes(i * size % 251 for i in range(size)), size

    class window_clamp:
        def send(s, cue, wait):
            s.sendall(bytes(50_000))
            wait()
            s.sendall(bytes(300_000))
            cue()
            until(lambda: Info(s).snd_wnd <= 8192, "a small window")

        def receive(s, cue, wait):
            # Linux forgets a clamp when a buffer grows by itself, and with the first segments.
            s.setsockopt(SOL, socket.SO_RCVBUF, 65_536)
            take(s, 50_000)
            s.setsockopt(TCP, socket.TCP_WINDOW_CLAMP, 8192)
            try:
                s.setsockopt(TCP, socket.TCP_WINDOW_CLAMP, 0)
                raise AssertionError("0 was taken")
            except OSError:
                pass
            cue()
            take(s, 300_000)
            wait()


def main(role, address, port):
    port = int(port)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listens = role == "listen"
    if listens:
        control, _ = socket.create_server((address, port), family=family).accept()
    else:
        control = socket.create_connection((address, port))
    control.setsockopt(TCP, socket.TCP_NODELAY, 1)

    def cue(number=0):
        control.sendall(struct.pack("q", number))

    def wait():
        return struct.unpack("q", take(control, 8))[0]

    names = [name for name in vars(Scenes) if not name.startswith("_")]
    for number, name in enumerate(names * 2):
        scene, sender = getattr(Scenes, name), listens == (number < len(names))
        before = getattr(scene, "before", lambda s, sender: None)
        s = socket.socket(family)
        before(s, sender)
        if listens:
            s.bind((address, port + 1 + number))
            s.listen()
            cue()
            s, _ = s.accept()
        else:
            wait()
            s.connect((address, port + 1 + number))
        (scene.send if sender else scene.receive)(s, cue, wait)
        cue()
        wait()
        s.close()
        print(name)
    print("all")


main(*sys.argv[1:])
