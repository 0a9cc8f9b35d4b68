# SPDX-License-Identifier: BSD-2-Clause
"""Runs commands and reads their output."""
import re
import subprocess

from machine import PATIENCE


def run(*argv, timeout=30, **kwargs):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False,
                          timeout=timeout * PATIENCE, **kwargs)


def curl(*args, **kwargs):
    return run("curl", "-sS", "--max-time", int(20 * PATIENCE), *args, **kwargs)


def url(address, path="/", scheme="https", host="localhost"):
    return f"{scheme}://{host}:{address[1]}{path}"


def seen(answer):
    """What the story's application saw: {"ip": ..., "xff": ...}, None for undefined."""
    found = dict(re.findall(r'^req\.(ip|xff): (.*)$', getattr(answer, "stdout", answer), re.M))
    assert set(found) == {"ip", "xff"}, answer
    return {k: None if v == "undefined" else v.strip('"') for k, v in found.items()}
