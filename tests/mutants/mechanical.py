#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Makes many small faults in a source file, one at a time, and says which of them the unit tests do not find.

    tests/mutants/mechanical.py [-n COUNT] [-s SEED] [-q] FILE...    COUNT (40) of them, chosen by SEED (1)
    tests/mutants/mechanical.py --only FILE:LINE:K                   one again, with the output of its tests

FILE is user/ROOM/NAME.c or include/kedge/NAME.h. Its own unit tests are asked first, then the others of its room; with
-q only its own. A fault that no test finds is printed as FILE:LINE:K with the line before and after it. Either a test
is missing, or the fault changes nothing that can be seen; tests/mutants/equivalent.txt has those that were judged so.

Works in build/mechanical, a copy of the sources. `make unit-programs` must have built the tree.
"""
import argparse
import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build/mechanical"
# What compiles the automaton, besides the tests themselves.
AUTOMATON = ["tests/lib/http1_driver.c", "user/http/http1_edit.c"]
SLOW = ["test_http1_heads", "test_http1", "test_http1_reference"]  # asked last
SECONDS = 20

# Each gives a list of the new texts for what it finds.
SWAPS = [
    (r"(?<![<>=!-])<(?![<=])", ["<="]), (r"(?<![<>=!-])>(?![>=])", [">="]), (r"(?<![<])<=", ["<"]), (r"(?<![>])>=", [">"]),
    (r"==", ["!="]), (r"!=", ["=="]), (r"&&", ["||"]), (r"\|\|", ["&&"]), (r"\+\+", ["--"]),
    (r"(?<=\w\s)\+(?=\s)", ["-"]), (r"(?<=[\w)\]]\s)-(?=\s)", ["+"]), (r"\|=", ["=", "&="]), (r"\+=", ["-=", "="]),
    (r"-=", ["=", "+="]), (r"\btrue\b", ["false"]), (r"\bfalse\b", ["true"]), (r"(?<![\w.])!(?=[\w(])", [""]),
    (r"(?<=\w\s)&(?=\s\w)", ["|"]), (r"(?<=\s)\|(?=\s)", ["&"]), (r"&\s?~", ["| ~", "& "]),
]
NUMBER = re.compile(r"(?<![\w.'\"])(0x[0-9a-f]+|\d+)(U?L{0,2})\b(?!['\"])", re.I)
CONDITION = re.compile(r"^(\s*(?:\} else )?(?:if|while) \()(.*)(\)(?: \{)?)$")
STATEMENT = re.compile(r"^\t+(?!return|break|continue|goto|case|default|else|if|for|while|switch|do\b)"
                       r"(?:\*?[\w.>\[\]()%/+* -]+ [|&+\-]?= .*|[\w.>-]+(?:\+\+|--)|\w+\(.*\));$")
DECLARES = re.compile(r"^\t+(?:const |static |struct |enum |union |unsigned |size_t |ssize_t |bool |int |char |u?int\d+_t |__u\d+ |_cleanup_)")


def code_of(text):
    """The lines without comments and strings, blanked so that columns stay."""
    blank = lambda match: re.sub(r"[^\n]", " ", match[0])
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", blank, text, flags=re.S).split("\n")


def changes_of(line, code):
    """The faults of one line."""
    if not code.strip() or code.lstrip().startswith(("#", "_Static_assert", "assert(", "static ", "case ")):
        return
    for pattern, texts in SWAPS:
        for found in re.finditer(pattern, code):
            for text in texts:
                yield line[:found.start()] + text + line[found.end():]
    for found in NUMBER.finditer(code):
        value, suffix = int(found[1], 0), found[2]
        for other in {value + 1, max(value - 1, 0), value >> 1 if value > 64 else value + 1} - {value}:
            yield line[:found.start()] + str(other) + suffix + line[found.end():]
    condition = CONDITION.match(code)
    if condition:
        start, end = condition.end(1), condition.start(3)
        yield line[:start] + "0 && (" + line[start:end] + ")" + line[end:]
        yield line[:start] + "1 || (" + line[start:end] + ")" + line[end:]
    if STATEMENT.match(code) and not DECLARES.match(code):
        yield re.match(r"\t*", line)[0] + ";"


def faults_of(name):
    """All faults of a file: {"FILE:LINE:K": (index of the line, its new text)}."""
    text = (ROOT / name).read_text()
    faults = {}
    for at, (line, code) in enumerate(zip(text.split("\n"), code_of(text))):
        for k, new in enumerate(dict.fromkeys(changes_of(line, code))):
            if new != line:
                faults[f"{name}:{at + 1}:{k}"] = (at, new)
    return faults


class Bench:
    """Compiles a changed file and asks the unit tests."""

    def __init__(self, name, own_only):
        self.name, self.room, self.stem = name, Path(name).parts[1], Path(name).stem
        self.programs = self.find_programs(own_only)
        words = self.make_says("user/http/xff.c", "build/unit/http/test_xff")
        self.compiler = next(line for line in words if " -c user/http/xff.c" in line)
        self.linker = next(line for line in words if "-o build/unit/http/test_xff" in line)

    def find_programs(self, own_only):
        every = sorted(path.stem for path in (ROOT / "tests/unit" / self.room).glob("test_*.c"))
        own = [test for test in every if test == f"test_{self.stem}" or test.startswith(f"test_{self.stem}_")]
        others = [] if own_only else [test for test in every if test not in own]
        return sorted(own + others, key=lambda test: (test in SLOW, test not in own))

    @staticmethod
    def make_says(changed, target):
        return subprocess.run(["make", "-n", "V=1", "-W", changed, target], cwd=ROOT, text=True, capture_output=True,
                              check=True).stdout.splitlines()

    def compile(self, source, sanitize):
        """The object of a source, in the copy. False if it does not compile."""
        target = WORK / "objects" / source.replace(".c", ".o")
        target.parent.mkdir(parents=True, exist_ok=True)
        words = shlex.split(self.compiler.replace("user/http/xff.c", source))
        words = [word for word in words[:words.index("-o")] if word not in ("-MMD", "-MP", "-Wall", "-Wextra")
                 and (sanitize or not word.startswith("-fsanitize"))]
        words = [f"-I{ROOT}/build" if word == "-Ibuild" else word for word in words]
        # A variable that nobody uses any more is no mistake of the test.
        return subprocess.run([*words, "-w", "-o", target], cwd=WORK, capture_output=True, check=False).returncode == 0

    def prepare(self):
        """Compiles what the fault is in."""
        shutil.rmtree(WORK / "objects", ignore_errors=True)
        self.is_header = self.name.endswith(".h")
        sources = AUTOMATON if self.is_header else [self.name]
        if not all(self.compile(source, not self.is_header) for source in sources):
            return False
        members = [WORK / "objects" / source.replace(".c", ".o") for source in sources if source.startswith("user/")]
        shutil.copy(ROOT / "build/asan/libkedge.a", WORK / "objects")
        subprocess.run(["ar", "rs", WORK / "objects/libkedge.a", *members], check=True)
        return True

    def link(self, program):
        source = f"tests/unit/{self.room}/{program}.c"
        if (self.is_header or f'"{self.name}"' in (ROOT / source).read_text()) and not self.compile(source, not self.is_header):
            return None
        words = []
        for word in shlex.split(self.linker.replace("unit/http/test_xff", f"unit/{self.room}/{program}")):
            ours = WORK / "objects" / word.removeprefix("build/asan/")
            words.append(ours if word.startswith("build/asan/") and ours.exists() else word)
        binary = WORK / "objects" / program
        words[words.index("-o") + 1] = binary
        return binary if subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == 0 else None

    def found_by(self, aloud=False):
        """The first test that fails; "" if none does; None if the fault does not build."""
        if not self.prepare():
            return None
        for program in self.programs:
            binary = self.link(program)
            if not binary:
                return None
            try:
                ran = subprocess.run(["timeout", "-k1", str(SECONDS), binary], cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                                     errors="replace", capture_output=True, check=False)
            finally:
                binary.unlink()
            if aloud:
                print(ran.stdout + ran.stderr)
            if ran.returncode not in (0, 77):
                return program
        return ""


def judge(bench, faults, chosen, aloud):
    results = {}
    text = (ROOT / bench.name).read_text().split("\n")
    changed = WORK / bench.name
    assert bench.found_by() == "", f"{bench.name}: the tests fail without a fault"
    for fault in chosen:
        at, new = faults[fault]
        changed.write_text("\n".join(text[:at] + [new] + text[at + 1:]))
        results[fault] = bench.found_by(aloud)
        if results[fault] == "":
            print(f"{fault}\n    - {text[at].strip()}\n    + {new.strip()}", flush=True)
    changed.write_text("\n".join(text))
    return results


def copy_sources():
    for part in ("user", "include", "tests"):
        shutil.copytree(ROOT / part, WORK / part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=40)
    parser.add_argument("-s", type=int, default=1)
    parser.add_argument("-q", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    copy_sources()
    for name in [args.only.split(":")[0]] if args.only else args.files:
        faults = faults_of(name)
        chosen = [args.only] if args.only else random.Random(args.s).sample(sorted(faults), min(args.n, len(faults)))
        results = list(judge(Bench(name, args.q), faults, chosen, args.only).values())
        lost, survived = results.count(None), results.count("")
        print(f"{name}: {len(results) - lost} of {len(faults)} faults, {len(results) - lost - survived} found, "
              f"{survived} not; {lost} do not build", flush=True)


sys.exit(main())
