#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Requests with ids from many clients through kedge to an application, while things happen: see plan.py, events.py, and
oracle.py for what must hold. Needs root. The seed decides what the clients and the application do, what happens and
when; the timing of the processes differs from run to run.
"""
import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

import bpftool  # noqa: E402
import events  # noqa: E402
import kedge as kedge_module  # noqa: E402
import machine  # noqa: E402
import oracle  # noqa: E402
from certs import Certs  # noqa: E402
from clients import Clients  # noqa: E402
from foreign import Agent  # noqa: E402
from kedge import SPLICE, Config, Kedge, Listener  # noqa: E402
from network import Network, kill_sockets, own_network  # noqa: E402
from process import Process  # noqa: E402

HERE = Path(__file__).resolve().parent
APP_PORT = 3000
PORTS = {"tls": 3001, "tls_proxy": 3002, "clear": 3003, "clear_proxy": 3004}
MANNERS = ("close", "close", "close", "half-close", "half-close", "tunnel", "reset", "abort")
THREADS = 16


def listeners():
    return [Listener(name, tls=name.startswith("tls"), proxy="require" if "proxy" in name else "off",
                     addr=f"127.0.0.1:{port}") for name, port in PORTS.items()]


class App:
    """The application's process. Its log goes on over restarts."""

    def __init__(self, log, cgroup):
        self.log, self.cgroup, self.process = log, cgroup, None
        self.start()

    def start(self):
        self.process = Process([sys.executable, "-B", HERE / "app.py", str(APP_PORT), self.log], cgroup=self.cgroup,
                               name="application")
        self.process.wait_line("ready", seconds=30)

    def signal(self, number):
        if self.process.popen.poll() is None:
            self.process.popen.send_signal(number)

    def end(self, number):
        self.signal(signal.SIGCONT)
        self.process.stop(number)

    def lines(self):
        return self.log.read_text().splitlines()


class Life(Kedge):
    """A kedge that can be started again after its end, on what the one before has left."""

    restarts = killed = 0
    limited, limits = 0, None

    def again(self):
        self.restarts += 1
        self.process = Process(self.process.argv, cgroup=self.cgroup, name="kedge",
                               env={**kedge_module.SANITIZER_OPTIONS, **os.environ})
        self.process.wait_line(r"kedge: info: ready", seconds=60)

    def is_alive(self):
        return self.process.popen.poll() is None

    def kill_now(self):
        self.killed += 1
        self.process.stop(signal.SIGKILL)

    def few_descriptors(self, more):
        """Only so many more than it has."""
        self.limited, self.limits = self.pid, resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (self.fds() + more, self.limits[1]))

    def all_descriptors(self):
        if self.pid == self.limited:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.limits)

    def drain(self):
        self.process.popen.send_signal(signal.SIGCONT)
        status = self.process.stop(seconds=30)
        self.check_log()
        assert status == 0, f"kedge ended with {status}\n{self.log()}"
        self.nothing_left()

    def nothing_left(self):
        """A directory that a killed kedge has made is not the next one's."""
        if self.killed and self.pin.exists() and not list(self.pin.iterdir()):
            self.pin.rmdir()
        assert not self.pin.exists() and not self.control.exists(), "kedge has left something behind"


