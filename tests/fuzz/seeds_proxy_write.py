#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""seeds_proxy_write.py DIR: writes seeds of fuzz_proxy_write to DIR: facts with and without each of their parts."""
import itertools
import pathlib
import sys

INET = bytes([1]) + b"\x01\xbb" + bytes([192, 0, 2, 1])
INET6 = bytes([2]) + b"\x01\xbb" + bytes(range(16))
MAPPED = bytes([3]) + b"\x01\xbb" + bytes([192, 0, 2, 1])
UNIX = bytes([4, 6]) + b"/run/a"
NOTHING = bytes([0])
LOCAL, CRC, PASS = 1, 4, 8


def value(data):
    return bytes([255]) if data is None else bytes([len(data)]) + data


def text(data):
    return bytes([127]) if data is None else bytes([len(data)]) + data


def tlv(kind, data):
    return bytes([kind, 0, len(data)]) + data


VALUES = value(b"h2") + value(b"app.example") + value(b"0123")
TLS = bytes([15]) + text(b"TLS_AES_128_GCM_SHA256") + text(b"RSA-SHA256") + text(b"RSA2048") + text(b"name")
NO_TLS = bytes([0]) + text(None) * 4
INCOMING = tlv(1, b"h3") + tlv(0xea, b"x") + tlv(4, b"  ") + tlv(3, b"0000") + tlv(32, b"\1\0\0\0\0") + tlv(5, b"id")

pairs = itertools.product((INET, INET6, MAPPED, UNIX, NOTHING), repeat=2)
seeds = [bytes([0, 0]) + src + dst + value(None) * 3 + NO_TLS for src, dst in pairs]
seeds += [bytes([128, CRC]) + INET + INET + VALUES + TLS,
          bytes([200, CRC | PASS]) + INET + INET6 + VALUES + TLS + INCOMING,
          bytes([10, PASS]) + INET + INET + value(None) * 3 + NO_TLS + INCOMING,
          bytes([10, PASS]) + INET + INET + value(None) * 3 + NO_TLS + b"\xe0\x0f\xe0" + bytes(4096),
          bytes([9, LOCAL | CRC]) + INET + INET + VALUES + NO_TLS]
for number, seed in enumerate(seeds):
    pathlib.Path(sys.argv[1]).joinpath(f"seed-{number}").write_bytes(seed)
