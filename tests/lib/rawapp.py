# SPDX-License-Identifier: BSD-2-Clause
"""An application that keeps every byte it was sent and reads requests strictly.

It answers each complete request, by default with its number, method and target, so that the answers show
what the application took for a request. Bytes that are no request are kept in `fault`, and the connection
is closed: behind kedge, a byte stream must have one reading only.
"""
import re
import socket
import struct
import threading

from machine import Deadline

REQUEST_LINE = re.compile(rb"([A-Za-z!#$%&'*+.^_`|~0-9-]+) ([!-~]+) HTTP/1\.([01])")
FIELD_LINE = re.compile(rb"([A-Za-z!#$%&'*+.^_`|~0-9-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
# Methods of requests that may come twice (RFC 9110, section 9.2.2).
REPEATABLE = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t -~\x80-\xff]*)?)")


class Fault(Exception):
    """Bytes that are no request."""


class Request:
    def __init__(self, method, target, minor, fields, raw):
        self.method, self.target, self.minor = method, target, minor
        self.fields, self.raw, self.body = fields, raw, b""

    def values(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    @property
    def xff(self):
        """None if there is no such line. No test expects more than one."""
        values = self.values("X-Forwarded-For")
        assert len(values) <= 1, values
        return values[0] if values else None


def answer(status="200 OK", body=b"", fields=()):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    head += [f"{n}: {v}" for n, v in fields]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def default_answer(conn, req):
    body = f"{len(conn.requests)} {req.method} {req.target}\n".encode()
    whole = answer(body=body)
    return whole[:-len(body)] if req.method == "HEAD" else whole


class Connection:
    def __init__(self, app, sock, peer):
        self.app, self.sock, self.peer = app, sock, peer
        self.received = bytearray()
        self.requests = []
        self.fault = None
        self.ended = None  # "eof" or "reset"
        self._at = 0       # how much of `received` has been read as requests

    # --- for a test's own answer function -----------------------------------------------------
    def send(self, data):
        self.sock.sendall(data)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # --- reading ------------------------------------------------------------------------------
    def fill(self):
        """One more read; False at the end."""
        try:
            data = self.sock.recv(self.app.read_size)
        except (ConnectionResetError, BrokenPipeError, OSError) as error:
            end = "reset" if isinstance(error, ConnectionResetError) else "closed"
            data = b""
        else:
            end = "eof"
        with self.app.changed:
            if data:
                self.received += data
            else:
                self.ended = self.ended or end
            self.app.changed.notify_all()
        return bool(data)

    def _line(self):
        while True:
            end = self.received.find(b"\n", self._at)
            if end >= 0:
                line = bytes(self.received[self._at:end + 1])
                self._at = end + 1
                if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
                    raise Fault(f"bare CR or LF: {line!r}")
                return line[:-2]
            if not self.fill():
                raise EOFError

    def _bytes(self, count):
        while len(self.received) - self._at < count:
            if not self.fill():
                raise EOFError
        data = bytes(self.received[self._at:self._at + count])
        self._at += count
        return data

    def _fields(self):
        fields = []
        while True:
            line = self._line()
            if not line:
                return fields
            match = FIELD_LINE.fullmatch(line)
            if not match:
                raise Fault(f"field line: {line!r}")
            fields.append(tuple(part.decode("latin-1") for part in match.groups()))

    def head_read(self, req):
        """A hook: the head of a request has arrived, its body has not been read."""

    def read_request(self):
        begin = self._at
        line = self._line()
        match = REQUEST_LINE.fullmatch(line)
        if not match:
            raise Fault(f"request line: {line!r}")
        method, target, minor = (part.decode() for part in match.groups())
        req = Request(method, target, int(minor), self._fields(), None)
        self.head_read(req)
        lengths, codings = req.values("Content-Length"), req.values("Transfer-Encoding")
        if codings:
            if lengths or [c.lower() for c in codings] != ["chunked"]:
                raise Fault(f"framing: {lengths} {codings}")
            req.body = self._chunks()
        elif lengths:
            if len(lengths) > 1 or not re.fullmatch("[0-9]{1,19}", lengths[0]) or int(lengths[0]) >> 63:
                raise Fault(f"Content-Length: {lengths}")
            req.body = self._bytes(int(lengths[0]))
        req.raw = bytes(self.received[begin:self._at])
        return req

    def _chunks(self):
        parts = []
        while True:
            match = CHUNK_LINE.fullmatch(self._line())
            if not match:
                raise Fault("chunk line")
            size = int(match[1], 16)
            if not size:
                self._fields()
                return b"".join(parts)
            parts.append(self._bytes(size))
            if self._bytes(2) != b"\r\n":
                raise Fault("chunk end")

    def serve(self):
        try:
            while True:
                req = self.read_request()
                with self.app.changed:
                    self.requests.append(req)
                    self.app.changed.notify_all()
                out = self.app.respond(self, req)
                if out is not None:
                    self.send(out)
                if self.app.closes and "close" in [v.lower() for v in req.values("Connection")]:
                    self.sock.shutdown(socket.SHUT_WR)
        except EOFError:
            pass
        except Fault as fault:
            with self.app.changed:
                self.fault = str(fault)
                self.app.changed.notify_all()
        except OSError:
            pass
        self.close()
        self.sock.close()
        with self.app.changed:
            self.ended = self.ended or "closed"
            self.app.changed.notify_all()


class Replay(Connection):
    """Reads bytes that were received elsewhere, as the application would."""

    def __init__(self, data):
        super().__init__(None, None, None)
        self.received = bytearray(data)

    def fill(self):
        return False

    def all(self):
        """The complete requests. The rest may be the beginning of another one."""
        try:
            while True:
                self.requests.append(self.read_request())
        except EOFError:
            return self.requests


class RawApp:
    """
    respond(connection, request): the bytes of the answer, or None if it has sent them itself. `serve` replaces
    Connection.serve. cgroup: the cgroup of the listening socket. path: of a unix socket. restarts: when it has
    ended, another one may have its port, though connections of it are not gone.
    """

    def __init__(self, respond=default_answer, cgroup=None, host="127.0.0.1", serve=None,
                 backlog=1024, accepting=True, read_size=65536, rcvbuf=None, port=0,
                 path=None, restarts=False):
        self.respond, self.serve, self.read_size = respond, serve or Connection.serve, read_size
        self.closes = True  # after a request that says so
        self.connections = []
        self.changed = threading.Condition()
        family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET

        def open_socket():
            return socket.socket(family, socket.SOCK_STREAM)

        if cgroup:
            with cgroup.inside():
                self.sock = open_socket()
        else:
            self.sock = open_socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if restarts:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(str(path).replace("@", "\0", 1) if path else (host, port))
        self.sock.listen(backlog)
        self.address = str(path) if path else self.sock.getsockname()[:2]
        if accepting:
            threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def text(self):
        if isinstance(self.address, str):
            return f"unix:{self.address}"
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _accept(self):
        while True:
            try:
                sock, peer = self.sock.accept()
            except OSError:
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conn = Connection(self, sock, peer)
            with self.changed:
                self.connections.append(conn)
                self.changed.notify_all()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def wait(self, predicate, seconds=10, what="the application's state"):
        """Waits until predicate(), a check of the recorded connections, is true. Returns its value."""
        deadline = Deadline(seconds, what)
        with self.changed:
            while True:
                value = predicate()
                if value:
                    return value
                self.changed.wait(deadline.left())

    def connection(self, number=0):
        return self.wait(lambda: self.connections[number:number + 1], what="a connection")[0]

    def wait_ended(self, number=0):
        conn = self.connection(number)
        self.wait(lambda: conn.ended, what="the end of a connection")
        return conn

    def forget(self):
        """Empties the record, between tests that share an application."""
        with self.changed:
            self.connections = []

    def stop(self):
        # shutdown() wakes the thread in accept(); close() alone would not.
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        for conn in self.connections:
            conn.close()
