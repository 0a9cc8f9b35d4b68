# SPDX-License-Identifier: BSD-2-Clause
"""Each system call that kedge may make has faults in the table, or a reason why it has none."""
import errno

from table import ACCESS, KERNEL_TLS, MAIN, STARTING, WITHOUT, WORKER, allowed_calls

TABLES = (WORKER, MAIN, ACCESS, STARTING)
FAULTS = {call for table in TABLES for call in table}


def test_each_call_is_there():
    calls, of_sanitizers = allowed_calls()
    assert len(calls) > 100 and "ptrace" in of_sanitizers and "recvfrom" not in of_sanitizers
    missing = [name for name in calls if name not in of_sanitizers and name not in FAULTS and name not in WITHOUT]
    assert not missing, (f"tests/faults/table.py knows nothing of {', '.join(missing)}: add the errnos that the kernel "
                         "may give there, or why a fault of it would prove nothing")


def test_nothing_else_is_there():
    """A start may make more calls: the filter is its last step."""
    calls, _ = allowed_calls()
    assert not [name for table in (WORKER, MAIN, ACCESS, WITHOUT) for name in table if name not in calls]
    assert not FAULTS & WITHOUT.keys()


def test_each_errno_exists():
    for table in TABLES:
        for call, errnos in table.items():
            for name, one in errnos.items():
                assert hasattr(errno, name) and one.why, f"{call}: {name}"
    assert all(any(one.short for one in errnos.values()) for errnos in WORKER.values())


def test_each_kind_of_kernel_tls():
    calls, _ = allowed_calls()
    for kind, one in KERNEL_TLS.items():
        assert one.call in calls and any(fate.short for fate in one.errnos.values()), kind
        assert all(hasattr(errno, name) and fate.why for name, fate in one.errnos.items()), kind
