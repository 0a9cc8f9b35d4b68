# SPDX-License-Identifier: BSD-2-Clause
"""The privileges that kedge gives up, and the capability that each feature needs.

The system call filter is that of the ordinary build here; the sanitizers' build allows a few more calls.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
from pathlib import Path

import pytest

import kedge as module
import machine
import prefix
from certs import Leaf
from client import Client
from kedge import Kedge, Listener
from process import Process
from rawapp import RawApp
from run import run

PLAIN = machine.ROOT / "build/kedge"
DOC = machine.ROOT / "docs/operations.md"
NOBODY, NOGROUP = 65534, 65534
GOOD = ["--tls", "off", "--app", "127.0.0.1:9", "--control", "off"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def process_status(pid):
    """{"Uid": [...], ...} of each thread of a process."""
    return [dict((k, v.split()) for k, v in (line.split(":", 1) for line in path.read_text().splitlines()))
            for path in Path(f"/proc/{pid}/task").glob("*/status")]


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(module, "BINARY", PLAIN)


def open_to_nobody(certs):
    """The directories of the certificates can be searched, the keys belong to nobody."""
    for path in (certs.ca.parent, certs.ca.parent.parent):
        path.chmod(path.stat().st_mode | 0o011)


# --- what a running kedge still has ------------------------------------------------------------
def test_becomes_its_user_and_gives_up_everything(ends, certs, tls, cgroup, plain):
    with RawApp(cgroup=cgroup) as app:
        kedge = Kedge(certs, app.text, [Listener("tls"), Listener("clear_proxy", tls=False, proxy="require")],
                      ends, cgroup, ["--user", "nobody:nogroup", "--workers", "2"])
        try:
            threads = process_status(kedge.pid)
            assert len(threads) >= 3
            for thread in threads:
                assert thread["Uid"] == [str(NOBODY)] * 4 and thread["Gid"] == [str(NOGROUP)] * 4
                assert "0" not in thread["Groups"]
                for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    # If net.core.wmem_max is small, the send buffers of edit need one.
                    assert int(thread[name][0], 16) & ~(1 << 12) == 0, (name, thread[name])
                assert thread["NoNewPrivs"] == ["1"] and thread["Seccomp"] == ["2"]
            # Not dumpable: the secret files in /proc belong to root.
            assert os.stat(f"/proc/{kedge.pid}/mem").st_uid == 0
            assert re.search(r"Max core file size +0 +0", Path(f"/proc/{kedge.pid}/limits").read_text())
            with Client(kedge["tls"], tls=tls) as c:
                assert c.request().status == 200
            with Client(kedge["clear_proxy"], prefix.v1()) as c:
                assert c.request(method="POST", body=b"x" * 300000).status == 200
            assert app.connections[1].requests[0].xff == "198.51.100.22"
            kedge.wait_idle()
            assert kedge.process.stop() == 0
            assert list(kedge.pin.iterdir() if kedge.pin.exists() else []) == []
        finally:
            kedge.kill()


def test_says_that_it_runs_as_root(certs, plain):
    for flags, warned in (([], True), (["--user", "root"], False)):
        with Kedge(certs, "127.0.0.1:9", [Listener("clear", tls=False)], flags=flags) as kedge:
            assert bool(kedge.process.matches("warning: kedge runs as root")) == warned, kedge.log()
            assert process_status(kedge.pid)[0]["CapBnd"][0].strip("0") in ("", "1000")


def test_says_which_key_a_reload_could_not_read(certs, plain):
    with Kedge(certs, "127.0.0.1:9", [Listener("tls", leaves=[certs.ec])],
               flags=["--user", "nobody", "--edit", "off", "--control", "off"]) as kedge:
        assert kedge.process.matches(r"warning: key \S*ec-key.pem: cannot be read again as user nobody"), \
            kedge.log()


def test_a_call_that_is_not_on_the_list_ends_kedge_by_name(certs, tmp_path, plain):
    """strace replaces the first accept by another call, and the filter sees that one."""
    log = tmp_path / "strace"
    with RawApp() as app:
        kedge = Kedge(certs, app.text, [Listener("clear", tls=False)],
                      argv_prefix=["strace", "-D", "-f", "-o", log, "-e", "trace=accept4", "-e",
                                   "inject=accept4:error=EPERM:syscall=getppid"])
        try:
            with Client(kedge["clear"]) as c:
                kedge.process.wait_line(r"error: seccomp: system call getppid \(\d+\) is not one that kedge")
                with contextlib.suppress(ConnectionResetError):  # nobody has accepted it
                    c.recv()
            assert kedge.process.wait() == -signal.SIGSYS
        finally:
            kedge.kill()


WITH_LISTENER = 'exec 3<&"$0"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'


def test_no_connection_is_taken_before_it_is_confined(certs, tmp_path, plain):
    """A client waits at a socket that listens before kedge starts."""
    log = tmp_path / "strace"
    with RawApp() as app, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        address = listening.getsockname()
        process = Process(["strace", "-D", "-f", "-yy", "-o", log, "-e", "trace=accept4,seccomp,capset", "bash", "-c", WITH_LISTENER,
                           listening.fileno(), PLAIN, "run", *GOOD[:2], "--app", app.text, "--control", "off",
                           "--edit", "off", "--user", "nobody", "--listen", "%s:%d" % address],
                          pass_fds=[listening.fileno()])
        try:
            with Client(address) as c:
                assert c.request().status == 200
            assert process.stop() == 0
        finally:
            process.stop()
        machine.wait_for(lambda: re.search(r"^\d+ +\+\+\+ exited with 0", log.read_text(), re.M), what="the end of strace")
        calls = [line for line in log.read_text().splitlines() if ") = " in line or "<unfinished" in line]
        # Other accepts are of the probes, which connect to themselves.
        taken = [at for at, line in enumerate(calls) if "accept4(" in line and f":{address[1]}]" in line]
        filters = [at for at, line in enumerate(calls) if "SECCOMP_SET_MODE_FILTER" in line and ") = 0" in line]
        given_up = [at for at, line in enumerate(calls) if "capset(" in line and "permitted=0, " in line]
        assert taken and filters and given_up, calls
        assert max(filters[0], given_up[-1]) < taken[0], calls


def test_refuses_that_call_and_lives(certs, tmp_path, plain):
    with RawApp() as app:
        kedge = Kedge(certs, app.text, [Listener("clear", tls=False)], flags=["--seccomp", "errno"],
                      argv_prefix=["strace", "-D", "-f", "-o", tmp_path / "strace", "-e", "trace=accept4", "-e",
                                   "inject=accept4:error=EPERM:syscall=getppid:when=1"])
        try:
            with Client(kedge["clear"]) as c:
                assert c.request().status == 200
            assert kedge.process.stop() == 0
        finally:
            kedge.kill()


# --- keys ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode,gid,user,word", [
    (0o644, 0, None, "chmod 600"), (0o606, 0, None, "chmod 600"), (0o640, 65533, None, "group 65533"),
    (0o640, 65533, "65534:65533", None), (0o640, 0, None, None), (0o400, 65533, None, None)])
def test_keys_that_others_may_read(certs, tmp_path, mode, gid, user, word):
    key = tmp_path / "key.pem"
    shutil.copy(certs.ec.key, key)
    os.chown(key, 0, gid)
    key.chmod(mode)
    done = run(module.BINARY, "check", "--listen", ":1", "--app", "127.0.0.1:9", "--cert", certs.ec.cert,
               "--key", key, *(["--user", user] if user else []))
    assert done.returncode == (2 if word else 0), done.stderr
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(errors) == (1 if word else 0) and (not word or word in errors[0] and str(key) in errors[0])


@pytest.fixture
def pair(plain, nobody, certs):
    """A copy of the program and a pair of its own, in a directory that everybody may enter."""
    base = nobody[0].parent
    pair = Leaf(base, "site")
    for file, mode in ((pair.cert, 0o644), (pair.key, 0o600)):
        shutil.copy(getattr(certs.ec, "cert" if file is pair.cert else "key"), file)
        file.chmod(mode)
    pair.binary = nobody[0]
    return pair


def give_to_group(file, gid, mode):
    os.chown(file, 0, gid)
    file.chmod(mode)


@contextlib.contextmanager
def became(certs, pair, user, prefix=()):
    """kedge as that user, who may not remove its control socket."""
    with RawApp() as app:
        kedge = Kedge(certs, app.text, [Listener("tls", leaves=[pair])], flags=["--user", user], argv_prefix=prefix)
        try:
            yield kedge
        finally:
            kedge.kill()


def check(pair, *flags, prefix=()):
    return run(*prefix, pair.binary, "check", "--listen", ":1", "--app", "127.0.0.1:9", *pair.flags(), *flags)


@pytest.mark.parametrize("groups,good", [("2000", True), ("1999,2000", True), ("1999", False)])
def test_a_further_group_may_read_keys(pair, groups, good):
    """fsGroup of a Kubernetes pod, whose secrets are root:fsGroup 0440 on a read-only volume."""
    give_to_group(pair.key, 2000, 0o440)
    # The same for one that may read everything: the check is about who else may.
    words = ["setpriv", "--reuid", "1000", "--regid", "1000", "--groups", groups, "--inh-caps", "+dac_override",
             "--ambient-caps", "+dac_override"]
    done = check(pair, prefix=words)
    assert done.returncode == (0 if good else 2), done.stderr
    assert good or "group 2000 may read it" in done.stderr


def test_a_further_group_of_its_user_may_read_keys(certs, pair, tmp_path):
    """Debian's ssl-cert, to which services are added. A reload can read the key again."""
    group = tmp_path / "group"
    group.write_text(Path("/etc/group").read_text() + "kedge-test-cert:x:2000:nobody\n")
    group.chmod(0o644)
    prefix = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/group && exec "$@"', group]
    give_to_group(pair.key, 2000, 0o640)
    assert check(pair, "--user", "nobody", prefix=prefix).returncode == 0
    assert check(pair, "--user", "daemon", prefix=prefix).returncode == 2
    assert check(pair, prefix=prefix).returncode == 2
    with became(certs, pair, "nobody", prefix) as kedge:
        assert "cannot be read again" not in kedge.log()
        reloaded = kedge.reload()
        assert reloaded.returncode == 0, reloaded.stdout + reloaded.stderr + kedge.log()


