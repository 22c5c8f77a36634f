"""A program in a group: group_member.py GROUP OWN4 PORT prints what arrives until it is `end`."""
import socket
import struct
import sys

group, own4, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
six = ":" in group
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", port))
if six:
    wanted = socket.inet_pton(socket.AF_INET6, group) + struct.pack("I", 0)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, wanted)
else:
    wanted = socket.inet_aton(group) + socket.inet_aton(own4)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, wanted)
print("ready", flush=True)
while True:
    data, sender = s.recvfrom(2000)
    print(data.decode(), "from", sender[0], flush=True)
    if data == b"end":
        break
