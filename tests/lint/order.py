#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The lists of include/kedge grow only at their end, since the place of a name is its number in the pinned layout, also
for a kedge of another version that reads it. tests/lint/order.txt has the names in their order, and this compares.
Prints what is wrong and what to do; status 1 then. `make lint` runs it.
"""
import itertools
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ORDER = "tests/lint/order.txt"


def listed():
    names = {}
    for line in (ROOT / ORDER).read_text().splitlines():
        if line and not line.startswith("#"):
            file, name = line.split()
            names.setdefault(file, []).append(name)
    return names


def fault(file, have, want):
    """The first name that is not in its place; the others follow from it."""
    for here, there in itertools.zip_longest(have, want):
        if here == there:
            continue
        if there is None:
            return f"{file}: {here}: new at the end: append the line \"{file} {here}\" to {ORDER}, too"
        if here in want or here is None:
            return f"{file}: {there}: not in its place: names are never removed or moved, put it back"
        return f"{file}: {here}: it is in the place of {there}: move it to the end of the list"
    return None


def main():
    want = listed()
    have = {path.name: re.findall(r"^X\((\w+)", path.read_text(), re.M)
            for path in sorted((ROOT / "include/kedge").glob("*.def"))}
    faults = [fault(file, have.get(file, []), want.get(file, [])) for file in sorted({*have, *want})]
    faults = [one for one in faults if one]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


sys.exit(main())
