#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""seeds_flow.py DIR: writes seeds of fuzz_flow to DIR: usual conversations, and what once went wrong between two ends."""
import pathlib
import sys

EVENTS = 48
REPEAT, SPLIT = 0xfe, b"\xfc"
ALL, SOME = 15 << 3, 5 << 3
CLIENT, APP, CLIENT_TAKES, APP_TAKES, ANSWER = 0, 2, 4, 5, 6 | 1 << 3

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD" + GET[3:]
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
CHUNKED = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
BAD = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
SHORT = b"A / HTTP/1.0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 X\r\n\r\n"
LOST = b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"


def repeat(times, data):
    return bytes([REPEAT, times, len(data)]) + data


TURNS = [CLIENT | ALL, APP | ALL]
BY_TURNS = [CLIENT | SOME, APP | SOME] * (EVENTS // 2)
ONE_BY_ONE = [CLIENT | ALL] + [ANSWER] * (EVENTS - 1)

SEEDS = {
    "get": (TURNS, GET, OK),
    "kept": (BY_TURNS, GET + POST + CHUNKED + GET, OK + CHUNKS + OK + OK),
    "head": (ONE_BY_ONE, HEAD + GET, LENGTH + OK),
    "many": (ONE_BY_ONE, repeat(200, GET), repeat(200, OK)),
    "heads": (ONE_BY_ONE, repeat(80, HEAD + GET), repeat(80, LENGTH + OK)),
    "upgrade": (ONE_BY_ONE, UPGRADE + b"tunnel", SWITCHED + b"tunnel"),
    "declined": (ONE_BY_ONE, UPGRADE + GET, OK + OK),
    "expect": (ONE_BY_ONE, POST[:-4] + POST[-4:], CONTINUE + OK),
    "refused": (ONE_BY_ONE, GET + BAD, OK),
    "surplus": (ONE_BY_ONE, GET, OK + OK),
    "early": (ONE_BY_ONE, GET[:20], OK + OK),
    "lost": (ONE_BY_ONE, GET + GET, LOST),
    "inside": ([CLIENT | SOME, APP | SOME, CLIENT | ALL] + ONE_BY_ONE, GET + BAD, OK + LENGTH),
    "not_asked_101": (TURNS, GET + GET, SWITCHED + OK),
    "shortest": (TURNS, HEAD + 5 * repeat(205, SHORT) + HEAD + GET, LENGTH + 5 * repeat(205, OK) + LENGTH + OK),
}
for name, (events, requests, responses) in SEEDS.items():
    events = bytes((events + [0] * EVENTS)[:EVENTS])
    for number, size in enumerate((1, 3, 5, 6)):
        choices = bytes([0, 0x20, size, 15, 15]) + events
        pathlib.Path(sys.argv[1]).joinpath(f"{name}-{number}").write_bytes(choices + requests + SPLIT + responses)
