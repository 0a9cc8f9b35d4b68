# SPDX-License-Identifier: BSD-2-Clause
"""System calls a request, natively: counted by the kernel's tracepoints, which perf stat reads."""
import re
import subprocess
import tempfile

import cases
from stand import LOAD

# The calls that servers make. All calls would need some 350 counters for each thread.
NAMES = ("accept4", "bpf", "clock_gettime", "clone", "close", "connect", "epoll_ctl", "epoll_pwait",
         "epoll_wait", "fcntl", "futex", "getpid", "getppid", "getrandom", "getsockname", "getsockopt",
         "io_uring_enter", "ioctl", "madvise", "mmap", "munmap", "nanosleep", "openat", "pipe2", "poll",
         "pread64", "pwrite64", "read", "readv", "recvfrom", "recvmsg", "sched_yield", "sendfile64",
         "sendmsg", "sendto", "setsockopt", "shutdown", "socket", "splice", "write", "writev")


def count(stand, case, requests):
    """
    {name: calls a request} of the proxy's processes. The counters include the warm-up, so the only warm-up is
    the first request of each connection.
    """
    pids = ",".join(map(str, stand.proxy.pids()))
    events = ",".join(["raw_syscalls:sys_enter", *(f"syscalls:sys_enter_{name}" for name in NAMES)])
    words = cases.words(case, requests)
    words[words.index("--warmup") + 1] = "0"
    with tempfile.NamedTemporaryFile(mode="r") as out:
        argv = ["perf", "stat", "-x", ",", "-o", out.name, "-e", events, "-p", pids, "--",
                str(LOAD), "--port", str(stand.proxy.address[1]), *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{stand.peer.name}: {done.stderr}")
        text = out.read()
    found = {name: int(calls) / requests
             for calls, name in re.findall(r"^(\d+),,\w+:sys_enter_?(\w*),", text, re.M)}
    if not found.get(""):
        raise RuntimeError(f"perf stat counted nothing: {text}")
    others = found.pop("") - sum(found.values())
    return {**{name: n for name, n in found.items() if n}, **({"others": others} if others > 0 else {})}
