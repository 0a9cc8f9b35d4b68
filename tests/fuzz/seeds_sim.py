#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""seeds_sim.py DIR: writes seeds of fuzz_sim to DIR: decisions by chance, enough for a whole run."""
import pathlib
import random
import sys

for number in range(16):
    data = random.Random(number).randbytes(500 << number % 5)
    pathlib.Path(sys.argv[1]).joinpath(f"seed-{number}").write_bytes(data)
