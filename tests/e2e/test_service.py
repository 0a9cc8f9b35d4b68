# SPDX-License-Identifier: BSD-2-Clause
"""The service manager's protocol: sockets passed at start, readiness, reload, stop, watchdog."""
import ctypes
import os
import signal
import socket
import time

import pytest

import machine
from client import Client
from kedge import BINARY, SANITIZER_OPTIONS, Kedge, Listener
from process import Process
from rawapp import RawApp


class Manager:
    """The socket of a service manager, and what it has received: a dict for each message."""

    def __init__(self, tmp_path):
        self.path = tmp_path / "notify"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(self.path))
        self.env = {"NOTIFY_SOCKET": str(self.path)}

    def watch(self, seconds):
        self.env["WATCHDOG_USEC"] = str(int(seconds * 1e6))

    def hear(self, seconds=20):
        self.sock.settimeout(machine.Deadline(seconds).left())
        return dict(line.split("=", 1) for line in self.sock.recv(4096).decode().splitlines())

    def hear_until(self, key, seconds=20):
        deadline = machine.Deadline(seconds, f"a message with {key}")
        while True:
            message = self.hear(deadline.left())
            if key in message:
                return message

    def pings(self, seconds):
        """How many come in that time."""
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            self.sock.settimeout(max(end - time.monotonic(), 0.001))
            try:
                count += b"WATCHDOG=1" in self.sock.recv(4096)
            except TimeoutError:
                pass
        return count


@pytest.fixture
def manager(tmp_path):
    m = Manager(tmp_path)
    yield m
    m.sock.close()


def started(manager, app, *flags, **env):
    return Kedge(None, app.text, [Listener("clear", tls=False)], flags=["--edit", "off", *flags],
                 env={**os.environ, **(manager.env if manager else {}), **env})


def test_what_the_manager_is_told(manager):
    with RawApp() as app, started(manager, app, "--drain-timeout-ms", "7000") as kedge:
        ready = manager.hear()
        assert ready["READY"] == "1" and "1 listener, " in ready["STATUS"]
        assert kedge.reload().returncode == 0
        reloading = manager.hear()
        assert reloading["RELOADING"] == "1"
        assert 0 <= time.monotonic() - int(reloading["MONOTONIC_USEC"]) / 1e6 < 60
        assert manager.hear()["READY"] == "1"
        kedge.process.popen.send_signal(signal.SIGTERM)
        stopping = manager.hear()
        assert stopping["STOPPING"] == "1"
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) >= 7000000
        assert kedge.process.wait() == 0


def test_what_the_manager_is_told_of_a_delay(manager):
    """It must wait for the delay and the drain, whatever TimeoutStopSec= is."""
    flags = ["--shutdown-delay-ms", "600000", "--drain-timeout-ms", "7000"]
    with RawApp() as app, started(manager, app, *flags) as kedge:
        manager.hear_until("READY")
        kedge.process.popen.send_signal(signal.SIGTERM)
        stopping = manager.hear_until("STOPPING")
        assert stopping["STATUS"] == "shutting down" and int(stopping["EXTEND_TIMEOUT_USEC"]) >= 607000000
        kedge.process.popen.send_signal(signal.SIGTERM)
        assert manager.hear_until("STOPPING")["STATUS"] == "draining"
        assert kedge.process.wait() == 0


def test_a_refused_reload_is_ready_again(manager, tmp_path):
    path = tmp_path / "kedge.yaml"
    path.write_text("xff: append\n")
    with RawApp() as app, started(manager, app, "-c", path) as kedge:
        manager.hear_until("READY")
        path.write_text("xff: perhaps\n")
        kedge.process.popen.send_signal(signal.SIGHUP)
        manager.hear_until("RELOADING")
        assert "refused" in manager.hear_until("READY")["STATUS"]


def test_without_a_manager():
    with RawApp() as app, started(None, app) as kedge, Client(kedge["clear"]) as c:
        assert c.request().status == 200


# --- watchdog -----------------------------------------------------------------------------------
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


class Stopped:
    """One thread of a process, stopped while the others run."""

    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def __init__(self, tid):
        self.tid = tid

    def _ptrace(self, request):
        if self.libc.ptrace(request, self.tid, None, None) < 0:
            raise OSError(ctypes.get_errno(), f"ptrace({request:#x})")

    def __enter__(self):
        self._ptrace(PTRACE_SEIZE)
        self._ptrace(PTRACE_INTERRUPT)
        os.waitpid(self.tid, 0x40000000)  # __WALL: a thread that is no child
        return self

    def __exit__(self, *_):
        self._ptrace(PTRACE_DETACH)


