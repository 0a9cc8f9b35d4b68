# SPDX-License-Identifier: BSD-2-Clause
"""A system call fails while kedge starts, at each place that makes it."""
import os

import pytest

from conftest import available
from inject import Fault
from machine import ROOT
from starting import Starts
from table import STARTING

# Calls that only kedge with BPF makes, or makes otherwise there.
OF_BPF = {"bpf", "mkdir", "unlinkat", "statfs", "fstatfs", "flock", "readlink", "sendmsg", "mmap", "openat", "setsockopt",
          "socket", "poll", "getsockopt", "getsockname", "recvfrom", "mremap", "faccessat2", "accept4", "ioctl"}
# Of the short form; with BPF a start takes longer.
SHORT_OF_BPF = {"bypass": {"bpf", "mkdir", "flock", "openat"}, "edit": {"bpf", "mkdir", "flock", "openat"}, "prefer": {"bpf"}}
# A failed EPOLL_CTL_MOD needs no memory, so it cannot fail.
NEVER = {"epoll_ctl": "EPOLL_CTL_MOD"}


ONLY_BPF = {"bpf", "flock", "statfs", "fstatfs", "unlinkat", "readlink", "sendmsg", "recvfrom", "getsockopt", "mremap",
            "poll", "faccessat2", "accept4", "ioctl"}


def pytest_generate_tests(metafunc):
    """Each mode with the calls that it makes."""
    most = available(metafunc.config)[-1]
    modes = ["user"] + ([most, "prefer"] if most != "user" else [])
    short = metafunc.function is test_the_most_telling
    metafunc.parametrize("starts,call", [(mode, call) for mode in modes for call in STARTING
                                         if names(call, short) and call in calls_of(mode, short)],
                         scope="session", indirect=["starts"])


def calls_of(mode, short):
    if mode == "user":
        return STARTING.keys() - ONLY_BPF
    return SHORT_OF_BPF.get(mode, OF_BPF) if short else OF_BPF


@pytest.fixture(scope="session")
def starts(request, certs, tls_of_faults, group, tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    assert (ROOT / "build/kedge").exists(), "make all builds it"
    with Starts(certs, tls_of_faults, request.param, group, tmp_path_factory.mktemp("starts")) as all_of_them:
        yield all_of_them


def check(starts, faults):
    """All of them, then an error with those that went wrong. Returns how many have struck."""
    wrong, count = [], 0
    for fault in faults:
        problems, struck, how = starts.check(fault)
        count += struck
        if problems or not struck:
            wrong.append("\n".join([f"{fault}, {starts.site(fault)}: {how}", *problems, "" if struck else "not struck",
                                    f"again: tests/faults/fault.py --phase starting --mode {starts.mode} {fault}"]))
    assert not wrong, "\n\n".join(wrong)
    return count


def places(starts, call):
    return [site for site in starts.sites
            if site.call == call and NEVER.get(call, "no such word") not in site.line]


def names(call, short):
    return [name for name, one in STARTING[call].items() if one.short or not short]


def test_the_most_telling(starts, call):
    # With BPF every third place must do.
    found = places(starts, call)[::1 if starts.mode == "user" else 3]
    assert check(starts, [Fault(call, name, site.n) for site in found for name in names(call, True)])


@pytest.mark.full
def test_each(starts, call):
    assert check(starts, [Fault(call, name, site.n) for site in places(starts, call) for name in names(call, False)])
