#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""seeds_response.py DIR: writes seeds of fuzz_response to DIR: the cases of tests/corpus/response, with their requests
before the first byte."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))

import response_corpus  # noqa: E402

REPEAT = 0xfe
ARRIVALS, NONE, HEAD, BODY = 6, 255, 1, 2


def shorten(line):
    """What tests/fuzz/stream.h reads as the bytes of a data line: a repetition stays short."""
    times, data = line
    if times * len(data) < 100 or len(data) > 255:
        return data * times
    whole = bytes([REPEAT, 255, len(data)]) + data
    return whole * (times // 255) + bytes([REPEAT, times % 255, len(data)]) + data


def choices(case, half):
    """struct choices of fuzz_response.c: what is cut, and which requests there are."""
    first = case.methods
    arrivals = []
    if case.standing == "body":
        # The last one comes as one of the others, right before the first byte.
        first, arrivals = first[:-1], [bytes([BODY | (4 if first[-1] == "HEAD" else 0), 0])]
    elif case.standing == "head":
        arrivals = [bytes([HEAD, 0])]
    bits = sum(1 << i for i, method in enumerate(first) if method == "HEAD")
    arrivals += [bytes([0, NONE])] * (ARRIVALS - len(arrivals))
    cut = bytes([half & 255, half >> 8, 1, 0])
    return bytes([len(first), bits, int(case.standing == "waiting")]) + cut + b"\0" + b"".join(arrivals)


directory = pathlib.Path(sys.argv[1])
for case in response_corpus.load():
    text = b"".join(shorten(line) for line in case.lines)
    directory.joinpath(case.name).write_bytes(choices(case, len(case.data) // 2) + text)
