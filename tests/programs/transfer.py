"""Sends and receives at once, and says what: transfer.py listen|connect ADDRESS PORT MEGABYTES

Each side sends as many megabytes as it was told, ends its direction, and takes all that comes.
Prints the SHA-256 and length of what it sent and of what it got.
"""
import hashlib
import random
import socket
import sys
import threading

role, address, port, megabytes = sys.argv[1:5]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if role == "listen":
    server = socket.create_server((address, int(port)), family=family)
    conn, _ = server.accept()
else:
    conn = socket.create_connection((address, int(port)))

# One random megabyte, with its number in front of each copy.
block = random.Random(role).randbytes((1 << 20) - 8)
report = {}


def send():
    digest = hashlib.sha256()
    for number in range(int(megabytes)):
        data = number.to_bytes(8, "big") + block
        digest.update(data)
        conn.sendall(data)
    conn.shutdown(socket.SHUT_WR)
    report["sent"] = f"{digest.hexdigest()} {int(megabytes) << 20}"


def receive():
    digest, total = hashlib.sha256(), 0
    buffer = bytearray(1 << 18)
    while count := conn.recv_into(buffer):
        digest.update(memoryview(buffer)[:count])
        total += count
    report["got"] = f"{digest.hexdigest()} {total}"


sender = threading.Thread(target=send)
sender.start()
receive()
sender.join()
for word in ("sent", "got"):
    print(word, report[word])
