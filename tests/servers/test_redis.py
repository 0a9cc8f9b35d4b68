# SPDX-License-Identifier: BSD-2-Clause
"""
A server without HTTP behind a listener in mode tcp: Redis as packaged, with its own client over TLS and its
own list of clients.

    KEDGE_TEST_PEERS   how many are open at once (1000)
"""
import contextlib
import os
import re

import pytest

import backends
import prefix
from client import Client
from kedge import Combination, Listener
from pattern import pattern
from process import Process
from run import run

MANY = int(os.environ.get("KEDGE_TEST_PEERS", "1000"))
DIRECT = max(MANY // 20, 1)
CLIENT, PORT = "198.51.100.22", 35646


class Redis(backends.Elsewhere):
    name = "redis"

    def __init__(self, *options):
        self.options = options
        super().__init__()

    def start(self):
        address = self.free_port()
        self.launch(*address)
        return address

    def launch(self, host, port):
        self.process = Process(["redis-server", "--bind", host, "--port", port, "--save", "", "--dir", self.base,
                                *self.options], name=self.name)
        self.wait_listening((host, port))


def behind(certs, cgroup, listeners, combination, *options, flags=()):
    return backends.behind(lambda: Redis(*options), certs, cgroup, listeners, combination, flags)


@pytest.fixture(autouse=True)
def able():
    if os.geteuid() != 0:
        pytest.skip("only root may attach to a cgroup")


def peername(cgroup):
    return ("--peername", "require", "--app-cgroup", cgroup.path)


def named(address, header, name, source=None):
    """A connection that has given itself a name."""
    c = Client(address, header, source=source, timeout=60)
    c.send(b"CLIENT SETNAME %s\r\n" % name.encode())
    assert c.recv_until(b"\r\n") == b"+OK\r\n"
    return c


def test_its_own_client(certs, cgroup, ends):
    """redis-cli over TLS: commands, and a value that is larger than any buffer on the way."""
    value = pattern(3 << 20).hex()
    with behind(certs, cgroup, [Listener("tls", mode="tcp")], ends) as kedge:
        host, port = kedge["tls"]
        cli = ["redis-cli", "-h", host, "-p", str(port), "--tls", "--cacert", str(certs.ca), "--sni", "localhost"]
        assert run(*cli, "PING").stdout == "PONG\n"
        assert run(*cli, "-x", "SET", "large", input=value).stdout == "OK\n"
        assert run(*cli, "GET", "large").stdout == value + "\n"


def test_every_client_is_the_peer(certs, cgroup):
    clients = [(f"198.51.{i // 250}.{i % 250 + 1}", 1024 + i) for i in range(MANY)]
    expected, open_now = {}, []
    with behind(certs, cgroup, [Listener("clear", tls=False, proxy="require", mode="tcp")], Combination(),
                "--protected-mode", "no", flags=peername(cgroup)) as kedge:
        server = kedge.server.host, kedge.server.port
        for i, (address, port) in enumerate(clients):
            expected[f"n{i}"] = f"{address}:{port}"
            open_now.append(named(kedge["clear"], prefix.v2(address, sport=port), f"n{i}"))
            if i % (MANY // DIRECT) == 0:
                open_now.append(named(server, b"", f"direct{i}", source=kedge.server.host))
                expected[f"direct{i}"] = "{}:{}".format(*open_now[-1].sock.getsockname())
        shown = run("redis-cli", "-h", server[0], "-p", str(server[1]), "CLIENT", "LIST").stdout
        got = {name: addr for addr, name in re.findall(r" addr=(\S+) .* name=(\w+) ", shown)}
        wrong = {n: (addr, got.get(n)) for n, addr in expected.items() if got.get(n) != addr}
        assert not wrong, f"{len(wrong)} of {len(expected)}: {dict(list(wrong.items())[:5])}"
        for c in open_now:
            c.close()
        kedge.wait_idle()
        assert kedge.status()["peername_stats"]["peers"] == MANY


def test_a_rule_about_this_host_means_what_it_says(certs, cgroup):
    """Redis without a password lets in this host only. Behind a proxy that is everybody, unless it sees the client."""
    listeners = [Listener("clear", tls=False, proxy="require", mode="tcp")]
    for flags, says in (((), b"+PONG\r\n"), (peername(cgroup), b"-DENIED Redis is running in protected mode")):
        with behind(certs, cgroup, listeners, Combination(), flags=flags) as kedge:
            with Client(kedge["clear"], prefix.v2(CLIENT, sport=PORT)) as c:
                with contextlib.suppress(ConnectionError):  # it has closed already
                    c.send(b"PING\r\n")
                assert c.recv_until(b"\r\n").startswith(says)
            assert run("redis-cli", "-h", kedge.server.host, "-p", str(kedge.server.port), "PING").stdout == "PONG\n"
