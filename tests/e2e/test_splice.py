# SPDX-License-Identifier: BSD-2-Clause
"""Bodies that move by splice(2): every byte right, none of them in kedge's memory, each of them counted.

    KEDGE_TEST_TRANSFER_MB   size of the large bodies (16; 100 in the acceptance run)
    KEDGE_TEST_UPLOADS       how many uploads go beside killed clients (40)

In a guest with kernel TLS the same tests run over TLS, too.
"""
import contextlib
import json
import os
import re
import threading
import time
from pathlib import Path

import pytest

import machine
from client import Client, request
from kedge import Config, Kedge, Listener
from pattern import BLOCK, Checker
from rawapp import RawApp

SIZE = int(os.environ.get("KEDGE_TEST_TRANSFER_MB", "16")) << 20
UPLOADS = int(os.environ.get("KEDGE_TEST_UPLOADS", "40"))

pytestmark = pytest.mark.each_kernel


# --- the application -----------------------------------------------------------------------------
class App(RawApp):
    """PUT: checks the body as it comes, answers its length. GET /N: a body of N bytes, behind a pause."""

    def __init__(self, cgroup):
        super().__init__(cgroup=cgroup, serve=serve)
        self.fresh()

    def fresh(self):
        self.forget()
        self.heads, self.go = 0, threading.Event()
        self.take = Checker  # what takes the body of a PUT
        self.make = parts    # what makes the body of a GET

    def wait_heads(self, count=1):
        self.wait(lambda: self.heads >= count, what="a head")


def parts(size):
    """The pattern, in pieces."""
    while size:
        part = BLOCK[:min(size, len(BLOCK))]
        yield part
        size -= len(part)


def serve(conn):
    with contextlib.suppress(EOFError, OSError):
        while True:
            one(conn)
    conn.close()
    conn.sock.close()
    with conn.app.changed:
        conn.ended = conn.ended or "closed"
        conn.app.changed.notify_all()


def fill(conn):
    if not conn.fill():
        raise EOFError


def one(conn):
    while b"\r\n\r\n" not in conn.received:
        fill(conn)
    head, _, rest = bytes(conn.received).partition(b"\r\n\r\n")
    assert head.count(b"X-Forwarded-For: 127.0.0.1") == 1, head
    conn.received = bytearray(rest)
    with conn.app.changed:
        conn.app.heads += 1
        conn.app.changed.notify_all()
    if head.startswith(b"PUT "):
        left = int(re.search(rb"Content-Length: (\d+)", head)[1])
        checker = conn.app.take()
        while left:
            if not conn.received:
                fill(conn)
            part = bytes(conn.received[:left])
            conn.received = conn.received[len(part):]
            checker.take(part)
            left -= len(part)
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return
    size = int(re.match(rb"GET /(\d*)", head)[1] or b"2")
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    if size == 2:
        conn.send(b"ok")
        return
    conn.app.go.wait(machine.Deadline(20).left())
    for part in conn.app.make(size):
        conn.send(part)


# --- kedge ---------------------------------------------------------------------------------------
def pytest_generate_tests(metafunc):
    """`way`: each combination without the bypass, with which nothing is spliced."""
    if "way" in metafunc.fixturenames:
        ways = [c for c in metafunc.config.kedge_combinations if not c.bypass]
        short = os.environ.get("KEDGE_TEST_SHORT")
        ways = ways[-1:] if short == "each-kernel" else [ways[0], ways[-1]] if short and len(ways) > 1 else ways
        metafunc.parametrize("way", ways, ids=str, scope="session")


@pytest.fixture(scope="module")
def whole_front(certs, cgroup, way):
    listeners = [Listener("clear", tls=False, splice=True), Listener("tls", splice=True),
                 Listener("clear_off", tls=False, splice=False), Listener("tls_off", splice=False)]
    with App(cgroup) as app, Kedge(certs, app.text, listeners, way, cgroup) as kedge:
        kedge.app = app
        yield kedge


@pytest.fixture
def front(whole_front):
    whole_front.app.fresh()
    whole_front.before = whole_front.status()["stats"]
    whole_front.reasons_before = whole_front.status()["reasons"]
    yield whole_front
    whole_front.wait_idle()


def grown(front, name):
    return front.stat(name) - front.before[name]


@pytest.fixture(params=["clear", "tls"])
def leg(request, tls):
    return request.param, tls if request.param == "tls" else None


def is_spliced(leg, way):
    return leg[0] == "clear" or way.record


