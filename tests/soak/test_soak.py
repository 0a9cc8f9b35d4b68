# SPDX-License-Identifier: BSD-2-Clause
"""Load for a long time, while kedge is reloaded, the application dies and comes back, slow clients drip and
handshakes are aborted. No well-formed request is lost, except those that the dead application had or would have
had. Memory, descriptors and maps do not grow.

    SOAK_SECONDS   how long (60, scaled down; 3600 for `make soak`)
"""
import contextlib
import os
import random
import socket
import ssl
import threading
import time

import pytest

import machine
import prefix
from client import Client, request
from kedge import Config, Kedge, Listener
from story import Balancer, Express

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
LONG = SECONDS >= 600
RELOAD_EVERY = 30 if LONG else 3
KILL_EVERY = 60 if LONG else 12
DOWN_FOR = 1
SAMPLES = 30
LOADERS = 4
PAUSE = 0.02  # between two requests of one client: a moderate load
GROWTH_KB = 8 << 10  # of memory, from the first third to the last one
TROUBLE = (ConnectionError, EOFError, ssl.SSLError, TimeoutError, OSError)


class Part(threading.Thread):
    """Something that goes on until the end. It keeps the error that ends it."""

    def __init__(self, over, do, every=0.0):
        super().__init__(daemon=True)
        self.over, self.do, self.every = over, do, every
        self.turns, self.fault = 0, None
        self.start()

    def run(self):
        try:
            while not self.over.wait(self.every):
                self.do(self.turns)
                self.turns += 1
        except Exception as error:  # pylint: disable=broad-except
            self.fault = error


class Application:
    """Express, killed now and then. It knows when it was down."""

    def __init__(self, cgroup):
        self.cgroup, self.express = cgroup, Express(cgroup)
        self.text, self.port = self.express.text, self.express.address[1]
        self.away = []  # [from, to] in monotonic time; to is None while it is down

    def die_and_return(self):
        self.away.append([time.monotonic(), None])
        self.express.popen.kill()
        self.express.wait()
        self.express.stop()
        time.sleep(DOWN_FOR)
        self.express = Express(self.cgroup, port=self.port)
        self.away[-1][1] = time.monotonic()

    def was_away(self, begin, end):
        """Was it down at any time from begin to end?"""
        return any(a <= end and (b is None or b >= begin) for a, b in list(self.away))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.express.stop()


class Loader:
    """Well-formed requests of every kind, on new connections and kept ones."""

    def __init__(self, app, connect, seed):
        self.app, self.connect, self.draw = app, connect, random.Random(seed)
        self.answered = self.excused = 0
        self.lost = []

    def one(self, c):
        kind = self.draw.randrange(4)
        if kind == 0:
            size = self.draw.randrange(200000)
            got = c.request(target=f"/bytes/{size}")
            return got.status == 200 and len(got.body) == size, f"status {got.status}: {got.body[:90]}"
        if kind == 1:
            body = self.draw.randbytes(self.draw.randrange(1, 60000))
            got = c.request("POST", "/echo", body=body)
            return got.status == 200 and got.body == body, f"status {got.status}: {got.body[:90]}"
        got = c.request(fields=[("X-Forwarded-For", "192.0.2.1")])
        return got.status == 200 and 'req.xff: "192.0.2.1, ' in got.text, f"status {got.status}: {got.body[:90]}"

    def __call__(self, _):
        # A connection can be lost with the application from its start, and between two requests.
        begin = time.monotonic()
        try:
            with self.connect() as c:
                for _ in range(self.draw.randrange(1, 30)):
                    time.sleep(PAUSE)
                    good, what = self.one(c)
                    if not good:
                        self.failed(begin, what)
                        return
                    self.answered += 1
                    begin = time.monotonic()
        except TROUBLE as error:
            self.failed(begin, repr(error))

    def failed(self, begin, what):
        end = time.monotonic()
        if self.app.was_away(begin, end):
            self.excused += 1
        else:
            self.lost.append(f"{what}, from {begin:.3f} to {end:.3f}; away {self.app.away[-2:]}")


def nuisance(kedge, tls):
    """Clients that are slow, or leave in the middle. Their results are not checked."""
    draw = random.Random(7)

    def half_a_handshake():
        c = Client(kedge["tls_proxy"], prefix.v2(), tls, handshake=False)
        c.send_raw(c.client_hello()[:draw.randrange(1, 200)])
        return c

    def half_a_prefix():
        return Client(kedge["tls_proxy"], prefix.v1()[:draw.randrange(1, 30)])

    def half_a_head():
        c = Client(kedge["tls_proxy"], prefix.v2(), tls)
        c.send(request()[:draw.randrange(1, 20)])
        return c

    def half_a_body():
        c = Client(kedge["tls_proxy"], prefix.v2(), tls)
        c.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + bytes(100))
        return c

    def does_not_read():
        c = Client(kedge["tls_proxy"], prefix.v2(), tls, rcvbuf=4096)
        c.send(request(target="/bytes/20000000"))
        return c
    kinds = [half_a_handshake, half_a_prefix, half_a_head, half_a_body, does_not_read]
    kept = []

    def do(_):
        with contextlib.suppress(*TROUBLE):
            kept.append(draw.choice(kinds)())
        if len(kept) > 20:
            c = kept.pop(0)
            with contextlib.suppress(OSError):
                c.reset() if draw.random() < 0.5 else c.close()
    return do


