# SPDX-License-Identifier: BSD-2-Clause
"""Tables, JSON and pictures of the measurements."""
import datetime
import json
import os
import re
import shutil
from pathlib import Path

import figures
import machine
import plots

DOCS = machine.ROOT / "docs/bench"


def number(value):
    """A number with three significant digits, or all digits before the point if those are more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def cpu_model():
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else "unknown CPU"


def surroundings(peers):
    return {"date": datetime.date.today().isoformat(), "kernel": os.uname().release,
            "cpu": cpu_model(), "cores": os.cpu_count(),
            "versions": {p.name: p.version() for p in peers}}


class NativeReport:
    def __init__(self, bench, peers, missing):
        self.bench, self.peers, self.runs, self.missing = bench, peers, bench.runs, missing
        self.names = [p.name for p in peers]
        self.ours = [p.name for p in peers if p.ours]
        self.others = [p.name for p in peers if not p.ours]
        self.around = surroundings(peers)

    # --- parts --------------------------------------------------------------------------------
    def metric_table(self, metric, edge):
        """edge: "max" or "min", the best of the rounds."""
        rows = []
        for case in self.bench.cases:
            row = [case.name]
            for name in self.names:
                one = figures.summary(self.runs[case.name][name])[metric]
                row.append(f"{number(one['median'])} ({number(one[edge])})")
            rows.append(row)
        return table(["case", *self.names], rows)

    def latency_table(self):
        rows = []
        for case in self.bench.cases:
            row = [case.name]
            for name in self.names:
                one = figures.summary(self.runs[case.name][name])
                row.append(" / ".join(number(one[f"{q}_us"]["median"]) for q in ("p50", "p99", "p999")))
            rows.append(row)
        return table(["case", *self.names], rows)

    def against(self, metric, highest):
        """{case: (best peer, {kedge: ratio})}"""
        found = {}
        for case in self.bench.cases:
            runs = self.runs[case.name]
            best = figures.best(runs, self.others, metric, highest)
            found[case.name] = best, {name: figures.ratio(runs[name], runs[best], metric)
                                      for name in self.ours}
        return found

    def ratio_table(self, metric, highest):
        rows = []
        for case, (best, ratios) in self.against(metric, highest).items():
            row = [case, best]
            for name in self.ours:
                r = ratios[name]
                behind = r["median"] < 1 if highest else r["median"] > 1
                text = f"{r['median']:.2f} ({r['min']:.2f} to {r['max']:.2f})"
                row.append(f"{text} **behind**" if behind else text)
            rows.append(row)
        return table(["case", "best peer", *self.ours], rows)

    def binaries_table(self):
        """Several kedges: each against the first, combination by combination."""
        labels = list(dict.fromkeys(name.split("+")[0] for name in self.ours))
        rows = []
        for case in self.bench.cases:
            for name in self.ours:
                label, plus, rest = name.partition("+")
                first = labels[0] + plus + rest
                if label == labels[0] or first not in self.ours:
                    continue
                row = [case.name, name, first]
                for metric in ("rate", "proxy_us", "all_us", "p99_us"):
                    r = figures.ratio(self.runs[case.name][name], self.runs[case.name][first], metric)
                    row.append(f"{r['median']:.3f} ({r['min']:.2f} to {r['max']:.2f})")
                rows.append(row)
        if not rows:
            return ""
        return ("## One kedge divided by another, round by round\n\n"
                + table(["case", "", "divided by", "requests/s", "proxy CPU", "all CPU", "p99"], rows) + "\n")

    def missing_text(self):
        """One line for each reason: without kernel TLS half of the combinations are missing."""
        reasons = {}
        for name, why in self.missing.items():
            reasons.setdefault(why, []).append(f"`{name}`")
        return "".join(f"Not possible on this machine: {', '.join(names)} ({why}).\n\n"
                       for why, names in reasons.items())

    def calls_text(self):
        calls = self.bench.calls
        if not calls:
            return ""
        totals = [[case, *(f"{sum(by_peer[n].values()):.2f}" for n in self.names)]
                  for case, by_peer in calls.items()]
        parts = ["\n## System calls of the proxy a request\n\n", table(["case", *self.names], totals)]
        for case, by_peer in calls.items():
            found = sorted({name for one in by_peer.values() for name, n in one.items() if n >= 0.005})
            rows = [[name, *(f"{by_peer[n].get(name, 0):.2f}" for n in self.names)] for name in found]
            parts += [f"\n{case}, call by call:\n\n", table(["", *self.names], rows)]
        return "".join(parts)

    # --- wholes -------------------------------------------------------------------------------
    def text(self):
        a, rounds = self.around, self.bench.rounds
        versions = ", ".join(f"{n} {v}" for n, v in a["versions"].items() if n in self.others)
        ours = next((v for n, v in a["versions"].items() if n in self.ours), "none")
        parts = [
            "# kedge beside other proxies, natively\n\n",
            f"{a['date']}, Linux {a['kernel']}, {a['cores']} cores of {a['cpu']}; kedge {ours}, {versions}. "
            f"Made by `make bench`, {rounds} interleaved rounds.\n\n",
            (machine.ROOT / "tests/bench/native-reading.md").read_text(), "\n",
            table(["case", "what", "requests a run"], [[c.name, c.title, str(self.bench.requests(c))]
                                                       for c in self.bench.cases]), "\n",
        ]
        parts += [self.missing_text(), self.binaries_table()]
        if self.ours and self.others:
            parts += ["## kedge divided by the best peer\n\nRequests a second; above 1 is good.\n\n",
                      self.ratio_table("rate", True), "\nCPU of the proxy; below 1 is good.\n\n",
                      self.ratio_table("proxy_us", False), "\n99th percentile of the latency; below 1 is good.\n\n",
                      self.ratio_table("p99_us", False), "\n"]
        parts += ["## Requests a second: median (best round)\n\n", self.metric_table("rate", "max"),
                  "\n## CPU of the proxy, microseconds a request: median (best round)\n\n",
                  self.metric_table("proxy_us", "min"),
                  "\n## CPU of client, proxy and backend together, microseconds a request: median (best round)\n\n",
                  self.metric_table("all_us", "min"),
                  "\n## How busy the proxy's core was: median (highest round)\n\n", self.metric_table("busy", "max"),
                  "\n## Latency, microseconds: medians of p50 / p99 / p99.9\n\n", self.latency_table(),
                  self.calls_text()]
        return "".join(parts)

    def median(self, case, name, metric):
        return figures.summary(self.runs[case.name][name])[metric]["median"]

    def relative(self, metric, highest):
        """Rows for a picture: the medians of each case, divided by the best peer's."""
        rows = []
        for case in self.bench.cases:
            best = figures.best(self.runs[case.name], self.others or self.names, metric, highest)
            one = self.median(case, best, metric)
            rows.append((case.name, [self.median(case, name, metric) / one for name in self.names]))
        return rows

    def pictures(self, out):
        plots.bars(out / "native-rate.svg", "Requests a second, best peer = 1 (longer is better)", "",
                   self.names, self.ours, self.relative("rate", True), line=1)
        plots.bars(out / "native-cpu.svg", "CPU of the proxy a request, best peer = 1 (shorter is better)",
                   "", self.names, self.ours, self.relative("proxy_us", False), line=1)
        paced = [case for case in self.bench.cases if case.load]
        if paced:
            rows = [(label, [self.median(paced[0], name, metric) for name in self.names])
                    for label, metric in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"))]
            plots.bars(out / "native-latency.svg", f"Latency: {paced[0].title}", "microseconds",
                       self.names, self.ours, rows, log=True)

    def data(self):
        return {**self.around, "rounds": self.bench.rounds, "paced_rates": self.bench.rates, "system_calls": self.bench.calls,
                "cases": {case.name: {"title": case.title, "requests": self.bench.requests(case),
                                      "peers": {name: figures.summary(self.runs[case.name][name])
                                                for name in self.names}}
                          for case in self.bench.cases}}


def write(name, text, data, out):
    """NAME.md and NAME.json in BENCH_OUT, else in `out`, else nowhere. Returns where."""
    out = os.environ.get("BENCH_OUT") or out
    if not out:
        return None
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(text)
    (out / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    print(f"written: {out}/{name}.md and .json")
    return out


def native(bench, peers, missing, whole):
    made = NativeReport(bench, peers, missing)
    text = made.text()
    print(text)
    out = write("native", text, made.data(), DOCS if whole else None)
    if out and shutil.which("gnuplot"):
        made.pictures(out)
