# SPDX-License-Identifier: BSD-2-Clause
"""The tutorials: their commands run as written, in a sandbox, with an ACME authority of this host."""
import json
import os
import re
import shutil
import time
import signal

import pytest

import docs
import machine
from follow import Follower
from sandbox import Sandbox

TUTORIALS = machine.ROOT / "docs/tutorials"

# Commands that no test here runs, by how they begin, and why.
NOT_RUN = {
    "make deb": "a suite of its own builds and installs the package",
    "apt install": "installs packages",
    "apt purge": "as apt install; the suite of the package has it",
    "scp ": "needs a second host",
    "systemctl": "needs a running systemd; the suite of the package has one",
    "aws ": "needs an account there",
    "npm ": "needs the registry; the packages are those of the distribution",
}


@pytest.fixture
def sandbox(tmp_path, cgroup):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Sandbox(tmp_path, cgroup) as place:
        (place.home / "tests").symlink_to(machine.ROOT / "tests")
        (place.home / "docs").symlink_to(machine.ROOT / "docs")
        yield place


def write_file(sandbox, path, text):
    assert sandbox.run(f"cat >{path} <<'END OF FILE'\n{text}\nEND OF FILE").returncode == 0


def add_user(sandbox):
    """The user of the package, and its directory for the control socket."""
    assert sandbox.run("echo 'kedge:x:65500:' >>/etc/group; echo 'kedge:x:65500:65500::/:/bin/false' >>/etc/passwd; "
                       "install -d -o 65500 -g 65500 /run/kedge").returncode == 0


# --- certbot ---------------------------------------------------------------------------------------
class Authority:
    """pebble: an authority that asks port 80 of the name, as a real one does."""

    def __init__(self, sandbox):
        done = sandbox.run("mkcert -cert-file acme.pem -key-file acme-key.pem localhost 127.0.0.1", timeout=120)
        assert done.returncode == 0, done.stderr
        write_file(sandbox, "pebble.json", json.dumps({"pebble": {
            "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": "acme.pem",
            "privateKey": "acme-key.pem", "httpPort": 80, "tlsPort": 443, "ocspResponderURL": ""}}))
        sandbox.env["PEBBLE_VA_NOSLEEP"] = "1"
        sandbox.env["PEBBLE_WFE_NONCEREJECT"] = "0"  # it rejects one in twenty, to try its clients
        sandbox.env["REQUESTS_CA_BUNDLE"] = str(sandbox.home / "rootCA.pem")
        self.process = sandbox.start("pebble -config pebble.json -strict", "pebble")
        self.process.wait_line("Listening on: 127.0.0.1:14000", seconds=30)

    def root(self, sandbox, name):
        """Writes its root certificate, for curl."""
        assert sandbox.run(f"curl -sS https://127.0.0.1:15000/roots/0 >{name}").returncode == 0


CERTBOT = """server = https://127.0.0.1:14000/dir
agree-tos = true
register-unsafely-without-email = true
non-interactive = true
no-random-sleep-on-renew = true
work-dir = {home}/certbot-work
logs-dir = {home}/certbot-logs"""


def served_serial(sandbox):
    done = sandbox.run("echo | openssl s_client -connect 127.0.0.1:443 -servername example.org 2>/dev/null | "
                       "openssl x509 -noout -serial")
    return done.stdout.strip()


def check_renewed(sandbox, before):
    assert re.fullmatch(r"serial=[0-9A-F]+", before)
    assert served_serial(sandbox) != before
    # Only the key that kedge uses is open to its group, and nothing to the world.
    modes = sandbox.run("stat -L -c '%a %G' /etc/letsencrypt/live /etc/letsencrypt/archive "
                        "/etc/letsencrypt/live/example.org/privkey.pem").stdout.split("\n")
    assert modes[:3] == ["710 kedge", "710 kedge", "640 kedge"]


