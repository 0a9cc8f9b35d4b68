# SPDX-License-Identifier: BSD-2-Clause
"""dist/compose, run by podman-compose: a network that the application shares with kedge alone, and its name in there."""
import os
import re
import shutil
import subprocess

import pytest
import yaml

import machine
from client import Client
from machine import ROOT

USER = 65532


class Compose:
    def __init__(self, podman, directory):
        self.podman, self.directory = podman, directory

    def __call__(self, *argv):
        there = f"/kedge/build/{self.directory.name}"
        done = subprocess.run(self.podman.program("podman-compose", "-f", f"{there}/compose.yaml", *argv), capture_output=True,
                              text=True, check=False, timeout=120 * machine.PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shown(self, form, service):
        return self.podman("inspect", "--format", form, f"{self.directory.name}_{service}_1").stdout.strip()

    def networks(self, service):
        """{name: address}"""
        return dict(re.findall(r"(\S+)=(\S*)", self.shown(
            "{{range $name, $it := .NetworkSettings.Networks}}{{$name}}={{$it.IPAddress}} {{end}}", service)))

    def get(self, tls, port=443):
        with self.podman.place.space.inside(), Client(("127.0.0.1", port), tls=tls) as c:
            return c.request()

    def works(self, tls):
        try:
            return self.get(tls).status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def compose(pods, examples, certs):
    """The files as they are, but for both images."""
    directory = pods.build_dir / "compose"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(ROOT / "dist/compose", directory)
    text = (directory / "compose.yaml").read_text()
    for name, image in zip(("web", "kedge"), examples):
        text, count = re.subn(rf"image: registry.example/{name}:[\w.]+$", f"image: {image}", text, flags=re.M)
        assert count == 1
    (directory / "compose.yaml").write_text(text)
    tls = directory / "tls"
    tls.mkdir()
    shutil.copy(certs.ec.cert, tls / "tls.crt")
    shutil.copy(certs.ec.key, tls / "tls.key")
    os.chown(tls / "tls.key", 0, USER)
    (tls / "tls.key").chmod(0o640)
    it = Compose(pods, directory)
    it("up", "-d")
    yield it
    it("down", "--timeout", "0")
    shutil.rmtree(directory)


def test_it_finds_the_application_by_its_name(compose, tls):
    machine.wait_for(lambda: compose.works(tls), 30, "an answer")
    assert compose.get(tls).text  # X-Forwarded-For
    assert list(compose.networks("app")) == ["compose_inside"]
    assert sorted(compose.networks("kedge")) == ["compose_inside", "compose_outside"]


def test_it_is_healthy(compose):
    """Not by podman's own check: podman-compose 1.3 gives that to a shell, and the image has none."""
    test = yaml.safe_load((compose.directory / "compose.yaml").read_text())["services"]["kedge"]["healthcheck"]["test"]
    assert test[0] == "CMD"
    compose.podman("exec", "compose_kedge_1", *test[1:])


def test_it_finds_it_again_at_another_address(compose, tls):
    before = compose.networks("app")["compose_inside"]
    compose.podman("restart", "--time", "0", "compose_app_1")
    after = compose.networks("app")["compose_inside"]
    assert after != before
    machine.wait_for(lambda: compose.works(tls), 30, "an answer")
    assert f"app:3000: {before}:3000 -> {after}:3000" in compose.podman("logs", "compose_kedge_1").stderr
