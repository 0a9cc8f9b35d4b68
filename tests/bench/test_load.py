# SPDX-License-Identifier: BSD-2-Clause
"""The load client: its measurements are right, and it notices errors."""
import json
import signal
import subprocess
import threading
import time

import pytest
from process import Process
from rawapp import RawApp, answer
from stand import BACKEND, LOAD


@pytest.fixture
def backend():
    with Process([BACKEND], name="backend") as process:
        process.port = int(process.wait_line(r"^port (\d+)$")[0][1])
        yield process


def load(port, *words):
    return subprocess.run([str(w) for w in (LOAD, "--plain", "--port", port, *words)],
                          capture_output=True, text=True, timeout=120, check=False)


def result(port, *words):
    done = load(port, *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_counts_and_cpu_of_others(backend):
    got = result(backend.port, "--requests", 2000, "--connections", 8, "--size", 5000,
                 "--cpu", f"backend={backend.pid}")
    assert got["requests"] == 2000
    assert 0 < got["p50_ns"] <= got["p99_ns"] <= got["p999_ns"] <= got["max_ns"] <= got["wall_ns"]
    # Two thousand answers cost CPU, and one thread cannot use more than the elapsed time.
    assert 10**6 < got["cpu_ns"]["backend"] <= got["wall_ns"] * 1.1


def test_uploads(backend):
    result(backend.port, "--requests", 20, "--connections", 2, "--upload", 1 << 20, "--size", 10)


def test_a_rate_is_kept(backend):
    got = result(backend.port, "--requests", 500, "--connections", 4, "--rate", 1000)
    assert got["wall_ns"] >= 0.498 * 10**9


def test_a_stall_shows_in_the_latency_of_all_that_were_due(backend):
    """300 of 1000 requests fall due while the server is stopped. A closed loop would hide 299 of them."""
    def stall():
        time.sleep(0.3)
        backend.popen.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        backend.popen.send_signal(signal.SIGCONT)
    thread = threading.Thread(target=stall)
    thread.start()
    got = result(backend.port, "--requests", 1000, "--connections", 2, "--rate", 1000)
    thread.join()
    assert got["max_ns"] > 0.25 * 10**9
    assert got["p99_ns"] > 0.2 * 10**9


@pytest.mark.parametrize("respond", [
    pytest.param(lambda conn, req: answer(body=b"x" * 99), id="wrong length"),
    pytest.param(lambda conn, req: answer("404 Not Found", b"x" * 100), id="wrong status"),
    pytest.param(lambda conn, req: conn.close(), id="closed"),
    pytest.param(lambda conn, req: answer(body=b"x" * 100) + b"y", id="too much"),
])
def test_a_wrong_answer_is_an_error(respond):
    with RawApp(respond=respond) as app:
        done = load(app.address[1], "--size", 100, "--requests", 10)
    assert done.returncode == 1 and done.stderr.startswith("load: "), done
    assert not done.stdout


def test_silence_is_an_error():
    with RawApp(respond=lambda conn, req: None) as app:
        done = load(app.address[1], "--size", 100, "--requests", 1, "--patience", 1)
    assert done.returncode == 1 and "nothing came" in done.stderr


def test_a_measured_process_that_is_not_there(backend):
    with Process(["true"]) as gone:
        gone.wait()
        done = load(backend.port, "--cpu", f"proxy={gone.pid}")
    assert done.returncode == 2
