# SPDX-License-Identifier: BSD-2-Clause
"""Plays all streams through one kedge to one real server, and judges the results."""
import asyncio
import re

import prefix
from backends import origin_form
from client import Client
from kedge import Kedge, Listener
from machine import PATIENCE

AT_ONCE = 64           # connections
PATIENCE_S = 20        # for one of them
BETWEEN_PIECES_S = 0.003  # so that pieces are mostly read one by one; no result depends on it
# A server's log has requests for these, too; other lines are about files.
REFUSALS = (400, 408, 411, 413, 414, 417, 431, 501, 505)
OWN = re.compile(rb"\d{3} [A-Z][A-Za-z ]+: [^\n]+\n")  # a body that kedge makes: user/http/reply.c


class Answers(Client):
    """Reads responses from received bytes."""

    def __init__(self, data):
        self.data, self._unread, self._tls, self.ended = data, data, None, None

    def recv(self, size=65536):
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def all(self, methods):
        """[(status, whether it is kedge's own)], in order, without an incomplete one."""
        found = []
        try:
            while self._unread:
                method = methods[len(found)] if len(found) < len(methods) else "GET"
                before = self._unread
                answer = self.response(method)
                if method == "HEAD" and self._unread and not self._unread.startswith(b"HTTP/"):
                    self._unread = before  # kedge or the server did not take it for a request
                    answer = self.response()
                found.append((answer.status, bool(OWN.fullmatch(answer.body))))
        except EOFError:
            pass
        return found


def address_of(number):
    """An address of the same length as 198.51.100.22, the client of the corpus, so that limits are the same."""
    assert number < 8100
    return f"198.51.1{number // 90:02d}.{number % 90 + 10}"


class Played:
    def __init__(self, stream):
        self.stream, self.received, self.late = stream, bytearray(), False
        self.seen = []

    @property
    def answers(self):
        return Answers(bytes(self.received)).all([h.method for h in self.stream.heads])


async def read_to_end(reader, played, enough=None):
    """Reads until the end, or until enough(). False at the end."""
    while not (enough and enough()):
        data = await reader.read(65536)
        if not data:
            return False
        played.received += data
    return True


async def talk(reader, writer, played, at_once):
    stream = played.stream
    pieces = stream.pieces
    writer.write(prefix.v1(stream.address) + pieces[0])
    for piece in pieces[1:]:
        await asyncio.sleep(BETWEEN_PIECES_S)
        writer.write(piece)
    if not at_once:
        if not await read_to_end(reader, played, lambda: len(played.answers) >= stream.whole):
            return
    writer.write_eof()
    await read_to_end(reader, played)


async def play_one(stream, address, at_once, gate):
    played = Played(stream)
    async with gate:
        reader, writer = await asyncio.open_connection(*address)
        try:
            await asyncio.wait_for(talk(reader, writer, played, at_once), PATIENCE_S * PATIENCE)
        except asyncio.TimeoutError:
            played.late = True
        except OSError:  # refused before all was sent
            pass
        writer.transport.abort()
    return played


async def play_family(streams, address, at_once):
    gate = asyncio.Semaphore(AT_ONCE)
    return await asyncio.gather(*(play_one(s, address, at_once, gate) for s in streams))


