# SPDX-License-Identifier: BSD-2-Clause
"""
A fault while kedge is managed: reloads with a changed listener, questions on the control socket, the access log. The
clients must not notice. A reload works or says why not, and the next one works.
"""
import json
import re
import signal
import socket
from pathlib import Path

import inject
import talk
from front import PATIENT, listeners
from kedge import SANITIZER, Config, Kedge, Listener
from machine import PATIENCE, wait_for
from rawapp import RawApp
from table import ACCESS, MAIN
from talk import Talk

THREADS = {"main": None, "access": "kedge/access"}
CALLS = {"main": MAIN, "access": ACCESS}
SECONDS = 10


class Managed:
    """Within `with`, a kedge with a configuration file, an access log and metrics."""

    def __init__(self, certs, tls, base, binary=None):
        self.tls, self.spoilt, self.turn = tls, False, 0
        self.app = RawApp(talk.respond)
        self.config, self.log_file = Config(base, certs), Path(base) / "managed.log"
        self.listeners = listeners()
        self._write([])
        try:
            self.kedge = Kedge(certs, None, self.listeners, config=self.config, binary=binary)
        except BaseException:
            self.app.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if not kind and not self.spoilt:
                self.kedge.stop()
        finally:
            self.kedge.kill()
            self.app.stop()

    def _write(self, more):
        self.config.write(self.listeners + more, app=self.app.text, workers=1, access_log=str(self.log_file), edit="off",
                          bypass="off", record="off", **PATIENT)

    def __getitem__(self, kind):
        return self.kedge[kind]

    def settle(self):
        """Threads other than the worker are struck here."""

    def change(self):
        """The next reload has one listener more than this one, or one less: it must bind, and close."""
        self.turn += 1
        self._write([Listener("more", tls=self.turn % 4 == 1, addr="127.0.0.1:9443")] if self.turn % 2 else [])

    def ask(self, command):
        """The answer of the control socket; None if there is none."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(SECONDS * PATIENCE)
            try:
                s.connect(str(self.kedge.control))
                s.sendall(command.encode() + b"\n")
                parts = []
                while data := s.recv(65536):
                    parts.append(data)
            except (ConnectionError, FileNotFoundError):
                return None
        return json.loads(b"".join(parts)) if parts else None

    def alive(self):
        return self.kedge.process.popen.poll() is None


class Turn:
    """One fault, or none, in a thread of THREADS."""

    def __init__(self, front, fault, who):
        self.front, self.fault = front, fault
        name = THREADS[who]
        self.tid = inject.thread(front.kedge.pid, name) if name else front.kedge.pid
        self.calls, self.void = CALLS[who], False  # void: nothing is judged, and kedge may have ended
        self.problems, self.struck, self.answers = [], [], []

    def run(self):
        front = self.front
        self.talks = [self._talk(kind) for kind in ("tls", "clear", "tcp")]
        if self.fault:
            with inject.Injection(self.fault, self.tid) as injection:
                self._drive()
            self.struck = injection.struck
        else:
            self._drive()
        self.void = self._cannot_be()
        if self.void:
            for one in self.talks:
                one.close()
            return self
        if not front.alive():
            self.problems.append("kedge has died")
            return self
        for one in self.talks:
            one.ask()
            one.close()
        self._judge()
        return self

    def _cannot_be(self):
        """It has struck a file for which Linux has no such fault."""
        never = self.fault and self.calls[self.fault.call][self.fault.errno].never
        return bool(never) and any(re.search(never, line) for line in self.struck)

    def _talk(self, kind):
        one = Talk(self.front, kind, self.front.tls)
        one.open()
        one.ask()
        return one

    def _drive(self):
        self.front.change()
        self.answers.append(self.front.ask("status"))
        self.answers.append(self.front.ask("reload"))
        self.front.kedge.process.popen.send_signal(signal.SIGUSR1)  # as after a rotation of the access log
        for one in self.talks:
            one.ask(2000, 2000)
        self.front.kedge.process.popen.send_signal(signal.SIGHUP)
        self.answers.append(self.front.ask("status"))
        fresh = self._talk("tls")
        self.talks.append(fresh)

    def _judge(self):
        for one in self.talks:
            if one.broken or one.wrong:
                self.problems.append(f"{one}: {one.broken} {one.wrong}")
        reload = self.answers[1]
        if reload and not reload["ok"] and not any("error" in line for line in reload.get("lines", [])) and not reload.get("error"):
            self.problems.append(f"the reload failed, and says nothing: {reload}")
        if not self.struck and not (reload and reload["ok"]):
            self.problems.append(f"the reload failed without a fault: {reload}")
        if None in self.answers and not self.struck:
            self.problems.append(f"no answer: {self.answers}")
        self._judge_later()
        if self.front.kedge.process.matches(SANITIZER):
            self.problems.append("a sanitizer has reported something")

    def _judge_later(self):
        """The next reload works, each listener serves, the log is written, and nothing is left open."""
        front = self.front
        front.change()  # back to where it was
        answer = front.ask("reload")
        if not answer or not answer["ok"]:
            self.problems.append(f"afterwards, a reload: {answer}")
        fresh = [self._talk(kind) for kind in ("tls", "clear", "tcp", "proxy")]
        mark = fresh[0].requests[-1]
        for one in fresh:
            one.close()
            if one.broken or one.wrong:
                self.problems.append(f"afterwards, {one}: {one.broken or one.wrong}")
        try:
            wait_for(lambda: f"/{mark} " in front.log_file.read_text() or f"/{mark}\"" in front.log_file.read_text(),
                     what="the access log")
            status = wait_for(lambda: (s := front.ask("status")) and not s["connections_open"]
                              and s["generations_in_use"] == 1 and s, what="the end of the old generations")
            if len(status["listeners"]) < len(front.listeners):
                self.problems.append(f"listeners: {status['listeners']}")
        except TimeoutError as error:
            self.problems.append(str(error))
        fds = len(list(Path(f"/proc/{front.kedge.pid}/fd").iterdir()))
        before = getattr(front, "fds", fds)
        if fds != before:
            self.problems.append(f"descriptors: {before}, now {fds}")
        front.fds = fds