def test_https_on_one_host_with_certbot(sandbox):
    for tool in ("certbot", "pebble"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    text = (TUTORIALS / "bare-metal.md").read_text()
    follower = Follower(sandbox, NOT_RUN)
    add_user(sandbox)
    assert sandbox.run("echo '127.0.0.1 example.org' >>/etc/hosts; "
                       "mkdir -p /etc/letsencrypt/renewal-hooks/deploy").returncode == 0
    write_file(sandbox, "/etc/letsencrypt/cli.ini", CERTBOT.format(home=sandbox.home))
    sandbox.place("/usr/share/kedge/certbot/kedge", machine.ROOT / "dist/certbot/kedge")
    sandbox.place("/usr/share/kedge/examples/hello.js", machine.ROOT / "docs/examples/hello.js")
    authority = Authority(sandbox)
    authority.root(sandbox, "acme-root.pem")
    sandbox.env["CURL_CA_BUNDLE"] = str(sandbox.home / "acme-root.pem")
    for block in docs.blocks(text):
        if "\nlisteners:" in block:
            write_file(sandbox, "/etc/kedge/kedge.yaml", block)
        elif "systemctl enable" in block:
            sandbox.start("kedge run -c /etc/kedge/kedge.yaml", "kedge").wait_line("ready", seconds=60)
            follower.block(block.replace("client: your address", "client: 127.0.0.1"))
            before = served_serial(sandbox)
        elif "systemctl disable" in block:
            check_renewed(sandbox, before)
            sandbox.stop_all("kedge")
            follower.block(block)
        elif docs.is_shell(block):
            follower.block(block, timeout=300)
    for word in ("certbot certonly", "kedge check", "curl ", "certbot renew", "certbot delete", "userdel"):
        assert any(word in command for command in follower.ran), (word, follower.ran)
    # What the text has the reader undo is undone.
    assert sandbox.run("stat -c '%a %G' /etc/letsencrypt/live /etc/letsencrypt/archive").stdout == "700 root\n700 root\n"
    # The test's own file there names a directory of the test.
    assert sandbox.run("grep -rl --exclude=cli.ini kedge /etc/passwd /etc/group /etc/letsencrypt; ls -d /etc/kedge").stdout == ""


def test_the_hook_leaves_other_certificates_alone(sandbox):
    assert sandbox.run("echo 'kedge:x:65500:' >>/etc/group; mkdir -p le/live/a le/live/b le/archive; chmod 700 le/live; "
                       "install -m 600 /dev/null le/live/a/privkey.pem; echo \"cert: $PWD/le/live/a/x\" >/etc/kedge/kedge.yaml"
                       ).returncode == 0
    hook = machine.ROOT / "dist/certbot/kedge"
    assert sandbox.run(f"RENEWED_LINEAGE=$PWD/le/live/b {hook}").returncode == 0
    assert sandbox.run("stat -c %a le/live").stdout == "700\n"
    assert sandbox.run(f"KEDGE_CONTROL=$PWD/none RENEWED_LINEAGE=$PWD/le/live/a {hook}").returncode == 0
    assert sandbox.run("stat -c '%a %G' le/live le/live/a/privkey.pem").stdout == "710 kedge\n640 kedge\n"
    assert sandbox.run(str(hook)).returncode == 2


def test_the_hook_finds_every_kedge(sandbox):
    assert sandbox.run("echo 'kedge:x:65500:' >>/etc/group; mkdir -p le/live/a le/archive bin /run/kedge /run/kedge@web; "
                       "chmod 700 le/live; chmod 755 le/archive; install -m 600 /dev/null le/live/a/privkey.pem; "
                       "echo \"cert: $PWD/le/live/a/x\" >/etc/kedge/web.yaml; "
                       "printf '#!/bin/sh\\necho \"$@\"\\n! expr \"$3\" : /run/kedge/ >/dev/null\\n' >bin/kedge; chmod +x bin/kedge; "
                       "for at in kedge kedge@web; do "
                       "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('/run/$at/kedge.sock')\"; done").returncode == 0
    # As a shell completes it. What the others of this host may do stays, and one kedge that fails does not hide the other.
    done = sandbox.run(f"PATH=$PWD/bin:$PATH {machine.ROOT}/dist/certbot/kedge $PWD/le/live/a/")
    assert done.stdout.splitlines() == [f"reload --control /run/{at}/kedge.sock" for at in ("kedge", "kedge@web")], done.stderr
    assert done.returncode == 1
    assert sandbox.run("stat -c '%a %G' le/live le/archive le/live/a/privkey.pem").stdout == "710 kedge\n755 kedge\n640 kedge\n"


# --- a developer's machine -------------------------------------------------------------------------
def test_develop(sandbox):
    follower, printed = Follower(sandbox, NOT_RUN), ""
    for block in docs.blocks((TUTORIALS / "develop.md").read_text()):
        if "--connect-retry-ms" in block:
            follower.block(block)
            check_restarts(sandbox)
        elif docs.is_shell(block):
            printed += follower.block(block)
    assert "data: client: 127.0.0.1\n" in printed
    for word in ("mkcert localhost", "node ", "kedge run", "new (require('ws'))", "--drain-timeout-ms"):
        assert any(word in command for command in follower.ran), (word, follower.ran)


def test_what_develop_warns_of(sandbox):
    """Express with `trust proxy` true, silence, and an application that is away."""
    express = (machine.ROOT / "docs/examples/express.js").read_text()
    assert "app.set('trust proxy', 1)" in express
    (sandbox.home / "app.js").write_text(express.replace("'trust proxy', 1", "'trust proxy', true").replace("60000", "600000"))
    sandbox.start("node app.js", "app").wait_line(r"port \d+", seconds=30)
    lies = "curl -sSk -H 'X-Forwarded-For: 192.0.2.1' https://127.0.0.1:3443/"
    for more, client in (("", "192.0.2.1"), ("--xff replace", "127.0.0.1")):
        sandbox.start(f"kedge run --self-signed --listen :3443 --app 127.0.0.1:3000 --idle-timeout-ms 500 {more}",
                      "kedge").wait_line("info: ready", seconds=60)
        assert sandbox.run(lies).stdout == f"client: {client}, https\n"
        if more:
            break
        sandbox.stop_all("kedge")
    done = sandbox.run("curl -sSkN https://127.0.0.1:3443/events")
    assert "data: client: " in done.stdout and done.returncode != 0  # cut off, not ended
    done = sandbox.run("NODE_TLS_REJECT_UNAUTHORIZED=0 node -e \"new (require('ws'))('wss://127.0.0.1:3443')"
                       ".on('close', (code) => console.log('closed', code))\"")
    assert done.stdout == "closed 1006\n", done.stderr
    sandbox.stop_all("app")
    assert sandbox.run("curl -sk -o /dev/null -w '%{http_code}' https://127.0.0.1:3443/").stdout == "502"


def check_restarts(sandbox):
    """What the text says of a restart, and of Ctrl-C with an open EventSource."""
    sandbox.stop_all("app")
    with sandbox.start("curl -sS https://127.0.0.1:3443/", "curl") as waits:
        machine.wait_for(lambda: json.loads(sandbox.run("kedge status --json").stdout)["connections_open"],
                         what="a client that waits")
        sandbox.start("node docs/examples/express.js", "app").wait_line(r"port \d+", seconds=30)
        waits.wait_line("client: 127.0.0.1, https")
    sandbox.start("curl -sSN https://127.0.0.1:3443/events", "curl").wait_line("data: client")
    kedge = next(p for p in sandbox.running if p.name == "kedge")
    os.kill(kedge.pid, signal.SIGINT)
    kedge.wait_line(r"draining: no new connections; up to 1 s for 1 open connection \(the same signal again ends it at once\)")
    assert kedge.wait() == 0


# --- a balancer ------------------------------------------------------------------------------------
def test_behind_a_balancer(sandbox):
    """The commands of kedge's hosts. Those of the balancer's owner need an account."""
    follower = Follower(sandbox, NOT_RUN)
    add_user(sandbox)
    done = sandbox.run("mkcert -cert-file cert.pem -key-file key.pem localhost 127.0.0.1", timeout=120)
    assert done.returncode == 0, done.stderr
    sandbox.start(f"node {machine.ROOT / 'docs/examples/hello.js'}", "app").wait_line(r"port \d+", seconds=30)
    printed = ""
    for block in docs.blocks((TUTORIALS / "nlb.md").read_text()):
        if "\nlisteners:" in block:
            write_file(sandbox, "/etc/kedge/kedge.yaml", block)
        elif "curl https://example.org" in block:
            continue  # needs the balancer
        elif docs.is_shell(block):
            if "--haproxy-protocol https" in block:
                # What the text has the reader do for a test on the host itself.
                assert sandbox.run("sed -i 's#10.0.0.16/28#10.0.0.16/28, 127.0.0.0/8#' /etc/kedge/kedge.yaml").returncode == 0
                kedge = sandbox.start("kedge run -c /etc/kedge/kedge.yaml", "kedge")
                kedge.wait_line("ready", seconds=60)
            printed += follower.block(block)
    assert all(text in printed for text in ("client: 127.0.0.1\n", "rejected, as it should be", "\nready\n"))
    done = sandbox.run("kedge reload")
    assert done.returncode == 0, done.stderr
    assert re.search(r"prefix_missing +1\b", sandbox.run("kedge status").stdout)
    assert [c for c in follower.ran if c.startswith("kedge check")]
    os.kill(kedge.pid, signal.SIGTERM)  # the second one, at the end, ends shutdown-delay-ms
    kedge.wait_line("shutting down")
    assert "HTTP/1.1 503 " in sandbox.run("curl -si --haproxy-protocol http://127.0.0.1:9180/ready").stdout


# --- bpftool ---------------------------------------------------------------------------------------
def test_look_inside(sandbox):
    if not json.loads(sandbox.run("kedge probe --json", timeout=60).stdout)["edit"]:
        pytest.skip("no BPF programs on this kernel")
    follower, shown = Follower(sandbox, NOT_RUN), []
    for block in docs.blocks((TUTORIALS / "look-inside.md").read_text()):
        if docs.is_shell(block):
            shown.append(follower.block(block))
        if "openssl s_client" in block:
            time.sleep(6)  # a reader takes longer; by default Node closes an idle connection after 5 s
    whole = "".join(shown)
    assert re.search(r"sk_msg +name kdg_request", whole)
    assert re.search(r'"requests": 2,', whole), whole
    assert any(re.match(r"X-Forwarded-For: 127\.0\.0\.1\r?\n", text) for text in shown), whole
    assert re.search(r"^GET /head HTTP/1\.1\n(.*\n)*X-Forwarded-For: 192\.0\.2\.9, 127\.0\.0\.1$", whole, re.M), whole
    assert re.search(r"run_time_ns \d+ run_cnt \d+", whole), whole