def worker_thread(pid, index):
    for tid in os.listdir(f"/proc/{pid}/task"):
        if open(f"/proc/{pid}/task/{tid}/comm").read().strip() == f"kedge/{index}":
            return int(tid)
    raise LookupError(f"worker {index}")


def test_a_stuck_worker_ends_the_pings(manager):
    """Idle workers answer. If one does not run, the manager gets no more pings."""
    manager.watch(2)
    with RawApp() as app, started(manager, app, "--workers", "2") as kedge:
        manager.hear_until("WATCHDOG")
        for _ in range(4):  # from loops that have nothing to do
            manager.hear_until("WATCHDOG", seconds=2)
        with Stopped(worker_thread(kedge.pid, 1)):
            manager.pings(1.5)  # one may be on its way
            assert manager.pings(3) == 0
            assert kedge.status()["workers"] == 2  # the main thread is well
        manager.hear_until("WATCHDOG", seconds=5)


def test_a_stopped_process_of_another_is_not_watched(manager):
    """WATCHDOG_PID names another process."""
    manager.watch(0.2)
    with RawApp() as app, started(manager, app, WATCHDOG_PID="1"):
        manager.hear_until("READY")
        assert manager.pings(1) == 0


# --- socket activation ----------------------------------------------------------------------------
LISTEN = 'exec 3<&"$0" 4<&"$1"; export LISTEN_PID=$$ LISTEN_FDS=2; shift; exec "$@"'


class Activated(Process):
    """kedge with two sockets that listen already. `flags` describes the first one."""

    def __init__(self, first, second, *flags):
        argv = ["bash", "-c", LISTEN, first.fileno(), second.fileno(), BINARY, "run", *flags,
                "--pin", "off", "--edit", "off"]
        super().__init__(argv, env={**os.environ, **SANITIZER_OPTIONS}, name="kedge",
                         pass_fds=[first.fileno(), second.fileno()])


def listening(host="127.0.0.1"):
    sock = socket.socket()
    sock.bind((host, 0))
    sock.listen(128)
    return sock


def text(sock):
    return "%s:%d" % sock.getsockname()


def test_sockets_are_matched_by_their_address(tmp_path):
    """The order does not matter, clients that waited before the start are served, and all workers accept."""
    one, two = listening(), listening()
    with RawApp() as app:
        waiting = Client(one.getsockname())
        process = Activated(one, two, "--app", app.text, "--control", tmp_path / "control", "--tls",
                            "off", "--workers", "3", "--listen", text(two), "--xff", "append",
                            "--listen", text(one))
        try:
            process.wait_line("kedge: info: ready", seconds=60)
            assert len(process.matches("passed by the service manager")) == 2
            assert waiting.request().status == 200
            for sock in (one, two):
                for _ in range(20):
                    with Client(sock.getsockname()) as c:
                        assert c.request().status == 200
        finally:
            assert process.stop() == 0
        waiting.close()
        # Still there for the next one.
        late = Client(one.getsockname())
        late.close()
    one.close()
    two.close()


def test_a_socket_that_nobody_wants_is_said(tmp_path):
    one, two = listening(), listening()
    with RawApp() as app:
        process = Activated(one, two, "--app", app.text, "--control", "off", "--tls", "off",
                            "--listen", text(one))
        try:
            process.wait_line("kedge: info: ready", seconds=60)
            assert process.matches(rf"descriptor 4 .* {text(two)}, belongs to no listener")
        finally:
            assert process.stop() == 0
    one.close()
    two.close()


def test_a_reload_comes_back_to_a_passed_socket(tmp_path):
    one, two = listening(), listening()
    path = tmp_path / "kedge.yaml"

    def write(*socks):
        path.write_text(f"app: {app.text}\ntls: off\nlisteners:\n"
                        + "".join(f"- listen: {text(s)}\n" for s in socks))
    with RawApp() as app:
        write(one)
        process = Activated(one, two, "-c", path, "--control", "off")
        try:
            process.wait_line("kedge: info: ready", seconds=60)
            for number, socks in enumerate(((two,), (one, two), (one,), (two,)), start=2):
                write(*socks)
                process.popen.send_signal(signal.SIGHUP)
                process.wait_line(f"configuration {number} is in force")
                for sock in socks:
                    with Client(sock.getsockname()) as c:
                        assert c.request().status == 200
        finally:
            assert process.stop() == 0
    one.close()
    two.close()


def test_what_is_passed_must_listen(tmp_path):
    one, two = listening(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    process = Activated(one, two, "--app", "127.0.0.1:9", "--control", "off", "--tls", "off",
                        "--listen", text(one))
    assert process.wait(60) == 1
    assert process.matches("error: descriptor 4 .* no listening TCP or unix stream socket")
    process.stop()
    one.close()
    two.close()