class Run:
    threads = THREADS

    def __init__(self, seed, seconds, kinds, combination, base, certs, cgroup):
        self.seed, self.seconds, self.kinds, self.cgroup = seed, seconds, kinds, cgroup
        self.schedule = events.schedule(seed, seconds, kinds)
        self.mood, keys = events.settings(seed, kinds)
        self.facts = oracle.Facts(self.mood, kinds, limited=events.limits(keys), reuse=keys["app-reuse"] != "off")
        self.facts.updates_end = combination.record and not machine.rekeys()
        self.open, self.begin = {}, 0.0
        self.config, self.certs = Config(base, certs), certs
        self.access = base / "access.log"
        self.app = App(base / "app.log", cgroup)
        self.network = Network()
        self.agent = None
        self.losable = combination.edit or combination.bypass
        self.fixed, self.facts.shown = events.fixed_settings(seed)
        self.shared = keys["app-reuse"] == "shared" and not self.facts.shown
        self.fixed |= {"app": f"127.0.0.1:{APP_PORT}", "access-log": str(self.access)}
        if self.facts.shown:
            self.fixed |= {"peername": "require", "app-cgroup": str(cgroup.path)}
        self.write(keys)
        self.kedge = Life(certs, None, listeners(), combination, cgroup, config=self.config)
        self.fds = self.fds_kept()

    def fds_kept(self):
        return self.kedge.fds() - self.kedge.pipes()

    def write(self, keys):
        if self.facts.shown and keys["app-reuse"] == "shared":
            keys["app-reuse"] = "client"  # a connection shows one client
        self.config.write(listeners(), **{k.replace("-", "_"): v for k, v in {**self.fixed, **keys}.items()})

    # --- what happens ---------------------------------------------------------------------------------
    def do(self, event):
        word = {"agent": "claim"}.get(event.kind, event.kind).replace("-", "_")
        if event.begins:
            self.open[event.kind] = time.monotonic()
            getattr(self, word)(events.draw_of(self.seed, event))
        else:
            getattr(self, "after_" + word)()
        if not event.begins or events.KINDS[event.kind][1] == (0, 0):
            self.facts.windows.append((event.kind, self.open.pop(event.kind), time.monotonic()))

    def app_kill(self, draw):
        self.app.end(signal.SIGKILL)

    def app_end(self, draw):
        self.app.end(signal.SIGTERM)

    def after_app_kill(self):
        if self.app.process.popen.poll() is not None:
            self.app.start()

    after_app_end = after_app_kill

    def app_stop(self, draw):
        self.app.signal(signal.SIGSTOP)

    def after_app_stop(self):
        self.app.signal(signal.SIGCONT)

    def app_deaf(self, draw):
        self.app.signal(signal.SIGUSR1)

    def after_app_deaf(self):
        self.app.signal(signal.SIGUSR2)

    def kedge_stop(self, draw):
        if self.kedge.is_alive():
            self.kedge.process.popen.send_signal(signal.SIGSTOP)

    def after_kedge_stop(self):
        if self.kedge.is_alive():
            self.kedge.process.popen.send_signal(signal.SIGCONT)

    def kedge_kill(self, draw):
        if self.kedge.is_alive():
            self.kedge.kill_now()

    def kedge_end(self, draw):
        if self.kedge.is_alive():
            self.kedge.drain()

    def after_kedge_kill(self):
        if not self.kedge.is_alive():
            # A kedge that starts tries on loopback what the kernel can, and the agent would take its sockets.
            self.network.mend()
            self.after_claim()
            self.kedge.again()

    after_kedge_end = after_kedge_kill

    def reload(self, draw):
        _, keys = events.settings(self.seed, self.kinds, draw.randrange(1, 1 << 20))
        self.facts.limited |= events.limits(keys)
        self.write(keys)
        if not self.kedge.is_alive():
            return
        self.kedge.process.popen.send_signal(signal.SIGCONT)
        if draw.random() < 0.5:
            self.kedge.process.popen.send_signal(signal.SIGHUP)
            return
        done = self.kedge.reload()
        # Without descriptors it cannot read its file, and says so.
        assert done.returncode == 0 or "descriptors" in self.open, done.stdout + done.stderr

    def sockets(self, draw):
        port = draw.choice((APP_PORT, APP_PORT, *PORTS.values()))
        low = draw.randrange(32768, 58000)
        kill_sockets(draw.choice(("sport", "dport")), port, low, low + 9000)

    def net(self, draw):
        self.network.worsen(draw)

    def after_net(self):
        self.network.mend()

    def descriptors(self, draw):
        if self.kedge.is_alive():
            self.kedge.few_descriptors(draw.randrange(4))

    def after_descriptors(self):
        if self.kedge.is_alive():
            self.kedge.all_descriptors()

    # pylint: disable=unnecessary-dunder-call
    def claim(self, draw):
        self.agent = Agent(self.cgroup, draw.choice(("active", "passive", "both", "some"))).__enter__().attach()

    def after_claim(self):
        if self.agent:
            self.agent.__exit__()
        self.agent = None

    # --- the whole --------------------------------------------------------------------------------------
    def play(self):
        manners = MANNERS + (("vanish",) if "vanish" in self.kinds else ())
        self.begin = time.monotonic()
        clients = Clients(self.seed, PORTS, self.certs, manners, self.threads, self.facts.reuse,
                          self.shared)
        try:
            for event in self.schedule:
                time.sleep(max(self.begin + event.at - time.monotonic(), 0))
                self.do(event)
            time.sleep(max(self.begin + self.seconds - time.monotonic(), 0))
        finally:
            clients.stop()
        return clients

    def settle(self):
        """Nothing is left of what has gone."""
        status = self.kedge.wait_status(lambda s: s["connections_open"] == 0 and s["generations_in_use"] == 1,
                                        "no open connection", seconds=60)
        self.app.end(signal.SIGKILL)  # a row of its socket lives as long as that does, and a reset can be lost
        machine.wait_for(lambda: self.fds_kept() <= self.fds, what="descriptors left open")
        try:
            machine.wait_for(lambda: not self.kedge.entries_of_flows(), what="entries left in the maps")
        except TimeoutError as error:
            left = {name: bpftool.rows(self.kedge.pin / name) for name in self.kedge.entries_of_flows()}
            raise Failed(f"{error}: {left}\n{self.kedge.status()}") from None
        return self.last_status()

    def last_status(self):
        """The access log is written by a thread of its own, which counts its last lines a moment later."""
        before = None
        while True:
            status = self.kedge.status()
            if status["stats"]["access_lines"] == before:
                return status
            before = status["stats"]["access_lines"]
            time.sleep(0.3 * machine.PATIENCE)

    def end(self):
        status = self.settle()
        self.facts.stats, self.facts.reasons = status["stats"], status["reasons"]
        self.facts.lives, self.facts.killed = 1 + self.kedge.restarts, bool(self.kedge.killed)
        self.kedge.drain()

    def judge(self, clients):
        app = oracle.AppLog(self.app.lines())
        access = oracle.AccessLog(self.access.read_text().splitlines())
        verdict = oracle.Verdict(clients.results, app, access, self.facts)
        faults = clients.wrong + verdict.judge()
        print(self.summary(clients, app, access), flush=True)
        if faults:
            raise Failed(self.report(faults, clients.results, app, access))

    def summary(self, clients, app, access):
        got = {}
        for r in clients.results.values():
            key = f"own {r.status}" if r.got == "own" else r.got
            got[key] = got.get(key, 0) + 1
        return (f"chaos: seed {self.seed}: {self.mood}{', peername' if self.facts.shown else ''}, {' '.join(sorted(self.kinds)) or 'nothing happens'}; "
                f"{len(self.schedule)} events, {clients.connections} connections, {len(clients.results)} requests, "
                f"{len(app.seen)} seen, {len(access.rows)} lines, {1 + self.kedge.restarts} lives; "
                f"clients got {got}; {self.spliced()}{({k: v for k, v in self.facts.reasons.items() if v})}")

    def spliced(self):
        stats = self.facts.stats
        return f"spliced {stats['splice_up_bytes']} up, {stats['splice_down_bytes']} down; " if SPLICE else ""

    def report(self, faults, results, app, access):
        lines = ["what happened (times of a run are monotonic):"]
        lines += [f"  {begin:.3f} to {end:.3f} {kind}" for kind, begin, end in self.facts.windows]
        lines += [f"the run began at {self.begin:.3f}, its schedule:"] + [f"  {e}" for e in self.schedule]
        for name, text in faults[:5]:
            lines += [f"FAULT {name}: {text}", oracle.about(name, results, app, access) if name else ""]
        if len(faults) > 5:
            lines += [f"and {len(faults) - 5} more:"] + [f"  {name}: {text}" for name, text in faults[5:30]]
        return "\n".join(lines)

    def close(self):
        self.after_claim()
        self.network.mend()
        self.app.end(signal.SIGKILL)
        self.kedge.kill()


