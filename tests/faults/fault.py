#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Replays faults: fault.py [--mode MODE] [--binary FILE] FAULT... A FAULT is SYSCALL:ERRNO:N, the n-th call from the
moment on at which the fault begins, or SYSCALL:ERRNO:N+ for that one and all later ones. "none" is a round without.
"""
import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

# pylint: disable=wrong-import-position
import certs as certs_module  # noqa: E402
import machine  # noqa: E402
from client import tls_context  # noqa: E402
from front import MODES, Front  # noqa: E402
from inject import Fault  # noqa: E402
from netns import leave  # noqa: E402
from serving import Round  # noqa: E402


def show(one):
    print(f"{one.fault or 'no fault'}: struck {len(one.struck)}, broken: "
          + (", ".join(f"{x} ({x.broken})" for x in one.broken) or "nobody")
          + f"; reasons: {one.reasons or 'none'}; " + ("; ".join(one.problems) or "all is well"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=MODES, default="user")
    parser.add_argument("--binary")
    parser.add_argument("fault", nargs="+")
    args = parser.parse_args()
    leave()
    group = machine.try_cgroup()
    bad = False
    with tempfile.TemporaryDirectory() as base:
        certs = certs_module.Certs(base)
        tls = tls_context(certs.ca)
        with Front(certs, args.mode, group, args.binary) as front:
            for text in args.fault:
                one = Round(front, None if text == "none" else Fault.parse(text), tls).run()
                show(one)
                for line in one.struck:
                    print("   ", line)
                if one.problems:
                    bad = front.spoilt = True
                    print(front.kedge.log())
                    break
    group.remove()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
