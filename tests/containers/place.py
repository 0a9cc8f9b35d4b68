# SPDX-License-Identifier: BSD-2-Clause
"""A root of Debian that base.sh has made, in namespaces of its own. All that is started in it ends with it."""
import subprocess
from pathlib import Path

import machine
from machine import PATIENCE, ROOT
from netns import Namespace
from process import Process

INSIDE = """\
mount -t proc proc /proc
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo ready
exec sleep infinity"""


def only_child(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


class Place:
    """`build`, a directory, is /kedge/build inside."""

    def __init__(self, root, build):
        self.cgroup = machine.Cgroup()
        self.space = Namespace("network")
        self.holder = Process([*self.space.argv, "unshare", "--cgroup", "--pid", "--fork", "--kill-child", "bash", "-c",
                               '. "$0"; in_root "$@"', ROOT / "tests/root.sh", root, ROOT, build, "bash", "-c", INSIDE],
                              cgroup=self.cgroup, name=root.name)
        self.holder.wait_line("ready", seconds=30)
        # unshare, process 1, and what that has started.
        self.pid = only_child(only_child(self.holder.pid))
        self.delegate()

    def delegate(self):
        """What is started inside may have the limits that we may have: where processes are in the upper cgroup, none could."""
        first = self.cgroup.path / "init"
        first.mkdir()
        for pid in (self.cgroup.path / "cgroup.procs").read_text().split():
            (first / "cgroup.procs").write_text(pid)
        for controller in (self.cgroup.path / "cgroup.controllers").read_text().split():
            (self.cgroup.path / "cgroup.subtree_control").write_text(f"+{controller}")

    def argv(self, *argv, **env):
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-C", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                "LC_ALL=C.UTF-8", *(f"{k}={v}" for k, v in env.items()), *map(str, argv)]

    def __call__(self, *argv, timeout=60, **kwargs):
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True, check=False, timeout=timeout * PATIENCE, **kwargs)
        assert done.returncode == 0, f"{argv}: {done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def stop(self):
        self.holder.popen.kill()
        self.holder.stop()
        self.space.stop()
        groups = [path for path in self.cgroup.path.rglob("*") if path.is_dir()]
        for group in sorted(groups, reverse=True):
            machine.wait_for(lambda group=group: not (group / "cgroup.procs").read_text(), what=f"{group} is empty")
            group.rmdir()
        self.cgroup.remove()
