# SPDX-License-Identifier: BSD-2-Clause
"""Request streams for the real servers, and the heads that kedge counts in each (the program `heads`)."""
import random
import struct
import subprocess

import corpus
import machine
from rawapp import Connection, Fault

GOOD = b"GET /good HTTP/1.1\r\nHost: good\r\n\r\n"
SPICE = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b";", b",", b"\0", b"0", b"x", b"-", b"_",
         b"/", b"\x7f", b"\x80", b"\x0b", b"chunked", b"Content-Length: 3\r\n",
         b"Transfer-Encoding: chunked\r\n", b"X-Forwarded-For: 1.2.3.4\r\n", b"HTTP/1.1", b"HTTP/1.0",
         b"Connection: close\r\n", GOOD]
CUT_ALIASES, CUT_H2C = 8, 16  # include/kedge/http1_state.h
STRIP, SET_PROTO = 0x20, 0x02  # the defaults
MUTANTS = 600
ONE_READ = 16000  # bytes that kedge reads at a time; it cuts longer input itself
SEED = 20260729


class Head:
    """A request head that kedge passes on. whole: its body is complete."""

    def __init__(self, req, whole):
        self.method, self.target, self.whole = req.method, req.target, whole
        options = ",".join(req.values("Connection")).lower()
        self.last = "close" in options or (not req.minor and "keep-alive" not in options)

    def __repr__(self):
        return f"{self.method} {self.target[:60]}{'' if self.whole else ' (not whole)'}"


class Heads(Connection):
    """Reads what kedge has passed on: `heads`, and whether another request has begun behind the last one."""

    def __init__(self, data):
        super().__init__(None, None, None)
        self.received, self.begun = bytearray(data), []
        try:
            while True:
                self.between = self._at == len(data)
                self.requests.append(self.read_request())
        except (EOFError, Fault):
            pass
        self.heads = [Head(r, i < len(self.requests)) for i, r in enumerate(self.begun)]

    def fill(self):
        return False

    def head_read(self, req):
        self.begun.append(req)


class Stream:
    def __init__(self, family, name, data, cuts=()):
        self.family, self.name, self.data, self.cuts = family, name, data, cuts
        self.address = None  # the true client, different for each stream of a run
        # The heads that pass, however the stream is cut, up to the fault, and its reason.
        self.heads, self.reason = [], "none"
        self.counted = range(0)  # how many of them kedge counts, independent of the server
        self.ends_between = False  # accepted, and nothing is incomplete at its end

    @property
    def pieces(self):
        places = [0, *self.cuts, len(self.data)]
        return [self.data[a:b] for a, b in zip(places, places[1:]) if a < b]

    @property
    def whole(self):
        return sum(h.whole for h in self.heads)

    def __repr__(self):
        return f"{self.family} {self.name}"


def mutate(draw, data):
    for _ in range(draw.choice((0, 1, 1, 1, 2, 3))):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            data = data[:at] + draw.choice(SPICE) + data[at:]
        elif kind == 1:
            data = data[:at] + draw.choice(SPICE) + data[at + 1:]
        elif kind == 2:
            data = data[:at] + data[at + draw.randint(1, 4):]
        else:  # a line again, or a line less
            lines = data.split(b"\r\n")
            line = draw.randrange(len(lines))
            lines[line:line + 1] = [lines[line]] * draw.choice((0, 2))
            data = b"\r\n".join(lines)
    return data


def cut(draw, low, high):
    return sorted(draw.sample(range(low, high), min(draw.randint(1, 3), max(high - low, 0))))


def mutants(draw, cases):
    """Changed streams, with an ordinary request behind that a wrong boundary would swallow."""
    short = [c for c in cases if 0 < sum(map(len, c.inputs)) < 1000]
    accepted = [c for c in short if not c.refuse and c.ends == "between"]
    for number in range(MUTANTS):
        first, second = (b"".join(draw.choice(draw.choice((accepted, accepted, short))).inputs)
                         for _ in range(2))
        data = mutate(draw, first) + draw.choice((b"", second)) + GOOD
        yield Stream("mutant", f"mutant-{number}", data,
                     draw.choice(((), cut(draw, 1, len(data)))))


def load():
    draw, streams, cases = random.Random(SEED), [], corpus.load()
    for case in cases:
        data = b"".join(case.inputs)
        if not data:
            continue
        streams.append(Stream("corpus" if len(data) < ONE_READ else "long", case.name, data))
        behind = GOOD + data
        streams.append(Stream("second", case.name, behind, cut(draw, len(GOOD) + 1, len(behind))))
        if case.flags & {"aliases", "h2c"} or case.refuse in ("http_forwarding_alias", "http_upgrade"):
            streams.append(Stream("removed", case.name, data + GOOD))
    streams += mutants(draw, cases)
    expect(streams)
    return streams


def frame(stream):
    flags = CUT_ALIASES | CUT_H2C if stream.family == "removed" else 0
    return struct.pack("<II", flags | STRIP | SET_PROTO | CUT_H2C, len(stream.data)) + stream.data


def expect(streams):
    """Asks `heads` about all of them."""
    out = subprocess.run([machine.ROOT / "build/heads"], check=True, stdout=subprocess.PIPE,
                         input=b"".join(frame(s) for s in streams)).stdout
    at = 0

    def take():
        nonlocal at
        size, = struct.unpack_from("<I", out, at)
        at += 4 + size
        return out[at - size:at]
    for s in streams:
        s.reason, sure, waits, heads = (
            int(w) if w.isdigit() else w for w in take().decode().split())
        if s.data.startswith(b"PROXY "):  # behind the prefix that is read; refused before the automaton sees it
            s.reason = "prefix_unexpected"
        passed = Heads(take())
        s.heads = passed.heads
        assert len(s.heads) == heads, f"{s}: kedge counts {heads}, not {s.heads}"
        # In one piece, only the bytes before a fault pass.
        is_cut = s.cuts or len(s.data) >= ONE_READ
        s.counted = range(0 if is_cut else sure, (heads if is_cut or waits else sure) + 1)
        s.ends_between = s.reason == "none" and passed.between
    assert at == len(out)
