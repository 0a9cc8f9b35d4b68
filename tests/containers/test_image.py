# SPDX-License-Identifier: BSD-2-Clause
"""A container with kedge: with nothing it starts and serves, with capabilities and mounts it does what the kernel has."""
import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

import kedge as kedge_module
import machine
from client import Client, request, tls_context
from machine import ROOT
from process import Process
from rawapp import RawApp, answer

USER = 65532
PLAIN = """\
app: ${APP}
metrics: 127.0.0.1:0
certs: [{cert: /tls/tls.crt, key: /tls/tls.key}]
listeners:
  - listen: 127.0.0.1:${PORT:-0}
"""
# What Docker and podman allow by default, minus all of it; and what Kubernetes calls restricted.
RESTRICTED = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
PROBED = kedge_module.probe()


class Running(Process):
    """kedge as pid 1 of a container. Its log comes to us."""

    def ready(self):
        self.address = ("127.0.0.1", int(self.wait_line(r"listener \S+: (?:bound to|listening on) 127\.0\.0\.1:(\d+)", seconds=60)[0][1]))
        self.metrics = ("127.0.0.1", int(self.wait_line(r"metrics: (?:bound to|listening on) 127\.0\.0\.1:(\d+)")[0][1]))
        self.wait_line("kedge: info: ready")
        return self

    def probe(self, path):
        with Client(self.metrics) as c:
            return c.request(target=path).status


@pytest.fixture
def volumes(tmp_path, certs):
    """Files as an orchestrator mounts them: the key is root's, its group kedge's."""
    tls = tmp_path / "tls"
    tls.mkdir()
    for name, source in (("tls.crt", certs.ec.cert), ("tls.key", certs.ec.key)):
        (tls / name).write_bytes(source.read_bytes())
    os.chown(tls / "tls.key", 0, USER)
    (tls / "tls.key").chmod(0o440)
    config = tmp_path / "kedge.yaml"
    config.write_text(PLAIN)
    for directory in (tmp_path, *list(tmp_path.parents)[:2]):
        directory.chmod(0o755)
    control = tmp_path / "run"
    control.mkdir()
    os.chown(control, USER, USER)
    return {"/tls": tls, "/etc/kedge/kedge.yaml": config, "/run/kedge": control}


@pytest.fixture
def contained(podman, image, volumes):
    """Starts the image with some flags."""
    started = []

    @contextlib.contextmanager
    def start(app, *flags, cgroup=None, command=()):
        name = f"kedge-{os.getpid()}-{len(started)}"
        started.append(name)
        mounts = [word for to, path in volumes.items()
                  for word in ("-v", f"{path}:{to}" + ("" if to.startswith("/run") else ":ro"))]
        argv = [*podman.argv, "run", "--rm", "--name", name, "--cgroups=disabled", "--network", "host", *mounts,
                "-e", f"APP={app if isinstance(app, str) else app.text}", *flags, image, *command]
        running = Running(argv, env=podman.env, cgroup=cgroup, name="container")
        try:
            running.name_of_it = name
            yield running
        finally:
            podman("rm", "-f", "-t", "0", name, check=False)
            running.stop()
    return start


def pid_1(podman, running):
    return int(podman("inspect", "--format", "{{.State.Pid}}", running.name_of_it).stdout)


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def status_at(volumes):
    """By a kedge outside: the socket is in a volume."""
    asked = kedge_module.BINARY, "status", "--json", "--control", volumes["/run/kedge"] / "kedge.sock"
    return json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)


def drains(running, tls, end):
    """SIGTERM while a request waits for its answer."""
    with Client(running.address, tls=tls) as c:
        c.send(request(target="/held"))
        assert held.wait(machine.Deadline(20).left())
        end()
        running.wait_line("draining: no new connections")
        machine.wait_for(lambda: machine.refused(running.address), what="the listener still takes connections")
        go_on.set()
        assert c.response().body == b"held"
    assert running.wait() == 0
    assert running.matches("kedge: info: stopped")


held, go_on = threading.Event(), threading.Event()


