# SPDX-License-Identifier: BSD-2-Clause
"""shutdown-delay-ms: between the signal and the drain, kedge serves, says that it goes, and is not ready."""
import signal
import threading

import pytest

import machine
from client import Client, chunked, request
from kedge import Kedge, Listener
from rawapp import RawApp, answer
from story import Express

ENDS_WELL = {"tls": "close_notify", "clear": "eof"}
LONG = "600000"


@pytest.fixture
def leaving(certs, cgroup, combo):
    """A kedge whose delay is longer than any test."""
    def start(app, *flags):
        return Kedge(certs, app.text, [Listener("tls"), Listener("clear", tls=False)], combo, cgroup,
                     ["--metrics", "127.0.0.1:0", "--workers", "1", "--shutdown-delay-ms", LONG, *flags])
    return start


def tell(kedge, sig=signal.SIGTERM):
    kedge.process.popen.send_signal(sig)


def leave(kedge):
    """Returns when the worker knows: it looks at such words at the end of a turn. """
    tell(kedge)
    kedge.process.wait_line("shutting down: not ready any more, but clients are served for 600000 ms")
    machine.wait_for(lambda: knows(kedge), what="the worker's closes")


def knows(kedge):
    with Client(kedge["clear"]) as c:
        return closes(c.request("OPTIONS", "/leave"))


def probe(kedge, path, method="GET"):
    with Client(kedge.metrics_address()) as c:
        got = c.request(method, path)
        return got.status, got.text


def closes(response):
    return [value for name, value in response.fields if name.lower() == "connection"][:1] == ["close"]


def end(kedge):
    """The second signal skips the delay."""
    tell(kedge)
    kedge.process.wait_line("second signal 15: not waiting for the rest of shutdown-delay-ms")
    assert kedge.process.wait() == 0
    kedge.check_log()


def test_it_serves_and_says_that_it_goes(leaving, leg, cgroup):
    with Express(cgroup) as app, leaving(app) as kedge:
        assert probe(kedge, "/ready") == (200, "ready\n")
        kept = Client(kedge[leg[0]], tls=leg[1])
        assert not closes(kept.request())
        assert kedge.status()["state"] == "running"
        leave(kedge)
        assert kedge.status()["state"] == "shutting down"
        told = kedge.stat("closes_told")
        assert probe(kedge, "/ready") == (503, "shutting down\n")
        assert probe(kedge, "/ready", "HEAD")[0] == 503
        assert probe(kedge, "/live") == (200, "live\n")
        # One that was there, whose next response is the last one, and a new one.
        assert closes(kept.request())
        assert (kept.recv_all(), kept.ended) == (b"", ENDS_WELL[leg[0]])
        kept.close()
        with Client(kedge[leg[0]], tls=leg[1]) as c:
            got = c.request()
            assert got.status == 200 and closes(got)
            assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])
        assert kedge.stat("closes_told") == told + 2
        assert kedge.process.popen.poll() is None
        end(kedge)


def test_bodies_of_all_kinds(leaving, leg, cgroup):
    """The field goes in behind the status line, whatever the head is like. Each byte of the body stays."""
    body = bytes(range(256)) * 2000
    answers = {
        "/length": answer(body=body, fields=[("Connection", "keep-alive")]),
        "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, body),
        "/none": b"HTTP/1.1 204 No Content\r\n\r\n",
        "/interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(body=body),
        "/closes": answer(body=body, fields=[("Connection", "close")]),
        "/bare": b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nhi",
    }

    def respond(conn, req):
        if req.target not in answers:
            conn.send(answer())
            return
        whole, head = answers[req.target], 60
        for at in range(min(head, len(whole))):  # each byte of the head by itself
            conn.send(whole[at:at + 1])
        conn.send(whole[head:])
    with RawApp(respond, cgroup) as app, leaving(app) as kedge:
        leave(kedge)
        for target, whole in answers.items():
            with Client(kedge[leg[0]], tls=leg[1]) as c:
                c.send(request(target=target))
                got = c.recv_all()
                final = whole.index(b"HTTP/1.1 2")
                line = whole.index(b"\n", final) + 1
                assert got == whole[:line] + b"Connection: close\r\n" + whole[line:]
                assert c.ended == ENDS_WELL[leg[0]]
        end(kedge)