@pytest.mark.parametrize("mode, status", [(0o644, 2), (0o600, 0)])
def test_the_advice_is_the_last_one_needed(certs, pair, mode, status):
    """Root's key: what check says of it, done as it says, makes it good for the start and for a reload."""
    pair.key.chmod(mode)
    said = check(pair, "--user", "nobody:nogroup")
    assert said.returncode == status, said.stderr
    advice = f"chgrp nogroup {pair.key} && chmod 640 {pair.key}"
    assert said.stderr.count(f"key {pair.key}: ") == 1 and said.stderr.endswith(f": {advice}\n"), said.stderr
    assert run("sh", "-c", advice).returncode == 0
    said = check(pair, "--user", "nobody:nogroup")
    assert said.returncode == 0 and str(pair.key) not in said.stderr, said.stderr
    with became(certs, pair, "nobody:nogroup") as kedge:
        assert "cannot be read again" not in kedge.log()
        assert kedge.reload().returncode == 0, kedge.log()


def test_a_closed_key_is_explained(pair):
    """A Secret without fsGroup: the mode is right, the group is not."""
    pair.key.chmod(0o440)
    words = ["setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups"]
    closed = f"key {pair.key}: cannot open: Permission denied: it is root:root mode 0440, and kedge runs as 65532:65532: "
    for pod, advice in (([], f"chgrp 65532 {pair.key} && chmod 640 {pair.key}"),
                        (["env", "KUBERNETES_SERVICE_HOST=10.0.0.1"],
                         "in the pod's spec, fsGroup: 65532, and defaultMode: 0440 for the volume of a Secret")):
        said = check(pair, prefix=[*pod, *words])
        assert said.returncode == 2 and said.stderr == f"kedge: error: {closed}{advice}\n", said.stderr


