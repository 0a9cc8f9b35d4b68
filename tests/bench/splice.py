#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
make bench-splice: kedge with `splice: on` beside the same kedge that copies: instructions in guests with kernel TLS,
and interleaved rounds on this machine, without TLS. Writes docs/bench/splice.md and .json, or to BENCH_OUT.

KERNELS        labels of vmtest/kernels; default "6.12 7.x"
SEEDS          default 3
BENCH_ROUNDS   default 9
BENCH_SCALE    multiplies the number of requests of the rounds
"""
import contextlib
import dataclasses
import datetime
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib"), str(Path(__file__).resolve().parent)]
os.environ.setdefault("KEDGE_BIN", str(Path(__file__).resolve().parents[2] / "build/kedge"))

import certs as certs_module  # noqa: E402
import guest  # noqa: E402
import guest_run  # noqa: E402
import machine  # noqa: E402
import mover_report  # noqa: E402
import native  # noqa: E402
import native_report  # noqa: E402
import peers  # noqa: E402
import perf_stat  # noqa: E402
import report  # noqa: E402
import vmbench  # noqa: E402
from cases import KB, MB, Case  # noqa: E402
from guest_report import DOCS  # noqa: E402
from stand import Stand  # noqa: E402
from verify import verify  # noqa: E402

KEDGE = machine.ROOT / "build/kedge"


@dataclasses.dataclass(frozen=True)
class Engine:
    """Takes the place of a peers.Program: how to run kedge."""
    splice: bool
    record: bool = False
    edit: bool = False
    adds_xff: bool = True
    root: Path = None
    env: tuple = ()
    version: tuple = (str(KEDGE), "--version")

    def install(self, base, leaf, port, backend, seen=None):
        """As peers.Program.install(): returns the command. With TLS it puts the certificate into `base`."""
        def policy(on):
            return "require" if on else "off"
        command = [KEDGE, "run", "--app", f"{backend[0]}:{backend[1]}", "--workers", "1", "--pin", "off", "--control", "off",
                   "--record", policy(self.record), "--edit", policy(self.edit), "--bypass", "off",
                   "--listen", f"127.0.0.1:{port}", "--tls", "on" if self.record else "off",
                   "--splice", "on" if self.splice else "off"]
        if self.record:
            for option, source in (("--cert", leaf.cert), ("--key", leaf.key)):
                shutil.copy(source, base)  # with its mode: kedge takes no key that everybody may read
                command += [option, Path(seen or base) / source.name]
        return [str(word) for word in command]


def both(suffix, **how):
    return [peers.Peer(name + suffix, program=Engine(name == "splice", **how)) for name in ("copy", "splice")]


CLEAR = both("")
RECORD = both("+record", record=True) + both("+record+edit", record=True, edit=True)


def reference(name):
    return name.replace("splice", "copy")


def cases(plain=True):
    found = [Case("get64k", "64 KB", 4000, size=64 * KB, group="bulk"),
             Case("get256k", "256 KB", 1500, size=256 * KB, group="bulk"),
             Case("get1m", "1 MB", 500, size=MB, group="bulk"),
             Case("post1m", "1 MB upload", 400, upload=MB, group="bulk")]
    return [dataclasses.replace(case, plain=plain, calls=True) for case in found]


def guest_cases(plain):
    few = {"get64k": 200, "get256k": 100, "get1m": 64, "post1m": 64}
    return [dataclasses.replace(case, requests=few[case.name], warm=32) for case in cases(plain)]


def in_guest(label, seeds, certs):
    """{engine: {case: [figures of each seed]}}"""
    print(f"{label}: {guest.fetch(label)}: {len(seeds)} seeds", flush=True)
    clear, record = (vmbench.measure(label, who, guest_cases(plain), seeds, certs)
                     for who, plain in ((CLEAR, True), (RECORD, False)))
    return {**clear, **record}


def in_rounds(rounds, scale, certs):
    """A native.Native that has run, with its counts of system calls; and {case: {engine: cache misses a request}}."""
    with contextlib.ExitStack() as ends:
        stands = []
        for peer in CLEAR:
            stands.append(Stand(peer, certs))
            ends.callback(stands[-1].stop)
            verify(stands[-1], None)
        bench = native.Native(cases(), stands, rounds, scale)
        bench.run()
        bench.count_calls()
        misses = {case.name: {stand.peer.name: cache_misses(stand, case) for stand in stands} for case in cases()}
    return bench, misses


def cache_misses(stand, case):
    """Of the proxy, a request; None where the processor's counters cannot be read."""
    found = perf_stat.count(stand, case, case.requests, ["cache-misses"])["cache-misses"]
    return found if found is None else found / case.requests


