#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
headers.py [DIR...]: what the files of user/ owe each other.

  - A header declares only functions and variables that the .c of its name defines. A header without such a .c has
    types, macros and static inline functions only.
  - No circle: X.c and X.h count as one file, and no file includes itself by way of others.
  - Each user/ROOM/X.c has a test: tests/unit/ROOM/test_X.c.

Prints what is wrong and what to do; status 1 then. With DIRs, only what is wrong in those. `make lint` runs it.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USER = ROOT / "user"
INCLUDE = re.compile(r'^#\s*include\s+"([^"]+)\.h"', re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
# What begins in column 0 and ends at a semicolon, without a body: a declaration at file scope.
PROTOTYPE = re.compile(r"^(?!static\b|typedef\b|extern\b|_Static_assert\b)[A-Za-z_][\w \t\*]*?\b(\w+)\s*\((?:[^;{}()]|\([^()]*\))*\)"
                       r"[^;{}]*;", re.M)
EXTERN = re.compile(r"^extern\s+[^;(]*?\b(\w+)(?:\[[^\]]*\])?\s*;", re.M)


def code_of(path):
    text = COMMENT.sub("", path.read_text()) if path.exists() else ""
    return re.sub(r"^#.*?(?<!\\)\n", "", text, flags=re.M | re.S)


def defines_function(code, name):
    return re.search(rf"^[A-Za-z_][^;{{}}#]*?\b{name}\s*\([^;{{}}]*\)\s*\{{", code, re.M)


def defines_variable(code, name):
    return re.search(rf"^(?!extern|static)[A-Za-z_][^;(){{}}]*?\b{name}\b\s*(\[[^\]]*\]\s*)*(=|;)", code, re.M)


def header_faults(header):
    source = header.with_suffix(".c")
    declared, defined = code_of(header), code_of(source)
    strangers = [n for n in PROTOTYPE.findall(declared) if not defines_function(defined, n)]
    strangers += [n for n in EXTERN.findall(declared) if not defines_variable(defined, n)]
    for name in strangers:
        yield f"{header}: {name}: declare it in the header of the .c that defines it"


def modules():
    """What each file of user/ includes of user/, by name without suffix."""
    graph = {}
    for path in sorted(USER.glob("*/*.[ch]")):
        name = str(path.relative_to(USER).with_suffix(""))
        known = graph.setdefault(name, set())
        known.update(i for i in INCLUDE.findall(path.read_text()) if i != name and (USER / f"{i}.h").exists())
    return graph


def circles(graph):
    """One list of names for each circle that a walk in depth meets."""
    state, found = {}, []

    def walk(name, trail):
        state[name] = "open"
        for other in sorted(graph.get(name, ())):
            if state.get(other) == "open":
                found.append(trail[trail.index(other):] + [other])
            elif other not in state:
                walk(other, trail + [other])
        state[name] = "done"

    for name in sorted(graph):
        if name not in state:
            walk(name, [name])
    return found


def circle_faults():
    for circle in circles(modules()):
        yield (f"user/{circle[0]}: a circle of includes: {' -> '.join(circle)}. Move the types that both need into a "
               "header of their own, or hand the lower one's functions over as parameters")


def test_faults(source):
    test = ROOT / "tests/unit" / source.parent.name / f"test_{source.stem}.c"
    if not test.exists():
        yield f"{source}: has no test of its name: write {test}"


def main(only):
    faults = list(circle_faults())
    for header in sorted(USER.glob("*/*.h")):
        faults += header_faults(header)
    for source in sorted(USER.glob("*/*.c")):
        faults += test_faults(source)
    faults = [f.replace(f"{ROOT}/", "") for f in faults]
    faults = [f for f in faults if not only or any(f.startswith(o.rstrip("/") + "/") for o in only)]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


sys.exit(main(sys.argv[1:]))