def test_the_user_of_the_units_is_tried(pair, tmp_path):
    """User=kedge is in the unit, not in the configuration: check, run by root, judges for it."""
    for name, line in (("passwd", "kedge:x:2001:2001::/:/bin/false\n"), ("group", "kedge:x:2001:\n")):
        (tmp_path / name).write_text(Path("/etc", name).read_text() + line)
        (tmp_path / name).chmod(0o644)
    prefix = ["unshare", "-m", "sh", "-c", 'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group'
              ' && exec "$@"', tmp_path]
    pair.key.chmod(0o600)
    said = check(pair, prefix=prefix)
    assert said.returncode == 0 and said.stderr.endswith(
        f"kedge: warning: key {pair.key}: cannot be read as user kedge: kedge.service will fail: "
        f"chgrp kedge {pair.key} && chmod 640 {pair.key}\n"), said.stderr


@pytest.mark.parametrize("closed", ["live", "archive"])
def test_the_directory_in_the_way_is_named(certs, pair, closed):
    """certbot: live/site/privkey.pem points to ../../archive/site/privkey1.pem. Both directories may be root's."""
    base = pair.key.parent
    for name in ("live", "archive"):
        (base / name / "site").mkdir(parents=True)
    give_to_group(pair.key, 65534, 0o640)
    pair.key.rename(base / "archive/site/privkey1.pem")
    pair.key = base / "live/site/privkey.pem"
    pair.key.symlink_to("../../archive/site/privkey1.pem")
    (base / closed).chmod(0o700)
    said = check(pair, "--user", "65534:65534")
    assert said.returncode == 0 and re.search(rf"key {pair.key}: cannot be read again as user nobody: .*/{closed} may not",
                                              said.stderr), said.stderr
    with became(certs, pair, "65534:65534") as kedge:
        kedge.process.wait_line(rf"key {pair.key}: cannot be read again as user nobody: a reload will fail: "
                                rf"directory \S*/{closed} may not be entered: chgrp nogroup \S*/{closed} && chmod 710 \S*/{closed}$")
        assert kedge.reload().returncode == 1
        kedge.process.wait_line(rf"key {pair.key}: cannot open: directory \S*/{closed} may not be entered: "
                                "it is root:root mode 0700, and kedge runs as nobody:nogroup: chgrp nogroup ")
        give_to_group(base / closed, 65534, 0o710)
        assert kedge.reload().returncode == 0, kedge.log()


