# SPDX-License-Identifier: BSD-2-Clause
"""A place where the commands of the documents run as they are written: ports, paths and all.

A network namespace of its own with nothing but loopback (every port is free), and a mount namespace with
its own /sys/fs/bpf, /run and /etc, and a /usr/share of which changes end with it. Both end with the sandbox.
"""
import os
import shutil
from pathlib import Path

import machine
from process import Process
from run import run
from story import node_env

SETUP = r"""
set -e
ip link set lo up
mount -t bpf bpf /sys/fs/bpf
cp -a /etc "$1/etc" && mount --bind "$1/etc" /etc
mount -t tmpfs tmpfs /run
mkdir /etc/kedge "$1/share" && mount -t tmpfs tmpfs "$1/share" && mkdir "$1/share/upper" "$1/share/work"
mount -t overlay -o lowerdir=/usr/share,upperdir="$1/share/upper",workdir="$1/share/work" overlay /usr/share
echo "the sandbox is ready"
exec sleep infinity
"""


# What `make`, the unit tests and the tests of the BPF programs leave in build/.
BUILT = ("flags", "*.bpf.o", "*.bpf.d", "*.skel.h", "kedge", "user", "asan")


def copy_tree(to):
    """Copies the sources and what is built of them, with their times, so that make has nothing to do there."""
    shutil.copytree(machine.ROOT, to, symlinks=True,
                    ignore=shutil.ignore_patterns("build", ".git", "__pycache__", ".pytest_cache"))
    (to / "build").mkdir()
    for path in [path for pattern in BUILT for path in (machine.ROOT / "build").glob(pattern)]:
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, to / "build" / path.name)


class Sandbox:
    """
    `base` becomes the current directory of the commands; the tree's build/ is in it. With own_tree it is a
    copy of the tree, which may be changed.
    """

    def __init__(self, base, cgroup=None, own_tree=False):
        self.home = Path(base) / "home"
        if own_tree:
            copy_tree(self.home)
        else:
            self.home.mkdir()
            (self.home / "build").symlink_to(machine.ROOT / "build")
        self.cgroup = cgroup
        self.running = []
        self.env = {**node_env(PORT=3000), "CAROOT": str(self.home), "TRUST_STORES": "nss",
                    "CURL_CA_BUNDLE": str(self.home / "rootCA.pem"),
                    "PATH": f"{machine.ROOT / 'build'}:/usr/sbin:/sbin:{os.environ['PATH']}"}
        self.holder = Process(["unshare", "-m", "-n", "bash", "-c", SETUP, "sandbox", str(base)],
                              name="sandbox")
        self.holder.wait_line("the sandbox is ready", seconds=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_all()
        self.holder.stop()

    def _argv(self, text):
        return ["nsenter", "-t", self.holder.pid, "-m", "-n", f"--wd={self.home}", "bash", "-c", text]

    def run(self, text, **kwargs):
        """Runs a command to its end."""
        return run(*self._argv(text), env=self.env, **kwargs)

    def start(self, text, name):
        """Starts a command that goes on until stop_all()."""
        process = Process(self._argv(f"exec {text}"), env=self.env, cgroup=self.cgroup, name=name)
        self.running.append(process)
        return process

    def place(self, path, source):
        """Copies a file to where an installed kedge has it."""
        done = self.run(f"mkdir -p {os.path.dirname(path)} && cp -p {source} {path}")
        assert done.returncode == 0, done.stderr

    def stop_all(self, name=None):
        for process in [p for p in reversed(self.running) if name in (None, p.name)]:
            process.stop()
            self.running.remove(process)
