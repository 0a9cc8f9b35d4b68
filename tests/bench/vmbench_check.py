#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
make vmbench-check: a short make vmbench, compared with tests/bench/baseline.json. Fails if kedge takes more instructions
for a request than the baseline by more than 3 % (small), 2 % (bulk) or 0.5 % (handshakes), or if a guest waited for a
timer inside a measured window. --write makes the numbers of this run the baseline.

The baseline is for one series of QEMU, kernel and OpenSSL. With others the check says so and skips the comparison.
"""
import dataclasses
import json
import re
import ssl
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib"), str(Path(__file__).resolve().parent)]

import cases  # noqa: E402
import certs as certs_module  # noqa: E402
import figures  # noqa: E402
import guest  # noqa: E402
import guest_report  # noqa: E402
import guest_run  # noqa: E402
import machine  # noqa: E402
import peers  # noqa: E402

BASELINE = Path(__file__).resolve().parent / "baseline.json"
LABEL, SEEDS = "6.12", (1, 2, 3)
# Fewer handshakes than in the report: they are slow, and hardly vary.
CASES = [dataclasses.replace(c, requests=64, warm=32) if c.mode == "new" else c
         for c in cases.chosen(cases.GUEST, "get1k get64k handshake")]
PEERS = "kedge kedge+record+edit+bypass"
LIMITS = {"small": 0.03, "bulk": 0.02, "handshake": 0.005}
# The whole guest, because the kernel works for a proxy in every task. Most of a handshake is arithmetic of the
# client: there only the proxy's share counts.
METRICS = {"small": "whole", "bulk": "whole", "handshake": "proxy"}


def series(version):
    return ".".join(version.split(".")[:2])


def surroundings():
    """What the counts depend on besides kedge."""
    kernel = re.search(r"linux-image-(\d+\.\d+)", guest.fetch(LABEL))[1]
    openssl = re.search(r"OpenSSL (\d+\.\d+)", ssl.OPENSSL_VERSION)[1]
    return {"qemu": series(guest.qemu_version()), "kernel": kernel, "openssl": openssl, "cpu": guest.CPU}


def measure(chosen, who):
    with tempfile.TemporaryDirectory(prefix="kedge-vmbench-") as base:
        with guest_run.bench_image(LABEL, who, chosen, certs_module.Certs(base)) as image, \
                ThreadPoolExecutor(2) as pool:
            counted = guest.addresses(LABEL)
            each = list(pool.map(lambda seed: guest_run.figures_of(image, seed, counted), SEEDS))
    return {p.name: {c.name: [one[p.name][c.name] for one in each] for c in chosen} for p in who}


def medians(found, chosen):
    return {name: {c.name: round(guest_report.median(by_case[c.name], METRICS[c.group])) for c in chosen}
            for name, by_case in found.items()}


def compare(now, then, chosen):
    """One line a figure: (good, text)."""
    for name, by_case in now.items():
        for case in chosen:
            more = figures.change(by_case[case.name], then[name][case.name])
            limit = LIMITS[case.group]
            yield more <= limit, (f"{name}: {case.name}: {by_case[case.name]} instructions a request, "
                                  f"{more:+.2%} of {then[name][case.name]} (limit {limit:+.1%})")


def main():
    chosen = CASES
    who = peers.chosen(guest_run.everyone({"kedge": machine.ROOT / "build/kedge"}), PEERS)
    found = measure(chosen, who)
    now, around = medians(found, chosen), surroundings()
    if "--write" in sys.argv[1:]:
        BASELINE.write_text(json.dumps({"surroundings": around, "instructions": now}, indent=1) + "\n")
        print(f"written: {BASELINE}")
    stalls = guest_run.stalls({LABEL: found})
    baseline = json.loads(BASELINE.read_text())
    lines, skipped = [], 0
    if baseline["surroundings"] == around:
        lines = list(compare(now, baseline["instructions"], chosen))
    else:
        skipped = len(chosen) * len(who)
        print(f"skipped {skipped}: the baseline is of {baseline['surroundings']}, this is {around}")
    for good, text in lines:
        print(("ok      " if good else "FAILED  ") + text)
    for line in stalls:
        print("FAILED  " + line)
    failed = sum(not good for good, _ in lines) + len(stalls)
    # The checks for stalls and for kernel TLS have already run.
    passed = sum(good for good, _ in lines) + (not stalls)
    print(f"vmbench-check: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
