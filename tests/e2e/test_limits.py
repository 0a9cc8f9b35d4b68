# SPDX-License-Identifier: BSD-2-Clause
"""Limits and fairness: too many or too slow connections end, and other clients do not notice.

    KEDGE_TEST_SLOW   connections of each attack (1000)
"""
import contextlib
import os
import shutil
import ssl
import threading
import time
from pathlib import Path

import pytest

import machine
import prefix
from client import Client
from kedge import BINARY, Kedge, Listener
from process import Process
from rawapp import RawApp
from story import Express


def listeners():
    return [Listener("tls"), Listener("clear", tls=False), Listener("tls_proxy", proxy="require"),
            Listener("clear_proxy", tls=False, proxy="require")]


@pytest.fixture
def started(certs, cgroup, most):
    def start(app, *flags, **kwargs):
        return Kedge(certs, app.text, listeners(), most, cgroup, flags, **kwargs)
    return start


def attempt(*args, **kwargs):
    """The status of a request, or None for a connection that was reset or closed."""
    try:
        with Client(*args, **kwargs) as c:
            return c.request().status
    except (ConnectionError, EOFError, ssl.SSLError):
        return None


# --- too many -----------------------------------------------------------------------------------
def test_connections_are_counted_over_all_workers(started, cgroup):
    """Exactly that many are accepted, however the kernel spreads them over the workers."""
    with RawApp(cgroup=cgroup) as app, \
            started(app, "--connections-max", "21", "--workers", "4") as kedge:
        kept = [Client(kedge["clear"]) for _ in range(21)]
        assert [c.request().status for c in kept] == [200] * 21
        assert [attempt(kedge["clear"]) for _ in range(5)] == [None] * 5
        kedge.wait_reason("limit_connections", 5)
        kept.pop().close()
        kedge.wait_status(lambda s: s["connections_open"] == 20)
        assert attempt(kedge["clear"]) == 200
        for c in kept:
            c.close()


def test_connections_of_one_address(started, cgroup, tls):
    """Counted by the address in the prefix. The client gets an answer if that is possible, else a reset."""
    head = prefix.v2()
    with RawApp(cgroup=cgroup) as app, \
            started(app, "--address-connections-max", "3", "--workers", "2") as kedge:
        kept = [Client(kedge["clear_proxy"], head) for _ in range(3)]
        assert [c.request().status for c in kept] == [200] * 3
        assert attempt(kedge["clear_proxy"], head) == 503
        assert attempt(kedge["tls_proxy"], head, tls) is None
        assert attempt(kedge["tls_proxy"], prefix.v1(src="198.51.100.23"), tls) == 200
        assert attempt(kedge["clear"]) == 200
        assert kedge.reason("limit_address") == 2
        kept.pop().close()
        kedge.wait_status(lambda s: s["connections_open"] == 2)
        assert attempt(kedge["tls_proxy"], head, tls) == 200
        for c in kept:
            c.close()


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_out_of_descriptors(started, cgroup):
    """A warning at startup, then a pause: no busy loop, few lines, and service as soon as there is room."""
    limit = 100
    with RawApp(cgroup=cgroup) as app, \
            started(app, "--workers", "1",
                    argv_prefix=["prlimit", f"--nofile={limit}:{limit}"]) as kedge:
        said = kedge.process.wait_line(r"connections-max 16384 needs \d+ descriptors, and the limit "
                                       r"is 100: (\d+) connections fit")
        assert 0 < int(said[0][1]) < limit / 2
        crowd = [Client(kedge["clear"]) for _ in range(limit)]
        machine.wait_for(lambda: kedge.fds() >= limit - 1, what="descriptors used up")
        kedge.process.wait_line("accepting paused")
        asking = Process([BINARY, "status", "--control", kedge.control], name="status")
        before, begin = cpu_seconds(kedge.pid), time.monotonic()
        time.sleep(2)
        used = (cpu_seconds(kedge.pid) - before) / (time.monotonic() - begin)
        print(f"out of descriptors: {used:.1%} of a core")
        assert used < 0.2
        assert len(kedge.process.matches("accepting paused")) < 4
        for c in crowd:
            c.close()
        assert asking.wait(30) == 0 and asking.stop() == 0
        # Those that still wait to be accepted take descriptors, too.
        kedge.wait_status(lambda s: s["connections_open"] == 0 and
                          sum(listener["accepted"] for listener in s["listeners"]) >= limit,
                          "the whole crowd has come and gone")
        assert attempt(kedge["clear"]) == 200


