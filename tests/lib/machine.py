# SPDX-License-Identifier: BSD-2-Clause
"""What this machine offers the tests: cgroup v2, a bpffs, loopback addresses, patience."""
import contextlib
import os
import platform
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Every deadline is multiplied by this. A guest under software emulation wants 10 or so.
PATIENCE = float(os.environ.get("KEDGE_TEST_PATIENCE", "1"))


class Deadline:
    """The time by which something must have happened. `what` is for the message."""

    def __init__(self, seconds, what="event"):
        self.what = what
        self.seconds = seconds * PATIENCE
        self.end = time.monotonic() + self.seconds

    def left(self):
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{self.what}: not within {self.seconds:g} s")
        return left


def wait_for(predicate, seconds=10, what="condition", pause=0.02):
    """For states that nothing announces: polls until true or the deadline."""
    deadline = Deadline(seconds, what)
    while True:
        value = predicate()
        if value:
            return value
        deadline.left()
        time.sleep(pause)


def refused(address):
    """
    Does nobody listen at (host, port)? A connection in the queue of a listener that is just being closed is
    reset before connect() returns; then the next attempt tells.
    """
    try:
        socket.create_connection(address, 5 * PATIENCE).close()
        return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def mounts():
    """(mount point, file system type) of every mount this process sees."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        yield Path(left.split()[4].encode().decode("unicode_escape")), right.split()[0]


def cgroup2_mount():
    """One that is not hidden by another mount."""
    return next((point for point, fstype in mounts() if fstype == "cgroup2" and (point / "cgroup.procs").exists()), None)


def rekeys():
    """Does this kernel take new keys after a KeyUpdate of TLS 1.3?"""
    return tuple(int(x) for x in platform.release().split(".")[:2]) >= (6, 14)


def alive(pid):
    return Path(f"/proc/{pid}").exists()


class NoCgroup(RuntimeError):
    """This machine has no cgroup v2 in which we may make a cgroup."""


class Cgroup:
    """A cgroup of our own. A socket belongs to the cgroup that the process was in when it made the socket."""

    count = 0

    def __init__(self):
        mount = cgroup2_mount()
        if mount is None:
            raise NoCgroup("no cgroup v2 is mounted")
        Cgroup.count += 1
        self.path = mount / f"kedge-test-{os.getpid()}-{Cgroup.count}"
        try:
            self.path.mkdir()
        except OSError as error:
            raise NoCgroup(f"{self.path}: {error.strerror}") from error
        ours = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines()
                    if line.startswith("0::"))
        self.home = mount / ours.lstrip("/")

    @contextlib.contextmanager
    def inside(self):
        """Runs the body with this process (all its threads) in the cgroup."""
        (self.path / "cgroup.procs").write_text("0")
        try:
            yield
        finally:
            (self.home / "cgroup.procs").write_text("0")

    def remove(self):
        def try_it():
            try:
                self.path.rmdir()
                return True
            except OSError:
                return False
        if self.path.exists():
            wait_for(try_it, what=f"{self.path}: still in use")


class MissingCgroup:
    """In the place of a Cgroup where there is none: false, and whoever needs more of it gets the reason."""

    def __init__(self, why):
        self.why = why

    def __bool__(self):
        return False

    @property
    def path(self):
        raise NoCgroup(self.why)

    inside = path

    def remove(self):
        pass


def try_cgroup():
    """A Cgroup, or a MissingCgroup."""
    try:
        return Cgroup()
    except NoCgroup as error:
        return MissingCgroup(str(error))


def need_cgroup():
    """For programs that measure: ends them with a message."""
    try:
        Cgroup().remove()
    except NoCgroup as error:
        raise SystemExit(f"{error}: each proxy is measured in a cgroup of its own; as root, and with: "
                         "mount -t cgroup2 none /sys/fs/cgroup") from error


def bpffs_missing():
    """Why this process cannot mount a bpffs; "" if it can."""
    done = subprocess.run(["unshare", "--mount", "mount", "-t", "bpf", "bpf", "/mnt"], capture_output=True, text=True,
                          check=False)
    return done.stderr.strip() if done.returncode else ""


class Bpffs:
    """A bpffs of our own below `base`."""

    def __init__(self, base):
        self.path = Path(base) / "bpf"
        self.path.mkdir()
        subprocess.run(["mount", "-t", "bpf", "bpf", self.path], check=True)

    def remove(self):
        """The last descriptor of a killed process is closed a little after it is gone."""
        def unmounted():
            done = subprocess.run(["umount", self.path], capture_output=True, text=True, check=False)
            if done.returncode and "busy" not in done.stderr:
                raise OSError(done.stderr)
            return not done.returncode
        wait_for(unmounted, seconds=5, what=f"umount {self.path}")
        self.path.rmdir()


def remove_stale():
    """Removes the cgroups and mounts of killed test runs, but not those of living ones."""
    for point, fstype in list(mounts()):
        name = point.parent.name
        if fstype == "bpf" and name.startswith("kedge-test-"):
            pid = name.split("-")[2]
            if pid.isdigit() and not alive(pid):
                subprocess.run(["umount", point], check=False)
    mount = cgroup2_mount()
    for path in mount.glob("kedge-test-*") if mount else []:
        pid = path.name.split("-")[2]
        if pid.isdigit() and not alive(pid):
            with contextlib.suppress(OSError):
                # Grandchildren outlive a killed run, such as a master's workers.
                (path / "cgroup.kill").write_text("1")
                wait_for(lambda path=path: not (path / "cgroup.procs").read_text())
                path.rmdir()


def kernel_warnings():
    """Lines of the kernel log that no test may cause."""
    done = subprocess.run(["dmesg"], capture_output=True, text=True, check=False)
    words = ("WARNING:", "BUG:", "Oops", "general protection", "refcount_t")
    return [line for line in done.stdout.splitlines() if any(w in line for w in words)]
