#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
make bench-profile: where one proxy spends its time in one case: WHO=nginx, kedge+edit+bypass, ... CASE=get1k.

Natively perf samples time. If the processor's counters are missing, kernel functions are rough, because samples by a
timer gather where interrupts are enabled again. With KERNEL=6.12 (a label of vmtest/kernels) a guest with kernel TLS
counts instructions exactly, by kernel function. TOP=40 lines.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib"), str(Path(__file__).resolve().parent)]
os.environ.setdefault("KEDGE_BIN", str(Path(__file__).resolve().parents[2] / "build/kedge"))

import cases  # noqa: E402
import certs as certs_module  # noqa: E402
import guest  # noqa: E402
import guest_run  # noqa: E402
import machine  # noqa: E402
import peers  # noqa: E402
from stand import LOAD, Stand  # noqa: E402

TOP = int(os.environ.get("TOP") or 40)


def by_perf(peer, case, certs, base):
    stand = Stand(peer, certs)
    try:
        pids = ",".join(map(str, stand.proxy.pids()))
        data = Path(base) / "perf.data"
        # Several times as long as a run of the benchmark: perf takes only a sample each quarter of a millisecond.
        load = [str(LOAD), "--port", str(stand.proxy.address[1]), *cases.words(case, case.requests * 5)]
        subprocess.run(["perf", "record", "-q", "-F", "3999", "-g", "-o", data, "-p", pids, "--", *load],
                       check=True, stdout=subprocess.DEVNULL)
        for sort in ("dso", "dso,symbol"):
            done = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none",
                                   "--percent-limit", "0.3", "--sort", sort],
                                  check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
            print("\n".join(line.rstrip() for line in lines[:TOP]) + "\n")
    finally:
        stand.stop()


def in_guest(label, peer, case, certs):
    counted, symbols = guest.addresses(label), guest.symbols(label)
    with guest_run.bench_image(label, [peer], [case], certs) as image:
        run = guest.Guest(image, 1, counted, symbols, TOP)
        run.run()
        (window,) = run.windows()
    total = sum(window[who][mode] for who in ("load", "backend", "other") for mode in ("user", "kernel"))
    print(f"{total / case.requests:.0f} instructions a request; in user space: "
          + ", ".join(f"{who} {window[name]['user'] / total:.1%}" for name, who in
                      (("other", peer.name), ("load", "client"), ("backend", "backend"))))
    print("in the kernel, for all of them:")
    for name, count in window["functions"]:
        print(f"{count / total:7.2%} {count / case.requests:10.1f}  {name}")


def main():
    machine.need_cgroup()
    machine.remove_stale()
    label = os.environ.get("KERNEL")
    binaries = peers.kedge_binaries(os.environ.get("BENCH_KEDGE") or "build/kedge")
    everyone = (guest_run.everyone(binaries) if label
                else peers.other_peers() + peers.kedge_peers(binaries)[0])
    (peer,) = peers.chosen(everyone, os.environ.get("WHO") or "kedge")
    name = os.environ.get("CASE") or "get1k"
    (case,) = cases.chosen(cases.GUEST if label else cases.NATIVE, name)
    with tempfile.TemporaryDirectory(prefix="kedge-bench-") as base:
        Path(base).chmod(0o755)
        certs = certs_module.Certs(base)
        if label:
            in_guest(label, peer, case, certs)
        else:
            by_perf(peer, case, certs, base)


if __name__ == "__main__":
    main()
