#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The story of a fleet: a layer-4 balancer, three kedges that share nothing but ticket keys, three applications.

Prints a line for each step with what was seen, and whether it was right. Everything runs in network namespaces that
this program makes and that end with it. Exits with 1 if a step was wrong.
"""
import collections
import contextlib
import itertools
import os
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
os.environ.setdefault("KEDGE_BIN", str(Path(__file__).resolve().parents[2] / "build/kedge"))

import kedge as kedge_module  # noqa: E402
import machine  # noqa: E402
import run  # noqa: E402
from certs import Certs  # noqa: E402
from client import tls_context  # noqa: E402
from fleet_balancers import Haproxy  # noqa: E402
from fleet_clients import Caller  # noqa: E402
from fleet_nodes import CLIENTS, App, Network, Node, make_keys, shown  # noqa: E402

NODES = 3
TRIES = 60  # connections until all were reached: it misses one of three by chance in one of 10^10 runs


class Fleet:
    def __init__(self, base, stack):
        self.base, self.steps, self.wrong, self.skipped = Path(base), 0, 0, 0
        self.certs = Certs(base)
        self.network = Network(stack)
        self.apps = [App(self.network, n) for n in range(1, NODES + 1)]
        keys = make_keys(self.base / "ticket-keys")
        self.nodes = [Node(self.network, n, base, self.certs, self.apps, keys) for n in range(1, NODES + 1)]
        self.names = {node.address: node.name for node in self.nodes}
        self.count = itertools.count(1)
        self.start(self.apps + self.nodes)

    @staticmethod
    def start(nodes):
        """All at once: each takes long under emulation."""
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()

    # --- telling --------------------------------------------------------------------------
    def judge(self, name, text, good, wanted):
        self.steps += 1
        print(f"\n{name}  {text}")
        if good:
            print("     as expected")
        else:
            self.wrong += 1
            print(f"     WRONG, expected {wanted}")
        sys.stdout.flush()

    def skip(self, name, text):
        self.skipped += 1
        print(f"\n{name}  skipped: {text}", flush=True)

    def quote(self, title, text):
        print(f"\n{title}\n" + "".join(f"     | {line}\n" for line in text.strip().splitlines()), end="")

    def spread(self, values):
        """"kedge1 4, kedge2 4": how often each."""
        found = collections.Counter(self.names.get(v, v) for v in values)
        return ", ".join(f"{name} {n}" for name, n in sorted(found.items()))

    # --- the story ------------------------------------------------------------------------
    def caller(self, balancer, number=0, version=None):
        return Caller(self.network.clients, balancer.address, tls_context(self.certs.ca, version),
                      CLIENTS[number % len(CLIENTS)])

    def id(self):
        return f"r{next(self.count)}"

    def everybody_is_reached(self, balancer):
        answers = []
        for number in range(TRIES):
            caller = self.caller(balancer, number)
            caller.connect()
            answers += [caller.ask(self.id()) for _ in range(2)]
            caller.hang_up()
            kedges, apps = ({a.kedge for a in answers}, {a.app for a in answers})
            if number >= len(CLIENTS) and len(kedges) == len(apps) == NODES:
                break
        own = [a for a in answers if a.xff == a.connection.source[0]]
        self.judge("F1", f"{len(answers)} requests on {len(answers) // 2} connections from {len(CLIENTS)} clients through "
                   f"{balancer.name} were served by {self.spread(a.kedge for a in answers)}; "
                   f"{self.spread(a.app for a in answers)}; X-Forwarded-For was the client's own address in {len(own)}",
                   kedges == set(self.names) and len(apps) == NODES and len(own) == len(answers),
                   "every kedge, every application, and each client's own address")

    def sessions_resume(self, balancer, version):
        caller = self.caller(balancer, version=version)
        caller.connect()
        first = caller.ask(self.id())
        session, seen = caller.session, {}
        before = {node.address: node.stat("handshakes_resumed") for node in self.nodes}
        for _ in range(TRIES):
            caller.hang_up()
            caller.session = session
            connection = caller.connect()
            caller.ask(self.id())
            seen.setdefault(connection.kedge, []).append(connection.resumed)
            if len(set(seen) - {first.kedge}) == NODES - 1:
                break
        caller.hang_up()
        counted = {node.address: node.stat("handshakes_resumed") - before[node.address] for node in self.nodes}
        told = "; ".join(f"{self.names[a]}: {sum(r)} of {len(r)} resumed, it counts {counted[a]}"
                         for a, r in sorted(seen.items()))
        self.judge("F2", f"TLS {version} through {balancer.name}: a session that began at {self.names[first.kedge]}, "
                   f"offered to the next kedges in turn: {told}",
                   len(set(seen) - {first.kedge}) == NODES - 1 and not first.connection.resumed and
                   all(all(r) and counted[a] == len(r) for a, r in seen.items()),
                   "that both other kedges resume it")

    def tell(self, balancer):
        self.quote(f"{balancer.name}, in front of the kedges", balancer.shown())
        self.everybody_is_reached(balancer)
        for version in ("1.3", "1.2"):
            self.sessions_resume(balancer, version)


def check_needs():
    """Ends the program with a message if something is missing."""
    if os.geteuid() != 0:
        raise SystemExit("fleet: needs root, for network namespaces")
    if not kedge_module.BINARY.exists():
        raise SystemExit(f"fleet: {kedge_module.BINARY}: not there; `make` builds it")
    needs = run.run(machine.ROOT / "tests/deps.sh", "-n", "fleet")
    if needs.returncode:
        raise SystemExit(needs.stderr.strip())


def main():
    print(f"A fleet of {NODES} kedges and {NODES} applications behind a balancer, on Linux {os.uname().release}")
    check_needs()
    # Whoever ends this program gets everything removed, as by an error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    machine.remove_stale()
    with tempfile.TemporaryDirectory(prefix="kedge-fleet-") as base, contextlib.ExitStack() as stack:
        fleet = Fleet(base, stack)
        fleet.quote("the configuration of kedge1; the others have their own addresses", shown(fleet.nodes[0].config))
        fleet.tell(Haproxy(fleet.network, fleet.nodes, base))
        for node in fleet.nodes:
            node.stop()
    print(f"\n{fleet.steps - fleet.wrong} of {fleet.steps} steps as expected; all processes and namespaces are gone")
    print(f"fleet: {fleet.steps - fleet.wrong} passed, {fleet.wrong} failed, {fleet.skipped} skipped")
    return 1 if fleet.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
