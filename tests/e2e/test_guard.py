# SPDX-License-Identifier: BSD-2-Clause
"""
The guard: only balancers reach a listener that reads PROXY prefixes, and nothing else changes.

Everything happens in two network namespaces of the test's own: `server`, where kedge and the application
are, and `outside`, whose addresses are a balancer, another one and a stranger. libxdp's pins stand on a bpffs
that is mounted for this.

    KEDGE_TEST_RELOADS   reloads while connections are made (20)
    KEDGE_TEST_FLOOD_S   seconds of each part of the flood test (2)
"""
import base64
import contextlib
import json
import math
import os
import re
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

import bpftool
import kedge as module
import machine
import memory
import prefix
from client import Client
from kedge import Config, Kedge, Listener
from machine import wait_for
from netns import Namespace, join
from process import Process
from rawapp import RawApp
from run import run

SERVER, BALANCER, OTHER, STRANGER = (f"10.77.0.{n}" for n in (1, 2, 3, 4))
SERVER6, BALANCER6, STRANGER6 = (f"fd77::{n}" for n in (1, 2, 4))
VLAN_SERVER, VLAN_BALANCER, VLAN_STRANGER = (f"10.77.7.{n}" for n in (1, 2, 4))
RELOADS = int(os.environ.get("KEDGE_TEST_RELOADS", "20"))
FLOOD_S = float(os.environ.get("KEDGE_TEST_FLOOD_S", "2"))
PLAIN = machine.ROOT / "build/kedge"
FLOOD = machine.ROOT / "build/flood"
# Tells a refused SYN from one that is still on its way.
SILENCE_S = 1.0 if machine.PATIENCE == 1 else 3.0

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Net:
    """The two namespaces, `srv` and `out` between them."""

    def __init__(self, base):
        self.bpffs = machine.Bpffs(base)
        self.server, self.outside = Namespace("server"), Namespace("outside")
        join(self.server, "srv", self.outside, "out")
        for address in (f"{SERVER}/24", f"{SERVER6}/64 nodad"):
            self.server.ip(f"addr add {address} dev srv")
        for address in (*(f"{a}/24" for a in (BALANCER, OTHER, STRANGER)),
                        *(f"{a}/64 nodad" for a in (BALANCER6, STRANGER6))):
            self.outside.ip(f"addr add {address} dev out")
        with self.server.inside():
            self.app = RawApp()
            self.ssh = RawApp(host=SERVER)  # somebody else's service on this machine

    def client(self, address, source=BALANCER, header=None, timeout=20, **kwargs):
        with self.outside.inside():
            return Client(address, prefix.v1() if header is None else header, source=source,
                          timeout=timeout, **kwargs)

    def ask(self, address, source=BALANCER, **kwargs):
        with self.client(address, source, **kwargs) as c:
            return c.request().status

    def reaches(self, address, source=STRANGER):
        """False if nothing answers. A refusal by the kernel is an answer, and an error here."""
        with self.outside.inside():
            sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        with sock:
            sock.settimeout(SILENCE_S)
            sock.bind((source, 0))
            try:
                sock.connect(address)
                return True
            except TimeoutError:
                return False

    def shell(self, text):
        """Runs a command in the server's namespace, with our bpffs at its usual place."""
        done = run(*self.server.argv, "unshare", "-m", "sh", "-c",
                   f"mount --bind {self.bpffs.path} /sys/fs/bpf && {text}")
        assert done.returncode == 0, f"{text}: {done.stdout}{done.stderr}"
        return done.stdout

    def attached(self):
        return self.server.xdp("srv") is not None

    def clean(self):
        """After a test: removes what is left, and fails the test for it. A killed process may still be closing."""
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: not self.attached(), seconds=5, what="the guard of a dead kedge")
        left = self.server.xdp("srv")
        if left:
            self.server.ip("link set srv xdp off")
            self.server.ip("link set srv xdpgeneric off")
            for path in sorted((self.bpffs.path / "xdp").glob("*/*")):
                path.unlink()
            for path in (self.bpffs.path / "xdp").glob("*"):
                path.rmdir()
        assert left is None
        assert not list(self.bpffs.path.glob("xdp/*"))

    def stop(self):
        self.app.stop()
        self.ssh.stop()
        self.server.stop()
        self.outside.stop()
        self.bpffs.remove()


@pytest.fixture(scope="module")
def whole_net(tmp_path_factory):
    net = Net(tmp_path_factory.mktemp("guard"))
    yield net
    net.stop()


@pytest.fixture
def net(whole_net):
    yield whole_net
    whole_net.clean()


def balancers(*trust, addr=f"{SERVER}:0", proxy="require"):
    return Listener("guarded", tls=False, proxy=proxy, trust=trust or [BALANCER], addr=addr)


