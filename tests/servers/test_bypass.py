"""
Real servers with the bypass on: the bytes of a flow go from socket to socket, and nobody notices. Requests by
the thousand, long bodies both ways, WebSocket messages.

    KEDGE_TEST_REQUESTS   requests to each server (10000)
"""
import contextlib
import itertools
import os
import struct

import pytest

import backends
from client import Client, request
from kedge import Combination, Kedge, Listener
from pattern import pattern

REQUESTS = int(os.environ.get("KEDGE_TEST_REQUESTS", "10000"))
CONNECTIONS = 20
# gunicorn looks at a request that has come with an earlier one only when something more comes.
ALONE = (backends.Gunicorn,)
# They ask FIONREAD how much there is to read; kedge warns where it lies on a bypassed socket (`kedge probe`).
FIONREAD = (backends.Nginx, backends.Lighttpd)
SERVERS = [server for server in backends.ALL if server is not backends.Haproxy]  # Node is behind that


class Echo(backends.Listening):
    """Node with the library of Debian's package node-ws."""
    name, argv = "WebSocket", ("node", backends.APPS / "echo.js")


@contextlib.contextmanager
def behind(certs, cgroup, config, make):
    missing = next((why for c, why in config.kedge_missing.items() if str(c) == str(BYPASS)), None)
    if missing:
        pytest.skip(f"{BYPASS}: {missing}")
    with cgroup.inside():
        server = make()
    try:
        with Kedge(certs, server.text, [Listener("clear", tls=False)], BYPASS, cgroup) as kedge:
            yield kedge, server
    finally:
        server.stop()


BYPASS = Combination(edit=True, bypass=True)


def ask_many(address, count, at_once):
    """GET /0 to /count-1, over connections that stay, so many at once on each; each answered with 200."""
    clients = [Client(address, timeout=60) for _ in range(CONNECTIONS)]
    numbers = iter(range(count))
    try:
        for c in itertools.cycle(clients):
            some = list(itertools.islice(numbers, at_once))
            if not some:
                return
            c.send(b"".join(request(target=f"/{n}") for n in some))
            for _ in some:
                assert c.response().status == 200
    finally:
        for c in clients:
            c.close()


@pytest.mark.parametrize("make", SERVERS, ids=lambda b: b.name)
def test_real_servers(request, certs, cgroup, make):
    at_once = 1 if make in ALONE else 4
    with behind(certs, cgroup, request.config, make) as (kedge, server):
        if make in FIONREAD and kedge.process.matches("warning: bypass: FIONREAD"):
            pytest.skip("FIONREAD lies on a bypassed socket of this kernel")
        ask_many(kedge["clear"], REQUESTS, at_once)
        large_ones(kedge["clear"])
        kedge.wait_idle()
        stats = kedge.status()["stats"]
        assert stats["steer_redirected"] > REQUESTS / at_once / 2 and stats["steer_down_redirected"] > 0
        assert not {k: v for k, v in kedge.status()["reasons"].items() if v}
    rows = [seen for seen in server.seen() if seen.method == "GET" and seen.target != "/large"]
    assert sorted(seen.target for seen in rows) == sorted(f"/{n}" for n in range(REQUESTS))
    assert {tuple(seen.xff) for seen in rows} == {("127.0.0.1",)}
    up = [seen for seen in server.seen() if seen.method == "POST"]
    assert len(up) == 3 and all(seen.done is not False and seen.xff == ["127.0.0.1"] for seen in up)


def large_ones(address):
    """Up and down in turns, on one connection."""
    with Client(address, timeout=60) as c:
        for _ in range(3):
            assert c.request("POST", "/up", body=pattern(4 << 20)).status == 200
            answer = c.request(target="/large")
            assert answer.status == 200 and answer.body == backends.LARGE


# --- WebSocket -----------------------------------------------------------------------------------
def frame(payload, opcode=2):
    """A masked message of one frame, RFC 6455 section 5.2."""
    n, mask = len(payload), b"\x5a\xa5\x0f\xf0"
    size = bytes([0x80 | n]) if n < 126 else struct.pack("!BH", 0x80 | 126, n) if n < 65536 else \
        struct.pack("!BQ", 0x80 | 127, n)
    key = (int.from_bytes(mask * (n // 4 + 1), "big") >> 8 * (4 - n % 4)) if n else 0
    return bytes([0x80 | opcode]) + size + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(n, "big")


def message(c):
    """The payload of the next message, which is one frame and not masked."""
    first, n = c.recv_exactly(2)
    assert first & 0x80
    if n >= 126:
        n = int.from_bytes(c.recv_exactly(2 if n == 126 else 8), "big")
    return c.recv_exactly(n)


def test_websocket(request, certs, cgroup):
    with behind(certs, cgroup, request.config, Echo) as (kedge, _):
        with Client(kedge["clear"], timeout=60) as c:
            c.send(b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            answer = c.response()
            assert answer.status == 101 and answer.field("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            assert message(c) == b"127.0.0.1"
            for n in [*range(0, 300), 65535, 65536, 1000000] * 3:
                c.send(frame(pattern(n)))
                assert message(c) == pattern(n)
            # Many on their way at once.
            sent = [pattern(n) for n in range(1, 200)]
            c.send(b"".join(map(frame, sent)))
            assert [message(c) for _ in sent] == sent
            c.send(frame(struct.pack("!H", 1000), opcode=8))
            assert message(c) == struct.pack("!H", 1000)
        kedge.wait_idle()
        stats = kedge.status()["stats"]
        assert stats["tunnels"] == 1 and stats["steer_redirected"] > 900 and stats["steer_down_redirected"] > 900
