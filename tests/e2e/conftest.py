# SPDX-License-Identifier: BSD-2-Clause
"""kedge in front of the two applications: Express as in the story, and the one that records."""
import os
import shutil
import stat
from pathlib import Path

import pytest

import kedge as kedge_module
import machine
from rawapp import Connection, RawApp, default_answer
from story import Express


def settled(fronts, kedge):
    """A test that leaves something open fails; the next one gets a fresh kedge."""
    try:
        kedge.wait_idle()
    except TimeoutError:
        fronts.drop(kedge)
        raise


def express(fronts, combination):
    kedge = fronts.get(combination, "express", Express)
    yield kedge
    settled(fronts, kedge)


def recording(fronts, combination):
    """Each test begins with an empty record and an application that answers as usual."""
    kedge = fronts.get(combination, "raw", lambda cgroup: RawApp(cgroup=cgroup))
    kedge.app.forget()
    kedge.app.respond, kedge.app.serve = default_answer, Connection.serve
    yield kedge
    settled(fronts, kedge)


@pytest.fixture(scope="module")
def app(cgroup):
    """The recording application alone, for a file with a kedge of its own."""
    with RawApp(cgroup=cgroup) as app:
        yield app


@pytest.fixture
def front(fronts, combo):
    """kedge before Express, with every combination."""
    yield from express(fronts, combo)


@pytest.fixture
def end_front(fronts, ends):
    """kedge before Express, with two combinations: for tests that do not depend on edit and bypass."""
    yield from express(fronts, ends)


@pytest.fixture
def raw(fronts, combo):
    """kedge before the recording application, with every combination."""
    yield from recording(fronts, combo)


@pytest.fixture
def end_raw(fronts, ends):
    yield from recording(fronts, ends)


@pytest.fixture(params=["tls", "clear"])
def leg(request, tls):
    """Both kinds of client leg: (listener's name, what Client wants for tls)."""
    return request.param, tls if request.param == "tls" else None


@pytest.fixture
def ipv6():
    if not machine.has_ipv6():
        pytest.skip("no ::1 on this machine")


@pytest.fixture
def bpf_stats():
    """The kernel measures each run of a BPF program, on the whole machine. That adds some tens of ns to each."""
    switch = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = switch.read_text()
    switch.write_text("1")
    yield
    switch.write_text(before)


@pytest.fixture
def nobody(tmp_path_factory):
    """A copy of the program that an unprivileged user can run, and the command that becomes one."""
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    base = tmp_path_factory.mktemp("nobody")
    for path in (base, *list(base.parents)[:2]):
        path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    binary = base / "kedge"
    shutil.copy(kedge_module.BINARY, binary)
    binary.chmod(0o755)
    return binary, ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups",
                    "--no-new-privs"]
