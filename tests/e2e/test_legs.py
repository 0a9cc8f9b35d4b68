# SPDX-License-Identifier: BSD-2-Clause
"""A client holds a connection to the application (a leg) only while it needs one: idle clients, silent ones,
applications that close idle connections, requests that are sent again, and whose bytes are on which leg."""
import contextlib
import os
import random
import signal
import socket
import struct
import threading

import pytest

from client import Client, request
from kedge import Kedge, Listener
from machine import Deadline
from rawapp import RawApp, answer

PAUSE = threading.Event()  # never set: to wait
LISTENERS = [Listener("tls"), Listener("clear", tls=False), Listener("clear_proxy", tls=False, proxy="require")]


def echo(_conn, req):
    """Says who asked for what."""
    body = f"{req.method} {req.target} {req.xff} {req.body.decode()}".encode()
    whole = answer(body=body)
    return whole[:-len(body)] if req.method == "HEAD" else whole


class Once:
    """An application whose connections serve one request each, and end when they are told to."""

    def __init__(self, how):
        self.how, self.told, self.gone = how, threading.Semaphore(0), threading.Semaphore(0)

    def serve(self, conn):
        try:
            req = conn.read_request()
            conn.requests.append(req)
            conn.send(echo(conn, req))
            self.told.acquire()
        except (EOFError, OSError):
            pass
        if self.how == "reset":
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conn.sock.close()
        self.gone.release()


@contextlib.contextmanager
def stage(certs, cgroup, combination, *flags, respond=echo, serve=None):
    """kedge with one worker before an application that answers with `respond`, or does as `serve` says."""
    with RawApp(respond, cgroup, serve=serve) as app, \
            Kedge(certs, app.text, LISTENERS, combination, cgroup, ["--workers", "1", *flags]) as kedge:
        yield kedge, app


def open_legs(app):
    with app.changed:
        return sum(not conn.ended for conn in app.connections)


def connect(kedge, leg, **kwargs):
    return Client(kedge[leg[0]], tls=leg[1], **kwargs)


@pytest.mark.each_kernel
def test_idle_clients_hold_no_leg(certs, cgroup, ends, tls):
    """Each has had an answer, and gets the next one. A silent client never has a leg at all."""
    with stage(certs, cgroup, ends, "--app-idle-timeout-ms", "500") as (kedge, app), contextlib.ExitStack() as stack:
        silent = [stack.enter_context(Client(kedge["tls"], tls=tls)) for _ in range(50)]
        clients = [stack.enter_context(Client(kedge["tls"], tls=tls)) for _ in range(100)]
        for n, c in enumerate(clients):
            assert c.request(target=f"/{n}").text == f"GET /{n} 127.0.0.1 "
        assert len(app.connections) == 100
        app.wait(lambda: all(conn.ended == "eof" for conn in app.connections), what="the end of all legs")
        kedge.wait_status(lambda s: s["stats"]["legs_idle"] == 100)
        assert kedge.status()["stats"]["closed"] == 0
        for n, c in enumerate(reversed(clients)):
            assert c.request("POST", target=f"/again/{n}", body=b"x").text == f"POST /again/{n} 127.0.0.1 x"
        assert len(app.connections) == 200
        for c in silent:
            assert c.request().status == 200
        assert len(app.connections) == 250


@pytest.mark.each_kernel
def test_a_slow_head_holds_no_leg(certs, cgroup, ends, leg):
    """It waits in kedge until it is whole, and goes on byte for byte. So does the next one, once its leg is gone."""
    head = b"GET /slow HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 3000 + b"\r\n\r\n"
    with stage(certs, cgroup, ends, "--app-idle-timeout-ms", "200") as (kedge, app), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(kedge, leg)) for _ in range(30)]
        for turn in range(2):
            for number, c in enumerate(clients):
                c.send(b"\r\n" + head[:1 + 100 * number])
            PAUSE.wait(0.2)
            for c in clients if not leg[1] else []:  # with TLS there are session tickets
                c.sock.setblocking(False)
                with pytest.raises(BlockingIOError):
                    c.sock.recv(1)
                c.sock.settimeout(20)
            assert len(app.connections) == 30 * turn
            for number, c in enumerate(clients):
                c.send(head[1 + 100 * number:])
                assert c.response().text == "GET /slow 127.0.0.1 "
            app.wait(lambda t=turn: len(app.connections) == 30 * (t + 1) and all(conn.ended for conn in app.connections),
                     what="the end of all legs")
        for conn in app.connections:
            assert bytes(conn.received).startswith(head[:-2] + b"X-Forwarded-For: 127.0.0.1\r\n")


