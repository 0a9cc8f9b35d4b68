#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
make bench-mover: a relay by epoll, like kedge's mover, beside one by io_uring: instructions in guests, in the clear
and with kernel TLS, interleaved rounds on this machine, and the behaviour of io_uring's calls on kedge's sockets.
Writes docs/bench/mover.md and .json, or to BENCH_OUT.

KERNELS        labels of vmtest/kernels; default "6.12 7.x"
SEEDS          default 3
BENCH_ROUNDS   default 9
BENCH_SCALE    multiplies the number of requests of the rounds
"""
import contextlib
import os
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib"), str(Path(__file__).resolve().parent)]
os.environ.setdefault("KEDGE_BIN", str(Path(__file__).resolve().parents[2] / "build/kedge"))

import certs as certs_module  # noqa: E402
import guest  # noqa: E402
import machine  # noqa: E402
import mover_report  # noqa: E402
import movers  # noqa: E402
import native  # noqa: E402
import vmbench  # noqa: E402
from stand import Stand  # noqa: E402
from verify import verify  # noqa: E402


def in_guest(label, seeds, certs):
    """{engine: {case: [figures of each seed]}}, of both in the clear and with kernel TLS."""
    print(f"{label}: {guest.fetch(label)}: {len(seeds)} seeds", flush=True)
    clear, record = (vmbench.measure(label, who, movers.cases(1000, 200, plain), seeds, certs)
                     for who, plain in ((movers.CLEAR, True), (movers.RECORD, False)))
    return {**clear, **record}


def in_rounds(rounds, scale, certs):
    """A native.Native that has run, with its counts of system calls."""
    with contextlib.ExitStack() as ends:
        stands = []
        for peer in movers.CLEAR:
            stands.append(Stand(peer, certs))
            ends.callback(stands[-1].stop)
            verify(stands[-1], None)
        bench = native.Native(movers.cases(20000, 4000), stands, rounds, scale)
        bench.run()
        bench.count_calls()
    return bench


def main():
    machine.need_cgroup()
    machine.remove_stale()
    labels = (os.environ.get("KERNELS") or "6.12 7.x").split()
    seeds = range(1, int(os.environ.get("SEEDS") or 3) + 1)
    with tempfile.TemporaryDirectory(prefix="kedge-bench-") as base:
        Path(base).chmod(0o755)
        certs = certs_module.Certs(base)
        bench = in_rounds(int(os.environ.get("BENCH_ROUNDS") or 9), float(os.environ.get("BENCH_SCALE") or 1), certs)
        facts = {"native": movers.native_facts(), **{label: movers.guest_facts(label) for label in labels}}
        guests = {label: in_guest(label, seeds, certs) for label in labels}
    mover_report.write(guests, bench, facts, seeds)


if __name__ == "__main__":
    main()
