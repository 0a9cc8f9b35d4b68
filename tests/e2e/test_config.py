# SPDX-License-Identifier: BSD-2-Clause
"""Mistakes in flags and files: a clear line for each, the right exit status, nothing started."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import bpftool
import machine
import prefix
from client import Client
from kedge import BINARY, Kedge, Listener, NAMES, probe
from process import Process
from rawapp import RawApp
from run import run


def kedge(*args, **kwargs):
    return run(BINARY, *args, **kwargs)


GOOD = ["--listen", "127.0.0.1:0", "--tls", "off", "--app", "127.0.0.1:9", "--pin", "off",
        "--control", "off"]
MISTAKES = {
    "no_listener": (["--app", "127.0.0.1:9"], "listen"),
    "no_app": (["--listen", "127.0.0.1:0", "--tls", "off"], "app"),
    "tls_without_certificate": (["--listen", "127.0.0.1:0", "--app", "127.0.0.1:9"], "certificate"),
    "address": ([*GOOD, "--listen", "localhost"], "localhost"),
    "port": ([*GOOD, "--app", "127.0.0.1:99999"], "99999"),
    "word": ([*GOOD, "--record", "maybe"], "require"),
    "number": ([*GOOD, "--idle-timeout-ms", "-1"], "idle-timeout-ms"),
    "cidr": ([*GOOD, "--xff-trust", "10.0.0.0/33"], "10.0.0.0/33"),
    "unknown_flag": ([*GOOD, "--no-such-flag", "1"], "no-such-flag"),
    "no_value": ([*GOOD, "--xff"], "--xff"),
    "no_file": (["-c", "/no/such/file.yaml"], "/no/such/file.yaml"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_in_flags(name):
    args, word = MISTAKES[name]
    done = kedge("run", *args)
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1 and word in errors[0], done.stderr


def test_every_mistake_is_told_at_once():
    done = kedge("run", *GOOD, "--record", "maybe", "--xff", "perhaps", "--workers", "many")
    assert done.returncode == 2
    for word in ("maybe", "perhaps", "many"):
        assert sum(word in line for line in done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("args", [[], ["no-such-command"], ["status", "--no-such-flag"]])
def test_usage_mistakes(args):
    done = kedge(*args)
    assert done.returncode == 2 and done.stderr


def test_help_and_version():
    for args in (["--help"], ["run", "--help"], ["--version"], ["status", "--help"],
                 ["probe", "--help"], ["check", "--help"]):
        done = kedge(*args)
        assert done.returncode == 0 and done.stdout and not done.stderr, (args, done.stderr)


def test_status_without_a_kedge(tmp_path):
    done = kedge("status", "--control", tmp_path / "nobody")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "nobody" in done.stderr


def file_with(tmp_path, text):
    path = tmp_path / "kedge.yaml"
    path.write_text(text)
    return path


def test_file_and_flags_say_the_same(tmp_path, certs, cgroup, ends):
    """A whole configuration from a file, and one flag that overrides it."""
    with RawApp(cgroup=cgroup) as app:
        path = file_with(tmp_path, f"""\
listeners:
  - listen: 127.0.0.1:0
    tls: on
    proxy-protocol: require
    trust: [127.0.0.0/8]
    certs:
      - cert: {certs.ec.cert}
        key: {certs.ec.key}
  - listen: 127.0.0.1:0
    tls: off