class Guarded(Kedge):
    """kedge in the server's namespace. After its end not even a keeper may be left."""

    def __init__(self, net, certs, *flags, listeners=None, mode="auto", **kwargs):
        self.net = net
        listeners = listeners or [balancers()]
        if not kwargs.get("config"):
            flags = ("--guard-mode", mode, *flags)
        super().__init__(certs, None if kwargs.get("config") else net.app.text, listeners, flags=flags,
                         argv_prefix=[*net.server.argv, *kwargs.pop("through", ())],
                         env={**os.environ, "LIBXDP_BPFFS": str(net.bpffs.path)}, **kwargs)

    def keeper(self):
        """Its process id, or None. kedge has no other child; this one gets its name only when it runs."""
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = re.match(r"\d+ \(.*\) (\S) (\d+)", path.read_text()).groups()
            except (OSError, AttributeError):
                continue
            if int(parent) == self.pid and state != "Z":
                return int(path.parent.name)
        return None

    def count(self, name):
        return self.status()["guard_stats"][name]

    def stop(self, **kwargs):
        super().stop(**kwargs)
        assert not self.pin.with_name(f"{self.pin.name}-guard").exists()


def ends(kedge, says, status=1):
    """A start that is refused with a line and this status, and leaves nothing behind."""
    try:
        kedge.process.wait_line(says)
        assert kedge.process.wait() == status, kedge.log()
        kedge.check_log()
    finally:
        kedge.kill()


def has_dispatcher(kedge):
    return kedge.status()["guard_interfaces"][0]["dispatcher"]


def test_the_keeper_holds_no_secret(net, certs, tmp_path, monkeypatch):
    """The keeper outlives kedge and has more privileges."""
    monkeypatch.setattr(module, "BINARY", machine.ROOT / "build/kedge")  # the sanitizers map terabytes
    tickets, key = tmp_path / "tickets", os.urandom(80)
    tickets.write_bytes(base64.b64encode(key) + b"\n")
    tickets.chmod(0o600)
    with Guarded(net, certs, "--ticket-keys", tickets,
                 listeners=[Listener("guarded", proxy="require", trust=[f"{BALANCER}/32"], addr=f"{SERVER}:0")]) as kedge:
        assert memory.has(kedge.pid, key[16:48])
        assert not memory.has(kedge.keeper(), key[16:48])
        text = certs.ec.key.read_text().split("\n")[1].encode()
        assert not memory.has(kedge.keeper(), base64.b64decode(text)[-16:])
        assert not memory.has(kedge.keeper(), text)


# --- who passes ---------------------------------------------------------------------------------
@pytest.mark.each_kernel
@pytest.mark.parametrize("mode", ["auto", "native", "generic"])
def test_balancers_pass_and_strangers_do_not(net, certs, mode):
    with Guarded(net, certs, mode=mode) as kedge:
        assert net.ask(kedge["guarded"]) == 200
        assert not net.reaches(kedge["guarded"])
        status = kedge.status()
        assert status["guard"] == "on"
        assert status["guard_interfaces"][0]["interface"] == "srv"
        assert status["guard_interfaces"][0]["mode"] == ("generic" if mode == "generic" else "native")
        stats = status["guard_stats"]
        assert stats["allowed"] >= 5 and stats["stranger"] >= 1
        assert stats["stranger_data"] == stats["expired"] == 0
        refused, = status["guard_refused"]
        assert refused["source"] == STRANGER and refused["reason"] == "stranger"
        assert refused["packets"] == stats["stranger"] and refused["age_ms"] < 60000
        # The listener never saw it.
        assert status["stats"]["accepted"] == 1
        text = run(kedge.binary, "status", "--control", kedge.control).stdout
        assert re.search(rf"{STRANGER} +\d+  stranger, \d+ s ago", text) and re.search("^guard +on$", text, re.M)
    assert not net.attached()


def test_nobody_else_is_touched(net, certs):
    """The stranger asks another service of the machine while its SYNs to kedge are refused."""
    with Guarded(net, certs) as kedge:
        for _ in range(3):
            assert not net.reaches(kedge["guarded"])
            assert net.ask(net.ssh.address, STRANGER, header=b"") == 200
        with net.outside.inside():
            assert run("true").returncode == 0
        # A port where nobody listens answers as before: with a reset.
        with pytest.raises(ConnectionRefusedError):
            net.reaches((SERVER, 1))
        assert kedge.count("other") > 10


def test_ipv6(net, certs):
    with Guarded(net, certs, listeners=[balancers(BALANCER, BALANCER6, addr=":0")]) as kedge:
        port = kedge["guarded"][1]
        assert net.ask((SERVER6, port), BALANCER6) == 200
        assert net.ask((SERVER, port), BALANCER) == 200
        assert not net.reaches((SERVER6, port), STRANGER6)
        assert not net.reaches((SERVER, port), STRANGER)


