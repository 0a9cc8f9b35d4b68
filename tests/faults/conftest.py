# SPDX-License-Identifier: BSD-2-Clause
"""Fronts for faults: one kedge for many rounds, a fresh one after a round that went wrong."""
import os

import pytest

import machine
from client import tls_context
from front import MODES, Front
from netns import leave


def available(config):
    """The modes that this machine can have, fewest capabilities first."""
    have = [str(c) for c in config.kedge_combinations]
    modes = [mode for mode, combination in MODES.items() if str(combination) in have]
    return list(dict.fromkeys([modes[0], modes[-1]])) if os.environ.get("KEDGE_TEST_SHORT") else modes


@pytest.fixture(scope="session", autouse=True)
def nobody_else():
    """strace asks for all sockets of the namespace when it prints one: there are few in a fresh one."""
    leave()


@pytest.fixture(scope="session")
def group():
    found = machine.try_cgroup()
    yield found
    found.remove()


@pytest.fixture(scope="session")
def tls_of_faults(certs):
    return tls_context(certs.ca)


class Running:
    """The front of a mode, until a test asks for another mode or something went wrong."""

    def __init__(self, certs, group):
        self.certs, self.group, self.front = certs, group, None

    def get(self, mode):
        if self.front and (self.front.mode != mode or self.front.spoilt or not self.front.alive()):
            self.end()
        if not self.front:
            self.front = Front(self.certs, mode, self.group)
        return self.front

    def end(self):
        if self.front:
            front, self.front = self.front, None
            front.end()


@pytest.fixture(scope="session")
def running(certs, group):
    fronts = Running(certs, group)
    yield fronts
    fronts.end()
