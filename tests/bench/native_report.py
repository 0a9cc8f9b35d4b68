# SPDX-License-Identifier: BSD-2-Clause
"""
Tables and pictures of the rounds on one machine. They are made of what the JSON holds and of nothing else, so that `make
bench-docs` makes the same again.
"""
import figures
import pictures
import report
from report import DOCS, number, table

DAGGER = " †"
PAIRS = {"rate": True, "proxy_us": False, "p99_us": False}  # whether more is better


def data_of(bench, peers, missing):
    """What is stored of a native.Native that has run."""
    return {**report.surroundings(peers), "rounds": bench.rounds, "choices": report.choices(), "missing": missing,
            "ours": [p.name for p in peers if p.ours], "paced_rates": bench.rates, "system_calls": bench.calls,
            "cases": {case.name: {"title": case.title, "requests": bench.requests(case),
                                  "peers": {p.name: figures.summary(bench.runs[case.name][p.name]) for p in peers}}
                      for case in bench.cases}}


class NativeReport:
    def __init__(self, data):
        """data: as of data_of()"""
        self.data, self.cases = data, data["cases"]
        self.names, self.ours = list(data["versions"]), data["ours"]
        self.others = [name for name in self.names if name not in self.ours]
        self.runs = {case: {name: figures.runs_of(one["peers"][name]) for name in self.names}
                     for case, one in self.cases.items()}

    # --- the rule ---------------------------------------------------------------------------------
    def asked(self, case):
        """The rate that was asked for; None: as fast as it goes."""
        return self.data["paced_rates"].get(case)

    def held(self, case, name):
        return figures.held(self.runs[case][name], self.asked(case))

    def best(self, case, metric, highest):
        """The best of the others that held the rate; of all, if it is kedge alone."""
        names = [name for name in self.others or self.names if self.held(case, name)]
        return figures.best(self.runs[case], names, metric, highest) if names else None

    def ratios(self, metric, names):
        """{case: (best peer, {name: ratio to it})}. At a fixed rate all have the same."""
        found = {}
        for case, runs in self.runs.items():
            best = self.best(case, metric, PAIRS[metric])
            if best and not (metric == "rate" and self.asked(case)):
                found[case] = best, {name: figures.ratio(runs[name], runs[best], metric) for name in names}
        return found

    # --- parts ------------------------------------------------------------------------------------
    def mark(self, case, name):
        return "" if self.held(case, name) else DAGGER

    def metric_table(self, metric):
        rows = []
        for case in self.cases:
            row = [case]
            for name in self.names:
                one = self.cases[case]["peers"][name][metric]
                row.append(f"{number(one['median'])} ({number(one['min'])} to {number(one['max'])}){self.mark(case, name)}")
            rows.append(row)
        return table(["case", *self.names], rows)

    def latency_table(self):
        rows = []
        for case in self.cases:
            row = [case]
            for name in self.names:
                one = self.cases[case]["peers"][name]
                row.append(" / ".join(number(one[f"{q}_us"]["median"]) for q in ("p50", "p99", "p999")) + self.mark(case, name))
            rows.append(row)
        return table(["case", *self.names], rows)

    def ratio_table(self, metric):
        rows = []
        for case, (best, ratios) in self.ratios(metric, self.ours).items():
            row = [case, best]
            for name in self.ours:
                r = ratios[name]
                row.append(f"{r['median']:.2f} ({r['min']:.2f} to {r['max']:.2f})"
                           + " **behind**" * figures.behind(r["median"], PAIRS[metric]) + self.mark(case, name))
            rows.append(row)
        return table(["case", "best peer", *self.ours], rows)

    def held_text(self):
        """A paragraph for each case in which somebody did not hold the rate."""
        lines = []
        for case in self.data["paced_rates"]:
            late = [f"{name} ({number(self.median(case, name, 'rate'))})" for name in self.names if not self.held(case, name)]
            if late:
                lines.append(report.paragraph(
                    f"† {case} asks for {number(self.asked(case))} requests/s. {', '.join(late)} reached less than "
                    f"{100 * figures.HELD:.0f} % of them and did not hold the rate. Latencies then grow with the length of the run, so "
                    "these figures are compared with nobody's.") + "\n")
        return "".join(lines)

    def binaries_table(self):
        """Several kedges: each against the first, combination by combination."""
        labels = list(dict.fromkeys(name.split("+")[0] for name in self.ours))
        rows = []
        for case in self.cases:
            for name in self.ours:
                label, plus, rest = name.partition("+")
                first = labels[0] + plus + rest
                if label == labels[0] or first not in self.ours:
                    continue
                row = [case, name, first]
                for metric in ("rate", "proxy_us", "all_us", "p99_us"):
                    r = figures.ratio(self.runs[case][name], self.runs[case][first], metric)
                    row.append(f"{r['median']:.3f} ({r['min']:.2f} to {r['max']:.2f})")
                rows.append(row)
        if not rows:
            return ""
        return ("## One kedge divided by another, round by round\n\n"
                + table(["case", "", "divided by", "requests/s", "proxy CPU", "all CPU", "p99"], rows) + "\n")

    def missing_text(self):
        """One line for each reason: without kernel TLS half of the combinations are missing."""
        reasons = {}
        for name, why in self.data["missing"].items():
            reasons.setdefault(why, []).append(f"`{name}`")
        return "".join(report.paragraph(f"Not possible on this machine: {', '.join(names)} ({why}).") + "\n"
                       for why, names in reasons.items())

    def calls_text(self):
        calls = self.data["system_calls"]
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

    # --- wholes -----------------------------------------------------------------------------------
    def text(self, title="kedge beside other proxies, natively", drawn=True):
        """drawn: are pictures.native() in the same directory?"""
        d = self.data
        versions = ", ".join(f"{n} {v}" for n, v in d["versions"].items() if n in self.others)
        ours = next((v for n, v in d["versions"].items() if n in self.ours), "none")
        chosen = f" with {d['choices']}" if d["choices"] else ""
        spread = "median (smallest to largest)"
        parts = [
            f"# {title}\n\n",
            report.paragraph(f"{d['date']}, Linux {d['kernel']}, {d['cores']} cores of {d['cpu']}; kedge {ours}, {versions}. "
                             f"Made by `make bench`{chosen}, {d['rounds']} interleaved rounds."), "\n",
            report.reading("native"), "\n",
            table(["case", "what", "requests a run"], [[case, one["title"], str(one["requests"])]
                                                       for case, one in self.cases.items()]), "\n",
            self.missing_text(), self.held_text(), self.binaries_table(),
            *(f"![{alt}]({file})\n\n" for file, (_, alt) in (pictures.native(self) if drawn else {}).items())]
        if self.ours and self.others:
            parts += ["## kedge divided by the best peer\n\nRequests a second; above 1 is good.\n\n",
                      self.ratio_table("rate"), "\nCPU of the proxy; below 1 is good.\n\n",
                      self.ratio_table("proxy_us"), "\n99th percentile of the latency; below 1 is good.\n\n",
                      self.ratio_table("p99_us"), "\n"]
        parts += [f"## Requests a second: {spread}\n\n", self.metric_table("rate"),
                  f"\n## CPU of the proxy, microseconds a request: {spread}\n\n", self.metric_table("proxy_us"),
                  f"\n## CPU of client, proxy and backend together, microseconds a request: {spread}\n\n",
                  self.metric_table("all_us"),
                  f"\n## How busy the proxy's core was: {spread}\n\n", self.metric_table("busy"),
                  "\n## Latency, microseconds: medians of p50 / p99 / p99.9\n\n", self.latency_table(),
                  self.calls_text()]
        return "".join(parts)

    def median(self, case, name, metric):
        return self.cases[case]["peers"][name][metric]["median"]


def write(bench, peers, missing, whole):
    data = data_of(bench, peers, missing)
    made = NativeReport(data)
    text = made.text()
    print(text)
    out = report.write("native", text, data, DOCS if whole else None)
    if out:
        pictures.write(pictures.native(made), out)