def test_without_reuse_a_leg_lives_as_long_as_its_client(certs, cgroup, ends, leg):
    with stage(certs, cgroup, ends, "--app-idle-timeout-ms", "200", "--app-reuse", "off") as (kedge, app):
        with connect(kedge, leg) as c:
            assert c.request().status == 200
            threading.Event().wait(1)
            assert open_legs(app) == 1
            app.connection().close()
            assert c.recv_all() == b""
            assert c.ended == ("close_notify" if leg[1] else "eof")


@pytest.mark.each_kernel
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_application_that_closes_idle_legs(certs, cgroup, ends, leg, how):
    """The client does not notice, whatever it asks for next."""
    once = Once(how)
    with stage(certs, cgroup, ends, serve=once.serve) as (kedge, _), connect(kedge, leg) as c:
        for n, method in enumerate(["GET", "POST", "PATCH", "HEAD"]):
            body = b"x" if method in ("POST", "PATCH") else b""
            got = c.request(method, target=f"/{n}", body=body)
            assert got.status == 200
            if method != "HEAD":
                assert got.text == f"{method} /{n} 127.0.0.1 {body.decode()}"
            once.told.release()
            kedge.wait_status(lambda s, n=n: s["stats"]["legs_closed"] == n + 1)
        stats = kedge.status()["stats"]
        assert (stats["requests_again"], stats["closed"], stats["responses_own"]) == (0, 0, 0)


@pytest.mark.each_kernel
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_request_that_meets_the_end_of_its_leg(certs, cgroup, ends, leg, how):
    """kedge finds the client's request and the end of the leg in one turn: nothing is lost, nothing comes twice."""
    once = Once(how)
    with stage(certs, cgroup, ends, serve=once.serve) as (kedge, app), connect(kedge, leg) as c:
        assert c.request().status == 200
        threading.Event().wait(0.3)  # a leg that is idle for less is not looked at
        os.kill(kedge.process.pid, signal.SIGSTOP)
        try:
            once.told.release()
            assert once.gone.acquire(timeout=20)
            c.send(request("POST", body=b"once"))
        finally:
            os.kill(kedge.process.pid, signal.SIGCONT)
        assert c.response().text == "POST / 127.0.0.1 once"
        assert [len(conn.requests) for conn in app.connections] == [1, 1]


@pytest.mark.each_kernel
@pytest.mark.parametrize("how", ["close", "reset"])
def test_what_is_sent_again(certs, cgroup, ends, leg, how):
    """The application reads the second request of each leg and goes. Byte for byte the same comes again, once."""
    seen = []

    def respond(conn, req):
        seen.append(bytes(req.raw))
        if len(conn.requests) == 2 or req.target == "/never":
            getattr(conn, how)()
            return None
        return echo(conn, req)

    with stage(certs, cgroup, ends, respond=respond) as (kedge, app), connect(kedge, leg) as c:
        assert c.request(target="/first").status == 200
        assert c.request("PUT", target="/again", body=b"whole").text == "PUT /again 127.0.0.1 whole"
        assert seen[1] == seen[2]
        assert kedge.stat("requests_again") == 1
        assert c.request("POST", target="/lost", body=b"x").status == 502
        assert len(seen) == 4
        with connect(kedge, leg) as other:
            assert other.request(target="/first").status == 200
            assert other.request(target="/never").status == 502  # again on a fresh leg, and then no more
        assert len(seen) == 7
        assert kedge.stat("requests_again") == 2
        assert kedge.reason("app_gone") == 2


def test_nothing_is_sent_again_behind_a_byte(certs, cgroup, ends, leg):
    def respond(conn, req):
        if len(conn.requests) < 2:
            return echo(conn, req)
        conn.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" if req.target == "/hint" else b"HT")
        threading.Event().wait(0.2)
        conn.close()
        return None

    with stage(certs, cgroup, ends, respond=respond) as (kedge, app):
        for target in ("/hint", "/part"):
            with connect(kedge, leg) as c:
                assert c.request().status == 200
                c.send(request(target=target))
                got = c.recv_all()
                assert got.count(b"HTTP/1.1 502 ") == 1
        assert kedge.stat("requests_again") == 0
        assert len(app.connections) == 2