# --- the table of capabilities: a row, a test --------------------------------------------------
def as_nobody(*capabilities):
    words = ",".join(f"+{c}" for c in capabilities)
    return ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups",
            *(["--inh-caps", words, "--ambient-caps", words] if words else [])]


def root_without(capability):
    return ["setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}"]


BPF = ("bpf", "net_admin", "perfmon")


def probed(binary, *capabilities):
    done = run(*as_nobody(*capabilities), binary, "probe", "--json")
    return json.loads(done.stdout), done.stdout


def buys_edit(capability, binary, tmp_path, certs):
    others = [c for c in BPF if c != capability]
    good, text = probed(binary, *BPF)
    assert good["edit"], text
    bad, text = probed(binary, *others)
    assert not bad["edit"] and f"CAP_{capability.upper()}" in text, text


def started(argv_prefix, binary, *flags):
    """(the line that says it is ready or None, its whole output). kedge is stopped again."""
    process = Process([*argv_prefix, binary, "run", *GOOD, *flags], name="kedge")
    try:
        try:
            ready = process.wait_line("info: ready", seconds=30)[0]
        except RuntimeError:
            ready = None
    finally:
        process.stop()
    return ready, process.log()


def buys_low_ports(capability, binary, tmp_path, certs):
    flags = ["--listen", "*:443", "--pin", "off", "--edit", "off"]
    ready, log = started(["unshare", "-n", *as_nobody(capability)], binary, *flags)
    assert ready and f"CAP_{capability.upper()}" in log, log  # kept for a reload
    ready, log = started(["unshare", "-n", *as_nobody()], binary, *flags)
    assert not ready and "Permission denied" in log, log


