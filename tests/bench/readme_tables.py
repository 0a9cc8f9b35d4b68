# SPDX-License-Identifier: BSD-2-Clause
"""The tables of README.md, from docs/bench/*.json. Pure, but for reading these files; by the rules of figures.py."""
import json
import re
import textwrap

import figures
import report
from guest_report import median

KERNEL = "6.12"
PROXIES = {"nginx": "nginx", "haproxy": "HAProxy", "hitch": "hitch"}
# What kedge does in the kernel, and the name of that in a guest.
IN_GUEST = {"kedge, nothing": "kedge", "edit, bypass": "kedge+edit+bypass", "record, edit, bypass": "kedge+record+edit+bypass"}
NATIVE = {"nothing": "kedge", "edit, bypass": "kedge+edit+bypass"}
TITLES = {"get100": "100 B", "get1k": "1 KB", "get16k": "16 KB", "get64k": "64 KB", "get1m": "1 MB", "post1m": "1 MB upload",
          "handshake": "full handshake, one request", "resume": "resumed handshake, one request"}
SHARED = "the same, `app-reuse: shared`"


def load(name):
    return json.loads((report.DOCS / f"{name}.json").read_text())


def short(version):
    return re.match(r"\d+(\.\d+)*", version)[0]


def kernel_version(package):
    return re.search(r"linux-image-(\d+\.\d+\.\d+)", package)[1]


def versions_text(data, names):
    return ", ".join(f"{PROXIES.get(name, name)} {short(data['versions'][name])}" for name in names)


def with_note(table, note):
    """The lines under a table say what it is, how far it varies, and of when it is."""
    return table + "\n" + textwrap.fill(note, 140) + "\n"


# --- instructions in a guest --------------------------------------------------------------------------

def guest_row(title, by_peer, case, ours):
    """One case: the others, and kedge with its ratio to the best of them."""
    whole = {name: median(by_case[case], "whole") for name, by_case in by_peer.items()}
    best = min(whole[name] for name in PROXIES)
    ratios = [figures.round_ratio(whole[name] / best) for name in ours]
    cells = []
    for name, ratio in zip(ours, ratios, strict=True):
        text = f"**{ratio:.2f}**" if ratio == min(ratios) < 1 else f"{ratio:.2f}"
        cells += [report.number(whole[name] / 1000), text + ", behind" * figures.behind(ratio, False)]
    return [title, *(report.number(whole[name] / 1000) for name in PROXIES), *cells]


def seeds_text(data):
    count = len(data["seeds"])
    if count > 1:
        return f"{count} seeds, of which each figure is the median."
    return "One seed. The same seed gives the same counts to the last digit, another moves them by up to 1 %."


def guest_block():
    data, shared = load("guest"), load("shared-guest")
    by_peer = data["kernels"][KERNEL]["peers"]
    rows = [guest_row(TITLES[case], by_peer, case, IN_GUEST.values()) for case in by_peer["kedge"] if case != "get100"]
    rows.append(guest_row(SHARED, shared["kernels"][KERNEL]["peers"], "resume",
                          [f"{name}+shared" for name in IN_GUEST.values()]))
    head = ["", *(f"{PROXIES[name]} {short(data['versions'][name])}" for name in PROXIES)]
    for title in IN_GUEST:
        head += [title, "ratio"]
    return with_note(report.table(head, rows),
                     f"Thousands of instructions a request, Linux {kernel_version(data['kernels'][KERNEL]['package'])}, "
                     f"{data['date']} (last row: {shared['date']}). {seeds_text(data)}")


# --- natively -----------------------------------------------------------------------------------------

def ratio_text(ratio, highest):
    text = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
    return text + ", behind" * figures.behind(ratio["median"], highest)


