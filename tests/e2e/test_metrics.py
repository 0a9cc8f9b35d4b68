# SPDX-License-Identifier: BSD-2-Clause
"""Metrics as Prometheus scrapes them, the same in `kedge status`, and the dashboard."""
import calendar
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
from kedge import BINARY, Config, Kedge, Listener
from machine import ROOT
from rawapp import answer
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
        if name in ("responses", "responses_own"):  # by listener and class
            assert sum(v for k, v in samples.items() if k.startswith(f"kedge_{name}_total{{")) == value > 0
        else:
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
    assert samples[f'kedge_requests_total{{listener="{tls}"}}'] == 3
    assert samples[f'kedge_responses_total{{listener="{tls}",class="2xx"}}'] == 3
    assert samples[f'kedge_responses_own_total{{listener="{clear}",class="4xx"}}'] == 1
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
    assert again["process_virtual_memory_bytes"] > again["process_resident_memory_bytes"]


def test_open_descriptors_are_counted(measured):
    """By a confined kedge, which may not read the directory."""
    def listed():
        return len(list(Path(f"/proc/{measured.pid}/fd").iterdir()))
    assert measured.process.matches("seccomp enforce") and measured.wait_idle()
    machine.wait_for(lambda: listed() == listed(), 10, "no connection that comes or goes")
    # One more is open while it answers: the scraper's.
    machine.wait_for(lambda: abs(measured.samples()["process_open_fds"] - 1 - listed()) <= 1, 10, "the number of descriptors")
    silent = [socket.create_connection(measured["clear"]) for _ in range(20)]
    try:
        measured.wait_status(lambda s: s["connections_open"] == 20)
        machine.wait_for(lambda: abs(measured.samples()["process_open_fds"] - 1 - listed()) <= 1, 10, "20 more")
        assert listed() > 20
    finally:
        for sock in silent:
            sock.close()
        measured.wait_idle()


def test_head_is_answered_without_a_body(measured):
    with Client(("127.0.0.1", measured.metrics)) as c:
        answered = c.request("HEAD", "/metrics")
        assert (answered.status, answered.body) == (200, b"")
        assert int(answered.field("content-length")) > 10000


def test_certificates_are_told(measured, certs):
    """One line for each file of a TLS listener, with the end that openssl tells."""
    name = "{}:{}".format(*measured["tls_proxy"])
    told = {k: v for k, v in measured.samples().items() if k.startswith("kedge_certificate_not_after_seconds{")}
    assert len(told) == 2 and all(f'{{listener="{name}",file="' in k for k in told), told
    for leaf in (certs.ec, certs.rsa):
        key, = [k for k in told if f'file="{leaf.cert}"' in k]
        done = run("openssl", "x509", "-in", leaf.cert, "-noout", "-enddate", "-dateopt", "iso_8601")
        end = calendar.timegm(time.strptime(done.stdout.strip(), "notAfter=%Y-%m-%d %H:%M:%SZ"))
        assert told[key] == end and re.search(r'subject="CN=[^"]+",names="[^"]*localhost', key), key
    rows = measured.status()["certificates"]
    assert {(row["listener"], row["file"]) for row in rows} == {(name, str(leaf.cert)) for leaf in (certs.ec, certs.rsa)}


def test_reloads_are_counted(certs, cgroup, app, tmp_path):
    config = Config(tmp_path, certs)
    listener = [Listener("tls")]
    config.write(listener, app=app.text)
    with Measured(certs, None, listener, config=config, cgroup=cgroup) as kedge:
        first = kedge.samples()
        assert first["kedge_reload_last_success"] == 1
        ends = {k: v for k, v in first.items() if k.startswith("kedge_certificate_not_after_seconds{")}
        assert first["kedge_reload_last_timestamp_seconds"] == first["process_start_time_seconds"]
        assert kedge.reload().returncode == 0
        config.path.write_text("nonsense: 1\n")
        assert kedge.reload().returncode == 1
        after = kedge.samples()
        assert {k: after.get(k) for k in ends} == ends and 'listener="{}:{}"'.format(*kedge["tls"]) in list(ends)[0]
        assert (after['kedge_reloads_total{result="done"}'], after['kedge_reloads_total{result="refused"}']) == (1, 1)
        assert after["kedge_reload_last_success"] == 0
        assert after["kedge_reload_last_timestamp_seconds"] >= first["kedge_reload_last_timestamp_seconds"]
        text = run(BINARY, "status", "--control", kedge.control).stdout
        assert re.search(r"^the last reload was refused, \d+ s ago: the log of kedge says why$", text, re.M), text


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


