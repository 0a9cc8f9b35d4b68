# SPDX-License-Identifier: BSD-2-Clause
"""
The whole story with the work in the kernel: records by kernel TLS, the edit and the bypass by BPF. vmtest runs
this in a guest. Each combination starts one kedge and one Express for all of its tests.

    KEDGE_TEST_TRANSFER_MB   size of the large bodies (16; 100 in the acceptance run)
    KEDGE_TEST_SLOW_S        seconds at 1 MB/s before the stall (2; 5 in the acceptance run)
    KEDGE_TEST_STALL_S       how long the reader then stalls (3)
"""
import contextlib
import hashlib
import os
import re
import ssl
import time
from pathlib import Path

import pytest

import client as client_module
import prefix
import s_client
from client import CIPHERS12, CIPHERS13, Client, request
from kedge import Combination, Kedge, Listener
from pattern import BLOCK, Checker, pattern
from run import seen
from story import Balancer, Express

TRUE = "198.51.100.22"
SENT = "127.0.0.4, 127.0.0.3, 127.0.0.2"
SIZE = int(os.environ.get("KEDGE_TEST_TRANSFER_MB", "16")) << 20
SHORT = os.environ.get("KEDGE_TEST_SHORT")
KEPT, PIPELINED = (20, 20) if SHORT else (100, 50)
SLOW_S = float(os.environ.get("KEDGE_TEST_SLOW_S", "2"))
STALL_S = float(os.environ.get("KEDGE_TEST_STALL_S", "3"))

# Kernel records with every combination of edit and bypass, or with both and neither in the kernel.
COMBINATIONS = [Combination(True, edit, bypass) for edit in (True, False) for bypass in (False, True)
                if edit == bypass or not SHORT]
SESSIONS = [(version, cipher) for version, ciphers in (("1.2", CIPHERS12), ("1.3", CIPHERS13))
            for cipher in ciphers]
# Every version and cipher with the edit in the kernel; two of them without.
CASES = [(combination, session) for combination in COMBINATIONS for session in SESSIONS
         if combination.edit or session in (SESSIONS[0], SESSIONS[-1])]

# All of it is about what kernels differ in.
pytestmark = pytest.mark.each_kernel


def tls_stat():
    """/proc/net/tls_stat: the counters of kernel TLS since the boot."""
    lines = Path("/proc/net/tls_stat").read_text().splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


class Front(Kedge):
    """kedge before Express. Tells who did the work since the last call."""

    def begin(self):
        self.wait_idle()
        self.tls_before, self.before = tls_stat(), self.status()["stats"]

    def grown(self):
        now = self.status()["stats"]
        return {name: now[name] - self.before[name] for name in now}

    def check_kernel_worked(self, combination, sessions, requests):
        """Both directions of every session are in the kernel, and every request was edited where it should be."""
        tls, stats = tls_stat(), self.grown()
        for counter in ("TlsTxSw", "TlsRxSw"):
            assert tls[counter] - self.tls_before[counter] == sessions, counter
        assert tls["TlsDecryptError"] == self.tls_before["TlsDecryptError"]
        assert stats["handoffs"] == stats["flows_record_kernel"] == sessions
        assert stats["flows_record_user"] == 0
        there, elsewhere = ("bpf", "user") if combination.edit else ("user", "bpf")
        assert stats[f"requests_{there}"] == requests
        assert stats[f"requests_{elsewhere}"] == 0
        assert (stats["steer_redirected"] > 0) == (stats["steer_down_redirected"] > 0) \
            == combination.bypass


@pytest.fixture(scope="session", params=COMBINATIONS, ids=str)
def combination(request):
    return request.param


@pytest.fixture(scope="session")
def front(combination, certs, cgroup):
    with Express(cgroup, trust_proxy=1) as app:
        front = Front(certs, app.text, [Listener("tls_proxy", proxy="require")], combination, cgroup)
        try:
            yield front
            front.wait_idle()
            front.stop()
        finally:
            front.kill()


@pytest.fixture(scope="session")
def contexts(certs):
    def offered(version, cipher):
        return cipher if version == "1.3" else f"ECDHE-ECDSA-{cipher}:ECDHE-RSA-{cipher}"
    return {session: client_module.tls_context(certs.ca, session[0], offered(*session))
            for session in SESSIONS}


@pytest.fixture(autouse=True)
def looked(front):
    front.begin()


def connect(front, context, **more):
    return Client(front["tls_proxy"], prefix.v1(), context, **more)


def wrapped(**more):
    return request(fields=[("X-Forwarded-For", SENT)], **more)


def is_right(answer):
    return seen(answer.text) == {"ip": TRUE, "xff": f"{SENT}, {TRUE}"}


@pytest.mark.parametrize("combination, session", CASES, indirect=["combination"],
                         ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value))
                         if isinstance(value, tuple) else str(value), scope="session")
def test_keep_alive_and_pipelined(front, combination, contexts, session):
    """Many requests one after the other, many at once: each carries the address."""
    with connect(front, contexts[session]) as c:
        for _ in range(KEPT):
            c.send(wrapped())
            assert is_right(c.response())
        c.send(wrapped() * PIPELINED)
        assert all([is_right(c.response()) for _ in range(PIPELINED)])
        assert c.tls.version() == f"TLSv{session[0]}" and c.tls.cipher()[0].endswith(session[1])
    front.wait_idle()
    front.check_kernel_worked(combination, sessions=1, requests=KEPT + PIPELINED)


