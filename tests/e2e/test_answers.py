# SPDX-License-Identifier: BSD-2-Clause
"""kedge's own answers, ends without an answer, and malformed responses of the application: over both kinds
of client leg, with both editors."""
import http.server
import random
import threading

import pytest

from client import Client, request
from kedge import Kedge, Listener
from rawapp import RawApp, answer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def strange(raw):
    """kedge before an application that answers its n-th request with the n-th bytes, and closes after the last."""
    def serve_with(*answers, end=lambda conn: conn.close()):
        def serve(conn):
            try:
                for data in answers:
                    conn.read_request()
                    conn.send(data)
                conn.read_request()
                end(conn)
            except (EOFError, OSError):
                pass
            conn.close()
            conn.sock.close()
        raw.app.serve = serve
        return raw
    return serve_with


def connect(kedge, leg, **kwargs):
    return Client(kedge[leg[0]], tls=leg[1], **kwargs)


def ends_in_order(c, leg):
    assert c.recv_all() == b""
    assert c.ended == ("close_notify" if leg[1] else "eof")


@pytest.mark.parametrize("how", ["close", "reset"])
def test_application_ends_a_kept_connection(strange, leg, how):
    """The second request goes to a fresh leg if it may be repeated. A POST may not: the application has read it."""
    def end(conn):
        getattr(conn, how)()
    kedge = strange(OK, end=end)
    own, again = kedge.stat("responses_own"), kedge.stat("requests_again")
    with connect(kedge, leg) as c:
        assert c.request().body == b"ok"
        assert c.request().body == b"ok"
    assert kedge.stat("responses_own") == own
    assert kedge.stat("requests_again") == again + 1
    with connect(kedge, leg) as c:
        assert c.request().body == b"ok"
        assert c.request("POST", body=b"x").status == 502
        ends_in_order(c, leg)
    assert kedge.stat("requests_again") == again + 1
    kedge = strange(end=end)
    with connect(kedge, leg) as c:
        assert c.request().status == 502
    assert kedge.stat("requests_again") == again + 1


@pytest.mark.parametrize("last", [b"Connection: close\r\n", b"Connection: x , Close\r\n", None],
                         ids=["close", "listed", "old"])
