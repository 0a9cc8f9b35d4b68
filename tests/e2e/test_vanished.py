# SPDX-License-Identifier: BSD-2-Clause
"""Peers that vanish: their link goes down, and no packet says so. TCP has to find out, on both legs."""
import os
import threading

import pytest

from client import Client
from kedge import Combination, Config, Kedge, Listener
from netns import Namespace, join
from rawapp import RawApp, answer
from run import run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root")

# kedge in the middle; nothing but TCP ends a connection here.
FLAGS = ["--idle-timeout-ms", "86400000", "--response-timeout-ms", "0", "--head-timeout-ms", "86400000",
         "--body-rate-min", "0"]


class Net:
    """clients (10.1.0.1) - (10.1.0.2) kedge (10.2.0.2) - (10.2.0.1) applications"""

    def __init__(self):
        self.clients, self.kedge, self.apps = (Namespace(name) for name in ("clients", "kedge", "apps"))
        for net, space in ((1, self.clients), (2, self.apps)):
            join(space, "out", self.kedge, f"to{net}")
            space.ip(f"addr add 10.{net}.0.1/24 dev out")
            self.kedge.ip(f"addr add 10.{net}.0.2/24 dev to{net}")

    def start(self, certs, app, *flags, mode="http"):
        return Kedge(certs, app.text, [Listener("only", tls=False, mode=mode, addr="10.1.0.2:3443")], Combination(),
                     flags=[*FLAGS, *flags], argv_prefix=self.kedge.argv)

    def app(self, **kwargs):
        with self.apps.inside():
            return RawApp(host="10.2.0.1", **kwargs)

    def client(self, kedge, **kwargs):
        with self.clients.inside():
            return Client(kedge["only"], **kwargs)

    def stop(self):
        for space in (self.clients, self.kedge, self.apps):
            space.stop()


@pytest.fixture
def net():
    n = Net()
    yield n
    n.stop()


def gone(kedge, count=1):
    """The connections have ended. Without an end of TCP's own it would take a day."""
    return kedge.wait_status(lambda s: s["stats"]["closed"] == count, "the end of a connection", seconds=60)


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_a_client_between_requests(net, certs, mode):
    with net.app() as app, net.start(certs, app, "--tcp-keepalive-s", "1", mode=mode) as kedge:
        with net.client(kedge) as c:
            assert c.request().status == 200
            net.clients.ip("link set out down")
            gone(kedge)
        # Its leg to the application has ended with it.
        app.wait_ended()


def test_a_client_within_a_response(net, certs):
    """Probes are not sent while bytes are on their way: the other limit counts."""
    more = threading.Event()

    def respond(conn, req):
        conn.send(answer(body=b"x" * 100000)[:60000])
        more.wait(60)
        return b"x" * 100000
    with net.app(respond=respond) as app, \
            net.start(certs, app, "--tcp-keepalive-s", "0", "--tcp-user-timeout-ms", "2000") as kedge, \
            net.client(kedge) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        c.recv_until(b"\r\n\r\n")
        net.clients.ip("link set out down")
        more.set()
        gone(kedge)


def test_an_application_that_owes_a_response(net, certs):
    asked = threading.Event()

    def respond(_conn, _req):
        asked.set()
        threading.Event().wait(120)
    with net.app(respond=respond) as app, net.start(certs, app, "--tcp-keepalive-s", "1") as kedge, \
            net.client(kedge, timeout=60) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(20)
        net.apps.ip("link set out down")
        assert c.response().status == 502
        kedge.wait_reason("app_gone")


def keepalive(net, c):
    """Does the kernel have a keepalive timer for kedge's end of it?"""
    port = c.sock.getsockname()[1]
    return "keepalive" in net.kedge.run("ss", "-Htno", "state", "established", f"dport = :{port}").stdout


def test_a_reload_counts_for_those_who_come_later(net, certs, tmp_path):
    """The listening socket stays, and has the new values."""
    config = Config(tmp_path, certs)
    listeners = [Listener("only", tls=False, addr="10.1.0.2:3443")]
    with net.app() as app:
        config.write(listeners, app=app.text, edit="off", tcp_keepalive_s=0)
        with Kedge(certs, None, listeners, config=config, argv_prefix=net.kedge.argv) as kedge, \
                net.client(kedge) as old:
            assert old.request().status == 200 and not keepalive(net, old)
            config.write(listeners, app=app.text, edit="off", tcp_keepalive_s=100)
            assert kedge.reload().returncode == 0
            with net.client(kedge) as new:
                assert new.request().status == 200
                assert keepalive(net, new) and not keepalive(net, old)
                assert run(*net.kedge.argv, "ss", "-Htno", "state", "established",
                           "dst 10.2.0.1").stdout.count("keepalive") == 1
