#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""table.py [--write | --compare] [LABEL...]: the capabilities of each kernel, from `kedge probe` in the last runs of the
guests.

Prints the table; --write puts it between the markers in docs/kernels.md. With --compare the status is 1 if docs/kernels.md says
something else of one of these kernels.
"""
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- kernels: made by vmtest/table.py --write -->", "<!-- /kernels -->"


def labels():
    lines = (ROOT / "vmtest/kernels").read_text().splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def short(row):
    return "yes" if row["ok"] else "no: " + row["detail"]


def table(wanted):
    probes = {}
    for label in wanted:
        path = ROOT / f"build/vm/{label}.share/probe.json"
        if path.exists():
            probes[label] = json.loads(path.read_text())
    names = []
    for probe in probes.values():
        names += [key for row in probe["tried"] if (key := (row["capability"], row["name"])) not in names]
    head = ["capability", "what was tried"] + [probe["kernel"] for probe in probes.values()]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for capability, name in names:
        cells = []
        for probe in probes.values():
            rows = [r for r in probe["tried"] if (r["capability"], r["name"]) == (capability, name)]
            cells.append(short(rows[0]) if rows else "not tried")
        lines.append("| " + " | ".join([capability, name] + cells) + " |")
    return "\n".join(lines)


def write(text):
    path = ROOT / "docs/kernels.md"
    page = path.read_text()
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    path.write_text(page[:begin] + "\n" + text + "\n" + page[end:])


def columns(text):
    """{kernel: {(capability, what was tried): cell}} of a table."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    return {kernel: {tuple(row[:2]): row[at] for row in rows[2:]} for at, kernel in enumerate(rows[0]) if at > 1}


def compare(text):
    """Prints what docs/kernels.md says otherwise. A kernel that it does not have is newer, and no fault."""
    page, wrong = (ROOT / "docs/kernels.md").read_text(), 0
    said = columns(page[page.index(BEGIN) + len(BEGIN):page.index(END)])
    for kernel, found in columns(text).items():
        if kernel not in said:
            print(f"docs/kernels.md has no column for {kernel}: vmtest/table.py --write makes one")
        elif said[kernel] != found:
            print(f"docs/kernels.md says otherwise of {kernel}: vmtest/table.py --write corrects it: "
                  f"{sorted(set(found.items()) ^ set(said[kernel].items()))}")
            wrong = 1
    return wrong


def main():
    words = sys.argv[1:]
    text = table([w for w in words if not w.startswith("--")] or labels())
    print(text)
    if "--write" in words:
        write(text)
    return compare(text) if "--compare" in words else 0


sys.exit(main())