def test_nothing_follows_the_last_response(strange, leg, last):
    """Two pipelined requests, or a good one and a refused one: one response, then the end."""
    head = b"HTTP/1.1 200 OK\r\n" + last if last else b"HTTP/1.0 200 OK\r\n"
    for second in (request(), b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"):
        with connect(strange(head + b"Content-Length: 2\r\n\r\nok"), leg) as c:
            c.send(request() + second)
            assert c.response().body == b"ok"
            ends_in_order(c, leg)


@pytest.mark.parametrize("bad,status", [
    (b"HEAD / HTTP/1.1\r\n\r\n", 400), (b"HEAD / HTTP/4.0\r\n\r\n", 505),
    (b"HEAD / HTTP/1.1\r\nHost: a\r\nA: " + bytes(1), 400), (b"HEAD " + b"/" * 9000, 414)],
    ids=["host", "version", "field", "line"])
def test_an_answer_to_head_has_no_body(raw, leg, bad, status):
    for before in (b"", request(), request("HEAD")):
        with connect(raw, leg) as c:
            c.send(before + bad)
            if before:
                assert c.response(before.split()[0].decode()).status == 200
            got = c.response("HEAD")
            assert (got.status, got.field("Connection")) == (status, "close")
            assert got.field("Date").endswith(" GMT")
            ends_in_order(c, leg)


def test_502_to_head(strange, leg):
    with connect(strange(), leg) as c:
        c.send(request("HEAD"))
        assert c.response("HEAD").status == 502
        ends_in_order(c, leg)


LOST = {
    "empty line": b"\r\n" + OK,
    "list": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "space": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nok\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", LOST)
def test_a_response_without_a_known_end(strange, leg, name):
    kedge = strange(LOST[name], OK)
    before = kedge.reason("app_response_lost")
    with connect(kedge, leg) as c:
        c.send(request())
        assert c.recv_exactly(len(LOST[name])) == LOST[name]
        c.send(request())
        ends_in_order(c, leg)
    kedge.wait_reason("app_response_lost", before + 1)


@pytest.mark.parametrize("more,reason", [
    (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "app_unasked"),
    (b"\r\n", "app_response_lost"), (b"more", "app_response_lost")],
    ids=["answer", "empty_line", "bytes"])
def test_more_than_was_asked_for(strange, leg, more, reason):
    kedge = strange(OK + more)
    before = kedge.reason(reason)
    with connect(kedge, leg) as c:
        assert c.request().body == b"ok"
        ends_in_order(c, leg)
    kedge.wait_reason(reason, before + 1)


def test_a_101_that_nobody_asked_for(raw, leg):
    def serve(conn):
        conn.read_request()
        try:
            for byte in b"HTTP/1.1 101 Switching Protocols\r\n\r\nraw":
                conn.send(bytes([byte]))
        except OSError:
            pass
        conn.sock.close()
    raw.app.serve = serve
    with connect(raw, leg) as c:
        assert c.request().status == 502
        ends_in_order(c, leg)


class Unread(http.server.BaseHTTPRequestHandler):
    """Python's http.server in HTTP/1.1 mode: it takes a body that its handler does not read for the next request."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


def test_an_application_that_leaves_bodies_unread(certs, cgroup):
    """kedge logs it once, and the second answer does not reach the client."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unread)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    listeners = [Listener("clear", tls=False)]
    with Kedge(certs, "127.0.0.1:%d" % server.server_address[1], listeners, cgroup=cgroup,
               flags=["--workers", "1"]) as kedge:
        for number in range(1, 4):
            with Client(kedge["clear"]) as c:
                assert c.request("POST", body=b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n").body == b"ok"
                assert c.recv_all() == b""
            kedge.wait_reason("app_unasked", number)
        said = "sent more answers than it was asked for"
        kedge.process.wait_line(said)
        assert len(kedge.process.matches(said)) == 1
    server.shutdown()
    server.server_close()


def test_no_application(certs, cgroup, tls):
    """A client that asks for nothing gets no answer."""
    app = RawApp(cgroup=cgroup)
    app.stop()
    listeners = [Listener("tls"), Listener("clear", tls=False)]
    with Kedge(certs, app.text, listeners, cgroup=cgroup,
               flags=["--idle-timeout-ms", "1000"]) as kedge:
        for leg in (("tls", tls), ("clear", None)):
            with connect(kedge, leg) as c:
                c.send(request("HEAD"))
                assert c.response("HEAD").status == 502
                ends_in_order(c, leg)
            with connect(kedge, leg) as c:
                got = c.request()
                assert (got.status, "refused" in got.text) == (502, True)
            with connect(kedge, leg) as c:
                ends_in_order(c, leg)


def test_a_late_head_behind_a_slow_reader(certs, cgroup, tls):
    """The response is whole, however late the client is with its next request. In clear: test_conn_ends.c."""
    body = random.Random(1).randbytes(12000000)  # more than all sockets on the way take
    with RawApp(lambda conn, req: answer(body=body), cgroup) as app, \
            Kedge(certs, app.text, [Listener("tls")], cgroup=cgroup,
                  flags=["--head-timeout-ms", "500", "--record", "off"]) as kedge:
        with Client(kedge["tls"], tls=tls, rcvbuf=65536) as c:
            c.send(request() + b"GET /second HTT")
            kedge.wait_status(lambda s: s["stats"]["bytes_down"] > 100000)
            # The client reads nothing until its head is late; there is no event to wait for.
            threading.Event().wait(1.5)
            assert c.response().body == body
            assert c.response().status == 408
            ends_in_order(c, ("tls", tls))
        assert kedge.reason("head_timeout") == 1
