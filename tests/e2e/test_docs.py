# SPDX-License-Identifier: BSD-2-Clause
"""The documents: their commands run as written, and the program has the messages that they quote."""
import json
import os
import re
import shutil

import pytest

import docs
import machine
from follow import Follower
from run import run
from sandbox import Sandbox

README = machine.ROOT / "README.md"
README_TOUR = ["Try it"]
OPERATIONS = machine.ROOT / "docs/operations.md"
CONFIGURATION = machine.ROOT / "docs/configuration.md"
BYPASS = machine.ROOT / "docs/bypass.md"
PEERNAME = machine.ROOT / "docs/peername.md"
OBSERVABILITY = machine.ROOT / "docs/observability.md"
GUARD = machine.ROOT / "docs/guard.md"
TROUBLESHOOTING = machine.ROOT / "docs/troubleshooting.md"
CHANGELOG = machine.ROOT / "CHANGELOG.md"
SECURITY = machine.ROOT / "SECURITY.md"
CONTRIBUTING = machine.ROOT / "CONTRIBUTING.md"
CHANGE_BPF = machine.ROOT / "docs/tutorials/change-a-bpf-program.md"
ARCHITECTURE = machine.ROOT / "docs/architecture.md"
PROOF = machine.ROOT / "docs/proof.md"
PROOF_ROWS = [line for line in PROOF.read_text().partition("## What the methods found")[0].splitlines()
              if line.startswith("| ") and not re.match(r"\| (?:promise|method) \|", line)]
DOCUMENTS = sorted([*machine.ROOT.glob("*.md"), *machine.ROOT.glob("docs/*.md"), *machine.ROOT.glob("docs/tutorials/*.md")])

# Commands that no test here runs, by how they begin, and why.
NOT_RUN = {
    "make install": "test_install.py, below a directory of its own",
    "make demo": "a suite of its own", "make test": "this is what runs the tests",
    "make && make install": "test_install.py, below a directory of its own",
    "make deb": "a suite of its own, which installs the package as well", "apt install": "the same",
    "kedge status --control": "the same",
    "systemd-sysusers": "needs a running systemd", "systemctl": "needs a running systemd",
    "journalctl": "the same",
    "install -D -m 644 /usr/share/kedge/kedge.yaml": "of the installed tree",
    "kedge server": "test_servers.py",
    "kedge top": "test_top.py, with a terminal",
    "kedge reload": "test_reload.py", "kill -HUP PID": "test_reload.py",
    "podman": "a suite of its own builds and runs the image", "docker": "as podman; there is no Docker here",
    "mkdir -m 700 /sys/fs/bpf/web": "as podman", "kubectl": "needs a cluster; a suite of its own checks the manifests", "bpftrace": "test_trace.py",
    "xdp-loader unload": "needs a number; test_guard.py leaves nothing to unload",
    "ip link set dev eth0 xdp off": "the same",
    "tests/deps.sh": "installs packages", "make asan": "the tests need it themselves",
    "make asan && cd tests": "this is what runs the tests", "cd tests && ": "the same", "build/sim/sim": "a suite of its own runs it",
    "openssl ocsp": "asks a responder on the network; test_tls_posture.py has one without",
}


def is_not_run(command):
    return any(command.text.startswith(prefix) for prefix in NOT_RUN)


def shell_blocks(path):
    return [block for _, text in docs.sections(path) for block in docs.blocks(text) if docs.is_shell(block)]


@pytest.fixture
def sandbox(tmp_path, cgroup):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Sandbox(tmp_path, cgroup) as place:
        for name in ("tests", "docs"):
            (place.home / name).symlink_to(machine.ROOT / name)
        yield place


def make_certificates(sandbox, *names):
    """Certificates that the text expects to be there."""
    for cert, key in names:
        done = sandbox.run(f"mkcert -cert-file {cert} -key-file {key} localhost 127.0.0.1 ::1", timeout=120)
        assert done.returncode == 0, done.stderr


def test_the_tour_of_the_readme(sandbox):
    follower = Follower(sandbox, {**NOT_RUN, "make": "the tests need it themselves"})
    for heading, text in docs.sections(README):
        for block in docs.blocks(text) if heading in README_TOUR else []:
            if docs.is_shell(block):
                follower.block(block)
    assert len([c for c in follower.ran if c.startswith("curl ")]) >= 3
    for word in ("node ", "build/kedge run", "--self-signed", "--haproxy-protocol", "build/kedge probe", "build/kedge status"):
        assert any(word in command for command in follower.ran), (word, follower.ran)


