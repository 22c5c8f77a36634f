"""A hundred connections at once: many.py listen|connect ADDRESS PORT

The client opens all, then sends 100,000 bytes on each, and each gets its own back; no connection is
closed before all are served.
"""
import selectors
import socket
import sys

COUNT, SIZE = 100, 100_000
role, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])


def listen():
    server = socket.create_server((address, port), backlog=COUNT)
    waiting = selectors.DefaultSelector()
    waiting.register(server, selectors.EVENT_READ)
    queues, ended = {}, 0
    while ended < COUNT:
        for key, events in waiting.select():
            if key.fileobj is server:
                conn, _ = server.accept()
                conn.setblocking(False)
                queues[conn] = bytearray()
                waiting.register(conn, selectors.EVENT_READ)
                continue
            conn, queue = key.fileobj, queues[key.fileobj]
            if events & selectors.EVENT_READ:
                data = conn.recv(65536)
                if not data:
                    assert not queue
                    waiting.unregister(conn)
                    conn.close()
                    ended += 1
                    continue
                queue += data
            if queue:
                try:
                    del queue[: conn.send(queue)]
                except BlockingIOError:
                    pass
            both = selectors.EVENT_READ | (selectors.EVENT_WRITE if queue else 0)
            waiting.modify(conn, both)


def connect():
    conns = [socket.create_connection((address, port)) for _ in range(COUNT)]
    waiting = selectors.DefaultSelector()
    state = {}
    for number, conn in enumerate(conns):
        conn.setblocking(False)
        data = bytes([number]) * SIZE
        state[conn] = [data, bytearray()]
        waiting.register(conn, selectors.EVENT_READ | selectors.EVENT_WRITE)
    left = COUNT
    while left:
        for key, events in waiting.select():
            conn = key.fileobj
            to_send, got = state[conn]
            if events & selectors.EVENT_WRITE:
                state[conn][0] = to_send[conn.send(to_send) :]
                if not state[conn][0]:
                    waiting.modify(conn, selectors.EVENT_READ)
            if events & selectors.EVENT_READ:
                data = conn.recv(65536)
                assert data
                got += data
                if len(got) == SIZE:
                    waiting.unregister(conn)
                    left -= 1
    for number, conn in enumerate(conns):
        assert bytes(state[conn][1]) == bytes([number]) * SIZE
        conn.close()
    print("all came back")


listen() if role == "listen" else connect()
