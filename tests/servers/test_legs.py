# SPDX-License-Identifier: BSD-2-Clause
"""
Clients that are silent or idle, and servers that close idle connections or have few workers: real ones, in their
own setting. Clients that give up in the middle of a request or an answer.

    KEDGE_TEST_REQUESTS   requests of the clients that give up (20000)
"""
import contextlib
import os
import random
import socket
import threading
import time

import pytest

import backends
from asked import Asked, answer_to
from client import Client, request
from kedge import Listener
from machine import PATIENCE, wait_for

REQUESTS = int(os.environ.get("KEDGE_TEST_REQUESTS", "20000"))
LISTENERS = [Listener("tls"), Listener("clear", tls=False)]
SILENT, IDLE = 100, 20


def app_connections(server):
    """The connections that the kernel has for a server of an IPv4 address, accepted or in its queue."""
    near = "%08X:%04X" % (int.from_bytes(socket.inet_aton(server.host), "little"), server.port)
    rows = [line.split() for line in backends.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1] == near and row[3] == "01" for row in rows)  # 01: established


def given_up(kedge):
    stats = kedge.status()["stats"]
    return stats["legs_idle"] + stats["legs_closed"]


def nothing_lost(kedge):
    status = kedge.status()
    assert status["reasons"].get("app_gone", 0) == 0
    assert status["stats"]["responses_own"] == 0


# --- a server that closes idle connections ----------------------------------------------------------------------------

@pytest.mark.parametrize("silent", [False, True], ids=["keep_alive_said", "keep_alive_unsaid"])
def test_a_client_that_waits_past_nodes_limit(certs, cgroup, most, tls, silent):
    """Each request comes after the connection of the one before has ended, on either side."""
    env = {"NODE_KEPT_MS": "100", "NODE_KEPT_SILENT": "1"} if silent else {"NODE_KEPT_MS": "1000"}
    with backends.behind(lambda: Asked(**env), certs, cgroup, LISTENERS, most, ["--workers", "1"]) as kedge, \
            Client(kedge["tls"], tls=tls) as c:
        for turn, method in enumerate(["GET", "POST", "GET", "POST"]):
            body = "x" if method == "POST" else ""
            got = c.request(method, target=f"/{turn}", body=body.encode())
            assert (got.status, got.text) == (200, answer_to(method, f"/{turn}", body=body))
            wait_for(lambda turn=turn: given_up(kedge) == turn + 1, 20, "the end of an idle connection")
        assert kedge.server.counts() == {"requests": 4, "connections": 4, "mixed": 0}
        # Node was the first one only where kedge did not know.
        assert (kedge.stat("legs_closed") > 0) is silent
        nothing_lost(kedge)


@pytest.mark.full
def test_a_client_that_waits_for_6_s(certs, cgroup, most, tls):
    """Node's own limit is 5 s, and kedge's 4 s."""
    with backends.behind(Asked, certs, cgroup, LISTENERS, most) as kedge, Client(kedge["tls"], tls=tls) as c:
        for turn, method in enumerate(["GET", "POST", "GET"]):
            threading.Event().wait(6 if turn else 0)
            body = "x" if method == "POST" else ""
            got = c.request(method, target=f"/{turn}", body=body.encode())
            assert (got.status, got.text) == (200, answer_to(method, f"/{turn}", body=body))
        assert kedge.server.counts() == {"requests": 3, "connections": 3, "mixed": 0}
        assert kedge.stat("legs_idle") == 2
        nothing_lost(kedge)


def limit_of(server):
    """The seconds after which it closes an idle connection."""
    with Client((server.host, server.port)) as c:
        c.request()
        began = time.monotonic()
        assert c.recv() == b""
        return time.monotonic() - began


def test_requests_that_meet_the_end_of_idle_connections(certs, cgroup, ends):
    """They come a millisecond apart, before and after Node's limit, which kedge does not know yet. A POST comes after
    it only: before, its fate would be Node's."""
    count, faults = 60, []

    def client(address, number, wait, method):
        body = "x" if method == "POST" else ""
        with Client(address) as c:
            first = c.request(target=f"/{number}/first")
            threading.Event().wait(wait)
            second = c.request(method, target=f"/{number}/second", body=body.encode())
        if (first.status, second.status, second.text) != \
                (200, 200, answer_to(method, f"/{number}/second", body=body)):
            faults.append((number, wait, first.status, second.status, second.text))

    make = lambda: Asked(NODE_KEPT_MS="200", NODE_KEPT_SILENT="1")  # noqa: E731
    with backends.behind(make, certs, cgroup, LISTENERS, ends, ["--workers", "1"]) as kedge:
        limit = limit_of(kedge.server)
        waits = [limit + (n - count / 2) / 1000 for n in range(count)]
        methods = ["POST" if n % 2 and wait >= max(limit, 1) else "GET" for n, wait in enumerate(waits)]
        run_all([(client, (kedge["clear"], *call)) for call in zip(range(count), waits, methods)], faults)
        assert faults == []
        print({name: kedge.stat(name) for name in ("legs_closed", "legs_old", "requests_again")})
        nothing_lost(kedge)


