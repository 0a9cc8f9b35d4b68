# SPDX-License-Identifier: BSD-2-Clause
"""
Exactly once under chaos: chaos.py with some seeds. Each failure prints the command that plays it again.

    CHAOS_SECONDS     how long, in all (120); not in the short form, which has fixed seeds
    KEDGE_TEST_SEED   the first seed (drawn; printed)
"""
import os
import random
import socket

import pytest

import chaos
import conftest
import events
import machine
import network
import plan

SO_RCVBUFFORCE = 33  # include/uapi/asm-generic/socket.h
SECONDS = float(os.environ.get("CHAOS_SECONDS", "120"))
RUN = 7 if conftest.SHORT else 10  # seconds of each
SEED = int(os.environ.get("KEDGE_TEST_SEED", "1429" if conftest.SHORT else random.randrange(1 << 32)))


def runs(config):
    """[(combination, seed)]: as many as there is time for; each combination in turn."""
    able = conftest.chosen(config, "all")
    count = len(able) if conftest.SHORT else max(round(SECONDS / RUN), 1)
    return [(able[n % len(able)], SEED + n) for n in range(count)]


def pytest_generate_tests(metafunc):
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", runs(metafunc.config), ids=lambda r: f"{r[1]}-{r[0]}")


@pytest.fixture(scope="session")
def can():
    kinds, cannot = chaos.possible()
    for why in cannot:
        print(f"skipped: {why}")
    return kinds


def test_exactly_once(run, certs, cgroup, can):
    if not cgroup:
        pytest.skip("needs a cgroup v2")
    combination, seed = run
    chaos.once(seed, RUN, events.kinds_of(seed, can), combination, certs, cgroup)


def test_a_seed_is_a_schedule():
    """A kind that is left out changes nothing of the others; a connection is the same each time."""
    for seed in range(50):
        both = events.schedule(seed, 10, {"app-kill", "net"})
        assert [e for e in both if e.kind == "net"] == events.schedule(seed, 10, {"net"})
        first, again = (plan.connection(seed, 1, 2, chaos.MANNERS) for _ in range(2))
        assert first == again and [r.wire for r in first.requests] == [r.wire for r in again.requests]
    assert events.schedule(1, 10, {"net"}) != events.schedule(2, 10, {"net"})


def test_segments_are_lost(can):
    if "net" not in can:
        pytest.skip(network.Network.missing()["net"])
    bad = network.Network()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        to.bind(("127.0.0.1", 0))
        # All of them may come before one is read. net.core.rmem_max has room for some 530.
        to.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
        to.settimeout(1)
        bad.worsen(random.Random(1))
        try:
            for n in range(2000):
                s.sendto(b"%d" % n, to.getsockname())
            got = []
            while b"1999" not in got[-100:]:
                got.append(to.recv(100))
        except TimeoutError:  # the last one was lost
            pass
        finally:
            bad.mend()
    assert len(set(got)) < 2000, "none was lost"
    assert len(set(got)) > 1000, "most were lost"
    assert len(got) > len(set(got)), "none came twice"


class Always:
    """In the place of a random.Random: always chooses the same one."""

    def __init__(self, n):
        self.n = n

    def choice(self, some):
        return some[self.n]


@pytest.mark.parametrize("n", [n for n, words in enumerate(network.NETEM) if "reorder" in words])
def test_segments_are_reordered(can, n):
    bad = network.Network()
    if bad.how != "netem":
        pytest.skip("no netem in this kernel: tests/guest/chaos.sh")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        to.bind(("127.0.0.1", 0))
        # All of them may come before one is read. net.core.rmem_max has room for some 530.
        to.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
        to.settimeout(5 * machine.PATIENCE)
        bad.worsen(Always(n))
        try:
            for number in range(500):
                s.sendto(b"%d" % number, to.getsockname())
            got = [int(to.recv(100)) for _ in range(300)]
        finally:
            bad.mend()
    assert got != sorted(got), "all came in the order in which they were sent"


def test_sockets_are_ended(can):
    if "sockets" not in can:
        pytest.skip(network.Network.missing()["sockets"])
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as c:
        other, _ = listener.accept()
        network.kill_sockets("dport", listener.getsockname()[1], *[c.getsockname()[1]] * 2)
        with other, pytest.raises(ConnectionResetError):
            other.recv(1)
