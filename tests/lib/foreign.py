# SPDX-License-Identifier: BSD-2-Clause
"""Another program's BPF: an agent that claims the sockets of a cgroup (tests/bpf/foreign.bpf.c)."""
import tempfile
from pathlib import Path

import machine
from bpftool import bpftool

OBJECT = machine.ROOT / "build/foreign.bpf.o"


class Agent:
    """which: "active", "passive", "both", "some". Attached from attach() to detach(), loaded inside `with`."""

    def __init__(self, cgroup, which="active"):
        self.cgroup, self.which = cgroup, which
        self.attached = False

    def __enter__(self):
        self.base = tempfile.TemporaryDirectory(prefix="kedge-test-agent-")
        self.bpffs = machine.Bpffs(self.base.name)
        try:
            self._load(self.bpffs.path)
        except BaseException:
            self.__exit__()
            raise
        return self

    @staticmethod
    def _load(pins):
        assert OBJECT.exists(), f"{OBJECT} is not there: make e2e builds it"
        (pins / "p").mkdir()
        bpftool("prog", "loadall", OBJECT, pins / "p", "pinmaps", pins / "m")
        bpftool("prog", "attach", "pinned", pins / "p/foreign_msg", "msg_verdict", "pinned",
                pins / "m/foreign_socks")

    def _program(self):
        return "sock_ops", "pinned", self.bpffs.path / f"p/foreign_{self.which}"

    def attach(self):
        bpftool("cgroup", "attach", self.cgroup.path, *self._program(), "multi")
        self.attached = True
        return self

    def detach(self):
        if self.attached:
            bpftool("cgroup", "detach", self.cgroup.path, *self._program())
        self.attached = False

    def __exit__(self, *_):
        self.detach()
        self.bpffs.remove()
        Path(self.base.name).exists() and self.base.cleanup()