def respond(conn, req):
    if req.target == "/held":
        held.set()
        assert go_on.wait(machine.Deadline(20).left())
        conn.send(answer(body=b"held"))
    else:
        conn.send(answer(body=str(req.xff).encode()))


@pytest.fixture
def app():
    held.clear()
    go_on.clear()
    with RawApp(respond) as it:
        yield it


# --- the image ----------------------------------------------------------------------------------
def test_what_is_in_it(podman, image):
    got = podman("image", "inspect", "--format", "{{.Size}} {{.Config.User}} {{.Config.StopSignal}}", image).stdout.split()
    assert int(got[0]) < 20 << 20 and got[1:] == ["65532:65532", "SIGTERM"]
    name = podman("create", image).stdout.strip()
    mount = Path(podman("mount", name).stdout.strip())
    try:
        assert sorted(p.name for p in (mount / "usr/bin").iterdir()) == ["kedge"]
        assert "kedge:x:65532:" in (mount / "etc/passwd").read_text()
        packages = list((mount / "usr/share/doc").iterdir())
        assert len(packages) > 10 and all((p / "copyright").stat().st_size > 500 for p in packages)
    finally:
        podman("umount", name)
        podman("rm", name)


def test_it_says_which_one_it_is(podman, image):
    got = podman("run", "--rm", "--cgroups=disabled", "--network", "none", *RESTRICTED, image, "version").stdout
    assert re.match(r"kedge \d+\.\d+", got)


def test_the_first_command_of_the_document(podman, image, app):
    """It needs no file. Only the ports are others."""
    text = (ROOT / "docs/containers.md").read_text().partition("\n## Run it\n")[2]
    command = re.search(r"^    podman run (.*)$", text, re.M)[1].replace(":3443", "127.0.0.1:0").replace("127.0.0.1:3000", app.text)
    flags, _, arguments = command.partition(" kedge ")
    name = f"kedge-first-{os.getpid()}"
    argv = [*podman.argv, "run", "--name", name, "--cgroups=disabled", *flags.split(), image, *arguments.split()]
    running = Process(argv, env=podman.env, name="container")
    try:
        port = int(running.wait_line(r"listener \S+: listening on 127\.0\.0\.1:(\d+)", seconds=60)[0][1])
        running.wait_line("kedge: info: ready")
        with Client(("127.0.0.1", port), tls=tls_context()) as c:
            assert c.request().status == 200
        # What an orchestrator calls where it cannot send signals.
        assert "reloaded" in podman("exec", name, "/usr/bin/kedge", "reload").stdout
    finally:
        podman("rm", "-f", "-t", "0", name, check=False)
        running.stop()


# --- with nothing -------------------------------------------------------------------------------
def test_restricted(podman, contained, app, tls, volumes):
    """No root, no capability, no writable file, the default filter, and kedge's own on top of it."""
    with contained(app, *RESTRICTED) as running:
        running.ready()
        assert running.matches(r"edit") and not running.matches("error:")
        pid = pid_1(podman, running)
        status = status_of(pid)
        assert status["NSpid"].split()[-1] == "1"
        assert status["Uid"].split() == [str(USER)] * 4 and status["NoNewPrivs"] == "1"
        assert all(int(status[f"Cap{name}"], 16) == 0 for name in ("Prm", "Eff", "Bnd", "Amb", "Inh"))
        assert status["Seccomp"] == "2" and int(status["Seccomp_filters"]) >= 2
        assert re.search(r"^\S+ / \S+ ro[, ]", Path(f"/proc/{pid}/mounts").read_text(), re.M)
        with Client(running.address, tls=tls) as c:
            got = c.request()
            assert (got.status, got.text) == (200, "127.0.0.1")
        assert (status_at(volumes)["edit"], status_at(volumes)["state"]) == ("user", "running")
        assert (running.probe("/ready"), running.probe("/live")) == (200, 200)
        drains(running, tls, lambda: podman("kill", "-s", "TERM", running.name_of_it))


