# SPDX-License-Identifier: BSD-2-Clause
"""A proxy with its own backend, both in their own cgroup, ready to be measured."""
import json
import subprocess

import cases
import machine
from process import Process

LOAD = machine.ROOT / "build/bench/load"
BACKEND = machine.ROOT / "build/bench/backend"


class Stand:
    """
    Every proxy has its own backend (the same program) and cgroup, so that a BPF program of one never runs for
    the connections of another. Idle ones cost nothing.
    """

    def __init__(self, peer, certs):
        self.peer, self.proxy, self.backend = peer, None, None
        self.cgroup = machine.Cgroup()
        try:
            self.backend = Process([BACKEND], cgroup=self.cgroup, name="backend")
            port = int(self.backend.wait_line(r"^port (\d+)$")[0][1])
            self.proxy = peer.start(certs, ("127.0.0.1", port), self.cgroup)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        try:
            for part in (self.proxy, self.backend):
                if part:
                    part.stop()
        finally:
            # Processes that ignored the signal, or whose master ended first.
            (self.cgroup.path / "cgroup.kill").write_text("1")
            self.cgroup.remove()

    def load(self, *words):
        """Runs the load client with these arguments. Returns its output, or raises an error with the proxy's log."""
        pids = ",".join(map(str, self.proxy.pids()))
        argv = [LOAD, "--port", self.proxy.address[1], "--cpu", f"proxy={pids}",
                "--cpu", f"backend={self.backend.pid}", *words]
        done = subprocess.run([str(w) for w in argv], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.peer.name}: {done.stderr}{self.proxy.process.log(last=20)}")
        return json.loads(done.stdout)

    def run(self, case, requests, rate=None):
        return self.load(*cases.words(case, requests, rate))
