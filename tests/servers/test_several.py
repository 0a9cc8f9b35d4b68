# SPDX-License-Identifier: BSD-2-Clause
"""
Several real servers as packaged behind one kedge: some end, some close kept connections all the time. Clients that ask
for what may be repeated notice nothing.

    KEDGE_TEST_ROUNDS   how often each is restarted (1)
"""
import functools
import os
import random
import signal

import pytest

import backends
from asked import answer_to
from client import Client
from farm import Load, farm, restart, status_of, told
from kedge import Listener
from machine import wait_for
from process import Process
from test_redis import Redis

ROUNDS = int(os.environ.get("KEDGE_TEST_ROUNDS", "1"))
REPEATABLE = ["GET", "PUT", "DELETE"]


class Restarting:
    """Of a server that can end and begin again at its address."""

    def restart(self):
        self.end()
        self.launch(self.host, self.port)

    def end(self):
        self.process.stop(seconds=30)


class Go(Restarting, backends.Elsewhere):
    name, binary, source = "Go", backends.BUILD / "asked-go", backends.APPS / "asked.go"

    def __init__(self, idle_ms, ends):
        self.idle_ms, self.ends = idle_ms, ends
        super().__init__()

    def start(self):
        backends.go_build(self.binary, self.source)
        address = self.free_port()
        self.launch(*address)
        return address

    def launch(self, host, port):
        self.process = Process([self.binary, f"{host}:{port}", self.idle_ms, self.ends], name=self.name)
        self.process.wait_line("listening on", seconds=60)


class Packaged(Restarting):
    """Of a server with a configuration file."""

    def launch(self, host, port):
        self.process = Process([word.replace("BASE", str(self.base)) for word in self.argv], name=self.name)
        self.wait_listening((host, port))


class Nginx(Packaged, backends.Nginx):
    """It answers what Asked does. Its limits come from the test."""

    config = backends.Nginx.config \
        .replace("location / { proxy_pass http://unix:BASE/inner; }",
                 'location / { return 200 "$request_method $request_uri $http_x_forwarded_for $request_body"; }\n'
                 '\t\tlocation = /healthz { access_log off; return 204; }') \
        .replace("keepalive_requests 100000;", "LIMITS")

    def __init__(self, limits="keepalive_requests 100000;"):
        self.config = self.config.replace("LIMITS", limits)
        super().__init__()


class Apache(Packaged, backends.Apache):
    """/healthz, as every path, is its one page. It resets nobody when it ends in order."""


def nginx_answer(method, target, body=""):
    """nginx does not read a body for this answer."""
    return answer_to(method, target)


def page(method, target, body=""):
    return "seen\n"


# --- Go ---------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["in_order", "at_once"])
def test_go_restarts(tmp_path, certs, cgroup, ends, how):
    with farm(tmp_path, certs, cgroup, ends, functools.partial(Go, 60000, how), 3) as kedge:
        with Load(kedge["clear"], REPEATABLE) as load:
            for server in kedge.servers * ROUNDS:
                load.go_on()
                restart(kedge, server)
            load.go_on()
        print(f"answers: {sum(load.done)}, kedge: {told(kedge)}")
        assert load.faults == []


def around(limit_ms):
    """Pauses that end before, at and after a limit, so that requests and the ends of connections cross."""
    draw = random.Random(limit_ms)
    return lambda turn: draw.uniform(0.8, 1.2) * limit_ms / 1000


def test_go_closes_idle_connections_first(tmp_path, certs, cgroup, ends):
    """Its limit is shorter than kedge's, and it does not tell."""
    with farm(tmp_path, certs, cgroup, ends, functools.partial(Go, 50, "in_order"), 2) as kedge:
        with Load(kedge["clear"], REPEATABLE, pause=around(50)) as load:
            load.go_on(60)
        print(f"answers: {sum(load.done)}, kedge: {told(kedge)}")
        assert load.faults == []
        assert kedge.stat("legs_closed") > 0


# --- nginx and Apache -------------------------------------------------------------------------------------------------

CHECK = {"path": "/healthz", "every-ms": 50, "rise": 1, "fall": 2}


