# SPDX-License-Identifier: BSD-2-Clause
"""Static probes and the bpftrace scripts of dist/bpftrace, on a kedge at work.

tests/guest/trace.sh runs the scripts in the guests, because loading them depends on the kernel.
"""
import re
import signal
import subprocess

import pytest

import prefix
from client import Client, request
from kedge import BINARY, Kedge, Listener
from machine import ROOT
from process import Process
from rawapp import RawApp

SCRIPTS = ("latency", "reasons", "top-clients")
DOC = (ROOT / "docs/observability.md").read_text()


def documented_probes():
    """{name: number of arguments} from the table of the document."""
    table = DOC[DOC.index("| probe | arguments |"):]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| [^|]+ \|$", table, re.M)
    return {name: len(re.sub(r"\([^)]*\)", "", arguments).split(",")) for name, arguments in rows}


def test_the_probes_are_those_of_the_document():
    notes = subprocess.run(["readelf", "-nW", BINARY], capture_output=True, text=True, check=True).stdout
    found = {}
    for name, arguments in re.findall(r"Provider: kedge\s+Name: (\w+)\s+.*\s+Arguments: (.*)", notes):
        found.setdefault(name, set()).add(len(arguments.split()))
    assert found == {name: {count} for name, count in documented_probes().items()}


def bpftrace(kedge, *args):
    process = Process(["bpftrace", "-p", kedge.pid, *args], name="bpftrace")
    # bpftrace prints the number of probes before it attaches them; BEGIN runs when all are attached.
    process.wait_line("Ctrl-C to end|ready", seconds=60)
    return process


def work(kedge):
    """2 + 3 requests of two named clients, one refusal, one of the peer's own."""
    with Client(kedge["proxy"], prefix.v1("198.51.100.22")) as c:
        for _ in range(2):
            assert c.request().status == 200
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        assert c.response().status == 400
        c.recv_all()
    with Client(kedge["proxy"], prefix.v2("2001:db8::1", "2001:db8::2")) as c:
        c.send(request() * 3)
        assert [c.response().status for _ in range(3)] == [200] * 3
    with Client(kedge["tls"], tls=kedge.context) as c:
        assert c.request().status == 200
    kedge.wait_idle()


@pytest.fixture(scope="module")
def kedge(certs, tls, cgroup):
    with RawApp(cgroup=cgroup) as app, \
            Kedge(certs, app.text, [Listener("proxy", tls=False, proxy="require"), Listener("tls")],
                  cgroup=cgroup) as kedge:
        kedge.context = tls
        yield kedge


def end(process):
    """Its status. bpftrace has missed a Ctrl-C once, so it gets a second one, as from somebody at a terminal."""
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.popen.send_signal(signal.SIGINT)
        return process.wait(60)


@pytest.fixture(scope="module")
def outputs(kedge):
    """What the scripts print at their end. All three watch the same work."""
    running = {name: bpftrace(kedge, ROOT / f"dist/bpftrace/{name}.bt") for name in SCRIPTS}
    work(kedge)
    for process in running.values():
        process.popen.send_signal(signal.SIGINT)
    for process in running.values():
        assert end(process) == 0, process.log()
        process.stop()
    return {name: "\n".join(process.lines) for name, process in running.items()}


def test_latency(outputs):
    """Every stage is there, with an entry for each connection or answer."""
    stages = {}
    for name, lines in re.findall(r"@us\[(.*?)\]: *\n((?:\[.*\n?)+)", outputs["latency"]):
        stages[name] = sum(int(n) for n in re.findall(r"\) +(\d+) \|", lines))
    responses = stages.pop("6 response")
    assert stages == {"1 prefix": 2, "2 handshake": 1, "3 hand-off": 1, "4 connect": 3,
                      "5 first request": 3}
    # Pipelined answers may end with one read.
    assert 4 <= responses <= 6
    assert "@at" not in outputs["latency"]


def test_reasons(outputs):
    assert re.search(r"^@reason\[http_host\]: 1$", outputs["reasons"], re.M), outputs["reasons"]
    assert re.search(r"^@closed: 3$", outputs["reasons"], re.M), outputs["reasons"]


def test_top_clients(outputs):
    found = re.findall(r"^@requests\[(.*)\]: (\d+)$", outputs["top-clients"], re.M)
    assert set(found) == {("198.51.100.22", "2"), ("2001:db8::1", "3"), ("127.0.0.1", "1")}


def test_the_line_of_the_document(kedge):
    """With a lower limit, so that there is output."""
    line = re.search(r"^    bpftrace .* -e '(.*)'$", DOC, re.M)[1].replace("100000", "0")
    process = bpftrace(kedge, "-e", line + ' BEGIN { printf("ready\\n"); }')
    work(kedge)
    process.wait_line(r"^200 after \d+ us$", count=3)
    process.popen.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    process.stop()
