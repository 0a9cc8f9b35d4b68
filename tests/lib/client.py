# SPDX-License-Identifier: BSD-2-Clause
"""A client that controls every byte: PROXY prefix, then TLS or clear text, then HTTP/1.1.

TLS runs over memory buffers, so that a test decides how the bytes are cut, what travels together
and how the connection ends.
"""
import socket
import ssl
import struct

import openssl_ffi
from machine import Deadline

CIPHERS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CIPHERS12 = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")


def tls_context(ca=None, version=None, cipher=None, alpn=None):
    """version: "1.2", "1.3" or None for both; ca None: verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # By default Python hides an end without close_notify; a test must see the difference.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if version:
        number = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        context.minimum_version = context.maximum_version = number
    if cipher and cipher.startswith("TLS_"):
        openssl_ffi.set_ciphersuites(context, cipher)
    elif cipher:
        context.set_ciphers(cipher)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class Response:
    def __init__(self, status, reason, fields, interim):
        self.status, self.reason, self.fields, self.interim = status, reason, fields, interim
        self.body = b""

    def field(self, name):
        return next((v for n, v in self.fields if n.lower() == name.lower()), None)

    @property
    def text(self):
        return self.body.decode()


class Client:
    def __init__(self, address, prefix=b"", tls=None, sni="localhost", source=None, session=None,
                 prefix_alone=True, cut=None, timeout=20, rcvbuf=None, handshake=True):
        """
        address: (host, port), or the path of a unix socket. tls: an SSLContext or None for clear text. prefix_alone: False sends
        the prefix in one segment with the first bytes that follow. cut: sends pieces of at most so
        many bytes, each in a segment of its own. source: an address, or (address, port).
        """
        self.timeout, self.cut = timeout, cut
        self.ended = None  # "close_notify", "eof", "truncated" or "reset", once the end was read
        self._in, self._out, self._tls = ssl.MemoryBIO(), ssl.MemoryBIO(), None
        self._unread = b""
        self._context = tls
        path = address.replace("@", "\0", 1) if isinstance(address, str) else None
        family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if not path:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(Deadline(timeout).left())
        if source:
            self.sock.bind((source, 0) if isinstance(source, str) else source)
        self.sock.connect(path or tuple(address))
        self._pending = b""
        if prefix_alone:
            self.send_raw(prefix)
        else:
            self._pending = prefix
        if tls:
            self._tls = tls.wrap_bio(self._in, self._out, server_hostname=sni, session=session)
            if handshake:
                self.handshake()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- bytes ------------------------------------------------------------------------------
    def send_raw(self, data):
        """Sends straight to the socket, past TLS."""
        data, self._pending = self._pending + data, b""
        step = self.cut or len(data) or 1
        for at in range(0, len(data), step):
            self.sock.sendall(data[at:at + step])

    def _flush(self):
        if self._out.pending:
            self.send_raw(self._out.read())

    def _feed(self):
        data = self.sock.recv(262144)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def handshake(self):
        while True:
            try:
                self._tls.do_handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                self._flush()  # the alert that tells why
                raise

    def client_hello(self):
        """The bytes of the first flight, for the test to send."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self._out.read()

    def records(self, data):
        """The TLS records that carry data, not sent."""
        self._tls.write(data)
        return self._out.read()

    def send(self, data):
        if not self._tls:
            self.send_raw(data)
            return
        view = memoryview(data)
        while len(view):
            view = view[self._tls.write(view[:1 << 20]):]
            self._flush()

    def recv(self, size=65536):
        """b"" at the end; self.ended tells which."""
        if self._unread:
            data, self._unread = self._unread[:size], self._unread[size:]
            return data
        try:
            if not self._tls:
                data = self.sock.recv(size)
                self.ended = self.ended if data else "eof"
                return data
            while True:
                try:
                    data = self._tls.read(size)
                    self.ended = self.ended if data else "close_notify"
                    return data
                except ssl.SSLWantReadError:
                    self._flush()
                    self._feed()
        except ssl.SSLZeroReturnError:  # the same as b"", after our own close_notify
            self.ended = "close_notify"
            return b""
        except ssl.SSLError as error:
            if error.reason != "UNEXPECTED_EOF_WHILE_READING" and not isinstance(error, ssl.SSLEOFError):
                raise
            self.ended = "truncated"
            return b""
        except ConnectionResetError:
            self.ended = "reset"
            return b""

    def recv_exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.recv(min(size - len(data), 262144))
            if not more:
                raise EOFError(f"{self.ended} after {len(data)} of {size} bytes")
            data += more
        return data

    def recv_until(self, mark, limit=1 << 20):
        data = b""
        while mark not in data:
            more = self.recv()
            if not more:
                raise EOFError(f"{self.ended} after {data!r}")
            data += more
            assert len(data) < limit
        end = data.index(mark) + len(mark)
        self._unread = data[end:] + self._unread
        return data[:end]

    def recv_all(self):
        parts = []
        while True:
            data = self.recv(262144)
            if not data:
                return b"".join(parts)
            parts.append(data)

    # --- ends -------------------------------------------------------------------------------
    def close_notify(self):
        """Ends our direction as TLS does; reading goes on."""
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def send_and_notify(self, data):
        """Sends data and close_notify at once, and no FIN."""
        self._tls.write(data)
        self.close_notify()

    def half_close(self):
        """Ends our direction: close_notify first where there is TLS, then a FIN."""
        if self._tls:
            self.close_notify()
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    # --- HTTP -------------------------------------------------------------------------------
    def request(self, method="GET", target="/", fields=(), body=b"", host="localhost"):
        self.send(request(method, target, fields, body, host))
        return self.response(method)

    def response(self, method="GET"):
        interim = []
        while True:
            answer = self._response_head(interim)
            if answer.status == 101 or answer.status >= 200:
                break
            interim.append(answer.status)
        answer.body = self._response_body(answer, method)
        return answer

    def _response_head(self, interim):
        lines = self.recv_until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        version, status, *reason = lines[0].split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), lines[0]
        fields = [(n, v.strip()) for n, v in (line.split(":", 1) for line in lines[1:])]
        return Response(int(status), reason[0] if reason else "", fields, interim)

    def _response_body(self, answer, method):
        if method == "HEAD" or answer.status in (101, 204, 304):
            return b""
        if (answer.field("Transfer-Encoding") or "").lower() == "chunked":
            parts = []
            while True:
                size = int(self.recv_until(b"\r\n").split(b";")[0], 16)
                if not size:
                    while self.recv_until(b"\r\n") != b"\r\n":
                        pass
                    return b"".join(parts)
                parts.append(self.recv_exactly(size))
                assert self.recv_exactly(2) == b"\r\n"
        if answer.field("Content-Length") is not None:
            return self.recv_exactly(int(answer.field("Content-Length")))
        return self.recv_all()

    @property
    def tls(self):
        return self._tls

    def key_update(self, requested=True):
        openssl_ffi.key_update(self._tls, self._context, requested)

    def renegotiate(self):
        """TLS 1.2: asks for another handshake, and does not wait for the answer."""
        openssl_ffi.renegotiate(self._tls, self._context)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        self._flush()


def request(method="GET", target="/", fields=(), body=b"", host="localhost"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def chunked(*chunks, trailer=""):
    parts = [b"%x\r\n%s\r\n" % (len(c), c) for c in chunks]
    return b"".join(parts) + b"0\r\n" + trailer.encode() + b"\r\n"
