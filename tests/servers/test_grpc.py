# SPDX-License-Identifier: BSD-2-Clause
"""gRPC behind a listener in mode tcp that offers h2: HTTP/2 that kedge does not read."""
import pytest

import backends
from kedge import Listener
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
