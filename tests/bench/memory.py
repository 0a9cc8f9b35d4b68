#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
make membench: memory for each idle TLS connection after its handshake and one request, kedge beside nginx and
haproxy: user space natively; and in a guest with kernel TLS, where nobody else moves it, also the kernel's slab, by
cache. Writes docs/bench/memory.md and .json, or to BENCH_OUT.

CONNECTIONS    default 1000
KERNELS        of the guests; default "6.12"; "none" for no guest
BENCH_PEERS, BENCH_KEDGE, BENCH_ROUNDS (natively, default 3; 0: not natively) as for make bench
"""
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib"), str(Path(__file__).resolve().parent)]
os.environ.setdefault("KEDGE_BIN", str(Path(__file__).resolve().parents[2] / "build/kedge"))

import certs as certs_module  # noqa: E402
import guest  # noqa: E402
import guest_run  # noqa: E402
import machine  # noqa: E402
import memory_report  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import slab  # noqa: E402
from stand import LOAD, Stand  # noqa: E402
from verify import verify  # noqa: E402

# Opened and closed before the measurement, so that pools have their first blocks.
WARM = 60
# So long after the last request they are idle. By then kedge's clients have given up their connections to the backend.
IDLE_S = 7
WHO = "nginx haproxy kedge*"


def user_kb(pids):
    """
    Anonymous memory. The proportional set size would shrink when the load client starts, because it maps the
    same libraries.
    """
    return sum(int(re.search(r"^Anonymous: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
               for pid in pids)


class Held:
    """Idle connections, opened one by one, for as long as this context lasts."""

    def __init__(self, port, count):
        argv = [LOAD, "--port", port, "--mode", "idle", "--connections", count, "--size", 100]
        self.popen = subprocess.Popen([str(w) for w in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        if self.popen.stdout.readline() != b"idle\n":
            raise RuntimeError(f"the load client ended with {self.popen.wait()}")
        time.sleep(IDLE_S)
        return self

    def __exit__(self, *_):
        self.popen.stdin.close()
        self.popen.wait()
        self.popen.stdout.close()


def run_of(user_kb_before, user_kb_with, count):
    """Bytes of user space a connection, and kilobytes of it before the first one."""
    return {"user": (user_kb_with - user_kb_before) * 1024 / count, "user_before_kb": user_kb_before}


def with_slab(run, caches):
    return {**run, "caches": caches, "used": slab.total(caches, 1), "pages": slab.total(caches, 2)}


def measure_native(stand, count):
    port = stand.proxy.address[1]
    with Held(port, WARM):
        pass
    time.sleep(1.5)  # it frees what it frees
    user = user_kb(stand.proxy.pids())
    with Held(port, count):
        return run_of(user, user_kb(stand.proxy.pids()), count)


def native(who, count, rounds, certs):
    """{peer: [the run of each round]}. Each round starts a new proxy."""
    found = {peer.name: [] for peer in who}
    for _ in range(rounds):
        for peer in who:
            stand = Stand(peer, certs)
            try:
                verify(stand, certs, sizes=(100,))
                found[peer.name].append(measure_native(stand, count))
            finally:
                stand.stop()
    return found


def in_guest(label, who, count, certs):
    """The same by guest/lib.sh, once, because such a guest repeats exactly."""
    with guest.Image(label) as image:
        plan = guest_run.plan_for(image, who, certs, lambda peer: [f"hold {WARM} {count}"])
        image.make(plan)
        lines = guest.Guest(image).run()
    found, slabs = {}, {}
    for line in lines:
        if line.startswith("slab "):
            _, name, when, row = line.split(" ", 3)
            slabs.setdefault((name, when), []).append(row)
        elif line.startswith("memory "):
            name, user, user_with = line.split()[1:]
            before, after = (slab.parse("\n".join(slabs[name, when])) for when in ("before", "with"))
            found[name] = [with_slab(run_of(int(user), int(user_with), count), slab.grown(before, after, count))]
    guest_run.check_kernel_tls(lines)
    return found


def main():
    machine.need_cgroup()
    machine.remove_stale()
    count = int(os.environ.get("CONNECTIONS") or 1000)
    patterns = os.environ.get("BENCH_PEERS") or WHO
    binaries = peers.kedge_binaries(os.environ.get("BENCH_KEDGE") or "build/kedge")
    who = peers.chosen(peers.other_peers() + peers.kedge_peers(binaries)[0], patterns)
    everyone = peers.chosen(guest_run.everyone(binaries), patterns)
    kernels = (os.environ.get("KERNELS") or "6.12").split()
    results = {}
    with tempfile.TemporaryDirectory(prefix="kedge-membench-") as base:
        Path(base).chmod(0o755)
        certs = certs_module.Certs(base)
        around = report.surroundings(who)
        rounds = int(os.environ.get("BENCH_ROUNDS") or 3)
        if rounds:
            results[f"Natively, Linux {around['kernel']}"] = native(who, count, rounds, certs)
        for label in (k for k in kernels if k != "none"):
            results[f"In a guest, {guest.fetch(label)}"] = in_guest(label, everyone, count, certs)
    data = {**around, "connections": count, "results": results}
    text = memory_report.text(data)
    print(text)
    whole = not os.environ.get("BENCH_PEERS") and count == 1000 and rounds
    report.write("memory", text, data, report.DOCS if whole else None)


if __name__ == "__main__":
    main()
