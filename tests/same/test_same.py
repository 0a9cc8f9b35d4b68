# SPDX-License-Identifier: BSD-2-Clause
"""One corpus of byte streams through every combination of capabilities: the same bytes come out.

The bytes that the application receives are compared with the expected output of the corpus. If that is not
defined to the byte (a refused request cut into pieces), the rule is that no complete request comes behind it.

    KEDGE_TEST_SPLITS   every how many bytes a stream is split (3; 1 in the acceptance run)
"""
import contextlib
import os
import random

import pytest

import corpus
import prefix
from client import Client
from kedge import Kedge, Listener
from rawapp import Fault, RawApp, Replay, answer

STEP = int(os.environ.get("KEDGE_TEST_SPLITS", "3"))
CASES = corpus.load()
BY_NAME = {c.name: c for c in CASES}
COMMON = [c for c in CASES if c.mode == "append" and not c.flags]
# Cases that end at a boundary, and not inside the empty line that may follow.
WHOLE = [c for c in COMMON if c.ends == "between" and not c.refuse and not c.resume
         and not c.inputs[0].endswith(b"\r")]
# Chosen so that a cut falls into everything that is held back, removed or added.
SPLIT = [name for name in (
    "upgrade_declined", "upgrade_tunnel", "pipelined", "chunked_pipelined", "chunked_case",
    "near_names", "refused_after_two", "alias_for_2", "chunk_bare_cr", "chunked_partial_trailer")
    if name in BY_NAME] + [c.name for c in WHOLE if b"X-Forwarded-For" in c.inputs[0]][:20]


def waits(case):
    """It has no whole head, and no fault: kedge keeps it, and the application hears nothing."""
    return not any(case.inputs) or case.ends == "head" and b"\r\n\r\n" not in case.inputs[0]


class Same:
    """kedge with the flags of one group of cases, one at a time."""

    def __init__(self, certs, cgroup):
        self.certs, self.cgroup, self.key, self.kedge, self.app = certs, cgroup, None, None, None

    def get(self, combination, group):
        if self.key != (combination, group):
            self.end()
            self.app = RawApp(cgroup=self.cgroup)
            self.app.closes = False
            listeners = [Listener("tls", proxy="require"), Listener("clear", tls=False,
                                                                    proxy="require")]
            self.kedge = Kedge(self.certs, self.app.text, listeners, combination, self.cgroup, group)
            self.key = combination, group
        self.app.forget()
        return self.kedge, self.app

    def end(self):
        if self.key:
            self.key = None
            try:
                self.kedge.wait_idle()
                self.kedge.stop()
            finally:
                self.kedge.kill()
                self.app.stop()


@pytest.fixture(scope="session")
def same(certs, cgroup):
    running = Same(certs, cgroup)
    yield running
    running.end()


def answering(case):
    """The application's answers: the default ones, and for an upgrade as the case says."""
    tunnel = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")

    def respond(conn, req):
        if not req.values("Upgrade") or case.ends not in ("waiting", "tunnel") and not case.resume:
            return answer(body=b"" if req.method == "HEAD" else b"ok")
        if case.resume == "tunnel":
            conn.send(tunnel)
            while conn.fill():
                pass
        return answer("403 Forbidden") if case.resume == "http" else None
    return respond


def pieces(data, cut):
    """cut: None, a number (so many bytes each) or (n,): one cut, behind n bytes."""
    if isinstance(cut, tuple):
        return [p for p in (data[:cut[0]], data[cut[0]:]) if p]
    return [data[i:i + cut] for i in range(0, len(data), cut)] if cut else [data]


def send(client, case, cut):
    """Sends both inputs; the second one after the answer to the upgrade."""
    with contextlib.suppress(ConnectionError):  # refused before all was sent
        for piece in pieces(case.inputs[0], cut):
            client.send(piece)
        if case.resume:
            client.response()
            for piece in pieces(case.inputs[1], cut):
                client.send(piece)


