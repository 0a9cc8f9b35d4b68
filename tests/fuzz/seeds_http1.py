#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""seeds_http1.py DIR: writes seeds of fuzz_http1 to DIR: the inputs of tests/corpus/http1, and heads of
nothing but one sort of line (tests/lib/http1_heads.c), a few and as many as are allowed."""
import pathlib
import re
import sys

MODES = ["append", "replace", "if-none", "never"]
FLAGS = {"drop": 1, "proto": 2, "port": 4, "aliases": 8, "h2c": 16, "strip": 32, "real": 64,
         "forwarded": 128, "trusted": 0x400}  # the last one is a bit of the mode there
LIMITS = {None: 0, "32768": 0, "65536": 1, "8192": 2}  # others: one of fuzz_http1.c's own
ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}
REPEAT = 0xfe
RECORD, WHOLE = 254, 255


def repeat(times, data):
    """What tests/fuzz/stream.h reads as so many times the data, and one after the other where that is short."""
    if times * len(data) < 300 or len(data) > 255:
        return data * times
    whole = bytes([REPEAT, 255, len(data)]) + data
    return whole * (times // 255) + bytes([REPEAT, times % 255, len(data)]) + data


def unescape(line):
    times = re.match(rb"\\\*(\d+) ", line)
    if times:
        return repeat(int(times[1]), unescape(line[times.end():]))
    return re.sub(rb"\\(?:x([0-9a-fA-F]{2})|(.))",
                  lambda m: bytes([int(m[1], 16)]) if m[1] else ESCAPES[m[2]], line)


def seed(text):
    mode, flags, limit, tunnel, data, inside = 0, 0, None, 0, b"", False
    for line in text.split(b"\n"):
        if line.startswith(b"\t"):
            data += unescape(line[1:]) if inside else b""
            continue
        inside = line == b"input:"
        word, _, value = line.decode().partition(":")
        if word == "mode":
            mode = MODES.index(value.strip())
        elif word == "flags":
            flags = sum(FLAGS[f] for f in value.split())
        elif word == "head-bytes-max":
            limit = value.strip()
        elif word == "resume":
            tunnel = int(value.strip() == "tunnel")
    return bytes([mode | flags >> 8, flags & 0xff, WHOLE, LIMITS.get(limit, 3) << 1 | tunnel]) + data


def sorts():
    source = pathlib.Path("tests/lib/http1_heads.c").read_bytes()
    return [unescape(line) for line in re.findall(rb'^\t"(.*)",$', source, re.M)]


def heads(line, lines, count):
    """Requests with so many lines each, as repetitions within a repetition."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + bytes([REPEAT, lines // line.count(b"\n"), len(line)]) + line + b"\r\n"
    return bytes([0, 0xfe, WHOLE, 0]) + bytes([REPEAT, count, len(head)]) + head


directory = pathlib.Path(sys.argv[1])
for path in sorted(pathlib.Path("tests/corpus/http1").iterdir()):
    directory.joinpath(path.name).write_bytes(seed(path.read_bytes()))
for number, line in enumerate(sorts()):
    for lines, count in (3, 1), (127, 2), (128, 1), (60, 50), (47, 3), (24, 9):
        directory.joinpath(f"heads-{number}-{lines}-{count}").write_bytes(heads(line, lines, count))
directory.joinpath("shortest").write_bytes(
    bytes([3, 0, RECORD, 0]) + b"A" + 5 * (bytes([REPEAT, 205, 16]) + b" / HTTP/1.0\r\n\r\nA"))
