"""UDP client: sends some datagrams and prints the answers."""
import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1'
PORT = 50000

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
for text in ('Hello', 'world', 'stop'):
    s.sendto(text.encode(), (HOST, PORT))
    data, server = s.recvfrom(1024)
    print('Answer', repr(data.decode()), 'from', server)
s.close()
