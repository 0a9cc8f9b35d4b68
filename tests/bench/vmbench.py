#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
make vmbench: instructions a request, counted in a guest with kernel TLS; kedge beside nginx, haproxy and hitch in the
same guest. Writes docs/bench/guest.md and .json, or to BENCH_OUT.

KERNELS                    labels of vmtest/kernels; default "6.12 7.x"
SEEDS                      default 3: runs that differ only in the seed of all random numbers
BENCH_CASES, BENCH_PEERS   names or patterns, for some of them; then a report is written only with BENCH_OUT
BENCH_KEDGE                "[LABEL=]BINARY ..."
"""
import concurrent.futures
import os
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib"), str(Path(__file__).resolve().parent)]

import cases  # noqa: E402
import certs as certs_module  # noqa: E402
import guest  # noqa: E402
import guest_report  # noqa: E402
import guest_run  # noqa: E402
import peers  # noqa: E402

JOBS = 2


def measure(label, who, chosen, seeds, certs):
    """{peer: {case: [figures of each seed]}}"""
    counted = guest.addresses(label)
    with guest_run.bench_image(label, who, chosen, certs) as image, \
            concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        each = list(pool.map(lambda seed: guest_run.figures_of(image, seed, counted), seeds))
    return {peer.name: {case.name: [one[peer.name][case.name] for one in each] for case in chosen}
            for peer in who}


def main():
    chosen = cases.chosen(cases.GUEST, os.environ.get("BENCH_CASES", ""))
    binaries = peers.kedge_binaries(os.environ.get("BENCH_KEDGE") or "build/kedge")
    who = peers.chosen(guest_run.everyone(binaries), os.environ.get("BENCH_PEERS", ""))
    seeds = range(1, int(os.environ.get("SEEDS") or 3) + 1)
    results = {}
    with tempfile.TemporaryDirectory(prefix="kedge-vmbench-") as base:
        certs = certs_module.Certs(base)
        for label in (os.environ.get("KERNELS") or "6.12 7.x").split():
            print(f"{label}: {guest.fetch(label)}: {len(who)} proxies, {len(chosen)} cases, "
                  f"{len(seeds)} seeds", flush=True)
            results[label] = measure(label, who, chosen, seeds, certs)
    whole = len(chosen) == len(cases.GUEST) and not os.environ.get("BENCH_PEERS")
    guest_report.write(results, chosen, who, seeds, whole)


if __name__ == "__main__":
    main()