def test_close_notify_both_ways(front, contexts):
    with connect(front, contexts[SESSIONS[-1]]) as c:
        assert c.request().status == 200
        c.half_close()
        assert c.recv() == b"" and c.ended == "close_notify"
    front.wait_idle()
    assert front.grown()["closed"] == 1


@pytest.mark.parametrize("session", [SESSIONS[0], SESSIONS[-1]], ids=lambda s: " ".join(s))
def test_close_notify_in_one_segment_with_a_request(front, contexts, session):
    """The kernel gives no event for a record of another type behind data: kedge looks for it."""
    with connect(front, contexts[session]) as c:
        c.request()
        last = c.records(wrapped())
        with contextlib.suppress(ssl.SSLWantReadError):
            c.tls.unwrap()
        c.send_raw(last + c._out.read())
        assert is_right(c.response())
        # The client waits less long than kedge does for a connection that is idle.
        assert c.recv() == b"" and c.ended == "close_notify"
    front.wait_idle()


def test_refused_request_is_answered(front, contexts):
    with connect(front, contexts[SESSIONS[3]]) as c:
        c.send(wrapped() + b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n")
        assert is_right(c.response())
        assert c.response().status == 400
        assert c.recv() == b"" and c.ended == "close_notify"
    front.wait_reason("http_transfer_encoding")


def test_upgrade_makes_a_tunnel(front, contexts):
    with connect(front, contexts[SESSIONS[4]]) as c:
        c.send(request(target="/ws", fields=[("Connection", "Upgrade"), ("Upgrade", "echo")]) + b"early")
        assert c.response().status == 101
        c.send(b" GET / HTTP/1.1\r\n\r\n")
        assert c.recv_exactly(24) == b"EARLY GET / HTTP/1.1\r\n\r\n"
    front.wait_idle()


def memory(front):
    tcp_pages = re.search(r"^TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.M)[1]
    return f"RSS {front.rss_kb()} kB, TCP memory {int(tcp_pages) * 4} kB"


def test_large_down_with_a_slow_reader(front, combination, contexts):
    """1 MB/s for a while, then nothing for some time, then all of it."""
    checker = Checker()
    with connect(front, contexts[SESSIONS[3]], rcvbuf=65536, timeout=120) as c:
        c.send(request(target=f"/bytes/{SIZE}"))
        c.recv_until(b"\r\n\r\n")
        begin = time.monotonic()
        while time.monotonic() - begin < SLOW_S:  # the pace is the test
            while checker.size < (time.monotonic() - begin) * 1e6:
                checker.take(c.recv(16384))
            time.sleep(0.01)
        time.sleep(STALL_S)  # so is the stall
        stalled = memory(front)
        while checker.size < SIZE:
            checker.take(c.recv(262144))
        assert c.request().status == 200
    print(f"\nmeasured down {combination}: {SIZE >> 20} MB; stalled: {stalled}; after: {memory(front)}")
    assert front.rss_kb() < 256 << 10


def test_large_up(front, combination, contexts):
    expected = hashlib.sha256(pattern(SIZE)).hexdigest()
    with connect(front, contexts[SESSIONS[0]], timeout=120) as c:
        c.send(f"POST /sha HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n".encode())
        left = SIZE
        while left:
            part = BLOCK[:min(left, len(BLOCK))]
            c.send(part)
            left -= len(part)
        assert c.response().text == f"POST {SIZE} {expected}\n"
        c.send(wrapped())
        assert is_right(c.response())
    print(f"\nmeasured up {combination}: {SIZE >> 20} MB; after: {memory(front)}")
    assert front.rss_kb() < 256 << 10


def test_key_update(front, contexts):
    """Followed if this kernel takes new keys. Else the connection ends with an alert and is counted."""
    with connect(front, contexts[SESSIONS[3]]) as c:
        assert c.request().status == 200
        c.key_update(requested=True)
        try:
            c.send(wrapped())
            answer = c.response()
        except (EOFError, OSError) as error:  # refused: counted by its name
            print(f"the connection ended: {error}")
            front.wait_reason("key_update_refused")
            return
        assert is_right(answer)
    front.wait_idle()
    assert front.grown()["key_updates"] == 1


def rekeys(front, contexts):
    """Does this kernel take new keys?"""
    with connect(front, contexts[SESSIONS[3]]) as c:
        c.key_update(requested=True)
        with contextlib.suppress(EOFError, OSError):
            return c.request().status == 200
    return False


def test_key_updates_asked_for_in_a_download(front, certs, contexts):
    """openssl s_client asks while the socket is full of the response: the answer waits, and nothing is lost."""
    if not rekeys(front, contexts):
        pytest.skip("this kernel takes no new keys")
    with Balancer(front["tls_proxy"], "send-proxy") as balancer:
        asked = s_client.download(balancer.address, certs.ca, SIZE, SIZE // 16)
    front.wait_idle()
    assert front.grown()["key_updates"] >= asked > 0  # one more was asked for by rekeys()


def test_mixed_ends_leave_nothing(front, contexts):
    context, fds = contexts[SESSIONS[3]], front.fds()
    for i in range(40):
        c = connect(front, context)
        if i % 4:
            assert c.request().status == 200
        if i % 3 == 0:
            c.reset()
        elif i % 3 == 1:
            c.half_close()
        c.close()
    front.wait_idle()
    assert front.fds() == fds
    assert front.entries_of_flows() == {}
