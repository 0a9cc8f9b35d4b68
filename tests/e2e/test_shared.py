# SPDX-License-Identifier: BSD-2-Clause
"""app-reuse: shared. One connection to the application serves one client after the other. Every request has its own
client's address, every answer reaches who asked, and a connection in doubt serves nobody else."""
import contextlib
import os
import random
import resource
import signal
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import Client, request
from kedge import BINARY, Kedge, Listener
from machine import wait_for
from prefix import v1
from rawapp import RawApp, answer
from run import run

LISTENERS = [Listener("tls"), Listener("clear", tls=False), Listener("clear_proxy", tls=False, proxy="require"),
             Listener("tls_proxy", proxy="require")]
PAUSE = threading.Event()  # never set: to wait


def echo(_conn, req):
    """Says who asked for what."""
    body = f"{req.method} {req.target} {req.xff} {req.body.decode()}".encode()
    whole = answer(body=body)
    return whole[:-len(body)] if req.method == "HEAD" else whole


@contextlib.contextmanager
def stage(certs, cgroup, combination, *flags, respond=echo, serve=None, listeners=None):
    """kedge with one worker before an application that answers with `respond`, or does as `serve` says."""
    with RawApp(respond, cgroup, serve=serve) as app, \
            Kedge(certs, app.text, listeners or LISTENERS, combination, cgroup,
                  ["--workers", "1", "--app-reuse", "shared", *flags]) as kedge:
        yield kedge, app


def ask(kedge, number, method="GET", target="/", tls=None, **kwargs):
    """One client, of an address of its own, with one request."""
    address = f"198.51.100.{number}"
    with Client(kedge["tls_proxy" if tls else "clear_proxy"], v1(address), tls=tls) as c:
        got = c.request(method, target=target, **kwargs)
        assert got.status == 200
        if method != "HEAD":
            assert got.text == f"{method} {target} {address} {kwargs.get('body', b'').decode()}"
    return got


def served(app):
    """How many requests each connection of the application has had."""
    with app.changed:
        return [len(conn.requests) for conn in app.connections]


@pytest.mark.each_kernel
def test_clients_share_one_leg(certs, cgroup, ends, tls):
    """Addresses of many lengths, one after the other, with and without TLS, of one connection and of several."""
    with stage(certs, cgroup, ends) as (kedge, app):
        for number in list(range(1, 30)) + [200, 2, 199, 9]:
            ask(kedge, number, target=f"/{number}")
            ask(kedge, number, "POST", f"/{number}", tls=tls, body=b"x" * number)
            ask(kedge, number, "HEAD", f"/{number}")
        with Client(kedge["tls"], tls=tls) as a, Client(kedge["clear"]) as b:
            for turn in range(10):
                assert a.request(target=f"/a{turn}").text == f"GET /a{turn} 127.0.0.1 "
                assert b.request(target=f"/b{turn}").text == f"GET /b{turn} 127.0.0.1 "
        assert served(app) == [33 * 3 + 20]
        assert kedge.stat("legs_shared") == 33 * 3 + 20 - 1


def test_each_has_the_lines_of_its_own(certs, cgroup, ends, tls):
    """A client with TLS, IPv6 and lines of its own, and then one without any of these."""
    flags = ["--x-forwarded-proto", "on", "--x-forwarded-port", "on", "--x-real-ip", "on", "--forwarded", "on"]

    def respond(_conn, req):
        return answer(body="\n".join(f"{n}: {v}" for n, v in req.fields).encode())

    with stage(certs, cgroup, ends, *flags, respond=respond) as (kedge, app):
        for turn in range(3):
            with Client(kedge["tls_proxy"], v1("2001:db8::1:2:3:4", "2001:db8::7"), tls=tls) as c:
                got = c.request(fields=[("X-Forwarded-For", "192.0.2.1"), ("Cookie", f"a{turn}"),
                                        ("Connection", "x, keep-alive"), ("X", "y" * 300)]).text
            assert "X-Forwarded-For: 192.0.2.1, 2001:db8::1:2:3:4" in got and "X-Forwarded-Proto: https" in got
            with Client(kedge["clear_proxy"], v1("192.0.2.77", dport=80)) as c:
                got = c.request().text
            assert "X-Forwarded-For: 192.0.2.77\n" in got + "\n" and "X-Forwarded-Proto: http\n" in got + "\n"
            assert "X-Forwarded-Port: 80" in got and "2001" not in got and "Cookie" not in got and "yyy" not in got
        assert served(app) == [6]


