# SPDX-License-Identifier: BSD-2-Clause
"""Large bodies, slow readers: every byte right, memory bounded, the sender held back.

    KEDGE_TEST_TRANSFER_MB   size of the large bodies (8; 100 in the acceptance run)
    KEDGE_TEST_SLOW_S        seconds at 1 MB/s before the stall (1; 5 in the acceptance run)
"""
import hashlib
import os
import re
import threading
import time
from pathlib import Path

import pytest

import machine
from client import Client, request
from pattern import BLOCK, Checker, pattern

SIZE = int(os.environ.get("KEDGE_TEST_TRANSFER_MB", "8")) << 20
SLOW_S = float(os.environ.get("KEDGE_TEST_SLOW_S", "1"))
STALL_S = float(os.environ.get("KEDGE_TEST_STALL_S", "1"))


def tcp_memory_kb():
    """TCP's pages on the whole machine."""
    text = Path("/proc/net/sockstat").read_text()
    return int(re.search(r"^TCP:.* mem (\d+)", text, re.M)[1]) * 4


class Meter:
    """Measures the largest memory while something runs."""

    def __init__(self, kedge, what):
        self.kedge, self.what = kedge, what
        self.rss_before, self.tcp_before = kedge.rss_kb(), tcp_memory_kb()
        self.rss = self.tcp = 0

    def look(self):
        self.rss = max(self.rss, self.kedge.rss_kb() - self.rss_before)
        self.tcp = max(self.tcp, tcp_memory_kb() - self.tcp_before)

    def report(self, combo, size=SIZE):
        print(f"{self.what} {combo}: {size >> 20} MB, RSS +{self.rss} kB, TCP memory +{self.tcp} kB")


@pytest.mark.parametrize("framing", ["bytes", "chunked"])
def test_down(front, leg, combo, framing):
    checker, meter = Checker(), Meter(front, "down")
    with Client(front[leg[0]], tls=leg[1]) as c:
        c.send(request(target=f"/{framing}/{SIZE}"))
        if framing == "bytes":
            c.recv_until(b"\r\n\r\n")
            while checker.size < SIZE:
                checker.take(c.recv(262144))
            meter.look()
        else:
            checker.take(c.response().body)
        assert checker.size == SIZE
        assert c.request().status == 200
    meter.report(combo)
    assert meter.rss < 64 << 10


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_up(front, leg, combo, framing):
    expected = hashlib.sha256(pattern(SIZE)).hexdigest()
    meter = Meter(front, "up")
    with Client(front[leg[0]], tls=leg[1]) as c:
        chunked = framing == "chunked"
        how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {SIZE}"
        c.send(f"POST /sha HTTP/1.1\r\nHost: a\r\n{how}\r\n\r\n".encode())
        left = SIZE
        while left:
            part = BLOCK[:min(left, len(BLOCK))]
            c.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            left -= len(part)
        if chunked:
            c.send(b"0\r\n\r\n")
        meter.look()
        assert c.response().text == f"POST {SIZE} {expected}\n"
        assert c.request().status == 200
    meter.report(combo)
    assert meter.rss < 64 << 10


def test_both_directions_at_once(front, leg, combo):
    """An echo: the answer begins while the request still comes."""
    with Client(front[leg[0]], tls=leg[1]) as c:
        if leg[1]:
            pytest.skip("one OpenSSL object cannot be read and written by two threads")
        c.send(f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n".encode())
        writer = threading.Thread(target=c.sock.sendall, args=(pattern(SIZE),), daemon=True)
        writer.start()
        c.recv_until(b"\r\n\r\n")
        checker = Checker()
        while checker.size < SIZE:
            checker.take(c.recv(262144))
        writer.join(machine.Deadline(10).left())


def test_slow_reader(raw, leg, combo):
    """
    A client that reads 1 MB/s for a while, then nothing for some time, then all. With every combination the
    application must stall long before it has sent everything.
    """
    size = max(SIZE, 64 << 20)
    sent, halted = [0], threading.Event()

    def respond(conn, req):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent[0] < size:
            part = BLOCK[:min(size - sent[0], len(BLOCK))]
            conn.send(part)
            sent[0] += len(part)
        halted.set()
    raw.app.respond = respond
    checker, meter = Checker(), Meter(raw, "slow reader")
    with Client(raw[leg[0]], tls=leg[1], rcvbuf=65536, timeout=60) as c:
        c.send(request())
        c.recv_until(b"\r\n\r\n")
        begin = time.monotonic()
        while time.monotonic() - begin < SLOW_S:  # the pace is the test
            while checker.size < (time.monotonic() - begin) * 1e6:
                checker.take(c.recv(16384))
            meter.look()
            time.sleep(0.01)
        halted.wait(STALL_S)
        meter.look()
        ahead = sent[0] - checker.size
        print(f"the application is {ahead >> 10} kB ahead of a stalled reader")
        assert sent[0] < size, "nothing held the application back"
        assert ahead < 40 << 20
        while checker.size < size:
            checker.take(c.recv(262144))
    meter.report(combo, size)
    assert meter.rss < 64 << 10


def test_slow_application(raw, leg, combo):
    """The reverse: the application stops reading an upload."""
    size = max(SIZE, 64 << 20)
    go_on, sent = threading.Event(), [0]

    def serve(conn):
        while b"\r\n\r\n" not in conn.received:
            conn.fill()
        go_on.wait(machine.Deadline(60).left())
        end = conn.received.index(b"\r\n\r\n") + 4
        checker.take(bytes(conn.received[end:]))
        while checker.size < size:
            data = conn.sock.recv(262144)
            assert data
            checker.take(data)
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        while conn.fill():
            pass
        conn.sock.close()

    def upload():
        c.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode())
        while sent[0] < size:
            part = BLOCK[:min(size - sent[0], len(BLOCK))]
            c.send(part)
            sent[0] += len(part)
        halted.set()
    raw.app.serve, checker, halted = serve, Checker(), threading.Event()
    meter = Meter(raw, "slow application")
    with Client(raw[leg[0]], tls=leg[1], timeout=60) as c:
        writer = threading.Thread(target=upload, daemon=True)
        writer.start()
        halted.wait(STALL_S)
        meter.look()
        print(f"the client is {sent[0] >> 10} kB ahead of a stalled application")
        assert sent[0] < size, "nothing held the client back"
        go_on.set()
        writer.join(machine.Deadline(60).left())
        assert c.response().status == 200
    meter.report(combo, size)
    assert meter.rss < 64 << 10


def test_many_small_after_large(front, leg):
    """The big-body path and the small-message path take turns on one connection."""
    with Client(front[leg[0]], tls=leg[1]) as c:
        for size in (1, 300000, 5, 65536, 0, 1000000, 17):
            body = pattern(size)
            assert c.request(target=f"/bytes/{size}").body == body
            c.send(f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode() + body)
            assert c.response().body == body
