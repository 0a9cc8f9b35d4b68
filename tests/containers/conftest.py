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


# The first is what the Containerfile takes by default, and what most people will have.
RELEASES = ["trixie", pytest.param("bookworm", marks=pytest.mark.full)]


@pytest.fixture(scope="session", params=RELEASES)
def image(podman, request):
    """The name of the image, built on a release of Debian."""
    return podman.build(request.param)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """What the image has, made of this machine's own libraries: needs no podman."""
    root = tmp_path_factory.mktemp("image") / "root"
    subprocess.run([ROOT / "dist/container/image-root.sh", ROOT / "build/kedge", root], cwd=ROOT, check=True)
    return root
