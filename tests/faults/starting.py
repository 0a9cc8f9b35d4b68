# SPDX-License-Identifier: BSD-2-Clause
"""
A fault while kedge starts: it must end with a message, or start as if nothing had happened, or say what it does
without. It must never run with less than it was told to without a word.
"""
import os
import re
from pathlib import Path

from client import Client
from front import MODES, PREFER, listeners
from kedge import Kedge
from machine import ROOT, wait_for
from rawapp import RawApp
from sites import read_sites
from table import STARTING
from talk import Talk, respond

PLAIN = ROOT / "build/kedge"
STATE = ("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "Seccomp_filters", "CapInh", "CapPrm", "CapEff", "CapAmb")
# libbpf and the C library have errors of their own for these.
OTHER_WORDS = {"kbpf_open", "kbpf_map_values", "probe_edit", "probe_bypass", "worker_start", "access_log_start",
               "metrics_server_start", "ticket_keys_random"}


class Starts:
    """What all starts of one mode share, and what one without faults is like. base: a directory for files."""

    def __init__(self, certs, tls, mode, group, base):
        self.certs, self.tls, self.mode, self.group, self.base = certs, tls, mode, group, Path(base)
        self.app = RawApp(respond, cgroup=group or None)
        self.said, self.state, self.sites = [], None, []

    def __enter__(self):
        """Begins with a start that is traced."""
        calls = set(STARTING) - (set() if self.mode == "user" else {"read"})  # libbpf reads a lot
        with Start(self, ["-f", "-k", "-s", "80", "-e", "trace=" + ",".join(sorted(calls))]) as start:
            if not start.wait():
                raise RuntimeError(start.kedge.log())
            self.state, self.said = start.state(), start.said()
            problems = start.use()
            if problems:
                raise RuntimeError(f"{problems}\n{start.kedge.log()}")
            self.sites = read_sites(start.strace())
        return self

    def __exit__(self, *_):
        self.app.stop()

    def site(self, fault):
        return next((site for site in self.sites if site.call == fault.call and site.n == fault.n), None)

    def check(self, fault):
        """(what is wrong, whether the fault has struck, how the start went)"""
        with Start(self, fault.flags()) as start:
            ready = start.wait()
            problems = start.use() if ready else start.ended(fault, self._words(fault))
            how = "; ".join(["ready" if ready else "ended", *start.new_words()])
            if problems:
                problems.append(start.kedge.log())
            return problems, "(INJECTED)" in start.strace(), how

    def _words(self, fault):
        """What the message of an end must say: the errno, unless a library has forgotten it."""
        site = self.site(fault)
        return None if site and OTHER_WORDS & set(site.callers) else os.strerror(fault.number)


class Start:
    """One start, with these arguments of strace."""

    count = 0

    def __init__(self, starts, strace):
        self.starts = starts
        self.log_file, self.strace_file = starts.base / "access.log", starts.base / "strace"
        for path in (self.log_file, self.strace_file):
            path.unlink(missing_ok=True)
        # A port of its own: the one of the last start is in TIME-WAIT. The line that names it may not be written.
        Start.count += 1
        self.metrics = ("127.0.0.1", 10000 + Start.count % 20000)
        flags = ["--workers", "1", "--access-log", self.log_file, "--metrics", "%s:%d" % self.metrics]
        self.kedge = Kedge(starts.certs, starts.app.text, listeners(), MODES.get(starts.mode), starts.group or None,
                           flags + (PREFER if starts.mode == "prefer" else []), binary=PLAIN, wait=False,
                           argv_prefix=["strace", "-D", "-o", self.strace_file, *strace])
        self.process = self.kedge.process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kedge.kill()

    def __getitem__(self, kind):
        return self.kedge[kind]

    def settle(self):
        """No need for the same order of calls here."""

    def wait(self):
        """True once it is ready, false once it has ended. Its last line may be the one that could not be written."""
        def state():
            if self.process.popen.poll() is not None:
                return "ended"
            return "ready" if self.process.matches("kedge: info: ready") or self._serves() else None
        return wait_for(state, 60, "ready, or the end") == "ready"

    def _serves(self):
        """Ready, though it may not have been able to say so."""
        return self.process.matches("kedge: info: confined") and self.kedge.control.exists() and all(
            (task / "comm").read_text().strip() for task in Path(f"/proc/{self.kedge.pid}/task").iterdir()) and len(
                list(Path(f"/proc/{self.kedge.pid}/task").iterdir())) == 4

    def strace(self):
        """What strace has written. It ends after kedge, and writes most of it then."""
        def whole():
            text = self.strace_file.read_text(errors="replace") if self.strace_file.exists() else ""
            return text if re.search(rf"^({self.kedge.pid} +)?\+\+\+ ", text, re.M) else None
        return wait_for(whole, what="strace's end")

    def said(self):
        """Its lines, without the numbers that differ from start to start."""
        return [re.sub(r"\d+", "0", match[2]) for match in self.process.matches(r"kedge: (error|warning|info): (.*)")]

    def new_words(self):
        return [line for line in self.said() if line not in self.starts.said]

    def state(self):
        """What must be the same whenever nothing is said."""
        status = self.kedge.status()
        for listener, row in zip(self.kedge.listeners, status["listeners"]):
            host, port = row["listener"].rsplit(":", 1)
            listener.address = (host, int(port))
        keep = {key: status[key] for key in ("workers", "record", "edit", "bypass", "peername", "guard",
                                             "capability_losses")}
        return {**keep, "listeners": len(status["listeners"]), "confinement": self._confinement(),
                "access log": self.log_file.exists()}

    def _confinement(self):
        """
        What the kernel says that each thread may do. Not the bounding set: with no_new_privs it has no effect, and
        kedge may lack the right to change it.
        """
        found = []
        for task in sorted(Path(f"/proc/{self.kedge.pid}/task").iterdir(), key=lambda path: int(path.name)):
            lines = (task / "status").read_text().splitlines()
            found.append([line for line in lines if line.split(":")[0] in STATE])
        limits = Path(f"/proc/{self.kedge.pid}/limits").read_text().splitlines()
        return found + [[line for line in limits if line.startswith("Max core")]]

    def use(self):
        """It is ready: uses each listener, and ends kedge. Returns what is wrong."""
        state, before = self.state(), self.starts.state
        problems = [f"{key}: {state[key]}, not {before[key]}, and kedge says nothing"
                    for key in state if state[key] != before[key] and not self.new_words()]
        for listener in self.kedge.listeners:
            one = Talk(self, listener.name, self.starts.tls)
            one.open()
            one.ask(1000, 1000)
            one.close()
            if one.broken or one.wrong:
                problems.append(f"{one}: {one.broken} {one.wrong}")
        with Client(self.metrics) as c:
            if c.request(target="/metrics").status != 200:
                problems.append("no metrics")
        self.kedge.stop()
        return problems

    def ended(self, fault, words):
        """It has ended: with a message that has these words, and nothing left behind. Returns what is wrong."""
        status, problems = self.process.wait(), []
        if status <= 0:
            problems.append(f"ended with status {status}")
        errors = [line for line in self.process.lines if "kedge: error:" in line]
        if not errors:
            problems.append("ended without an error")
        elif words and not any(words in line for line in errors):
            problems.append(f"ended, but did not say {words!r}")
        # A directory that somebody else has locked is theirs.
        names = [self.kedge.control] + ([self.kedge.pin] if fault.call != "flock" else [])
        left = [str(path) for path in names if path.exists()]
        if left:
            problems.append(f"left behind: {left}")
        return problems
