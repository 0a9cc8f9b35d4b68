# SPDX-License-Identifier: BSD-2-Clause
"""kedge probe --speed, wherever it may be run. With kernel TLS: tests/guest/test_speed.py."""
import signal
import subprocess

import pytest

import speed_report
from kedge import BINARY, probe
from machine import wait_for
from run import run


@pytest.fixture(scope="module")
def kernel():
    """Can this kernel carry records?"""
    return not probe()["record"]


def speed(*before, words=()):
    return run(*before, BINARY, "probe", "--speed", *words, timeout=60)


def check(done, kernel):
    assert done.returncode == 0 and done.stderr == "", done.stderr
    speed_report.check_text(done.stdout, kernel)


def test_all_figures_are_there(kernel):
    done = speed(words=["--json"])
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert set(speed_report.check_json(done.stdout).values()) == {kernel}


def test_a_kernel_without_tls_is_named_with_its_cause(kernel):
    done = speed()
    check(done, kernel)
    why = probe()["record"]
    assert kernel or f"This kernel cannot carry the records: {why}\nnext step: " in done.stdout


def test_one_cpu_is_enough(kernel):
    check(speed("taskset", "-c", "0"), kernel)


def test_it_needs_no_privileges(nobody, kernel):
    binary, become = nobody
    check(run(*become, binary, "probe", "--speed", timeout=60), kernel)


def test_it_needs_few_descriptors(kernel):
    check(speed("prlimit", "--nofile=64", "--"), kernel)


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("before, what, next_step", [
    (["prlimit", "--nofile=10", "--"], "Too many open files", "(ulimit -n)"),
    (["unshare", "--net"], "Network is unreachable", "(ip link set lo up)"),
], ids=["no descriptors", "no loopback"])
def test_a_failure_says_what_to_do(before, what, next_step, words):
    """Nothing is printed then that could be taken for a figure."""
    done = speed(*before, words=words)
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "error: speed: connections over 127.0.0.1: " in done.stderr
    assert f"{what}: nothing was measured: " in done.stderr and next_step in done.stderr


def test_closed_standard_streams():
    """The sockets do not take the place of standard output."""
    done = run("sh", "-c", '"$0" probe --speed <&- >&-', BINARY, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr


@pytest.mark.parametrize("words, said", [
    (["--sped"], "--sped: unknown option; did you mean --speed?"),
    (["--speed=fast"], "--speed=fast: takes no value"),
    (["--speed", "fast"], "fast: not an option: see kedge probe --help"),
    (["--speed", "--cgroup", "/sys/fs/cgroup"], "--cgroup: is for the BPF programs"),
])
def test_mistakes(words, said):
    done = run(BINARY, "probe", *words)
    assert done.returncode == 2 and done.stdout == "" and said in done.stderr, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_in_the_middle(number):
    """Nothing is done by another process, and nothing is left open: kedge has one thread, which ends."""
    with subprocess.Popen([BINARY, "probe", "--speed"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        def sockets():
            return run("ss", "-tnp").stdout.count(f",pid={process.pid},")
        # Both ends of nine legs.
        wait_for(lambda: sockets() >= 18 or process.poll() is not None, what="legs", pause=0.005)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert process.returncode == -number and out == b"" and err == b""
        assert sockets() == 0


def test_it_stops_and_goes_on(kernel):
    """A stop (Ctrl-Z) takes no CPU time, and interrupts no step."""
    with subprocess.Popen([BINARY, "probe", "--speed"], stdout=subprocess.PIPE, text=True) as process:
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: "State:\tT" in open(f"/proc/{process.pid}/status", encoding="ascii").read(), what="stop")
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    speed_report.check_text(out, kernel)
