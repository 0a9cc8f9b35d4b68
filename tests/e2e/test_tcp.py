# SPDX-License-Identifier: BSD-2-Clause
"""Listeners in mode tcp: bytes reach the other end unread, and kedge sends nothing of its own."""
import json
import os
import socket
import ssl
import threading

import pytest

import prefix
from client import Client, request, tls_context
from kedge import Config, Kedge, Listener
from pattern import BLOCK, Checker
from rawapp import Connection, RawApp

SIZE = int(os.environ.get("KEDGE_TEST_TRANSFER_MB", "8")) << 20

# Bytes that a listener in mode http edits, refuses, answers or holds back.
NO_HTTP = [
    request(fields=[("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1")]),
    request(fields=[("Upgrade", "x"), ("Connection", "upgrade")]) + b"\x00\x01\x02",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"\x16\x03\x01\x00\x05hello",
    b"\n" * 3 + b"GET",
    prefix.v1(), prefix.v2(),  # the application's own business
]


def echo(conn):
    """Echoes until the other side ends, then ends too."""
    at = 0
    while conn.fill():
        conn.send(conn.received[at:])
        at = len(conn.received)
    conn.close()


def listeners():
    return [Listener("tls", mode="tcp"), Listener("clear", tls=False, mode="tcp"),
            Listener("proxy", proxy="require", mode="tcp"), Listener("http", tls=False),
            Listener("alpn", mode="tcp", alpn=["h2", "imap"])]


@pytest.fixture(scope="module")
def whole_front(certs, cgroup, combo):
    with RawApp(cgroup=cgroup) as app, Kedge(certs, app.text, listeners(), combo, cgroup) as kedge:
        kedge.app = app
        yield kedge


@pytest.fixture
def front(whole_front):
    whole_front.app.forget()
    whole_front.app.serve = echo
    yield whole_front
    whole_front.wait_idle()


@pytest.fixture
def end_front(certs, cgroup, ends):
    """Two combinations, for tests that do not depend on how bytes are moved."""
    with RawApp(cgroup=cgroup) as app, Kedge(certs, app.text, listeners(), ends, cgroup) as kedge:
        app.serve = echo
        kedge.app = app
        yield kedge


@pytest.fixture(params=["tls", "clear"])
def leg(request, tls):
    return request.param, tls if request.param == "tls" else None


# --- bytes ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("cut", [None, 1])
def test_bytes_pass_unread(front, leg, cut):
    for number, text in enumerate(NO_HTTP):
        with Client(front[leg[0]], tls=leg[1], cut=cut) as c:
            c.send(text)
            assert c.recv_exactly(len(text)) == text
            c.half_close()
            assert c.recv_all() == b""
            assert c.ended == ("close_notify" if leg[1] else "eof")
        assert front.app.wait_ended(number).received == text


def test_the_application_speaks_first(front, leg):
    """Before the client has sent a byte, and more than once."""
    def greet(conn):
        conn.send(b"220 ready\r\n")
        assert conn.fill()
        conn.send(b"250 hello\r\n")
        echo(conn)
    front.app.serve = greet
    with Client(front[leg[0]], tls=leg[1]) as c:
        assert c.recv_exactly(11) == b"220 ready\r\n"
        c.send(b"EHLO a\r\n")
        assert c.recv_exactly(11) == b"250 hello\r\n"


def test_the_prefix_is_taken_off(front, tls):
    with Client(front["proxy"], prefix.v2("198.51.100.22"), tls) as c:
        c.send(b"HELO a\r\n")
        assert c.recv_exactly(8) == b"HELO a\r\n"
    assert front.app.wait_ended().received == b"HELO a\r\n"