def test_the_commands_of_the_configuration_page(sandbox):
    follower = Follower(sandbox, NOT_RUN)
    ran = follower.ran
    make_certificates(sandbox, ("cert.pem", "key.pem"), ("/etc/kedge/cert.pem", "/etc/kedge/key.pem"))
    shutil.copy(machine.ROOT / "dist/kedge.yaml", sandbox.home)
    assert sandbox.run("cp kedge.yaml /etc/kedge/kedge.yaml").returncode == 0
    for block in shell_blocks(CONFIGURATION):
        follower.block(block)
    assert len(ran) >= 5, ran
    # The keys that were made are keys.
    done = sandbox.run("chmod 600 /etc/kedge/ticket-keys && "
                       "kedge check -c /etc/kedge/kedge.yaml --ticket-keys /etc/kedge/ticket-keys")
    assert done.returncode == 0, done.stderr


def test_the_start_of_the_operations_page(sandbox):
    follower = Follower(sandbox, NOT_RUN)
    ran = follower.ran
    make_certificates(sandbox, ("/etc/kedge/cert.pem", "/etc/kedge/key.pem"))
    shutil.copy(machine.ROOT / "dist/kedge.yaml", sandbox.home)
    assert sandbox.run("cp kedge.yaml /etc/kedge/kedge.yaml").returncode == 0
    for heading, text in docs.sections(OPERATIONS):
        for block in docs.blocks(text) if heading == "Start, stop, upgrade" else []:
            follower.block(block)
    assert [command.split()[1] for command in ran] == ["check", "run"]


def test_the_commands_of_the_guard_page(sandbox):
    follower = Follower(sandbox, NOT_RUN)
    ran = follower.ran
    make_certificates(sandbox, ("site.pem", "site-key.pem"))
    done = sandbox.run("ip link add eth0 type veth peer name eth1 && ip addr add 192.0.2.1/24 dev eth0 && "
                       "ip link set eth0 up && ip link set eth1 up")
    assert done.returncode == 0, done.stderr
    for block in shell_blocks(GUARD):
        follower.block(block)
    assert "kdg_guard" in sandbox.run("xdp-loader status").stdout
    sandbox.stop_all()
    assert "kdg_guard" not in sandbox.run("xdp-loader status").stdout
    assert [c.split()[0] for c in ran] == ["kedge", "kedge", "bpftool", "bpftool", "xdp-loader"]


def save_patch(sandbox, block):
    (sandbox.home / "sizes.diff").write_text(block + "\n")


@pytest.mark.parametrize("path", [BYPASS, PEERNAME], ids=lambda p: p.name)
def test_the_commands_with_a_cgroup(sandbox, cgroup, path):
    """Each starts kedge with a capability. Its cgroup is that of the test; a reader has one of his own."""
    if not cgroup:
        pytest.skip("no cgroup v2")
    follower = Follower(sandbox, NOT_RUN)
    make_certificates(sandbox, ("site.pem", "site-key.pem"))
    for block in shell_blocks(path):
        follower.block(block.replace("/sys/fs/cgroup/system.slice", str(cgroup.path)))
    assert [c for c in follower.ran if "build/kedge run" in c], follower.ran


def test_the_commands_of_the_observability_page(sandbox):
    """With a configuration of all keys that the page shows."""
    follower, keys = Follower(sandbox, NOT_RUN), []
    sandbox.start(f"node {machine.ROOT / 'docs/examples/hello.js'}", "app").wait_line(r"port \d+", seconds=30)
    for _, text in docs.sections(OBSERVABILITY):
        keys += [line for block in docs.blocks(text) if re.match(r"(access-log|metrics): ", block) for line in block.splitlines()]
    assert sandbox.run("mkdir -p /run/kedge").returncode == 0
    keys = [key.replace("/var/log/kedge", str(sandbox.home)) for key in keys]
    (sandbox.home / "kedge.yaml").write_text("\n".join(
        ["app: 127.0.0.1:3000", "self-signed: on", *keys, "listeners:", "- listen: 127.0.0.1:3443", ""]))
    sandbox.start("kedge run -c kedge.yaml", "kedge").wait_line(r"ready\b", seconds=60)
    assert sandbox.run("curl -sk https://127.0.0.1:3443/").stdout == "client: 127.0.0.1\n"
    for block in shell_blocks(OBSERVABILITY):
        follower.block(block)
    assert {"kedge", "curl"} <= {command.split()[0] for command in follower.ran}
    assert (sandbox.home / "access.log").exists()


