# SPDX-License-Identifier: BSD-2-Clause
"""The engines that make bench-mover compares, as proxies of peers.py, and their cases."""
import dataclasses
import re
import subprocess
from pathlib import Path

import guest
import machine
import peers
from cases import KB, Case

MOVE = machine.ROOT / "build/bench/move"
FACTS = machine.ROOT / "build/bench/uring_facts"
# io_uring as it was before Linux 5.17, but for the ring of buffers.
BASIC = ("--without", "defer,ring-fd,files,multishot,skip")


@dataclasses.dataclass(frozen=True)
class Engine:
    """Takes the place of a peers.Program: how to run move."""
    words: tuple
    record: bool = False
    adds_xff: bool = False
    root: Path = None
    env: tuple = ()
    version: tuple = ("pkg-config", "--modversion", "liburing")

    def install(self, base, leaf, port, backend, seen=None):
        """As peers.Program.install(): returns the command. With kernel TLS it puts the certificate into `base`."""
        command = [MOVE, "--port", port, "--app", f"{backend[0]}:{backend[1]}", *self.words]
        if self.record:
            for option, source in (("--cert", leaf.cert), ("--key", leaf.key)):
                (base / source.name).write_bytes(source.read_bytes())
                command += [option, Path(seen or base) / source.name]
        return [str(word) for word in command]


CLEAR = [peers.Peer(name, program=Engine(words)) for name, words in {
    "epoll": ("--engine", "epoll"),
    "uring": ("--engine", "uring"),
    "uring-basic": ("--engine", "uring", *BASIC)}.items()]
RECORD = [peers.Peer(f"{name}+record", program=Engine(("--engine", name), record=True)) for name in ("epoll", "uring")]


def reference(name):
    """The engine to compare with: epoll, with kernel TLS if this one has it."""
    return "epoll" + "+record" * name.endswith("+record")


def cases(small, bulk, plain=True):
    """small, bulk: how many requests."""
    found = [Case(f"get1k-c{n}", f"1 KB, {n} connection{'s' * (n > 1)}", small, n, KB, warm=max(300, 2 * n))
             for n in (1, 32, 256)]
    found.append(Case("get64k", "64 KB, 32 connections", bulk, 32, 64 * KB, warm=64, group="bulk"))
    return [dataclasses.replace(case, plain=plain, calls=True) for case in found]


def parse_facts(text):
    return dict(re.findall(r"^fact ([^:]+): (.*)$", text, re.M))


def native_facts():
    """{name: result} of uring_facts on this kernel."""
    done = subprocess.run([FACTS], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{done.stdout}{done.stderr}")
    return parse_facts(done.stdout)


def guest_facts(label):
    with guest.Image(label) as image:
        image.programs[FACTS] = f"/bin/{FACTS.name}"
        image.make(f"{FACTS.name}\n")
        return parse_facts("\n".join(guest.Guest(image).run(600)))