def buys_user(capability, binary, tmp_path, certs):
    flags = ["--listen", "127.0.0.1:0", "--pin", "off", "--edit", "off", "--user", "nobody"]
    ready, log = started([], binary, *flags)
    assert ready, log
    ready, log = started(root_without(capability), binary, *flags)
    assert not ready and "cannot become it" in log, log


def buys_given_pins(capability, binary, tmp_path, certs):
    flags = ["--listen", "127.0.0.1:0", "--pin", "off", "--edit", "off", "--user", "nobody",
             "--control", tmp_path / "own" / "socket"]
    ready, log = started(root_without(capability), binary, *flags)
    assert not ready and "cannot be given" in log, log
    ready, log = started([], binary, *flags)
    assert ready and not (tmp_path / "own" / "socket").exists(), log


def buys_bounding_set(capability, binary, tmp_path, certs):
    for words, empty in (((), False), ((capability,), True)):
        process = Process([*as_nobody(*words), binary, "run", *GOOD, "--listen", "127.0.0.1:0", "--pin", "off",
                           "--edit", "off"], name="kedge")
        try:
            process.wait_line("info: ready", seconds=30)
            assert (int(process_status(process.pid)[0]["CapBnd"][0], 16) == 0) == empty
        finally:
            process.stop()


def buys_keys_of_others(capability, binary, tmp_path, certs):
    key = tmp_path / "key.pem"
    shutil.copy(certs.ec.key, key)
    key.chmod(0o600)
    flags = ["--listen", "127.0.0.1:0", "--pin", "off", "--edit", "off", "--tls", "on", "--cert",
             certs.ec.cert, "--key", key]
    ready, log = started(as_nobody(capability), binary, *flags)
    assert ready, log
    ready, log = started(as_nobody(), binary, *flags)
    assert not ready and "cannot open: Permission denied" in log, log


def buys_a_mounted_bpffs(capability, binary, tmp_path, certs):
    script = 'umount /sys/fs/bpf || true; exec "$@"'
    flags = ["--listen", "127.0.0.1:0", "--pin", "/sys/fs/bpf/kedge-mounted"]
    alone = ["unshare", "-m", "sh", "-c", script, "sh"]
    ready, log = started(alone, binary, *flags)
    assert ready and "edit kernel" in log, log
    ready, log = started([*alone, *root_without(capability)], binary, *flags)
    assert "edit kernel" not in log, log


ROWS = {
    "CAP_BPF": buys_edit, "CAP_NET_ADMIN": buys_edit, "CAP_PERFMON": buys_edit,
    "CAP_NET_BIND_SERVICE": buys_low_ports, "CAP_SETUID": buys_user, "CAP_SETGID": buys_user,
    "CAP_CHOWN": buys_given_pins, "CAP_SETPCAP": buys_bounding_set,
    "CAP_DAC_READ_SEARCH": buys_keys_of_others, "CAP_SYS_ADMIN": buys_a_mounted_bpffs,
}


def test_the_table_has_these_rows():
    rows = re.findall(r"^\| `(CAP_\w+)` \|", DOC.read_text(), re.M)
    assert sorted(rows) == sorted(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_row_of_the_table(name, nobody, tmp_path, certs, monkeypatch):
    """With the capability the feature works. Without it the feature is off, and kedge says so."""
    open_to_nobody(certs)
    tmp_path.chmod(0o755)
    ROWS[name](name.removeprefix("CAP_").lower(), nobody[0], tmp_path, certs)
