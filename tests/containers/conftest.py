# SPDX-License-Identifier: BSD-2-Clause
"""The image, built by podman from this tree, and where podman cannot run, its files alone."""
import subprocess

import pytest

import pod
import podman as podman_module
from machine import ROOT
from place import Place


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
def pods(podman):
    """Another podman, of Debian 13: the one of Debian 12 cannot run pods that have a Secret."""
    build = podman_module.PLACE / "build"
    place = Place(podman_module.PLACE / "pods", build)
    try:
        it = podman_module.PodmanWithin(place, build)
        it.clean()
        yield it
        it.clean()
    finally:
        place.stop()


@pytest.fixture(scope="session")
def examples(podman, pods, tmp_path_factory):
    """The images of the examples, in the storage of `pods`: the application's, and kedge's."""
    root = tmp_path_factory.mktemp("web") / "root.tar"
    pod.application(root)
    with open(root, "rb") as file:
        pods("import", *pod.APPLICATION, "-", "localhost/web:1", stdin=file, timeout=300)
    image = podman.build("trixie")
    podman.copy(image, pods)
    yield "localhost/web:1", image
    pods("image", "prune", "-f")


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """What the image has, made of this machine's own libraries: needs no podman."""
    root = tmp_path_factory.mktemp("image") / "root"
    subprocess.run([ROOT / "dist/container/image-root.sh", ROOT / "build/kedge", root], cwd=ROOT, check=True)
    return root