def put(size, more=""):
    return f"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n{more}\r\n".encode()


def take_some(client, checker, size):
    """Of an answer of this size."""
    data = client.recv(min(262144, size - checker.size))
    if not data:
        raise EOFError(client.ended)
    checker.take(data)


# --- bytes ---------------------------------------------------------------------------------------
def test_up(front, leg, way):
    """The next request follows in the same segment, and not one byte of it is spliced."""
    with Client(front[leg[0]], tls=leg[1], timeout=60) as c:
        c.send(put(SIZE))
        front.app.wait_heads()
        for at, part in zip(range(0, SIZE, len(BLOCK)), parts(SIZE)):
            last = at + len(part) == SIZE
            c.send(part + request() if last else part)
        assert [c.response().text, c.response().text] == ["ok", "ok"]
    assert grown(front, "splice_up_bytes") == (SIZE if is_spliced(leg, way) else 0)
    assert grown(front, "splice_down_bytes") == 0
    assert grown(front, "splice_no_pipe") == 0
    assert grown(front, "flows_splice") == is_spliced(leg, way)
    assert grown(front, "bytes_up") == SIZE + len(put(SIZE)) + len(request())


def test_down(front, leg, way):
    """Two answers, one behind the other."""
    heads = 0
    with Client(front[leg[0]], tls=leg[1], timeout=60) as c:
        c.send(request(target=f"/{SIZE}") * 2 + request())
        for _ in range(2):
            heads += len(c.recv_until(b"\r\n\r\n"))
            front.app.go.set()
            checker = Checker()
            while checker.size < SIZE:
                checker.take(c.recv(min(262144, SIZE - checker.size)))
        heads += len(c.recv_until(b"\r\n\r\n"))
        assert c.recv_exactly(2) == b"ok"
    # What comes in one read with a head is copied.
    spliced, least = grown(front, "splice_down_bytes"), 2 * SIZE - (128 << 10) - 1
    assert least < spliced <= 2 * SIZE if is_spliced(leg, way) else spliced == 0
    assert grown(front, "bytes_down") == 2 * SIZE + 2 + heads


def test_all_of_a_body_is_spliced(front, leg, way):
    with Client(front[leg[0]], tls=leg[1], timeout=60) as c:
        c.send(request(target=f"/{SIZE}"))
        c.recv_until(b"\r\n\r\n")
        front.app.go.set()
        checker = Checker()
        while checker.size < SIZE:
            checker.take(c.recv(262144))
    assert grown(front, "splice_down_bytes") == (SIZE if is_spliced(leg, way) else 0)


def test_small_bodies_and_chunks_are_copied(front, leg):
    with Client(front[leg[0]], tls=leg[1]) as c:
        front.app.go.set()
        c.send(put(1000) + BLOCK[:1000])
        assert c.response().text == "ok"
        assert c.request(target="/1000").body == BLOCK[:1000]
    assert grown(front, "splice_up_bytes") == grown(front, "splice_down_bytes") == 0