@pytest.mark.parametrize("make,answer,methods", [(Nginx, nginx_answer, ["GET", "DELETE"]), (Apache, page, ["GET"])],
                         ids=["nginx", "apache"])
def test_one_of_two_is_stopped(tmp_path, certs, cgroup, ends, make, answer, methods):
    """The other one serves all, until the first is back."""
    with farm(tmp_path, certs, cgroup, ends, make, 2, check=CHECK) as kedge:
        first, second = kedge.servers
        with Load(kedge["clear"], methods, answer) as load:
            load.go_on()
            first.end()
            kedge.wait_status(lambda s: status_of(s, first)["state"] == "down", "the check that fails")
            load.go_on()
            assert status_of(kedge.status(), second)["state"] == "up"
            before = status_of(kedge.status(), first)
            load.go_on()
            # While it is down nobody is sent there.
            after = status_of(kedge.status(), first)
            assert after["failed"] == before["failed"]
            with cgroup.inside():
                first.launch(first.host, first.port)
            kedge.wait_status(lambda s: status_of(s, first)["state"] == "up", "the check that works")
            kedge.wait_status(lambda s: status_of(s, first)["legs"] > after["legs"], "its connections")
            load.go_on()
        print(f"answers: {sum(load.done)}, kedge: {told(kedge)}")
        assert load.faults == []
    targets = [{row.target for row in server.seen()} for server in kedge.servers]
    assert all(targets), "each has served"
    asked = {f"/{n}/{turn}" for n, done in enumerate(load.done) for turn in range(done)}
    assert asked <= targets[0] | targets[1]


def test_nginx_closes_kept_connections_all_the_time(tmp_path, certs, cgroup, ends):
    """After ten requests, as it says, and after 40 ms without one, which it does not say."""
    make = functools.partial(Nginx, "keepalive_requests 10; keepalive_timeout 40ms;")
    with farm(tmp_path, certs, cgroup, ends, make, 2, check=CHECK) as kedge:
        quick = lambda turn: 0.001 if turn % 13 else 0.04  # noqa: E731
        with Load(kedge["clear"], ["GET", "DELETE"], nginx_answer, quick) as load:
            load.go_on(200)
        with Load(kedge["clear"], ["GET", "DELETE"], nginx_answer, around(40)) as slow:
            slow.go_on(60)
        print(f"answers: {sum(load.done) + sum(slow.done)}, kedge: {told(kedge)}")
        assert load.faults + slow.faults == []
        assert kedge.stat("legs_closed") > 0 and load.closes > 0


# --- Redis ------------------------------------------------------------------------------------------------------------

def who(address):
    with Client(address) as c:
        c.send(b"GET who\r\n")
        c.recv_until(b"\r\n")
        return c.recv_until(b"\r\n").decode().strip()


def call(server, name):
    with Client((server.host, server.port)) as c:
        c.send(b"SET who %s\r\n" % name.encode())
        assert c.recv_until(b"\r\n") == b"+OK\r\n"


@pytest.mark.parametrize("check", ["off", {"every-ms": 50, "fall": 1}], ids=["unchecked", "checked"])
def test_redis_has_a_backup(tmp_path, certs, cgroup, ends, check):
    """Connections that are there end with their server; new ones go to the other."""
    listener = Listener("clear", tls=False, mode="tcp")
    with farm(tmp_path, certs, cgroup, ends, Redis, 2, listener, backups=1, mode="tcp", check=check) as kedge:
        primary, backup = kedge.servers
        for server, name in ((primary, "primary"), (backup, "backup")):
            call(server, name)
        assert [who(kedge["clear"]) for _ in range(4)] == ["primary"] * 4
        with Client(kedge["clear"]) as kept:
            kept.send(b"PING\r\n")
            assert kept.recv_until(b"\r\n") == b"+PONG\r\n"
            primary.process.popen.send_signal(signal.SIGKILL)
            primary.process.wait()
            assert kept.recv() == b""
        assert [who(kedge["clear"]) for _ in range(8)] == ["backup"] * 8
        with cgroup.inside():
            primary.launch(primary.host, primary.port)
        call(primary, "primary")
        wait_for(lambda: who(kedge["clear"]) == "primary", 30, "the primary again")
        print(told(kedge))
