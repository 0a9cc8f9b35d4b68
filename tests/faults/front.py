# SPDX-License-Identifier: BSD-2-Clause
"""kedge with one worker in front of an application that keeps every request, in one of the modes."""
import contextlib
import ctypes
import json
import os
import re
import socket
import struct
import time

import inject
import talk
from kedge import Combination, Kedge, Listener
from machine import PATIENCE, wait_for
from rawapp import RawApp

MODES = {"user": Combination(), "edit": Combination(edit=True), "bypass": Combination(edit=True, bypass=True),
         "record": Combination(record=True), "all": Combination(record=True, edit=True, bypass=True)}
PREFER = ["--record", "prefer", "--edit", "prefer", "--bypass", "prefer"]
# A busy machine must not look like a slow peer.
PATIENT = {f"{name}_timeout_ms": 120000 for name in ("handshake", "connect", "head", "prefix")}
KINDS = ("tls", "clear", "tcp", "proxy")


def listeners():
    return [Listener("tls"), Listener("clear", tls=False), Listener("tcp", mode="tcp"),
            Listener("proxy", tls=False, proxy="require")]


def patient_flags():
    return [word for key, value in PATIENT.items() for word in ("--" + key.replace("_", "-"), str(value))]


def reset_now(sock):
    """connect(2) to no address resets a connection at once, even while another thread waits in recv(2)."""
    nowhere = struct.pack("H14x", socket.AF_UNSPEC)
    if sock.fileno() >= 0:
        ctypes.CDLL(None).connect(sock.fileno(), nowhere, len(nowhere))


class Front:
    """Within `with`, kedge runs. argv_prefix: see Kedge."""

    def __init__(self, certs, mode, group=None, binary=None, argv_prefix=(), flags=(), wait=True):
        self.mode, self._worker, self.spoilt = mode, None, False
        self.entries_stay = False  # a fault left out the call that removes one
        self.app = RawApp(talk.respond, cgroup=group or None)
        try:
            self.kedge = Kedge(certs, self.app.text, listeners(), MODES[mode], group or None,
                               ["--workers", "1", *patient_flags(), *flags], binary=binary, argv_prefix=argv_prefix, wait=wait)
        except BaseException:
            self.app.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.spoilt |= bool(kind)
        self.end()

    def end(self):
        """Ends kedge, and checks that nothing is left, unless something has gone wrong already."""
        try:
            if not self.spoilt and self.alive():
                if not self.entries_stay:
                    wait_for(lambda: not self.kedge.entries_of_flows(), what="entries left in the maps")
                self.kedge.stop()
        finally:
            self.kedge.kill()
            self.app.stop()

    def __getitem__(self, kind):
        return self.kedge[kind]

    def alive(self):
        return self.kedge.process.popen.poll() is None

    def worker(self):
        if not self._worker:
            self._worker = inject.thread(self.kedge.pid, "kedge/0")
        return self._worker

    def settle(self):
        """Waits until the worker waits for events; not for long, because a fault may keep it from that."""
        wchan, end = f"/proc/{self.kedge.pid}/task/{self.worker()}/wchan", time.monotonic() + 0.1 * PATIENCE
        while self.alive() and time.monotonic() < end:
            with open(wchan, encoding="ascii") as file:
                if re.search("ep_poll|epoll_wait", file.read()):  # kernels differ
                    return
            time.sleep(0.0005)

    def main(self):
        return self.kedge.pid

    def ports(self):
        return {listener.address[1] for listener in self.kedge.listeners}

    def status(self):
        """As `kedge status --json` gets it, without a process for it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(10 * PATIENCE)
            s.connect(str(self.kedge.control))
            s.sendall(b"status\n")
            parts = []
            while data := s.recv(65536):
                parts.append(data)
        return json.loads(b"".join(parts))

    def idle(self):
        """Waits until no connection is open; returns the status, or None if that takes too long."""
        end = time.monotonic() + 10 * PATIENCE
        while True:
            status = self.status()
            if status["connections_open"] == 0:
                return status
            if time.monotonic() > end:
                return None
            time.sleep(0.005)

    def fds(self):
        """What its descriptors are, as a sorted list: sockets without their numbers."""
        base = f"/proc/{self.kedge.pid}/fd"
        found = []
        for name in os.listdir(base):
            try:
                found.append(os.readlink(f"{base}/{name}").split("[")[0])
            except FileNotFoundError:
                continue
        return sorted(found)

    def cut(self, near, far):
        """
        If the connection from `near` to `far` goes to the application, it resets it. It may not have accepted it
        yet: kedge sends as soon as the kernel has connected.
        """
        if far != self.app.address:
            return
        with contextlib.suppress(TimeoutError):
            for conn in wait_for(lambda: [conn for conn in self.app.connections if conn.peer == near], 2,
                                 f"connection from {near}", pause=0.002):
                reset_now(conn.sock)

    def requests(self):
        return [req for conn in self.app.connections for req in conn.requests]
