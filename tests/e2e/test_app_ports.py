# SPDX-License-Identifier: BSD-2-Clause
"""The kernel also uses the application's port for outgoing connections.

As soon as kedge runs, the range of ports is just the application's: the kernel has no other choice.
"""
import contextlib
import os
import socket

import pytest

import machine
from client import Client
from kedge import Combination, Kedge, Listener
from netns import Namespace

PORT = 40000
LOOPBACK = {"ipv4": "127.0.0.1", "ipv6": "::1"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root")


class Net:
    """A namespace with few ports, and clients that use none of them."""

    def __init__(self, family):
        self.host = LOOPBACK[family]
        self.name = f"[{self.host}]" if ":" in self.host else self.host
        self.app = f"{self.name}:{PORT}"
        self.space = Namespace("ports")
        self.ports = iter(range(20000, 30000))

    def sysctl(self, text):
        assert self.space.run("sysctl", "-q", "-w", text).returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.space.stop()

    def kedge(self, certs, *flags, tls=False, mode="http", combination=Combination(), cgroup=None,
              ports=f"{PORT} {PORT}"):
        kedge = Kedge(certs, self.app, [Listener("only", tls=tls, mode=mode, addr=f"{self.name}:3443")],
                      combination=combination, cgroup=cgroup, flags=flags, argv_prefix=self.space.argv)
        self.sysctl(f"net.ipv4.ip_local_port_range={ports}")
        return kedge

    def client(self, kedge, **kwargs):
        with self.space.inside():
            return Client(kedge["only"], source=(self.host, next(self.ports)), **kwargs)

    def bind(self, port=PORT):
        """Binds the port, as the application does at startup."""
        with self.space.inside():
            app = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        app.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        app.bind((self.host, port))
        app.listen()
        return app


@pytest.fixture(params=["ipv4", "ipv6"])
def net(request):
    if request.param == "ipv6" and not machine.has_ipv6():
        pytest.skip("no ::1 on this machine")
    with Net(request.param) as net:
        yield net


def test_a_client_is_not_connected_to_itself(net, certs, combo, cgroup):
    with net.kedge(certs, combination=combo, cgroup=cgroup) as kedge, net.client(kedge) as c:
        assert c.request().status == 502
        with net.bind():
            pass
        assert not kedge.entries_of_flows()
        assert kedge.reason("app_refused") == 1


def test_nor_one_that_kedge_does_not_read(net, certs):
    with net.kedge(certs, mode="tcp") as kedge:
        # The reset may be there before connect(2) returns.
        with contextlib.suppress(ConnectionResetError), net.client(kedge) as c:
            assert c.recv_all() == b""
        kedge.wait_reason("app_refused")
        with net.bind():
            pass


def test_nor_one_in_the_middle_of_its_handshake(net, certs, tls, combo, cgroup):
    """Such a connection would hold the port for as long as a handshake may last."""
    with net.kedge(certs, "--handshake-timeout-ms", "60000", tls=True, combination=combo, cgroup=cgroup) as kedge, \
            net.client(kedge, tls=tls, handshake=False) as c:
        c.send_raw(c.client_hello())
        c.sock.recv(1, socket.MSG_PEEK)  # kedge has heard the hello, and asks the application

        def comes_up():
            with contextlib.suppress(OSError):
                return net.bind()
        machine.wait_for(comes_up, 20, "the application's port").close()
        c.handshake()
        assert c.request().status == 502


def test_without_a_source_port_the_application_is_not_blamed(net, certs):
    with net.bind(), net.kedge(certs) as kedge, net.client(kedge) as c:
        answer = c.request()
        assert answer.status == 503
        # If it is refused before its request has come, that may be a HEAD: no body then.
        assert not answer.text or "out of source ports" in answer.text
        assert (kedge.reason("limit_ports"), kedge.reason("app_refused")) == (1, 0)
        kedge.process.wait_line(rf"limit_ports: client \S+, application \S+:{PORT}: out of source ports .*next step: "
                                r"widen net\.ipv4\.ip_local_port_range")


def test_nor_a_source_port_where_there_is_no_address(certs):
    """The kernel has one error for both."""
    with Net("ipv4") as net:
        net.sysctl("net.ipv6.conf.lo.disable_ipv6=1")
        net.app = f"[::1]:{PORT}"
        with net.kedge(certs, ports="30000 60000") as kedge, net.client(kedge) as c:
            assert c.request().status == 502
            assert (kedge.reason("limit_ports"), kedge.reason("app_refused")) == (0, 1)
