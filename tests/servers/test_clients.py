# SPDX-License-Identifier: BSD-2-Clause
"""Real clients before real servers: Java's, curl and Node's, each with its own habits."""
import contextlib
import hashlib
import json
import subprocess

import backends
import fronts
from backends import APPS
from kedge import Combination, Kedge, Listener
from machine import PATIENCE

CLEAR = Listener("clear", tls=False)
SERVERS = (backends.Uvicorn, backends.Gunicorn, backends.Node, backends.Go, backends.Nginx, backends.Apache)
SEEN = hashlib.sha256(b"seen\n").hexdigest()


def run(*argv, seconds=120):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, timeout=seconds * PATIENCE)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def ask_with_java(certs, limits, *urls):
    """[(method, url, status, sha256)]"""
    lines = run("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", APPS / "Ask.java", certs.ca, limits, *urls)
    return [tuple(line.split()) for line in lines.splitlines()]


@contextlib.contextmanager
def all_behind(certs, cgroup, editor):
    """{server's name: URL} of a kedge before each."""
    with contextlib.ExitStack() as stack:
        yield {make.name: "http://%s:%d/" % stack.enter_context(
            backends.behind(make, certs, cgroup, [Listener("clear", tls=False)], editor))["clear"]
            for make in SERVERS}


def test_java_asks_for_h2c(certs, cgroup, editor):
    """It does so by default. The application does not see that, and answers in HTTP/1.1."""
    with all_behind(certs, cgroup, editor) as urls:
        got = ask_with_java(certs, "", *urls.values())
    assert {(method, url): answer for method, url, *answer in got} == {
        (method, url): ["200", SEEN] for url in urls.values() for method in ("GET", "POST")}


def test_curl_asks_for_h2c(certs, cgroup, editor):
    with all_behind(certs, cgroup, editor) as urls:
        for name, url in urls.items():
            for body in ((), ("-d", "posted")):
                # Twice over one connection.
                got = run("curl", "-sS", "--http2", *body, "-w", "%{http_code} %{http_version}\n", url, url)
                assert got == "seen\n200 1.1\n" * 2, name


def test_java_renews_its_keys(certs, cgroup):
    """A burst of KeyUpdates at each limit, set to 1 MB instead of Java's 128 GB."""
    with backends.behind(backends.Node, certs, cgroup, [Listener("tls")], Combination()) as kedge:
        url = "https://localhost:%d/large" % kedge["tls"][1]
        got = ask_with_java(certs, "AES/GCM/NoPadding KeyUpdate 2^20", url)
        assert kedge.stat("key_updates") > 4
    sha = hashlib.sha256(backends.LARGE).hexdigest()
    assert got == [(method, url, "200", sha) for method in ("GET", "POST")]


def test_node_and_an_application_that_is_down(certs, cgroup, editor):
    """kedge's own answer to a HEAD must have no body. Otherwise Node reads the next answer wrongly."""
    asked = ["HEAD /", "GET /", "HEAD /", "HEAD /", "POST /", "GET /"]
    with Kedge(certs, "127.0.0.1:1", [CLEAR], editor, cgroup) as kedge:
        got = json.loads(run("node", APPS / "agent.js", kedge["clear"][1], *asked))
    assert [a.get("status") for a in got] == [502] * len(asked), got
    assert [bool(a["body"]) for a in got] == [not a.startswith("HEAD") for a in asked]


def test_node_keeps_its_connection(certs, cgroup, editor):
    """It works as without kedge."""
    asked = ["HEAD /", "GET /", "HEAD /", "POST /", "DELETE /", "GET /"]
    with backends.behind(backends.Node, certs, cgroup, [CLEAR], editor) as kedge:
        got, direct = (json.loads(run("node", APPS / "agent.js", port, *asked))
                       for port in (kedge["clear"][1], kedge.server.port))
    assert got == direct and [a["status"] for a in got] == [200] * len(asked)
    assert sum(a["reused"] for a in got) >= 3


def test_curl_asks_again(certs, cgroup, editor):
    """The application closes after each answer without `Connection: close`. kedge adds no answer of its own."""
    count = 40
    with backends.behind(fronts.UwsgiSocket, certs, cgroup, [Listener("clear", tls=False)], editor) as kedge:
        url = "http://127.0.0.1:%d/" % kedge["clear"][1]
        got = run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}\n", f"{url}?[1-{count}]")
    assert got.split() == ["200"] * count
