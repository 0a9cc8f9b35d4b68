# SPDX-License-Identifier: BSD-2-Clause
"""System calls a request, natively: counted by the kernel's tracepoints, which perf stat reads."""
import perf_stat

# The calls that servers make. All calls would need some 350 counters for each thread.
NAMES = ("accept4", "bpf", "clock_gettime", "clone", "close", "connect", "epoll_ctl", "epoll_pwait",
         "epoll_wait", "fcntl", "futex", "getpid", "getppid", "getrandom", "getsockname", "getsockopt",
         "io_uring_enter", "ioctl", "madvise", "mmap", "munmap", "nanosleep", "openat", "pipe2", "poll",
         "pread64", "pwrite64", "read", "readv", "recvfrom", "recvmsg", "sched_yield", "sendfile64",
         "sendmsg", "sendto", "setsockopt", "shutdown", "socket", "splice", "write", "writev")


ALL = "raw_syscalls:sys_enter"


def count(stand, case, requests):
    """{name: calls a request} of the proxy's processes."""
    found = perf_stat.count(stand, case, requests, [ALL, *(f"syscalls:sys_enter_{name}" for name in NAMES)])
    if not found[ALL]:
        raise RuntimeError(f"{stand.peer.name}: perf stat counted no system calls")
    each = {name: (found[f"syscalls:sys_enter_{name}"] or 0) / requests for name in NAMES}
    others = found[ALL] / requests - sum(each.values())
    return {**{name: n for name, n in each.items() if n}, **({"others": others} if others > 0 else {})}
