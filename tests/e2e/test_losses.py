# SPDX-License-Identifier: BSD-2-Clause
"""Capabilities that are lost at run time: what flows get instead, what kedge says, and that they come back."""
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import machine
from bpftool import bpftool, objects
from client import Client, request
from foreign import Agent
from kedge import BINARY, SANITIZER_OPTIONS, Combination, Kedge, Listener
from rawapp import RawApp

XFF = "127.0.0.1"


def links_of(kedge, kind):
    """Its BPF links of one type, as {"link_id": ..., ...}; older kernels have none for maps."""
    found = []
    for path in Path(f"/proc/{kedge.pid}/fdinfo").iterdir():
        try:
            text = path.read_text()
        except FileNotFoundError:
            continue  # closed by now
        info = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        if info.get("link_type") == kind:
            found.append(info)
    return found


def detach_from_map(kedge):
    """Its sk_msg program off its map."""
    leg = kedge.pin / "kdg_leg"
    number = max(p["id"] for p in objects("prog", "show") if p.get("name") == "kdg_request")
    bpftool("prog", "detach", "id", number, "msg_verdict", "pinned", leg)


@pytest.fixture(scope="module", autouse=True)
def able(pytestconfig):
    if os.geteuid() != 0:
        pytest.skip("only root may attach to a cgroup")
    why = {str(c): w for c, w in pytestconfig.kedge_missing.items()}
    if str(Combination(edit=True)) in why:
        pytest.skip(why[str(Combination(edit=True))])


@pytest.fixture
def app(own_cgroup):
    with RawApp(cgroup=own_cgroup) as app:
        yield app


def start(certs, cgroup, app, *flags, edit="prefer", bypass="off"):
    return Kedge(certs, app.text, [Listener("tls"), Listener("clear", tls=False)], None, cgroup,
                 ("--record", "off", "--edit", edit, "--bypass", bypass, *flags))


def ask(kedge):
    """The status of one request on a connection of its own."""
    with Client(kedge["clear"]) as c:
        return c.request(fields=[("X-Forwarded-For", "203.0.113.9")]).status


def losses(kedge):
    return {x["capability"]: x for x in kedge.status()["capability_losses"]}


def lines(kedge, pattern):
    return len(kedge.process.matches(pattern))


@pytest.mark.each_kernel
def test_an_agent_that_comes_and_goes(certs, own_cgroup, app):
    """edit: prefer. Every request is answered and edited, in the kernel or in user space."""
    with start(certs, own_cgroup, app) as kedge, Agent(own_cgroup) as agent:
        assert kedge.status()["edit"] == "kernel"
        assert ask(kedge) == 200
        assert kedge.stat("flows_edit_kernel") == 1 and losses(kedge) == {}
        agent.attach()
        for _ in range(20):
            assert ask(kedge) == 200
        kedge.process.wait_line(r"warning: edit: lost: another program has the socket \(Device or resource "
                                r"busy\): .* in user space, .*next step: bpftool cgroup tree")
        status = kedge.status()
        assert status["edit"] == "user" and status["stats"]["flows_edit_kernel"] == 1
        lost = losses(kedge)["edit"]
        assert lost["lost"] and lost["without"] == 20 and "another program" in lost["cause"]
        agent.detach()
        machine.wait_for(lambda: ask(kedge) == 200 and lines(kedge, r"edit: works again"),
                         what="the recovery")
        assert lines(kedge, r"edit: lost:") == 1
        assert kedge.status()["edit"] == "kernel" and not losses(kedge)["edit"]["lost"]
        assert kedge.status()["reasons"]["internal_error"] == 0
        app.wait_ended()
        assert {r.xff for c in app.connections for r in c.requests} == {f"203.0.113.9, {XFF}"}


@pytest.mark.each_kernel
def test_required_edit(certs, own_cgroup, app):
    with start(certs, own_cgroup, app, edit="require") as kedge, Agent(own_cgroup) as agent:
        assert ask(kedge) == 200
        agent.attach()
        assert [ask(kedge) for _ in range(3)] == [503] * 3
        assert kedge.reason("capability_lost") == 3
        kedge.process.wait_line(r"error: edit: lost: another program has the socket .*required")
        agent.detach()
        assert ask(kedge) == 200  # each of them tries
        machine.wait_for(lambda: ask(kedge) == 200 and lines(kedge, r"edit: works again"),
                         what="the recovery")


@pytest.mark.parametrize("which", ["active", "passive", "both"])
@pytest.mark.parametrize("bypass, status", [("prefer", 200), ("require", 503)])
@pytest.mark.parametrize("edit", ["off", "prefer"])
def test_bypass(certs, own_cgroup, app, edit, bypass, status, which):
    """An agent claims kedge's socket, the application's, or both. kedge's own program is first on the application's."""
    status = 200 if which == "passive" else status
    with start(certs, own_cgroup, app, edit=edit, bypass="require") as kedge:
        assert ask(kedge) == 200 and kedge.status()["bypass"] == "on"
    with start(certs, own_cgroup, app, edit=edit, bypass=bypass) as kedge, \
            Agent(own_cgroup, which) as agent:
        on = kedge.status()["bypass"] == "on"
        agent.attach()
        assert [ask(kedge) for _ in range(5)] == [status] * 5
        if not on:
            return  # FIONREAD is wrong here: `prefer` leaves the bypass off
        if which == "passive":
            assert not losses(kedge)
            return
        kedge.process.wait_line(r"bypass: lost: another program has the socket")
        assert kedge.status()["bypass"] == "off"
        assert losses(kedge)["bypass"]["without"] == 5
        agent.detach()
        machine.wait_for(lambda: ask(kedge) == 200 and lines(kedge, r"bypass: works again"),
                         what="the recovery")


