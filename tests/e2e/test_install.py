# SPDX-License-Identifier: BSD-2-Clause
"""make install and make uninstall, where they put each file; the units; the man pages."""
import os
import re
import shutil
import subprocess

import pytest

import machine
from run import run

DOC = machine.ROOT / "docs/operations.md"
PREFIX = "usr"


def make(*words):
    done = subprocess.run(["make", "-C", machine.ROOT, "--no-print-directory", *map(str, words)], check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def files_below(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """An installation below a directory of its own, as a packager makes it."""
    root = tmp_path_factory.mktemp("install")
    make("install", f"DESTDIR={root}", f"prefix=/{PREFIX}")
    return root


def test_install_puts_everything_in_its_place(tree):
    files = files_below(tree)
    for name in ("bin/kedge", "share/man/man1/kedge.1", "share/man/man5/kedge.yaml.5",
                 "lib/systemd/system/kedge.service", "lib/systemd/system/kedge.socket",
                 "lib/systemd/system/kedge@.service", "share/kedge/kedge.logrotate", "share/kedge/kedge.schema.json",
                 "share/bash-completion/completions/kedge", "share/zsh/site-functions/_kedge",
                 "lib/sysusers.d/kedge.conf", "share/kedge/kedge.yaml", "share/kedge/examples/hello.js", "share/doc/kedge/README.md"):
        assert f"{PREFIX}/{name}" in files, files
    for page in (machine.ROOT / "docs").glob("**/*.md"):
        assert f"{PREFIX}/share/doc/kedge/{page.relative_to(machine.ROOT)}" in files, files
    for name in ("grafana-kedge.json", "prometheus-kedge-rules.yaml"):
        assert f"{PREFIX}/share/kedge/{name}" in files, files
    # The image is built in the tree.
    for path in set((machine.ROOT / "dist").glob("*/*")) - set((machine.ROOT / "dist/container").iterdir()):
        assert f"{PREFIX}/share/kedge/{path.parent.name}/{path.name}" in files, files
    assert all(name.startswith(f"{PREFIX}/") for name in files), files
    # Who removes all documents misses none of the files that are used.
    assert all(name.endswith((".md", ".svg", "/LICENSE", "/dist", "/docs/examples")) for name in files if "/share/doc/" in name), files


def test_links_of_the_installed_documents_lead_somewhere(tree):
    docs = tree / PREFIX / "share/doc/kedge"
    pages, count = sorted(docs.glob("**/*.md")), 0
    assert docs / "CONTRIBUTING.md" in pages and docs / "docs/containers.md" in pages
    for page in pages:
        links = re.findall(r"""(?:\]\(|src="|srcset="|href=")<?([^)"#>\s]+)""", page.read_text())
        for link in (link for link in links if not re.match(r"\w+:", link)):
            count += 1
            assert (page.parent / link).exists(), (page.name, link)
    assert count > 100
    assert not (docs / "dist").readlink().is_absolute()


def test_installed_kedge_runs(tree):
    done = run(tree / PREFIX / "bin/kedge", "--version")
    assert done.returncode == 0 and re.fullmatch(r"kedge \d+\.\d+\.\d+(-dev)?\n", done.stdout)


def test_uninstall_leaves_nothing_of_ours(tmp_path):
    theirs = tmp_path / PREFIX / "share/kedge/theirs"
    make("install", f"DESTDIR={tmp_path}", f"prefix=/{PREFIX}")
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_text("not ours")
    make("uninstall", f"DESTDIR={tmp_path}", f"prefix=/{PREFIX}")
    assert files_below(tmp_path) == [str(theirs.relative_to(tmp_path))]
    assert not (tmp_path / PREFIX / "share/doc/kedge").exists()
    theirs.unlink()
    make("uninstall", f"DESTDIR={tmp_path}", f"prefix=/{PREFIX}")
    assert files_below(tmp_path) == [] and not (tmp_path / PREFIX / "share/kedge").exists()


# --- the build ----------------------------------------------------------------------------------
def test_what_is_built_does_not_depend_on_the_directory(tmp_path):
    """The BPF objects, which are in the program with their BTF, and an object with debug information."""
    built = []
    for name in ("here", "elsewhere/and-deeper"):
        copy = tmp_path / name
        copy.mkdir(parents=True)
        for part in ("Makefile", "bpf", "include", "user"):
            (shutil.copytree if part != "Makefile" else shutil.copy)(machine.ROOT / part, copy / part)
        objects = [f"build/{path.name.removesuffix('.c')}.o" for path in sorted((copy / "bpf").glob("*.bpf.c"))]
        assert len(objects) >= 3
        objects.append("build/user/base/ring.o")
        done = subprocess.run(["make", "-s", "-C", copy, "CFLAGS=-O2 -g", *objects], check=False, capture_output=True, text=True,
                              env={**os.environ, "CCACHE_DISABLE": "1"})
        assert done.returncode == 0, done.stdout + done.stderr
        built.append([(copy / one).read_bytes() for one in objects])
        assert str(tmp_path).encode() not in b"".join(built[-1])
    assert built[0] == built[1]


# --- units -----------------------------------------------------------------------------------------
def test_units_are_right(tree, tmp_path):
    """systemd finds no mistake in them, and the program is where they say."""
    units = tree / PREFIX / "lib/systemd/system"
    for unit, name in (("kedge.service",) * 2, ("kedge.socket",) * 2, ("kedge@.service", "kedge@web.service")):
        text = (units / unit).read_text()
        text = text.replace(f"/{PREFIX}/bin/kedge", str(tree / PREFIX / "bin/kedge"))
        (tmp_path / name).write_text(text)
    done = run("systemd-analyze", "verify", "--man=no", *tmp_path.iterdir(),
               env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"})
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "kedge" in line]
    assert done.returncode == 0 and complaints == [], done.stdout + done.stderr


@pytest.mark.parametrize("name", ["kedge.service", "kedge@.service"])
def test_a_unit_is_started_again_without_a_limit(name):
    """But not in a busy loop, and not after a mistake in the configuration. That the lines are in the right sections is
    seen above: systemd complains about others."""
    text = (machine.ROOT / "dist" / name).read_text()
    unit, _, service = text.partition("\n[Service]\n")
    assert "\nStartLimitIntervalSec=0\n" in unit
    assert "\nRestart=on-failure\n" in service and "\nRestartPreventExitStatus=2\n" in service
    assert int(re.search(r"^RestartSec=(\d+)$", service, re.M)[1]) >= 2


def test_an_instance_differs_only_in_what_is_its_own():
    """Between the lines of both units only places differ, and comments."""
    one, instance = ([line for line in (machine.ROOT / "dist" / name).read_text().splitlines()
                      if not line.startswith("#")] for name in ("kedge.service", "kedge@.service"))
    assert len(one) == len(instance)
    for ours, theirs in zip(one, instance):
        theirs = re.sub(r" --pin \S+ --control \S+$", "", theirs).replace(" --control /run/kedge@%i/kedge.sock", "")
        for its_own, everyones in ((" (%i)", ""), ("/etc/kedge/%i.yaml", "/etc/kedge/kedge.yaml"), ("kedge@%i", "kedge")):
            theirs = theirs.replace(its_own, everyones)
        assert theirs == ours


def test_the_prefix_is_in_the_unit(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "prefix=/opt/kedge")
    text = (tmp_path / "opt/kedge/lib/systemd/system/kedge.service").read_text()
    assert "ExecStart=/opt/kedge/bin/kedge run" in text and "ExecReload=/opt/kedge/bin/kedge reload" in text


def test_the_names_of_directories_may_be_in_capitals(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/opt/kedge", "BINDIR=/opt/programs")
    assert (tmp_path / "opt/programs/kedge").exists() and (tmp_path / "opt/kedge/share/man/man1/kedge.1").exists()
    make("uninstall", f"DESTDIR={tmp_path}", "PREFIX=/opt/kedge", "BINDIR=/opt/programs")
    assert files_below(tmp_path) == []


def test_install_takes_what_was_built_or_stops(tmp_path):
    """It builds nothing with flags that nobody has asked for."""
    before = {name: (machine.ROOT / "build" / name).stat().st_mtime_ns for name in ("flags", "kedge")}
    done = run("make", "-C", machine.ROOT, "install", f"DESTDIR={tmp_path}", "CFLAGS=-O1 -g")
    assert done.returncode == 2 and re.search(r"build/kedge has other flags: .*and install has -O1\.", done.stderr), done.stderr
    assert files_below(tmp_path) == []
    assert before == {name: (machine.ROOT / "build" / name).stat().st_mtime_ns for name in before}


def test_exposure_is_what_the_document_says():
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager",
               machine.ROOT / "dist/kedge.service")
    level = re.search(r"Overall exposure level for kedge.service: ([\d.]+) (\w+)", done.stdout)
    assert level, done.stdout + done.stderr
    stated = re.search(r"exposure\s+level\s+of\s+(\d\.\d)", DOC.read_text())
    # Other versions of systemd weigh a little differently.
    assert level[2] == "OK" and abs(float(level[1]) - float(stated[1])) <= 0.3, (level[0], stated[0])


# --- the Debian package: tests/deb ----------------------------------------------------------------
def test_the_package_is_built_with_what_deps_says():
    """debian/control names the packages of the groups build and check, without those that every build has."""
    deps = (machine.ROOT / "tests/deps.sh").read_text()
    words = [word for group in ("build", "check") for word in re.search(rf"^{group}=\(([^)]*)\)", deps, re.M)[1].split()]
    names = {word.split("=")[0] for word in words} - {'"${build[@]}"', "gcc", "make", "libc6-dev"}
    control = (machine.ROOT / "debian/control").read_text()
    field = re.search(r"^Build-Depends:\n((?: .*\n)+)", control, re.M)[1]
    wanted = {line.split()[0].rstrip(",").removesuffix(":native") for line in field.splitlines()} - {"debhelper-compat", "dh-sequence-installsysusers"}
    assert wanted == {name.replace("pkg-config", "pkgconf") for name in names}


# --- man pages ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("page", ["kedge.1", "kedge.yaml.5"])
def test_man_page_is_clean(page):
    path = machine.ROOT / "docs/man" / page
    done = run("mandoc", "-Tlint", path)
    # Whether other pages are installed is the machine's matter.
    said = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert said == [], done.stdout
    if shutil.which("man"):
        done = run("man", "--warnings", "-l", path, env={**os.environ, "MANPAGER": "cat", "MANWIDTH": "80"})
        assert done.returncode == 0 and done.stderr == "" and "kedge" in done.stdout


def test_the_commands_are_in_the_man_page():
    import kedge as module
    page = (machine.ROOT / "docs/man/kedge.1").read_text()
    commands = re.findall(r"^  (\w+) ", run(module.BINARY, "--help").stdout, re.M)
    assert len(commands) >= 4
    for command in commands:
        assert re.search(rf"^\.Cm {command}$", page, re.M), command
        assert re.search(rf"^\.(It )?Cm {command}\b", page.partition(".Sh COMMANDS")[2], re.M), command


def rendered(page):
    done = run("mandoc", "-Tutf8", "-Owidth=200", machine.ROOT / "docs/man" / page)
    return re.sub(".\b", "", done.stdout)


def test_the_flags_are_in_the_man_page():
    """Each command stands there with all the flags and words of its own usage, in the synopsis and where it is explained."""
    import kedge as module
    text = rendered("kedge.1")
    synopsis = text.partition("SYNOPSIS")[2].partition("DESCRIPTION")[0]
    told = text.partition("\nCOMMANDS")[2].partition("SIGNALS")[0]
    commands = set(re.findall(r"^  (\w+) ", run(module.BINARY, "--help").stdout, re.M)) - {"run", "check", "help", "version"}
    assert len(commands) >= 4
    for command in commands:
        usage = run(module.BINARY, "help", command).stdout
        flags = set(re.findall(r"--[\w-]+", usage))
        for where in (synopsis, told):
            lines = "\n".join(re.findall(rf"^ +(?:kedge )?{command} .*$", where, re.M))
            assert flags and flags <= set(re.findall(r"--[\w-]+", lines)), (command, lines)


def test_signals_variables_and_files_are_in_the_man_page():
    page = rendered("kedge.1")
    source = (machine.ROOT / "user/daemon/mainloop.c").read_text()
    for name in {"SIGTERM", "SIGSYS", *re.findall(r"\bSIG[A-Z]+[12]?\b(?=[,; )])", source)} - {"SIGSTKFLT", "SIGRTMIN", "SIGRTMAX"}:
        assert name in page, name
    sources = "".join(path.read_text() for path in (machine.ROOT / "user").glob("*/*.c"))
    for name in set(re.findall(r'getenv\("(\w+)"\)', sources)) - {"KEDGE_CHECK_SHORT"}:  # of the builds for tests
        assert re.search(rf"^ +.*\b{name}\b", page.partition("\nENVIRONMENT")[2], re.M), name
    unit = (machine.ROOT / "dist/kedge.service").read_text()
    for path in re.findall(r"/(?:etc|sys)/[\w/.]+\w", unit):
        assert path in page, path


def test_the_access_log_is_in_the_man_page():
    """Each field that docs/observability.md has, and each target and format of the schema."""
    page = rendered("kedge.yaml.5").partition("ACCESS LOG")[2]
    rows = (machine.ROOT / "docs/observability.md").read_text().partition("| JSON | old forms |")[2].partition("\n\n")[0]
    fields = [name for row in rows.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert len(fields) > 15
    for word in [*fields, "FILE", "stdout", "journal", "off", "common", "combined", "json"]:
        assert re.search(rf"\b{word}\b", page), word
