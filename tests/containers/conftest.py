# SPDX-License-Identifier: BSD-2-Clause
"""The image, built by podman from this tree, and where podman cannot run, its files alone."""
import subprocess

import pytest

import podman as podman_module
from machine import ROOT


@pytest.fixture(scope="session")
def podman():
    podman_module.cgroup2_where_podman_looks()
    it = podman_module.Podman()
    why = it.why_not()
    if why:
        pytest.skip(f"podman cannot run a container here: {why}")
    it("rm", "-a", "-f", "-t", "0", check=False)
    yield it
    it.clean()


@pytest.fixture(scope="session")
def image(podman):
    """The name of the image."""
    podman.build()
    return podman_module.IMAGE


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """What the image has, made of this machine's own libraries: needs no podman."""
    root = tmp_path_factory.mktemp("image") / "root"
    subprocess.run([ROOT / "dist/container/image-root.sh", ROOT / "build/kedge", root], cwd=ROOT, check=True)
    return root
