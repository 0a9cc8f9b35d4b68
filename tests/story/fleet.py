#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The story of a fleet: a layer-4 balancer, three kedges that share nothing but ticket keys, three applications.

Prints a line for each step with what was seen, and whether it was right. Everything runs in network namespaces that
this program makes and that end with it. Exits with 1 if a step was wrong.

    KEDGE_FLEET_CLIENTS, KEDGE_FLEET_RATE   how many clients make the load (20), and how many requests they make a second,
                                            in all and at most (200)
    KEDGE_FLEET_ROUND                       answers to each client between two events (10)
"""
import collections
import contextlib
import itertools
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
os.environ.setdefault("KEDGE_BIN", str(Path(__file__).resolve().parents[2] / "build/kedge"))

import kedge as kedge_module  # noqa: E402
import machine  # noqa: E402
import run  # noqa: E402
from certs import Certs  # noqa: E402
from client import tls_context  # noqa: E402
from fleet_balancers import Haproxy, Ipvs  # noqa: E402
from fleet_clients import Caller, Load, Wrong  # noqa: E402
from fleet_nodes import CLIENTS, App, Network, Node, new_key, shown  # noqa: E402

NODES = 3
LOAD_CLIENTS = int(os.environ.get("KEDGE_FLEET_CLIENTS", "20"))
LOAD_RATE = float(os.environ.get("KEDGE_FLEET_RATE", "200"))
ROUND = int(os.environ.get("KEDGE_FLEET_ROUND", "10"))
EMULATED = machine.PATIENCE >= 10  # a kedge takes seconds to start
TRIES = 60  # connections until all were reached: it misses one of three by chance in one of 10^10 runs


class Fleet:
    def __init__(self, base, stack):
        self.base, self.steps, self.wrong, self.skipped = Path(base), 0, 0, 0
        self.certs = Certs(base)
        self.network = Network(stack)
        self.apps = [App(self.network, n) for n in range(1, NODES + 1)]
        self.keys = self.base / "ticket-keys"
        self.keys.write_text(new_key())
        self.keys.chmod(0o600)
        self.nodes = [Node(self.network, n, base, self.certs, self.apps, self.keys) for n in range(1, NODES + 1)]
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
        print(f"\n{title}\n" + "".join(f"     | {line}\n" for line in text.strip().splitlines()), end="",
              flush=True)

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

    # --- under load -----------------------------------------------------------------------
    def load(self, balancer):
        callers = [self.caller(balancer, n) for n in range(LOAD_CLIENTS)]
        return Load(f"load{next(self.count)}", callers, LOAD_CLIENTS / LOAD_RATE)

    def arrived(self, names, answered):
        """How often each of these requests came to an application. The last lines may be on their way."""
        def count():
            found = collections.Counter(name for app in self.apps for name, _ in app.requests())
            return {name: found[name] for name in names} if all(found[name] for name in answered) else None
        return machine.wait_for(count, 10, "every answered request is in an application's output")

    def again(self, nodes):
        return sum(node.stat("requests_again") for node in nodes)

    def restart(self, app, load, end):
        end(app)
        app.start()
        app.wait_ready()
        machine.wait_for(lambda: load.wrong or any(line.startswith("request load") for line in app.process.lines), 60,
                         f"{app.name} gets requests again")
        load.go_on(ROUND)

    def applications_restart(self, balancer):
        before, first, second = self.again(self.nodes), *self.apps[1:3]
        with self.load(balancer) as load:
            load.go_on(ROUND)
            self.restart(first, load, App.end)
            self.restart(second, load, App.kill)
        again = self.again(self.nodes) - before
        twice = [n for n in self.arrived(load.asked, [a.id for a in load.answers]).values() if n > 1]
        faults = load.wrong + load.lost + load.cut + load.ended + ["refused"] * load.refused
        self.judge("F3", f"{first.name} was restarted, then {second.name} was killed and started again, while "
                   f"{load.text()} came through {balancer.name}: {len(faults)} errors. The kedges sent {again} requests "
                   f"again; {len(twice)} came to applications twice",
                   not faults and len(load.answers) == len(load.asked) and sum(twice) - len(twice) <= again,
                   f"no error, and no request twice but those that kedges sent again: {faults[:5]}")

    def hold(self, balancer, load):
        """Requests that wait at an application, at least one through each kedge: [(caller, ID), ...]."""
        held = []
        while {caller.connection.kedge for caller, _ in held} != set(self.names):
            assert len(held) < TRIES, self.spread(caller.connection.kedge for caller, _ in held)
            caller, name = self.caller(balancer, len(held)), self.id()
            caller.connect()
            caller.ask(self.id())
            load.asked[name] += 1
            caller.send(name, "/hold/")
            held.append((caller, name))
        names = [name for _, name in held]
        self.arrived(names, names)
        return held

    def release(self):
        for app in self.apps:
            app.process.popen.send_signal(signal.SIGUSR2)

    def back_in_service(self, balancer, node, load):
        node.start()
        node.wait_ready()
        balancer.wait_in_service(self.nodes)
        mark = len(load.answers)
        machine.wait_for(lambda: load.wrong or any(a.kedge == node.address for a in load.answers[mark:]), 60,
                         f"{node.name} gets requests again")
        load.go_on(ROUND)

    def a_kedge_is_killed(self, balancer):
        victim, others = self.nodes[1], [self.nodes[0], self.nodes[2]]
        before, went = self.again(others), {}
        with self.load(balancer) as load:
            load.go_on(ROUND)
            held = self.hold(balancer, load)
            doomed = [pair for pair in held if pair[0].connection.kedge == victim.address]
            victim.kill()
            for caller, name in doomed:
                load.lose(caller, name)
            self.find_out(load, balancer, went)
            balancer.wait_in_service(others)
            load.go_on(ROUND)
            self.release()
            kept = [load.read(caller, name) for caller, name in held if (caller, name) not in doomed]
            self.back_in_service(balancer, victim, load)
        self.find_out(load, balancer, went)
        self.judge_death(balancer, victim, load, went, kept, self.again(others) - before)

    @staticmethod
    def find_out(load, balancer, went):
        """Adds to `went` what the balancer says about connections that ended in the middle: {source: kedge}."""
        for connection in [lost.connection for lost in load.lost] + load.cut:
            if (connection.source, connection.use) not in went:
                went[connection.source, connection.use] = machine.wait_for(
                    lambda connection=connection: balancer.kedge_of(connection), 10, f"where {connection} went")

    def judge_death(self, balancer, victim, load, went, kept, again):
        names = {lost.id for lost in load.lost}
        arrived = self.arrived(load.asked, [a.id for a in load.answers])
        reached = sum(arrived[name] == load.asked[name] for name in names)
        repeated = [a for a in load.answers if a.id in names]
        resumed = sum(a.connection.resumed for a in repeated)
        more = sum(max(n - load.asked[name], 0) for name, n in arrived.items())
        full = [c for c in load.connections if c.offered and not c.resumed]
        idle = [c for c in load.ended if self.names.get(c.kedge) != victim.name]
        self.judge("F4", f"{victim.name} was killed while {load.text()} came through {balancer.name}. {len(load.lost)} requests "
                   f"were under way on it and were lost, {reached} of them at an application already. All were asked again: "
                   f"{len(repeated)} answered, {resumed} of them on resumed sessions. {len(kept)} waited for long on the other "
                   f"kedges: {sum(kept)} answered. {balancer.name} took {victim.name} out, and in again after its restart",
                   load.lost and kept and all(kept) and set(went.values()) == {victim.name} and not idle and not load.wrong and
                   len(repeated) == resumed == len(load.lost) and not full and len(load.answers) == len(load.asked) and
                   (balancer.refuses or not load.refused),
                   f"losses on {victim.name} alone, and sessions that resume: {went} {load.wrong[:3]} {idle[:3]} {full[:3]}")
        print(f"     idle connections that ended with {victim.name}: {len(load.ended)}, handshakes: {len(load.cut)}; "
              f"connects refused until it was out: {load.refused}")
        self.judge("F5", f"of all these requests {sum(n > 1 for n in arrived.values())} came to applications more than once: {more} "
                   f"more often than their clients had sent them. The kedges sent {again} again",
                   more <= again and sum(load.asked.values()) == len(load.asked) + len(load.lost),
                   "no more than the clients and the kedges sent again")

    # --- on purpose -----------------------------------------------------------------------
    def kedges_restart(self, balancer, nodes):
        """As for an upgrade: one after the other, taken out first."""
        with self.load(balancer) as load:
            load.go_on(ROUND)
            for node in nodes:
                balancer.take_out(node)
                load.go_on(2)  # clients still have connections to it
                node.stop()
                node.start()
                node.wait_ready()
                balancer.take_in(node)
                load.go_on(ROUND)
        arrived = self.arrived(load.asked, [a.id for a in load.answers])
        reached = [lost for lost in load.lost if arrived[lost.id] == load.asked[lost.id]]
        twice = sum(n > 1 for n in arrived.values())
        faults = load.wrong + load.cut + reached + ["refused"] * load.refused
        self.judge("F6", f"{', '.join(node.name for node in nodes)}: taken out of {balancer.name}, restarted in order and taken in again "
                   f"while {load.text()} came: {len(faults)} errors. {len(load.ended)} connections of clients ended between two "
                   f"requests; {len(load.lost)} requests crossed such an end, reached no application and were asked again",
                   not faults and not twice and len(load.answers) == len(load.asked) == sum(load.asked.values()) - len(load.lost),
                   f"no error, and nothing lost that had reached an application: {faults[:5]}")

    def keys_change(self, balancer):
        """The three steps of docs/configuration.md, each followed by a reload everywhere, one kedge after the other."""
        old, new = self.keys.read_text(), new_key()
        told, before, between = [], self.session(balancer), None
        for step, text in (("a new key is added", old + new), ("it seals", new + old), ("the old one is gone", new)):
            self.keys.write_text(text)
            for node in self.nodes:
                node.reload()
                if step == "it seals" and node is self.nodes[0]:
                    between = self.session(balancer, node)
                    told.append(("sealed by the new key before the others had changed", self.resumes(balancer, between)))
            told.append((f"{step}, the old session", self.resumes(balancer, before)))
        told.append(("the new session", self.resumes(balancer, between)))
        wanted = [True, True, True, False, True]
        self.judge("F7", "the key of session tickets is changed in three steps, each with a reload everywhere. At all three kedges: "
                   + "; ".join(f"{what}: {'resumed' if all(r) else 'not resumed'}" for what, r in told),
                   [all(r) for _, r in told] == wanted and not any(told[3][1]),
                   "that all sessions resume until the old key is gone, and the new ones after that")

    def session(self, balancer, node=None):
        """A session that begins at this kedge, or at any."""
        for _ in range(TRIES):
            caller = self.caller(balancer)
            caller.connect()
            answer = caller.ask(self.id())
            caller.hang_up()
            if node is None or answer.kedge == node.address:
                return caller
        raise Wrong(f"{node.name} was not reached in {TRIES} connections")

    def resumes(self, balancer, caller):
        """[does each kedge resume its session]"""
        session, seen = caller.session, {}
        for _ in range(TRIES):
            caller.session = session
            caller.connect()
            caller.ask(self.id())
            caller.hang_up()
            seen.setdefault(caller.connection.kedge, caller.connection.resumed)
            if len(seen) == NODES:
                break
        caller.session = session
        return [seen.get(address) for address in self.names]

    # --- the whole ------------------------------------------------------------------------
    def step(self, method, *args):
        """An error within a step is a step that was wrong."""
        try:
            method(*args)
        except Exception:  # pylint: disable=broad-except
            self.judge(method.__name__, traceback.format_exc(), False, "no exception")

    def tell(self, kind):
        balancer = kind(self.network, self.nodes, self.base)
        self.quote(f"{balancer.name}, in front of the kedges", balancer.shown())
        self.step(self.everybody_is_reached, balancer)
        for version in ("1.3", "1.2"):
            self.step(self.sessions_resume, balancer, version)
        self.step(self.applications_restart, balancer)
        self.step(self.a_kedge_is_killed, balancer)
        self.step(self.kedges_restart, balancer, self.nodes if kind is Haproxy and not EMULATED else self.nodes[:1])
        if kind is Haproxy:
            self.step(self.keys_change, balancer)


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
    print(f"A fleet of {NODES} kedges and {NODES} applications behind a balancer, on Linux {os.uname().release}",
          flush=True)
    check_needs()
    # Whoever ends this program gets everything removed, as by an error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    machine.remove_stale()
    with tempfile.TemporaryDirectory(prefix="kedge-fleet-") as base, contextlib.ExitStack() as stack:
        fleet = Fleet(base, stack)
        first = fleet.nodes[0]
        fleet.quote("the configuration of kedge1; the others have their own addresses", shown(first.config))
        fleet.quote("what it does in the kernel", first.kedge.process.matches("capabilities: .*")[0][0])
        fleet.step(fleet.tell, Haproxy)
        if why := Ipvs.missing(fleet.network):
            fleet.skip("F1 to F6 through IPVS", why)
        else:
            fleet.step(fleet.tell, Ipvs)
        for node in fleet.nodes:
            fleet.step(node.stop)
    print(f"\n{fleet.steps - fleet.wrong} of {fleet.steps} steps as expected; all processes and namespaces are gone")
    print(f"fleet: {fleet.steps - fleet.wrong} passed, {fleet.wrong} failed, {fleet.skipped} skipped")
    return 1 if fleet.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
