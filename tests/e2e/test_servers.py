# SPDX-License-Identifier: BSD-2-Clause
"""Applications with several servers: checks, and what an operator takes out."""
import json
import os
import re

import pytest

import machine
import prefix
from client import Client
from kedge import BINARY, Combination, Config, Kedge, Listener
from rawapp import RawApp, answer
from run import run

CLIENT, PORT = "198.51.100.22", 35646
EVERY_MS = 100


class Server(RawApp):
    """It answers with its own address; to a check with `status`."""

    def __init__(self, **kwargs):
        self.status = "200 OK"
        super().__init__(self.reply, **kwargs)

    def reply(self, _conn, req):
        if req.target == "/healthz":
            return answer(self.status)
        return answer(body=self.text.encode())

    def requests(self, target):
        with self.changed:
            return [(c, r) for c in self.connections for r in c.requests if r.target == target]

    def wait_checks(self, count):
        """So many more checks have come."""
        until = len(self.requests("/healthz")) + count
        self.wait(lambda: len(self.requests("/healthz")) >= until, what="checks")


class Farm:
    """kedge in front of `count` servers of one application, "web"."""

    def __init__(self, tmp_path, certs, count=2, check=True, cgroup=None, combination=Combination(), flags=(), **app):
        self.servers = [Server(cgroup=cgroup) for _ in range(count)]
        self.config = Config(tmp_path, certs)
        self.listeners = [Listener("clear", tls=False, proxy="optional")]
        self.app = {"servers": [s.text for s in self.servers], **app}
        if check:
            self.app["check"] = {"path": "/healthz", "every-ms": EVERY_MS, "rise": 2, "fall": 2}
        self.write()
        self.kedge = Kedge(certs, None, self.listeners, combination, cgroup, flags, config=self.config)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.kedge.__exit__(*args)
        for server in self.servers:
            server.stop()

    def write(self, **keys):
        self.config.write(self.listeners, apps={"web": {**self.app, **keys}}, app="web", workers=2,
                          app_idle_timeout_ms=500)

    def reload(self, **keys):
        self.write(**keys)
        done = self.kedge.reload()
        assert done.returncode == 0, done.stdout + done.stderr

    def served(self, count=12):
        """The addresses of the servers of so many new connections."""
        got = set()
        for _ in range(count):
            with Client(self.kedge["clear"]) as c:
                response = c.request()
                got.add(response.text if response.status == 200 else response.status)
        return got

    def rows(self):
        return [row for app in self.kedge.status()["applications"] for row in app["servers"]]

    def wait_state(self, at, state):
        machine.wait_for(lambda: self.rows()[at]["state"] == state, 10, f"server {at} {state}")

    def command(self, *words):
        return run(BINARY, "server", *words, "--control", self.kedge.control)

    def says(self, pattern):
        self.kedge.process.wait_line(pattern)


@pytest.fixture
def farm(tmp_path, certs):
    with Farm(tmp_path, certs) as farm:
        yield farm


def test_a_server_that_says_it_is_ill_gets_no_request(farm):
    ill, fine = farm.servers
    farm.wait_state(0, "up")
    farm.wait_state(1, "up")
    assert farm.served(40) == {ill.text, fine.text}
    ill.status = "503 Ill"
    farm.wait_state(0, "down")
    farm.says(rf"warning: application web: server {ill.text} is down: 503 where 200-399 was expected "
              r"\(2 bad checks in a row\)$")
    before = len(ill.requests("/"))
    assert farm.served() == {fine.text}
    assert len(ill.requests("/")) == before
    ill.status = "200 OK"
    farm.wait_state(0, "up")
    farm.says(rf"info: application web: server {ill.text} is up: 2 checks in a row were good$")
    assert farm.served(40) == {ill.text, fine.text}


def test_what_a_check_asks(farm):
    server = farm.servers[0]
    server.wait_checks(1)
    _, request = server.requests("/healthz")[0]
    assert request.fields[:1] == [("Host", server.text)]
    assert request.values("Connection") == ["close"]
    assert re.fullmatch(r"kedge/\S+ check", request.values("User-Agent")[0])
    assert request.xff is None
    # Each is a connection of its own, and none stays.
    server.wait_checks(3)
    open_now = [c for c in list(server.connections) if not c.ended]
    assert len(open_now) <= 2


def test_when_all_are_down_all_are_tried(farm):
    for at, server in enumerate(farm.servers):
        server.status = "500 Ill"
        farm.wait_state(at, "down")
    assert farm.served(40) == {s.text for s in farm.servers}


def test_a_backup_is_used_when_the_others_are_down(tmp_path, certs):
    with Server() as backup, Farm(tmp_path, certs, count=1, backup=[backup.text]) as farm:
        farm.wait_state(0, "up")
        farm.wait_state(1, "up")
        assert farm.served() == {farm.servers[0].text}
        farm.servers[0].status = "500 Ill"
        farm.wait_state(0, "down")
        assert farm.served() == {backup.text}
        farm.servers[0].status = "200 OK"
        farm.wait_state(0, "up")
        assert farm.served() == {farm.servers[0].text}


