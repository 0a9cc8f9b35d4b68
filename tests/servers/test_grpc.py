# SPDX-License-Identifier: BSD-2-Clause
"""gRPC behind a listener in mode tcp that offers h2: HTTP/2 that kedge does not read."""
import pytest

import backends
from client import Client, tls_context
from kedge import Config, Kedge, Listener
from rawapp import RawApp
from run import run


class Grpc(backends.Listening):
    name, argv = "gRPC", ("/usr/bin/python3", "-B", backends.APPS / "grpc_server.py")


@pytest.fixture
def grpc(certs, cgroup, ends):
    listeners = [Listener("h2", mode="tcp", alpn=["h2"]), Listener("none", mode="tcp"),
                 Listener("other", mode="tcp", alpn=["imap"])]
    with backends.behind(Grpc, certs, cgroup, listeners, ends) as kedge:
        yield kedge


def ask(kedge, certs, case, listener="h2"):
    done = run("/usr/bin/python3", "-B", backends.APPS / "grpc_ask.py", "%s:%d" % kedge[listener], certs.ca, case)
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize("case", ["unary", "many_at_once", "down", "up", "both", "cancelled", "unknown"])
def test_calls(grpc, certs, case):
    assert ask(grpc, certs, case) == "fine"
    assert grpc.stat("accepted") == 1


def test_a_server_that_ends(grpc, certs):
    assert ask(grpc, certs, "end_in_order") == "fine"
    grpc.wait_idle()


def test_a_server_that_cuts_a_call(grpc, certs):
    assert ask(grpc, certs, "end_at_once") in ("UNAVAILABLE", "CANCELLED")
    grpc.wait_idle()


def test_its_client_insists_on_alpn(grpc, certs):
    assert ask(grpc, certs, "unary", "none") == "UNAVAILABLE"
    assert grpc.reason("tls_no_protocol") == 0
    assert ask(grpc, certs, "unary", "other") == "UNAVAILABLE"
    assert grpc.reason("tls_no_protocol") > 0


def test_behind_a_route(tmp_path, certs, cgroup, ends):
    """One name and one port: gRPC for clients that offer h2, the web for those that do not."""
    with cgroup.inside():
        server = Grpc()
    route = {"names": ["localhost"], "app": "grpc", "alpn": ["h2"]}
    listener, config = Listener("h2", routes=[route]), Config(tmp_path, certs)
    try:
        with RawApp(cgroup=cgroup) as web:
            config.write([listener], app=web.text, apps={"grpc": {"servers": [server.text], "mode": "tcp"}})
            with Kedge(certs, None, [listener], ends, cgroup, config=config) as kedge:
                for case in ("unary", "both"):
                    assert ask(kedge, certs, case) == "fine"
                with Client(kedge["h2"], tls=tls_context(certs.ca, alpn=["http/1.1"])) as c:
                    assert c.request().status == 200
                assert len(web.connections) == 1
    finally:
        server.stop()