def test_all_of_ipv6_is_not_ipv4(net, certs):
    """::/0 is no prefix of IPv4, as in trust."""
    with Guarded(net, certs, listeners=[balancers("::/0", addr=":0")]) as kedge:
        port = kedge["guarded"][1]
        assert net.ask((SERVER6, port), STRANGER6) == 200
        assert not net.reaches((SERVER, port), BALANCER)


def test_listeners_without_prefixes_judge_nobody(net, certs):
    plain = Listener("plain", tls=False, addr=f"{SERVER}:0")
    with Guarded(net, certs, listeners=[balancers(), plain]) as kedge:
        assert net.ask(kedge["plain"], STRANGER, header=b"") == 200
        assert not net.reaches(kedge["guarded"])


def test_each_listener_has_its_own(net, certs):
    ours, theirs = balancers(BALANCER), balancers(OTHER)
    theirs.name = "theirs"
    with Guarded(net, certs, listeners=[ours, theirs]) as kedge:
        assert net.ask(kedge["guarded"], BALANCER) == 200 and net.ask(kedge["theirs"], OTHER) == 200
        assert not net.reaches(kedge["guarded"], OTHER) and not net.reaches(kedge["theirs"], BALANCER)


def test_observe_counts_and_drops_nothing(net, certs):
    with Guarded(net, certs, "--guard-observe", "on") as kedge:
        assert net.reaches(kedge["guarded"])
        assert net.ask(kedge["guarded"]) == 200
        status = kedge.status()
        assert status["guard"] == "observes"
        assert status["guard_stats"]["stranger"] == 1
        assert status["guard_refused"][0]["source"] == STRANGER


def burst(net, address, source, count):
    """
    Begins so many connections at once. Returns how many are established, and how many tokens a bucket that
    gets one a second may have got meanwhile.
    """
    socks = []
    try:
        for _ in range(count):
            with net.outside.inside():
                socks.append(socket.socket())
            socks[-1].setblocking(False)
            socks[-1].bind((source, 0))
        begin = time.monotonic()
        for sock in socks:
            sock.connect_ex(address)
        poll = select.poll()
        for sock in socks:
            poll.register(sock, select.POLLOUT)
        # No more are coming when nothing has changed for a while.
        ready, before = 0, -1
        while ready != before:
            time.sleep(SILENCE_S / 10)
            before, ready = ready, len(poll.poll(0))
        return ready, math.ceil(time.monotonic() - begin)
    finally:
        for sock in socks:
            sock.close()


def test_rate_of_a_source(net, certs):
    with Guarded(net, certs, "--guard-source-rate", "1", "--guard-source-burst", "4",
                 listeners=[balancers(BALANCER, OTHER)]) as kedge:
        ready, tokens = burst(net, kedge["guarded"], BALANCER, 12)
        assert 4 <= ready <= 4 + tokens < 12
        assert net.reaches(kedge["guarded"], OTHER)
        assert kedge.count("rate_source") >= 12 - ready and kedge.count("rate_total") == 0
        assert kedge.status()["guard_refused"][0]["reason"] == "rate_source"


def spends_of_one_bucket(net, kedge):
    """Two sources share a bucket of four tokens, and the second finds it empty. Returns how many were refused."""
    begin = time.monotonic()
    assert burst(net, kedge["guarded"], BALANCER, 4)[0] == 4
    ready, _ = burst(net, kedge["guarded"], OTHER, 12)
    assert ready <= math.ceil(time.monotonic() - begin) < 12
    return 12 - ready


def test_rate_of_a_prefix(net, certs):
    with Guarded(net, certs, "--guard-source-rate", "1", "--guard-source-burst", "4",
                 "--guard-source-prefix-v4", "24", listeners=[balancers(BALANCER, OTHER)]) as kedge:
        assert spends_of_one_bucket(net, kedge) <= kedge.count("rate_source")


def test_rate_of_all(net, certs):
    with Guarded(net, certs, "--guard-total-rate", "1", "--guard-total-burst", "4",
                 listeners=[balancers(BALANCER, OTHER)]) as kedge:
        assert spends_of_one_bucket(net, kedge) <= kedge.count("rate_total") and kedge.count("rate_source") == 0


