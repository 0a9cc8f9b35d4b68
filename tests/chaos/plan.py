# SPDX-License-Identifier: BSD-2-Clause
"""
What the clients of a run do, from its seed alone: connections, requests, and the bytes of each request and of its
answer. The application finds in a request's path what to answer, so both sides make the same bytes.
"""
import hashlib
import random
from dataclasses import dataclass, field

from kedge import SPLICE
from pattern import BLOCK

METHODS = ("GET", "GET", "POST", "POST", "PUT", "HEAD", "DELETE")
# After these answers the connection goes on.
LASTING = ("whole", "whole", "whole", "chunked", "interim", "nothing", "parts", "early", "early-slow")
# After these it does not: the application closes, or sends what it must not.
ENDING = ("to-end", "close", "half", "half-reset", "leave", "reset", "late-close", "twice", "lost", "idle-408")
# Of these, those that send an answer which nobody has asked for, a moment after the right one.
UNASKED = ("twice", "idle-408")
SURPLUS = b"X-Surplus"
SIZES = (0, 1, 90, 90, 4000, 4000, 20000, 70000)
BODIES = (0, 1, 60, 60, 3000, 17000, 70000)
LISTENERS = ("tls", "tls", "tls_proxy", "clear", "clear_proxy")


def some_bytes(name, size):
    """Bytes that are those of this id."""
    at = int.from_bytes(hashlib.sha1(name.encode()).digest()[:2], "big") % len(BLOCK)
    return (BLOCK[at:] + BLOCK * (size // len(BLOCK) + 1))[:size]


def digest(data):
    return hashlib.sha1(data).hexdigest()


def chunked(data, step):
    parts = [data[at:at + step] for at in range(0, len(data), step)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


@dataclass
class Request:
    id: str
    method: str
    do: str           # how the application answers
    size: int         # of the body of its answer
    wait: int         # milliseconds before it
    body: bytes = b""
    coded: bool = False
    expects: bool = False
    xff: str = ""     # what the client itself sends

    @property
    def path(self):
        return f"/{self.id}/{self.do}/{self.size}/{self.wait}"

    @property
    def wire(self):
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: a", f"X-Id: {self.id}", f"X-Body: {digest(self.body)}"]
        if self.xff:
            lines.append(f"X-Forwarded-For: {self.xff}")
        if self.expects:
            lines.append("Expect: 100-continue")
        if self.do == "upgrade":
            lines += ["Connection: upgrade", "Upgrade: echo"]
        elif self.coded:
            lines.append("Transfer-Encoding: chunked")
        elif self.body or self.method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(self.body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        return head + (chunked(self.body, 1000 if len(self.body) < 100000 else 50000) if self.coded else self.body)

    @property
    def answer(self):
        return answer(self.id, self.method, self.do, self.size, self.expects)


def of_path(path):
    """(id, do, size, wait) of a request that the application has read."""
    _, name, do, size, wait = path.split("/")
    return name, do, int(size), int(wait)


def answer(name, method, do, size, expects=False):
    """All that the application sends for a request, but for what it must not send."""
    body = some_bytes("answer" + name, size)
    lines = ["HTTP/1.1 200 OK", f"X-Id: {name}", f"X-Body: {digest(body)}"]
    before = b"HTTP/1.1 100 Continue\r\n\r\n" if expects else b""
    if do == "upgrade":
        lines[0] = "HTTP/1.1 101 Switching Protocols"
        lines += ["Connection: upgrade", "Upgrade: echo"]
        return before + ("\r\n".join(lines) + "\r\n\r\n").encode()
    if do == "nothing":
        lines[0] = "HTTP/1.1 204 No Content"
        return before + ("\r\n".join(lines) + "\r\n\r\n").encode()
    if do == "interim":
        before += b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    if do == "close":
        lines.append("Connection: close")
    if do == "chunked":
        lines.append("Transfer-Encoding: chunked")
        body = chunked(body, 7000)
    elif do == "lost":
        lines.append(f"Content-Length: {size}, {size}")
    elif do != "to-end":
        lines.append(f"Content-Length: {size}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    return before + head + (b"" if method == "HEAD" else body)


@dataclass
class Connection:
    name: str
    listener: str
    version: str            # of TLS
    prefix: str             # "", "v1" or "v2"
    source: str             # the address that the client connects from
    shown: str              # the address in the prefix
    cut: int                # pieces of the bytes that are sent; 0: as they are
    rcvbuf: int
    groups: list = field(default_factory=list)  # of requests that are sent at once
    slow: int = 0           # milliseconds between the pieces of a body
    ending: str = "close"   # close, half-close, reset, vanish, abort (in the middle of the last request), tunnel
    part: float = 0.0       # abort: how much of the last request is sent
    pause: int = 0          # milliseconds between two groups
    updates: int = 0        # TLS 1.3: KeyUpdates before each group
    together: bool = False  # half-close: the close_notify comes with the last request, and no FIN

    @property
    def address(self):
        return self.shown if self.prefix else self.source

    @property
    def requests(self):
        return [r for group in self.groups for r in group]

    def xff(self, request):
        return f"{request.xff}, {self.address}" if request.xff else self.address


def request(draw, name, may_end):
    method = draw.choice(METHODS)
    do = draw.choice(ENDING) if may_end and draw.random() < 0.5 else draw.choice(LASTING)
    r = Request(name, method, do, draw.choice(SIZES), draw.choice((0, 0, 0, 0, 5, 40)))
    if method in ("POST", "PUT") or (method == "DELETE" and draw.random() < 0.3):
        r.body = some_bytes("body" + name, draw.choice(BODIES))
        r.coded = bool(r.body) and draw.random() < 0.4
        r.expects = bool(r.body) and draw.random() < 0.1
    if do.startswith("early"):
        r.size = min(r.size, 20000)  # both sides may be sending
        r.expects = False
    if do == "lost":
        r.size = max(r.size, 1)
    if draw.random() < 0.2:
        r.xff = f"203.0.113.{draw.randrange(256)}"
    return r


def group_of(draw, name, may_end):
    """Some requests sent at once. Large bodies travel alone: neither side reads while it sends one."""
    count = draw.choice((1, 1, 1, 2, 3, 8))
    group = [request(draw, f"{name}.{n}", may_end and n == count - 1) for n in range(count)]
    if count > 1:
        for r in group:
            r.body, r.size, r.expects = r.body[:500], min(r.size, 4000), False
            r.coded = r.coded and bool(r.body)
    return group


def make_large(draw, r):
    """Sometimes: more than the sockets of a leg hold, one way or the other."""
    kind = draw.randrange(6 if SPLICE else 30)
    if kind == 0 and r.body and not r.expects:
        r.body = some_bytes("body" + r.id, 3000000)
    elif kind == 1 and not r.do.startswith("early"):
        r.size = 3000000


def without_unasked(c):
    """On a shared leg, an answer that nobody has asked for can be the next client's: there is no right one then."""
    for r in c.requests:
        if r.do in UNASKED:
            r.do = "late-close"


def connection(seed, client, number, manners):
    """The connection with this number of a client. manners: which endings there may be."""
    draw = random.Random(f"{seed} client {client} {number}")
    listener = draw.choice(LISTENERS)
    c = Connection(name=f"{seed:x}.{client}.{number}", listener=listener, version=draw.choice(("1.2", "1.3", "1.3")),
                   prefix=draw.choice(("v1", "v2")) if "proxy" in listener else "",
                   source=f"127.0.0.{draw.randrange(2, 250)}", shown=f"198.51.100.{draw.randrange(1, 255)}",
                   cut=draw.choice((0, 0, 0, 0, 300, 17)), rcvbuf=draw.choice((0, 0, 0, 8192)))
    count = draw.choice((1, 2, 4, 9))
    c.groups = [group_of(draw, f"{c.name}.{n}", draw.random() < 0.3) for n in range(count)]
    for group in () if c.cut or c.rcvbuf else c.groups:
        if len(group) == 1:
            make_large(draw, group[0])
    c.slow = draw.choice((0, 0, 0, 0, 0, 0, 3, 3, 120))
    for group in c.groups if c.slow == 120 else ():
        # The answer is under way while the body comes, and perhaps too slowly.
        if len(group) == 1 and group[0].body and draw.random() < 0.5:
            group[0].do, group[0].size, group[0].expects = "early-slow", 20000, False
    c.pause = draw.choice((0, 0, 2, 30))
    if listener.startswith("tls") and c.version == "1.3":
        c.updates = draw.choice((0, 0, 0, 1, 3))
    c.ending = draw.choice(manners)
    c.part = draw.random()
    if c.ending == "tunnel":
        c.groups.append([Request(f"{c.name}.t", "GET", "upgrade", 0, 0)])
    # Drawn last: all else of a seed is as it was before there was this.
    c.together = c.ending == "half-close" and listener.startswith("tls") and not c.slow and draw.random() < 0.5
    return c
