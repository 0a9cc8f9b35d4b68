# SPDX-License-Identifier: BSD-2-Clause
"""
kedge.service and kedge.socket under a real systemd, with the whole sandbox, kernel TLS and the edit by BPF.
vmtest runs this in a guest: it installs into /usr and removes the host's services from the guest's copy of the
system.
"""
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import machine
from client import Client, tls_context
from rawapp import RawApp
from run import run

UNITS = Path("/lib/systemd/system")
ETC = Path("/etc/kedge")
CONFIG = """app: {app}
record: require
edit: require
listeners:
  - listen: "*:443"
    certs:
      - cert: {cert}
        key: {key}
"""
ADDRESS = ("127.0.0.1", 443)
SAID = Path("/run/kedge-said")  # where the journal does not follow


class Systemd:
    """A systemd as the first process of a PID namespace. It starts only the units that it is asked for."""

    def __init__(self):
        for wants in [*UNITS.glob("*.wants"), *Path("/etc/systemd/system").glob("*.wants")]:
            shutil.rmtree(wants)
        Path("/etc/fstab").write_text("")
        (UNITS / "first.target").write_text("[Unit]\nDefaultDependencies=no\n")
        for name in ("systemd-journald.socket", "systemd-journald-dev-log.socket"):
            where = UNITS / "sockets.target.wants" / name
            where.parent.mkdir(exist_ok=True)
            where.symlink_to(UNITS / name)
        self.outer = subprocess.Popen(  # pylint: disable=consider-using-with
            ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "/lib/systemd/systemd",
             "--system", "--unit=first.target", "--show-status=no"], env={**os.environ, "container": "other"})
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        machine.wait_for(lambda: children.read_text().split(), 20, "systemd's process")
        self.pid = int(children.read_text().split()[0])
        machine.wait_for(lambda: self.ctl("is-system-running", check=False).stdout.strip() == "running", 60,
                         "a running systemd")

    def inside(self, *argv, check=True):
        done = run("nsenter", "-t", self.pid, "-p", "-m", *argv, timeout=machine.Deadline(20).left())
        assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done

    def ctl(self, *argv, check=True):
        return self.inside("systemctl", *argv, check=check)

    def shows(self, unit, key):
        return self.ctl("show", "-p", key, "--value", unit).stdout.strip()

    def log(self):
        return self.ctl("status", "--no-pager", "-l", "kedge.service", check=False).stdout

    def main_pid(self):
        """The main process, by its number in the guest."""
        inner = self.shows("kedge.service", "MainPID")
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                numbers = [line.split()[1:] for line in status.read_text().splitlines() if line.startswith("NSpid:")][0]
            except OSError:
                continue  # it has ended meanwhile
            if len(numbers) == 2 and numbers[1] == inner:
                return int(numbers[0])
        raise AssertionError(f"no process {inner} in the namespace")

    def stop(self):
        self.outer.kill()
        self.outer.wait()


@pytest.fixture(scope="module")
def app():
    with RawApp() as running:
        yield running


@pytest.fixture(scope="module")
def systemd(app, certs):
    # This must not run on a real machine.
    assert run("findmnt", "-no", "FSTYPE", "/").stdout.strip() == "overlay" and socket.gethostname() == "kedge-vm"
    done = run("make", "install", "prefix=/usr", timeout=machine.Deadline(60).left())
    assert done.returncode == 0, done.stdout + done.stderr
    assert run("systemd-sysusers", "/usr/lib/sysusers.d/kedge.conf").returncode == 0
    ETC.mkdir(exist_ok=True)
    for path in (certs.ec.cert, certs.ec.key):
        there = Path(shutil.copy(path, ETC))
        shutil.chown(there, "root", "kedge")
        there.chmod(0o640)
    (ETC / "kedge.yaml").write_text(CONFIG.format(app=app.text, cert=ETC / Path(certs.ec.cert).name,
                                                  key=ETC / Path(certs.ec.key).name))
    running = Systemd()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def stopped(systemd):
    yield
    systemd.ctl("stop", "kedge.socket", "kedge.service", check=False)


def served(app, certs):
    with Client(ADDRESS, tls=tls_context(certs.ca)) as c:
        assert c.request(fields=[("X-Forwarded-For", "192.0.2.1")]).status == 200
    return app.connections[-1].requests[-1].xff == "192.0.2.1, 127.0.0.1"


