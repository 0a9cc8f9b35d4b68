# SPDX-License-Identifier: BSD-2-Clause
"""Tables and JSON of the results of make bench-mover."""
import datetime

import figures
import guest
import guest_run
import machine
import movers
import native_report
import report
from guest_report import DOCS, median, spread, thousands

PRICE = "system call that does nothing"


def ratio_text(r):
    return f"{r['median']:.2f} ({r['min']:.2f} to {r['max']:.2f})"


def guest_table(by_peer, cases, reference, title):
    """reference(name): the engine that another one is divided by; title: of that column."""
    rows = []
    for case in cases:
        for name, by_case in by_peer.items():
            runs, others = by_case[case.name], by_peer[reference(name)][case.name]
            whole = figures.ratio(runs, others, "whole")
            rows.append([case.name, name, f"{thousands(median(runs, 'whole'))} ({spread(runs, 'whole'):.1%})",
                         f"{whole['median']:.3f} ({whole['min']:.3f} to {whole['max']:.3f})",
                         *(thousands(median(runs, m)) for m in ("proxy", "proxy_user")),
                         f"{median(runs, 'syscalls'):.2f} ({median(runs, 'all_syscalls'):.1f})",
                         f"{median(runs, 'switches'):.2f}"])
    return report.table(["case", "", "whole (spread)", title, "proxy", "user", "calls (all)",
                         "switches"], rows)


def round_table(bench, reference):
    rows = []
    for case in bench.cases:
        by_peer = bench.runs[case.name]
        for name in (n for n in by_peer if n != reference(n)):
            each = [figures.ratio(by_peer[name], by_peer[reference(name)], metric)
                    for metric in ("rate", "proxy_us", "all_us", "p99_us")]
            rows.append([case.name, name, *map(ratio_text, each)])
    return report.table(["case", "", "requests/s", "proxy CPU", "all CPU", "p99"], rows)


def saved_table(bench, price_ns):
    """The cost of the calls that are saved, beside the actual saving."""
    rows = []
    for case in bench.cases:
        cpu, calls = ({name: of(name) for name in ("epoll", "uring")} for of in
                      (lambda name: figures.summary(bench.runs[case.name][name])["proxy_us"]["median"],
                       lambda name: sum(bench.calls[case.name][name].values())))
        fewer = calls["epoll"] - calls["uring"]
        rows.append([case.name, *(report.number(v) for v in (cpu["epoll"], cpu["uring"])),
                     f"{cpu['epoll'] - cpu['uring']:.2f}", f"{fewer:.2f}", f"{fewer * price_ns / 1000:.2f}"])
    return report.table(["case", "epoll", "uring", "saved", "fewer calls", "at the price of an empty one"], rows)


def facts_table(facts):
    names = list(dict.fromkeys(name for one in facts.values() for name in one if name != PRICE))
    return report.table(["what", *facts], [[name, *(one.get(name, "") for one in facts.values())] for name in names])


class MoverReport:
    def __init__(self, guests, bench, facts, seeds):
        self.guests, self.bench, self.facts, self.seeds = guests, bench, facts, seeds
        self.native = native_report.NativeReport(native_report.data_of(bench, movers.CLEAR, {}))
        self.price_ns = float(facts["native"][PRICE].split()[0])

    def guests_text(self):
        parts = []
        for label, by_peer in self.guests.items():
            parts += [f"## Linux {guest.fetch(label)}\n\nThousands of instructions a request.\n\n",
                      guest_table(by_peer, movers.cases(1, 1), movers.reference, "of epoll, seed by seed"), "\n"]
        stalls = guest_run.stalls(self.guests)
        return "".join(parts + [f"- {line}\n" for line in stalls])

    def native_text(self):
        a = self.native.data
        return "".join([
            f"## This machine: Linux {a['kernel']}, {a['cores']} cores of {a['cpu']}\n\n",
            f"{self.bench.rounds} rounds, in the clear. A system call that does nothing takes {self.price_ns:.0f} ns here.\n\n",
            "Divided by epoll, round by round: median (smallest to largest)\n\n", round_table(self.bench, movers.reference),
            "\nCPU of the proxy, microseconds a request: median (smallest to largest)\n\n",
            self.native.metric_table("proxy_us"),
            "\nThe same medians, and what the calls that io_uring saves would cost\n\n",
            saved_table(self.bench, self.price_ns), self.native.calls_text(), "\n"])

    def text(self):
        return "".join([
            "# epoll and io_uring as movers\n\n",
            f"{datetime.date.today().isoformat()}, QEMU {guest.qemu_version()}, liburing {movers.CLEAR[0].version()}. ",
            f"Made by `make bench-mover`, {len(self.seeds)} seeds.\n\n",
            (machine.ROOT / "tests/bench/mover-reading.md").read_text(), "\n",
            self.guests_text(), self.native_text(),
            "## What io_uring's calls do on kedge's sockets\n\n", facts_table(self.facts)])

    def data(self):
        return {**self.native.data, "qemu": guest.qemu_version(), "cpu_of_guests": guest.CPU,
                "seeds": list(self.seeds), "facts": self.facts,
                "guests": {label: {"package": guest.fetch(label), "engines": by_peer}
                           for label, by_peer in self.guests.items()}}


def write(guests, bench, facts, seeds, out=DOCS):
    made = MoverReport(guests, bench, facts, seeds)
    text = made.text()
    print(text)
    report.write("mover", text, made.data(), out)