app: {app.text}
pin: off
control: {tmp_path}/control
xff: never
workers: 1
""")
        done = kedge("check", "-c", path)
        assert done.returncode == 0, done.stderr
        process = Process([BINARY, "run", "-c", path, "--xff", "replace", *ends.flags(), "--cgroup",
                           cgroup.path], cgroup=cgroup, name="kedge")
        try:
            ports = [int(m[1]) for m in process.wait_line(r"listening on \S+:(\d+)", count=2, seconds=60)]
            process.wait_line("kedge: info: ready", seconds=60)
            with Client(("127.0.0.1", ports[1])) as c:
                c.request(fields=[("X-Forwarded-For", "6.6.6.6")])
            assert app.connection().requests[0].xff == "127.0.0.1"
        finally:
            assert process.stop() == 0


FILES = {
    "unknown_key": ("app: 127.0.0.1:9\nlisteners:\n  - listen: 127.0.0.1:0\n    tls: off\ncolour: 1\n",
                    5, "colour"),
    "bad_value": ("app: 127.0.0.1:9\nlisteners:\n  - listen: 127.0.0.1:0\n    tls: perhaps\n",
                  4, "perhaps"),
    "not_yaml": ('app: "127.0.0.1:9\n', None, "YAML"),
    "bad_number": ("app: 127.0.0.1:9\nworkers: lots\nlisteners:\n  - listen: 127.0.0.1:0\n"
                   "    tls: off\n", 2, "lots"),
}


@pytest.mark.parametrize("name", FILES)
def test_mistake_in_a_file(tmp_path, name):
    text, line, word = FILES[name]
    path = file_with(tmp_path, text)
    for command in ("check", "run"):
        done = kedge(command, "-c", path)
        errors = [x for x in done.stderr.splitlines() if "error:" in x]
        assert done.returncode == 2, done.stderr
        assert len(errors) == 1 and word in errors[0] and str(path) in errors[0], done.stderr
        if line:
            assert f"{path}:{line}" in errors[0], done.stderr


def test_port_in_use(certs, cgroup):
    with RawApp() as app:
        done = kedge("run", "--listen", app.text, "--tls", "off", "--app", "127.0.0.1:9", "--pin",
                     "off", "--control", "off", "--record", "off", "--edit", "off")
        assert done.returncode == 1
        errors = [x for x in done.stderr.splitlines() if "error:" in x]
        assert len(errors) == 1 and app.text in errors[0], done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_required_capability_that_is_not_there(name, certs):
    """kedge says why and exits with 1. If the capability is there, the combinations show it."""
    why = probe()[name]
    if not why:
        pytest.skip(f"this machine has {name}")
    done = kedge("run", *certs.ec.flags(), *GOOD, "--tls", "on", f"--{name}", "require")
    assert done.returncode == 1
    errors = [x for x in done.stderr.splitlines() if "error:" in x]
    assert len(errors) == 1 and name in errors[0], done.stderr


def test_combinations_that_this_machine_can_not_have(pytestconfig):
    """Skipped with the reason, so that the totals show what was not tried."""
    missing = pytestconfig.kedge_missing
    if missing:
        pytest.skip(", ".join(str(c) for c in missing) + ": " + sorted(missing.values())[0])


def test_pins_can_be_read_with_bpftool(raw):
    if not raw.process.argv[raw.process.argv.index("--edit") + 1] == "require":
        assert raw.entries_of_flows() == {}
        return
    with Client(raw["clear_proxy"], prefix.v1()) as c:
        c.request()
        flow = bpftool.rows(raw.pin / "kdg_flow")[0]["formatted"]["value"]
        text = bpftool.rows(raw.pin / "kdg_text")[flow["slot"]]["formatted"]["value"]
    assert bytes(text["conf"]["text"]).startswith(b"X-Forwarded-For: 198.51.100.22\r\n")
    assert flow["requests"] == 1


# --- without root -----------------------------------------------------------------------------
@pytest.fixture
def keys_of_nobody(certs):
    """The keys belong to nobody for as long as the test runs; others use them after it."""
    keys = [leaf.key for leaf in (certs.ec, certs.rsa)]
    for key in keys:
        shutil.chown(key, "nobody")
    yield
    for key in keys:
        shutil.chown(key, "root")


def test_unprivileged_runs_in_user_space(nobody, keys_of_nobody, tls, certs, monkeypatch):
    import kedge as module
    binary, become = nobody
    monkeypatch.setattr(module, "BINARY", binary)
    certs.ca.parent.chmod(0o755)
    certs.ca.parent.parent.chmod(0o755)
    with RawApp() as app, Kedge(certs, app.text, [Listener("tls"), Listener("proxy", proxy="require")],
                                argv_prefix=become, root=False) as kedge_:
        with Client(kedge_["tls"], tls=tls) as c:
            assert c.request().status == 200
        with Client(kedge_["proxy"], prefix.v1(), tls) as c:
            assert c.request().status == 200
        assert [conn.requests[0].xff for conn in app.connections] == ["127.0.0.1", "198.51.100.22"]
        status = kedge_.status()
        assert status["edit"] == "user" and status["bypass"] == "off"
        # It says in one line what it cannot do and why, without calling it an error.
        said = [line for line in kedge_.process.lines if "edit user space (" in line]
        assert len(said) == 1 and "no CAP_BPF" in said[0] and "capabilities:" in said[0], kedge_.log()
        assert not kedge_.process.matches("error:")


def test_unprivileged_probe_says_why(nobody):
    binary, become = nobody
    done = run(*become, binary, "probe")
    assert done.returncode == 0
    assert "CAP_" in done.stdout, done.stdout + done.stderr


def test_unprivileged_can_not_require_bpf(nobody):
    binary, become = nobody
    done = run(*become, binary, "run", *GOOD, "--edit", "require")
    assert done.returncode == 1
    assert "CAP_" in done.stderr, done.stderr


def test_programs_that_load_work(cgroup):
    """If they failed to load, kedge would go on without them, and every test of them would be skipped."""
    with cgroup.inside():
        tried = json.loads(kedge("probe", "--json", "--cgroup", cgroup.path).stdout)["tried"]
    rows = {(row["capability"], row["name"]): row for row in tried}
    for loaded, works in ((("edit", "sk_msg program"), ("edit", "injection")),
                          (("bypass", "sockops program"), ("bypass", "redirect"))):
        if rows[loaded]["ok"]:
            assert rows[works]["ok"], rows[works]


# --- the bypass, preferred -------------------------------------------------------------------------
@pytest.fixture
def fionread(cgroup):
    """Is FIONREAD right on a bypassed socket of this kernel? Skips if the kernel has no bypass."""
    with cgroup.inside():
        probed = json.loads(kedge("probe", "--json", "--cgroup", cgroup.path).stdout)
    if not probed["bypass"]:
        pytest.skip(f"bypass: {probe()['bypass']}")
    return all(row["ok"] for row in probed["tried"] if row["name"].startswith("FIONREAD"))


@pytest.mark.parametrize("edit", ["require", "off"])
def test_the_preferred_bypass_is_used_where_nothing_lies(certs, own_cgroup, fionread, edit):
    """If FIONREAD is wrong, an application that uses it may stall. Then only `require` turns the bypass on."""
    flags = ("--record", "off", "--edit", edit, "--bypass")
    for policy, used in (("prefer", fionread), ("require", True)):
        with RawApp(cgroup=own_cgroup) as app, Kedge(certs, app.text, [Listener("clear", tls=False)], None, own_cgroup,
                                                     (*flags, policy)) as kedge_:
            with Client(kedge_["clear"]) as c:
                assert c.request().status == 200 and c.request().status == 200
            status = kedge_.status()
            assert status["bypass"] == ("on" if used else "off")
            assert (status["stats"]["steer_redirected"] > 0) == used
            assert status["edit"] == ("kernel" if edit == "require" else "user")
            # A bypass that is not used leaves nothing on the cgroup.
            assert bool(bpftool.objects("cgroup", "show", own_cgroup.path)) == used
            assert kedge_.pin.exists() == (used or edit == "require")
            said = kedge_.process.matches(r"(\w+): bypass: FIONREAD is not .*\(FIONREAD says \d+ for 5 bytes\): .* require")
            assert [m[1] for m in said] == ([] if fionread else ["warning" if used else "info"])


def test_without_a_bpffs_it_runs_unpinned(certs, cgroup, tmp_path):
    """--pin names a directory that is no bpffs: kedge says so in one line and goes on."""
    with RawApp(cgroup=cgroup) as app:
        process = Process([BINARY, "run", "--listen", "127.0.0.1:0", "--tls", "off", "--app", app.text,
                           "--pin", tmp_path / "plain", "--control", "off"], cgroup=cgroup,
                          name="kedge")
        try:
            port = int(process.wait_line(r"listening on \S+:(\d+)", seconds=60)[0][1])
            process.wait_line("kedge: info: ready", seconds=60)
            with Client(("127.0.0.1", port)) as c:
                assert c.request().status == 200
        finally:
            assert process.stop() == 0
    assert subprocess.run(["findmnt", tmp_path / "plain"], check=False,
                          stdout=subprocess.DEVNULL).returncode != 0
    assert machine.PATIENCE >= 1


# --- a host without IPv6 (ipv6.disable=1) ----------------------------------------------------------
NO_IPV6 = [sys.executable, machine.ROOT / "tests/lib/no_ipv6.py"]


@pytest.mark.parametrize("listen", [":0", "*:0"])
def test_all_addresses_are_those_of_ipv4_without_ipv6(certs, listen):
    line = r"listener 0\.0\.0\.0:0: this host has no IPv6: IPv4 only"
    with RawApp() as app, \
            Kedge(certs, app.text, [Listener("any", tls=False, addr=listen)], flags=["--metrics", ":0"],
                  argv_prefix=NO_IPV6) as served:
        served.process.wait_line(line)
        host, port = served["any"]
        [metrics] = served.process.wait_line(r"metrics: listening on 0\.0\.0\.0:(\d+)")
        assert host == "0.0.0.0"
        with Client(("127.0.0.1", port)) as c:
            assert c.request().status == 200
        with Client(("127.0.0.1", int(metrics[1]))) as c:
            assert c.request(target="/metrics").status == 200
        # A reload finds the listener again.
        assert served.reload().returncode == 0, served.log()
        with Client(("127.0.0.1", port)) as c:
            assert c.request().status == 200
    checked = run(*NO_IPV6, BINARY, "check", *GOOD, "--listen", listen, "--tls", "off")
    assert checked.returncode == 0 and "0.0.0.0:0" in checked.stdout
    assert re.search(line, checked.stderr)


@pytest.mark.parametrize("flag", ["--listen", "--app", "--metrics"])
def test_an_address_of_ipv6_is_warned_of_without_ipv6(flag):
    checked = run(*NO_IPV6, BINARY, "check", *GOOD, flag, "[::1]:3443", "--tls", "off")
    assert checked.returncode == 0
    assert re.search(r"warning: .*\[::1\]:3443.*this host has no IPv6|"
                     r"warning: .*this host has no IPv6: \[::1\]:3443", checked.stderr), checked.stderr
    with_ipv6 = run(BINARY, "check", *GOOD, flag, "[::1]:3443", "--tls", "off")
    assert "no IPv6" not in with_ipv6.stderr


def test_an_application_of_ipv6_is_down_without_ipv6(certs):
    with Kedge(certs, "[::1]:9", [Listener("clear", tls=False)], argv_prefix=NO_IPV6) as served, \
            Client(served["clear"]) as c:
        assert c.request().status == 502
        assert served.reason("app_refused") == 1


# --- variables, standard input ------------------------------------------------------------------
WITH_VARIABLES = """\
app: ${APP}
listeners:
  - listen: "${HOST:-127.0.0.1}:0"
    tls: off