def test_in_its_sandbox_it_has_all_that_the_kernel_can(systemd, app, certs):
    systemd.ctl("start", "kedge.service")
    assert served(app, certs), systemd.log()
    status = systemd.inside("kedge", "status").stdout
    assert re.search(r"^record +kernel\nedit +kernel\n", status, re.M), status
    fields = dict(line.split(":\t", 1) for line in
                  Path(f"/proc/{systemd.main_pid()}/status").read_text().splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(os.stat("/sys/fs/bpf/kedge").st_uid)] * 4 != ["0"] * 4
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
    assert systemd.shows("kedge.service", "StatusText").startswith("1 listener, ")


def test_reload_and_stop(systemd, app, certs):
    systemd.ctl("start", "kedge.service")
    systemd.ctl("reload", "kedge.service")
    assert "configuration 2" in systemd.inside("kedge", "status").stdout
    config = (ETC / "kedge.yaml").read_text()
    (ETC / "kedge.yaml").write_text(config + "xff: maybe\n")
    assert systemd.ctl("reload", "kedge.service", check=False).returncode != 0
    (ETC / "kedge.yaml").write_text(config)
    assert served(app, certs)
    systemd.ctl("stop", "kedge.service")
    assert systemd.shows("kedge.service", "Result") == "success"
    assert not list(Path("/sys/fs/bpf/kedge").iterdir())
    assert systemd.inside("ls", "/run/kedge", check=False).returncode != 0


def test_a_killed_one_is_started_again(systemd, app, certs):
    systemd.ctl("start", "kedge.service")
    os.kill(systemd.main_pid(), signal.SIGKILL)
    machine.wait_for(lambda: (systemd.shows("kedge.service", "NRestarts"),
                              systemd.shows("kedge.service", "ActiveState")) == ("1", "active"), 30,
                     "kedge to be started again", pause=0.5)
    assert served(app, certs)


def test_connections_wait_in_the_socket_while_it_restarts(systemd, app, certs):
    systemd.ctl("start", "kedge.socket")
    assert systemd.shows("kedge.service", "ActiveState") == "inactive"
    assert served(app, certs)  # the first one starts it
    first = systemd.shows("kedge.service", "MainPID")
    systemd.ctl("restart", "--no-block", "kedge.service")
    deadline = machine.Deadline(60)
    while systemd.shows("kedge.service", "MainPID") in (first, "0"):
        assert served(app, certs)
        assert deadline.left() > 0
        time.sleep(0.2)
    assert served(app, certs)


@pytest.fixture
def guarded(systemd):
    """With the drop-in of docs/guard.md, as written there, and a guard on loopback."""
    page = (machine.ROOT / "docs/guard.md").read_text()
    block = page.split("# /etc/systemd/system/kedge.service.d/guard.conf\n", 1)[1].split("\n\n", 1)[0]
    there = Path("/etc/systemd/system/kedge.service.d/guard.conf")
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_text("\n".join(line.strip() for line in block.splitlines())
                     + f"\nStandardError=append:{SAID}\n")
    before = (ETC / "kedge.yaml").read_text()
    (ETC / "kedge.yaml").write_text(before + "user: kedge\nguard-mode: auto\nguard-interfaces: [lo]\n")
    systemd.ctl("daemon-reload")
    yield
    systemd.ctl("stop", "kedge.service", check=False)
    (ETC / "kedge.yaml").write_text(before)
    there.unlink()
    systemd.ctl("daemon-reload")


def on_loopback():
    return "kdg_guard" in run("xdp-loader", "status", "lo").stdout


def test_the_guard_with_its_drop_in(systemd, app, certs, guarded):
    """The guard is on, is kept by an unprivileged kedge, off when that is killed, on with the next, off at the end."""
    started = systemd.ctl("start", "kedge.service", check=False)
    assert started.returncode == 0 and served(app, certs) and on_loopback(), SAID.read_text()
    assert re.search(r"^guard +on$", systemd.inside("kedge", "status").stdout, re.M)
    fields = dict(line.split(":\t", 1) for line in
                  Path(f"/proc/{systemd.main_pid()}/status").read_text().splitlines() if ":\t" in line)
    assert fields["Uid"].split()[0] != "0" and int(fields["CapEff"], 16) & 1 << 21 == 0
    os.kill(systemd.main_pid(), signal.SIGKILL)
    machine.wait_for(lambda: "guard: kedge is gone without a word: detached" in SAID.read_text(),
                     what="the keeper's last line")
    machine.wait_for(lambda: systemd.shows("kedge.service", "NRestarts") == "1"
                     and systemd.shows("kedge.service", "ActiveState") == "active", 20, "the next kedge")
    assert served(app, certs) and on_loopback()
    systemd.ctl("stop", "kedge.service")
    assert not on_loopback()
