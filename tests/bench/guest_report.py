# SPDX-License-Identifier: BSD-2-Clause
"""Tables and JSON of the counts in guests."""
import datetime
import statistics

import guest
import guest_run
import machine
import report

DOCS = machine.ROOT / "docs/bench"


def median(runs, metric):
    return statistics.median(run[metric] for run in runs)


def spread(runs, metric):
    found = [run[metric] for run in runs]
    return (max(found) - min(found)) / min(found)


def thousands(value):
    return report.number(value / 1000)


class GuestReport:
    def __init__(self, results, cases, who, seeds):
        self.results, self.cases, self.seeds = results, cases, seeds
        self.peers, self.names = who, [p.name for p in who]
        self.ours = [p.name for p in who if p.ours]
        self.others = [p.name for p in who if not p.ours]

    def case_table(self, by_peer, case):
        best = min((median(by_peer[n][case.name], "whole") for n in self.others), default=None)
        rows = []
        for name in self.names:
            runs = by_peer[name][case.name]
            whole = median(runs, "whole")
            rows.append([name, f"{thousands(whole)} ({spread(runs, 'whole'):.1%})",
                         f"{whole / best:.2f}" if best else "",
                         *(thousands(median(runs, m)) for m in ("proxy", "proxy_user", "crypto")),
                         f"{median(runs, 'syscalls'):.1f} ({median(runs, 'all_syscalls'):.1f})"])
        return report.table(["", "whole (spread)", "of the best peer", "proxy", "user", "crypto", "calls (all)"],
                            rows)

    def kernel_text(self, label, by_peer):
        parts = [f"## Linux {guest.fetch(label)}\n\nThousands of instructions a request.\n"]
        for case in self.cases:
            parts.append(f"\n### {case.name}: {case.title} ({case.requests} requests)\n\n")
            parts.append(self.case_table(by_peer, case))
        return "".join(parts) + "\n"

    def versions(self):
        return {p.name: p.version() for p in self.peers if not p.ours or p.name == self.ours[0]}

    def text(self):
        stalls = guest_run.stalls(self.results)
        versions = ", ".join(f"{name} {version}" for name, version in self.versions().items())
        return "".join([
            "# kedge beside other proxies, instruction by instruction\n\n",
            f"{datetime.date.today().isoformat()}, QEMU {guest.qemu_version()}; {versions}. Made by `make vmbench`, ",
            f"{len(self.seeds)} seeds.\n\n",
            (machine.ROOT / "tests/bench/guest-reading.md").read_text(),
            *(self.kernel_text(label, by_peer) for label, by_peer in self.results.items()),
            "## Stalls\n\n" + ("\n".join(f"- {line}" for line in stalls) if stalls else
                               "Nobody waited for a timer within a measured window.") + "\n"])

    def data(self):
        return {"date": datetime.date.today().isoformat(), "qemu": guest.qemu_version(), "cpu": guest.CPU,
                "versions": self.versions(), "seeds": list(self.seeds),
                "kernels": {label: {"package": guest.fetch(label), "peers": by_peer}
                            for label, by_peer in self.results.items()}}


def write(results, cases, who, seeds, whole):
    made = GuestReport(results, cases, who, seeds)
    text = made.text()
    print(text)
    report.write("guest", text, made.data(), DOCS if whole else None)
