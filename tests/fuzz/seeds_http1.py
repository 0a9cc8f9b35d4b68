#!/usr/bin/python3
"""seeds_http1.py DIR: writes the inputs of tests/corpus/http1 as seeds of fuzz_http1 to DIR."""
import pathlib
import re
import sys

MODES = ["append", "replace", "if-none", "never"]
FLAGS = {"drop": 1, "proto": 2, "port": 4, "aliases": 8, "h2c": 16}
ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


def unescape(line):
    times = re.match(rb"\\\*(\d+) ", line)
    if times:
        return unescape(line[times.end():]) * int(times[1])
    return re.sub(rb"\\(?:x([0-9a-fA-F]{2})|(.))",
                  lambda m: bytes([int(m[1], 16)]) if m[1] else ESCAPES[m[2]], line)


def seed(text):
    mode, flags, tunnel, data, inside = 0, 0, 0, b"", False
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
        elif word == "resume":
            tunnel = int(value.strip() == "tunnel")
    return bytes([mode, flags, 255, tunnel]) + data


for path in sorted(pathlib.Path("tests/corpus/http1").iterdir()):
    pathlib.Path(sys.argv[1], path.name).write_bytes(seed(path.read_bytes()))