def test_cookies_over_a_limit(net, certs):
    """
    A connection over the limit is answered without a place in the queue, and is established. If the kernel makes
    no cookies, it is dropped, and kedge says so.
    """
    flags = ("--guard-total-rate", "1", "--guard-total-burst", "2", "--guard-over", "cookie")
    with Guarded(net, certs, *flags, mode="generic") as kedge:
        kedge.process.wait_line(r"warning: guard-over: cookie: dropping instead until sysctl")
        ready, tokens = burst(net, kedge["guarded"], BALANCER, 8)
        assert 2 <= ready <= 2 + tokens < 8
        assert kedge.count("rate_total") >= 8 - ready and kedge.count("cookies") == 0
    before = net.server.run("cat", "/proc/sys/net/ipv4/tcp_syncookies").stdout
    assert net.server.run("sh", "-c", "echo 2 >/proc/sys/net/ipv4/tcp_syncookies").returncode == 0
    try:
        with Guarded(net, certs, *flags, mode="generic") as kedge:
            assert not kedge.process.matches("guard-over")
            assert burst(net, kedge["guarded"], BALANCER, 8)[0] == 8
            assert [net.ask(kedge["guarded"]) for _ in range(5)] == [200] * 5
            assert kedge.count("cookies") >= 10 and kedge.count("rate_total") == 0
            assert not net.reaches(kedge["guarded"])
    finally:
        net.server.run("sh", "-c", f"echo {before.strip()} >/proc/sys/net/ipv4/tcp_syncookies")


# --- reload --------------------------------------------------------------------------------------
@pytest.fixture
def config(tmp_path, certs):
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    return Config(tmp_path, certs)


def reload(kedge, config, net, trust, **keys):
    """Changes the one listener of `config`."""
    config.write([balancers(*trust, addr=f"{SERVER}:0")], app=net.app.text, guard_mode="auto", **keys)
    if kedge:
        done = kedge.reload()
        assert done.returncode == 0, done.stdout + done.stderr


def guarded_by(net, certs, config, trust, **kwargs):
    reload(None, config, net, trust)
    return Guarded(net, certs, listeners=[balancers(*trust)], config=config, **kwargs)


def test_reload_changes_who_may(net, certs, config):
    with guarded_by(net, certs, config, [BALANCER]) as kedge:
        assert not net.reaches(kedge["guarded"], OTHER)
        reload(kedge, config, net, [BALANCER, OTHER])
        with net.client(kedge["guarded"], OTHER) as before:
            assert before.request().status == 200
            reload(kedge, config, net, [BALANCER])
            assert not net.reaches(kedge["guarded"], OTHER)
            # A connection that was accepted goes on.
            for _ in range(3):
                assert before.request().status == 200
            assert kedge.count("established") >= 3
        reload(kedge, config, net, [BALANCER], guard_observe="on")
        assert net.reaches(kedge["guarded"], OTHER)
        assert kedge.status()["guard"] == "observes"


def test_reload_leaves_no_gap(net, certs, config):
    """A balancer that connects all the time is never refused, a stranger never gets through."""
    with guarded_by(net, certs, config, [BALANCER]) as kedge:
        done, failures, through, count, tried = threading.Event(), [], [], [0], [0]

        def balancer():
            while not done.is_set():
                try:
                    assert net.ask(kedge["guarded"], timeout=10) == 200
                    count[0] += 1
                except Exception as error:  # noqa: BLE001 - any of them is a failure
                    failures.append(repr(error))

        def stranger():
            while not done.is_set():
                with net.outside.inside():
                    sock = socket.socket()
                with sock:
                    sock.settimeout(0.02)
                    sock.bind((STRANGER, 0))
                    try:
                        sock.connect(kedge["guarded"])
                        through.append(count[0])
                    except TimeoutError:
                        tried[0] += 1
        threads = [threading.Thread(target=f) for f in (balancer, stranger)]
        for t in threads:
            t.start()
        try:
            for i in range(RELOADS):
                before = count[0], tried[0]
                reload(kedge, config, net, [BALANCER] if i % 2 else [BALANCER, OTHER, "192.0.2.0/24"])
                # However fast a reload is: each is followed by some of both, and they go on during the next one.
                wait_for(lambda before=before: failures or through or (count[0] > before[0] and tried[0] > before[1]),
                         what="a request and a stranger")
        finally:
            done.set()
            for t in threads:
                t.join()
        assert failures == [] and through == [] and count[0] >= RELOADS
        assert kedge.count("stranger") >= RELOADS


def test_reload_that_would_lock_out_is_refused(net, certs, config):
    with guarded_by(net, certs, config, [BALANCER]) as kedge:
        for trust in ([], ["2001:db8::/32"]):
            config.write([balancers(*trust or ["x"])], app=net.app.text, guard_mode="auto")
            if not trust:
                config.path.write_text(config.path.read_text().replace('["x"]', "[]"))
            done = kedge.reload()
            assert done.returncode != 0 and "guard: nobody could connect" in done.stderr
        assert net.ask(kedge["guarded"]) == 200


