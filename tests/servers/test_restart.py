# SPDX-License-Identifier: BSD-2-Clause
"""
Real servers that are restarted one after the other, under load: what their clients notice.

    KEDGE_TEST_ROUNDS   how often each is restarted (1)
"""
import contextlib
import os
import threading

import pytest

from asked import Asked, answer_to
from client import Client
from kedge import BINARY, Config, Kedge, Listener
from machine import wait_for
from run import run

KEPT, ONE_SHOT = 4, 2
ROUNDS = int(os.environ.get("KEDGE_TEST_ROUNDS", "1"))
PAUSE_S = 0.002  # between the requests of a client: leaves time to the servers


class Load:
    """Clients that ask until they are stopped. Every answer that is not the right one is a fault."""

    def __init__(self, address, methods):
        self.address, self.methods, self.faults = address, methods, []
        self.done, self.stopped = [0] * (KEPT + ONE_SHOT), threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(n, n < KEPT), daemon=True)
                        for n in range(KEPT + ONE_SHOT)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self.threads)

    def client(self, number, kept):
        while not self.stopped.is_set():
            try:
                with Client(self.address) as c:
                    while self.ask(c, number) and kept and not self.stopped.wait(PAUSE_S):
                        pass
                self.stopped.wait(PAUSE_S)
            except (OSError, EOFError, AssertionError) as error:
                self.faults.append((number, self.done[number], repr(error)))

    def ask(self, c, number):
        """Asks, and judges. May another request follow?"""
        method = self.methods[self.done[number] % len(self.methods)]
        target = f"/{number}/{self.done[number]}"
        body = f"body-{target}" if method == "POST" else ""
        got = c.request(method, target, body=body.encode())
        if (got.status, got.text) != (200, answer_to(method, target, body=body)):
            self.faults.append((number, self.done[number], method, got.status, got.text))
        self.done[number] += 1
        return (got.field("Connection") or "").lower() != "close"

    def go_on(self, count=20):
        """Waits until each client has had so many more answers."""
        until = [n + count for n in self.done]
        wait_for(lambda: all(n >= m for n, m in zip(self.done, until)), 30, "answers")


@contextlib.contextmanager
def farm(tmp_path, certs, cgroup, combination, **env):
    """A kedge before three servers; `servers` names them."""
    with contextlib.ExitStack() as stack:
        with cgroup.inside():
            servers = [Asked(**env) for _ in range(3)]
        for server in servers:
            stack.callback(server.stop)
        listeners, config = [Listener("clear", tls=False)], Config(tmp_path, certs)
        config.write(listeners, apps={"web": {"servers": [s.text for s in servers]}}, app="web", workers=2)
        kedge = stack.enter_context(Kedge(certs, None, listeners, combination, cgroup, config=config))
        kedge.servers = servers
        yield kedge


def restart(kedge, server):
    with kedge.cgroup.inside():
        server.restart()


def command(kedge, server, word):
    done = run(BINARY, "server", f"web/{server.text}", word, "--control", kedge.control)
    assert done.returncode == 0, done.stdout + done.stderr


def told(kedge):
    """What kedge counted, for people."""
    status = kedge.status()
    names = ("flows", "requests_again", "connects_again", "legs_closed", "legs_idle", "legs_old", "legs_doubted",
             "responses_own")
    return {name: status["stats"][name] for name in names}, {k: v for k, v in status["reasons"].items() if v}


@pytest.mark.parametrize("env", [{}, {"NODE_ENDS": "at_once"}], ids=["in_order", "at_once"])
def test_a_rolling_restart(tmp_path, certs, cgroup, ends, env):
    """Without a word to kedge. A server that ends has connections in its queue that it has not accepted, and the
    kernel resets them: what was on them goes to another server."""
    with farm(tmp_path, certs, cgroup, ends, **env) as kedge:
        with Load(kedge["clear"], ["GET"]) as load:
            for server in kedge.servers * ROUNDS:
                load.go_on()
                restart(kedge, server)
            load.go_on()
        print(f"answers: {sum(load.done)}, kedge: {told(kedge)}")
        assert load.faults == []


def test_a_rolling_restart_with_drain(tmp_path, certs, cgroup, ends):
    with farm(tmp_path, certs, cgroup, ends) as kedge:
        with Load(kedge["clear"], ["GET", "POST"]) as load:
            for server in kedge.servers * ROUNDS:
                load.go_on()
                command(kedge, server, "drain")
                at = kedge.servers.index(server)
                kedge.wait_status(lambda s, at=at: s["applications"][0]["servers"][at]["connections"] == 0,
                                  "no connection", 30)
                restart(kedge, server)
                command(kedge, server, "ready")
            load.go_on()
        print(f"answers: {sum(load.done)}, kedge: {told(kedge)}")
        assert load.faults == []
