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
    """
    why: when Linux gives it. client, app, other: the reasons that kedge may count, by whose socket it was. never: of what
    strace shows, the files for which Linux does not give it.
    """

    def __init__(self, why, client=(), app=(), other=(), short=False, not_in=(), never=None):
        self.why, self.short, self.not_in, self.never = why, short, not_in, never
        self.client, self.app, self.other = set(client), set(app), set(other)


# The connection itself is dead: both ends of the call must know it.
DEAD = {"ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOTCONN"}
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
        # BPF's editor looks at once whether the socket is dead, and the other end cannot end it as fast.
        "ETIMEDOUT": dead("the peer acknowledges nothing", not_in=("edit", "bypass", "all")),
        "EHOSTUNREACH": dead("the same, and the last router said why", not_in=("edit", "bypass", "all")),
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

LOST = ("capability_lost", "no_memory", "limit_connections")
WORKER |= {
    "getsockopt": {"EPERM": Errno("a program of the cgroup", app=REFUSED + LOST, short=True)},
    "setsockopt": {"EPERM": Errno("a program of the cgroup", app=LOST, other=LOST, short=True),
                   "ENOMEM": Errno("no memory", app=LOST, other=LOST)},
    "getsockname": {"ENOBUFS": Errno("no memory", short=True)},
    "shutdown": {"ENOTCONN": dead("a reset came", short=True)},
    "epoll_wait": {"EINTR": Errno("the process was stopped", short=True)},
    "bpf": {"ENOMEM": Errno("no memory for an entry", other=LOST, short=True),
            "E2BIG": Errno("the map is full", other=LOST, short=True),
            "EPERM": Errno("kernel.unprivileged_bpf_disabled, or a security module", other=LOST),
            "EBUSY": Errno("another agent has claimed the socket", other=LOST)},
}
# These calls are not made in each mode.
ONLY_IN = {"bpf": ("edit", "bypass", "all")}



class Kind:
    """A call that only kernel TLS makes. shows: what strace shows of it."""

    def __init__(self, call, shows, errnos):
        self.call, self.shows, self.errnos = call, shows, errnos


class Fate:
    """why: when Linux gives it. what: becomes of the connection. reasons: that kedge may count then."""

    def __init__(self, why, what, reasons=(), short=False):
        self.why, self.what, self.reasons, self.short = why, what, reasons, short


# It must end, may end, or must go on; or the capability is lost: it ends if that is required, and goes on otherwise.
ENDS, MAY_END, GOES_ON, LOST = "ends", "may end", "goes on", "lost"
NO_HANDOFF, NO_KEYS = ("handoff_failed",), ("key_update_refused",)
A_PROGRAM = "a program of the cgroup, or a security module"


def lost(why, **kwargs):
    return Fate(why, LOST, NO_HANDOFF, **kwargs)


def key_refused(why, **kwargs):
    return Fate(why, ENDS, NO_KEYS, **kwargs)


def gone(why, **kwargs):
    return Fate(why, MAY_END, CLIENT_DEAD, **kwargs)


BAD_RECORD = ("record_bad", "record_control")
NEW_KEYS = {"ENOMEM": key_refused("no memory", short=True), "EBUSY": key_refused("Linux before 6.14"),
            "EPERM": key_refused(A_PROGRAM)}