def run_all(calls, faults, seconds=60):
    """Calls all at a time, each in a thread."""
    def guarded(function, args):
        try:
            function(*args)
        except Exception as error:  # pylint: disable=broad-exception-caught
            faults.append(repr(error))

    threads = [threading.Thread(target=guarded, args=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds * PATIENCE)
    assert not any(thread.is_alive() for thread in threads), faults


# --- a server with few workers ----------------------------------------------------------------------------------------

class Sync(backends.Gunicorn):
    """gunicorn's default: a worker serves one connection after the other, and reads from it for as long as it takes.
    It closes after each answer."""
    argv = ("/usr/bin/python3", "-B", "-m", "gunicorn", "--bind", "127.0.0.1:0", "--worker-class", "sync",
            "--workers", "2", "--chdir", backends.APPS, "seen:wsgi")


class Prefork(backends.Apache):
    """A process for each connection, as long as it lasts, and two processes."""
    config = backends.Apache.config.replace("mpm_event", "mpm_prefork").replace("ThreadsPerChild 64\n", "") \
        .replace("ServerLimit 1\nStartServers 1", "ServerLimit 2\nStartServers 2\nKeepAliveTimeout 75") \
        .replace("MaxRequestWorkers 64", "MaxRequestWorkers 2")


def no_app_sockets(kedge):
    kedge.wait_status(lambda s: s["applications"][0]["servers"][0]["connections"] == 0, "no application socket")
    assert app_connections(kedge.server) == 0


@pytest.mark.parametrize("make,idle", [(Sync, 0), (Prefork, IDLE)], ids=["gunicorn", "apache"])
def test_silent_and_idle_clients_hold_no_worker(certs, cgroup, ends, tls, make, idle):
    """Another client's request is answered while all of them are there."""
    flags, last = ["--app-idle-timeout-ms", "50"], request(target="/later")
    with backends.behind(make, certs, cgroup, LISTENERS, ends, flags) as kedge, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(kedge["tls"], tls=tls)) for _ in range(SILENT + idle)]
        for c in clients[SILENT:]:
            assert c.request(target="/idle").text == "seen\n"
        for c in clients[:SILENT // 2]:
            c.send(last[:20])  # half a head
        no_app_sockets(kedge)
        assert kedge.stat("flows") == idle
        with Client(kedge["tls"], tls=tls) as other:
            assert other.request(target="/other").text == "seen\n"
            assert kedge.status()["connections_open"] >= SILENT + idle
        later = clients[::6]
        for at, c in zip(range(0, len(clients), 6), later):
            c.send(last[20:] if at < SILENT // 2 else last)
            assert c.response().text == "seen\n"
        assert kedge.stat("flows") == idle + 1 + len(later)
        nothing_lost(kedge)
    assert [row.target for row in kedge.server.seen()].count("/later") == len(later)


def test_what_a_silent_client_would_hold(certs, cgroup, most, tls):
    """The test before sees application sockets where there are some."""
    with backends.behind(Sync, certs, cgroup, LISTENERS, most, ["--connect-early", "on"]) as kedge, \
            Client(kedge["tls"], tls=tls):
        wait_for(lambda: app_connections(kedge.server) == 1, what="an application socket")


# --- clients that give up ---------------------------------------------------------------------------------------------

class Aborting:
    """A client of one source address. It goes on with a connection until it has given one up."""

    def __init__(self, address, source, count, faults):
        self.address, self.source, self.left, self.faults = address, source, count, faults
        self.number, self.whole, self.aborted, self.draw = 0, 0, 0, random.Random(source)

    def run(self):
        while self.left > 0 and len(self.faults) < 10:
            with Client(self.address, source=self.source) as c:
                while self.left > 0 and self.turn(c):
                    pass

    def next_one(self):
        """(method, target, body, bytes of the request)"""
        self.number += 1
        self.left -= 1
        target = f"/{self.source}/{self.number}?in={self.draw.choice(['one', 'pieces'])}"
        if self.draw.random() < 0.1:
            target += f"&more={self.draw.randrange(1, 100000)}"
        method = self.draw.choice(["GET", "POST", "PUT"])
        body = "" if method == "GET" else f"body-{self.number}" * self.draw.randrange(1, 20)
        return method, target, body, request(method, target, body=body.encode())

    def turn(self, c):
        """A request or three at once. False after it has given up."""
        asked = [self.next_one() for _ in range(self.draw.choice([1, 1, 1, 3]))]
        data = b"".join(one[3] for one in asked)
        draw = self.draw.random()
        if draw < 0.1:
            c.send(data[:self.draw.randrange(1, len(data))])
            return self.give_up(c)
        c.send(data)
        if draw < 0.2:
            return self.give_up(c)
        for method, target, body, _ in asked:
            if draw < 0.3 and self.draw.random() < 0.5:
                c.recv(self.draw.randrange(1, 300))
                return self.give_up(c)
            self.check(c.response(), answer_to(method, target, self.source, body))
        return True

    def check(self, got, wanted):
        if got.status != 200 or got.text.rstrip(" ") != wanted.rstrip(" "):
            self.faults.append((wanted, got.status, got.text[:200]))
        self.whole += 1

    def give_up(self, c):
        self.aborted += 1
        if self.draw.random() < 0.5:
            c.reset()
        else:
            c.close()
        return False


@pytest.mark.parametrize("reuse", ["client", "shared"])
def test_two_clients_that_give_up_at_random(certs, cgroup, ends, reuse):
    """Every answer is for the request of the client that gets it, and every address its own."""
    faults = []
    flags = ["--workers", "1", "--app-reuse", reuse]
    with backends.behind(Asked, certs, cgroup, [Listener("clear", tls=False)], ends, flags) as kedge:
        clients = [Aborting(kedge["clear"], source, REQUESTS // 2, faults) for source in ("127.0.0.1", "127.0.0.2")]
        run_all([(c.run, ()) for c in clients], faults, 60 + REQUESTS / 100)
        assert faults == []
        kedge.wait_idle()
        counts = kedge.server.counts()
        print(f"requests: {sum(c.number for c in clients)}, answers: {sum(c.whole for c in clients)}, "
              f"given up: {sum(c.aborted for c in clients)}; Node: {counts}")
        assert (counts["mixed"] > 0) is (reuse == "shared")
        assert counts["requests"] >= sum(c.whole for c in clients)
