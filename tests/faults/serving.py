# SPDX-License-Identifier: BSD-2-Clause
"""A fault while kedge serves: what is driven through it meanwhile, and what must hold of it."""
import collections
import re

from inject import Injection
from kedge import SANITIZER
from rawapp import REPEATABLE
from table import DEAD, ROOT, WORKER, Errno
from talk import Talk

SOCKET = re.compile(r"<TCP:\[([\d.]+):(\d+)->([\d.]+):(\d+)\]>")
STATUS = {name: int(status) for name, status in
          re.findall(r"^X\((\w+), (\d+),", (ROOT / "include/kedge/reasons.def").read_text(), re.M)}
BODY, ANSWER = 40000, 30000


class Round:
    """One fault, or none. `problems` is empty if all is well."""

    def __init__(self, front, fault, tls):
        self.front, self.fault, self.tls = front, fault, tls
        self.problems, self.struck, self.lines, self.bystanders, self.newcomers = [], [], [], [], []
        self.broken, self.reasons = [], {}

    def _talk(self, kind):
        one = Talk(self.front, kind, self.tls)
        one.open()
        return one

    @property
    def talks(self):
        return self.bystanders + self.newcomers

    # --- what happens ---------------------------------------------------------------------------
    def run(self):
        before, self.fds = self.front.status(), self.front.fds()
        self.bystanders = [self._talk(kind) for kind in ("tls", "clear", "tcp")]
        self._all(lambda one: one.ask(), self.bystanders)
        if self.fault:
            with Injection(self.fault, self.front.worker(), self._cut) as injection:
                self._drive()
            self.struck, self.lines = injection.struck, injection.lines
            self.front.entries_stay |= any("BPF_MAP_DELETE_ELEM" in line for line in self.struck)
        else:
            self._drive()
        self.broken = [one for one in self.talks if one.broken]
        self._all(lambda one: one.ask(), self.talks)  # no fault any more
        self._all(lambda one: one.close(), self.talks)
        self._judge(before)
        return self

    def _cut(self, line):
        """Where the kernel says that a connection to the application is dead, its other end is so, too."""
        match = SOCKET.search(line)
        if match and self.fault.errno in DEAD and self.fault.call != "connect":
            self.front.cut((match[1], int(match[2])), (match[3], int(match[4])))

    @staticmethod
    def _all(step, talks):
        for one in talks:
            step(one)

    def _drive(self):
        """Always the same steps, so that the n-th call is always the same one."""
        first, second, third = self.bystanders
        first.ask()
        self.newcomers = [self._talk(kind) for kind in ("tls", "clear", "tcp", "proxy")]
        secret, clear, tunnel, proxied = self.newcomers
        secret.begin(BODY, ANSWER)
        second.ask(100)
        clear.begin(BODY, ANSWER)
        secret.finish()
        third.ask(ANSWER)
        tunnel.ask(BODY, ANSWER)
        clear.finish()
        proxied.ask()
        secret.ask()
        first.ask(BODY)
        proxied.half_close()
        clear.half_close()

    # --- what must hold ---------------------------------------------------------------------------
    def _judge(self, before):
        if not self.front.alive():
            self.problems.append("kedge has died")
            return
        for one in self.talks:
            self.problems += one.wrong
        self._judge_broken()
        self._judge_requests()
        self._judge_later()
        self._judge_end(before)

    def _judge_broken(self):
        """Only connections that the fault has struck may suffer."""
        allowed = self._victims()
        for one in self.broken:
            if one not in allowed:
                self.problems.append(f"{one}: {one.broken}, though the fault was not in it")
        if len(self.broken) > max(1, len(self.struck)):
            self.problems.append(f"{len(self.broken)} connections broke by {len(self.struck)} faults")
        later = [one for one in self.talks if one.broken and one not in self.broken and one not in allowed]
        self.problems += [f"{one}: broke after the fault was over: {one.broken}" for one in later]

    def _victims(self):
        return [one for line in self.struck for one in self._victims_of(line)]

    def _victims_of(self, line):
        """Whose socket is in that line; all that began meanwhile, if that cannot be told."""
        match = SOCKET.search(line)
        if not match:
            return self.talks
        near, far = (match[1], int(match[2])), (match[3], int(match[4]))
        if near[1] in self.front.ports():
            return [one for one in self.talks if one.source == far[0]]
        names = {name for conn in self.front.app.connections if conn.peer == near
                 for req in conn.requests for name in req.values("X-Id")}
        return [one for one in self.talks if names & set(one.requests)] or self.newcomers

    def _judge_requests(self):
        """What the application got, with the right client: each request once, or twice if it may be repeated."""
        owner = {name: one for one in self.talks for name in one.requests}
        seen = collections.Counter()
        for req in self.front.requests():
            name = (req.values("X-Id") or ["?"])[0]
            one = owner.get(name)
            if not one or seen[name] > (req.method in REPEATABLE):
                self.problems.append(f"the application got {name} {'too often' if one else 'from nobody'}")
                continue
            seen[name] += 1
            told = None if one.kind == "tcp" else one.client_told
            if req.xff != told:
                self.problems.append(f"{one}: the application was told X-Forwarded-For: {req.xff}, not {told}")
        self.problems += [f"the application got no HTTP: {conn.fault}"
                          for conn in self.front.app.connections if conn.fault]

    def _judge_later(self):
        """Everything works as before."""
        fresh = [self._talk(kind) for kind in ("tls", "clear", "tcp", "proxy")]
        self._all(lambda one: one.ask(1000, 1000), fresh)
        self._all(lambda one: one.close(), fresh)
        self.problems += [f"afterwards, {one}: {one.broken or one.wrong}" for one in fresh if one.broken or one.wrong]
        self.front.app.forget()

    def _judge_end(self, before):
        after = self.front.idle()
        if not after:
            self.problems.append(f"connections stay open: {self.front.status()['connections_open']}")
            return
        stats = after["stats"]
        if stats["accepted"] != stats["closed"]:
            self.problems.append(f"accepted {stats['accepted']}, closed {stats['closed']}")
        if self.front.fds() != self.fds:
            self.problems.append(f"descriptors before: {self.fds}, after: {self.front.fds()}")
        self.reasons = {name: count - before["reasons"].get(name, 0) for name, count in after["reasons"].items()
                        if count != before["reasons"].get(name, 0)}
        self._judge_reasons()
        if self.front.kedge.process.matches(SANITIZER):
            self.problems.append("a sanitizer has reported something")

    def _known(self):
        """What the table says of this fault; None: nothing."""
        return WORKER.get(self.fault.call, {}).get(self.fault.errno) if self.fault else Errno("")

    def _judge_reasons(self):
        if sum(self.reasons.values()) < len(self.broken):
            self.problems.append("no reason was counted for " + ", ".join(map(str, self.broken)))
        known = self._known()
        if not known:
            return
        may = {name for line in self.struck for name in self._may_count(known, line)}
        for name in self.reasons.keys() - may:
            self.problems.append(f"counted as {name}; expected {' or '.join(sorted(may)) or 'nothing'}")
        if len(self.broken) == 1 and len(self.reasons) == 1:
            self._judge_answer(self.broken[0], *self.reasons)

    def _may_count(self, known, line):
        if not SOCKET.search(line):
            return known.client | known.app | known.other
        return known.client if self._is_client(line) else known.app

    def _is_client(self, line):
        match = SOCKET.search(line)
        return match and int(match[2]) in self.front.ports()

    def _judge_answer(self, one, reason):
        """A reason that has a status is told by it, unless something else has been said, or nothing can be."""
        status = STATUS[reason]
        if any(self._is_client(line) for line in self.struck):
            return
        if status and one.kind != "tcp" and not one.answers and one.broken != f"status {status}":
            self.problems.append(f"{one}: {one.broken}, where {reason} has status {status}")