# --- too slow -----------------------------------------------------------------------------------
class Drip(threading.Thread):
    """Sends bytes one at a time until the other side ends it."""

    def __init__(self, sock, data, pause=0.05):
        super().__init__(daemon=True)
        self.sock, self.data, self.pause, self.sent = sock, data, pause, 0
        self.start()

    def run(self):
        try:
            for at in range(len(self.data)):
                self.sock.sendall(self.data[at:at + 1])
                self.sent += 1
                time.sleep(self.pause)
        except OSError:
            pass


def test_a_head_that_drips(started, cgroup, tls):
    """Byte by byte, in clear, in TLS records of one byte each, and in one record cut to pieces."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000
    with RawApp(cgroup=cgroup) as app, started(app, "--head-timeout-ms", "700",
                                               "--idle-timeout-ms", "1500") as kedge:
        with Client(kedge["clear"]) as c:
            Drip(c.sock, head)
            assert c.response().status == 408
        assert kedge.reason("head_timeout") == 1
        with Client(kedge["tls"], tls=tls) as c:
            c.send(b"GE")
            Drip(c.sock, b"".join(c.records(head[i:i + 1]) for i in range(2, 1000)), pause=0.001)
            assert c.response().status == 408
        assert kedge.reason("head_timeout") == 2
        # Before its record is whole there is no byte of a request: the connection counts as idle.
        with Client(kedge["tls"], tls=tls) as c:
            drip = Drip(c.sock, c.records(head))
            c.recv_all()
            assert 0 < drip.sent < len(head)
        kedge.wait_reason("idle_timeout")


# --- the attacks of slowhttptest -----------------------------------------------------------------
CONNECTIONS = int(os.environ.get("KEDGE_TEST_SLOW", "1000"))
MODES = {
    "slow headers": ["-H", "-i", "3"],
    "slow body": ["-B", "-i", "3", "-s", "100000"],
    "range": ["-R", "-a", "1", "-b", "500"],
    "slow read": ["-X", "-n", "1", "-w", "4096", "-y", "8192", "-z", "5"],
}
ENDED_BY = {"slow headers": "head_timeout", "slow body": "body_too_slow",
            "slow read": "response_too_slow"}


def attack(kedge, mode, connections, size):
    """size: bytes of the response that it asks for. On loopback a socket takes some 2 MB unread."""
    tool = shutil.which("slowhttptest")
    assert tool, "slowhttptest is not installed: tests/deps.sh test"
    return Process([tool, *MODES[mode], "-c", connections, "-r", connections, "-l", "120", "-p", "60",
                    "-u", "https://%s:%d/bytes/%d" % (*kedge["tls"], size)])


def rate(kedge, tls, rounds=5, requests=200):
    """Requests a second of one well-behaved client, on new and kept connections; all are answered. The best of
    some rounds, because the machine has other work, too."""
    best = 0
    for _ in range(rounds):
        begin = time.monotonic()
        for _ in range(requests // 25):
            with Client(kedge["tls"], tls=tls) as c:
                for _ in range(25):
                    assert c.request().status == 200
        best = max(best, requests / (time.monotonic() - begin))
    return best


@pytest.mark.full
@pytest.mark.parametrize("mode", MODES)
def test_slowhttptest(started, cgroup, tls, mode):
    """1,000 slow connections. Well-behaved clients are served as without them."""
    with Express(cgroup) as app, \
            started(app, "--head-timeout-ms", "120000", "--body-rate-min", "0") as kedge:
        rate(kedge, tls, rounds=1)
        free = rate(kedge, tls)
        before = kedge.stat("accepted")
        with attack(kedge, mode, CONNECTIONS, 300000):
            status = kedge.wait_status(lambda s: s["stats"]["accepted"] >= before + CONNECTIONS,
                                       "connections of the attack", seconds=60)
            attacked = rate(kedge, tls)
        print(f"measured {mode}: {free:.0f} requests/s without, {attacked:.0f} with "
              f"{status['connections_open']} connections open")
        # The range attack asks and closes; the others stay as long as they can.
        assert mode == "range" or status["connections_open"] > CONNECTIONS * 0.9
        kedge.wait_status(lambda s: s["connections_open"] == 0, "the attack over", seconds=30)


def test_slowhttptest_is_ended(started, cgroup):
    """Each connection ends by the limit that is meant for it; three attacks at once."""
    with Express(cgroup) as app, \
            started(app, "--head-timeout-ms", "2000", "--body-rate-min", "1000",
                    "--response-rate-min", "1000", "--rate-grace-ms", "2000") as kedge:
        with contextlib.ExitStack() as attacks:
            for mode in ENDED_BY:
                attacks.enter_context(attack(kedge, mode, 50, 30000000))
            kedge.wait_status(lambda s: all(s["reasons"][reason] >= 45
                                            for reason in ENDED_BY.values()),
                              "50 connections ended for each reason", seconds=40)
        kedge.wait_idle()