class Run:
    """
    One server behind kedge: plays every stream, ends both, and collects what the server saw. Streams of the
    family "removed" go to a kedge that removes aliases and h2c instead of refusing them.
    """

    def __init__(self, make, combination, certs, streams):
        self.backend = make
        self.status = {}  # family: (status before, status after)
        self.played = []
        for number, stream in enumerate(streams):
            stream.address = address_of(number)
        backend = make()
        try:
            self._play([s for s in streams if s.family != "removed"], backend, certs, combination)
            self._play([s for s in streams if s.family == "removed"], backend, certs, combination,
                       ("--forwarding-aliases", "remove", "--h2c", "remove"))
        finally:
            backend.stop()
        self.strangers = []  # requests that the server saw and that belong to no stream
        by_address = {p.stream.address: p for p in self.played}
        for seen in backend.seen():
            last = seen.xff[-1].split(",")[-1].strip() if seen.xff else None
            played = by_address.get(last)
            if played and len(seen.xff) == 1:
                played.seen.append(seen)
            else:
                self.strangers.append(seen)

    def _play(self, streams, backend, certs, combination, flags=()):
        with Kedge(certs, backend.text, [Listener("clear", tls=False, proxy="require")],
                   combination, flags=flags) as kedge:
            for family in dict.fromkeys(s.family for s in streams):
                before = kedge.status()
                played = asyncio.run(play_family([s for s in streams if s.family == family],
                                                 kedge["clear"], backend.at_once))
                late = [p.stream for p in played if p.late]
                if late:  # kedge may still have some of them open, and could not end in order
                    raise TimeoutError(f"no end in time: {late[:10]}")
                self.status[family] = before, kedge.wait_idle()
                self.played += played

    def family(self, name):
        return [p for p in self.played if p.stream.family == name]

    def grown(self, family, part, *names):
        """By how much counters have grown while a family was played."""
        before, after = self.status[family]
        return sum(after[part][n] - before[part][n] for n in names)


def plain(target):
    """Without what servers do not distinguish: uvicorn an empty query from none, HAProxy http://a from http://a/."""
    return re.sub("^([a-z]+://[^/?]*)$", r"\1/", target.removesuffix("?"), flags=re.I)


def is_same(backend, head, seen):
    method = head.method.upper() if backend.upper_case else head.method
    target = origin_form(head.target) if backend.origin_form else head.target
    return method == seen.method and plain(target) == plain(seen.target)


class Verdict:
    """
    faults: forbidden results. differences: [(which head, what)] that the server treats otherwise.

    The server must have seen the heads that kedge counted, in their order. If one is missing, the server has
    answered it itself, or had ended the connection before.
    """

    def __init__(self, backend, played):
        self.stream, self.faults, self.differences = played.stream, [], []
        self.answers = [status for status, own in played.answers if not own]
        at = 0
        for seen in played.seen:
            while at < len(self.heads) and not is_same(backend, self.heads[at], seen):
                self._passed_over(at)
                at += 1
            if at == len(self.heads):
                self.faults.append(f"saw {seen}, which kedge did not count")
                return
            self._seen(at, seen)
            at += 1
        if self.stream.ends_between:
            self._rest(at)

    @property
    def heads(self):
        return self.stream.heads

    def _answer(self, at):
        return self.answers[at] if at < len(self.answers) else "nothing"

    def _differs(self, at, what):
        self.differences.append((at, what))

    def _seen(self, at, seen):
        if not self.heads[at].whole:
            if seen.done:
                self.faults.append(f"took for complete what is not: {seen}")
        elif seen.done is False and self.stream.reason == "none":
            self._differs(at, f"{self._answer(at)}, after the head")
        elif seen.status in REFUSALS:
            self._differs(at, str(seen.status))

    def _passed_over(self, at):
        """The server did not see this head, but it saw a later one."""
        if at < len(self.answers) and self.heads[at].whole:
            self._differs(at, f"{self.answers[at]}, by itself")
        else:
            self.faults.append(f"did not see {self.heads[at]}, but a later one")

    def _rest(self, at):
        """From here on the server saw nothing, although kedge passed all of it on. Finds out why."""
        if len(self.answers) > len(self.heads):
            self.faults.append(f"more answers than {len(self.heads)} requests: {self.answers}")
        if at == len(self.heads):
            return
        if at < len(self.answers):
            self._differs(at, f"{self.answers[at]}, by itself")
        elif not at:
            self._differs(at, "no answer")
        elif not self.heads[at - 1].last and not self.differences:
            self._differs(at, "closed before it")
