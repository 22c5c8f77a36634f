"""Every order of close and half-close: closes.py listen|connect ADDRESS PORT

Both sides walk through the same list of scenes, one connection each, and print what they see. A
scene is two scripts, the client's and the server's: words that are done one after the other.
Between the two a second connection carries the cues ("cue" waits for the other side's "say").
"""
import errno
import socket
import struct
import sys
import time

SCENES = {
    "client closes first": ("send:5 close", "read:5 eof close"),
    "server closes first": ("read:5 eof close", "send:5 close"),
    "both at once": ("close", "close"),
    "client half-closes": ("send:3 shut eof-after:1000 close", "eof-after:3 send:1000 close"),
    "server half-closes": ("eof-after:3 send:1000 close", "send:3 shut eof-after:1000 close"),
    "both half-close": ("send:2 shut eof-after:2 close", "send:2 shut eof-after:2 close"),
    "megabytes after half-close": (
        "shut eof-after:3000000 close", "eof-after:0 send:3000000 close"),
    "client leaves with unread data": ("cue close say", "send:100 say cue until-error close"),
    "server leaves with unread data": ("send:100 say cue until-error close", "cue close say"),
    "client resets": ("cue linger0 close say", "say cue until-error close"),
    "server resets": ("say cue until-error close", "cue linger0 close say"),
    "server reads what came before a reset": (
        "send:10 say cue linger0 close say", "cue read:10 say cue until-error close"),
    "writes after the peer has gone": ("cue write-until-error close", "close say"),
    "reads after half-close, then gone": ("shut eof close", "eof-after:0 close"),
    "shut both": ("shut-both eof close", "eof-after:0 close"),
    "reads after shut-rd": (
        "shut-rd eof say late:5 send:3 close", "cue send:5 eof-after:3 close"),
    "shut twice": ("shut shut say eof-after:4 close", "cue eof-after:0 send:4 shut close"),
}


class Side:
    def __init__(self, conn, cues):
        self.conn, self.cues, self.seen = conn, cues, []

    def note(self, what):
        self.seen.append(what)

    def take(self, limit):
        """Reads until `limit` bytes, the end, or an error."""
        total = 0
        while total < limit:
            data = self.conn.recv(min(65536, limit - total))
            if not data:
                self.note("end")
                break
            total += len(data)
        return total

    def do(self, word):
        word, _, number = word.partition(":")
        number = int(number or 0)
        conn = self.conn
        if word == "send":
            conn.sendall(b"x" * number)
        elif word == "read":
            self.note(self.take(number))
        elif word == "eof":
            self.note(len(conn.recv(100)))
        elif word == "eof-after":
            self.note(self.take(number + 1))
        elif word == "shut":
            conn.shutdown(socket.SHUT_WR)
        elif word == "shut-rd":
            conn.shutdown(socket.SHUT_RD)
        elif word == "late":
            # A read does not wait any more.
            end = time.monotonic() + 20
            while number and time.monotonic() < end:
                number -= len(conn.recv(number))
            self.note("none missing" if number == 0 else f"{number} missing")
        elif word == "shut-both":
            conn.shutdown(socket.SHUT_RDWR)
        elif word == "linger0":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif word == "until-error":
            while conn.recv(65536):
                self.note("data")
            self.note("end")
        elif word == "write-until-error":
            for _ in range(10000):
                conn.send(b"x" * 1000)
            self.note("never")
        elif word == "close":
            conn.close()
        elif word == "say":
            self.cues.sendall(b"!")
        elif word == "cue":
            assert self.cues.recv(1) == b"!"

    def play(self, script):
        for word in script.split():
            try:
                self.do(word)
            except OSError as error:
                self.note(errno.errorcode[error.errno])
        return " ".join(map(str, self.seen))


def main():
    role, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if role == "listen":
        server = socket.create_server((address, port), family=family)
        dial = lambda: server.accept()[0]
    else:
        dial = lambda: socket.create_connection((address, port))
    cues = dial()
    cues.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, scripts in SCENES.items():
        conn = dial()
        script = scripts[role == "listen"]
        print(f"{name}: {Side(conn, cues).play(script)}")
        # The next scene begins when both are through with this one.
        cues.sendall(b".")
        assert cues.recv(1) == b"."


main()
