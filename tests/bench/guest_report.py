# SPDX-License-Identifier: BSD-2-Clause
"""Tables and JSON of the counts in guests, made of what the JSON holds and of nothing else."""
import datetime
import os
import statistics

import figures
import guest
import guest_run
import report

DOCS = report.DOCS


def median(runs, metric):
    return statistics.median(run[metric] for run in runs)


def spread(runs, metric):
    found = [run[metric] for run in runs]
    return (max(found) - min(found)) / min(found)


def thousands(value):
    return report.number(value / 1000)


def seeds_text(seeds):
    """How far the figures vary."""
    if len(seeds) > 1:
        return f"{len(seeds)} seeds, of which each figure is the median."
    return "One seed. The same seed gives the same counts to the last digit, another moves them by up to 1 %."


def data_of(results, cases, who, seeds):
    """What is stored. results: {kernel: {peer: {case: [figures of each seed]}}}"""
    ours = [p.name for p in who if p.ours]
    return {"date": datetime.date.today().isoformat(), "qemu": guest.qemu_version(), "cpu": guest.CPU,
            "choices": report.choices(), "ours": ours,
            "versions": {p.name: p.version() for p in who if not p.ours or p.name == ours[0]}, "seeds": list(seeds),
            "cases": {case.name: {"title": case.title, "requests": case.requests} for case in cases},
            "kernels": {label: {"package": guest.fetch(label), "peers": by_peer} for label, by_peer in results.items()}}


class GuestReport:
    def __init__(self, data):
        """data: as of data_of()"""
        self.data = data
        self.results = {label: one["peers"] for label, one in data["kernels"].items()}
        self.several = len(data["seeds"]) > 1

    def whole(self, runs):
        """One seed has no spread."""
        text = thousands(median(runs, "whole"))
        return f"{text} ({spread(runs, 'whole'):.1%})" if self.several else text

    def case_table(self, by_peer, case):
        others = [name for name in by_peer if name not in self.data["ours"]]
        best = min((median(by_peer[name][case], "whole") for name in others), default=None)
        rows = []
        for name, by_case in by_peer.items():
            runs = by_case[case]
            ratio = median(runs, "whole") / best if best else None
            behind = " **behind**" if best and name not in others and figures.behind(ratio, False) else ""
            rows.append([name, self.whole(runs), f"{ratio:.2f}{behind}" if best else "",
                         *(thousands(median(runs, m)) for m in ("proxy", "proxy_user", "crypto")),
                         f"{median(runs, 'syscalls'):.1f} ({median(runs, 'all_syscalls'):.1f})"])
        return report.table(["", "whole (spread)" if self.several else "whole", "of the best peer", "proxy", "user", "crypto",
                             "calls (all)"], rows)

    def kernel_text(self, label):
        parts = [f"## Linux {self.data['kernels'][label]['package']}\n\nThousands of instructions a request.\n"]
        for case, one in self.data["cases"].items():
            parts.append(f"\n### {case}: {one['title']} ({one['requests']} requests)\n\n")
            parts.append(self.case_table(self.results[label], case))
        return "".join(parts) + "\n"

    def text(self, title="kedge beside other proxies, instruction by instruction"):
        d = self.data
        stalls = guest_run.stalls(self.results)
        versions = ", ".join(f"{name} {version}" for name, version in d["versions"].items())
        chosen = f" with {d['choices']}" if d["choices"] else ""
        return "".join([
            f"# {title}\n\n",
            report.paragraph(f"{d['date']}, QEMU {d['qemu']}; {versions}. Made by `make vmbench`{chosen}. {seeds_text(d['seeds'])}"), "\n",
            report.reading("guest"),
            *(self.kernel_text(label) for label in self.results),
            "## Stalls\n\n" + ("\n".join(f"- {line}" for line in stalls) if stalls else
                               "Nobody waited for a timer within a measured window.") + "\n"])


def write(results, cases, who, seeds, whole):
    data = data_of(results, cases, who, seeds)
    text = GuestReport(data).text()
    print(text)
    report.write("guest", text, data, DOCS if whole else None)