def test_reload_says_what_is_not_guarded(net, certs, config):
    with guarded_by(net, certs, config, [BALANCER]) as kedge:
        config.write([balancers(), Listener("more", tls=False, proxy="require", trust=["127.0.0.1"])],
                     app=net.app.text, guard_mode="auto")
        done = kedge.reload()
        assert "guard: interface lo: it is not there before a restart" in done.stderr, done.stderr
        config.write([balancers()], app=net.app.text, guard_mode="generic", guard_keep="on")
        done = kedge.reload()
        assert "needs a restart: guard-mode: auto -> generic" in done.stdout
        assert "needs a restart: guard-keep: off -> on" in done.stdout


# --- the end -------------------------------------------------------------------------------------
def kill(kedge):
    os.kill(kedge.pid, signal.SIGKILL)
    kedge.process.popen.wait()


def test_killed_it_is_gone_within_a_second(net, certs):
    kedge = Guarded(net, certs)
    try:
        keeper = kedge.keeper()
        assert net.attached() and keeper
        os.kill(keeper, signal.SIGTERM)  # as a service manager might
        assert not net.reaches(kedge["guarded"])
        kill(kedge)
        wait_for(lambda: not net.attached(), seconds=1, what="the guard is still there")
        kedge.process.wait_line("guard: kedge is gone without a word: detached")
    finally:
        kedge.kill()


def test_the_keeper_has_nothing(net, certs):
    """Three descriptors beside its log, none of a client, and only the capabilities that libxdp needs."""
    with Guarded(net, certs) as kedge:
        fds = {int(x): os.readlink(f"/proc/{kedge.keeper()}/fd/{x}")
               for x in os.listdir(f"/proc/{kedge.keeper()}/fd")}
        assert fds.pop(0) == fds.pop(1) == "/dev/null"
        del fds[2]
        lock, *pipes = sorted(fds.values())
        assert "kedge-guard-lock/" in lock and [x[:6] for x in pipes] == ["pipe:["] * 2
        status = Path(f"/proc/{kedge.keeper()}/status").read_text()
        assert int(re.search(r"CapPrm:\s+(\w+)", status)[1], 16) & ~(
            1 << 1 | 1 << 12 | 1 << 21 | 1 << 38 | 1 << 39) == 0
        assert re.search(r"NoNewPrivs:\s+1", status)


HOLD = """
import socket, sys
held = []
for number in range(600):
    held.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    held[-1].bind(f"\\0kedge-guard:{number}")
print("held", flush=True)
sys.stdin.buffer.raw.read(1) or __import__("signal").pause()
"""


def test_no_lock_is_for_everybody(net, certs):
    """Names that anybody may take have no effect, and only root can lock the rest."""
    locks = net.bpffs.path / "kedge-guard-lock"
    with Process([*net.server.argv, sys.executable, "-c", HOLD], name="squatter") as squatter:
        squatter.wait_line("held")
        with Guarded(net, certs) as kedge:
            assert net.ask(kedge["guarded"]) == 200
            assert locks.stat().st_mode & 0o077 == 0
            assert len(list(locks.glob("[1-9]*"))) == 1
    with Guarded(net, certs):
        assert len(list(locks.glob("[1-9]*"))) == 1


@pytest.mark.full
def test_keeper_killed_as_well(net, certs):
    """The lease ends, and everything passes. The next kedge removes the program."""
    kedge = Guarded(net, certs)
    address = kedge["guarded"]
    try:
        os.kill(kedge.keeper(), signal.SIGKILL)
        kedge.process.wait_line("warning: guard: its keeper was killed")
        assert not net.reaches(address)
        kill(kedge)
        assert net.attached() and not net.reaches(address)

        def passes():
            try:
                return net.reaches(address)
            except ConnectionRefusedError:
                return True
        wait_for(passes, seconds=20, what="still refused")
        assert net.attached()
    finally:
        kedge.kill()
    with Guarded(net, certs) as kedge:
        kedge.process.wait_line("guard: interface srv: one that a dead kedge left")
        assert not net.reaches(kedge["guarded"]) and net.ask(kedge["guarded"]) == 200


def test_keeper_killed_and_kedge_stopped(net, certs):
    """kedge cannot detach any more: everything passes at once, and it says so."""
    kedge = Guarded(net, certs)
    try:
        os.kill(kedge.keeper(), signal.SIGKILL)
        kedge.process.wait_line("warning: guard: its keeper was killed")
        address = kedge["guarded"]
        kedge.stop()
        assert kedge.process.matches("guard: not detached; everything passes")
        with pytest.raises(ConnectionRefusedError):
            net.reaches(address)
    finally:
        kedge.kill()
    with Guarded(net, certs):
        pass


