# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces of a test, joined by veth pairs. They end with the processes that hold them."""
import contextlib
import ctypes
import json

from process import Process
from run import run

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def _open(path):
    return open(path, "rb", buffering=0)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"setns {namespace.name}")


def leave():
    """Takes this process, and those it starts from now on, into a namespace of its own with nothing but a loopback."""
    if _libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    done = run("ip", "link", "set", "lo", "up")
    assert done.returncode == 0, done.stderr


class Namespace:
    def __init__(self, name):
        self.holder = Process(["unshare", "-n", "sh", "-c", "ip link set lo up; echo ready; exec sleep infinity"],
                              name=name)
        self.holder.wait_line("ready", seconds=30)
        self.argv = ["nsenter", "-t", str(self.holder.pid), "-n", "--"]

    def run(self, *argv, **kwargs):
        return run(*self.argv, *argv, **kwargs)

    def ip(self, text):
        done = self.run("ip", *text.split())
        assert done.returncode == 0, f"ip {text}: {done.stderr}"

    def has(self, kind, on=()):
        """Does this kernel have such a device? on: ("link", NAME) of the device below it."""
        done = self.run("ip", "link", "add", *on, "name", "try0", "type", *kind.split())
        if done.returncode == 0:
            self.ip("link del try0")
        return done.returncode == 0

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes in the body belong to the namespace for good."""
        with _open("/proc/thread-self/ns/net") as home:
            with _open(f"/proc/{self.holder.pid}/ns/net") as there:
                _enter(there)
            try:
                yield
            finally:
                _enter(home)

    def xdp(self, interface):
        """The XDP program that is attached there: None or {"mode": ..., "prog": {"name": ...}}, as `ip` prints it."""
        done = self.run("ip", "-j", "link", "show", "dev", interface)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)[0].get("xdp")

    def stop(self):
        self.holder.stop()


def join(a, name_a, b, name_b):
    """A veth pair between two namespaces, both ends up."""
    a.ip(f"link add {name_a} type veth peer name {name_b} netns {b.holder.pid}")
    for space, name in ((a, name_a), (b, name_b)):
        space.ip(f"link set {name} up")