@pytest.mark.each_kernel
def test_some_sockets_are_claimed(certs, own_cgroup, app):
    """The log has few lines, and each request is still edited."""
    with start(certs, own_cgroup, app) as kedge, Agent(own_cgroup, "some") as agent:
        agent.attach()
        for _ in range(100):
            assert ask(kedge) == 200
        assert lines(kedge, r"edit: ") <= 4
        app.wait_ended()
        assert {r.xff for c in app.connections for r in c.requests} == {f"203.0.113.9, {XFF}"}


@pytest.mark.parametrize("which, said", [("active", "edit|bypass"), ("passive", "bypass")])
def test_an_agent_of_before_and_the_bypass(certs, own_cgroup, app, which, said):
    with Agent(own_cgroup, which) as agent:
        agent.attach()
        refused = Kedge(certs, app.text, [Listener("clear", tls=False)], None, own_cgroup,
                        ("--record", "off", "--edit", "prefer", "--bypass", "require"), wait=False)
        try:
            assert refused.process.wait(60) == 1
            refused.process.wait_line(rf"({said}): required, but .*another program has the socket.*; next step: "
                                      r"bpftool cgroup tree")
        finally:
            refused.kill()


def test_an_agent_of_before(certs, own_cgroup, app):
    """The agent was there first: kedge names the cause at startup."""
    with Agent(own_cgroup) as agent:
        agent.attach()
        with start(certs, own_cgroup, app) as kedge:
            assert kedge.status()["edit"] == "user" and ask(kedge) == 200
            assert lines(kedge, r"capabilities: .*another program has the socket")
        refused = Kedge(certs, app.text, [Listener("clear", tls=False)], None, own_cgroup,
                        ("--record", "off", "--edit", "require"), wait=False)
        try:
            assert refused.process.wait(60) == 1
            refused.process.wait_line(r"edit: required, but .*another program has the socket.*; next step: "
                                      r"bpftool cgroup tree")
            assert not lines(refused, r"report it with this kernel's version")
        finally:
            refused.kill()


@pytest.mark.each_kernel
def test_a_link_that_somebody_detaches(certs, own_cgroup, app):
    """After kedge has noticed, no request goes on unedited."""
    with start(certs, own_cgroup, app) as kedge:
        assert ask(kedge) == 200
        links = links_of(kedge, "sockmap")
        for link in links:
            bpftool("link", "detach", "id", link["link_id"])
        if links:
            assert ask(kedge) == 200
        else:  # before 6.10 it is attached to the map itself, and kedge notices by the first request that went out
            detach_from_map(kedge)
            with Client(kedge["clear"]) as c:
                c.send(request())
                try:
                    assert c.recv() == b""
                except ConnectionResetError:
                    pass
            app.wait_ended(1)  # the one whose request went out as it was
            app.connections.clear()
            assert ask(kedge) == 200
        kedge.process.wait_line(r"edit: lost: its program is attached no longer")
        assert [ask(kedge) for _ in range(3)] == [200] * 3
        app.wait_ended()
        assert {r.xff for c in app.connections for r in c.requests} == {f"203.0.113.9, {XFF}"}


def test_metrics(certs, own_cgroup, app):
    with start(certs, own_cgroup, app, "--metrics", "127.0.0.1:0") as kedge, Agent(own_cgroup) as agent:
        agent.attach()
        assert ask(kedge) == 200
        text = kedge.metrics()
        assert 'kedge_capability{capability="edit"} 0\n' in text
        assert 'kedge_capability_lost{capability="edit"} 1\n' in text
        assert 'kedge_capability_losses_total{capability="edit"} 1\n' in text
        assert 'kedge_capability_without_total{capability="edit"} 1\n' in text


def test_pins_that_are_removed(certs, own_cgroup, app):
    """Pins are names for other programs; kedge holds the maps themselves."""
    with start(certs, own_cgroup, app) as kedge:
        for path in kedge.pin.iterdir():
            path.unlink()
        assert ask(kedge) == 200
        assert kedge.status()["edit"] == "kernel"


# --- who forbids it -------------------------------------------------------------------------------

BPF_NUMBER = {"x86_64": 321, "aarch64": 280}
FILTERED = """
import ctypes, os, struct, sys
number, answer = int(sys.argv[1]), int(sys.argv[2])
code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | answer), (6, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
prog = struct.pack("HxxxxxxP", len(code), ctypes.addressof(text))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.c_char_p(prog), 0, 0) == 0
os.execv(sys.argv[3], sys.argv[3:])
"""


def details(*argv):
    """{capability: why it is missing} as kedge probe says when it is run by this command."""
    done = subprocess.run([*map(str, argv), str(BINARY), "probe", "--json"], capture_output=True, text=True,
                          check=False, env={**os.environ, **SANITIZER_OPTIONS})
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return {row["capability"]: row["detail"] for row in reversed(answer["tried"]) if not row["ok"]}


@pytest.mark.parametrize("errno", [1, 38], ids=["EPERM", "ENOSYS"])
def test_a_seccomp_filter_is_told_as_such(errno):
    """All capabilities are there, but a container's profile forbids the call. The kernel lacks nothing."""
    why = details(sys.executable, "-c", FILTERED, BPF_NUMBER[platform.machine()], errno)
    for capability in ("edit", "peername", "guard"):
        assert "BPF programs refused: a seccomp filter forbids bpf(2)" in why[capability]
        assert "CONFIG" not in why[capability]


def test_capabilities_of_a_user_namespace_are_told_as_such():
    if subprocess.run(["unshare", "-Ur", "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    why = details("unshare", "-Ur")
    for capability in ("edit", "peername", "guard"):
        assert "those of a user namespace" in why[capability]
