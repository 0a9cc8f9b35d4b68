# SPDX-License-Identifier: BSD-2-Clause
"""The proxies to compare: how each is started in front of a backend, and its name."""
import dataclasses
import fnmatch
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import kedge as kedge_module
import machine
from kedge import Combination, Kedge, Listener
from process import Process

HERE = Path(__file__).resolve().parent
ROOT = machine.ROOT


def free_port():
    """A port that was free a moment ago, for programs that cannot be given a socket."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def tree(pid):
    """A process and all its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue  # it has ended meanwhile
        parents[int(path.parent.name)] = int(text.rsplit(")", 1)[1].split()[1])
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found


@dataclasses.dataclass(frozen=True)
class Program:
    """How to run one of the others. {dir} and {file}: its directory and its configuration in it."""
    config: str
    argv: tuple
    version: tuple
    adds_xff: bool = True
    env: tuple = ()
    root: Path = None    # where it is installed, if not in the system
    record: bool = False  # by kernel TLS
    fills: tuple = ()    # more words for its configuration

    def install(self, base, leaf, port, backend, seen=None):
        """
        Puts its configuration and the certificate into `base`, which the proxy sees as `seen`. Returns the
        command that runs it on `port` before `backend`, (host, port).
        """
        seen = Path(seen or base)
        for source in (leaf.cert, leaf.key):
            shutil.copyfile(source, base / source.name)
        (base / "both.pem").write_text(leaf.key.read_text() + leaf.cert.read_text())
        known = {"DIR": seen, "PORT": port, "BACKEND": f"{backend[0]}:{backend[1]}",
                 "BACKEND_HOST": backend[0], "BACKEND_PORT": backend[1], "PEM": seen / "both.pem",
                 "CERT": seen / leaf.cert.name, "KEY": seen / leaf.key.name, "TLS": "", "GLOBAL": "",
                 "DEFAULTS": "", "BIND": "", **dict(self.fills)}
        text = (HERE / "peers" / self.config).read_text()
        (base / self.config).write_text(re.sub(r"@([A-Z_]+)@", lambda m: str(known[m[1]]), text))
        return [word.format(dir=seen, file=seen / self.config) for word in self.argv]


PROGRAMS = {
    "nginx": Program("nginx.conf", ("nginx", "-e", "stderr", "-p", "{dir}", "-c", "{file}"),
                     ("nginx", "-v")),
    "haproxy": Program("haproxy.cfg", ("haproxy", "-db", "-f", "{file}"), ("haproxy", "-v")),
    "hitch": Program("hitch.conf", ("hitch", "--config={file}"), ("hitch", "--version"),
                     adds_xff=False),
    "caddy": Program("Caddyfile", ("caddy", "run", "--adapter", "caddyfile", "--config", "{file}"),
                     ("caddy", "version"), env=(("GOMAXPROCS", "1"),)),
}


class OtherProxy:
    """One of PROGRAMS, running with its configuration in a directory of its own."""

    def __init__(self, name, program, leaf, backend, cgroup):
        within = program.root / "tmp" if program.root else None
        self.base = Path(tempfile.mkdtemp(prefix=f"kedge-bench-{name}-", dir=within))
        # Some give up root, and must still read these files.
        self.base.chmod(0o777)
        port = free_port()
        self.address = ("127.0.0.1", port)
        if program.root:
            words = ["chroot", program.root,
                     *program.install(self.base, leaf, port, backend, Path("/tmp") / self.base.name)]
        else:
            words = program.install(self.base, leaf, port, backend)
        words[0] = find_program(words[0])
        env = dict(os.environ, HOME=str(self.base), **dict(program.env))
        self.process = Process(words, env=env, cgroup=cgroup, name=name)
        machine.wait_for(self._up, 20, f"{name} accepts on port {port}")

    def _up(self):
        if self.process.popen.poll() is not None:
            raise RuntimeError(f"{self.process.name} ended:\n{self.process.log()}")
        return accepts(self.address[1])

    def pids(self):
        return tree(self.process.pid)

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.base)


class KedgeProxy:
    def __init__(self, peer, leaf, backend, cgroup, certs):
        flags = ["--workers", str(peer.workers), *(["--app-reuse", "shared"] if peer.shared else [])]
        self.kedge = Kedge(certs, f"{backend[0]}:{backend[1]}", [Listener("tls", leaves=[leaf])],
                           peer.combination, cgroup, flags, binary=peer.binary)
        self.address = self.kedge["tls"]
        self.process = self.kedge.process

    def pids(self):
        return tree(self.kedge.pid)

    def stop(self):
        self.kedge.stop()