def test_a_reload_keeps_what_is_known(farm):
    farm.servers[0].status = "500 Ill"
    farm.wait_state(0, "down")
    assert farm.command(farm.servers[1].text, "drain").returncode == 0
    farm.reload()
    assert [row["state"] for row in farm.rows()] == ["down", "drain"]
    # Another way to check: what is known stays until it says something else.
    farm.reload(check={"path": "/healthz", "every-ms": EVERY_MS, "rise": 3, "fall": 3})
    assert farm.rows()[0]["state"] == "down"
    farm.servers[0].wait_checks(2)
    assert farm.rows()[0]["state"] == "down"
    # Not checked any more: it is used.
    farm.reload(check="off")
    farm.wait_state(0, "up")
    assert farm.rows()[0]["health"] == "unchecked"
    threads = {comm.read_text().strip() for comm in machine.Path(f"/proc/{farm.kedge.pid}/task").glob("*/comm")}
    assert "kedge/checks" not in threads


def test_a_server_is_drained_for_a_restart(farm):
    one, other = farm.servers
    with Client(farm.kedge["clear"]) as c:
        first = c.request().text
        at = [s.text for s in farm.servers].index(first)
        done = farm.command(f"web/{first}", "drain")
        assert done.returncode == 0 and "drain" in done.stdout, done.stdout + done.stderr
        rest = {one.text, other.text} - {first}
        assert farm.served() == rest
        # The client stays, but not its connection to this server.
        machine.wait_for(lambda: farm.rows()[at]["connections"] == 0, 20, "no connection")
        assert {c.request().text} == rest
    assert farm.command(f"web/{first}", "ready").returncode == 0
    assert farm.served(40) == {one.text, other.text}


def test_one_that_is_down_is_not_checked(farm):
    server = farm.servers[0]
    server.wait_checks(1)
    assert farm.command(server.text, "down").returncode == 0
    farm.servers[1].wait_checks(2)  # those under way have ended
    before = len(server.requests("/healthz"))
    farm.servers[1].wait_checks(5)
    assert len(server.requests("/healthz")) == before
    assert farm.command(server.text, "ready").returncode == 0
    server.wait_checks(1)


def test_when_the_operator_takes_all_out_it_is_503(farm):
    for server in farm.servers:
        done = farm.command(server.text, "drain")
        assert done.returncode == 0
    undo = re.search(r"no server is ready: .* 503, .*\(kedge server (\S+) ready undoes this\)", done.stderr)
    assert farm.served(3) == {503}
    assert farm.command(undo[1], "ready").stderr == ""
    assert farm.served(3) == {farm.servers[-1].text}


def test_mistakes_are_told_with_what_there_is(farm):
    done = farm.command("web/127.0.0.1:1", "drain")
    assert done.returncode == 1
    assert all(f"web/{s.text}" in done.stderr for s in farm.servers)
    assert "ready, drain or down" in farm.command(farm.servers[0].text, "up").stderr
    assert farm.command("one-word").returncode == 2
    listed = farm.command("--json")
    assert len(json.loads(listed.stdout)["applications"][0]["servers"]) == 2


def test_metrics_tell_each_server(tmp_path, certs):
    with Farm(tmp_path, certs, flags=("--metrics", "127.0.0.1:0")) as farm:
        farm.wait_state(0, "up")
        farm.served(10)
        farm.command(farm.servers[1].text, "drain")
        text = farm.kedge.metrics()
        up = {m[1]: int(m[2]) for m in re.finditer(r'kedge_server_up\{application="web",server="(\S+)"\} (\d)', text)}
        assert up == {farm.servers[0].text: 1, farm.servers[1].text: 0}
        made = re.findall(r'kedge_server_connects_total\{\S+\} (\d+)', text)
        assert sum(map(int, made)) == 10
        # A reload changes what is told.
        farm.reload(servers=[farm.servers[1].text])
        assert farm.servers[0].text not in farm.kedge.metrics()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may attach to a cgroup")
def test_a_check_is_nobody_else(tmp_path, certs, cgroup, most):
    """Checks leave kedge's cgroup, too; BPF leaves them alone, and they show no client that was there before."""
    flags = ("--peername", "require", "--app-cgroup", cgroup.path)
    with Farm(tmp_path, certs, count=1, cgroup=cgroup, combination=most, flags=flags) as farm:
        server = farm.servers[0]
        for _ in range(20):
            with Client(farm.kedge["clear"], prefix.v2(CLIENT, sport=PORT)) as c:
                assert c.request().status == 200
        server.wait_checks(5)
        assert {conn.peer[0] for conn, _ in server.requests("/healthz")} == {"127.0.0.1"}
        assert {conn.peer for conn, _ in server.requests("/")} == {(CLIENT, PORT)}
        farm.kedge.wait_idle()
        assert not farm.kedge.entries_of_flows()
