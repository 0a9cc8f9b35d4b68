#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""coverage.py PROFILE PROGRAM...: branches of the automaton that the programs' runs have taken.

The headers are inline, so each program has functions of its own for the same lines: a branch counts as taken
both ways if it was over all of them together. Says for each file how many were, where the others
are, and "coverage: N passed, N failed, 0 skipped", a file with all of them being one that passed.

UNREACHABLE has what no input can take, with the reason; it must be there, and not be taken.
"""
import collections
import json
import re
import subprocess
import sys

FILES = re.compile(r"(?:^|/)(include/kedge/http1\w*\.h)$")

VERIFIER = "true already by what is before it; the verifier does not know"
# (file, condition, which way)
UNREACHABLE = {
    ("include/kedge/http1_take.h", "p + 13 > end", "true"): VERIFIER,
    ("include/kedge/http1_take.h", "len > HTTP1_TAKE_NAME", "true"): VERIFIER,
    ("include/kedge/http1_take.h", "p + 1 > end", "true"): VERIFIER,
}


def branches(export):
    """{file: {place: [times true, times false]}} over all functions."""
    found = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
    for function in export["data"][0]["functions"]:
        for *place, true, false, file, _, _ in function.get("branches", ()):
            match = FILES.search(function["filenames"][file])
            if match:
                counts = found[match[1]][tuple(place)]
                counts[0] += true
                counts[1] += false
    return found


def source(file, place):
    """The text of a condition; its first line."""
    line, column, last, end = place
    text = open(file, encoding="ascii").read().splitlines()[line - 1]
    return text[column - 1:end - 1 if last == line else None]


def judge(file, places):
    """Prints what is to be said of a file; whether it has all that can be."""
    missing = {(place, way) for place, counts in places.items()
               for way, count in zip(("true", "false"), counts) if not count}
    dead = {(place, way) for place, way in missing if (file, source(file, place), way) in UNREACHABLE}
    total, missing = 2 * len(places) - len(dead), sorted(missing - dead)
    known = {condition for name, condition, _ in UNREACHABLE if name == file}
    stale = known - {source(file, place) for place, _ in dead}
    print(f"  {file:30} {total - len(missing):4} of {total:4} branches"
          + (f", {len(dead)} unreachable" if dead else ""))
    for place, way in missing:
        print(f"    {file}:{place[0]}:{place[1]}: never {way}: {source(file, place)}")
    for condition in sorted(stale):
        print(f"    {file}: is said to be unreachable, but is taken or gone: {condition}")
    return not missing and not stale


def main(profile, *programs):
    objects = [word for program in programs[1:] for word in ("-object", program)]
    done = subprocess.run(["llvm-cov", "export", f"-instr-profile={profile}", programs[0], *objects],
                          check=True, capture_output=True, text=True)
    results = [judge(file, places) for file, places in sorted(branches(json.loads(done.stdout)).items())]
    print(f"coverage: {sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