@dataclasses.dataclass(frozen=True)
class Peer:
    """A proxy to measure; start() starts it."""
    name: str
    program: Program = None
    binary: Path = None
    combination: Combination = None
    workers: int = 1
    shared: bool = False  # app-reuse: shared

    @property
    def ours(self):
        return self.binary is not None

    @property
    def adds_xff(self):
        return self.ours or self.program.adds_xff

    def start(self, certs, backend, cgroup):
        if self.ours:
            return KedgeProxy(self, certs.ec, backend, cgroup, certs)
        return OtherProxy(self.name, self.program, certs.ec, backend, cgroup)

    def version(self):
        program, *words = (self.binary, "--version") if self.ours else self.program.version
        if not self.ours and self.program.root:
            program, words = "chroot", [self.program.root, program, *words]
        done = subprocess.run([find_program(str(program)), *words], capture_output=True, text=True,
                              check=True)
        return re.search(r"v?(\d+\.\d+[\w.+-]*)", done.stdout + done.stderr)[1]


def find_program(name):
    """The path of a program of the system; /usr/sbin is not in every user's path."""
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") or name


def kedge_name(label, combination, workers=1):
    """The label, the capabilities in the kernel, and the number of workers: "kedge+edit+bypass", "kedge+edit@2"."""
    return ("+".join([label, *(n for n in kedge_module.NAMES if getattr(combination, n))])
            + (f"@{workers}" if workers > 1 else ""))


def kedge_binaries(words):
    """{label: path} of "[LABEL=]BINARY ...". By default the first has the label "kedge", others their path."""
    found = {}
    for word in words.split():
        label, _, path = word.rpartition("=")
        label = label or (path if found else "kedge")
        found[label] = ROOT / path  # an absolute path does not change
        if not found[label].exists():
            raise SystemExit(f"{path}: not there")
    return found


# Combinations that are also tried with app-reuse: shared.
SHARED = {str(c) for c in (Combination(), Combination(edit=True, bypass=True), Combination(record=True),
                           Combination(record=True, edit=True, bypass=True))}


def knows_shared(binary):
    return "shared" in subprocess.run([binary, "run", "--help"], capture_output=True, text=True, check=False).stdout


def with_shared(ours):
    """The same, and behind some of them one with app-reuse: shared."""
    found = []
    for peer in ours:
        found.append(peer)
        if str(peer.combination) in SHARED and knows_shared(peer.binary):
            found.append(dataclasses.replace(peer, name=f"{peer.name}+shared", shared=True))
    return found


def kedge_peers(binaries, workers=(1,)):
    """
    Each kedge in every combination of capabilities that this machine has, with each number of workers, some of them also
    with app-reuse: shared; and the reasons why others are missing.
    """
    found, missing = [], {}
    for label, binary in binaries.items():
        probed = kedge_module.probe(binary)
        for combination in kedge_module.ALL:
            why = combination.missing(probed)
            for count in workers:
                name = kedge_name(label, combination, count)
                if why:
                    missing[name] = why
                else:
                    found.append(Peer(name, binary=binary, combination=combination, workers=count))
    return with_shared(found), missing


# Installed by new-root.sh.
NEW_ROOT = ROOT / "build/bench/new"
KTLS = {"nginx": (("TLS", "ssl_conf_command Options KTLS;"),),
        "haproxy": (("GLOBAL", "expose-experimental-directives"), ("DEFAULTS", "option splice-auto"),
                    ("BIND", "ktls on"))}


def new_programs():
    """The newest versions, once more with kernel TLS if they can, under names of their own."""
    found = {}
    for name in ("nginx", "haproxy", "hitch"):
        program = dataclasses.replace(PROGRAMS[name], root=NEW_ROOT)
        found[f"{name}-new"] = program
        if name in KTLS:
            found[f"{name}-new+record"] = dataclasses.replace(program, record=True, fills=KTLS[name])
    return found


def other_peers():
    """PEERS=new adds the newest versions to those of this system."""
    programs = {**PROGRAMS, **(new_programs() if os.environ.get("PEERS") == "new" else {})}
    return [Peer(name, program=program) for name, program in programs.items()]


def wanted(name, patterns):
    """Does one of the words match the name? Without words every name matches."""
    return not patterns.split() or any(fnmatch.fnmatchcase(name, word) for word in patterns.split())


def chosen(everyone, patterns):
    found = [peer for peer in everyone if wanted(peer.name, patterns)]
    if not found:
        raise SystemExit(f"no such peer; there are {', '.join(p.name for p in everyone)}")
    return found