def labels_of(samples):
    """{name: {label: {values}}}"""
    labels = {}
    for key in samples:
        name, _, rest = key.partition("{")
        for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest):
            labels.setdefault(name, {}).setdefault(label, set()).add(value)
        labels.setdefault(name, {})
    return labels


NAMES = r"\b((?:kedge|process)_\w+)(\{[^}]*\})?"


def check_names(title, expr, labels):
    """Every name in it exists, with every label, and with values of it. Returns how many names there are."""
    found = re.findall(NAMES, expr)
    for name, selector in found:
        assert name in labels, f"{title}: no metric {name}"
        for label, op, value in re.findall(r'(\w+)([=!]~?)"([^"]*)"', selector):
            # Prometheus adds these two.
            assert label in labels[name].keys() | {"job", "instance"}, f"{title}: {name} has no {label}"
            if label in ("reason", "class", "result"):
                for one in value.split("|"):
                    assert any(re.fullmatch(one, v) for v in labels[name][label]), f"{title}: {name} has no {label} {one}"
    for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expr):
        for label in group.split(", "):
            assert label in ("job", "instance") or any(label in labels[n] for n, _ in found), (title, label)
    return len(found)


def test_the_dashboard_asks_for_what_there_is(measured):
    """Every name that it queries exists, with every label."""
    labels = labels_of(measured.samples())
    assert sum(check_names(title, expr, labels) for title, expr in queries()) > 40


def test_no_two_panels_are_in_one_place():
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in json.loads(DASHBOARD.read_text())["panels"]]
    ids = [p["id"] for p in json.loads(DASHBOARD.read_text())["panels"]]
    assert len(set(places)) == len(places) and len(set(ids)) == len(ids)


def test_the_queries_are_promql(tmp_path):
    """promtool reads them as the expressions of rules."""
    def plain(expr):
        return expr.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")
    rules = [{"record": f"query:{i}", "expr": plain(expr)} for i, (_, expr) in enumerate(queries())]
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    done = run("promtool", "check", "rules", path)
    assert done.returncode == 0 and f"{len(rules)} rules found" in done.stdout, done.stdout + done.stderr


# --- the alerts -------------------------------------------------------------------------------
RULES = ROOT / "dist/prometheus-kedge-rules.yaml"
RULES_TEST = ROOT / "tests/prometheus/rules_test.yaml"


def alerts():
    """(name, expression) of each."""
    for text in RULES.read_text().split("- alert: ")[1:]:
        name = text.split("\n", 1)[0]
        yield name, " ".join(re.search(r"expr: (?:>-)?(.*?)\n    (?:for|labels):", text, re.S)[1].split())


def test_the_alerts_ask_for_what_there_is(measured):
    labels = labels_of(measured.samples())
    found = {name: check_names(name, expr, labels) for name, expr in alerts()}
    assert len(found) >= 15
    assert [name for name, count in found.items() if not count] == ["KedgeIsDown"]  # which asks for Prometheus's `up`


def test_the_alerts_are_rules_and_fire_when_they_should():
    done = run("promtool", "check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("promtool", "test", "rules", RULES_TEST)
    assert done.returncode == 0, done.stdout + done.stderr
    tested = re.findall(r"alertname: (\w+)", RULES_TEST.read_text())
    assert {name for name, _ in alerts()} == set(tested)