KERNEL_TLS = {
    "ulp": Kind("setsockopt", "SOL_TCP, TCP_ULP", {
        "ENOENT": lost("the module has gone, or may not be loaded", short=True), "ENOMEM": lost("no memory"),
        "EEXIST": lost("another program has given the socket one"), "EPERM": lost(A_PROGRAM),
        "ENOTCONN": Fate("the client's FIN has come", GOES_ON)}),
    "tx": Kind("setsockopt", "SOL_TLS, TLS_TX", {
        "EINVAL": lost("another program has put the socket into a map", short=True),
        "ENOENT": lost("the module of the cipher has gone"), "ENOMEM": lost("no memory"), "EPERM": lost(A_PROGRAM)}),
    "rx": Kind("setsockopt", "SOL_TLS, TLS_RX", {
        "EINVAL": Fate("another program has put the socket into a map", ENDS, NO_HANDOFF, short=True),
        "ENOENT": Fate("the module of the cipher has gone", ENDS, NO_HANDOFF),
        "ENOMEM": Fate("no memory", ENDS, NO_HANDOFF), "EPERM": Fate(A_PROGRAM, ENDS, NO_HANDOFF)}),
    "no_pad": Kind("setsockopt", "SOL_TLS, 0x4", {
        "ENOPROTOOPT": Fate("Linux before 6.0", GOES_ON, short=True), "EPERM": Fate(A_PROGRAM, GOES_ON)}),
    "new_tx": Kind("setsockopt", "SOL_TLS, TLS_TX", NEW_KEYS),
    "new_rx": Kind("setsockopt", "SOL_TLS, TLS_RX", NEW_KEYS),
    "read": Kind("recvmsg", "", {
        "EBADMSG": Fate("a wrong MAC", MAY_END, BAD_RECORD, short=True),
        "EMSGSIZE": Fate("a record that is too long", MAY_END, BAD_RECORD),
        "EINVAL": Fate("a header of another version", MAY_END, BAD_RECORD),
        "ENOMEM": Fate("no memory", MAY_END, NO_MEMORY), "ENOBUFS": Fate("no memory", MAY_END, NO_MEMORY),
        "ECONNRESET": gone("a reset came"), "EPIPE": gone("a reset came behind the client's FIN"),
        "ETIMEDOUT": gone("the client acknowledges nothing"), "EHOSTUNREACH": gone("the same, and a router said why")}),
    "control": Kind("sendmsg", "cmsg_level=SOL_TLS", {
        "ENOMEM": Fate("no memory", MAY_END, NO_MEMORY, short=True),
        "ECONNRESET": gone("a reset came"), "EPIPE": gone("a reset came earlier"),
        "ETIMEDOUT": gone("the client acknowledges nothing"),
        "EINTR": Fate("a signal, such as SIGSTOP, while the kernel sends what it kept", GOES_ON)}),
    "write": Kind("sendto", "", {
        "ENOMEM": Fate("no memory", MAY_END, NO_MEMORY, short=True),
        "ECONNRESET": gone("a reset came"), "EPIPE": gone("a reset came earlier"),
        "ETIMEDOUT": gone("the client acknowledges nothing"),
        "EINTR": Fate("a signal, such as SIGSTOP, while the kernel sends what it kept", GOES_ON)}),
}

# While kedge serves, in its main thread: a reload, and questions on the control socket.
NO_FILE = {"EMFILE": Errno("the limit of this process", short=True), "ENFILE": Errno("the limit of the host"),
           "ENOMEM": Errno("no memory for a file")}
# A reload that lasts until a worker has let go of the one before is told of that by an eventfd.
MAIN = {
    "openat": NO_FILE | {"EACCES": Errno("the file's mode", short=True), "ENOENT": Errno("no such file"),
                         "EIO": Errno("a bad disk")},
    "read": {"EIO": Errno("a bad disk", short=True, never=r"<anon_inode:\[eventfd\]")},
    "newfstatat": {"EACCES": Errno("a directory's mode"), "EIO": Errno("a bad disk", short=True)},
    "lseek": {"ESPIPE": Errno("a pipe in the place of a file")},
    "accept4": NO_FILE | {"ECONNABORTED": Errno("the client has gone")},
    "recvfrom": {"ECONNRESET": Errno("the client has gone", short=True)},
    "sendto": {"EPIPE": Errno("the client has gone", short=True), "ECONNRESET": Errno("the client has gone")},
    "poll": {"EINTR": Errno("the process was stopped", short=True)},
    "socket": NO_FILE | {"ENOBUFS": Errno("no memory")},
    "bind": {"EADDRINUSE": Errno("another process has it", short=True), "EACCES": Errno("a port below 1024"),
             "EADDRNOTAVAIL": Errno("no such address here")},
    "listen": {"EADDRINUSE": Errno("another socket listens there", short=True)},
    "setsockopt": {"EPERM": Errno("a program of the cgroup", short=True)},
    "epoll_ctl": {"ENOSPC": Errno("fs.epoll.max_user_watches", short=True), "ENOMEM": Errno("no memory")},
}
# The thread that writes the access log.
ACCESS = {
    "write": {"ENOSPC": Errno("the disk is full", short=True), "EIO": Errno("a bad disk", short=True),
              "EFBIG": Errno("RLIMIT_FSIZE"), "EDQUOT": Errno("the quota is used up")},
}

