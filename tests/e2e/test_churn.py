# SPDX-License-Identifier: BSD-2-Clause
"""Many connections that begin and end in every way. Nothing of them may be left.

    KEDGE_TEST_CHURN   how many (400; 2000 in the acceptance run)
"""
import os
import random
import ssl

import machine
import prefix
from client import Client, request

COUNT = int(os.environ.get("KEDGE_TEST_CHURN", "400"))


def whole(c):
    assert c.request(fields=[("Connection", "close")]).status == 200
    c.recv_all()


def several(c):
    c.send(request() * 3)
    assert [c.response().status for _ in range(3)] == [200] * 3


def half_closed(c):
    c.send(request())
    c.half_close()
    c.recv_all()


def reset_at_once(c):
    c.reset()


def reset_after_request(c):
    c.send(request())
    c.reset()


def reset_in_a_body(c):
    c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + bytes(5000))
    c.reset()


def refused(c):
    c.send(b"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n")
    c.recv_all()


def refused_and_reset(c):
    c.send(request() + b"GET /\r\n\r\n" + request())
    c.reset()


def half_a_head(c):
    c.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-")


def upgrade(c):
    c.send(request(target="/up", fields=[("Connection", "upgrade"), ("Upgrade", "x")]) + b"more")
    c.recv()


AFTER_HANDSHAKE = [whole, several, half_closed, reset_at_once, reset_after_request, reset_in_a_body,
                   refused, refused_and_reset, half_a_head, upgrade]
ALWAYS_ANSWERED = (whole, several, half_closed, refused)


def before_handshake(kedge, tls, kind):
    """Connections that end before the handshake."""
    with Client(kedge["tls_proxy"], tls=tls, handshake=False) as c:
        if kind == 0:
            return
        if kind == 1:
            c.send_raw(b"PROXY TCP4 1.2.3")
        elif kind == 2:
            c.send_raw(b"GET / HTTP/1.1\r\n\r\n")
            c.sock.recv(100)
        elif kind == 3:
            c.send_raw(prefix.v2() + c.client_hello()[:50])
        elif kind == 4:
            c.send_raw(prefix.v1() + c.client_hello())
        if kind % 2:
            c.reset()


def one(kedge, tls, draw):
    kind = draw.randrange(len(AFTER_HANDSHAKE) + 5)
    try:
        if kind >= len(AFTER_HANDSHAKE):
            before_handshake(kedge, tls, kind - len(AFTER_HANDSHAKE))
            return
        name = draw.choice(["clear", "clear_proxy", "tls", "tls_proxy"])
        with Client(kedge[name], prefix.v2() if "proxy" in name else b"",
                    tls if "tls" in name else None) as c:
            AFTER_HANDSHAKE[kind](c)
    except (ConnectionError, ssl.SSLError, EOFError):
        # A reset may overtake what came before it; a whole request must always be answered.
        if kind < len(AFTER_HANDSHAKE) and AFTER_HANDSHAKE[kind] in ALWAYS_ANSWERED:
            raise


def test_nothing_is_left(raw, tls, combo):
    draw = random.Random(1)

    def churn(count):
        for number in range(count):
            one(raw, tls, draw)
            if number % 100 == 99:
                raw.app.forget()
        return raw.wait_idle()
    with Client(raw["clear"]) as c:  # so that everything that is opened once exists
        assert c.request().status == 200
    raw.wait_idle()
    fds = raw.fds()
    churn(COUNT // 2)
    rss = raw.rss_kb()
    status = churn(COUNT - COUNT // 2)
    machine.wait_for(lambda: raw.fds() <= fds, what="descriptors left open")
    machine.wait_for(lambda: not raw.entries_of_flows(), what="entries left in the maps")
    grown = raw.rss_kb() - rss
    print(f"churn {combo}: {COUNT} connections, {status['stats']['accepted']} accepted in all, RSS "
          f"+{grown} kB in the second half, fds {fds} -> {raw.fds()}")
    assert grown < 8 << 10
    assert status["stats"]["accepted"] == status["stats"]["closed"]
