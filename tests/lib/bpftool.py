# SPDX-License-Identifier: BSD-2-Clause
"""bpftool, as the tests call it."""
import json
import subprocess


def bpftool(*words, **kwargs):
    """Its output, which must be that of a success."""
    done = subprocess.run(["bpftool", *map(str, words)], capture_output=True, text=True, check=False, **kwargs)
    assert done.returncode == 0, f"bpftool {words}: {done.stderr}{done.stdout}"
    return done.stdout


def objects(*words):
    """The objects that it lists."""
    return json.loads(bpftool("-j", *words).strip() or "[]")


def rows(pin):
    """The rows of a pinned map."""
    return objects("map", "dump", "pinned", pin)