def native_row(title, peers, ours):
    """One case: the best peer in requests and in CPU, and kedge divided by it."""
    runs = {name: figures.runs_of(summary) for name, summary in peers.items()}
    others = [name for name in runs if not name.startswith("kedge")]
    best, cells = [], []
    for metric, highest in (("rate", True), ("proxy_us", False)):
        best.append(figures.best(runs, others, metric, highest))
        cells += [ratio_text(figures.ratio(runs[name], runs[best[-1]], metric), highest) for name in ours]
    return [title, ", ".join(PROXIES.get(name, name) for name in dict.fromkeys(best)), *cells]


def native_block():
    data, shared = load("native"), load("shared-native")
    rows = [native_row(TITLES[case], data["cases"][case]["peers"], NATIVE.values()) for case in TITLES]
    rows.append(native_row(SHARED, shared["cases"]["resume"]["peers"], [f"{name}+shared" for name in NATIVE.values()]))
    head = ["", "best peer", *(f"{what}, {title}" for what in ("requests/s", "CPU") for title in NATIVE)]
    others = [name for name in data["versions"] if not name.startswith("kedge")]
    return with_note(report.table(head, rows),
                     f"Median of {data['rounds']} rounds (smallest to largest); last row: {shared['rounds']} rounds. Two peers: the best "
                     f"in requests, and in CPU. {versions_text(data, others)}; {data['date']} (last row: {shared['date']}).")


# --- memory -------------------------------------------------------------------------------------------

MEMORY = {"nginx": "nginx", "haproxy": "HAProxy", "kedge": "kedge, nothing", "kedge+edit+bypass": "edit, bypass",
          "kedge+record+edit+bypass": "record, edit, bypass"}


def memory_row(title, found, key, suffix=""):
    """Bytes a connection, and for kedge how many times nginx's."""
    first, cells = median(found["nginx"], key), []
    for name in MEMORY:
        name += suffix if name.startswith("kedge") else ""
        if name not in found:
            cells.append("–")
            continue
        value = median(found[name], key)
        cells.append(f"{value:,.0f}" + (f" ({value / first:.2f})" if name.startswith("kedge") else ""))
    return [title, *cells]


def memory_block():
    data = load("memory")
    native, in_guest = (next(found for where, found in data["results"].items() if where.startswith(start))
                        for start in ("Natively", "In a guest"))
    where = next(where for where in data["results"] if where.startswith("In a guest"))
    rows = [memory_row("user space, natively", native, "user"), memory_row("user space, in a guest", in_guest, "user"),
            memory_row("kernel slab, in a guest: objects", in_guest, "used"),
            memory_row("kernel slab, in a guest: pages after a burst of new clients", in_guest, "pages"),
            memory_row("objects, `app-reuse: shared`", in_guest, "used", "+shared"),
            memory_row("pages, `app-reuse: shared`", in_guest, "pages", "+shared")]
    spread = max(max(run["user"] for run in runs) / min(run["user"] for run in runs) - 1
                 for name, runs in native.items() if name in MEMORY)
    rounds = len(native["nginx"])
    return with_note(report.table(["", *MEMORY.values()], rows),
                     f"Bytes for each of {data['connections']:,} idle connections; in brackets, how many times nginx's. Natively the "
                     f"median of {rounds} rounds, which differ by {100 * spread:.1f} % at most; in the guest (Linux "
                     f"{kernel_version(where)}) once, because it repeats exactly. {data['date']}.")


BLOCKS = {"guest": guest_block, "native": native_block, "memory": memory_block}


# --- the marks ----------------------------------------------------------------------------------------

def marks(name):
    return f"<!-- bench: {name}, made by make bench-docs -->", "<!-- /bench -->"


def filled(text, blocks):
    """`text` with each block between its marks. An error if it has none for it."""
    for name, block in blocks.items():
        begin, end = marks(name)
        head, found, rest = text.partition(begin + "\n")
        _, found_end, tail = rest.partition(end)
        if not found or not found_end:
            raise SystemExit(f"no place for the table {name!r}: write {begin} and {end}, a line each, where it belongs")
        text = head + found + block + found_end + tail
    return text
