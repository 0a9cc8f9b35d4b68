# SPDX-License-Identifier: BSD-2-Clause
"""What a build has against memory errors that are exploited, and that a packager's flags are honoured."""
import re
import shutil
import subprocess

import pytest

import machine
from run import run

KEDGE = machine.ROOT / "build/kedge"
# hardening-check looks for one form of the loop that it may take; see test_stack_clash.
NOT_SURE = "Stack clash protection"
PLAIN = """#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) { char name[20]; strcpy(name, argv[argc - 1]); puts(name); return 0; }
"""
X86 = "x86_64" in subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True, check=True).stdout


def start_files_have_cet():
    """The linker marks a program only if all of its parts are marked; not every C library's start files are."""
    path = run("gcc", "-print-file-name=Scrt1.o").stdout.strip()
    return "IBT" in run("readelf", "-n", path).stdout


def checked(path):
    """{check: answer} of hardening-check."""
    assert shutil.which("hardening-check"), "hardening-check is not installed: tests/deps.sh test"
    done = run("hardening-check", path)
    return dict(re.findall(r"^ ([^:]+): (.*)$", done.stdout, re.M))


def wrong(answers):
    found = {name: answer for name, answer in answers.items() if not answer.startswith("yes") and name != NOT_SURE}
    if not (X86 and start_files_have_cet()):
        found.pop("Control flow integrity", None)
    if X86:
        found.pop("Branch Protection", None)  # of other processors
    return found


def disassembled(path):
    return run("objdump", "-d", "--no-show-raw-insn", path, timeout=120).stdout


def protections(path):
    """How many functions say that they are a target of indirect branches; how many touch each page of a large frame."""
    text = disassembled(path)
    return len(re.findall(r"\bendbr64$", text, re.M)), len(re.findall(r"\borq +\$0x0,\(%rsp\)$", text, re.M))


def make(tmp_path, *words, **env):
    """Builds two objects and kedge's link line in a directory of its own; what the compiler was told and said."""
    objects = [f"{tmp_path}/user/base/log.o", f"{tmp_path}/asan/user/base/log.o"]
    return run("make", "-C", machine.ROOT, "V=1", f"OUT={tmp_path}", *words, *objects, timeout=300,
               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **env})


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A program without any of it."""
    base = tmp_path_factory.mktemp("plain")
    (base / "plain.c").write_text(PLAIN)
    subprocess.run(["gcc", "-O2", "-no-pie", "-fno-pie", "-fno-stack-protector", "-fno-stack-clash-protection",
                    *(["-fcf-protection=none"] if X86 else []), "-U_FORTIFY_SOURCE", "-Wl,-z,norelro,-z,lazy",
                    "-o", base / "plain", base / "plain.c"], check=True)
    return base / "plain"


def test_kedge_is_hardened():
    answers = checked(KEDGE)
    assert len(answers) >= 6 and wrong(answers) == {}, answers


def test_the_check_sees_a_program_that_is_not(plain):
    assert set(wrong(checked(plain))) >= {"Position Independent Executable", "Stack protected",
                                          "Fortify Source functions", "Read-only relocations", "Immediate binding"}


@pytest.mark.skipif(not X86, reason="looks for instructions of x86-64")
def test_stack_clash_and_branch_targets(plain):
    branches, probes = protections(KEDGE)
    assert branches > 200 and probes > 10
    # What the start files have is left.
    branches, probes = protections(plain)
    assert branches < 5 and probes == 0


def test_the_stack_is_not_executable():
    header = re.search(r"GNU_STACK.*\n?.*", run("readelf", "-lW", KEDGE).stdout)[0]
    assert re.search(r"\bRW\b", header) and "RWE" not in header, header


# --- flags of a packager -----------------------------------------------------------------------------
def test_flags_of_the_environment_are_honoured(tmp_path):
    flags = {"CPPFLAGS": "-Wdate-time -D_FORTIFY_SOURCE=2", "CFLAGS": "-g -O2 -ffile-prefix-map=/x=. -DPACKAGED"}
    done = make(tmp_path, **flags)
    assert done.returncode == 0 and "warning:" not in done.stdout + done.stderr, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if " -c user/base/log.c" in line]
    assert len(lines) == 2
    for line in lines:
        assert all(f" {flag} " in line for value in flags.values() for flag in value.split()), line
        assert "_FORTIFY_SOURCE=3" not in line
    # Of the two only the one without sanitizers keeps fortify.
    assert sum("-U_FORTIFY_SOURCE" in line for line in lines) == 1


def test_link_flags_of_the_environment_are_honoured():
    """In every rule that links; nothing is built."""
    done = run("make", "-C", machine.ROOT, "-n", "-B", "V=1", "OUT=/nowhere", "all", "asan", "test-programs",
               "LDFLAGS=-Wl,--their-flag", "LDLIBS=-ltheirs", "CFLAGS=-O2 -DTHEIRS", timeout=120)
    assert done.returncode == 0, done.stderr
    links = [line for line in done.stdout.replace("\\\n", "").splitlines()
             if re.search(r" -o /nowhere/\S+", line) and " -c " not in line and "-target bpf" not in line]
    assert len(links) > 50
    for line in links:
        assert " -Wl,--their-flag " in line and line.endswith(" -ltheirs") and "-DTHEIRS" in line, line


def test_without_optimisation_there_is_no_warning(tmp_path):
    done = make(tmp_path, "CFLAGS=-O0")
    assert done.returncode == 0 and "warning:" not in done.stdout + done.stderr, done.stdout + done.stderr
    assert "_FORTIFY_SOURCE=3" not in done.stdout


def test_hardening_can_be_replaced(tmp_path):
    done = make(tmp_path, "HARDEN_CFLAGS=", "HARDEN_CPPFLAGS=", "HARDEN_LDFLAGS=")
    assert done.returncode == 0 and "-fstack-protector-strong" not in done.stdout, done.stdout
    assert "_FORTIFY_SOURCE=3" not in done.stdout
