# SPDX-License-Identifier: BSD-2-Clause
"""Machines that lack something: messages name it and the command that installs it; nothing ends in a traceback."""
import os
import re
import shutil
import tempfile

import pytest

import machine
from run import run

DEPS = machine.ROOT / "tests/deps.sh"
DEMO = machine.ROOT / "tests/story/demo.py"


@pytest.fixture
def apt(tmp_path):
    """
    apt(known): deps.sh finds no installed package, and an apt that knows these. apt-get only writes down what it was
    told. Returns a function that runs deps.sh.
    """
    told = tmp_path / "told"

    def script(name, text):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    def make(known):
        script("dpkg-query", "exit 0")
        script("apt-cache", f"""shift
            for p; do case " {known} " in *" $p "*) echo "$p:"; echo "  Candidate: 1" ;; esac; done""")
        script("apt-get", f'echo "$*" >>{told}')

        def deps(*words):
            done = run(DEPS, *words, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
            return done.returncode, done.stdout + done.stderr, told.read_text() if told.exists() else ""
        return deps
    return make


def test_missing_packages_are_named_with_the_command(apt):
    for group in ("build", "check", "test", "servers", "demo"):
        status, said, told = apt("")("-n", group)
        assert status == 1 and told == ""
        assert re.search(rf"missing: .*; install them as root with: tests/deps.sh {group}$", said, re.M), said
        assert "or: apt-get install --no-install-recommends " in said


@pytest.mark.skipif(os.geteuid() != 0, reason="another message without root")
def test_a_package_that_apt_does_not_know(apt):
    status, said, told = apt("ca-certificates")("demo")
    assert status == 1 and "install" not in re.findall(r"\b(update|install)\b", told), told
    assert "apt has no package node-express, needed for demo: install it another way, or add the name" in said
    assert "no package ca-certificates" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="another message without root")
def test_packages_are_installed(apt):
    status, said, told = apt("ca-certificates node-express")("demo")
    assert status == 0, said
    assert re.search(r" install --no-install-recommends --no-remove ca-certificates node-express$", told, re.M), told


# --- the demo --------------------------------------------------------------------------------------
def demo(setup):
    """The demo in a mount namespace in which `setup` was done first."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    done = run("unshare", "--mount", "sh", "-c", f'{setup} && exec "$@"', "-", "/usr/bin/python3", "-B", DEMO,
               timeout=120, env={k: v for k, v in os.environ.items() if k != "KEDGE_BIN"})
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("setup", ["umount -l {}", "mount --bind {} {} && mount -o remount,ro,bind {}"],
                         ids=["none", "read_only"])
def test_demo_without_cgroup(setup):
    if machine.cgroup2_mount() is None:
        pytest.skip("this machine has no cgroup v2 anyway")
    done = demo(setup.replace("{}", str(machine.cgroup2_mount())))
    assert "the demo runs without the bypass" in done.stdout
    assert done.returncode == 0 and re.search(r"^demo: 1\d passed, 0 failed", done.stdout, re.M), done.stdout


def test_demo_without_certificates():
    """Of others; curl then fails in another way, and the demo says so."""
    done = demo("mount -t tmpfs tmpfs /etc/ssl/certs")
    assert done.returncode == 1 and "is ca-certificates installed?" in done.stdout


# --- make check ------------------------------------------------------------------------------------
@pytest.mark.full
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_unit_tests_need_neither_root_nor_network(tmp_path):
    """The programs that are built, as nobody, without capabilities, with loopback alone."""
    programs = sorted(str(path.relative_to(machine.ROOT)) for path in (machine.ROOT / "build/unit").glob("*/test_*")
                      if not path.suffix and os.access(path, os.X_OK))
    if len(programs) < len(list((machine.ROOT / "tests/unit").glob("*/test_*.c"))):
        pytest.skip("not all unit tests are built: make unit-programs")
    home = tempfile.mkdtemp(dir="/tmp")  # pytest's own is root's alone
    os.chown(home, 65534, 65534)
    become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all", "env",
              f"HOME={home}", f"TMPDIR={home}", f"JOBS={os.cpu_count()}"]
    try:
        if run(*become, "test", "-x", machine.ROOT / programs[0]).returncode:
            pytest.skip(f"nobody may not enter {machine.ROOT}")
        done = run("unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "-", *become,
                   machine.ROOT / "tests/run-unit.sh", *programs, cwd=machine.ROOT, timeout=900)
    finally:
        shutil.rmtree(home)
    passed, failed = map(int, re.search(r"^unit: (\d+) passed, (\d+) failed", done.stdout, re.M).groups())
    assert failed == done.returncode == 0 and passed > 1000, done.stdout


# --- make help -------------------------------------------------------------------------------------
def test_help_lists_every_target():
    makefile = (machine.ROOT / "Makefile").read_text().replace("\\\n", "")
    words = re.search(r"^\.PHONY:(.*\bhelp\b.*)$", makefile, re.M)[1].split()
    phony = {word for word in words if re.fullmatch("[a-z0-9-]+", word)}
    inner = {name for name in phony if re.search(r"^(test|unit|fuzz)-objects$|-programs$", name)}
    said = run("make", "-C", machine.ROOT, "--no-print-directory", "help").stdout
    assert set(re.findall(r"^  ([a-z0-9-]+) ", said, re.M)) == phony - inner
