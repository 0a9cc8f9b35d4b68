# SPDX-License-Identifier: BSD-2-Clause
"""kedge under test: started, asked, stopped, and checked to have left nothing behind."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import bpftool
import machine
import schema
from client import Client
from process import Process

BINARY = Path(os.environ.get("KEDGE_BIN", machine.ROOT / "build/kedge-asan"))
SANITIZER = r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer"
# The quarantine of freed memory would hide kedge's own use.
SANITIZER_OPTIONS = {"ASAN_OPTIONS": "quarantine_size_mb=4", "UBSAN_OPTIONS": "print_stacktrace=1"}
# Listeners splice where a test does not say otherwise: any suite can run so.
SPLICE = os.environ.get("KEDGE_TEST_SPLICE") == "on"
MAPS_OF_FLOWS = ("kdg_flow", "kdg_pair", "kdg_app")


class Combination:
    """The capabilities that are in the kernel. Each is required or off, so that nothing is left to chance."""

    def __init__(self, record=False, edit=False, bypass=False):
        self.record, self.edit, self.bypass = record, edit, bypass

    def __str__(self):
        return "-".join(f"{name}_{'kernel' if getattr(self, name) else 'user'}"
                        for name in ("record", "edit")) + ("-bypass" if self.bypass else "")

    def flags(self):
        return [word for name in NAMES
                for word in (f"--{name}", "require" if getattr(self, name) else "off")]

    def missing(self, probed):
        """Why this machine cannot have it; "" if it can."""
        return "; ".join(f"{name}: {probed[name]}" for name in NAMES
                         if getattr(self, name) and probed[name])


NAMES = ("record", "edit", "bypass")
ALL = [Combination(r, e, b) for r in (False, True) for e in (False, True) for b in (False, True)]


def probe(binary=BINARY):
    """{"record": why this machine cannot have it or "", ...} as `kedge probe` finds it."""
    group = machine.try_cgroup()
    argv = [binary, "probe", "--json"] + (["--cgroup", group.path] if group else [])
    with group.inside() if group else contextlib.nullcontext():
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    group.remove()
    if done.returncode or not done.stdout:
        raise RuntimeError(f"kedge probe: status {done.returncode}: {done.stdout}{done.stderr}")
    answer = json.loads(done.stdout)

    def why(name):
        return next((f"{row['name']}: {row['detail']}" for row in answer["tried"]
                     if row["capability"] == name and not row["ok"]), "not tried")
    return {name: "" if answer[name] else why(name) for name in NAMES}


class Config:
    """A configuration file that a test may change while kedge runs."""

    def __init__(self, base, certs):
        self.path, self.certs = Path(base) / "kedge.yaml", certs

    def write(self, listeners, **keys):
        """keys: of kedge as a whole, with "_" for "-"."""
        lines = [f"{key.replace('_', '-')}: {json.dumps(value)}" for key, value in keys.items()]
        lines += ["listeners:"] + [x.yaml(self.certs) for x in listeners]
        self.path.write_text("\n".join(lines) + "\n")


class Listener:
    def __init__(self, name, tls=True, proxy="off", trust=(), leaves=None, addr="127.0.0.1:0",
                 mode="http", splice=SPLICE, alpn=(), strict_sni=False, routes=()):
        self.mode, self.splice, self.alpn, self.strict_sni = mode, splice, alpn, strict_sni
        self.routes = routes  # in a file alone: dictionaries of keys
        self.name, self.tls, self.proxy, self.trust = name, tls, proxy, trust
        self.leaves, self.addr = leaves, addr
        self.app = None  # in a file alone: its application, where it is not that of all
        self.address = None  # (host, port), or a path, once bound

    def flags(self, certs):
        words = ["--listen", self.addr, "--tls", "on" if self.tls else "off",
                 "--mode", self.mode, "--proxy-protocol", self.proxy]
        words += ["--splice", "on"] if self.splice else []
        for cidr in self.trust:
            words += ["--trust", cidr]
        for protocol in self.alpn:
            words += ["--alpn", protocol]
        if self.tls:
            words += ["--strict-sni", "on"] if self.strict_sni else []
            for leaf in self.leaves or (certs.ec, certs.rsa):
                words += leaf.flags()
        return words


    def yaml(self, certs):
        leaves = [{"cert": str(leaf.cert), "key": str(leaf.key)}
                  for leaf in self.leaves or (certs.ec, certs.rsa)]
        keys = {"listen": self.addr, "mode": self.mode, "proxy-protocol": self.proxy, "trust": list(self.trust)}
        if self.proxy == "off":
            del keys["trust"]
        if self.app:
            keys["app"] = self.app
        if self.tls:
            keys["certs"] = leaves
            keys["alpn"] = list(self.alpn)
            keys["routes"] = list(self.routes)
        for key, value in (("tls", self.tls), ("splice", self.splice), ("strict-sni", self.strict_sni)):
            keys[key] = "on" if value else "off"
        return f"- {json.dumps(keys)}"


def standard_listeners():
    return [Listener("tls"), Listener("tls_proxy", proxy="require"),
            Listener("tls_optional", proxy="optional"),
            Listener("tls_untrusted", proxy="require", trust=["192.0.2.0/24"]),
            Listener("clear", tls=False), Listener("clear_proxy", tls=False, proxy="require")]


class Kedge:
    """
    app: "ADDR:PORT". combination: None means kedge's defaults. cgroup: the caller's, with the application in
    it, for the bypass. config: a written Config. It has app and listeners (given here for their names); app is
    then None.
    """

    def __init__(self, certs, app, listeners=None, combination=None, cgroup=None, flags=(),
                 wait=True, root=True, env=None, argv_prefix=(), config=None, binary=None):
        self.binary = binary or BINARY  # looked up now: a fixture may have changed it
        self.listeners = listeners or standard_listeners()
        self.base = Path(tempfile.mkdtemp(prefix=f"kedge-test-{os.getpid()}-"))
        self.base.chmod(0o755)
        self.bpffs = machine.Bpffs(self.base) if root else None
        self.pin = self.bpffs.path / "kedge" if self.bpffs else None
        self.control = self.base / "control"
        if not root:
            self.base.chmod(0o777)
        argv = [*argv_prefix, self.binary, "run"]
        argv += ["-c", config.path] if config else []
        for listener in () if config else self.listeners:
            argv += listener.flags(certs)
        argv += [] if config else ["--app", app]
        argv += ["--pin", self.pin or "off", "--control", self.control]
        if combination:
            argv += combination.flags()
        if cgroup:
            argv += ["--cgroup", cgroup.path]
        argv += flags
        self.cgroup = cgroup
        self._gone = False
        self.process = Process(argv, cgroup=cgroup, name="kedge",
                               env={**SANITIZER_OPTIONS, **(env or os.environ)})
        try:
            if wait:
                self.wait_ready()
            if wait and config:
                assert schema.faults(config.path.read_text()) == []  # pylint: disable=no-member
        except BaseException:
            self.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.kill()
        else:
            self.stop()

    def wait_ready(self):
        for listener, address in zip(self.listeners, self.wait_bound(len(self.listeners))):
            listener.address = address
        self.process.wait_line(r"\bready: \d+ listener", seconds=60)  # in each style of the log

    def wait_bound(self, count):
        """Waits for the addresses that the first start, or a reload, has bound."""
        found = self.process.wait_line(r"listener \S+: listening on (?:unix:(\S+)|(\S+):(\d+))", seconds=60,
                                       count=count)
        return [match[1] or (match[2].strip("[]"), int(match[3])) for match in found]

    def reload(self, *args):
        """Runs kedge reload; returns the finished process."""
        return subprocess.run([self.binary, "reload", "--control", self.control, *args],
                              capture_output=True, text=True, check=False)

    def metrics_address(self):
        """(host, port) of the first one."""
        found = self.process.wait_line(r"metrics: listening on (\S+):(\d+)")[0]
        return found[1], int(found[2])

    def metrics(self):
        """What Prometheus would scrape."""
        with Client(self.metrics_address()) as c:
            return c.request(target="/metrics").text

    def __getitem__(self, name):
        """(host, port) of a listener, or its path."""
        return next(x.address for x in self.listeners if x.name == name)

    @property
    def pid(self):
        return self.process.pid

    def status(self):
        # kedge status gives up after a second, and a busy machine may need more.
        for _ in range(5):
            done = subprocess.run([self.binary, "status", "--control", self.control, "--json"],
                                  capture_output=True, text=True, check=False)
            if done.returncode == 0 or self.process.popen.poll() is not None:
                break
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def stat(self, name):
        return self.status()["stats"][name]

    def reason(self, name):
        return self.status()["reasons"].get(name, 0)

    def wait_status(self, predicate, what="kedge's status", seconds=10):
        """Waits until predicate(status) is true. Nothing announces a change of a counter, so it polls."""
        last = {}

        def ask():
            last.clear()
            last.update(self.status())
            return predicate(last)
        try:
            machine.wait_for(ask, seconds, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; last: {json.dumps(nonzero(last))}") from None
        return last

    def wait_reason(self, name, count=1):
        self.wait_status(lambda s: s["reasons"].get(name, 0) >= count, f"reason {name} x {count}")

    def wait_idle(self):
        return self.wait_status(lambda s: s["connections_open"] == 0, "no open connection")

    def entries(self, name):
        """How many entries a pinned map has; None if there is no such map."""
        path = self.pin / name
        if not path.exists():
            return None
        return len(bpftool.rows(path))

    def entries_of_flows(self):
        if not self.pin or not self.pin.exists():
            return {}
        return {name: n for name in MAPS_OF_FLOWS if (n := self.entries(name))}

    def rss_kb(self):
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def pipes(self):
        """Descriptors of pipes. A worker that splices keeps its own, for the next flow."""
        links = Path(f"/proc/{self.pid}/fd").iterdir()
        return sum(os.readlink(link).startswith("pipe:") for link in links)

    def log(self):
        return self.process.log()

    def check_log(self):
        assert not self.process.matches(SANITIZER), self.log()

    def stop(self, status=0, seconds=30):
        """Sends SIGTERM. Then nothing of kedge may be left, and no sanitizer may have reported anything."""
        try:
            got = self.process.stop(seconds=seconds)
            self.check_log()
            assert got == status, f"exit status {got}\n{self.log()}"
            if self.pin:
                assert not self.pin.exists(), f"left behind: {list(self.pin.iterdir())}"
            assert not self.control.exists(), "the control socket was left behind"
        finally:
            self.kill()

    def kill(self):
        """Ends it without checks, after a test has failed."""
        if self._gone:
            return
        self._gone = True
        if self.process.popen.poll() is None:
            self.process.popen.kill()
            self.process.popen.wait()
        self.process.stop()
        if self.bpffs:
            if self.pin.exists():
                shutil.rmtree(self.pin)
            self.bpffs.remove()
        shutil.rmtree(self.base)


def nonzero(status):
    """A status without its zeros, for people."""
    return {k: ({n: v for n, v in x.items() if v} if isinstance(x, dict) else x)
            for k, x in status.items()}
