# SPDX-License-Identifier: BSD-2-Clause
"""
The Debian package, built on its release and installed, started, upgraded, removed and purged in a system of its own
with systemd. The tests of a release follow each other: each finds what the one before has left.
"""
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import machine
from system import System

HERE = Path(__file__).parent
OURS = platform.freedesktop_os_release().get("VERSION_CODENAME")
# The other release takes as long again: its system, and the package built there.
RELEASES = [pytest.param(name, marks=[] if name == OURS else pytest.mark.full) for name in ("bookworm", "trixie")]
CERT, KEY, YAML = (f"/etc/kedge/{name}" for name in ("cert.pem", "key.pem", "kedge.yaml"))
WEB = """app: 127.0.0.1:3000
access-log: /var/log/kedge/access.log
drain-timeout-ms: 5000
listeners:
  - {listen: "127.0.0.1:${PORT}", tls: off}
"""
PORT = "[Service]\nEnvironment=PORT=8080\n"
URL, WEB_URL = "https://127.0.0.1/", "http://127.0.0.1:8080/"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Installed(System):
    """The system, and what the tests say to it."""

    def __init__(self, place):
        super().__init__(place / "root")
        self.first, self.second = sorted((place / "package").glob("kedge_*.deb"), key=lambda path: "next" in path.name)
        self.app = subprocess.Popen(self.outside(sys.executable, "-B", HERE / "app.py"))  # pylint: disable=R1732

    def dpkg(self, action, package):
        """Installs a file, or does something to the installed package; what it printed."""
        if isinstance(package, Path):
            self.ok("sh", "-c", "base64 -d >/tmp/kedge.deb", input=base64_of(package))
            package = "/tmp/kedge.deb"
        done = self.run("dpkg", "--force-confold", action, package)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def curl(self, url, *more):
        return self.outside("curl", "-sSk", "--max-time", int(20 * machine.PATIENCE), *more, url)

    def answers(self, url=URL):
        done = subprocess.run(self.curl(url), capture_output=True, text=True, check=False)
        return done.stdout == "xff 127.0.0.1\n"

    def unit(self, name="kedge.service"):
        return self.shows(name, "ActiveState"), self.shows(name, "MainPID")

    def ours(self):
        """Files of kedge, but for those in directories that the kernel or systemd makes up."""
        found = self.run("find", "/", "-xdev", "-name", "*kedge*", "-not", "-path", "/var/lib/dpkg/*", "-not", "-path",
                         "/old*").stdout.split()
        return sorted(path for path in found if not path.startswith(("/proc", "/sys", "/tmp", "/kedge")))

    def end(self):
        self.app.kill()
        self.app.wait()
        self.stop()


