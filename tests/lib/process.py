# SPDX-License-Identifier: BSD-2-Clause
"""A child process whose lines a test can wait for. It is always ended."""
import ctypes
import re
import signal
import subprocess
import threading

from machine import Deadline

_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1

living = []  # for the report of a failed test


def die_with_parent():
    """Runs in the child before exec: a killed test run leaves no process behind."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    def __init__(self, argv, env=None, cgroup=None, pass_fds=(), name=None):
        self.argv = [str(word) for word in argv]
        self.name = name or self.argv[0].rsplit("/", 1)[-1]
        self.lines = []
        self._changed = threading.Condition()

        def start():
            return subprocess.Popen(self.argv, env=env, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    pass_fds=pass_fds, preexec_fn=die_with_parent)
        if cgroup:
            with cgroup.inside():
                self.popen = start()
        else:
            self.popen = start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        living.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.popen.pid

    def _read(self):
        for line in self.popen.stdout:
            with self._changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def matches(self, pattern):
        return [m for m in (re.search(pattern, line) for line in self.lines) if m]

    def wait_line(self, pattern, count=1, seconds=15):
        """The first `count` lines that match; an error with all lines if the process ends first."""
        deadline = Deadline(seconds, f"{self.name}: no line like {pattern!r}")
        with self._changed:
            while True:
                found = self.matches(pattern)
                if len(found) >= count:
                    return found[:count]
                if not self._reader.is_alive():
                    raise RuntimeError(f"{self.name} ended with {self.popen.wait()}:\n" + self.log())
                self._changed.wait(min(deadline.left(), 0.5))

    def wait(self, seconds=15):
        """Waits for the end; returns the exit status."""
        status = self.popen.wait(Deadline(seconds).left())
        self._reader.join(Deadline(5).left())
        return status

    def stop(self, sig=signal.SIGTERM, seconds=15):
        """Ends the process; a second call changes nothing. Returns the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
            try:
                self.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.wait()
                raise
        if self in living:
            living.remove(self)
        return self.popen.returncode

    def log(self, last=200):
        return "\n".join(f"  {self.name}: {line}" for line in self.lines[-last:])
