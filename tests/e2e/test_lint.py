# SPDX-License-Identifier: BSD-2-Clause
"""The scripts of tests/lint: quiet about the tree, and each rule finds a file that breaks it."""
import shutil
import sys

import pytest

import machine
from run import run

LINE1 = "/* SPDX-License-Identifier: BSD-2-Clause */\n"

# script: ({file: what is added to it}, how a line begins that it must print), for each rule
BREACHES = {
    "rooms": [
        ({"user/base/ring.c": '#include "conn/conn.h"\n'}, 'user/base/ring.c: "conn/conn.h": base cannot include conn'),
        ({"user/base/ring.c": '#include "log.h"\n'}, 'user/base/ring.c: "log.h": name the room, too: "base/log.h"'),
        ({"user/attic/one.c": LINE1}, "user/attic: a room that tests/lint/rooms.py does not know"),
    ],
    "headers": [
        ({"user/base/ring.h": "int of_nobody(\n\tint x);\n"}, "user/base/ring.h: of_nobody: declare it in the header"),
        ({"user/base/ring.h": "extern int of_nobody;\n"}, "user/base/ring.h: of_nobody: declare it in the header"),
        ({"user/base/cleanup.h": "void of_nobody(void);\n"},
         "user/base/cleanup.h: of_nobody: declare it in the header"),
        ({"user/base/one.h": '#include "base/two.h"\n', "user/base/two.c": '#include "base/one.h"\n',
          "user/base/two.h": LINE1},
         "user/base/one: a circle of includes: base/one -> base/two -> base/one"),
        ({"user/base/alone.c": LINE1},
         "user/base/alone.c: has no test of its name: write tests/unit/base/test_alone.c"),
    ],
    "files": [
        ({"user/base/alone.c": "int x;\n"}, "user/base/alone.c: line 1 (2 behind #!) must be a comment with: "
                                            "SPDX-License-Identifier: BSD-2-Clause"),
        ({"bpf/alone.bpf.h": LINE1}, "bpf/alone.bpf.h: line 1 (2 behind #!) must be a comment with: "
                                     "SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)"),
        ({"user/base/alone.c": f"{LINE1}/* {95 * 'x'} */\n"}, "user/base/alone.c:2: wider than 100 columns"),
        ({"user/base/alone.h": f"{LINE1}#define X{87 * ' '}\t\t0\n"}, "user/base/alone.h:2: wider than 100 columns"),
        ({"user/base/alone.h": f'{LINE1}const char x[] = "one two three four "\n\t"five";\n'},
         "user/base/alone.h:3: one word alone: cut the string before it"),
    ],
    "order": [
        ({"include/kedge/stats.def": 'X(newer, "text")\n'},
         'stats.def: newer: new at the end: append the line "stats.def newer" to tests/lint/order.txt, too'),
        ({"tests/lint/order.txt": "stats.def gone\n"},
         "stats.def: gone: not in its place: names are never removed or moved, put it back"),
        ({"include/kedge/other.def": 'X(first, "text")\n'}, "other.def: first: new at the end: append"),
    ],
}


def lint(root, script):
    return run(sys.executable, "-B", root / f"tests/lint/{script}.py")


def git(root, *words):
    done = run("git", "-C", root, "-c", "user.name=test", "-c", "user.email=test@example.test", *words)
    assert done.returncode == 0, (words, done.stderr)


@pytest.mark.parametrize("script", BREACHES)
def test_the_tree_keeps_to_the_rules(script):
    if run("git", "-C", machine.ROOT, "ls-files").returncode:
        pytest.skip("git lists the files, and this tree is not a clone")
    done = lint(machine.ROOT, script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The part of the tree that the scripts read, as a repository of its own."""
    root = tmp_path_factory.mktemp("lint")
    for name in ("user", "bpf", "include", "tests/lint", "tests/unit", "REUSE.toml"):
        copy = shutil.copytree if (machine.ROOT / name).is_dir() else shutil.copy
        copy(machine.ROOT / name, root / name)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "as it is")
    return root


@pytest.fixture
def tree(copied):
    yield copied
    git(copied, "reset", "-q", "--hard")
    git(copied, "clean", "-qfd")


@pytest.mark.parametrize("script, files, begin",
                         [(script, *breach) for script, breaches in BREACHES.items() for breach in breaches])
def test_a_breach_is_found(tree, script, files, begin):
    def found():
        return [line for line in lint(tree, script).stdout.splitlines() if line.startswith(begin)]

    assert not found()
    for name, text in files.items():
        (tree / name).parent.mkdir(exist_ok=True)
        with open(tree / name, "a", encoding="utf-8") as file:
            file.write(text)
    assert len(found()) == 1 and lint(tree, script).returncode == 1


@pytest.mark.parametrize("list_name, first", [("stats.def", "accepted"), ("reasons.def", "client_gone")])
def test_a_line_amid_a_list_is_found(tree, list_name, first):
    path = tree / "include/kedge" / list_name
    path.write_text(path.read_text().replace(f"X({first},", f"X(newer, \"text\")\nX({first},"))
    done = lint(tree, "order")
    assert (done.returncode, done.stdout) == (
        1, f"{list_name}: newer: it is in the place of {first}: move it to the end of the list\n")