def base64_of(path):
    return subprocess.run(["base64", path], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module", params=RELEASES)
def system(request):
    place = machine.ROOT / "build/deb" / request.param
    made = subprocess.run([HERE / "base.sh", request.param, place], capture_output=True, text=True, check=False,
                          timeout=1800 * machine.PATIENCE)
    assert made.returncode == 0, made.stdout[-4000:] + made.stderr[-4000:]
    running = Installed(place)
    yield running
    running.end()


def test_it_is_installed_and_does_nothing_yet(system):
    system.dpkg("-i", system.first)
    assert system.run("systemctl", "is-enabled", "kedge.service").stdout.strip() == "disabled"
    assert system.run("systemctl", "is-enabled", "kedge.socket").stdout.strip() == "disabled"
    assert system.unit() == ("inactive", "0") and system.unit("kedge.socket")[0] == "inactive"
    assert system.ok("stat", "-c", "%U:%G %a", "/etc/kedge") == "root:root 755"
    assert re.fullmatch(r"kedge \d+\.\d+\.\d+(-dev)?", system.ok("kedge", "--version"))
    # Each package that is built between releases replaces the one before.
    assert re.fullmatch(r"\d+\.\d+\.\d+(~dev\d{14})?", system.ok("dpkg-query", "-W", "-f", "${Version}", "kedge"))
    assert "kedge" in system.ok("getent", "passwd", "kedge")
    assert system.ok("systemctl", "list-units", "--failed", "--plain", "--no-legend") == ""


def test_without_a_certificate_it_says_so(system):
    assert system.run("systemctl", "start", "kedge.service").returncode != 0
    assert f"{CERT}: cannot open: No such file" in system.log("kedge.service")
    system.ok("systemctl", "stop", "kedge.service")
    system.run("systemctl", "reset-failed", "kedge.service")


def test_its_configuration_wants_only_a_certificate(system, certs):
    system.write(CERT, Path(certs.ec.cert).read_text())
    system.write(KEY, Path(certs.ec.key).read_text(), "0640")
    system.ok("chgrp", "kedge", KEY)
    assert system.ok("kedge", "check", "-c", YAML).startswith(f"{YAML}: ok: 1 listener")
    system.ok("systemctl", "enable", "--now", "kedge.service")
    assert system.answers(), system.log("kedge.service")
    assert "listener" in system.ok("kedge", "status")
    system.ok("systemctl", "reload", "kedge.service")
    assert system.answers()


def test_it_starts_without_the_file_system_of_bpf(system):
    system.ok("systemctl", "stop", "kedge.service")
    system.ok("umount", "/sys/fs/bpf")
    system.ok("systemctl", "start", "kedge.service")
    assert system.answers(), system.log("kedge.service")
    system.ok("systemctl", "stop", "kedge.service")
    system.ok("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    system.ok("systemctl", "start", "kedge.service")
    assert system.ok("ls", "/sys/fs/bpf/kedge") != ""


def test_an_instance_beside_it(system):
    system.write("/etc/kedge/web.yaml", WEB)
    system.ok("mkdir", "/etc/systemd/system/kedge@web.service.d")
    system.write("/etc/systemd/system/kedge@web.service.d/port.conf", PORT)
    system.ok("systemctl", "daemon-reload")
    system.ok("systemctl", "enable", "--now", "kedge@web.service")
    assert system.answers(WEB_URL) and system.answers(), system.log("kedge@web.service")
    assert "listener" in system.ok("kedge", "status", "--control", "/run/kedge@web/kedge.sock")
    pins = [system.ok("ls", f"/sys/fs/bpf/{name}") for name in ("kedge", "kedge@web")]
    assert pins[0] == pins[1] != ""
    system.ok("systemctl", "reload", "kedge@web.service")
    assert "configuration 2" in system.ok("kedge", "status", "--control", "/run/kedge@web/kedge.sock")


def test_its_access_log_rotates(system):
    log = "/var/log/kedge/access.log"
    lines = lambda path: system.run("grep", "-c", "GET / ", path).stdout.strip()  # noqa: E731
    assert system.answers(WEB_URL)
    machine.wait_for(lambda: lines(log) == "2", what="a line of each request")
    system.ok("logrotate", "--force", "/etc/logrotate.d/kedge")
    machine.wait_for(lambda: system.run("test", "-e", log).returncode == 0, what="a new file")
    assert system.answers(WEB_URL)
    machine.wait_for(lambda: lines(log) == "1", what="the next line, in the new file")
    assert lines(f"{log}.1") == "2"


def test_an_upgrade_restarts_it_and_keeps_the_configuration(system):
    """With an edited configuration, a stopped instance, and a request under way."""
    edited = system.ok("cat", YAML).replace("app: 127.0.0.1:3000", "app: 127.0.0.1:3000\nxff: replace")
    system.write(YAML, edited + "\n")
    before = system.unit()[1], system.unit("kedge@web.service")[1]
    with subprocess.Popen(system.curl(URL + "slow"), stdout=subprocess.PIPE, text=True) as slow:
        time.sleep(0.5)  # the request is with the application; if not, the test only shows less
        system.dpkg("-i", system.second)
        assert slow.communicate()[0] == "xff 127.0.0.1\n"
    assert system.ok("dpkg-query", "-W", "-f", "${Version}", "kedge").endswith("+next")
    after = [system.unit(), system.unit("kedge@web.service")]
    assert [state for state, _ in after] == ["active"] * 2
    assert after[0][1] != before[0] and after[1][1] != before[1]
    assert system.ok("cat", YAML) == edited.strip()
    assert "of the next version" in system.ok("cat", f"{YAML}.dpkg-dist")
    assert system.answers() and system.answers(WEB_URL)
    system.ok("rm", f"{YAML}.dpkg-dist")


def test_an_upgrade_leaves_alone_what_the_new_one_would_not_run(system):
    good = system.ok("cat", YAML)
    system.write(YAML, good + "\nnonsense: on\n")
    before = system.unit()
    said = system.dpkg("-i", system.second)
    assert "kedge.service was not restarted" in said and "nonsense" in said
    assert system.unit() == before and system.answers()
    system.write(YAML, good + "\n")
    system.ok("systemctl", "stop", "kedge@web.service")
    said = system.dpkg("-i", system.second)
    assert system.unit()[1] != before[1] and system.answers() and "not restarted" not in said
    assert system.unit("kedge@web.service") == ("inactive", "0")


def test_nobody_is_refused_in_an_upgrade_with_the_socket(system):
    """With the command of the tutorial, and a slow request that keeps the old program busy."""
    system.ok("systemctl", "stop", "kedge.service")
    system.ok("systemctl", "enable", "--now", "kedge.socket", "kedge")
    loop = f"for i in $(seq 60); do {' '.join(system.curl(URL, '-o', '/dev/null'))} || exit 1; sleep 0.05; done"
    with subprocess.Popen(system.curl(URL + "slow"), stdout=subprocess.PIPE, text=True) as slow, \
            subprocess.Popen(["sh", "-c", loop]) as clients:
        before = system.unit()
        system.dpkg("-i", system.second)
        assert clients.wait(60 * machine.PATIENCE) == 0
        assert slow.communicate()[0] == "xff 127.0.0.1\n"
    assert system.unit()[1] not in (before[1], "0") and system.unit("kedge.socket")[0] == "active"


def test_the_unit_starts_with_what_the_guard_needs(system):
    """The drop-in of the document. It makes directories on the file system of BPF, which only root may remove."""
    text = (machine.ROOT / "docs/guard.md").read_text()
    drop_in = re.search(r"^    (# /etc/systemd/system/kedge.service.d/guard.conf\n(?:    .*\n)+)", text, re.M)[1]
    system.ok("mkdir", "-p", "/etc/systemd/system/kedge.service.d")
    system.write("/etc/systemd/system/kedge.service.d/guard.conf", re.sub("^    ", "", drop_in, flags=re.M))
    system.ok("systemctl", "daemon-reload")
    assert system.run("systemctl", "restart", "kedge.service").returncode == 0, system.log("kedge.service")[-2000:]
    assert system.answers(), system.log("kedge.service")
    assert {"kedge-guard", "kedge-guard-lock"} <= set(system.ok("ls", "/sys/fs/bpf").split())


def test_removed_it_leaves_the_configuration(system):
    system.ok("systemctl", "start", "kedge@web.service")
    # Locks of guards that are gone, and of one in a container.
    system.ok("mkdir", "/sys/fs/bpf/kedge-guard-lock/7", "/sys/fs/bpf/kedge-guard-lock/8")
    system.ok("systemd-run", "--unit=other", "flock", "/sys/fs/bpf/kedge-guard-lock/8", "sleep", "infinity")
    machine.wait_for(lambda: system.run("flock", "-n", "/sys/fs/bpf/kedge-guard-lock/8", "true").returncode, 20, "the lock")
    # One that was killed leaves its pins.
    system.ok("systemctl", "kill", "--signal=KILL", "kedge@web.service")
    system.dpkg("--remove", "kedge")
    assert system.run("pgrep", "-x", "kedge").stdout == "" and not system.answers()
    assert system.unit("kedge.socket")[0] == "inactive"
    of_the_kernel = {"maps.debug", "progs.debug"}
    assert set(system.ok("ls", "/sys/fs/bpf").split()) - of_the_kernel == {"kedge-guard-lock"}
    assert system.ok("ls", "/sys/fs/bpf/kedge-guard-lock") == "8"
    system.ok("systemctl", "stop", "other.service")
    assert system.run("test", "-e", "/run/kedge").returncode == 1
    assert system.ok("ls", "/etc/kedge").split() == ["cert.pem", "kedge.yaml", "key.pem", "web.yaml"]
    assert "/usr/bin/kedge" not in system.ours()


def test_purged_it_leaves_what_is_the_administrators(system):
    system.dpkg("--purge", "kedge")
    assert set(system.ok("ls", "/sys/fs/bpf").split()) <= {"maps.debug", "progs.debug"}  # the kernel's
    assert system.ok("ls", "/etc/kedge").split() == ["cert.pem", "key.pem", "web.yaml"]
    assert system.ours() == ["/etc/kedge", "/etc/systemd/system/kedge.service.d", "/etc/systemd/system/kedge@web.service.d"]
    assert "kedge" in system.ok("getent", "passwd", "kedge")
