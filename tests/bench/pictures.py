# SPDX-License-Identifier: BSD-2-Clause
"""Which pictures there are, of the stored figures: {file name: (script, what it shows)}."""
import shutil

import plots
from guest_report import median
from shown import IN_GUEST, KERNEL, PROXIES, kernel_version, versions_text

# --- natively -----------------------------------------------------------------------------------------


def relative(report, metric):
    """Rows of ratios to the best peer of each case, with whiskers; a gap for whoever did not hold the rate."""
    return [(case, [ratios[name] if report.held(case, name) else None for name in report.names])
            for case, (_, ratios) in report.ratios(metric, report.names).items()]


def latencies(report, case):
    rows = []
    for label, metric in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us")):
        rows.append((label, [report.cases[case]["peers"][name][metric] if report.held(case, name) else None
                             for name in report.names]))
    return rows


def left_out(report, case):
    """Who is not in the picture, and why."""
    late = [name for name in report.names if not report.held(case, name)]
    return f" Left out of {case}: {', '.join(late)}, because the rate was not held." if late else ""


def native(report):
    """report: a native_report.NativeReport. A picture with nothing in it is none."""
    where = f"{report.data['rounds']} rounds: median, smallest, largest. {report.data['date']}, Linux {report.data['kernel']}"
    paced = list(report.data["paced_rates"])
    late = "".join(left_out(report, case) for case in paced)
    same = f" Not here: {', '.join(paced)}, the same rate for all." if paced else ""
    found = {
        "native-rate.svg": ("Requests a second, best peer = 1 (longer is better)", same, "", relative(report, "rate"), 1, False),
        "native-cpu.svg": ("CPU of the proxy a request, best peer = 1 (shorter is better)", late, "", relative(report, "proxy_us"), 1,
                           False)}
    if paced:
        title = f"Latency: {report.cases[paced[0]]['title']} (shorter is better)"
        found["native-latency.svg"] = title, left_out(report, paced[0]), "microseconds", latencies(report, paced[0]), None, True
    return {file: (plots.bars(f"{title}\n{where}{note and '.' + note}", unit, report.names, report.ours, rows, log=log, line=line),
                   f"{title}. The figures are in native.md.{note}")
            for file, (title, note, unit, rows, line, log) in found.items() if any(any(values) for _, values in rows)}


# --- the overview -------------------------------------------------------------------------------------

CASES = {"get1k": "1 KB response", "get64k": "64 KB response", "post1m": "1 MB upload",
         "resume": "resumed handshake and one request"}
COLOURS = {"nginx": "#787878", "haproxy": "#989898", "hitch": "#b8b8b8", "kedge": "#9ecae1", "kedge+edit+bypass": "#4292c6",
           "kedge+record+edit+bypass": "#08519c"}
# Of the last case.
BEHIND = " kedge is behind in resumed handshakes, mostly by one connection to the application a client."


def overview(guest):
    """guest: as of guest_report.data_of()"""
    kernel, seeds = guest["kernels"][KERNEL], len(guest["seeds"])
    shown = {**PROXIES, "kedge": "kedge (nothing in the kernel)",
             **{name: f"kedge ({', '.join(name.split('+')[1:])})" for name in IN_GUEST.values() if name != "kedge"}}
    groups, said = [], []
    for case, heading in CASES.items():
        whole = {name: median(kernel["peers"][name][case], "whole") for name in shown}
        percent = {name: 100 * value / whole["nginx"] for name, value in whole.items()}
        groups.append((heading, [(label, percent[name], COLOURS[name], f"{percent[name]:.0f} %") for name, label in shown.items()]))
        said.append(f"{heading}: " + ", ".join(f"{label} {percent[name]:.0f} %" for name, label in shown.items()))
    title = f"Instructions a request, nginx = 100 %, Linux {'.'.join(kernel_version(kernel['package']).split('.')[:2])}"
    notes = [f"Source: docs/bench/guest.json (make vmbench), {guest['date']}, Linux {kernel_version(kernel['package'])} in QEMU "
             f"{guest['qemu']}, {seeds} seed{'s' if seeds > 1 else ''}.",
             f"{versions_text(guest, PROXIES)} (sets no header), kedge {guest['versions']['kedge']}. In brackets: what it does in the kernel.",
             "Instructions are not time." + BEHIND * (percent["kedge"] > 100)]
    script = plots.horizontal(title, "Whole machine: client, proxy, application, kernel. Shorter is better.", notes, groups)
    return {"overview.svg": (script, f"{title}, of the whole machine; less is better. " + "; ".join(said) + ".")}


# --- files --------------------------------------------------------------------------------------------

def stale(pictures, out):
    """Those that are not in `out`, or were drawn of something else: [(file, script, what it shows)]"""
    return [(out / name, script, alt) for name, (script, alt) in pictures.items()
            if not (out / name).exists() or not plots.draws((out / name).read_text(), script)]


def write(pictures, out):
    """Draws what is stale. Returns the files, none without gnuplot."""
    missing = stale(pictures, out)
    if missing and not shutil.which("gnuplot"):
        print("gnuplot is not installed, so these pictures are not drawn: " + ", ".join(file.name for file, _, _ in missing)
              + "; tests/deps.sh bench installs it")
        return []
    for file, script, alt in missing:
        file.write_text(plots.draw(script, alt))
    return [file for file, _, _ in missing]
