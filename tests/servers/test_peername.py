# SPDX-License-Identifier: BSD-2-Clause
"""
The true peer before real servers that know nothing of it: each sees the client of a connection as its peer,
and connections that come to it directly keep their peers.

    KEDGE_TEST_PEERS   how many are open at once (1000)
"""
import os

import pytest

import backends
import prefix
from client import Client, request
from kedge import Combination, Kedge, Listener

MANY = int(os.environ.get("KEDGE_TEST_PEERS", "1000"))
DIRECT = max(MANY // 20, 1)
SERVERS = [server for server in backends.ALL if server is not backends.Haproxy]  # Node is behind it


@pytest.fixture(scope="module", params=SERVERS, ids=lambda b: b.name)
def server(request, cgroup):
    if os.geteuid() != 0:
        pytest.skip("only root may attach to a cgroup")
    with cgroup.inside():
        made = request.param()
    yield made
    made.stop()


def ask(address, header, target, source=None):
    """A connection that has sent its request."""
    c = Client(address, header, source=source, timeout=60)
    c.send(request(target=target))
    return c


def test_every_client_is_the_peer(server, certs, cgroup):
    host = server.host
    clients = [(f"198.51.{i // 250}.{i % 250 + 1}", 1024 + i) for i in range(MANY)]
    expected, open_now = {}, []
    with Kedge(certs, server.text, [Listener("clear", tls=False, proxy="require")], Combination(), cgroup,
               flags=("--peername", "require", "--app-cgroup", cgroup.path, "--xff", "never")) as kedge:
        for i, (address, port) in enumerate(clients):
            expected[f"/{i}"] = f"{address} {port}"
            open_now.append(ask(kedge["clear"], prefix.v2(address, sport=port), f"/{i}"))
            if i % (MANY // DIRECT) == 0:
                direct = ask((server.host, server.port), b"", f"/direct{i}", source=host)
                expected[f"/direct{i}"] = "{} {}".format(*direct.sock.getsockname())
                open_now.append(direct)
        for c in open_now:
            assert c.response().status == 200
        for c in open_now:
            c.close()
        kedge.wait_idle()
        assert kedge.status()["peername_stats"]["peers"] == MANY
    server.stop()
    got = {seen.target: seen.peer for seen in server.seen()}
    wrong = {t: (peer, got.get(t)) for t, peer in expected.items() if got.get(t) != peer}
    assert not wrong, f"{len(wrong)} of {len(expected)}: {dict(list(wrong.items())[:5])}"
