#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
make bench: kedge beside other proxies on this machine: same certificate, cipher, client and backend, one
worker each unless told otherwise, interleaved rounds. Writes docs/bench/native.md, .json and .svg, or to BENCH_OUT.

BENCH_CASES, BENCH_PEERS   names or patterns, for some of them ("get1k*", "nginx kedge+edit+bypass")
BENCH_KEDGE                "[LABEL=]BINARY ..." several kedges in one run, compared with each other
BENCH_WORKERS              "1 2": kedge with each of so many, the second under the name "kedge@2"; default 1
BENCH_ROUNDS               default 5
PEERS=new                  the newest nginx, HAProxy and hitch of Debian as well
BENCH_SCALE                multiplies the number of requests
BENCH_CALLS                1: counts system calls also where not everything is measured
A run that does not measure everything writes a report only with BENCH_OUT.
"""
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib"), str(Path(__file__).resolve().parent)]
os.environ.setdefault("KEDGE_BIN", str(Path(__file__).resolve().parents[2] / "build/kedge"))

import cases  # noqa: E402
import certs as certs_module  # noqa: E402
import figures  # noqa: E402
import kedge as kedge_module  # noqa: E402
import machine  # noqa: E402
import native_report  # noqa: E402
import peers  # noqa: E402
import syscalls  # noqa: E402
from stand import Stand  # noqa: E402
from verify import verify  # noqa: E402


def say(text):
    print(text, flush=True)


def chosen_peers():
    """The chosen peers, and {name: why} of those that this machine cannot have."""
    ours, missing = peers.kedge_peers(peers.kedge_binaries(os.environ.get("BENCH_KEDGE") or "build/kedge"),
                                      [int(n) for n in os.environ.get("BENCH_WORKERS", "1").split()])
    patterns = os.environ.get("BENCH_PEERS", "")
    others = peers.other_peers()
    record = kedge_module.probe()["record"]
    if record:
        missing.update({p.name: f"record: {record}" for p in others if p.program.record})
        others = [p for p in others if not p.program.record]
    return (peers.chosen(others + ours, patterns),
            {name: why for name, why in missing.items() if peers.wanted(name, patterns)})


class Native:
    def __init__(self, chosen, stands, rounds, scale):
        self.cases, self.stands, self.rounds, self.scale = chosen, stands, rounds, scale
        self.runs = {case.name: {s.peer.name: [] for s in stands} for case in chosen}
        self.rates = {}
        self.calls = {}

    def requests(self, case):
        return max(int(case.requests * self.scale), case.connections)

    def calibrate(self):
        """For cases at a fixed load: the highest rate of the best other proxy."""
        others = [s for s in self.stands if not s.peer.ours] or self.stands
        for case in (c for c in self.cases if c.load):
            rates = {s.peer.name: statistics.median(
                figures.of_run(s.run(case, self.requests(case)))["rate"] for _ in range(3))
                for s in others}
            name = max(rates, key=rates.get)
            self.rates[case.name] = rates[name] * case.load
            say(f"{case.name}: {self.rates[case.name]:.0f} requests/s, {case.load:.0%} of {name}'s rate")

    def round(self, number):
        for case in self.cases:
            # No peer is always the first after a pause, or always behind the same neighbour.
            shift = number % len(self.stands)
            for stand in self.stands[shift:] + self.stands[:shift]:
                answer = stand.run(case, self.requests(case), self.rates.get(case.name))
                self.runs[case.name][stand.peer.name].append(figures.of_run(answer))

    def count_calls(self):
        """Not during the rounds, because counting costs time."""
        for case in (c for c in self.cases if c.calls):
            self.calls[case.name] = {s.peer.name: syscalls.count(s, case, max(self.requests(case) // 4, 1))
                                     for s in self.stands}

    def run(self):
        self.calibrate()
        for number in range(self.rounds):
            began = time.monotonic()
            self.round(number)
            say(f"round {number + 1} of {self.rounds}: {time.monotonic() - began:.0f} s")


def main():
    machine.need_cgroup()
    machine.remove_stale()
    chosen = cases.chosen(cases.NATIVE, os.environ.get("BENCH_CASES", ""))
    who, missing = chosen_peers()
    for why in dict.fromkeys(missing.values()):
        say(f"left out: {', '.join(n for n, w in missing.items() if w == why)}: {why}")
    rounds = int(os.environ.get("BENCH_ROUNDS") or 5)
    whole = len(chosen) == len(cases.NATIVE) and not any(map(os.environ.get, ("BENCH_PEERS", "BENCH_WORKERS")))
    # Each stand is ended, even after a failure.
    with tempfile.TemporaryDirectory(prefix="kedge-bench-") as base, contextlib.ExitStack() as ends:
        Path(base).chmod(0o755)
        certs = certs_module.Certs(base)
        stands = []
        for peer in who:
            stands.append(Stand(peer, certs))
            ends.callback(stands[-1].stop)
            verify(stands[-1], certs)
        say(f"{len(who)} proxies answer as they should: {', '.join(p.name for p in who)}")
        bench = Native(chosen, stands, rounds, float(os.environ.get("BENCH_SCALE") or 1))
        bench.run()
        if whole or os.environ.get("BENCH_CALLS"):
            bench.count_calls()
    native_report.write(bench, who, missing, whole)


if __name__ == "__main__":
    main()