def test_much_both_ways_at_once(front, leg):
    """A stream in each direction; neither waits for the other."""
    seen, sent = Checker(), Checker()

    def both(conn):
        def write():
            for _ in range(SIZE // len(BLOCK)):
                conn.send(BLOCK)
            conn.sock.shutdown(socket.SHUT_WR)
        writer = threading.Thread(target=write)
        writer.start()
        while data := conn.sock.recv(262144):
            seen.take(data)
        writer.join()
        conn.close()
        with front.app.changed:
            conn.ended = "eof"
            front.app.changed.notify_all()
    front.app.serve = both
    with Client(front[leg[0]], tls=leg[1], timeout=60) as c:
        def write():
            for _ in range(SIZE // len(BLOCK)):
                c.send(BLOCK)
        if leg[1]:  # one object of TLS, one thread
            write()
            c.close_notify()
        else:
            writer = threading.Thread(target=write)
            writer.start()
        while data := c.recv(262144):
            sent.take(data)
        assert c.ended == ("close_notify" if leg[1] else "eof")
        if not leg[1]:
            writer.join()
            c.half_close()
        front.app.wait_ended()
    whole = SIZE // len(BLOCK) * len(BLOCK)
    assert (seen.size, sent.size) == (whole, whole)


# --- ends ----------------------------------------------------------------------------------------
def test_the_client_ends_first(front, leg):
    def answer_after_the_end(conn):
        while conn.fill():
            pass
        conn.send(b"%d bytes" % len(conn.received))
        conn.close()
    front.app.serve = answer_after_the_end
    with Client(front[leg[0]], tls=leg[1]) as c:
        c.send(b"12345")
        c.half_close()
        assert c.recv_all() == b"5 bytes"


def test_the_application_ends_first(front, leg):
    def end(conn):
        conn.send(b"bye")
        conn.sock.shutdown(socket.SHUT_WR)
        while conn.fill():
            pass
    front.app.serve = end
    with Client(front[leg[0]], tls=leg[1]) as c:
        assert c.recv_all() == b"bye"
        c.send(b"one more thing")
        front.app.wait(lambda: front.app.connections[0].received == b"one more thing")
    assert front.app.wait_ended().ended == "eof"
    assert len(front.app.connections) == 1  # kedge does not connect a second time because the application closed


def test_a_reset_of_the_application_is_no_end(front, leg):
    def drop(conn):
        conn.fill()
        conn.reset()
    front.app.serve = drop
    with Client(front[leg[0]], tls=leg[1]) as c:
        c.send(b"a")
        assert c.recv_all() == b""
        assert c.ended in ("reset", "truncated")


def test_nothing_of_kedge_where_the_application_is_dead(end_front, leg):
    end_front.app.stop()
    try:
        with Client(end_front[leg[0]], tls=leg[1]) as c:
            assert c.recv_all() == b""
            assert c.ended in ("reset", "truncated")
    except ConnectionResetError:
        assert leg[0] == "clear"  # before connect() has returned
    end_front.wait_reason("app_refused")
    assert end_front.stat("responses_own") == 0


# --- beside http ---------------------------------------------------------------------------------
def test_beside_http(front):
    """Listeners of both modes at the same time, before the same application."""
    with Client(front["clear"]) as raw:
        raw.send(b"raw")
        assert raw.recv_exactly(3) == b"raw"
        front.app.serve = Connection.serve
        with Client(front["http"]) as c:
            assert c.request().status == 200
            assert front.app.connections[1].requests[0].xff == c.sock.getsockname()[0]
        raw.send(b"again")
        assert raw.recv_exactly(5) == b"again"


def test_alpn_is_not_answered(end_front, certs):
    with Client(end_front["tls"], tls=tls_context(certs.ca, alpn=["h2", "imap"])) as c:
        assert c.tls.selected_alpn_protocol() is None
        c.send(b"a")
        assert c.recv_exactly(1) == b"a"


def test_counted_as_what_it_is(certs, cgroup, ends):
    with RawApp(cgroup=cgroup) as app, \
            Kedge(certs, app.text, listeners(), ends, cgroup,
                  flags=("--metrics", "127.0.0.1:0", "--access-log", "stdout")) as kedge:
        app.serve = echo
        for _ in range(2):
            with Client(kedge["clear"]) as c:
                c.send(request())
                assert c.recv_exactly(len(request())) == request()
        kedge.wait_idle()
        stats = kedge.status()["stats"]
        assert (stats["flows"], stats["flows_tcp"]) == (2, 2)
        assert (stats["flows_edit_user"], stats["flows_edit_kernel"]) == (0, 0)
        assert stats["responses"] == stats["requests_user"] == stats["requests_bpf"] == 0
        assert stats["access_lines"] == stats["health_checks"] == 0
        text = kedge.metrics()
        # Not even if it is on: any application may read as it likes.
        assert 'kedge_flow_capabilities_total{record="plain",edit="none",bypass="off"} 2\n' in text


def test_reload_changes_the_mode(tmp_path, certs, cgroup, ends):
    """For new connections; open ones go on."""
    def clear(mode):
        return [Listener("clear", tls=False, mode=mode)]
    with RawApp(cgroup=cgroup) as app:
        app.serve = echo
        config = Config(tmp_path, certs)
        first = clear("tcp")
        config.write(first, app=app.text)
        with Kedge(certs, None, first, ends, cgroup, config=config) as kedge, Client(kedge["clear"]) as raw:
            raw.send(b"raw")
            assert raw.recv_exactly(3) == b"raw"
            config.write(clear("http"), app=app.text)
            done = kedge.reload()
            assert done.returncode == 0, done.stderr
            assert "mode: tcp -> http" in done.stdout
            app.serve = Connection.serve
            with Client(kedge["clear"]) as c:
                assert c.request().status == 200
            raw.send(b"still")
            assert raw.recv_exactly(5) == b"still"


# --- protocols -----------------------------------------------------------------------------------
@pytest.mark.parametrize("offer,chosen", [(["h2"], "h2"), (["imap", "h2"], "h2"), (["http/1.1", "imap"], "imap"),
                                          (None, None)])
def test_a_listed_protocol_is_chosen(end_front, certs, offer, chosen):
    """In the order of the list; and what kedge then carries it does not read."""
    with Client(end_front["alpn"], tls=tls_context(certs.ca, alpn=offer)) as c:
        assert c.tls.selected_alpn_protocol() == chosen
        c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert c.recv_exactly(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_no_listed_protocol_is_offered(end_front, certs, version):
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        Client(end_front["alpn"], tls=tls_context(certs.ca, version, alpn=["http/1.1", "h2c"]))
    end_front.wait_reason("tls_no_protocol")
    assert end_front.app.connections == []


# --- who is it -----------------------------------------------------------------------------------
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may attach to a cgroup")
def test_the_client_is_the_peer(certs, cgroup, tls, combo):
    """peername is for protocols without a header."""
    with RawApp(cgroup=cgroup) as app, \
            Kedge(certs, app.text, [Listener("tls", proxy="require", mode="tcp")], combo, cgroup,
                  flags=("--peername", "require", "--app-cgroup", cgroup.path)) as kedge:
        def tell(conn):
            conn.send(json.dumps(conn.peer).encode() + b"\n")
            conn.close()
        app.serve = tell
        with Client(kedge["tls"], prefix.v2("198.51.100.22", sport=35646), tls) as c:
            assert json.loads(c.recv_until(b"\n")) == ["198.51.100.22", 35646]
