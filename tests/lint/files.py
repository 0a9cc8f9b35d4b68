#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
What every file keeps to: it names its licence (or REUSE.toml does, for files that cannot), whose text is in LICENSES/; no line of C is wider than
100 columns; no string is cut before its last word. Prints what is wrong and what to do; status 1 then. `make lint`
runs it.
"""
import fnmatch
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = "LICENSES"
TAG = "SPDX-License-Identifier: "
OURS = "BSD-2-Clause"
BPF = f"(GPL-2.0-only OR {OURS})"
COLUMNS_MAX = 100
PIECE = r'"((?:[^"\\\n]|\\.)*)"'
CUT = re.compile(rf"{PIECE}(?=[ \t]*\n[ \t]*{PIECE})")


def files():
    """Also those that `git add` does not know yet, so that a fault is found before the commit."""
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                         capture_output=True, text=True).stdout
    return sorted({name for name in out.splitlines() if (ROOT / name).is_file()})


def annotated():
    with open(ROOT / "REUSE.toml", "rb") as file:
        return [path for a in tomllib.load(file)["annotations"] for path in a["path"]]


def licence_fault(name, lines, patterns):
    if name.startswith(f"{TEXTS}/") or any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
        return None
    want = BPF if name.startswith("bpf/") or name.endswith(".bpf.c") else OURS
    said = next((line.split(TAG)[1] for line in lines[:2] if TAG in line), "")
    if said.split(" */")[0].split(" -->")[0] == want:
        return None
    return f"{name}: line 1 (2 behind #!) must be a comment with: {TAG}{want}"


def text_faults(names):
    """Every licence that a file may name has its text there, and no other has."""
    want = {f"{TEXTS}/{one}.txt" for one in re.findall(r"[\w.]+-[\w.-]+", BPF)}
    have = {name for name in names if name.startswith(f"{TEXTS}/")}
    yield from (f"{name}: not there: put the text of this licence there" for name in sorted(want - have))
    yield from (f"{name}: no file has this licence: remove it" for name in sorted(have - want))
    ours = ROOT / TEXTS / f"{OURS}.txt"
    if ours.exists() and ours.read_bytes() != (ROOT / "LICENSE").read_bytes():
        yield f"{TEXTS}/{OURS}.txt: not the text of LICENSE: copy it"


def width_faults(name, lines):
    if name.endswith((".c", ".h", ".def")):
        for at, line in enumerate(lines, 1):
            if len(line.expandtabs(8)) > COLUMNS_MAX:
                yield f"{name}:{at}: wider than {COLUMNS_MAX} columns: break it"


def cut_faults(name, lines):
    """Pieces that end a line of output may be followed by any; a first piece of few words is a list."""
    if name.endswith((".c", ".h")):
        text = "\n".join(lines)
        for cut in CUT.finditer(text):
            first, last = cut.groups()
            if len(first.split()) > 3 and len(last.split()) == 1 and last[0] != "\\" and not first.endswith("\\n"):
                yield f"{name}:{text.count(chr(10), 0, cut.end()) + 2}: one word alone: cut the string before it"


def main():
    patterns, names = annotated(), files()
    faults = [*text_faults(names)]
    for name in names:
        lines = (ROOT / name).read_bytes().decode(errors="replace").splitlines()
        fault = licence_fault(name, lines, patterns)
        faults += [fault] if fault else []
        faults += [*width_faults(name, lines), *cut_faults(name, lines)]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


sys.exit(main())
