# SPDX-License-Identifier: BSD-2-Clause
"""The arithmetic and the rules of all tables, pictures and sentences (docs/benchmarks.md). Pure; test_figures.py."""
import statistics

# A proxy that reaches less of the asked rate did not hold it.
HELD = 0.98


def of_run(answer):
    """A line of the load client, in the units of the reports."""
    requests, cpu = answer["requests"], answer["cpu_ns"]
    return {
        "rate": requests * 1e9 / answer["wall_ns"],            # requests a second
        "proxy_us": cpu["proxy"] / requests / 1000,            # CPU of the proxy, a request
        "all_us": sum(cpu.values()) / requests / 1000,         # with client and backend
        "busy": cpu["proxy"] / answer["wall_ns"],              # of one core
        **{f"{q}_us": answer[f"{q}_ns"] / 1000 for q in ("p50", "p99", "p999")},
    }


def values(runs, metric):
    return [run[metric] for run in runs]


def summary(runs):
    """{metric: {"median", "min", "max", "rounds"}} of the runs of one peer in one case."""
    return {metric: {"median": statistics.median(values(runs, metric)),
                     "min": min(values(runs, metric)), "max": max(values(runs, metric)),
                     "rounds": values(runs, metric)}
            for metric in runs[0]}


def ratio(runs, others, metric):
    """
    Median, min and max of the ratios of each round, because a disturbance in a round disturbs both.
    """
    each = [a / b for a, b in zip(values(runs, metric), values(others, metric), strict=True)]
    return {"median": statistics.median(each), "min": min(each), "max": max(each)}


def best(by_peer, names, metric, highest):
    """The name of the peer whose median is best."""
    pick = max if highest else min
    return pick(names, key=lambda name: statistics.median(values(by_peer[name], metric)))


def runs_of(summary_of_peer):
    """The runs that summary() was made of."""
    each = {metric: one["rounds"] for metric, one in summary_of_peer.items()}
    return [dict(zip(each, values, strict=True)) for values in zip(*each.values(), strict=True)]


def held(runs, asked):
    """Did these runs reach the rate that was asked for? None: as fast as it goes."""
    return not asked or statistics.median(values(runs, "rate")) >= HELD * asked


def round_ratio(value):
    """As it is shown."""
    return round(value, 2)


def behind(value, highest):
    """By the digits that are shown, so that 1.00 is never behind."""
    shown = round_ratio(value)
    return shown < 1 if highest else shown > 1


def change(now, then):
    """The share by which a value has grown; negative if it has shrunk."""
    return now / then - 1
