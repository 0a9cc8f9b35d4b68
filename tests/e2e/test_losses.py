"""Capabilities that are lost after the start: what flows get then, what is said, that they come back."""
import os
from pathlib import Path

import pytest

import machine
from client import Client
from foreign import Agent, bpftool
from kedge import Combination, Kedge, Listener
from rawapp import RawApp

XFF = "127.0.0.1"


def links_of(kedge, kind):
    """Its BPF links of one type, as {"link_id": ..., ...}; older kernels have none for maps."""
    found = []
    for path in Path(f"/proc/{kedge.pid}/fdinfo").iterdir():
        info = dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
        if info.get("link_type") == kind:
            found.append(info)
    return found


def metrics(kedge):
    address = kedge.process.wait_line(r"metrics: (?:bound to )?(\S+):(\d+)")[0]
    with Client((address[1], int(address[2]))) as c:
        return c.request(target="/metrics").text


@pytest.fixture(scope="module", autouse=True)
def able(pytestconfig):
    if os.geteuid() != 0:
        pytest.skip("only root may attach to a cgroup")
    why = {str(c): w for c, w in pytestconfig.kedge_missing.items()}
    if str(Combination(edit=True)) in why:
        pytest.skip(why[str(Combination(edit=True))])


@pytest.fixture
def own_cgroup():
    group = machine.Cgroup()
    yield group
    group.remove()


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


def test_an_agent_that_comes_and_goes(certs, own_cgroup, app):
    """edit: prefer. Every request is answered, edited, whoever edits it."""
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


@pytest.mark.parametrize("bypass, status", [("prefer", 200), ("require", 503)])
@pytest.mark.parametrize("edit", ["off", "prefer"])
def test_bypass(certs, own_cgroup, app, edit, bypass, status):
    with start(certs, own_cgroup, app, edit=edit, bypass="require") as kedge:
        assert ask(kedge) == 200 and kedge.status()["bypass"] == "on"
    with start(certs, own_cgroup, app, edit=edit, bypass=bypass) as kedge, Agent(own_cgroup) as agent:
        on = kedge.status()["bypass"] == "on"
        agent.attach()
        assert [ask(kedge) for _ in range(5)] == [status] * 5
        if not on:
            return  # FIONREAD lies here: who prefers it does not get it
        kedge.process.wait_line(r"bypass: lost: another program has the socket")
        assert kedge.status()["bypass"] == "off"
        assert losses(kedge)["bypass"]["without"] == 5
        agent.detach()
        machine.wait_for(lambda: ask(kedge) == 200 and lines(kedge, r"bypass: works again"),
                         what="the recovery")


def test_some_sockets_are_claimed(certs, own_cgroup, app):
    """The log has few lines; each request is edited all the same."""
    with start(certs, own_cgroup, app) as kedge, Agent(own_cgroup, "some") as agent:
        agent.attach()
        for _ in range(100):
            assert ask(kedge) == 200
        assert lines(kedge, r"edit: ") <= 4
        app.wait_ended()
        assert {r.xff for c in app.connections for r in c.requests} == {f"203.0.113.9, {XFF}"}


def test_an_agent_of_before(certs, own_cgroup, app):
    """It was there first: the start names the cause."""
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


def test_a_link_that_somebody_detaches(certs, own_cgroup, app):
    """No request goes on unedited once that is seen."""
    with start(certs, own_cgroup, app) as kedge:
        assert ask(kedge) == 200
        links = links_of(kedge, "sockmap")
        for link in links:
            bpftool("link", "detach", "id", link["link_id"])
        if not links:  # before 6.10: attached to the map itself
            bpftool("prog", "detach", "name", "kdg_request", "msg_verdict", "pinned", kedge.pin / "kdg_leg")
        assert ask(kedge) == 200
        kedge.process.wait_line(r"edit: lost: its program is attached no longer")
        assert [ask(kedge) for _ in range(3)] == [200] * 3
        app.wait_ended()
        assert {r.xff for c in app.connections for r in c.requests} == {f"203.0.113.9, {XFF}"}


def test_metrics(certs, own_cgroup, app):
    with start(certs, own_cgroup, app, "--metrics", "127.0.0.1:0") as kedge, Agent(own_cgroup) as agent:
        agent.attach()
        assert ask(kedge) == 200
        text = metrics(kedge)
        assert 'kedge_capability{capability="edit"} 0\n' in text
        assert 'kedge_capability_lost{capability="edit"} 1\n' in text
        assert 'kedge_capability_losses_total{capability="edit"} 1\n' in text
        assert 'kedge_capability_without_total{capability="edit"} 1\n' in text


def test_pins_that_are_removed(certs, own_cgroup, app):
    """They are names for others; kedge has the maps themselves."""
    with start(certs, own_cgroup, app) as kedge:
        for path in kedge.pin.iterdir():
            path.unlink()
        assert ask(kedge) == 200
        assert kedge.status()["edit"] == "kernel"
