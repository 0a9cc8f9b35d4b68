# SPDX-License-Identifier: BSD-2-Clause
"""podman with a storage of its own below build/containers, in a mount namespace of its own where the machine needs that."""
import ctypes
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from machine import PATIENCE, ROOT

PLACE = ROOT / "build/containers"
CLONE_NEWNS, MS_PRIVATE, MS_REC = 0x20000, 1 << 18, 1 << 14
libc = ctypes.CDLL(None, use_errno=True)

CONF = """\
[containers]
default_ulimits = []
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "crun"
[engine.runtimes]
crun = ["{crun}"]
"""


def cgroup2_where_podman_looks():
    """Where version 1 is at /sys/fs/cgroup, and 2 elsewhere, only this process and its children see it otherwise."""
    if Path("/sys/fs/cgroup/cgroup.procs").exists():
        return
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "no mount namespace")
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], check=True)


class Podman:
    def __init__(self):
        PLACE.mkdir(parents=True, exist_ok=True)
        # The names are in its data base, and are those of the next run as well.
        self.run_dir = Path("/run", "kedge-containers-" + hashlib.sha256(str(PLACE).encode()).hexdigest()[:12])
        conf = PLACE / "containers.conf"
        conf.write_text(CONF.format(crun=ROOT / "tests/containers/oci/crun"))
        self.env = {**os.environ, "CONTAINERS_CONF": str(conf)}
        self.argv = ["podman", "--root", str(PLACE / "storage"), "--runroot", str(self.run_dir / "root"),
                     "--tmpdir", str(self.run_dir / "tmp"), "--storage-driver", "overlay"]

    def __call__(self, *args, check=True, timeout=60, **kwargs):
        done = subprocess.run([*self.argv, *map(str, args)], env=self.env, capture_output=True, text=True, check=False,
                              timeout=timeout * PATIENCE, **kwargs)
        assert not check or done.returncode == 0, f"podman {args}: {done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done

    def why_not(self):
        """Why no container can be run here, or None."""
        if not shutil.which("podman"):
            return "there is no podman"
        busybox = PLACE / "hello.tar"
        with tarfile.open(busybox, "w") as tar:
            tar.add("/bin/busybox", "busybox")
        try:
            self("import", busybox, "localhost/hello:1")
            self("run", "--rm", "--cgroups=disabled", "--network", "host", "--read-only", "--cap-drop", "all",
                 "localhost/hello:1", "/busybox", "true")
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return str(error)
        return None

    def import_base(self, release):
        """The root that base.sh has made."""
        root, name = PLACE / release, f"localhost/kedge-base-{release}:1"
        stamp = str((root / "var/lib/dpkg/status").stat().st_mtime_ns)
        label = self("image", "inspect", "--format", '{{index .Labels "stamp"}}', name, check=False).stdout.strip()
        if label == stamp:
            return name
        tar = subprocess.Popen(["tar", "-C", root, "--one-file-system", "--exclude=./var/cache/apt/*", "-c", "."],
                               stdout=subprocess.PIPE)
        self("import", "--change", f"LABEL stamp={stamp}", "-", name, stdin=tar.stdout, timeout=600)
        assert tar.wait() == 0
        return name

    def build(self, release):
        """The image with the libraries of a release; its name."""
        image = f"localhost/kedge:{release}"
        self("build", "--isolation", "chroot", "--build-arg", f"BASE={self.import_base(release)}", "--format", "docker",
             "-t", image, "-f", ROOT / "Containerfile", ROOT, timeout=1200)
        self("image", "prune", "-f")
        return image

    def copy(self, image, to):
        """An image, into the storage of another podman."""
        with tempfile.TemporaryFile() as file:
            subprocess.run([*self.argv, "save", "--quiet", image], env=self.env, stdout=file, check=True)
            file.seek(0)
            to("load", "--quiet", stdin=file, timeout=300)

    def clean(self):
        """Nothing is left mounted or running; images stay."""
        self("rm", "-a", "-f", "-t", "0", check=False)
        shutil.rmtree(self.run_dir, ignore_errors=True)


STORAGE = """\
[storage]
driver = "overlay"
graphroot = "/kedge/build/storage"
runroot = "/run/containers"
"""


class PodmanWithin(Podman):
    """The one of a Place, which has namespaces that nobody else is in, so it may make networks."""

    def __init__(self, place, build):  # pylint: disable=super-init-not-called
        self.place, self.env, self.build_dir = place, None, build
        (build / "storage.conf").write_text(STORAGE)
        (build / "containers.conf").write_text(CONF.format(crun="/kedge/tests/containers/oci/crun")
                                               + '[network]\nnetwork_backend = "netavark"\n'
                                               + 'network_config_dir = "/run/networks"\n')
        self.argv = self.program("podman")

    def program(self, *argv):
        """Any program that calls podman."""
        return self.place.argv(*argv, CONTAINERS_CONF="/kedge/build/containers.conf",
                               CONTAINERS_STORAGE_CONF="/kedge/build/storage.conf")

    def clean(self):
        self("rm", "-a", "-f", "-t", "0", check=False)
        self("volume", "rm", "-a", "-f", check=False)
