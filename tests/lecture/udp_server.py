"""UDP server: prints what it receives and who sent it, and sends it back."""
import socket

HOST = ''     # all of this machine's addresses
PORT = 50000

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((HOST, PORT))
while True:
    data, address = s.recvfrom(1024)
    print('Received', repr(data.decode()), 'from', address, flush=True)
    s.sendto(data, address)
    if data == b'stop':
        break
s.close()