@pytest.mark.parametrize("path", [CONTRIBUTING, CHANGE_BPF], ids=lambda p: p.name)
def test_what_contributors_do(tmp_path, path):
    """All of a page, in a copy of the tree."""
    printed = ""
    with Sandbox(tmp_path, own_tree=True) as sandbox:
        follower = Follower(sandbox, NOT_RUN)
        sandbox.env = {name: value for name, value in sandbox.env.items() if not name.startswith("MAKE")}
        for _, text in docs.sections(path):
            for block in docs.blocks(text):
                if docs.is_patch(block):
                    save_patch(sandbox, block)
                elif docs.is_shell(block):
                    printed += follower.block(block, timeout=900)
    if path == CONTRIBUTING:
        return
    rows = json.loads(re.search(r"^\[\{$.*?^\}?\]$", printed, re.M | re.S)[0])
    # The probe of `edit` sends a short one, too.
    assert {row["key"]: row["value"] for row in rows if row["value"]} == {0: 2, 6: 1}
    assert "steps of the verifier" in printed and "kdg_request" in printed


# Whose every command is run by a test above, or these sections of it. Of the other pages no command is run.
RUN = {README: README_TOUR, OPERATIONS: ["Start, stop, upgrade"], CONFIGURATION: None, GUARD: None, BYPASS: None, PEERNAME: None,
       OBSERVABILITY: None, CONTRIBUTING: None}
# These look like commands, and are the files of other programs, or a drawing.
NO_SHELL = {"scaling.md": ["HAProxy", "IPVS"], "architecture.md": ["A connection"]}


@pytest.mark.parametrize("path", [page for page in DOCUMENTS if page.parent.name != "tutorials"], ids=lambda p: p.name)
def test_no_command_is_forgotten(path):
    """Each command is run by a test above, or is in NOT_RUN with the reason."""
    covered = RUN.get(path, [])
    for heading, text in docs.sections(path) if covered is not None else []:
        if heading in covered or heading in NO_SHELL.get(path.name, []):
            continue
        forgotten = [command for block in docs.blocks(text) if docs.is_shell(block)
                     for command in docs.commands(block) if not is_not_run(command)]
        assert forgotten == [], (heading, forgotten)


def test_every_quoted_message_is_in_the_source():
    table, rest = TROUBLESHOOTING.read_text().split("<!-- reasons")
    strings = docs.format_strings()
    messages = re.findall(r"^\| `((?:[^`\\]|\\.)+)` \|", table, re.M)
    assert len(messages) > 30
    assert [m for m in messages if not docs.is_printed(m, strings)] == []
    reasons = set(re.findall(r"^X\((\w+)", (machine.ROOT / "include/kedge/reasons.def").read_text(), re.M))
    quoted = re.findall(r"^\| `(\w+)` \|", rest, re.M)
    assert quoted and set(quoted) <= reasons, set(quoted) - reasons


def test_the_page_of_reasons_is_up_to_date():
    text = (machine.ROOT / "docs/reasons.md").read_text()
    table = re.search(r"^<!-- reasons -->\n(.*)^<!-- end of reasons -->$", text, re.M | re.S)[1]
    done = run(machine.ROOT / "docs/reasons.py")
    assert done.returncode == 0 and done.stdout == table, "make reference"
    names = re.findall(r"^X\((\w+)", (machine.ROOT / "include/kedge/reasons.def").read_text(), re.M)
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == names


def test_what_to_watch_names_the_alerts():
    """All of them, but for the two of the process, which the text below the table has."""
    rules = set(re.findall(r"^  - alert: (\w+)$", (machine.ROOT / "dist/prometheus-kedge-rules.yaml").read_text(), re.M))
    section = dict(docs.sections(OPERATIONS))["What to watch"]
    assert rules == set(re.findall(r"`(Kedge\w+)`", section))


def test_every_option_is_on_the_pages_it_belongs_to(sandbox):
    """The example, the reference and the man page have every key that the binary knows."""
    done = sandbox.run("kedge run --help")
    options = re.findall(r"^  --([\w-]+) ", done.stdout, re.M)
    assert len(options) > 30
    for path in ("docs/configuration.md", "docs/man/kedge.yaml.5", "dist/kedge.yaml"):
        text = (machine.ROOT / path).read_text()
        missing = [o for o in options if o != "help" and not re.search(rf"(?<![\w-]){o}(?![\w-])", text)]
        assert missing == [], path


def options_of_man(command):
    """Those of its synopsis, and those of its entries in COMMANDS."""
    text = (machine.ROOT / "docs/man/kedge.1").read_text()
    synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh", text, re.M | re.S)[1]
    entries = re.search(r"^\.Sh COMMANDS\n(.*?)^\.Sh", text, re.M | re.S)[1]
    found = []
    for part, between in ((synopsis, r"^\.Nm$"), (entries, r"^\.It ")):
        blocks = [b for b in re.split(between, part, flags=re.M) if re.search(rf"^(\.|Xo\n\.)?Cm {command}\b", b.lstrip())]
        assert blocks, command
        found.append({f"-{name}" for b in blocks for name in re.findall(r"Fl (-?[\w-]+)", b)})
    return found