def play(same, combination, case, leg, tls, cut=None):
    """Sends a case and returns the application's record of it, complete."""
    kedge, app = same.get(combination, case.group)
    app.respond = answering(case)
    with Client(kedge[leg], prefix.v1(), tls if leg == "tls" else None) as c:
        send(c, case, cut)
        if waits(case):  # then the application is left alone
            with contextlib.suppress(OSError):  # half a head ends with a reset, as soon as kedge has the end
                c.half_close()
                c.recv_all()
            assert app.connections == []
            return Replay(b"")
        conn = app.connection()
        app.wait(lambda: len(conn.received) >= len(case.output) or conn.ended,
                 what=f"{case.name}, {cut}: the expected bytes")
        with contextlib.suppress(OSError):  # kedge may have ended it by now
            if case.refuse:
                c.recv_all()
            elif case.ends == "waiting":
                conn.close()  # kedge reads nothing from the client before the answer, not even its end
            else:
                c.half_close()
        return app.wait_ended()


def check(case, conn, cut):
    got = bytes(conn.received)
    if waits(case):
        assert got == b""
        return
    if not case.refuse:
        assert got == case.output, f"cut {cut}"
        return
    assert got.startswith(case.output), f"cut {cut}"
    expected = [r.raw for r in Replay(case.output).all()]
    replay = Replay(got)
    with contextlib.suppress(Fault):
        replay.all()
    assert [r.raw for r in replay.requests] == expected, f"cut {cut}: the faulty request arrived"
    if cut is None and len(case.inputs[0]) <= 16384:
        assert got == case.output


def ids(value):
    return value.name if isinstance(value, corpus.Case) else None


@pytest.mark.parametrize("leg", ["clear", "tls"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_in_one_piece(same, combo, case, leg, tls):
    if leg == "clear" and "proto" in case.flags:
        case_leg = "tls"  # the corpus is about clients on TLS
    else:
        case_leg = leg
    check(case, play(same, combo, case, case_leg, tls), None)


@pytest.mark.parametrize("case", COMMON, ids=ids)
def test_in_one_byte_pieces(same, combo, case, tls):
    if sum(map(len, case.inputs)) > 4000:
        pytest.skip("the long ones are for the unit tests")
    check(case, play(same, combo, case, "clear", tls, 1), 1)


@pytest.mark.parametrize("name", SPLIT)
def test_every_split_point(same, combo, name, tls):
    case = BY_NAME[name]
    for at in range(1, len(case.inputs[0]), STEP):
        check(case, play(same, combo, case, "clear", tls, (at,)), (at,))


@pytest.mark.parametrize("leg", ["clear", "tls"])
@pytest.mark.parametrize("cut", [None, 1000, 97, 13])
def test_all_accepted_streams_pipelined(same, combo, leg, cut, tls):
    """One connection with every accepted stream of the corpus, one behind the other, in random order."""
    draw = random.Random(len(leg) + (cut or 0))
    chosen = [c for c in WHOLE if len(c.inputs[0]) < 2000]
    draw.shuffle(chosen)
    whole = corpus.Case(corpus.DIRECTORY / WHOLE[0].name)
    whole.name = "all"
    whole.inputs, whole.output = [b"".join(c.inputs[0] for c in chosen)], b"".join(
        c.output for c in chosen)
    conn = play(same, combo, whole, leg, tls, cut)
    assert bytes(conn.received) == whole.output
    assert conn.fault is None
    assert len(conn.requests) == len(Replay(whole.output).all()) >= len(chosen)


@pytest.mark.parametrize("name", [c.name for c in COMMON if c.refuse][::6])
def test_refused_behind_accepted_ones(same, combo, name, tls):
    """Complete requests before a fault arrive, the fault does not, and every request gets its answer."""
    bad, good = BY_NAME[name], [c for c in WHOLE if len(c.inputs[0]) < 300][:3]
    if len(bad.inputs[0]) > 8000:
        pytest.skip("would not fit one send")
    case = corpus.Case(corpus.DIRECTORY / name)
    case.inputs = [b"".join(c.inputs[0] for c in good) + bad.inputs[0]]
    case.output = b"".join(c.output for c in good) + bad.output
    conn = play(same, combo, case, "clear", tls)
    check(case, conn, None)
