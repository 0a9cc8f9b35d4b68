# SPDX-License-Identifier: BSD-2-Clause
"""Each system call that kedge may make has faults in the table, or a reason why it has none."""
import errno

from table import WITHOUT, WORKER, allowed_calls


def test_each_call_is_there():
    calls, of_sanitizers = allowed_calls()
    assert len(calls) > 100 and "ptrace" in of_sanitizers and "recvfrom" not in of_sanitizers
    missing = [name for name in calls if name not in of_sanitizers and name not in WORKER and name not in WITHOUT]
    assert not missing, (f"tests/faults/table.py knows nothing of {', '.join(missing)}: add the errnos that the kernel "
                         "may give there, or why a fault of it would prove nothing")


def test_nothing_else_is_there():
    calls, _ = allowed_calls()
    assert not [name for name in {*WORKER, *WITHOUT} if name not in calls]
    assert not [name for name in WORKER if name in WITHOUT]


def test_each_errno_exists():
    for call, errnos in WORKER.items():
        assert any(one.short for one in errnos.values()), call
        for name, one in errnos.items():
            assert hasattr(errno, name) and one.why, f"{call}: {name}"