@pytest.mark.parametrize("command", ["run", "check", "probe", "reload", "server", "status", "top"])
def test_help_and_man_page_name_the_same_options(sandbox, command):
    synopsis, entry = options_of_man(command)
    usage = sandbox.run(f"kedge {command} --help").stdout
    named = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", "\n".join(re.findall(r"^(?:usage:| +kedge ).*", usage, re.M))))
    listed = set(re.findall(r"^  (--?[a-z][\w-]*)", usage, re.M)) - set(re.findall(r"^  (--[\w-]+)(?= )", sandbox.run("kedge run --help").stdout, re.M))
    short = {"-b": "--batch", "-n": "--count"}
    line = re.search(rf"^  {command} .*", sandbox.run("kedge help").stdout, re.M)[0]
    of_all = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", line))
    every = {"--option"} if command in ("run", "check") else set()  # each key of the file
    alone = {"--schema", "--reference"} if command == "check" else set()
    assert synopsis - every == named and listed <= named | {"-c"}, (synopsis, named, listed)
    assert {short.get(o, o) for o in entry} - every == synopsis - every, (entry, synopsis)
    assert of_all == synopsis - every - alone, (of_all, synopsis)


def test_the_version_is_that_of_the_changelogs():
    """Between releases, while something is unreleased, it is that of the next one with -dev: a package of such a tree must
    replace the released one."""
    version = re.search(r"^VERSION := (\S+)$", (machine.ROOT / "Makefile").read_text(), re.M)[1]
    headings = re.findall(r"^## (.*)$", CHANGELOG.read_text(), re.M)
    released = next(heading for heading in headings if heading[0].isdigit()).split(" - ")[0]
    unreleased = re.search(r"^## Unreleased\n(.*?)^## ", CHANGELOG.read_text(), re.M | re.S)
    if unreleased and re.search(r"^- ", unreleased[1], re.M):
        number, dev, rest = version.partition("-dev")
        assert dev and not rest, "the changelog has unreleased entries: name the next version, with -dev"
        assert [*map(int, number.split("."))] > [*map(int, released.split("."))]
    else:
        assert version == released
    package = re.match(r"kedge \((\S+)\) ", (machine.ROOT / "debian/changelog").read_text())[1]
    assert package == version.replace("-dev", "~dev")  # which Debian sorts before the release
    assert run(machine.ROOT / "build/kedge", "--version").stdout == f"kedge {version}\n"
    newest = re.search(r"^\| (\S+) \| yes \|", SECURITY.read_text(), re.M)[1]
    assert released.startswith(newest + "."), newest


def test_the_statuses_that_leave_doubts():
    """As the code has them, and as the header says."""
    code = (machine.ROOT / "user/http/response_head.c").read_text().partition("bool response_head_in_doubt")[2]
    refusals = set(re.findall(r"case (\d{3}):", code.partition("The head was not understood")[2]))
    section = dict(docs.sections(CONFIGURATION))["Responses that leave doubts"]
    assert set(re.findall(r"\d{3}", re.search(r"has a status of (.*?) \|", section)[1])) == refusals
    header = (machine.ROOT / "user/http/response.h").read_text()
    assert set(re.findall(r"\d{3}", re.search(r"- +([\d, ]+): the application may not", header)[1])) == refusals
    most = re.search(r"define RESPONSE_INTERIM_MAX (\d+)", header)[1]
    assert f"more than {most} interim responses" in section


def test_the_changelog_names_reasons_that_exist():
    reasons = set(re.findall(r"^X\((\w+)", (machine.ROOT / "include/kedge/reasons.def").read_text(), re.M))
    listed = re.search(r"^- Reasons: (.*?)\.$", CHANGELOG.read_text(), re.M | re.S)[1]
    named = set(re.findall(r"`(\w+)`", listed))
    assert len(named) > 10 and named <= reasons, named - reasons


