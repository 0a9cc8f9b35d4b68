# SPDX-License-Identifier: BSD-2-Clause
"""What all reports have in common."""
import datetime
import json
import os
import re
import textwrap
from pathlib import Path

import machine

DOCS = machine.ROOT / "docs/bench"
# Words of the environment that say that a run did not measure everything.
CHOICES = ("BENCH_CASES", "BENCH_PEERS", "BENCH_WORKERS", "BENCH_SCALE", "PEERS")


def number(value):
    """A number with three significant digits, or all digits before the point if those are more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def paragraph(text):
    """As wide as the documents are."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def cpu_model():
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else "unknown CPU"


def surroundings(peers):
    return {"date": datetime.date.today().isoformat(), "kernel": os.uname().release,
            "cpu": cpu_model(), "cores": os.cpu_count(),
            "versions": {p.name: p.version() for p in peers}}


def choices():
    """As they were typed: `BENCH_CASES="get1k get64k"`."""
    return " ".join(f'{name}="{os.environ[name]}"' for name in CHOICES if os.environ.get(name))


def reading(name):
    """How to read a report."""
    return (machine.ROOT / f"tests/bench/{name}-reading.md").read_text()


def write(name, text, data, out):
    """NAME.md and NAME.json in BENCH_OUT, else in `out`, else nowhere. Returns where."""
    out = os.environ.get("BENCH_OUT") or out
    if not out:
        return None
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(text)
    (out / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    print(f"written: {out}/{name}.md and .json" + "; make bench-docs writes the tables and pictures of them" * (out == DOCS))
    return out
