# SPDX-License-Identifier: BSD-2-Clause
"""Responses of every kind through every combination of capabilities: the client gets the bytes that it must get.

The application answers as tests/corpus/response says, in one piece and in small ones. Then either side goes on, by
what the case says:

  - a connection that may go on has one more request, and its answer follows right behind the bytes of the case;
  - otherwise the application closes, or kedge does, and the client gets these bytes, in some cases kedge's own 502,
    and an end. Only an end within a response is not one in order.

    KEDGE_TEST_RESPONSES   a regular expression: only the cases whose names it matches
"""
import concurrent.futures
import contextlib
import os
import re

import pytest

import response_corpus
from client import Client
from kedge import Kedge, Listener
from rawapp import RawApp, answer

# Without a byte of the client's, the application would not know which case it is.
CASES = {c.name: c for c in response_corpus.load()
         if (c.methods or c.standing != "between") and re.search(os.environ.get("KEDGE_TEST_RESPONSES", ""), c.name)}
AT_ONCE = 16
BODY = b"0123456789"
LONG = 20 * (b"Y: " + b"y" * 900 + b"\r\n")  # lines of a head: more than 16 KB
NEXT = answer(body=b"the next one")


class Plan:
    """What is sent and expected, of a case."""

    def __init__(self, case):
        self.case = case
        outstanding = len(case.methods) - case.done
        cut = case.event in ("refused", "unasked", "stray")
        # Between responses, nothing held back, nobody waits, and the client was not told of an end.
        self.goes_on = case.state == "line" and not outstanding and not cut and not case.last and not case.stays
        over = case.last and case.standing == "head"  # to half a head: kedge lets nothing follow it
        self.app_closes = not self.goes_on and not cut and not over
        self.within = case.state in ("fields", "body", "chunk", "chunk-end", "trailer") or (
            case.state == "line" and outstanding and case.passes and not self._is_whole())
        # A client that had an answer before takes an end for a reason to ask again.
        unanswered = case.state == "line" and outstanding and not self.within
        self.told = unanswered and (case.event == "refused" or not case.done)

    def _is_whole(self):
        """Does what passes end with a response, or with an interim one?"""
        return self.case.passes.endswith((b"\r\n\r\n", b"\n\n")) or self.case.done

    def requests(self):
        """The requests; the last one may be incomplete."""
        out = b""
        for number, method in enumerate(self.case.methods):
            is_last = number + 1 == len(self.case.methods)
            lines = [f"{method} /{self.case.name}/{number} HTTP/1.1", "Host: a"]
            if is_last and self.case.standing == "body":
                lines.append(f"Content-Length: {len(BODY)}")
            if is_last and self.case.standing == "waiting":
                lines += ["Connection: upgrade", "Upgrade: x"]
            out += "\r\n".join(lines + ["", ""]).encode()
        if self.case.standing == "body":
            out += BODY[:3]
        if self.case.standing == "head":
            out += f"GET /{self.case.name}/half HTTP/1.1\r\nHost: a\r\n".encode()
            if not self.case.methods:
                out += LONG  # else it would wait in kedge until it is whole
        return out

    def rest(self):
        """What completes them, and is one request more."""
        if self.case.standing == "head":
            return b"X: next\r\n\r\n"
        body = BODY[3:] if self.case.standing == "body" else b""
        return body + b"GET /next HTTP/1.1\r\nHost: a\r\nX: next\r\n\r\n"

    def have_come(self, received):
        """Has the application all of requests()? kedge puts a line into each head."""
        half = {"head": b"/half HTTP/1.1\r\n", "body": b"\r\n\r\n" + BODY[:3]}.get(self.case.standing, b"")
        return received.count(b"\r\n\r\n") >= len(self.case.methods) and half in received


PLANS = {name: Plan(case) for name, case in CASES.items()}


class App:
    """Plays cases: which one, a connection's first request says."""

    def __init__(self, cgroup):
        self.size = None  # of the pieces
        self.raw = RawApp(cgroup=cgroup, serve=self._serve)

    def _serve(self, conn):
        with contextlib.suppress(OSError):
            self._play(conn)
            while conn.fill():
                pass
        conn.close()
        conn.sock.close()

    def _play(self, conn):
        plan = None
        while not plan or not plan.have_come(conn.received):
            if not conn.fill():
                return
            match = re.match(rb"[A-Z]+ /([^/ ]+)/", conn.received)
            plan = PLANS[match[1].decode()] if match else None
        data, size = plan.case.data, self.size or len(plan.case.data) or 1
        for at in range(0, len(data), size):
            conn.send(data[at:at + size])
        if plan.app_closes:
            conn.sock.shutdown(1)
        if not plan.goes_on:
            return
        while not re.search(rb"X: next\r\n([^\r\n]+\r\n)*\r\n", conn.received):
            if not conn.fill():
                return
        conn.send(NEXT)


class Front:
    """kedge with one combination at a time."""

    def __init__(self, certs, cgroup):
        self.certs, self.cgroup, self.combination, self.kedge, self.app = certs, cgroup, None, None, None

    def get(self, combination):
        if self.combination is not combination:
            self.end()
            self.app = App(self.cgroup)
            # The client's connection ends with the application's: what came before it shows.
            self.kedge = Kedge(self.certs, self.app.raw.text, [Listener("tls"), Listener("clear", tls=False)],
                               combination, self.cgroup, ["--app-reuse", "off"])
            self.combination = combination
        self.app.raw.forget()
        return self.kedge, self.app

    def end(self):
        if self.combination is None:
            return
        self.combination = None
        try:
            self.kedge.wait_idle()
            self.kedge.stop()
        finally:
            self.kedge.kill()
            self.app.raw.stop()


@pytest.fixture(scope="module")
def front(certs, cgroup):
    running = Front(certs, cgroup)
    yield running
    running.end()


def play(address, tls, plan):
    """What is wrong with what the client gets; "" if nothing is."""
    with Client(address, tls=tls) as c:
        c.send(plan.requests())
        got = c.recv_exactly(len(plan.case.passes))
        if got != plan.case.passes:
            return f"{got!r} instead of {plan.case.passes!r}"
        if plan.goes_on:
            c.send(plan.rest())
            got = c.recv_exactly(len(NEXT))
            return "" if got == NEXT else f"{got!r} in place of the next answer"
        got = c.recv_all()
        if plan.told and not got.startswith(b"HTTP/1.1 502 "):
            return f"{got!r} instead of a 502"
        if got and not plan.told:
            return f"{got!r} behind what passes"
        wanted = ("truncated" if plan.within else "close_notify") if tls else "eof"
        return "" if c.ended == wanted else f"the end is {c.ended} instead of {wanted}"


@pytest.mark.parametrize("leg", ["clear", "tls"])
@pytest.mark.parametrize("size", [None, 3])
def test_responses(front, combo, leg, size, tls):
    kedge, app = front.get(combo)
    app.size = size

    def one(plan):
        try:
            return play(kedge[leg], tls if leg == "tls" else None, plan)
        except (OSError, EOFError) as error:
            return repr(error)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = dict(zip(PLANS, pool.map(one, PLANS.values())))
    assert {name: what for name, what in wrong.items() if what} == {}
    assert kedge.process.popen.poll() is None, "kedge has ended"
