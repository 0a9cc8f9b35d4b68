#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
Replays faults: fault.py [--phase PHASE] [--mode MODE] [--binary FILE] FAULT... A FAULT is SYSCALL:ERRNO:N, the n-th
call from the moment on at which the phase begins (serving: in the worker; main, access: in that thread, while kedge is
managed), or SYSCALL:ERRNO:N+ for that one and all later ones. "none" is a round without. In the phase kernel-tls it is
KIND:ERRNO:N, with a kind of KERNEL_TLS in table.py.
"""
import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

# pylint: disable=wrong-import-position
import certs as certs_module  # noqa: E402
import machine  # noqa: E402
from client import tls_context  # noqa: E402
from front import MODES, Front  # noqa: E402
from inject import Fault  # noqa: E402
from kernel_tls import Kernel  # noqa: E402
from managing import Managed, Turn  # noqa: E402
from netns import leave  # noqa: E402
from serving import Round  # noqa: E402
from starting import Starts  # noqa: E402


def serving(args, certs, tls, group, _base):
    with Front(certs, args.mode, group, args.binary) as front:
        for text in args.fault:
            one = Round(front, None if text == "none" else Fault.parse(text), tls).run()
            print(f"{text}: struck {len(one.struck)}, broken: "
                  + (", ".join(f"{x} ({x.broken})" for x in one.broken) or "nobody")
                  + f"; reasons: {one.reasons or 'none'}; " + ("; ".join(one.problems) or "all is well"))
            print("".join(f"    {line}\n" for line in one.struck), end="")
            front.spoilt = bool(one.problems)
            yield one.problems, front.kedge


def starting(args, certs, tls, group, base):
    with Starts(certs, tls, args.mode, group, base) as starts:
        for text in args.fault:
            problems, struck, how = starts.check(Fault.parse(text))
            print(f"{text}, {starts.site(Fault.parse(text))}: {'struck' if struck else 'not struck'}; {how}; "
                  + ("\n".join(problems) or "all is well"))
            yield problems, None


def managing(args, certs, tls, _group, base):
    with Managed(certs, tls, base, args.binary) as front:
        for text in args.fault:
            turn = Turn(front, None if text == "none" else Fault.parse(text), args.phase).run()
            print(f"{text}: struck {len(turn.struck)}; reload: {(turn.answers[1] or {}).get('ok')}; "
                  + ("; ".join(turn.problems) or ("Linux has no such fault there" if turn.void else "all is well")))
            print("".join(f"    {line}\n" for line in turn.struck), end="")
            front.spoilt = bool(turn.problems) or turn.void
            yield turn.problems, front.kedge
            if turn.void:
                return


def kernel_tls(args, certs, _tls, group, _base):
    contexts = {version: tls_context(certs.ca, version) for version in ("1.2", "1.3")}
    with Kernel(certs, contexts, group, args.record) as kernel:
        for text in args.fault:
            began = time.monotonic()
            one = kernel.round() if text == "none" else kernel.check(Fault.parse(text))
            if not one:
                raise SystemExit(f"{text}: kedge makes fewer such calls")
            print(f"{text}: struck {len(one.struck)}, broken: "
                  + (", ".join(f"{x} ({x.broken})" for x in one.broken) or "nobody")
                  + f"; reasons: {one.reasons or 'none'}; " + ("; ".join(one.problems) or "all is well")
                  + f"; {time.monotonic() - began:.1f} s", flush=True)
            print("".join(f"    {line}\n" for line in one.struck), end="")
            yield one.problems, None


PHASES = {"serving": serving, "starting": starting, "main": managing, "access": managing, "kernel-tls": kernel_tls}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phase", choices=PHASES, default="serving")
    parser.add_argument("--mode", choices=[*MODES, "prefer"], default="user")
    parser.add_argument("--record", choices=("require", "prefer"), default="require", help="in the phase kernel-tls")
    parser.add_argument("--binary")
    parser.add_argument("fault", nargs="+")
    args = parser.parse_args()
    leave()
    group = machine.try_cgroup()
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o755)
        certs = certs_module.Certs(base)
        passed = failed = 0
        for problems, kedge in PHASES[args.phase](args, certs, tls_context(certs.ca), group, base):
            passed, failed = passed + (not problems), failed + bool(problems)
            if problems and kedge:  # it is of no use for the next fault
                print(kedge.log())
                break
    group.remove()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