def test_kept(net, certs):
    """After a stop or a kill the guard stays and judges. The next kedge takes it over; one without keep removes it."""
    for end in (Guarded.stop, kill):
        kedge = Guarded(net, certs, "--guard-keep", "on")
        try:
            address = kedge["guarded"]
            wait_for(lambda kedge=kedge: kedge.keeper() is None, what="there is a keeper")
            end(kedge)
        finally:
            kedge.kill()
        assert net.attached() and not net.reaches(address)
        with pytest.raises(ConnectionRefusedError):
            net.reaches(address, BALANCER)
    with Guarded(net, certs) as kedge:
        kedge.process.wait_line("guard: interface srv: one that a dead kedge left")
        assert net.ask(kedge["guarded"]) == 200 and not net.reaches(kedge["guarded"])
    assert not net.attached()


def test_a_start_that_fails_leaves_nothing(net, certs):
    """With keep or without: a guard that was never in force does not stay."""
    with Kedge(certs, net.app.text, [balancers(addr=f"{SERVER}:0")],
               argv_prefix=net.server.argv) as first:
        port = first["guarded"][1]
        for keep in ("off", "on"):
            kedge = Guarded(net, certs, "--guard-keep", keep, wait=False,
                            listeners=[balancers(addr=f"{SERVER}:{port}")])
            ends(kedge, "error: listener .*in use")
            wait_for(lambda: not net.attached(), what="it is still there")


# --- confined ------------------------------------------------------------------------------------
def test_confined(net, certs, config, monkeypatch):
    """As nobody, without capabilities, under the filter: reload, counters, the lease and the end work."""
    monkeypatch.setattr(module, "BINARY", PLAIN)
    with guarded_by(net, certs, config, [BALANCER],
                    through=[]) as kedge:
        assert net.ask(kedge["guarded"]) == 200
    reload(None, config, net, [BALANCER], user="nobody:nogroup", metrics=f"{SERVER}:0")
    kedge = Guarded(net, certs, listeners=[balancers()], config=config)
    try:
        status = Path(f"/proc/{kedge.pid}/status").read_text()
        assert re.search(r"Seccomp:\s+2", status) and re.search(r"Uid:\s+65534", status)
        kept = int(re.search(r"CapEff:\s+(\w+)", status)[1], 16)
        assert kept & ~(1 << 12 | 1 << 39) == 0
        assert kept & 1 << 39 == 0 or tuple(map(int, os.uname().release.split(".")[:2])) < (5, 19)
        reload(kedge, config, net, [BALANCER, OTHER], user="nobody:nogroup", metrics=f"{SERVER}:0")
        assert net.ask(kedge["guarded"], OTHER) == 200 and not net.reaches(kedge["guarded"])
        assert kedge.count("stranger") >= 1
        pinned = kedge.pin.with_name(f"{kedge.pin.name}-guard") / "kdg_guard_stats"
        assert os.stat(pinned).st_uid == 65534
        assert kedge.process.stop() == 0
        assert not net.attached()
    finally:
        kedge.kill()


# --- what is refused -------------------------------------------------------------------------------
@pytest.mark.parametrize("flags, listeners, says", [
    ((), [Listener("x", tls=False, proxy="require", addr=f"{SERVER}:0")],
     "guard: nobody could connect: give trust, the addresses of the balancers"),
    ((), [balancers("fd77::/64")],
     f"guard: nobody could connect: trust has no IPv4 prefix, and {SERVER}:0 is reached by no other"),
    ((), [balancers(BALANCER, addr=f"[{SERVER6}]:0")], "trust has no IPv6 prefix"),
    (("--guard-interfaces", "nosuch0"), [balancers()],
     "guard: interface nosuch0: No such device: `ip link` shows those that are there"),
    (("--guard-interfaces", "anameoftoomanybytes"), [balancers()], "is longer than 15 bytes"),
])
def test_refused(net, certs, flags, listeners, says):
    kedge = Guarded(net, certs, *flags, listeners=listeners, wait=False)
    ends(kedge, re.escape(says), 1 if "nosuch0" in flags else 2)


def test_check_refuses_as_well(net, certs):
    done = run(module.BINARY, "check", *Listener("x", tls=False, proxy="optional", addr=":1").flags(certs),
               "--app", "127.0.0.1:9", "--guard-mode", "auto")
    assert done.returncode == 2 and "guard: nobody could connect" in done.stderr


