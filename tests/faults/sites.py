# SPDX-License-Identifier: BSD-2-Clause
"""
Where the main thread of a starting kedge makes its system calls. Each place is a stack of callers. One fault for each
place reaches all of them; one for each call would take a day, as libbpf reads the types of the kernel in 1400 pieces.
"""
import collections
import re

CALL = re.compile(r"^(\d+) +(\w+)\(")
FRAME = re.compile(r"^ > (\S+)\((\S*)\)")


class Site:
    """The n-th call of its kind, from execve(2) on, and its callers within kedge, the innermost first."""

    def __init__(self, call, n, line, frames):
        self.call, self.n, self.line, self.frames = call, n, line.strip(), frames
        self.callers = [name.split("+")[0] for path, name in frames if path.endswith("/kedge")]

    def __str__(self):
        return f"{self.call} {self.n} by {' < '.join(self.callers[:3])}"


def read_sites(text, last=r"write\(\d+.*ready: "):
    """The places in the output of strace -f -k, up to the line `last`, the first call of each."""
    count, found, pending, main = collections.Counter(), {}, None, None
    for line in text.splitlines():
        frame = FRAME.match(line)
        if frame and pending:
            pending.frames.append((frame[1], frame[2]))
        call = CALL.match(line)
        if not call:
            continue
        _keep(found, pending)
        main, pending = main or call[1], None
        if call[1] == main:
            count[call[2]] += 1
            pending = Site(call[2], count[call[2]], line, [])
            if re.search(last, line):
                break
    _keep(found, pending)
    return list(found.values())


def _keep(found, site):
    """Only what kedge's own code asked for, and not its loader. strace gives no callers of clone(2)."""
    if not site:
        return
    complete = Site(site.call, site.n, site.line, site.frames)
    if len(complete.callers) > 1 or site.call == "clone":
        found.setdefault((site.call, *(site.frames or [site.n])), complete)