pin: off
xff: ${XFF:-append}
"""


def test_variables(tmp_path):
    """A reload has the environment of the process, which nobody can change from outside."""
    path = tmp_path / "kedge.yaml"
    path.write_text(WITH_VARIABLES)
    done = kedge("check", "-c", path)
    assert done.returncode == 2
    assert f"{path}:1: app: the environment variable APP is not set" in done.stderr
    with RawApp() as app:
        config = type("Written", (), {"path": path})
        env = {**os.environ, "APP": app.text}
        with Kedge(None, None, [Listener("clear", tls=False)], config=config, env=env) as running:
            with Client(running["clear"]) as c:
                assert c.request().status == 200
            path.write_text(WITH_VARIABLES.replace("${XFF:-append}", "${HUNTER2}"))
            done = running.reload()
            assert done.returncode == 1 and "variable HUNTER2 is not set" in done.stderr
            path.write_text(WITH_VARIABLES.replace("append", "never"))
            done = running.reload()
            assert done.returncode == 0 and "xff" in done.stdout


def test_a_value_of_the_environment_is_not_told(tmp_path):
    path = tmp_path / "kedge.yaml"
    path.write_text(WITH_VARIABLES)
    for app, xff in (("hunter2", "never"), ("hunter2:x", "never"), ("127.0.0.1:9", "hunter2")):
        done = run(BINARY, "check", "-c", path, env={**os.environ, "APP": app, "XFF": xff})
        assert done.returncode == 2 and "hunter2" not in done.stdout + done.stderr
        assert ('"${APP}"' if app != "127.0.0.1:9" else '"${XFF:-append}"') in done.stderr


def test_standard_input(tmp_path, certs):
    """A reload reads the files that the text names again, and says that the text is that of the start."""
    text = WITH_VARIABLES.replace("tls: off", f"certs: [{{cert: {certs.ec.cert}, key: {certs.ec.key}}}]")
    done = subprocess.run([BINARY, "check", "-c", "-"], input=text.replace("${APP}", "127.0.0.1:9").encode() + b"what: x\n",
                          capture_output=True, check=False)
    assert done.returncode == 2 and b"error: stdin:7: what: unknown key" in done.stderr
    with RawApp() as app:
        read, write = os.pipe()
        os.write(write, text.encode())
        os.close(write)
        process = subprocess.Popen([BINARY, "run", "-c", "-", "--control", tmp_path / "control"], stdin=read,
                                   stderr=subprocess.PIPE, env={**os.environ, "APP": app.text}, text=True)
        os.close(read)
        try:
            for line in process.stderr:
                if "info: ready" in line:
                    break
            done = kedge("reload", "--control", tmp_path / "control")
            assert done.returncode == 0, done.stderr
            assert "warning: stdin: cannot be read again: the text of the start is used" in done.stderr
            assert "no changes" in done.stdout
        finally:
            process.terminate()
            process.communicate()
        assert process.returncode == 0