def test_driver_without_xdp(net, certs):
    """A bridge has no XDP of its own."""
    net.server.ip("link add br0 type bridge")
    net.server.ip("link set br0 up")
    try:
        kedge = Guarded(net, certs, "--guard-interfaces", "br0", mode="native", wait=False)
        ends(kedge, r"guard: interface br0: its driver has no XDP of its own: --guard-mode generic")
        with Guarded(net, certs, "--guard-interfaces", "br0", "--guard-interfaces", "srv") as kedge:
            modes = {x["interface"]: x["mode"] for x in kedge.status()["guard_interfaces"]}
            assert modes == {"br0": "generic", "srv": "native"}
            assert not net.reaches(kedge["guarded"])
        assert net.server.xdp("br0") is None
    finally:
        net.server.ip("link del br0")


def test_ports_of_a_bridge(net, certs):
    """all-listeners leaves out a port of a bridge. If it is named, kedge warns and guards it."""
    net.server.ip("link add br0 type bridge")
    net.server.ip("link add port0 type veth peer name port1")
    net.server.ip("link set port0 master br0")
    try:
        for name in ("br0", "port0"):
            net.server.ip(f"link set {name} up")
            net.server.ip(f"addr add 10.78.0.{len(name)}/24 dev {name}")
        with Guarded(net, certs, listeners=[balancers(addr="0.0.0.0:0")]) as kedge:
            assert sorted(x["interface"] for x in kedge.status()["guard_interfaces"]) == ["br0", "srv"]
            assert not kedge.process.matches("is a port of a bridge")
        with Guarded(net, certs, "--guard-interfaces", "port0",
                     listeners=[balancers(addr="0.0.0.0:0")]) as kedge:
            assert kedge.process.matches("warning: guard: interface port0 is a port of a bridge")
    finally:
        net.server.ip("link del port0")
        net.server.ip("link del br0")


def test_without_privileges(net, certs, nobody):
    binary, become = nobody
    kedge = Guarded(net, certs, binary=binary, through=become, root=False, wait=False)
    ends(kedge, r"guard: BPF programs refused: no CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON")


# --- beside others -------------------------------------------------------------------------------
def test_second_kedge_on_the_interface(net, certs):
    """Both judge, each for its own listeners. Without a dispatcher the second is refused with the reason."""
    with Guarded(net, certs) as first:
        if has_dispatcher(first):
            with Guarded(net, certs, listeners=[balancers(OTHER)]) as second:
                assert net.ask(first["guarded"]) == 200 and net.ask(second["guarded"], OTHER) == 200
                assert not net.reaches(first["guarded"], OTHER)
                assert not net.reaches(second["guarded"], BALANCER)
        else:
            second = Guarded(net, certs, wait=False)
            ends(second, "guard: interface srv: another XDP program is there")
        assert net.attached() and not net.reaches(first["guarded"])


@pytest.mark.parametrize("first", ["filter", "kedge"])
def test_beside_xdp_filter(net, certs, first):
    """Another program of libxdp, loaded before or after: both work, and each can be removed alone."""
    def load():
        net.shell("xdp-filter load -p allow -f tcp srv")
        net.shell(f"xdp-filter port {net.ssh.address[1]} -m dst -p tcp")
    if first == "filter":
        load()
        if not net.shell("xdp-loader status srv").count("=>"):
            net.shell("xdp-filter unload srv")
            pytest.skip("this kernel takes no program of type EXT: libxdp has no dispatcher")
    with Guarded(net, certs) as kedge:
        if not has_dispatcher(kedge):
            pytest.skip("this kernel takes no program of type EXT: libxdp has no dispatcher")
        if first == "kedge":
            load()
        shown = net.shell("xdp-loader status srv")
        assert "kdg_guard" in shown and "xdpfilt" in shown
        assert net.ask(kedge["guarded"]) == 200 and not net.reaches(kedge["guarded"])
        assert not net.reaches(net.ssh.address, BALANCER)  # that is the filter's work
        if first == "kedge":
            net.shell("xdp-filter unload srv")
            assert net.ask(kedge["guarded"]) == 200 and not net.reaches(kedge["guarded"])
    if first == "filter":
        assert "xdpfilt" in net.shell("xdp-loader status srv")
        assert not net.reaches(net.ssh.address, BALANCER)
        net.shell("xdp-filter unload srv")
    assert net.ask(net.ssh.address, header=b"") == 200


def test_vlan(net, certs):
    """On the VLAN's own interface, and on the one below it."""
    if not net.server.has("vlan id 9", on=("link", "srv")):
        pytest.skip("no VLANs in this kernel (CONFIG_VLAN_8021Q)")
    for space, name in ((net.server, "srv"), (net.outside, "out")):
        space.ip(f"link add link {name} name {name}.7 type vlan id 7")
        space.ip(f"link set {name}.7 up")
    net.server.ip(f"addr add {VLAN_SERVER}/24 dev srv.7")
    for address in (VLAN_BALANCER, VLAN_STRANGER):
        net.outside.ip(f"addr add {address}/24 dev out.7")
    try:
        for flags, on in (((), ["srv.7"]), (("--guard-interfaces", "srv"), ["srv"])):
            with Guarded(net, certs, *flags,
                         listeners=[balancers(VLAN_BALANCER, addr=f"{VLAN_SERVER}:0")]) as kedge:
                assert [x["interface"] for x in kedge.status()["guard_interfaces"]] == on
                assert net.ask(kedge["guarded"], VLAN_BALANCER) == 200
                assert not net.reaches(kedge["guarded"], VLAN_STRANGER)
    finally:
        net.server.ip("link del srv.7")
        net.outside.ip("link del out.7")