def test_the_tree_of_the_readme():
    named = re.findall(r"^    (\S+)/ ", dict(docs.sections(README))["Work on it"], re.M)
    there = {path.name for path in machine.ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert {name.split("/")[0] for name in named} == there - {"build"}
    assert all((machine.ROOT / name).is_dir() for name in named)


def test_the_rooms_are_those_of_lint():
    rooms = re.search(r'^ROOMS = "(.*)"', (machine.ROOT / "tests/lint/rooms.py").read_text(), re.M)[1].split()
    assert re.findall(r"^\| `(\w+)` \|", dict(docs.sections(CONTRIBUTING))["Rooms"], re.M) == rooms
    assert {path.name for path in (machine.ROOT / "user").iterdir()} == set(rooms)


def test_the_times_are_those_of_make_help():
    said = run("make", "-s", "-C", machine.ROOT, "help").stdout
    times = dict(re.findall(r"^  ([a-z0-9-]+) +(\d+ \w+)", said, re.M))
    rows = re.findall(r"^\| `make ([a-z0-9-]+)` \|.*\| ([^|]*) \|$", CONTRIBUTING.read_text(), re.M)
    assert len(rows) >= 8
    assert {name: takes for name, takes in rows if times[name] != takes} == {}


def defines(text, name):
    """A function with its body, a table, a macro, a BPF map."""
    return (re.search(rf"^(?![\s#*/])[^;{{}}#]*?\b{name}\s*\([^;{{}}]*\)\s*\{{", text, re.M)
            or re.search(rf"^[^;{{}}\n]*\b{name}\[.*\] = \{{|^\}} {name} SEC\(\"\.maps\"\);|^#define {name}\(",
                         text, re.M))


def test_where_is_what():
    """Each file of the table exists and defines one of the names. Each name is defined in one of the files."""
    table = dict(docs.sections(ARCHITECTURE))["Where is what"]
    rows = [[re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[2:4]]
            for line in table.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) > 20
    for files, names in rows:
        texts = {name: (machine.ROOT / name).read_text() for name in files}
        for name in names:
            assert any(defines(text, name) for text in texts.values()), (name, files)
        for file, text in texts.items() if names else []:
            assert any(defines(text, name) for name in names), (file, names)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_named_file_is_there(path):
    named = re.findall(r"`((?:user|bpf|include|tests|vmtest|dist|docs)/[\w./-]*[\w/])`", path.read_text())
    missing = [name for name in named if not (machine.ROOT / name).exists()]
    alone = re.findall(r"`(\w[\w.-]*\.(?:c|h|def|py|sh))`", path.read_text())
    places = ("user/*", "bpf", "include/*", "tests", "tests/*", "vmtest", "docs")
    missing += [name for name in alone if not any(True for place in places for _ in machine.ROOT.glob(f"{place}/{name}"))]
    # ROOM and NAME are for the reader to fill in.
    assert [name for name in missing if not re.search("ROOM|NAME", name)] == []


def proofs():
    """(file, test) of every proof that docs/proof.md names; test "" where it names a file alone."""
    for named in re.findall(r"`([^`]+)`", "\n".join(PROOF_ROWS)):
        file, _, tests = named.partition(": ")
        if re.fullmatch(r"[\w-]+/[\w/.-]+|[\w-]+\.(?:sh|py)", file):
            for test in tests.split(", "):
                yield file, test


def is_test(text, name):
    """Of pytest, or of cmocka and in its table as well."""
    return bool(re.search(rf"^def {name}\(", text, re.M)
                or re.search(rf"^static void {name}\(void \*\*", text, re.M) and re.search(rf"\({name}[,)]", text))


def test_every_proof_is_there():
    assert len(PROOF_ROWS) > 50
    found = list(proofs())
    assert len([test for _, test in found if test]) > 120
    for file, test in found:
        path = machine.ROOT / "tests" / file
        path = path if path.exists() else machine.ROOT / file
        assert path.exists(), file
        assert not test or is_test(path.read_text(), test), (file, test)


def test_every_command_of_a_proof_is_there():
    targets = set(re.findall(r"^  ([a-z0-9-]+) ", run("make", "-s", "-C", machine.ROOT, "help").stdout, re.M))
    named = set(re.findall(r"`make ([a-z0-9-]+)`", PROOF.read_text()))
    assert len(named) > 10 and named <= targets, named - targets
    # Each row of the tables has a command, or a promise that none can prove.
    assert [row for row in PROOF_ROWS if row.count(" | ") != 3] == []
    assert [row for row in PROOF_ROWS if not re.search(r"`make [a-z0-9-]+`", row)] == []


def links(path):
    """(link, file, heading) of every link that stays in the tree."""
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" not in link:
            name, _, heading = link.partition("#")
            yield link, path.parent / name if name else path, heading


def slug(heading):
    """As Markdown's readers make it of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_leads_somewhere(path):
    for link, target, heading in links(path):
        assert target.exists(), link
        if heading:
            assert heading in [slug(name) for name, _ in docs.sections(target)], link