# While kedge starts, in its main thread, at each place that makes the call. EPERM is what the filter of a container says
# to any call that it does not know.
STARTING = {
    "openat": {"EMFILE": Errno("the limit of this process", short=True), "ENFILE": Errno("the limit of the host"),
               "EACCES": Errno("the file's mode", short=True), "ENOENT": Errno("no such file"),
               "ENOMEM": Errno("no memory for a file"), "ELOOP": Errno("links in a circle"), "EIO": Errno("a bad disk")},
    "read": {"EIO": Errno("a bad disk", short=True)},
    "newfstatat": {"EACCES": Errno("a directory's mode", short=True), "EIO": Errno("a bad disk")},
    "lseek": {"ESPIPE": Errno("a pipe in the place of a file")},
    "access": {"EACCES": Errno("the file's mode"), "EROFS": Errno("the file system is read-only")},
    "faccessat2": {"EACCES": Errno("the file's mode"), "ENOSYS": Errno("Linux before 5.8")},
    "readlink": {"EACCES": Errno("a directory's mode"), "EINVAL": Errno("no link")},
    "mkdir": {"EACCES": Errno("the parent's mode", short=True), "EROFS": Errno("the file system is read-only"),
              "ENOSPC": Errno("no room"), "EPERM": Errno("a bpffs that may not be changed")},
    "unlinkat": {"EACCES": Errno("the parent's mode"), "EROFS": Errno("the file system is read-only")},
    "statfs": {"EACCES": Errno("a directory's mode")},
    "fstatfs": {"EIO": Errno("a bad disk")},
    "flock": {"EAGAIN": Errno("another kedge has it", short=True), "ENOLCK": Errno("no memory")},
    "fcntl": {"EPERM": Errno("a container")},
    "write": {"EIO": Errno("the terminal has gone", short=True), "ENOSPC": Errno("the log's disk is full"),
              "EPIPE": Errno("the log's reader has gone")},
    "socket": {"EMFILE": Errno("the limit of this process", short=True), "ENFILE": Errno("the limit of the host"),
               "ENOBUFS": Errno("no memory"), "EACCES": Errno("a security module"),
               "EAFNOSUPPORT": Errno("a kernel without the family")},
    "bind": {"EADDRINUSE": Errno("another process has it", short=True), "EACCES": Errno("a port below 1024"),
             "EADDRNOTAVAIL": Errno("no such address here"), "ENOMEM": Errno("no memory")},
    "listen": {"EADDRINUSE": Errno("another socket listens there", short=True), "ENOMEM": Errno("no memory")},
    "setsockopt": {"ENOPROTOOPT": Errno("a kernel without the option", short=True), "EPERM": Errno("a container"),
                   "ENOMEM": Errno("no memory")},
    "getsockopt": {"ENOPROTOOPT": Errno("a kernel without the option"), "EPERM": Errno("a container")},
    "getsockname": {"EPERM": Errno("a container", short=True), "ENOBUFS": Errno("no memory")},
    "connect": {"EACCES": Errno("the socket's mode", short=True)},
    "accept4": {"EMFILE": Errno("the limit of this process"), "ENOMEM": Errno("no memory")},
    "poll": {"ENOMEM": Errno("no memory"), "EINTR": Errno("a signal")},
    "sendmsg": {"ENOMEM": Errno("no memory"), "EACCES": Errno("the program dropped it")},
    "recvfrom": {"ECONNRESET": Errno("a reset came")},
    "eventfd2": {"EMFILE": Errno("the limit of this process", short=True), "ENOMEM": Errno("no memory")},
    "signalfd4": {"EMFILE": Errno("the limit of this process", short=True), "ENOMEM": Errno("no memory")},
    "epoll_create1": {"EMFILE": Errno("the limit of this process", short=True), "ENOMEM": Errno("no memory")},
    "epoll_ctl": {"ENOSPC": Errno("fs.epoll.max_user_watches", short=True), "ENOMEM": Errno("no memory")},
    "mmap": {"ENOMEM": Errno("no memory, or RLIMIT_AS", short=True)},
    "mremap": {"ENOMEM": Errno("no memory, or RLIMIT_AS")},
    "mprotect": {"ENOMEM": Errno("too many mappings")},
    "clone": {"EAGAIN": Errno("RLIMIT_NPROC, or the cgroup's pids.max", short=True)},
    "prctl": {"EPERM": Errno("a container", short=True)},
    "capset": {"EPERM": Errno("a container", short=True)},
    "capget": {"EPERM": Errno("a container")},
    "seccomp": {"EPERM": Errno("a container", short=True), "EINVAL": Errno("a kernel without filters"),
                "ENOMEM": Errno("no memory")},
    "prlimit64": {"EPERM": Errno("a container")},
    "getrandom": {"EPERM": Errno("a container"), "ENOSYS": Errno("a container")},
    "ioctl": {"ENOTTY": Errno("no terminal")},
    "bpf": {"EPERM": Errno("no right, or a container", short=True), "ENOMEM": Errno("no memory"),
            "EINVAL": Errno("a kernel without it"), "E2BIG": Errno("too complex for this kernel's verifier"),
            "ENOSPC": Errno("the verifier's log is full")},
}

