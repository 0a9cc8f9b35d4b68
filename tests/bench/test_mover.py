# SPDX-License-Identifier: BSD-2-Clause
"""The relay with both engines: the same bytes, also for slow readers, and as few calls as documented; its report."""
import json
import re
import signal
import subprocess
import time

import mover_report
import movers
import native
import peers
import pytest
from client import Client, request
from process import Process
from stand import Stand
from verify import body, verify


# So few buffers that directions must wait for one.
FEW = peers.Peer("uring, 8 buffers", program=movers.Engine(("--engine", "uring", "--buffers", "8")))


@pytest.fixture(scope="module")
def stands(certs):
    possible = subprocess.run([movers.MOVE, "--engine", "uring", "--app", "127.0.0.1:1", "--buffers", "3"],
                              capture_output=True, text=True, check=False)
    assert "power of two" in possible.stderr, possible
    found = {}
    try:
        for peer in [*movers.CLEAR, FEW]:
            try:
                found[peer.name] = Stand(peer, certs)
            except RuntimeError as error:
                if "io_uring is not possible" not in str(error):
                    raise
        yield found
    finally:
        for stand in found.values():
            stand.stop()


@pytest.fixture(params=[peer.name for peer in [*movers.CLEAR, FEW]])
def stand(request, stands):
    if request.param not in stands:
        pytest.skip("no io_uring on this machine")
    return stands[request.param]


def test_the_same_bytes(stand):
    verify(stand, None)
    for case in movers.cases(2000, 200):
        stand.run(case, case.requests)


def test_a_reader_that_is_slow(stand):
    """
    A client asks for twenty megabytes at once and reads slowly. Its bytes wait in order, and other clients do not
    wait. It uses all of a ring of eight buffers.
    """
    size, count = 1 << 20, 20
    alone = stand.peer is FEW
    with Client(stand.proxy.address) as slow, Client(stand.proxy.address) as other:
        slow.send(request(target=f"/{size}") * count)
        time.sleep(0.3)
        for _ in range(0 if alone else 50):
            other.send(request(target="/100"))
            assert other.response().body == body(100)
        for _ in range(count):
            assert slow.response().body == body(size)


def test_a_client_that_goes_away(stand):
    """In the middle of an answer, by a reset."""
    for _ in range(20):
        with Client(stand.proxy.address) as c:
            c.send(request(target=f"/{1 << 20}") * 4)
            c.reset()
    verify(stand, None, sizes=(100,))


def counted(stand, requests):
    """System calls a request of the proxy, by strace."""
    pid = stand.proxy.pids()[0]
    with Process(["strace", "-f", "-c", "-U", "calls,name", "-p", pid], name="strace") as strace:
        strace.wait_line("attached")
        stand.load("--plain", "--connections", 1, "--size", 1024, "--requests", requests)
        strace.stop(signal.SIGINT)
        total = strace.matches(r"^\s*(\d+) total$")
    return int(total[0][1]) / requests


@pytest.mark.parametrize("name, calls", [("epoll", 6), ("uring", 2)])
def test_calls_a_request(stands, name, calls):
    """One connection: epoll waits, reads and writes for the request and for the answer; io_uring waits."""
    if name not in stands:
        pytest.skip("no io_uring on this machine")
    # A new connection costs some twenty calls.
    assert calls - 0.05 <= counted(stands[name], 1000) <= calls + 0.1


def test_facts_of_this_kernel(stands):
    if "uring" not in stands:
        pytest.skip("no io_uring on this machine")
    facts = movers.native_facts()
    assert facts["seccomp that refuses sendto, sendto(2)"] == "EPERM"
    assert facts["seccomp that refuses sendto, io_uring's send"] == "1 bytes"
    assert all(" an X-Forwarded-For" in seen for name, seen in facts.items() if name.startswith("sk_msg"))


def of_guest(whole):
    return {"whole": whole, "proxy": whole / 2, "proxy_user": 500, "syscalls": 4.0, "all_syscalls": 10.0,
            "switches": 0.5, "idle": 0.0}


def test_the_report(stands, tmp_path, monkeypatch, capsys):
    if "uring" not in stands:
        pytest.skip("no io_uring on this machine")
    bench = native.Native(movers.cases(200, 50), [stands[peer.name] for peer in movers.CLEAR], rounds=2, scale=1)
    bench.run()
    bench.calls = {case.name: {"epoll": {"recvfrom": 4.0}, "uring": {"io_uring_enter": 1.0},
                               "uring-basic": {"io_uring_enter": 2.0}} for case in bench.cases}
    whole = {"epoll": 50000, "uring": 48000, "uring-basic": 55000, "epoll+record": 90000, "uring+record": 99000}
    by_peer = {name: {case.name: [of_guest(w)] for case in bench.cases} for name, w in whole.items()}
    monkeypatch.setenv("BENCH_OUT", str(tmp_path))
    monkeypatch.setattr(mover_report.guest, "fetch", lambda label: f"{label} of a test")
    monkeypatch.setattr(mover_report.guest, "qemu_version", lambda: "7")
    mover_report.write({"6.12": by_peer}, bench, {"native": {mover_report.PRICE: "1000 ns", "a fact": "seen"}}, [1])
    text = (tmp_path / "mover.md").read_text()
    assert re.search(r"\| get1k-c32 \| uring \| 48\.0 \(0\.0%\) \| 0\.960 ", text)
    assert re.search(r"\| get64k \| uring\+record \| 99\.0 \(0\.0%\) \| 1\.100 ", text)
    assert re.search(r"\| get1k-c1 \|.*\| 3\.00 \| 3\.00 \|", text)
    assert "| a fact | seen |" in text
    assert json.loads((tmp_path / "mover.json").read_text())["guests"]["6.12"]["engines"].keys() == whole.keys()