class Failed(AssertionError):
    """A run in which something did not hold."""


def possible():
    """(kinds that this machine can do, [why not] for the others)."""
    cannot = Network.missing()
    return {*events.KINDS, "vanish"} - set(cannot), [f"{kind}: {why}" for kind, why in cannot.items()]


def once(seed, seconds, kinds, combination, certs, cgroup, threads=THREADS):
    """A run: raises what did not hold, with the command that plays it again."""
    if not (combination.edit or combination.bypass):
        kinds = kinds - {"agent"}
    print(f"chaos: seed {seed}, {combination}: again with {command(seed, seconds, kinds, combination)}", flush=True)
    with tempfile.TemporaryDirectory(prefix=f"kedge-test-{os.getpid()}-chaos-") as base:
        run = Run(seed, seconds, kinds, combination, Path(base), certs, cgroup)
        run.threads = threads
        try:
            clients = run.play()
            run.end()
            run.judge(clients)
        except BaseException:
            print(run.kedge.log())
            print(f"chaos: FAILED: play it again: {command(seed, seconds, kinds, combination)}", flush=True)
            raise
        finally:
            run.close()


def command(seed, seconds, kinds, combination):
    return (f"tests/chaos/chaos.py --seed {seed} --seconds {seconds:g} --events {','.join(sorted(kinds)) or 'none'} "
            f"--with {combination}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=10, help="how long things happen")
    parser.add_argument("--events", help="kinds, with commas between; none; by default what the seed says")
    parser.add_argument("--with", dest="combination", help="such as record_user-edit_kernel-bypass; by default most")
    parser.add_argument("--runs", type=int, default=1, help="so many seeds, from this one on")
    parser.add_argument("--threads", type=int, default=THREADS, help="clients")
    parser.add_argument("--list", action="store_true", help="print the schedule only")
    return parser.parse_args()


def combination_of(name):
    probed = kedge_module.probe()
    able = [c for c in kedge_module.ALL if not c.missing(probed)]
    found = [c for c in able if name in (None, str(c))]
    if not found:
        sys.exit(f"{name}: this machine has only {' '.join(map(str, able))}")
    return found[-1]


def play(asked, seed, can):
    """False: it failed."""
    kinds = events.kinds_of(seed, can) if not asked.events else set(asked.events.split(",")) & can
    group = machine.Cgroup()
    with tempfile.TemporaryDirectory(prefix=f"kedge-test-{os.getpid()}-certs-") as base:
        try:
            once(seed, asked.seconds, kinds, combination_of(asked.combination), Certs(base), group, asked.threads)
            return True
        except Failed as failed:
            print(failed)
        except (AssertionError, OSError, RuntimeError):
            traceback.print_exc()
        finally:
            group.remove()
    return False


def main():
    asked = arguments()
    if asked.list:
        every = {*events.KINDS, "vanish"}
        kinds = events.kinds_of(asked.seed, every) if not asked.events else set(asked.events.split(","))
        print(*events.schedule(asked.seed, asked.seconds, kinds), sep="\n")
        return
    can, cannot = possible()
    for why in cannot:
        print(f"skipped: {why}")
    good = [play(asked, seed, can) for seed in range(asked.seed, asked.seed + asked.runs)]
    print(f"chaos: {sum(good)} passed, {len(good) - sum(good)} failed, {len(cannot)} skipped")
    sys.exit(not all(good))


if __name__ == "__main__":
    own_network()
    main()
