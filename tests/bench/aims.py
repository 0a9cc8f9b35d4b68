# SPDX-License-Identifier: BSD-2-Clause
"""What was aimed at, beside what the stored figures say: the table of docs/benchmarks.md."""
import figures
import report
from guest_report import median

EDITED, ALL = "kedge+edit+bypass", "kedge+record+edit+bypass"


def span(values):
    """`1.04`, or `0.72 to 0.80` if they differ."""
    shown = sorted({f"{value:.2f}" for value in values}, key=float)
    return " to ".join(dict.fromkeys((shown[0], shown[-1])))


class Natively:
    """Ratios of a native_report.NativeReport, two digits."""

    def __init__(self, made):
        self.made = made

    def best(self, case, name, metric="rate"):
        return span([self.made.ratios(metric, [name])[case][1][name]["median"]])

    def over(self, case, name, peer, metric):
        runs = self.made.runs[case]
        return span([figures.ratio(runs[name], runs[peer], metric)["median"]])

    def all(self, case, metric="rate", shared=False):
        """Of all kedges, or of those with `app-reuse: shared`."""
        names = [name for name in self.made.ours if name.endswith("+shared") == shared]
        return span([one["median"] for one in self.made.ratios(metric, names)[case][1].values()])


class InGuests:
    def __init__(self, data):
        self.data, self.kernels = data, data["kernels"]

    def whole(self, label, case, name):
        return median(self.kernels[label]["peers"][name][case], "whole")

    def best(self, label, case, name):
        peers = self.kernels[label]["peers"]
        return self.whole(label, case, name) / min(self.whole(label, case, other) for other in peers
                                                   if other not in self.data["ours"])

    def cells(self, name, *cases):
        """`0.82, 0.88 (6.12); 0.80, 0.93 (7.3)`"""
        return "; ".join(", ".join(span([self.best(label, case, name)]) for case in cases) + f" ({self.version(label)})"
                         for label in self.kernels)

    def version(self, label):
        return ".".join(self.kernels[label]["package"].split("linux-image-")[1].split(".")[:2])


def rows(load, native_report_of):
    """load(name): what is stored; native_report_of: makes a report of it."""
    native, shared = (Natively(native_report_of(load(name))) for name in ("native", "shared-native"))
    guests, shared_guest, memory = InGuests(load("guest")), InGuests(load("shared-guest")), load("memory")
    in_guest = next(found for where, found in memory["results"].items() if where.startswith("In a guest"))
    natively = next(found for where, found in memory["results"].items() if where.startswith("Natively"))
    before, after = (guests.whole("6.12", "handshake", name) for name in ("kedge", "kedge+record"))
    edits = [guests.whole(label, "get1k", EDITED) / guests.whole(label, "get1k", "kedge+bypass") for label in guests.kernels]
    edits += [guests.whole(label, "get1k", ALL) / guests.whole(label, "get1k", "kedge+record+bypass") for label in guests.kernels]
    shared_names = [name for name in shared_guest.data["ours"] if name.endswith("+shared")]
    bulk = "get64k", "get1m", "post1m"
    return [
        ["natively, 1 KB, 64 connections, edit and bypass in the kernel: requests/s", "1.5", native.best("get1k", EDITED)],
        ["CPU of the proxy, divided by nginx's", "0.55", native.over("get1k", EDITED, "nginx", "proxy_us")],
        ["the same, nothing in the kernel", "1.15; 0.75",
         f"{native.best('get1k', 'kedge')}; {native.over('get1k', 'kedge', 'nginx', 'proxy_us')}"],
        ["natively, 64 KB", "2.2", native.best("get64k", EDITED)],
        ["natively, 1 MB down", "1.6", native.best("get1m", EDITED)],
        ["natively, 1 MB up", "1.4",
         f"{native.best('post1m', EDITED)}; {native.best('post1m', 'kedge+bypass')} with the edit in user space"],
        ["full handshakes a second", "1.0", native.all("handshake")],
        ["resumed handshakes a second", "1.1", native.all("resume")],
        ["the same with `app-reuse: shared`", "1.0",
         f"{shared.all('resume', shared=True)} ([bench/shared-native.md](bench/shared-native.md))"],
        ["the same in a guest, instructions of the whole guest", "1.01",
         f"{span([shared_guest.best('6.12', 'resume', name) for name in shared_names])} "
         "([bench/shared-guest.md](bench/shared-guest.md))"],
        ["p99 at 70 % of the best rate, 1 KB", "1.0", native.all("get1k-paced", "p99_us")],
        ["guest, edit and bypass in the kernel, records in user space, 1 KB: instructions of the whole guest", "0.72",
         guests.cells(EDITED, "get1k")],
        ["64 KB, 1 MB down, 1 MB up", "0.79, 0.81, -", guests.cells(EDITED, *bulk)],
        ["guest, all three in the kernel, 1 KB", "0.78", guests.cells(ALL, "get1k")],
        ["64 KB, 1 MB down, 1 MB up", "0.88, 0.88, -", guests.cells(ALL, *bulk)],
        ["hand-off to the kernel, of a full handshake's instructions", "2 %",
         f"{100 * figures.change(after, before):.1f} % ({before:,.0f} and {after:,.0f})"],
        ["user-space memory of an idle connection, edit in the kernel, bytes", "1,200 without kernel records",
         f"{median(natively['kedge+edit'], 'user'):,.0f}; with them, in a guest, "
         f"{median(in_guest['kedge+record+edit'], 'user'):,.0f}"],
        ["edit in the kernel against edit in user space, with the bypass, 1 KB: requests/s, and instructions in guests",
         "within 5 %", f"{native.over('get1k', EDITED, 'kedge+bypass', 'rate')}; {span(edits)}"],
    ]


def table(load, native_report_of):
    return report.table(["what", "aim", "result"], rows(load, native_report_of))
