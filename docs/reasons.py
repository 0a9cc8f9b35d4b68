#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints the table of docs/reasons.md, from include/kedge/reasons.def. Run by docs/reference.sh."""
import re
from pathlib import Path

TEXT = (Path(__file__).resolve().parent.parent / "include/kedge/reasons.def").read_text()
STRING = r'"(?:[^"\\]|\\.)*"'
ROW = re.compile(rf"^X\((\w+), (\d+), (\w+),\s*((?:{STRING}\s*)+),\s*((?:{STRING}\s*)+)\)", re.M)


def joined(strings):
    """The pieces of a C string, as a cell of a table."""
    return "".join(part[1:-1] for part in re.findall(STRING, strings)).replace('\\"', '"').replace("|", "\\|")


rows = ROW.findall(TEXT)
assert len(rows) == len(re.findall(r"^X\(", TEXT, re.M)), "a line of reasons.def has another form"
print("| reason | status | level | it means | next step |\n|---|---|---|---|---|")
for name, status, level, text, step in rows:
    print(f"| `{name}` | {status if status != '0' else '-'} | {level} | {joined(text)} | {joined(step)} |")