# --- seen ----------------------------------------------------------------------------------------
def test_pins_and_metrics(net, certs):
    with Guarded(net, certs, "--metrics", f"{SERVER}:0") as kedge:
        assert net.ask(kedge["guarded"]) == 200 and not net.reaches(kedge["guarded"])
        with net.client(kedge.metrics_address(), header=b"") as c:
            text = c.request(target="/metrics").text
        assert 'kedge_capability{capability="guard"} 1\n' in text
        counted = int(re.search(r"^kedge_guard_stranger_total (\d+)$", text, re.M)[1])
        assert counted >= 1
        pins = kedge.pin.with_name(f"{kedge.pin.name}-guard")
        row = bpftool.rows(pins / "kdg_guard_stats")[0]
        assert sum(x["value"]["stranger"] for x in row["formatted"]["values"]) >= counted


def test_off_unless_asked(net, certs):
    with Guarded(net, certs, mode="off") as kedge:
        assert not net.attached() and kedge.keeper() is None
        assert net.reaches(kedge["guarded"])
        assert kedge.status()["guard"] == "off"


# --- the flood -----------------------------------------------------------------------------------
def requests_in(net, address, seconds):
    """New connections with one request each, one after the other."""
    deadline, count = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        try:
            assert net.ask(address, timeout=2) == 200
            count += 1
        except TimeoutError:
            pass
    return count / seconds


def queue_full(net):
    """How many SYNs have found no place in a listener's queue so far, and were dropped or answered with a cookie."""
    done = net.server.run("cat", "/proc/net/netstat")
    assert done.returncode == 0, done.stderr
    names, values = (line.split()[1:] for line in done.stdout.splitlines() if line.startswith("TcpExt:"))
    counters = dict(zip(names, map(int, values)))
    return sum(counters[name] for name in ("ListenDrops", "TCPReqQFullDrop", "TCPReqQFullDoCookies"))


def flooded(net, address, limit=0):
    """(requests, SYNs) a second while SYNs come from everywhere, at most so many; 0 means as many as can be sent."""
    mac = json.loads(net.server.run("ip", "-j", "link", "show", "srv").stdout)[0]["address"]
    seconds = FLOOD_S * (2 if machine.PATIENCE > 1 else 1)
    flood = Process([*net.outside.argv, FLOOD, "out", mac, "10.77.2", *address, seconds + 1, limit])
    time.sleep(0.5)
    rate = requests_in(net, address, seconds)
    assert net.ask(net.ssh.address, STRANGER, header=b"") == 200  # as without a flood
    sent = float(flood.wait_line(r"SYNs, (\d+) a second")[0][1])
    flood.stop()
    return rate, sent


@pytest.mark.full
def test_flood(net, certs, capsys):
    """
    Legitimate requests while a namespace sends refused SYNs, with the guard and without: as fast as it can, and
    as fast as it could without the guard, because a refused SYN costs the sender's core less, too.

    The verdict is by the listener's queue. The number of requests is only printed: client, kedge, application and
    sender share the cores here.
    """
    net.server.ip(f"route add 10.77.2.0/24 via {STRANGER}")
    bare = 0
    try:
        for mode in ("off", "native", "generic"):
            with Guarded(net, certs, mode=mode) as kedge:
                alone, before = requests_in(net, kedge["guarded"], FLOOD_S / 2), queue_full(net)
                most = flooded(net, kedge["guarded"])
                text = f"{alone:.0f} requests/s alone, {most[0]:.0f} under {most[1]:.0f} SYN/s"
                if mode == "off":
                    bare, limit = most
                    assert queue_full(net) - before > 1000
                else:
                    same = flooded(net, kedge["guarded"], limit)
                    text += (f", {same[0]:.0f} under {same[1]:.0f} SYN/s: "
                             f"{same[0] / max(bare, 0.1):.2f} times as many as without the guard")
                    assert kedge.count("stranger") > 1000 and queue_full(net) == before
                    assert same[0] > 0
                with capsys.disabled():
                    print(f"\nmeasured guard {mode}: {text}")
    finally:
        net.server.ip("route del 10.77.2.0/24")
