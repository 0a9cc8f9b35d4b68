# SPDX-License-Identifier: BSD-2-Clause
"""kedge status for people: what it shows, its width, and who may ask."""
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from client import Client, tls_context
from kedge import BINARY, Kedge, Listener
from process import Process
from run import run


@pytest.fixture(scope="module")
def kedge(certs, cgroup, app):
    """One that has had three requests and a refusal."""
    with Kedge(certs, app.text, [Listener("tls"), Listener("clear", tls=False)], cgroup=cgroup) as kedge:
        with Client(kedge["tls"], tls=tls_context(certs.ca)) as c:
            for _ in range(3):
                assert c.request().status == 200
        with Client(kedge["clear"]) as c:
            c.send(b"GET / HTTP/1.1\r\n\r\n")
            assert c.response().status == 400
        kedge.wait_idle()
        yield kedge


def shown(kedge, *args):
    done = run(BINARY, "status", "--control", kedge.control, *args)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_first_lines(kedge):
    status, text = kedge.status(), shown(kedge)
    assert re.match(rf"kedge \d+\.\d+\.\d+(?:-dev)?, pid {kedge.pid}, up (?:\d+ min )?\d+ s, \d+ workers?\n"
                    r"configuration 1, from the command line\n"
                    r"connections: 0 open, 2 accepted\n"
                    r"requests: 3, 0\.0/s now, [\d.]+/s on average\n", text), text
    for name in ("record", "edit", "bypass", "peername", "guard"):
        word = status[name] + (" space" if status[name] == "user" else "")
        why = status["capability_reasons"].get(name)
        line = " ".join(re.search(rf"^{name} +(.*(?:\n {{10}}.*)*)", text, re.M)[1].split())
        assert line == (f"{word} ({why})" if why else word)
    assert status["capability_reasons"]["bypass"] == "default"
    for name in ("tls", "clear"):
        assert re.search(r"^%s:%d +0 +1 +\d 	*" % kedge[name], text, re.M), text


def test_zeros_are_there_if_asked_for(kedge):
    few, all_of_them = shown(kedge), shown(kedge, "--all")
    names = [*kedge.status()["stats"], *kedge.status()["reasons"]]
    assert len(names) > 80
    for name in names:
        assert re.search(rf"^{name} +\d+ ", all_of_them, re.M), name
    values = re.findall(r"^[a-z]\w+ +(\d+)  \w", few, re.M)
    assert len(values) > 5 and "0" not in values, few
    assert max(map(len, (few + all_of_them).splitlines())) < 80


def test_json_says_the_same_with_and_without_all(kedge):
    def members(*args):
        import json
        return set(json.loads(shown(kedge, "--json", *args)))
    assert members() == members("--all") >= {"version", "pid", "uptime_ms", "config", "requests", "state"}


def test_requests_and_responses_by_listener(kedge):
    status = kedge.status()
    rows = {row["listener"]: row for row in status["listeners"]}
    tls, clear = (rows["{}:{}".format(*kedge[name])] for name in ("tls", "clear"))
    assert (tls["requests"], tls["responses"]["2xx"], sum(tls["responses_own"].values())) == (3, 3, 0)
    assert (clear["requests"], clear["responses_own"]["4xx"], sum(clear["responses"].values())) == (0, 1, 0)
    assert status["requests"] == 3


def test_who_may_not_ask_is_told_who_may(kedge):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    # A binary that the user can reach, wherever this one is.
    binary = kedge.base / "kedge"
    shutil.copy(BINARY, binary)
    done = run("setpriv", "--reuid=nobody", "--clear-groups", binary, "status", "--control", kedge.control)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"kedge: error: control socket {kedge.control}: permission denied: it belongs to root: "
                           "ask as that user, or as root (sudo)\n")


def test_a_drain_is_shown(certs, cgroup, app):
    kedge = Kedge(certs, app.text, [Listener("clear", tls=False)], cgroup=cgroup)
    try:
        with Client(kedge["clear"]) as c:
            c.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            kedge.wait_status(lambda s: s["requests"] == 1)
            os.kill(kedge.pid, signal.SIGTERM)
            kedge.process.wait_line("draining")
            assert kedge.status()["state"] == "draining"
            assert re.match(r"kedge .*, \d+ workers?, draining\n", shown(kedge))
    finally:
        kedge.kill()


@pytest.mark.parametrize("command", ["status", "status --all", "status --json", "server --json", "reload", "help run", "check --schema",
                                     "check --reference", "version"])
def test_half_of_an_answer_is_a_failure(kedge, command):
    """A script that keeps it in a file must not take it for all there is."""
    words = command.split()
    words += ["--control", kedge.control] if words[0] in ("status", "server", "reload") else []
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BINARY, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("kedge: error: standard output: not all of it could be written")


@pytest.mark.parametrize("answer, said", [
    (b"", "closed without an answer"),
    (b"<!DOCTYPE html>\n<html></html>\n", "<!DOCTYPE html>"),
    (b'{"version": "1", "pi', "breaks off after 20 bytes"),
    (b'{"a": 1}', r"{\x22a\x22: 1}"),
    (b"[]", "[]"),
], ids=["nothing", "html", "half", "another-shape", "list"])
@pytest.mark.parametrize("command", ["status", "status --json", "top --batch -n 1", "reload", "server", "server --json", "server a:1 down"])
def test_a_stranger_is_not_taken_for_kedge(tmp_path, command, answer, said):
    path = str(tmp_path / "socket")

    def serve(listener):
        while True:
            try:
                peer = listener.accept()[0]
            except OSError:
                return
            with peer:
                peer.recv(1024)
                peer.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        done = run(BINARY, *command.split(), "--control", path)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"kedge: error: control socket {path}: "), done.stderr
    assert said in done.stderr


def test_a_stopped_kedge(certs, cgroup, app):
    """As after Ctrl-Z: who asks learns why it takes so long, and another kedge does not say that this one answers."""
    with Kedge(certs, app.text, [Listener("clear", tls=False)], cgroup=cgroup) as kedge:
        os.kill(kedge.pid, signal.SIGSTOP)
        try:
            with Process([BINARY, "status", "--control", kedge.control]) as asks:
                asks.wait_line(rf"kedge: warning: control socket {kedge.control}: no answer yet: is that kedge stopped\? "
                               r"Waiting up to 30 s; Ctrl-C gives up")
                done = run(BINARY, "run", "--tls", "off", "--listen", "127.0.0.1:0", "--app", app.text, "--pin", "off",
                           "--control", kedge.control)
                assert done.returncode == 1
                assert "another process listens there (set --control PATH)" in done.stderr
                os.kill(kedge.pid, signal.SIGCONT)
                assert asks.wait() == 0
                assert asks.matches(rf"pid {kedge.pid}\b")
        finally:
            os.kill(kedge.pid, signal.SIGCONT)