def test_pipelined_requests_are_all_answered(leaving, leg, cgroup):
    """Only the last response says so. A request behind it, which the client sends too late, goes nowhere."""
    go_on = threading.Event()

    def respond(conn, req):
        if req.target == "/leave":
            conn.send(answer())
        elif req.target == "/3":
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            assert go_on.wait(machine.Deadline(20).left())
            conn.send(b"body")
        elif req.target == "/1":
            while conn.received.count(b"HTTP/1.1\r\n") < 3:
                conn.fill()
            conn.send(answer(body=b"1"))
        else:
            conn.send(answer(body=b"2"))
    with RawApp(respond, cgroup) as app, leaving(app) as kedge:
        leave(kedge)
        with Client(kedge[leg[0]], tls=leg[1]) as c:
            c.send(b"".join(request(target=f"/{i}") for i in (1, 2, 3)))
            assert [closes(c.response()) for _ in "12"] == [False, False]
            assert b"\r\nConnection: close\r\n" in c.recv_until(b"\r\n\r\n")
            c.send(request("POST", "/4", body=b"x"))
            kedge.wait_status(lambda s: s["stats"]["bytes_up"] >= sum(len(request(target="/1")) for _ in "123") + 50)
            go_on.set()
            assert (c.recv_all(), c.ended) == (b"body", ENDS_WELL[leg[0]])
        app.wait(lambda: all(conn.ended for conn in app.connections))
        assert [r.target for conn in app.connections for r in conn.requests if r.target != "/leave"] == ["/1", "/2", "/3"]
        end(kedge)


def test_a_request_under_way(leaving, leg, cgroup):
    """One that waits for its answer learns it; one whose head was through before ends as it would have."""
    with Express(cgroup) as app, leaving(app) as kedge, Client(app.address) as direct:
        waits = Client(kedge[leg[0]], tls=leg[1])
        waits.send(request(target="/hold/w"))
        assert direct.request(target="/held/w").text == "held\n"
        leave(kedge)
        assert kedge.status()["state"] == "shutting down"
        assert direct.request(target="/release/w").status == 200
        got = waits.response()
        assert got.text == "released\n" and closes(got)
        assert (waits.recv_all(), waits.ended) == (b"", ENDS_WELL[leg[0]])
        waits.close()
        end(kedge)


def test_the_delay_ends_by_itself(certs, cgroup, ends):
    with RawApp(cgroup=cgroup) as app:
        kedge = Kedge(certs, app.text, [Listener("clear", tls=False)], ends, cgroup, ["--shutdown-delay-ms", "300"])
        with Client(kedge["clear"]) as idle:
            assert idle.request().status == 200
            tell(kedge)
            kedge.process.wait_line("clients are served for 300 ms")
            kedge.process.wait_line("draining: no new connections")
            assert idle.recv_all() == b""
        assert kedge.process.wait() == 0
        kedge.check_log()
        kedge.kill()


def test_signals_within_the_delay(leaving, cgroup):
    with RawApp(cgroup=cgroup) as app, leaving(app) as kedge:
        leave(kedge)
        tell(kedge, signal.SIGHUP)
        kedge.process.wait_line("warning: shutting down: no reload any more")
        done = kedge.reload()
        assert done.returncode != 0 and "shutting down: no reload any more" in done.stderr
        for sig in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            tell(kedge, sig)
        assert kedge.status()["state"] == "shutting down"
        with Client(kedge["clear"]) as c:
            assert c.request().status == 200
        end(kedge)


def test_a_third_signal_ends_it_at_once(leaving, cgroup):
    with Express(cgroup) as app:
        kedge = leaving(app, "--drain-timeout-ms", LONG)
        with Client(kedge["clear"]) as c, Client(app.address) as direct:
            c.send(request(target="/hold/t"))
            assert direct.request(target="/held/t").text == "held\n"
            leave(kedge)
            tell(kedge, signal.SIGQUIT)
            kedge.process.wait_line(r"draining: no new connections; up to 600 s for \d+ open connections? "
                                    r"\(the same signal again ends it at once\)")
            assert kedge.status()["state"] == "draining"
            tell(kedge)
            assert kedge.process.wait() == 1
        kedge.check_log()
        kedge.kill()


def test_a_tunnel_and_a_tcp_listener_go_on(certs, cgroup, ends):
    """Nothing can be said there: they end with the drain."""
    def respond(conn, req):
        if req.target == "/leave":
            conn.send(answer())
            return
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        while conn.fill():
            conn.send(b"echo")
    with RawApp(respond, cgroup) as app:
        kedge = Kedge(certs, app.text, [Listener("clear", tls=False)], ends, cgroup,
                      ["--shutdown-delay-ms", LONG, "--drain-timeout-ms", "200"])
        with Client(kedge["clear"]) as c:
            leave(kedge)
            got = c.request(fields=[("Connection", "upgrade"), ("Upgrade", "x")])
            assert got.status == 101 and not closes(got)
            c.send(b"ping")
            assert c.recv_exactly(4) == b"echo"
            tell(kedge)
            c.recv_all()
        assert kedge.process.wait() == 0
        kedge.check_log()
        kedge.kill()
