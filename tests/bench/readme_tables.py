# SPDX-License-Identifier: BSD-2-Clause
"""The tables of README.md and docs/benchmarks.md, from docs/bench/*.json, by the rules of figures.py."""
import json
import re

import aims
import figures
import pictures
import report
from guest_report import median, seeds_text
from native_report import PAIRS, NativeReport
from shown import IN_GUEST, KERNEL, NATIVE, PROXIES, kernel_version, short, versions_text

TITLES = {"get100": "100 B", "get1k": "1 KB", "get16k": "16 KB", "get64k": "64 KB", "get1m": "1 MB", "post1m": "1 MB upload",
          "handshake": "full handshake, one request", "resume": "resumed handshake, one request"}
SHARED = "the same, `app-reuse: shared`"


def load(name):
    return json.loads((report.DOCS / f"{name}.json").read_text())


def with_note(table, note):
    """The lines under a table say what it is, how far it varies, and of when it is."""
    return table + "\n" + report.paragraph(note)


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
                     f"{data['date']} (last row: {shared['date']}). {seeds_text(data['seeds'])}")


# --- natively -----------------------------------------------------------------------------------------

def ratio_text(ratio, highest):
    text = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
    return text + ", behind" * figures.behind(ratio["median"], highest)


def native_row(title, report_of, case, ours):
    """One case: the best peer in requests and in CPU, and kedge divided by it."""
    best, cells = [], []
    for metric in ("rate", "proxy_us"):
        peer, ratios = report_of.ratios(metric, ours)[case]
        best.append(PROXIES.get(peer, peer))
        cells += [ratio_text(ratios[name], PAIRS[metric]) for name in ours]
    return [title, ", ".join(dict.fromkeys(best)), *cells]


def native_block():
    all_cases, shared = (NativeReport(load(name)) for name in ("native", "shared-native"))
    rows = [native_row(title, all_cases, case, NATIVE.values()) for case, title in TITLES.items()]
    rows.append(native_row(SHARED, shared, "resume", [f"{name}+shared" for name in NATIVE.values()]))
    head = ["", "best peer", *(f"{what}, {title}" for what in ("requests/s", "CPU") for title in NATIVE)]
    first, last = all_cases.data, shared.data
    widths = [(one["max"] - one["min"]) / one["median"] for metric in ("rate", "proxy_us")
              for case, (_, ratios) in all_cases.ratios(metric, NATIVE.values()).items() if case in TITLES for one in ratios.values()]
    return with_note(report.table(head, rows),
                     f"Median of {first['rounds']} rounds (smallest to largest), last row of {last['rounds']}. Smallest and largest are "
                     f"{100 * min(widths):.0f} % to {100 * max(widths):.0f} % of the median apart. Two peers: the best in requests, and in CPU. "
                     f"{versions_text(first, all_cases.others)}; {first['date']} (last row: {last['date']}).")


# --- memory -------------------------------------------------------------------------------------------

MEMORY = {"nginx": "nginx", "haproxy": "HAProxy",
          **{name: f"kedge, {title.removeprefix('kedge, ')}" for title, name in IN_GUEST.items()}}
WITH_SOCKET = "The kernel's part is its slab, the client's own socket included."


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


def memory_of(data, start):
    """Where it was measured, and what was found."""
    return next((where, found) for where, found in data["results"].items() if where.startswith(start))


def memory_block():
    """The most important rows, for README."""
    data = load("memory")
    where, found = memory_of(data, "In a guest")
    rows = [memory_row("user space", found, "user"), memory_row("kernel", found, "used"),
            memory_row("kernel, after a burst of new clients", found, "pages")]
    return with_note(report.table(["", *MEMORY.values()], rows),
                     f"Bytes for each of {data['connections']:,} idle connections, on Linux {kernel_version(where)}; in brackets, how many "
                     f"times nginx's. {WITH_SOCKET} {data['date']}.")


def memory_all_block():
    data = load("memory")
    _, native = memory_of(data, "Natively")
    where, in_guest = memory_of(data, "In a guest")
    rows = [memory_row("user space, natively", native, "user"), memory_row("user space, in a guest", in_guest, "user"),
            memory_row("kernel: objects", in_guest, "used"),
            memory_row("kernel: pages, after a burst of new clients", in_guest, "pages"),
            memory_row("objects, `app-reuse: shared`", in_guest, "used", "+shared"),
            memory_row("pages, `app-reuse: shared`", in_guest, "pages", "+shared")]
    spread = max(max(run["user"] for run in runs) / min(run["user"] for run in runs) - 1
                 for name, runs in native.items() if name in MEMORY)
    rounds = len(native["nginx"])
    return with_note(report.table(["", *MEMORY.values()], rows),
                     f"Bytes for each of {data['connections']:,} idle connections; in brackets, how many times nginx's. {WITH_SOCKET} Natively "
                     f"the median of {rounds} rounds, which differ by {100 * spread:.1f} % at most; in the guest (Linux "
                     f"{kernel_version(where)}) once, because it repeats exactly. {data['date']}.")


# --- pictures -----------------------------------------------------------------------------------------

def overview_block():
    ((file, (_, alt)),) = pictures.overview(load("guest")).items()
    return f"![{alt}]({file})\n"


def aims_block():
    return aims.table(load, NativeReport)


BLOCKS = {"guest": guest_block, "native": native_block, "memory": memory_block, "memory-all": memory_all_block,
          "overview": overview_block, "aims": aims_block}


# --- the marks ----------------------------------------------------------------------------------------

BLOCK = re.compile(r"(<!-- bench: ([\w-]+), made by make bench-docs -->\n)(.*?)(<!-- /bench -->)", re.S)


def filled(text, to_bench):
    """`text` with each block made anew between its marks. to_bench: the way from there to docs/bench."""
    def made(found):
        if "<!-- bench:" in found[3] or found[2] not in BLOCKS:
            raise SystemExit(f"the block {found[2]!r} has no end, or there is none of this name: {', '.join(BLOCKS)}")
        return found[1] + re.sub(r"\]\((?=[\w-]+\.svg\))", f"]({to_bench}/", BLOCKS[found[2]]()) + found[4]
    return BLOCK.sub(made, text)
