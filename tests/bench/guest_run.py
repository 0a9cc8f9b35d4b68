# SPDX-License-Identifier: BSD-2-Clause
"""Runs the proxies in a guest, one after the other, and reads the results."""
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import cases as cases_module
import guest
import kedge as kedge_module
import machine
import peers

BACKEND, PROXY_PORT = ("127.0.0.1", 9000), 9443  # as in guest/lib.sh
# Caddy would double the image.
OTHERS = ("nginx", "haproxy", "hitch")
# The kernel's clock and the plugin switch tasks at slightly different moments.
SWITCH_INSTRUCTIONS = 500
# With a larger share of the time between the marks the guest has waited for a timer.
IDLE_MAX = 0.005


def everyone(binaries):
    """Every kernel of the guests has all that kedge can use."""
    others = [p for p in peers.other_peers() if p.name.split("-")[0] in OTHERS]
    ours = [peers.Peer(peers.kedge_name(label, combination), binary=binary, combination=combination)
            for label, binary in binaries.items() for combination in kedge_module.ALL]
    return others + peers.with_shared(ours)


def kedge_command(program, peer, base):
    return [program, "run", "--listen", f"127.0.0.1:{PROXY_PORT}", "--cert", f"{base}/ec-cert.pem",
            "--key", f"{base}/ec-key.pem", "--app", f"{BACKEND[0]}:{BACKEND[1]}", "--workers", "1",
            "--pin", "off", "--control", "off", "--cgroup", "/sys/fs/cgroup/bench", *peer.combination.flags(),
            *(["--app-reuse", "shared"] if peer.shared else [])]


def install(image, peer, certs):
    """Puts a peer into the image. Returns the command that starts it there."""
    if not peer.ours and peer.program.root:
        return install_root(image, peer, certs)
    base = image.bench / peer.name
    base.mkdir()
    base.chmod(0o777)
    if peer.ours:
        for file in (certs.ec.cert, certs.ec.key):
            shutil.copy(file, base)
        seen = f"/bin/{peer.name.split('+')[0]}"
        image.programs[peer.binary] = seen
        return kedge_command(seen, peer, f"/bench/{peer.name}")
    command = peer.program.install(base, certs.ec, PROXY_PORT, BACKEND, f"/bench/{peer.name}")
    path = Path(peers.find_program(command[0]))
    # One of ours gets another path: the guest has other files at the path of the build.
    seen = f"/bin/{path.name}" if path.is_relative_to(machine.ROOT) else str(path)
    image.programs[path] = seen
    return [seen, *command[1:]]


def install_root(image, peer, certs):
    """A program with its own libraries gets a root of its own in the guest, /new."""
    root, new = peer.program.root, image.tree / "new"
    base = new / "bench" / peer.name
    base.mkdir(parents=True)
    base.chmod(0o777)
    command = peer.program.install(base, certs.ec, PROXY_PORT, BACKEND, f"/bench/{peer.name}")
    path = subprocess.run(["chroot", root, "sh", "-c", f"command -v {command[0]}"], check=True,
                          capture_output=True, text=True).stdout.strip()
    linked = subprocess.run(["chroot", root, "ldd", path], check=True, capture_output=True, text=True).stdout
    for file in [path, "/etc/passwd", "/etc/group", *re.findall(r"(/\S+) \(0x", linked)]:
        (new / file[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file[1:], new / file[1:])
    for name in ("dev", "run", "tmp"):
        (new / name).mkdir(exist_ok=True)
    return ["chroot", "/new", path, *command[1:]]


def plan_for(image, who, certs, steps):
    """The plan in which each peer is started, steps(peer) are taken, and it is stopped."""
    for name in ("load", "backend"):
        image.programs[machine.ROOT / "build/bench" / name] = f"/bin/{name}"
    plan = [". /bench/lib.sh", "set_up"]
    for peer in who:
        plan.append(shlex.join(["start_proxy", peer.name, *map(str, install(image, peer, certs))]))
        plan += [*steps(peer), "stop_proxy"]
    return "\n".join(plan) + "\n"


def bench_image(label, who, chosen, certs):
    """An image that measures every peer in every case. A context manager."""
    image = guest.Image(label)
    steps = [shlex.join(["measure", case.name, *cases_module.words(case)]) for case in chosen]
    image.make(plan_for(image, who, certs, lambda peer: steps))
    return image


def figures_of_window(answer, counts):
    """Instructions a request, from the client's output and the plugin's counts."""
    n, other = answer["requests"], counts["other"]
    unsure = SWITCH_INSTRUCTIONS * counts["switches"]
    if other["user"] + other["kernel"] < 0.98 * answer["cpu_ns"]["proxy"] - unsure:
        raise RuntimeError(f"the proxy ran longer than everybody but client and backend: {answer} {counts}")
    ran = sum(counts[who][mode] for who in ("load", "backend", "other") for mode in ("user", "kernel"))
    return {
        "whole": answer["wall_ns"] / n,  # with the clock at an instruction a nanosecond
        "proxy": answer["cpu_ns"]["proxy"] / n,
        "proxy_user": other["user"] / n,
        "crypto": sum(counts[who][f"{mode}_crypto"] for who, mode in
                      (("other", "user"), ("other", "kernel"), ("backend", "kernel"), ("load", "kernel"))) / n,
        "syscalls": other["syscalls"] / n,
        "all_syscalls": sum(counts[who]["syscalls"] for who in ("load", "backend", "other")) / n,
        "switches": counts["switches"] / n,
        "idle": 1 - ran / answer["wall_ns"],
    }


def figures_of(image, seed, counted):
    """Runs the image with one seed: {peer: {case: figures}}."""
    run = guest.Guest(image, seed, counted)
    lines = run.run()
    results = [line.split(" ", 3)[1:] for line in lines if line.startswith("result ")]
    windows = run.windows()
    if len(results) != len(windows):
        raise RuntimeError(f"{len(results)} results, but {len(windows)} windows were counted")
    found = {}
    for (peer, case, answer), counts in zip(results, windows, strict=True):
        found.setdefault(peer, {})[case] = figures_of_window(json.loads(answer), counts)
    check_kernel_tls(lines)
    return found


def check_kernel_tls(lines):
    """Checks that kernel TLS carried the connections of exactly the proxies that should use it."""
    before = [0, 0]
    for line in (line.split() for line in lines if line.startswith("tls ")):
        name, (tx, rx, bad) = line[1], map(int, line[2:])
        grew = tx > before[0], rx > before[1]
        if grew != ("+record" in name,) * 2 or bad:
            raise RuntimeError(f"{name}: kernel TLS: {tx} sending and {rx} receiving sockets after {before}, "
                               f"{bad} records could not be decrypted")
        before = [tx, rx]


def stalls(results):
    """A line for each measured window that waited for a timer."""
    return [f"{label}: {peer}: {case}: idle for {max(f['idle'] for f in runs):.1%} of the time"
            for label, by_peer in results.items() for peer, by_case in by_peer.items()
            for case, runs in by_case.items() if max(f["idle"] for f in runs) > IDLE_MAX]
