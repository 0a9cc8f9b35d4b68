# SPDX-License-Identifier: BSD-2-Clause
"""A Debian system of its own, with systemd and the package's files, in namespaces: see boot.sh."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import machine
from run import run

HERE = Path(__file__).parent


class System:
    def __init__(self, root):
        self.scratch = Path(tempfile.mkdtemp(prefix="kedge-deb-", dir=root.parent))
        self.cgroup = machine.Cgroup()
        self.outer = subprocess.Popen(  # pylint: disable=consider-using-with
            ["sh", "-c", 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"', "-", str(self.cgroup.path),
             str(HERE / "boot.sh"), str(root), str(self.scratch)])
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        self.pid = int(machine.wait_for(lambda: children.read_text().split(), 20, "systemd's process")[0])
        try:
            self.wait_running()
        except BaseException:
            self.stop()
            raise

    def wait_running(self):
        def state():
            return self.run("systemctl", "is-system-running").stdout.strip()
        machine.wait_for(lambda: state() in ("running", "degraded"), 60, "a started systemd", pause=0.3)
        assert state() == "running", self.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").stdout

    def argv(self, *argv):
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-C", "-u", "-i", "env", "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *map(str, argv)]

    def run(self, *argv, **kwargs):
        return run(*self.argv(*argv), timeout=60, **kwargs)

    def ok(self, *argv, **kwargs):
        done = self.run(*argv, **kwargs)
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout.strip()

    def write(self, path, text, mode="0644"):
        self.ok("sh", "-c", 'cat >"$1" && chmod "$2" "$1"', "-", path, mode, input=text)

    def outside(self, *argv):
        """A command of this machine, with the network of the system."""
        return ["nsenter", "-t", str(self.pid), "-n", *map(str, argv)]

    def shows(self, unit, key):
        return self.ok("systemctl", "show", "-p", key, "--value", unit)

    def log(self, unit):
        return self.ok("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def stop(self):
        # The outer process waits for this one, and no signal ends it sooner.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.outer.wait()
        groups = [path for path in self.cgroup.path.rglob("*") if path.is_dir()]
        for group in sorted(groups, reverse=True):
            machine.wait_for(lambda group=group: not group.exists() or not (group / "cgroup.procs").read_text(), 10,
                             "an empty cgroup")
            group.rmdir()
        self.cgroup.remove()
        shutil.rmtree(self.scratch)