def misses_text(misses):
    if any(n is None for by_engine in misses.values() for n in by_engine.values()):
        return "The processor's counters cannot be read on this machine, so its cache misses are not known.\n"
    rows = [f"| {case} | {by_engine['copy']:.0f} | {by_engine['splice']:.0f} |\n" for case, by_engine in misses.items()]
    return "".join(["Cache misses of the proxy a request:\n\n| case | copy | splice |\n|---|---|---|\n", *rows])


class Report:
    def __init__(self, guests, bench, misses, seeds):
        self.guests, self.bench, self.misses, self.seeds = guests, bench, misses, seeds
        self.native = native_report.NativeReport(native_report.data_of(bench, CLEAR, {}))

    def guests_text(self):
        parts = []
        for label, by_peer in self.guests.items():
            parts += [f"## Linux {guest.fetch(label)}\n\nThousands of instructions a request.\n\n",
                      mover_report.guest_table(by_peer, guest_cases(True), reference, "of the copy, seed by seed"), "\n"]
        return "".join(parts + [f"- {line}\n" for line in guest_run.stalls(self.guests)])

    def native_text(self):
        a = self.native.data
        return "".join([
            f"## This machine: Linux {a['kernel']}, {a['cores']} cores of {a['cpu']}\n\n",
            f"{self.bench.rounds} rounds, without TLS.\n\n",
            "Divided by the copy, round by round: median (smallest to largest)\n\n",
            mover_report.round_table(self.bench, reference),
            "\nCPU of the proxy, microseconds a request: median (smallest to largest)\n\n",
            self.native.metric_table("proxy_us"), self.native.calls_text(), "\n", misses_text(self.misses)])

    def text(self):
        return "".join([
            "# Splicing bodies, and copying them\n\n", f"{datetime.date.today().isoformat()}. ",
            f"Made by `make bench-splice`, QEMU {guest.qemu_version()}, {len(self.seeds)} seeds.\n\n",
            (machine.ROOT / "tests/bench/splice-reading.md").read_text().split("\n", 1)[1], "\n", self.guests_text(), self.native_text()])

    def data(self):
        return {**self.native.data, "cache_misses": self.misses, "qemu": guest.qemu_version(), "cpu_of_guests": guest.CPU, "seeds": list(self.seeds),
                "guests": {label: {"package": guest.fetch(label), "engines": by_peer}
                           for label, by_peer in self.guests.items()}}


def main():
    machine.need_cgroup()
    machine.remove_stale()
    labels = os.environ.get("KERNELS", "6.12 7.x").split()
    seeds = range(1, int(os.environ.get("SEEDS") or 3) + 1)
    with tempfile.TemporaryDirectory(prefix="kedge-bench-") as base:
        Path(base).chmod(0o755)
        certs = certs_module.Certs(base)
        bench, misses = in_rounds(int(os.environ.get("BENCH_ROUNDS") or 9), float(os.environ.get("BENCH_SCALE") or 1), certs)
        guests = {label: in_guest(label, seeds, certs) for label in labels}
    made = Report(guests, bench, misses, seeds)
    text = made.text()
    print(text)
    report.write("splice", text, made.data(), DOCS)


if __name__ == "__main__":
    main()