def test_no_more_legs_than_requests_at_a_time(certs, cgroup, ends):
    """The one that was given back last goes first: a burst leaves legs that then grow old."""
    with stage(certs, cgroup, ends, "--app-idle-timeout-ms", "1500") as (kedge, app):
        def client(number):
            for turn in range(20):
                ask(kedge, number, target=f"/{turn}")

        threads = [threading.Thread(target=client, args=(n,)) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(served(app)) == 160 and len(app.connections) <= 8
        app.wait(lambda: all(conn.ended == "eof" for conn in app.connections), what="the end of idle legs")
        assert kedge.stat("legs_idle") == len(app.connections)


ENDS = {
    "whole, behind a GET": (request(target="/1"), b"\r\n", b""),
    "whole, behind a body": (request("POST", "/1", body=b"x"), b"\r\n", b""),
    "half, behind a GET": (request(target="/1"), b"\r", b"\n"),
    "half, behind a body": (request("POST", "/1", body=b"x"), b"\r", b"\n"),
    "half, behind chunks": (request("POST", "/1", [("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n", b"\r", b"\n"),
}


@pytest.mark.each_kernel
@pytest.mark.parametrize("name", ENDS)
def test_an_empty_line_behind_a_request(certs, cgroup, ends, tmp_path, name):
    """It is its client's, and no other client's: that one may begin with such a line, too."""
    first, line, rest = ENDS[name]
    for flags in [], ["--access-log", tmp_path / "log"]:
        with stage(certs, cgroup, ends, *flags) as (kedge, app):
            with Client(kedge["clear_proxy"], v1("198.51.100.1")) as a:
                a.send(first + line)
                assert a.response().status == 200
                for number in 2, 3:
                    with Client(kedge["clear_proxy"], v1(f"198.51.100.{number}")) as b:
                        b.send(b"\r\n" * (number == 2) + request(target="/2"))
                        assert b.response().text == f"GET /2 198.51.100.{number} "
                a.send(rest + request(target="/3"))
                assert a.response().text == "GET /3 198.51.100.1 "
            assert not any(conn.fault for conn in app.connections)


@pytest.mark.each_kernel
def test_an_upgrade_that_was_declined(certs, cgroup, ends):
    """Its leg serves the next client."""
    with stage(certs, cgroup, ends) as (kedge, app), Client(kedge["clear"]) as a, Client(kedge["clear"]) as b:
        for _ in range(3):
            got = a.request(target="/1", fields=[("Connection", "Upgrade"), ("Upgrade", "websocket")])
            assert got.text == "GET /1 127.0.0.1 "
            assert b.request(target="/2").text == "GET /2 127.0.0.1 "
        assert served(app) == [6]


def test_idle_legs_of_other_workers_take_no_room(certs, cgroup, ends):
    """Each of six workers may have an idle leg for each of its clients of before: more legs than clients."""
    with stage(certs, cgroup, ends, "--workers", "6", "--connections-max", "8") as (kedge, app):
        def client(number):
            for turn in range(50):
                with Client(kedge["clear_proxy"], v1(f"198.51.100.{number}")) as c:
                    assert c.request(target=f"/{turn}").text == f"GET /{turn} 198.51.100.{number} "
                    c.half_close()
                    assert c.recv() == b""  # kedge counts it no more

        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(client, number) for number in range(1, 5)]:
                done.result(60)
        assert sum(served(app)) == 200


def numbers(kedge):
    return {int(name) for name in os.listdir(f"/proc/{kedge.pid}/fd")}


@pytest.mark.parametrize("workers", [1, 4])
def test_idle_legs_give_their_descriptors_up(certs, cgroup, ends, workers):
    """There are no others, and they would be idle for a minute. Whichever worker has them, nobody waits for that."""
    with stage(certs, cgroup, ends, "--workers", str(workers), "--app-idle-timeout-ms", "60000") as (kedge, app):
        barrier = threading.Barrier(8)
        app.respond = lambda conn, req: barrier.wait(20) and None or echo(conn, req)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: ask(kedge, number), range(1, 9)))
        kedge.wait_idle()
        app.respond = echo
        _, hard = resource.prlimit(kedge.pid, resource.RLIMIT_NOFILE)
        most = max(numbers(kedge)) + 1
        # The limit is one of numbers: silent clients take all that are free below it.
        silent = [Client(kedge["clear"]) for _ in range(most - len(numbers(kedge)))]
        wait_for(lambda: numbers(kedge) == set(range(most)), what="all numbers are taken")
        resource.prlimit(kedge.pid, resource.RLIMIT_NOFILE, (most, hard))
        for turn in range(10):
            with Client(kedge["clear_proxy"], v1("198.51.100.1")) as a, Client(kedge["clear"]) as b:
                for c, address in (a, "198.51.100.1"), (b, "127.0.0.1"):
                    assert c.request("POST", f"/{turn}").text == f"POST /{turn} {address} "
        resource.prlimit(kedge.pid, resource.RLIMIT_NOFILE, (hard, hard))
        for c in silent:
            c.close()


@pytest.mark.each_kernel
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_application_that_closes_an_idle_leg(certs, cgroup, ends, how):
    """The next client does not notice. Older ones go with it."""
    with stage(certs, cgroup, ends) as (kedge, app):
        barrier = threading.Barrier(3)
        app.respond = lambda conn, req: barrier.wait(20) and None or echo(conn, req)
        threads = [threading.Thread(target=ask, args=(kedge, n)) for n in range(1, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        app.respond = echo
        assert served(app) == [1, 1, 1]
        PAUSE.wait(0.1)
        ask(kedge, 7)  # its leg is the youngest now
        youngest = next(conn for conn in app.connections if len(conn.requests) == 2)
        if how == "reset":
            youngest.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        youngest.sock.shutdown(socket.SHUT_RD)  # its thread closes it
        kedge.wait_status(lambda s: s["stats"]["legs_closed"] == 3)
        for number in (8, 9):
            ask(kedge, number, "POST", body=b"x")
        assert len(app.connections) == 4 and served(app)[3] == 2
        assert kedge.stat("requests_again") == 0


def test_a_request_that_meets_the_end_of_its_leg(certs, cgroup, ends):
    """kedge finds the request and the end of the leg in one turn."""
    with stage(certs, cgroup, ends) as (kedge, app):
        ask(kedge, 1)
        os.kill(kedge.process.pid, signal.SIGSTOP)
        try:
            app.connection().close()
            c = Client(kedge["clear_proxy"], v1("198.51.100.2"))
            c.send(request("POST", body=b"once"))
        finally:
            os.kill(kedge.process.pid, signal.SIGCONT)
        with c:
            assert c.response().text == "POST / 198.51.100.2 once"
        assert served(app) == [1, 1]


def test_a_request_that_is_lost_goes_again_on_a_fresh_leg(certs, cgroup, ends):
    """The application reads it and goes: a GET comes once more, a POST is 502, and nobody else is touched."""
    with stage(certs, cgroup, ends) as (kedge, app):
        def respond(conn, req):
            if len(conn.requests) > 1 and req.target == "/lost":
                conn.close()
                return None
            return echo(conn, req)

        app.respond = respond
        ask(kedge, 1)
        ask(kedge, 2, target="/lost")
        assert served(app) == [2, 1] and kedge.stat("requests_again") == 1
        with Client(kedge["clear_proxy"], v1("198.51.100.3")) as c:
            assert c.request("POST", target="/lost", body=b"x").status == 502
        ask(kedge, 4)
        assert served(app) == [2, 2, 1]
        for conn in app.connections:
            for req in conn.requests:
                assert req.raw.count(b"X-Forwarded-For: ") == 1


def test_a_post_goes_on_a_young_leg_only(certs, cgroup, ends):
    with stage(certs, cgroup, ends) as (kedge, app):
        ask(kedge, 1)
        ask(kedge, 2, "POST", body=b"x")
        PAUSE.wait(1.3)
        ask(kedge, 3)
        PAUSE.wait(1.3)
        ask(kedge, 4, "POST", body=b"x")
        assert served(app) == [3, 1]
        ask(kedge, 5)  # on the younger one
        assert served(app) == [3, 2]


DOUBTS = {
    "400": answer("400 Bad Request", b"no"),
    "413": answer("413 Too Large", b"no"),
    "501": answer("501 No", b"no"),
    "close": answer(fields=[("Connection", "close")]),
    "1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "both": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "twice": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", DOUBTS)
def test_a_leg_in_doubt_serves_nobody_else(certs, cgroup, ends, name):
    with stage(certs, cgroup, ends, respond=lambda _conn, _req: DOUBTS[name]) as (kedge, app):
        for number in range(1, 4):
            with Client(kedge["clear_proxy"], v1(f"198.51.100.{number}")) as c:
                c.send(request())
                c.recv()
            app.wait(lambda n=number: len(app.connections) == n and all(conn.ended for conn in app.connections),
                     what="the end of the leg")
        assert served(app) == [1, 1, 1] and kedge.stat("legs_shared") == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_bytes_that_nobody_asked_for_reach_nobody(certs, cgroup, ends, when):
    """Behind a response, or later on the idle leg: the next client gets its own answer."""
    with stage(certs, cgroup, ends) as (kedge, app):
        if when == "before":
            app.respond = lambda conn, req: echo(conn, req) + answer(body=b"evil")
        with Client(kedge["clear_proxy"], v1("198.51.100.1")) as c:
            c.send(request())
            assert b"GET / 198.51.100.1" in c.recv()
        app.respond = echo
        if when == "after":
            kedge.wait_status(lambda s: s["stats"]["closed"] == 1)
            app.connection().send(answer(body=b"evil"))
        ask(kedge, 2)
        assert served(app) == [1, 1] and kedge.stat("legs_shared") == 0


def test_bytes_that_come_while_kedge_stands_still(certs, cgroup, ends):
    """They and the next client's request are found in one turn."""
    with stage(certs, cgroup, ends) as (kedge, app):
        ask(kedge, 1)
        kedge.wait_status(lambda s: s["stats"]["closed"] == 1)
        os.kill(kedge.process.pid, signal.SIGSTOP)
        try:
            app.connection().send(answer(body=b"evil"))
            c = Client(kedge["clear_proxy"], v1("198.51.100.2"))
            c.send(request())
        finally:
            os.kill(kedge.process.pid, signal.SIGCONT)
        with c:
            assert c.response().text == "GET / 198.51.100.2 "
        assert served(app) == [1, 1]


@pytest.mark.parametrize("how", ["end", "reset"])
def test_a_client_that_gives_up_takes_its_leg_with_it(certs, cgroup, ends, how):
    """Before its response, within it, and within its own body."""
    gate = threading.Event()

    def respond(conn, req):
        if req.target == "/slow":
            gate.wait(20)
        elif req.target == "/half":
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return None
        return echo(conn, req)

    with stage(certs, cgroup, ends, respond=respond) as (kedge, app):
        for number, target in enumerate(["/slow", "/half"]):
            with Client(kedge["clear_proxy"], v1("198.51.100.1")) as c:
                c.send(request("POST", target=target, body=b"x"))
                app.wait(lambda n=number: len(app.connections) == n + 1 and app.connections[n].requests,
                         what="the request")
                if target == "/half":
                    c.recv()
                if how == "reset":
                    c.reset()
            if how == "end" and target == "/slow":
                PAUSE.wait(0.2)  # kedge has read the end
            gate.set()
            if how == "end" and target == "/half":
                app.connections[1].close()
            kedge.wait_status(lambda s, n=number: s["stats"]["closed"] == n + 1)
        with Client(kedge["clear_proxy"], v1("198.51.100.1")) as c:
            c.send(b"POST /cut HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
            app.wait(lambda: len(app.connections) == 3 and app.connections[2].received, what="the head")
        ask(kedge, 2)
        assert served(app) == [1, 1, 0, 1] and kedge.stat("legs_shared") == 0


def test_a_reload_and_the_end(certs, cgroup, ends):
    """Idle legs are those of one configuration. A client from before the reload does not get one of after it."""
    with stage(certs, cgroup, ends) as (kedge, app), Client(kedge["clear"]) as old:
        assert old.request().status == 200
        ask(kedge, 1)
        assert served(app) == [2]
        kedge.reload()
        app.wait(lambda: app.connections[0].ended == "eof", what="the end of the idle leg")
        ask(kedge, 2)
        assert old.request().status == 200
        assert served(app) == [2, 1, 1]
        ask(kedge, 3)
        assert served(app)[1] == 2
        kedge.stop()
        app.wait(lambda: all(conn.ended == "eof" for conn in app.connections), what="the end of all")


def test_servers_with_one_place_each(certs, cgroup, ends):
    """Kept clients share the places, without waiting for each other's idle time."""
    with RawApp(echo, cgroup) as one, RawApp(echo, cgroup) as two, \
            Kedge(certs, one.text, LISTENERS, ends, cgroup,
                  ["--app", two.text, "--workers", "1", "--app-reuse", "shared", "--server-connections-max", "1"]
                  ) as kedge, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(kedge["clear"])) for _ in range(6)]
        for turn in range(30):
            for number, c in enumerate(clients):
                method = "POST" if turn % 3 == 0 else "GET"
                target = f"/{turn}/{number}"
                assert c.request(method, target=target).text == f"{method} {target} 127.0.0.1 "
        assert len(one.connections) == len(two.connections) == 1
        assert kedge.stat("connects_queued") == 0
        threads = [threading.Thread(target=lambda c=c: [c.request() for _ in range(50)]) for c in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(len(conn.requests) for app in (one, two) for conn in app.connections) == 180 + 300
        assert len(one.connections) == len(two.connections) == 1


def test_a_post_that_waits_for_a_place_of_old_legs(certs, cgroup, ends):
    """The only place is taken by a leg that is too old for it: that leg is closed."""
    with stage(certs, cgroup, ends, "--server-connections-max", "1") as (kedge, app):
        ask(kedge, 1)
        PAUSE.wait(1.3)
        ask(kedge, 2, "POST", body=b"x")
        assert served(app) == [1, 1] and kedge.stat("legs_wanted") == 1


def test_a_server_that_is_taken_out(certs, cgroup, ends):
    with RawApp(echo, cgroup) as one, RawApp(echo, cgroup) as two, \
            Kedge(certs, one.text, LISTENERS, ends, cgroup,
                  ["--app", two.text, "--workers", "1", "--app-reuse", "shared"]) as kedge:
        for number in range(1, 30):
            ask(kedge, number)
        assert len(one.connections) == 1 and len(two.connections) == 1
        done = run(BINARY, "server", f"{one.text}/{one.text}", "drain", "--control", kedge.control)
        assert done.returncode == 0, done
        one.wait(lambda: one.connections[0].ended == "eof", what="the end of its idle leg")
        for number in range(1, 10):
            ask(kedge, number)
        assert len(one.connections) == 1 and len(two.connections) == 1


def test_the_access_log_has_each_its_own(certs, cgroup, ends, tmp_path):
    log = tmp_path / "access.log"
    with stage(certs, cgroup, ends, "--access-log", str(log)) as (kedge, app):
        for number in range(1, 20):
            ask(kedge, number, target=f"/{number}")
        assert served(app) == [19]
        kedge.stop()
    lines = log.read_text().splitlines()
    assert len(lines) == 19
    for number, line in enumerate(lines, 1):
        assert f"198.51.100.{number} " in line and f"/{number} " in line, line


@pytest.mark.each_kernel
def test_every_answer_is_for_the_client_that_asked(certs, cgroup, ends):
    """Clients that go on, or give up in the middle; an application that closes legs at random."""
    faults = []

    def respond(conn, req):
        draw = random.Random(f"{conn.peer}{len(conn.requests)}")
        out = echo(conn, req)
        if draw.random() < 0.1:
            conn.send(out)
            conn.close()
            return None
        return out

    def client(kedge, number):
        draw, sent = random.Random(number), 0
        address = f"198.51.100.{number}"
        try:
            for _ in range(60):
                with Client(kedge["clear_proxy"], v1(address)) as c:
                    for _ in range(draw.randrange(1, 12)):
                        sent += 1
                        target = f"/{number}/{sent}"
                        c.send(request(target=target))
                        if draw.random() < 0.1:
                            break  # it does not wait for this one
                        got = c.response().text
                        if got != f"GET {target} {address} ":
                            faults.append(f"{number}: {got} in answer to {target}")
        except Exception as error:  # pylint: disable=broad-exception-caught
            faults.append(f"{number}: {error!r}")

    with stage(certs, cgroup, ends, respond=respond) as (kedge, app):
        threads = [threading.Thread(target=client, args=(kedge, n), daemon=True) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads) and faults == []
        both = 0
        for conn in app.connections:
            assert conn.fault is None
            both += len({r.target.split("/")[1] for r in conn.requests}) > 1
            assert all(r.xff == f"198.51.100.{r.target.split('/')[1]}" for r in conn.requests)
        assert both, "no leg served two clients"
        kedge.wait_status(lambda s: s["stats"]["closed"] == s["stats"]["accepted"])
