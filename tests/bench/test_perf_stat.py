# SPDX-License-Identifier: BSD-2-Clause
"""What perf stat prints, read."""
import perf_stat
import pytest

TEXT = """# started on Mon Nov 30 12:00:00 2026

2000,,raw_syscalls:sys_enter,2000000,100.00,,
<not supported>,,cache-misses:u,0,100.00,,
17,,syscalls:sys_enter_read,2000000,100.00,,
"""


def test_counts_and_what_cannot_be_counted():
    assert perf_stat.parsed(TEXT, ["raw_syscalls:sys_enter", "cache-misses", "syscalls:sys_enter_read"]) == {
        "raw_syscalls:sys_enter": 2000, "cache-misses": None, "syscalls:sys_enter_read": 17}


def test_an_event_that_is_missing():
    with pytest.raises(RuntimeError, match="did not count syscalls:sys_enter_write"):
        perf_stat.parsed(TEXT, ["syscalls:sys_enter_write"])