def test_shutdown_with_a_delay(podman, contained, app, tls):
    with contained(app, *RESTRICTED, command=["run", "-c", "/etc/kedge/kedge.yaml", "--shutdown-delay-ms", "600000"]) as running:
        running.ready()
        podman("kill", "-s", "TERM", running.name_of_it)
        running.wait_line("shutting down: not ready any more")
        assert (running.probe("/ready"), running.probe("/live")) == (503, 200)
        with Client(running.address, tls=tls) as c:
            assert c.request().status == 200
        podman("kill", "-s", "TERM", running.name_of_it)
        assert running.wait() == 0


def test_a_reload_reads_the_renewed_certificate(podman, contained, app, volumes, certs):
    """Kubernetes replaces a mounted Secret under the same names."""
    with contained(app, *RESTRICTED) as running:
        running.ready()

        def shown():
            with Client(running.address, tls=tls_context()) as c:
                return c.tls.getpeercert(binary_form=True)
        before = shown()
        for name, source in (("tls.crt", certs.rsa.cert), ("tls.key", certs.rsa.key)):
            (volumes["/tls"] / name).write_bytes(source.read_bytes())
        podman("kill", "-s", "HUP", running.name_of_it)
        running.wait_line(r"configuration 2 is in force")
        assert shown() != before


def test_a_variable_that_is_missing(contained, volumes):
    volumes["/etc/kedge/kedge.yaml"].write_text(PLAIN.replace("${APP}", "${APPLICATION}"))
    with contained("127.0.0.1:9", *RESTRICTED) as running:
        running.wait_line("kedge.yaml:1: app: the environment variable APPLICATION is not set")
        assert running.wait() == 2


def test_without_a_place_for_the_control_socket(contained, app, tls, volumes):
    del volumes["/run/kedge"]
    with contained(app, *RESTRICTED, "--read-only-tmpfs=false") as running:
        running.ready()
        running.wait_line(r"warning: control socket .*: cannot be made, so kedge status and kedge reload will not work")
        with Client(running.address, tls=tls) as c:
            assert c.request().status == 200


def test_the_commands_of_the_page(podman, contained, app, tls, volumes):
    """docs/containers.md: a tmpfs for the control socket, and status within the container."""
    page = (ROOT / "docs/containers.md").read_text()
    flag = re.search(r"--tmpfs (/run/kedge\S*)", page)[1]
    del volumes["/run/kedge"]
    with contained(app, *RESTRICTED, "--tmpfs", flag) as running:
        running.ready()
        assert not running.matches("control socket")
        done = podman("exec", running.name_of_it, *re.search(r"podman exec kedge (.*)", page)[1].split())
        assert "kedge" in done.stdout
        podman("stop", "--time", "35", running.name_of_it)
        assert running.wait() == 0


# --- with capabilities ---------------------------------------------------------------------------
WITH_BPF = ["--read-only", "--cap-drop", "all", "--cap-add", "BPF", "--cap-add", "NET_ADMIN", "--cap-add", "PERFMON"]


@pytest.fixture
def profile(tmp_path):
    """The default one, and bpf(2): those of some years ago allow that with CAP_SYS_ADMIN alone."""
    rules = json.loads(Path("/usr/share/containers/seccomp.json").read_text())
    rules["syscalls"].append({"names": ["bpf"], "action": "SCMP_ACT_ALLOW"})
    for rule in rules["syscalls"]:
        if rule["action"] == "SCMP_ACT_ERRNO" and "bpf" in rule["names"]:
            rule["names"].remove("bpf")
    path = tmp_path / "seccomp.json"
    path.write_text(json.dumps(rules))
    return path


@pytest.fixture
def bpffs(tmp_path):
    """A directory on a bpffs, which is kedge's."""
    mounted = machine.Bpffs(tmp_path)
    pins = mounted.path / "kedge"
    pins.mkdir()
    os.chown(pins, USER, USER)
    pins.chmod(0o700)
    yield pins
    assert list(pins.iterdir()) == []
    mounted.remove()