def test_a_leg_that_is_old_gets_no_post(certs, cgroup, ends):
    with stage(certs, cgroup, ends) as (kedge, app), Client(kedge["clear"]) as c:
        for number, (method, wait) in enumerate([("POST", 0), ("POST", 0.2), ("GET", 1.3), ("POST", 1.3)]):
            threading.Event().wait(wait)
            assert c.request(method, body=b"x" if method == "POST" else b"").status == 200
            assert len(app.connections) == (2 if number == 3 else 1)
        assert kedge.stat("legs_old") == 1


@pytest.mark.parametrize("status", [400, 413, 501])
def test_a_leg_in_doubt_serves_no_more(certs, cgroup, ends, status):
    def respond(_conn, _req):
        return answer(f"{status} No", b"no")

    with stage(certs, cgroup, ends, respond=respond) as (kedge, app), Client(kedge["clear"]) as c:
        for number in range(3):
            assert c.request().status == status
            kedge.wait_status(lambda s, n=number: s["stats"]["legs_doubted"] == n + 1)
            assert app.wait_ended(number).ended == "eof"


@pytest.mark.each_kernel
def test_every_answer_is_for_the_client_that_asked(certs, cgroup, ends):
    """Clients that go on, give up in the middle, or wait until their leg is gone; an application that closes legs at
    random. Every answer carries who it was for, and every request its own client's address."""
    rounds, faults = 60, []

    def respond(conn, req):
        draw = random.Random(f"{conn.peer}{len(conn.requests)}")
        out = echo(conn, req)
        if draw.random() < 0.2:
            conn.send(out)
            conn.close()
            return None
        return out

    def client(kedge, number):
        draw, sent = random.Random(number), 0
        try:
            for turn in range(rounds):
                address = f"198.51.100.{number}"
                prefix = f"PROXY TCP4 {address} 203.0.113.7 {1000 + turn} 443\r\n".encode()
                with Client(kedge["clear_proxy"]) as c:
                    c.send(prefix)
                    for _ in range(draw.randrange(1, 12)):
                        sent += 1
                        target = f"/{number}/{sent}"
                        c.send(request(target=target))
                        if draw.random() < 0.1:
                            break  # it does not wait for this one
                        got = c.response().text
                        if got != f"GET {target} {address} ":
                            faults.append(f"{number}: {got} in answer to {target}")
                        if draw.random() < 0.05:
                            threading.Event().wait(0.3)
        except Exception as error:  # pylint: disable=broad-exception-caught
            faults.append(f"{number}: {error!r}")

    with stage(certs, cgroup, ends, "--app-idle-timeout-ms", "100", respond=respond) as (kedge, app):
        threads = [threading.Thread(target=client, args=(kedge, n), daemon=True) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
        assert faults == []
        for conn in app.connections:
            assert len({r.target.split("/")[1] for r in conn.requests}) <= 1, "two clients on one leg"
            assert all(r.xff == f"198.51.100.{r.target.split('/')[1]}" for r in conn.requests)
        stats = kedge.status()["stats"]
        assert stats["legs_idle"] > 0 and stats["legs_closed"] > 0
        kedge.wait_status(lambda s: s["stats"]["closed"] == s["stats"]["accepted"])
        app.wait(lambda: all(conn.ended for conn in app.connections), what="the end of all legs")


def test_silent_clients_do_not_hold_an_application_of_one_thread(certs, cgroup, tls):
    """It serves one connection after the other, as pre-forking servers do."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                conn, _ = server.accept()
                conn.settimeout(20)
                with conn, contextlib.suppress(OSError):
                    while conn.recv(65536):
                        conn.sendall(answer(body=b"ok", fields=[("Connection", "close")]))
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with Kedge(certs, "127.0.0.1:%d" % server.getsockname()[1], LISTENERS, None, cgroup) as kedge, \
            contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(Client(kedge["tls"], tls=tls))
        deadline = Deadline(15, "an answer")
        with Client(kedge["tls"], tls=tls) as c:
            assert c.request().body == b"ok"
        assert deadline.left() > 0
    server.shutdown(socket.SHUT_RDWR)  # it wakes the thread; close() alone would leave it the next socket of this number
    thread.join(20)
    server.close()
