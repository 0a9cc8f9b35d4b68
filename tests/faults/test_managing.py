# SPDX-License-Identifier: BSD-2-Clause
"""A system call fails while kedge is reloaded, asked for its status, or writes its access log."""
import pytest

from inject import Fault
from managing import CALLS, Managed, Turn

CASES = [(who, call) for who, calls in CALLS.items() for call in calls]
SHORT_N = (1, 2, 5, 7, 12)


@pytest.fixture(scope="module")
def managed(certs, tls_of_faults, tmp_path_factory):
    """One kedge until a turn goes wrong, then another."""
    class Running:
        front = None

        def get(self):
            if self.front and (self.front.spoilt or not self.front.alive()):
                self.end()
            if not self.front:
                self.front = Managed(certs, tls_of_faults, tmp_path_factory.mktemp("managed"))
            return self.front

        def end(self):
            front, self.front = self.front, None
            if front:
                front.__exit__(None)
    running = Running()
    yield running
    running.end()


def check(managed, who, fault):
    front = managed.get()
    front.spoilt = True
    turn = Turn(front, fault, who).run()
    front.spoilt = bool(turn.problems) or turn.void
    assert not turn.problems, "\n".join([*turn.problems, *turn.struck,
                                         f"again: tests/faults/fault.py --phase {who} {fault or 'none'}"])
    return bool(turn.struck)


def test_without_a_fault(managed):
    assert not check(managed, "main", None)


@pytest.mark.parametrize("who,call", [(who, call) for who, call in CASES
                                      if any(one.short for one in CALLS[who][call].values())])
def test_the_most_telling(managed, who, call):
    faults = [Fault(call, name, n) for name, one in CALLS[who][call].items() if one.short for n in SHORT_N]
    struck = [check(managed, who, fault) for fault in faults]
    assert any(struck), f"kedge made no call of {call}"


@pytest.mark.full
@pytest.mark.parametrize("who,call", CASES)
def test_each(managed, who, call):
    for name in CALLS[who][call]:
        for n in range(1, 60):
            if not check(managed, who, Fault(call, name, n)):
                break
        assert n > 1, f"{call}: never struck"