# Calls of the list that get no fault, each with its reason.
SKIPS = "strace fails a call by leaving it out, and what it would have closed stays open: a leak that Linux does not make"
NEVER = "does not fail for what kedge asks of it"
OTHER_NAME = "another name of a call above, for other versions of the C library or other machines"
IN_GUESTS = "only with kernel TLS: KERNEL_TLS above"
PROBE = "only made by the probe of kernel TLS"
LIBRARY = "made by the C library or by OpenSSL, which has its own answer to a failure"
ONCE = "a fault of it is only seen by its caller's unit test: the call is made where nothing more can be done"
UNMADE = "made in no mode of these tests"
WITHOUT = {
    "close": SKIPS, "dup": UNMADE, "dup3": UNMADE, "exit": NEVER, "exit_group": NEVER, "rt_sigreturn": NEVER,
    "getpid": NEVER, "gettid": NEVER, "getuid": NEVER, "geteuid": NEVER, "getgid": NEVER, "getegid": NEVER, "umask": NEVER,
    "sched_yield": NEVER, "restart_syscall": NEVER, "time": NEVER, "uname": NEVER, "sysinfo": NEVER,
    "sched_getaffinity": NEVER, "clock_gettime": NEVER, "gettimeofday": NEVER, "getrusage": NEVER, "getgroups": NEVER,
    "rt_sigprocmask": NEVER, "rt_sigaction": NEVER, "sigaltstack": NEVER, "set_robust_list": NEVER, "rseq": LIBRARY,
    "munmap": "fails only where memory is short, and then in free(3), which goes on",
    "brk": "does not fail, but gives the old end of the heap; then malloc(3) asks mmap(2), which is above",
    "madvise": LIBRARY, "futex": "a wake does not fail, and the C library repeats a wait",
    "clone3": "the filter fails it, and the C library takes clone", "tgkill": "ends the process",
    "epoll_pwait": OTHER_NAME, "ppoll": OTHER_NAME, "open": OTHER_NAME, "fstat": OTHER_NAME, "stat": OTHER_NAME,
    "lstat": OTHER_NAME, "statx": OTHER_NAME, "faccessat": OTHER_NAME, "readv": OTHER_NAME, "writev": OTHER_NAME,
    "pread64": LIBRARY, "pwrite64": LIBRARY, "getcwd": LIBRARY, "clock_nanosleep": LIBRARY, "nanosleep": LIBRARY,
    "sendmmsg": LIBRARY, "recvmsg": IN_GUESTS, "splice": PROBE, "pipe2": PROBE, "timerfd_create": UNMADE,
    "timerfd_settime": UNMADE, "fsync": UNMADE, "memfd_create": LIBRARY, "rt_sigtimedwait": UNMADE,
    "unlink": ONCE, "rmdir": ONCE, "getpeername": "made only where the kernel gives a socket the application's own port",
}

SECCOMP = ROOT / "user/confine/seccomp.c"


def allowed_calls():
    """Every call that the filter knows, in the order of the file; and those of sanitizers only."""
    text = SECCOMP.read_text()
    found = dict.fromkeys(re.findall(r"SCMP_SYS\((\w+)\)", text))
    parts = re.findall(r"#ifdef SANITIZED\n(.*?)#endif", text, re.S)
    plain = re.sub(r"#ifdef SANITIZED\n.*?#endif", "", text, flags=re.S)
    only = {name for part in parts for name in re.findall(r"SCMP_SYS\((\w+)\)", part)}
    return list(found), only - set(re.findall(r"SCMP_SYS\((\w+)\)", plain))