class Reloader:
    """Reloads a changed file each time: limits, a listener that comes and goes, other certificates."""

    def __init__(self, kedge, config, certs, keys):
        self.kedge, self.config, self.certs, self.keys = kedge, config, certs, keys

    def listeners(self, turn=0):
        leaves = [(self.certs.ec, self.certs.rsa), (self.certs.rsa, self.certs.ec)][turn % 2]
        more = [Listener("more", tls=False)] if turn % 3 == 1 else []
        return [Listener("tls_proxy", proxy="require", leaves=leaves),
                Listener("clear_proxy", tls=False, proxy="require")] + more

    def write(self, turn):
        self.config.write(self.listeners(turn), idle_timeout_ms=60000 + turn, **self.keys)

    def __call__(self, turn):
        self.write(turn + 1)
        done = self.kedge.reload()
        assert done.returncode == 0, done.stderr


class Watch:
    """Samples the numbers that must not grow."""

    def __init__(self, kedge):
        self.kedge, self.begin, self.rss = kedge, time.monotonic(), []

    def __call__(self, turn=0):
        status = self.kedge.status()
        self.rss.append(self.kedge.rss_kb())
        print(f"{time.monotonic() - self.begin:6.0f} s: RSS {self.rss[-1]} kB, "
              f"{self.kedge.fds()} descriptors, maps {self.kedge.entries_of_flows()}, "
              f"{status['connections_open']} connections, "
              f"{status['generations_in_use']} configurations, "
              f"{status['stats']['accepted']} accepted", flush=True)

    def assert_flat(self):
        third = max(len(self.rss) // 3, 1)
        grown = max(self.rss[-third:]) - max(self.rss[:third])
        print(f"memory: {grown:+} kB from the first third to the last")
        assert grown < GROWTH_KB


def quiet(kedge):
    """The number of descriptors at rest. Nothing else may be left."""
    kedge.wait_status(lambda s: s["connections_open"] == 0 and s["generations_in_use"] == 1,
                      "no connection, one configuration", seconds=60)
    machine.wait_for(lambda: not kedge.entries_of_flows(), what="entries left in the maps")
    return kedge.fds()


@pytest.mark.full
def test_soak(tmp_path, certs, cgroup, most, tls):
    config = Config(tmp_path, certs)
    with Application(cgroup) as app:
        soak(app, config, certs, cgroup, most, tls)


def soak(app, config, certs, cgroup, combination, tls):
    reloader = Reloader(None, config, certs, {
        "app": app.text, "prefix_timeout_ms": 3000, "handshake_timeout_ms": 3000,
        "head_timeout_ms": 3000, "body_rate_min": 1000, "response_rate_min": 1000,
        "rate_grace_ms": 3000})
    reloader.write(0)
    over = threading.Event()
    with Kedge(certs, None, reloader.listeners(), combination, cgroup, config=config) as kedge, \
            Balancer(kedge["tls_proxy"], "send-proxy-v2") as balancer:
        reloader.kedge = kedge
        socket.create_connection(balancer.address, 5).close()

        def direct():
            return Client(kedge["clear_proxy"], prefix.v1())

        def balanced():
            return Client(balancer.address, tls=tls)
        loaders = [Loader(app, (balanced, direct)[n % 4 == 3], n) for n in range(LOADERS)]
        loaders[0](0)  # everything that is made once exists by then
        reloader(-1)
        before = quiet(kedge)
        watch = Watch(kedge)
        watch()
        parts = [Part(over, loader) for loader in loaders]
        parts += [Part(over, nuisance(kedge, tls), 0.2), Part(over, reloader, RELOAD_EVERY),
                  Part(over, watch, SECONDS / SAMPLES)]
        # In this thread: a child dies with the thread that made it.
        while time.monotonic() < watch.begin + SECONDS - KILL_EVERY:
            time.sleep(KILL_EVERY)
            app.die_and_return()
        time.sleep(max(watch.begin + SECONDS - time.monotonic(), 0))
        over.set()
        for part in parts:
            part.join(machine.Deadline(60).left())
        assert [repr(part.fault) for part in parts if part.fault] == []
        parts.clear()
        reloader(-1)
        after = quiet(kedge)
        watch()
        answered = sum(x.answered for x in loaders)
        print(f"{answered} requests answered, {sum(x.excused for x in loaders)} lost with the "
              f"application ({len(app.away)} times killed), generation "
              f"{kedge.status()['generation']}, descriptors {before} -> {after}")
        print({k: v for k, v in kedge.status()["reasons"].items() if v})
        lost = [x for loader in loaders for x in loader.lost]
        assert not lost, "\n".join(lost)
        assert answered > SECONDS
        assert len(app.away) >= 2
        assert after <= before
        watch.assert_flat()
