# SPDX-License-Identifier: BSD-2-Clause
"""
Which system calls may fail how: for each call of user/confine/seccomp.c its errnos, or why there are none.

The errnos are those that Linux gives for what kedge asks of it, and no others: a fault that cannot happen proves nothing.
An errno that would only happen together with something else that strace cannot do, such as EAGAIN and the event that
ends it, is left to the simulation.
"""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Errno:
    """why: when Linux gives it. client, app, other: the reasons that kedge may count, by whose socket it was."""

    def __init__(self, why, client=(), app=(), other=(), short=False):
        self.why, self.short = why, short
        self.client, self.app, self.other = set(client), set(app), set(other)


# The connection itself is dead: both ends of the call must know it.
DEAD = {"ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"}
CLIENT_DEAD = ("client_reset", "client_gone", "tls_client_gone")
APP_DEAD = ("app_gone", "app_reset", "client_gone")


def dead(why, **kwargs):
    return Errno(why, CLIENT_DEAD, APP_DEAD, **kwargs)


NO_MEMORY, REFUSED = ("no_memory",), ("app_refused",)

# While kedge serves, in the thread of a worker.
WORKER = {
    "recvfrom": {
        "ECONNRESET": dead("a reset came", short=True),
        "EPIPE": dead("a reset came behind the peer's FIN"),
        "ETIMEDOUT": dead("the peer acknowledges nothing", short=True),
        "EHOSTUNREACH": dead("the same, and the last router said why"),
        "ENETUNREACH": dead("the same"),
    },
    "sendto": {
        "ECONNRESET": dead("a reset came", short=True),
        "EPIPE": dead("a reset came earlier", short=True),
        "ETIMEDOUT": dead("the peer acknowledges nothing"),
        "EHOSTUNREACH": dead("the same, and the last router said why"),
    },
    "sendmsg": {
        "ECONNRESET": dead("a reset came", short=True),
        "EPIPE": dead("a reset came earlier", short=True),
        "ETIMEDOUT": dead("the peer acknowledges nothing"),
        "EHOSTUNREACH": dead("the same, and the last router said why"),
    },
    "accept4": {
        "EMFILE": Errno("the limit of this process", short=True),
        "ENFILE": Errno("the limit of the host"),
        "ENOBUFS": Errno("no memory for a socket"),
        "ENOMEM": Errno("no memory for a file", short=True),
        "ECONNABORTED": Errno("the client has gone", short=True),
        "EPERM": Errno("a security module refuses it"),
        "EPROTO": Errno("a pending error of the new socket"),
        "ENETDOWN": Errno("a pending error of the new socket"),
        "ETIMEDOUT": Errno("a pending error of the new socket"),
        "EINTR": Errno("a signal"),
        "EAGAIN": Errno("somebody else who has the socket took it"),
    },
    "epoll_ctl": {
        "ENOSPC": Errno("fs.epoll.max_user_watches", NO_MEMORY, NO_MEMORY, short=True),
        "ENOMEM": Errno("no memory", NO_MEMORY, NO_MEMORY, short=True),
    },
    "socket": {
        "EMFILE": Errno("the limit of this process", other=("limit_descriptors",), short=True),
        "ENFILE": Errno("the limit of the host", other=("limit_descriptors",)),
        "ENOBUFS": Errno("no memory for a socket", other=NO_MEMORY, short=True),
        "ENOMEM": Errno("no memory for a file", other=NO_MEMORY),
        "EACCES": Errno("a security module refuses it", other=NO_MEMORY),
    },
    "connect": {
        "EADDRNOTAVAIL": Errno("no source port is left", other=("limit_ports",), short=True),
        "ECONNREFUSED": Errno("nobody listens", other=REFUSED, short=True),
        "ENETUNREACH": Errno("no route", other=REFUSED, short=True),
        "EHOSTUNREACH": Errno("a route that forbids it", other=REFUSED),
        "EACCES": Errno("a route that prohibits it, or a security module", other=REFUSED),
        "EPERM": Errno("a program of the cgroup, or a rule of the firewall", other=REFUSED),
        "EINVAL": Errno("a route of type blackhole", other=REFUSED),
        "ENOBUFS": Errno("no memory for the SYN", other=REFUSED),
        "ETIMEDOUT": Errno("a pending error", other=REFUSED + ("app_timeout",)),
    },
}

# Calls of the list that get no fault, each with its reason.
LATER = "not yet: another phase"
SKIPS = "strace fails a call by leaving it out, and what it would have closed or ended stays: a leak that Linux does not make"
NEVER = "does not fail"
WITHOUT = {
    "close": SKIPS,
    "munmap": "fails only for want of memory, and then by the C library's free(), which goes on",
    "exit": NEVER, "exit_group": NEVER, "rt_sigreturn": NEVER, "getpid": NEVER, "gettid": NEVER, "getuid": NEVER,
    "geteuid": NEVER, "getgid": NEVER, "getegid": NEVER, "umask": NEVER, "sched_yield": NEVER, "restart_syscall": NEVER,
    "time": NEVER, "uname": NEVER, "sysinfo": NEVER, "sched_getaffinity": NEVER,
}
# Written down in the next step.
WITHOUT.update(dict.fromkeys((
    "epoll_wait epoll_pwait epoll_create1 eventfd2 poll ppoll timerfd_create timerfd_settime futex set_robust_list rseq "
    "bind listen getsockname getpeername getsockopt shutdown recvmsg splice pipe2 bpf openat open read readv pread64 write "
    "writev pwrite64 lseek fstat stat lstat newfstatat statx access faccessat faccessat2 readlink getcwd fcntl dup dup3 "
    "unlink unlinkat rmdir mkdir fsync flock memfd_create sendmmsg brk mremap madvise rt_sigprocmask rt_sigtimedwait "
    "sigaltstack signalfd4 tgkill clock_gettime clock_nanosleep nanosleep gettimeofday getrandom getgroups prlimit64 "
    "getrusage capget setsockopt clone mmap mprotect prctl rt_sigaction clone3 ioctl").split(), LATER))

SECCOMP = ROOT / "user/confine/seccomp.c"


def allowed_calls():
    """Every call that the filter knows, in the order of the file; and those of sanitizers only."""
    text = SECCOMP.read_text()
    found = dict.fromkeys(re.findall(r"SCMP_SYS\((\w+)\)", text))
    parts = re.findall(r"#ifdef SANITIZED\n(.*?)#endif", text, re.S)
    plain = re.sub(r"#ifdef SANITIZED\n.*?#endif", "", text, flags=re.S)
    only = {name for part in parts for name in re.findall(r"SCMP_SYS\((\w+)\)", part)}
    return list(found), only - set(re.findall(r"SCMP_SYS\((\w+)\)", plain))
