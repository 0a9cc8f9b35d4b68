# SPDX-License-Identifier: BSD-2-Clause
"""One fault in one thread of a running process: strace attaches, lets the n-th call fail, and leaves."""
import errno
import os
import re
import signal
import threading
from pathlib import Path

from machine import wait_for
from process import Process

# Injected instead of the call. kedge's filter of system calls allows it; strace's own choice, -1, it does not.
PURE = "getpid"
STRUCK = r"\(INJECTED\)$"
SPEC = re.compile(r"(\w+):([A-Z0-9]+):(\d+)(\+?)")


class Fault:
    """SYSCALL:ERRNO:N, as the command line has it; with "+", the n-th call and all that follow."""

    def __init__(self, call, name, n=1, on=False):
        self.call, self.errno, self.n, self.on = call, name, n, on

    @classmethod
    def parse(cls, text):
        match = SPEC.fullmatch(text)
        if not match:
            raise SystemExit(f"{text}: not a fault; one is SYSCALL:ERRNO:N or SYSCALL:ERRNO:N+")
        return cls(match[1], match[2], int(match[3]), bool(match[4]))

    def __str__(self):
        return f"{self.call}:{self.errno}:{self.n}{'+' if self.on else ''}"

    @property
    def number(self):
        return getattr(errno, self.errno)

    def flags(self):
        return ["-e", f"trace={self.call}", "-e",
                f"inject={self.call}:error={self.errno}:when={self.n}{'+' if self.on else ''}:syscall={PURE}"]


class Watch:
    """No fault: writes down these calls."""

    errno = None

    def __init__(self, calls):
        self.calls = calls

    def flags(self):
        return ["-e", "trace=" + ",".join(self.calls)]


def thread(pid, name):
    """The id of the thread of that name. A new thread gives itself its name, so there may be none yet."""
    def look():
        return next((int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()
                     if (task / "comm").read_text().strip() == name), None)
    return wait_for(look, what=f"thread {name} of process {pid}")


class Injection:
    """
    `with` this, the thread has the fault. Afterwards `struck` has the lines of the calls that failed, and `lines` those
    of all that were looked at. on_struck(line) is called for each when it fails, by another thread.
    """

    def __init__(self, fault, tid, on_struck=None):
        self.fault, self.tid, self.on_struck = fault, tid, on_struck
        self.struck, self.lines, self.watcher = [], [], None

    def __enter__(self):
        self.strace = Process(["strace", "-yy", "-s", "16", *self.fault.flags(), "-p", self.tid], name="strace",
                              env={**os.environ, "LC_ALL": "C"})
        self.strace.wait_line(r"Process \d+ attached", seconds=30)
        if self.on_struck:
            self.watcher = threading.Thread(target=self._watch, daemon=True)
            self.watcher.start()
        return self

    def _watch(self):
        count = 0
        while True:
            try:
                lines = self.strace.wait_line(STRUCK, count=count + 1, seconds=600)
            except (RuntimeError, TimeoutError):
                return
            count += 1
            self.on_struck(lines[-1].string)

    def __exit__(self, *_):
        self.strace.stop(signal.SIGINT)
        if self.watcher:
            self.watcher.join()
        self.lines = list(self.strace.lines)
        self.struck = [match.string for match in self.strace.matches(STRUCK)]