@pytest.mark.parametrize("bypass", ["off", "require"])
def test_with_capabilities(podman, contained, tls, volumes, bpffs, profile, own_cgroup, bypass):
    for name in ("edit", "bypass"):
        if PROBED[name]:
            pytest.skip(f"{name}: {PROBED[name]}")
    with own_cgroup.inside(), RawApp(respond) as app:
        flags = ["--edit", "require", "--bypass", bypass]
        if bypass == "require":
            volumes["/cgroup"] = own_cgroup.path
            flags += ["--cgroup", "/cgroup"]
        held.clear()
        go_on.clear()
        with contained(app, *WITH_BPF, "--security-opt", f"seccomp={profile}", "-v", f"{bpffs}:/sys/fs/bpf", cgroup=own_cgroup,
                       command=["run", "-c", "/etc/kedge/kedge.yaml", *flags]) as running:
            running.ready()
            assert (bpffs / "kedge/kdg_stats").exists(), list(bpffs.iterdir())
            status = status_of(pid_1(podman, running))
            assert status["Uid"].split() == [str(USER)] * 4
            assert int(status["CapEff"], 16) == 0, "kedge gives up what it does not need any more"
            with Client(running.address, tls=tls) as c:
                assert c.request().text == "127.0.0.1"
            status = status_at(volumes)
            assert (status["edit"], status["bypass"]) == ("kernel", "on" if bypass == "require" else "off")
            drains(running, tls, lambda: podman("kill", "-s", "TERM", running.name_of_it))


def test_root_that_gives_all_up(podman, contained, tls, volumes, profile):
    """As in Kubernetes, which gives capabilities to root alone: dist/kubernetes/kernel-patch.yaml."""
    if PROBED["edit"]:
        pytest.skip(f"edit: {PROBED['edit']}")
    patch = yaml.safe_load((ROOT / "dist/kubernetes/kernel-patch.yaml").read_text())
    kedge = patch["spec"]["template"]["spec"]["containers"][0]
    security = kedge["securityContext"]
    flags = ["--user", security["runAsUser"], "--read-only", "--cap-drop", "all", "--security-opt", f"seccomp={profile}",
             "--security-opt", "no-new-privileges"]
    flags += [word for name in security["capabilities"]["add"] for word in ("--cap-add", name)]
    for path in (volumes["/tls"] / "tls.key", volumes["/run/kedge"]):
        os.chown(path, 0, USER)
    volumes["/run/kedge"].chmod(0o2777)  # an emptyDir with fsGroup
    with RawApp(respond) as app, contained(app, *flags, command=[*kedge["args"], "--pin", "off"]) as running:
        running.ready()
        status = status_of(pid_1(podman, running))
        assert status["Uid"].split() == [str(USER)] * 4
        assert all(int(status[f"Cap{name}"], 16) == 0 for name in ("Prm", "Eff", "Bnd", "Amb", "Inh"))
        with Client(running.address, tls=tls) as c:
            assert c.request().text == "127.0.0.1"
        assert status_at(volumes)["edit"] == "kernel"


# --- without podman -------------------------------------------------------------------------------
# The same restrictions by hand: a read-only root, another user, no capability, pid 1 of its own namespace.
BY_HAND = r"""
set -e
mount --bind "$1" "$1"
for name in tls proc dev; do mkdir -p "$1/$name"; done
touch "$1/etc/kedge/kedge.yaml"
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
mount --bind "$2/tls" "$1/tls"
mount --bind "$2/kedge.yaml" "$1/etc/kedge/kedge.yaml"
mount --bind "$2/run" "$1/run/kedge"
mount -o remount,bind,ro "$1"
exec chroot --userspec=65532:65532 --groups= "$1" /usr/bin/kedge run -c /etc/kedge/kedge.yaml
"""


def test_its_files_alone(files, volumes, app, tls, tmp_path):
    assert set(volumes) == {"/tls", "/etc/kedge/kedge.yaml", "/run/kedge"}
    argv = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
            "bash", "-c", BY_HAND, "-", files, tmp_path]
    running = Running(argv, env={"PATH": os.environ["PATH"], "APP": app.text}, name="kedge")
    try:
        running.ready()
        pid = int(Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()[0])
        status = status_of(pid)
        assert status["NSpid"].split()[-1] == "1" and status["Uid"].split() == [str(USER)] * 4
        assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1"
        with Client(running.address, tls=tls) as c:
            assert c.request().text == "127.0.0.1"
        drains(running, tls, lambda: os.kill(pid, signal.SIGTERM))
    finally:
        running.stop()
