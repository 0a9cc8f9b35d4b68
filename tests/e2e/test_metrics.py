# SPDX-License-Identifier: BSD-2-Clause
"""Metrics as Prometheus scrapes them, the same in `kedge status`, and the dashboard."""
import json
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

import machine
import prefix
from client import Client, tls_context
from kedge import BINARY, Kedge, Listener
from machine import ROOT
from rawapp import RawApp, answer
from run import run

SAMPLE = re.compile(r"(\w+)(\{[^}]*\})? (\d+(?:\.\d+)?)")


def listeners():
    return [Listener("tls_proxy", proxy="require"), Listener("clear", tls=False)]


class Measured(Kedge):
    """kedge with metrics on a port of the kernel's choice."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, flags=["--metrics", "127.0.0.1:0"], **kwargs)
        self.metrics = int(self.process.wait_line(r"metrics: listening on \S+:(\d+)")[0][1])

    def text(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics",
                                    timeout=machine.Deadline(20).left()) as got:
            assert got.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return got.read().decode()

    def samples(self):
        """{'name{labels}': value}; every line must be a sample or a comment."""
        found = {}
        for line in self.text().splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.fullmatch(line).groups()
                assert name + (labels or "") not in found, line
                found[name + (labels or "")] = float(value)
        return found


@pytest.fixture(scope="module")
def app(cgroup):
    with_answers = RawApp(cgroup=cgroup)
    yield with_answers
    with_answers.stop()


@pytest.fixture(scope="module")
def measured(certs, cgroup, app):
    """A kedge that has had requests, a handshake, a refusal and a health check."""
    with Measured(certs, app.text, listeners(), cgroup=cgroup) as kedge:
        with Client(kedge["tls_proxy"], prefix.v1(), tls_context(certs.ca)) as c:
            for _ in range(3):
                assert c.request().status == 200
        with Client(kedge["clear"]) as c:
            c.send(b"GET / HTTP/1.1\r\n\r\n")
            assert c.response().status == 400
        with Client(kedge["clear"]):
            pass
        kedge.wait_idle()
        yield kedge


def test_promtool_finds_nothing(measured):
    done = run("promtool", "check", "metrics", input=measured.text())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_counter_of_status_is_there(measured):
    status, samples = measured.status(), measured.samples()
    assert len(status["stats"]) > 30 and len(status["reasons"]) > 40
    for name, value in status["stats"].items():
        assert samples[f"kedge_{name}_total"] == value, name
    for name, value in status["reasons"].items():
        assert samples[f'kedge_ended_total{{reason="{name}"}}'] == value, name
    assert samples["kedge_connections_open"] == status["connections_open"] == 0


def test_traffic_shows(measured):
    samples = measured.samples()
    for what, count in (("handshake", 1), ("connect", 2), ("first_byte", 3), ("request", 3)):
        name = f"kedge_{what}_seconds"
        assert samples[f"{name}_count"] == samples[f'{name}_bucket{{le="+Inf"}}'] == count, what
        assert 0 < samples[f"{name}_sum"] < 60 or what == "connect", what
        buckets = [v for k, v in samples.items() if k.startswith(f"{name}_bucket")]
        assert buckets == sorted(buckets) and len(buckets) == 23
    assert samples['kedge_ended_total{reason="http_host"}'] == 1
    tls, clear = ("{}:{}".format(*measured[name]) for name in ("tls_proxy", "clear"))
    assert samples[f'kedge_listener_accepted_total{{listener="{tls}"}}'] == 1
    assert samples[f'kedge_listener_handshakes_total{{listener="{tls}"}}'] == 1
    assert samples[f'kedge_listener_accepted_total{{listener="{clear}"}}'] == 2
    assert samples[f'kedge_listener_flows_total{{listener="{clear}"}}'] == 1
    assert samples[f'kedge_listener_connections_open{{listener="{clear}"}}'] == 0
    flows = {k: v for k, v in samples.items() if k.startswith("kedge_flow_capabilities") and v}
    edit = "kernel" if measured.status()["edit"] == "kernel" else "user"
    assert flows[f'kedge_flow_capabilities_total{{record="plain",edit="{edit}",bypass="off"}}'] == 1
    assert sum(flows.values()) == samples["kedge_flows_total"] == 2


def test_the_process_is_seen(measured):
    first, again = measured.samples(), measured.samples()
    assert 0 < first["process_cpu_seconds_total"] < again["process_cpu_seconds_total"] < 60
    rss = measured.rss_kb() << 10
    assert rss / 2 < again["process_resident_memory_bytes"] < 2 * rss
    limit = re.search(r"Max open files +(\d+)", Path(f"/proc/{measured.pid}/limits").read_text())[1]
    assert again["process_max_fds"] == int(limit)
    assert 0 <= time.time() - again["process_start_time_seconds"] < 600


def test_status_shows_the_times(measured):
    status = measured.status()
    times = status["times"]
    assert times["handshake"]["count"] == 1 and times["request"]["count"] == 3
    assert 0 < times["request"]["p50_us"] <= times["request"]["p99_us"] < 60e6
    assert {x["listener"] for x in status["listeners"]} == {
        "{}:{}".format(*measured[name]) for name in ("tls_proxy", "clear")}
    done = run(BINARY, "status", "--control", measured.control)
    assert re.search(r"^request +3 +[\d.]+ [um]?s +[\d.]+ [um]?s ", done.stdout, re.M), done.stdout
    assert re.search(r"^http_host +1 ", done.stdout, re.M), done.stdout


def test_an_open_connection_shows(measured):
    clear = "{}:{}".format(*measured["clear"])
    with Client(measured["clear"]) as c:
        c.request()
        samples = measured.samples()
        assert samples["kedge_connections_open"] == 1
        assert samples[f'kedge_listener_connections_open{{listener="{clear}"}}'] == 1
    measured.wait_idle()


def test_a_late_answer_is_in_its_bucket(measured, app):
    before = measured.samples()

    def late(conn, req):
        time.sleep(0.3)  # the time that is measured
        return answer()
    app.respond = late
    with Client(measured["clear"]) as c:
        assert c.request().status == 200
    after = measured.samples()
    below = 'kedge_request_seconds_bucket{le="0.262144"}'
    assert after["kedge_request_seconds_count"] == before["kedge_request_seconds_count"] + 1
    assert after[below] == before[below]
    assert after["kedge_first_byte_seconds_sum"] - before["kedge_first_byte_seconds_sum"] > 0.25


def test_silent_and_slow_scrapers_block_nothing(measured, app):
    """More scrapers than kedge reads at a time, some in the middle of a request."""
    app.respond = lambda conn, req: answer()
    silent = [socket.create_connection(("127.0.0.1", measured.metrics)) for _ in range(50)]
    try:
        for sock in silent[::2]:
            sock.sendall(b"GET /metrics HT")
        assert "kedge_flows_total" in measured.text()
        with Client(measured["clear"]) as c:
            assert c.request().status == 200
        assert measured.status()["workers"] > 0
    finally:
        for sock in silent:
            sock.close()


def test_kedge_ends_with_scrapers_connected(certs, cgroup, app):
    with Measured(certs, app.text, [Listener("clear", tls=False)], cgroup=cgroup) as kedge:
        sock = socket.create_connection(("127.0.0.1", kedge.metrics))
        kedge.stop()
        assert sock.recv(1) == b""
        sock.close()


def test_no_metrics_unless_asked(certs, cgroup, app):
    with Kedge(certs, app.text, [Listener("clear", tls=False)], cgroup=cgroup) as kedge:
        assert not kedge.process.matches("metrics: listening")
        listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
        ours = [line for line in listening.splitlines() if f"pid={kedge.pid}," in line]
        # One port, a socket for each worker.
        assert {line.split()[3] for line in ours} == {"{}:{}".format(*kedge["clear"])}


# --- the dashboard ----------------------------------------------------------------------------
DASHBOARD = ROOT / "dist/grafana-kedge.json"


def queries():
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.fullmatch(r"label_values\((.*), \w+\)", variable["definition"])[1]


def test_the_dashboard_asks_for_what_there_is(measured):
    """Every name that it queries exists, with every label."""
    labels = {}
    for key in measured.samples():
        name, _, rest = key.partition("{")
        labels.setdefault(name, set()).update(re.findall(r'(\w+)="', rest))
    checked = 0
    for title, expr in queries():
        assert "kedge_" in expr, title
        for name, selector in re.findall(r"\b(kedge_\w+)(\{[^}]*\})?", expr):
            assert name in labels, f"{title}: no metric {name}"
            for label in re.findall(r"(\w+)[=!]~?\"", selector):
                # Prometheus adds these two.
                assert label in labels[name] | {"job", "instance"}, f"{title}: {name} has no {label}"
            checked += 1
        for group in re.findall(r"by \(([^)]*)\)", expr):
            for label in group.split(", "):
                assert any(label in labels[n] for n in re.findall(r"\bkedge_\w+", expr)), (title, label)
    assert checked > 20


def test_the_queries_are_promql(tmp_path):
    """promtool reads them as the expressions of rules."""
    def plain(expr):
        return expr.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")
    rules = [{"record": f"query:{i}", "expr": plain(expr)} for i, (_, expr) in enumerate(queries())]
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    done = run("promtool", "check", "rules", path)
    assert done.returncode == 0 and f"{len(rules)} rules found" in done.stdout, done.stdout + done.stderr
