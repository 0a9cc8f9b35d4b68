# SPDX-License-Identifier: BSD-2-Clause
"""Counters of the proxy's processes while the load client runs, as perf stat reads them."""
import re
import subprocess
import tempfile

import cases
from stand import LOAD


def count(stand, case, requests, events):
    """
    {event: how often}; None for an event that this machine cannot count. The counters include the warm-up, so the
    only warm-up is the first request of each connection.
    """
    pids = ",".join(map(str, stand.proxy.pids()))
    words = cases.words(case, requests)
    words[words.index("--warmup") + 1] = "0"
    with tempfile.NamedTemporaryFile(mode="r") as out:
        argv = ["perf", "stat", "-x", ",", "-o", out.name, "-e", ",".join(events), "-p", pids, "--",
                str(LOAD), "--port", str(stand.proxy.address[1]), *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{stand.peer.name}: {done.stderr}")
        return parsed(out.read(), events)


def parsed(text, events):
    found = {}
    for count_text, event in re.findall(r"^([^,\n]+),[^,\n]*,([^,\n]+),", text, re.M):
        name = event.removesuffix(":u").removesuffix(":k")
        if name in events:
            found[name] = int(count_text) if count_text.isdigit() else None
    if set(found) != set(events):
        raise RuntimeError(f"perf stat did not count {', '.join(sorted(set(events) - set(found)))}: {text}")
    return found
