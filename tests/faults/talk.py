# SPDX-License-Identifier: BSD-2-Clause
"""Connections that know exactly what they must get, and keep every raw byte to show that it was TLS."""
import ssl
import struct

import prefix
from client import Client, request
from pattern import pattern
from rawapp import answer

MARK = b"only-the-client-may-read-this"
# What kedge may answer by itself to a request that is right.
OWN = {408, 500, 502, 503, 504}
RECORD_MAX = (1 << 14) + 256


def respond(_conn, req):
    """The application: its answer has the name of the request, the client that it was told of, and a mark."""
    name, size = (req.values("X-Id") or ["?"])[0], int((req.values("X-Size") or ["0"])[0])
    return answer(body=body_of(name, req.xff, size))


def body_of(name, xff, size):
    return b"%s %s %s " % (name.encode(), (xff or "-").encode(), MARK) + pattern(size)


def not_records(raw):
    """Why these bytes are no sequence of TLS records; "" if they are one. The last may be cut off."""
    if MARK in raw:
        return "clear text of the application"
    at = 0
    while at + 5 <= len(raw):
        kind, version, size = struct.unpack_from("!BHH", raw, at)
        if kind not in (20, 21, 22, 23) or version not in (0x301, 0x303) or size > RECORD_MAX:
            return f"no TLS record at byte {at}: {bytes(raw[at:at + 40])!r}"
        at += 5 + size
    return ""


class Tapped(Client):
    """Keeps every byte of the socket. Sends when kedge waits for something: so the order of its calls is always the same."""

    def __init__(self, settle, *args, **kwargs):
        self.raw, self.settle = bytearray(), settle
        super().__init__(*args, **kwargs)

    def send_raw(self, data):
        self.settle()
        super().send_raw(data)

    def _feed(self):
        data = self.sock.recv(262144)
        self.raw += data
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def drain(self):
        """Everything up to the end of the connection, as raw bytes."""
        try:
            while data := self.sock.recv(262144):
                self.raw += data
        except (OSError, TimeoutError):
            pass


class Talk:
    """
    A connection to one of the listeners, from an address of its own. `broken` says why it has ended; that may be
    the fault's right. What is in `wrong` nobody has a right to.
    """

    count = 0

    def __init__(self, front, kind, tls):
        Talk.count += 1
        self.front, self.kind, self.number = front, kind, Talk.count
        self.tls = None if kind in ("clear", "proxy") else tls
        self.source = f"127.0.1.{self.number % 250 + 1}"
        self.client_told = f"198.51.100.{self.number % 250 + 1}" if kind == "proxy" else self.source
        self.requests, self.broken, self.wrong, self.client, self.waiting = [], None, [], None, []
        self.rest, self.over, self.answers = b"", False, 0

    def __str__(self):
        return f"{self.kind} connection from {self.source}"

    def _try(self, what, *args):
        """Runs a step. An end of the connection is noted, and ends all later steps."""
        if self.broken or self.over:
            return
        try:
            what(*args)
        except TimeoutError:
            self.broken = "stalled"
            self.wrong.append(f"{self}: neither an answer nor an end")
        except (EOFError, OSError, ssl.SSLError) as error:
            self.broken = f"{type(error).__name__}: {error}"

    # --- steps --------------------------------------------------------------------------------
    def open(self):
        self._try(self._open)

    def _open(self):
        head = prefix.v1(src=self.client_told) if self.kind == "proxy" else b""
        self.client = Tapped(self.front.settle, self.front[self.kind], prefix=head, tls=self.tls, source=self.source, timeout=8,
                             handshake=False)
        if self.tls:
            self.client.handshake()

    def begin(self, up=0, down=0):
        """Sends a request, all of it but the second half of its body."""
        name = f"{self.number}-{len(self.requests)}"
        data = request("POST" if up else "GET", f"/{name}", [("X-Id", name), ("X-Size", down)], pattern(up))
        self.requests.append(name)
        self.waiting.append((name, down))
        self.rest = data[len(data) - up // 2:]
        self._try(lambda: self.client.send(data[:len(data) - up // 2]))

    def finish(self):
        """Sends the rest and reads the answer."""
        self._try(self._finish)

    def _finish(self):
        if self.rest:
            self.client.send(self.rest)
        name, down = self.waiting.pop(0)
        got = self.client.response()
        told = None if self.kind == "tcp" else self.client_told
        if got.status in OWN:
            self.broken = f"status {got.status}"
        elif got.status != 200 or got.body != body_of(name, told, down):
            self.wrong.append(f"{self}: answer to {name}: status {got.status}, {got.body[:100]!r}")
        self.answers += 1

    def ask(self, up=0, down=0):
        self.begin(up, down)
        self.finish()

    def half_close(self):
        self._try(self._half_close)

    def _half_close(self):
        self.client.half_close()
        self.over = True
        rest = self.client.recv_all()
        if rest:
            self.wrong.append(f"{self}: bytes that nobody asked for: {rest[:100]!r}")

    def close(self):
        """Checks what came in all, and closes."""
        if not self.client:
            return
        if self.broken and self.broken != "stalled":
            self.client.drain()
        if self.tls and (why := not_records(self.client.raw)):
            self.wrong.append(f"{self}: {why}")
        self.client.close()