# --- memory --------------------------------------------------------------------------------------
class Marked:
    """A body that is nothing but a word which occurs nowhere else. It takes bytes until it is told to stall."""

    def __init__(self):
        self.word = os.urandom(16)
        self.stall = threading.Event()

    def take(self, data):
        self.stall.wait(machine.Deadline(60).left())

    def parts(self, size):
        return iter([self.word * (size // len(self.word))])


def memory_has(pid, word):
    """Is it in any part of a process that can be written to? The sanitizer's shadow is left out."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in lines:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if "w" not in line.split()[1] or end - begin > 1 << 32:
                continue
            for at in range(begin, end, 1 << 24):
                with contextlib.suppress(OSError):
                    memory.seek(at)
                    if word in memory.read(min(1 << 24, end - at)):
                        return True
    return False


def settled(front, name):
    """A counter does not move any more."""
    last = [None]

    def ask():
        before, last[0] = last[0], front.stat(name)
        return last[0] == before
    machine.wait_for(ask, what=f"{name} to settle", pause=0.3)
    return last[0] - front.before[name]


@pytest.mark.parametrize("splice", [True, False], ids=["on", "off"])
def test_no_byte_of_an_upload_is_in_memory(front, leg, way, splice):
    """While the application stalls. Where bodies are copied, the same search finds them."""
    if not is_spliced(leg, way):
        pytest.skip("the records are in user space")
    marked = Marked()
    front.app.take = lambda: marked
    with Client(front[leg[0] + ("" if splice else "_off")], tls=leg[1]) as c:
        c.send(put(64 << 20))
        front.app.wait_heads()
        pour(c, next(marked.parts(64 << 20)))
        assert 1 << 16 < settled(front, "bytes_up") < 64 << 20
        assert memory_has(front.pid, marked.word) == (not splice)
    marked.stall.set()
    assert front.app.wait_ended(0)


def pour(client, data):
    """Sends what goes, until nobody reads any more."""
    client.sock.settimeout(2 + machine.PATIENCE)
    with contextlib.suppress(OSError):
        client.send(data)


@pytest.mark.parametrize("splice", [True, False], ids=["on", "off"])
def test_no_byte_of_a_download_is_in_memory(front, leg, way, splice):
    if not is_spliced(leg, way):
        pytest.skip("the records are in user space")
    marked = Marked()
    front.app.make = marked.parts
    with Client(front[leg[0] + ("" if splice else "_off")], tls=leg[1], rcvbuf=65536) as c:
        c.send(request(target=f"/{64 << 20}"))
        c.recv_until(b"\r\n\r\n")
        front.app.go.set()
        moved = settled(front, "bytes_down")
        assert 1 << 16 < moved < 64 << 20
        assert memory_has(front.pid, marked.word) == (not splice)
        c.reset()


# --- stalls --------------------------------------------------------------------------------------
class Gated(Checker):
    """Takes bytes while its gate is open."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()

    def take(self, data):
        assert self.gate.wait(machine.Deadline(60).left())
        super().take(data)


def test_the_application_stalls_in_an_upload(front, leg, way):
    """At first, and in the middle. The pipe is full then, and the client's socket. Not one byte is lost or doubled."""
    size, gated = 64 << 20, Gated()
    front.app.take = lambda: gated
    with Client(front[leg[0]], tls=leg[1], timeout=60) as c:
        c.send(put(size))
        front.app.wait_heads()
        sending = threading.Thread(target=lambda: [c.send(part) for part in parts(size)])
        sending.start()
        for mark in (0, size // 8):
            gated.gate.set()
            machine.wait_for(lambda: gated.size >= mark, what="the first bytes")  # pylint: disable=cell-var-from-loop
            gated.gate.clear()
            assert settled(front, "bytes_up") < size
        gated.gate.set()
        sending.join()
        assert c.response().text == "ok"
    assert gated.size == size
    assert grown(front, "splice_up_bytes") == (size if is_spliced(leg, way) else 0)


def test_the_client_stalls_in_a_download(front, leg, way):
    size, checker = 64 << 20, Checker()
    with Client(front[leg[0]], tls=leg[1], timeout=60, rcvbuf=65536) as c:
        c.send(request(target=f"/{size}"))
        c.recv_until(b"\r\n\r\n")
        front.app.go.set()
        for mark in (0, size // 8, size):
            while checker.size < mark:
                checker.take(c.recv(min(262144, size - checker.size)))
            if mark < size:
                assert settled(front, "bytes_down") < size
    assert grown(front, "splice_down_bytes") == (size if is_spliced(leg, way) else 0)


# --- ends in mid-body ----------------------------------------------------------------------------
def half_up(front, leg, size=SIZE):
    c = Client(front[leg[0]], tls=leg[1])
    c.send(put(size))
    front.app.wait_heads()
    for part in parts(size // 2):
        c.send(part)
    return c


def test_the_client_ends_in_the_body(front, leg):
    """The application must not take half a body for a whole one."""
    with half_up(front, leg) as c:
        c.half_close()
        front.wait_reason("client_truncated", front.reasons_before.get("client_truncated", 0) + 1)
    assert front.app.wait_ended(0).ended == "reset"


def test_the_client_is_killed(front, leg):
    """With bytes of it in a pipe, which nobody else may get."""
    front.app.take = Marked
    for number in range(3):
        with Client(front[leg[0]], tls=leg[1]) as c:
            c.send(put(64 << 20))
            front.app.wait_heads(number + 1)
            pour(c, bytes(64 << 20))
            settled(front, "bytes_up")
            c.reset()
    for conn in front.app.connections:
        with contextlib.suppress(OSError):
            conn.reset()
    front.wait_idle()
    again(front, leg)


def again(front, leg):
    """Whatever was before, the next ones are right."""
    front.app.fresh()
    front.app.go.set()
    with Client(front[leg[0]], tls=leg[1]) as c:
        for _ in range(3):
            c.send(put(1 << 20))
            for part in parts(1 << 20):
                c.send(part)
            assert c.response().text == "ok"
            checker = Checker()
            checker.take(c.request(target=f"/{1 << 20}").body)


def test_uploads_beside_killed_clients(front, leg):
    """They share the pipes of a worker. The killed ones send zeros: one of them in another upload is seen."""
    class Either:
        """Checks a body that begins like the pattern; drops one of zeros, slowly."""

        def __init__(self):
            self.checker = None

        def take(self, data):
            if self.checker is None:
                self.checker = Checker() if any(data[:16]) else False
                checked.append(self.checker)
            if self.checker:
                self.checker.take(data)
            else:
                time.sleep(0.01)

    def upload(count, wrong):
        try:
            with Client(front[leg[0]], tls=leg[1], timeout=60) as c:
                for _ in range(count):
                    c.send(put(1 << 20))
                    for part in parts(1 << 20):
                        c.send(part)
                    assert c.response().text == "ok"
        except (AssertionError, EOFError, OSError) as error:
            wrong.append(error)

    wrong, checked, front.app.take = [], [], Either
    threads = [threading.Thread(target=upload, args=(UPLOADS // 4, wrong)) for _ in range(4)]
    for t in threads:
        t.start()
    killed = 0
    while any(t.is_alive() for t in threads) or killed < 3:
        with Client(front[leg[0]], tls=leg[1]) as c:
            c.send(put(64 << 20))
            c.sock.settimeout(0.05 * machine.PATIENCE)
            with contextlib.suppress(OSError):
                c.send(bytes(8 << 20))
            c.reset()
        killed += 1
    for t in threads:
        t.join()
    assert not wrong, (wrong, {k: v for k, v in front.status()["reasons"].items() if v})
    # One that begins with zeros of another was not checked.
    assert sum(c and c.size == 1 << 20 for c in checked) == 4 * (UPLOADS // 4)
    print(f"{UPLOADS} uploads beside {killed} killed clients")


def test_the_client_is_killed_in_a_download(front, leg):
    for _ in range(3):
        with Client(front[leg[0]], tls=leg[1], rcvbuf=65536) as c:
            c.send(request(target=f"/{64 << 20}"))
            c.recv_until(b"\r\n\r\n")
            front.app.go.set()
            settled(front, "bytes_down")
            c.reset()
        front.wait_idle()
    again(front, leg)


def test_the_application_is_killed_in_an_upload(front, leg):
    front.app.take = Marked
    with Client(front[leg[0]], tls=leg[1]) as c:
        c.send(put(64 << 20))
        front.app.wait_heads()
        pour(c, bytes(64 << 20))
        settled(front, "bytes_up")
        front.app.connection().reset()
    front.wait_idle()
    again(front, leg)


@pytest.mark.parametrize("end", ["reset", "close"])
def test_the_application_ends_in_its_answer(front, leg, end):
    """The client must see that bytes are missing."""
    def make(size):
        yield from parts(size // 2)
        conn = front.app.connection()
        conn.reset() if end == "reset" else conn.close()
    front.app.make = make
    with Client(front[leg[0]], tls=leg[1]) as c:
        c.send(request(target=f"/{SIZE}"))
        c.recv_until(b"\r\n\r\n")
        front.app.go.set()
        checker = Checker()
        while True:
            data = c.recv(262144)
            if not data:
                break
            checker.take(data)
        assert checker.size <= SIZE // 2
        assert c.ended in ("reset", "truncated") or (not leg[1] and c.ended == "eof")
    front.wait_idle()
    again(front, leg)


def test_more_than_the_length(front, leg):
    """Bytes behind the answer are none of it: they are not passed on, and the connection ends."""
    def make(size):
        yield from parts(size)
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    front.app.make = make
    with Client(front[leg[0]], tls=leg[1]) as c:
        c.send(request(target=f"/{1 << 20}"))
        c.recv_until(b"\r\n\r\n")
        front.app.go.set()
        checker = Checker()
        checker.take(c.recv_exactly(1 << 20))
        assert c.recv_all() == b""
    front.wait_reason("app_unasked", front.reasons_before.get("app_unasked", 0) + 1)


# --- TLS -----------------------------------------------------------------------------------------
def test_key_update_in_the_body(front, way, tls):
    """Its record is no data. Where the kernel takes no new keys, the connection ends with its reason."""
    if not way.record:
        pytest.skip("the records are in user space")
    try:
        with Client(front["tls"], tls=tls, timeout=60) as c:
            c.send(put(SIZE))
            front.app.wait_heads()
            for number, part in enumerate(parts(SIZE)):
                if number % 64 == 32:
                    c.key_update(requested=number % 128 == 32)
                c.send(part)
            assert c.response().text == "ok"
            front.app.go.set()
            c.send(request(target=f"/{SIZE}"))
            c.recv_until(b"\r\n\r\n")
            checker = Checker()
            while checker.size < SIZE:
                take_some(c, checker, SIZE)
    except (EOFError, OSError) as error:
        print(f"the connection ended: {error}")
        front.wait_reason("key_update_refused", front.reasons_before.get("key_update_refused", 0) + 1)
        assert not machine.rekeys()
        return
    assert grown(front, "key_updates") == len(range(32, (SIZE - 1) // len(BLOCK) + 1, 64))
    assert grown(front, "splice_up_bytes") == SIZE


def test_key_update_while_an_answer_comes(front, way, tls):
    """Kedge's own goes out between the pieces of a body. Where the kernel takes no new keys, as above."""
    if not way.record:
        pytest.skip("the records are in user space")
    checker = Checker()
    try:
        with Client(front["tls"], tls=tls, timeout=60) as c:
            c.send(request(target=f"/{SIZE}"))
            c.recv_until(b"\r\n\r\n")
            front.app.go.set()
            for mark in range(SIZE // 8, SIZE + 1, SIZE // 8):
                while checker.size < mark:
                    take_some(c, checker, SIZE)
                if mark < SIZE:
                    c.key_update(requested=True)
                    c.handshake()  # sends it
            assert c.request().status == 200
    except (EOFError, OSError) as error:
        print(f"the connection ended: {error}")
        front.wait_reason("key_update_refused", front.reasons_before.get("key_update_refused", 0) + 1)
        assert not machine.rekeys()
        return
    assert grown(front, "key_updates") == 7
    assert grown(front, "splice_down_bytes") == SIZE


def test_alerts_and_empty_records_in_the_body(front, way, tls):
    if not way.record:
        pytest.skip("the records are in user space")
    with half_up(front, ("tls", tls)) as c:
        c.close_notify()
        front.wait_reason("client_truncated", front.reasons_before.get("client_truncated", 0) + 1)
    assert front.app.wait_ended(0).ended == "reset"


# --- the option ----------------------------------------------------------------------------------
def test_reload(certs, cgroup, tmp_path):
    """Connections keep what they began with; later ones have what the file says now."""
    with App(cgroup) as app:
        config = Config(tmp_path, certs)
        listener = Listener("clear", tls=False)
        keys = {"app": app.text, "record": "off", "edit": "off", "bypass": "off", "access-log": str(tmp_path / "log"),
                "access-log-format": "json"}
        config.write([listener], **keys)
        app.go.set()
        with Kedge(certs, None, [listener], config=config) as kedge, Client(kedge["clear"]) as old:
            def ask(client):
                before = kedge.stat("splice_down_bytes")
                Checker().take(client.request(target=f"/{1 << 20}").body)
                return kedge.stat("splice_down_bytes") - before > 0
            assert not ask(old)
            listener.splice = True
            config.write([listener], **keys)
            assert kedge.reload().returncode == 0
            assert not ask(old)
            with Client(kedge["clear"]) as new:
                assert ask(new)
            machine.wait_for(lambda: (tmp_path / "log").read_text().count("\n") == 3, what="the log")
            lines = [json.loads(x) for x in (tmp_path / "log").read_text().splitlines()]
            assert [x["splice"] for x in lines] == ["off", "off", "on"]
            assert [x["bytes"] for x in lines] == [1 << 20] * 3


def test_with_bypass_nothing_is_spliced(certs, own_cgroup, request):
    combo = next((c for c in request.config.kedge_combinations if c.bypass), None)
    if not combo:
        pytest.skip("no bypass on this machine")
    with App(own_cgroup) as app, \
         Kedge(certs, app.text, [Listener("clear", tls=False, splice=True)], combo, own_cgroup) as kedge:
        app.go.set()
        kedge.process.wait_line("warning: .*splice has no effect with bypass")
        with Client(kedge["clear"]) as c:
            Checker().take(c.request(target=f"/{1 << 20}").body)
        assert kedge.stat("splice_down_bytes") == kedge.stat("flows_splice") == 0
