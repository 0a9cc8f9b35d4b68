#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""seeds_small.py DIR: writes seeds of fuzz_small to DIR: some for each reader. The first byte is its number."""
import base64
import pathlib
import sys

ADDRESSES, LOG, TICKETS, PEM, RECORDS, NAME, PROTOCOLS, ANSWERS = range(8)
BLOCK = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = base64.b64encode(bytes(range(80))).decode() + "\n"
UPDATE, ANSWER = bytes([24, 0, 0, 1, 0]), bytes([24, 0, 0, 1, 1])
HELLO = bytes([1, 0, 0, 3, 1, 2, 3])


def records(tls13, *all_of_them):
    return bytes([tls13]) + b"".join(bytes([kind, len(data)]) + data for kind, data in all_of_them)


SEEDS = [
    (ADDRESSES, "192.0.2.1:443"), (ADDRESSES, "[2001:db8::1]:65535"), (ADDRESSES, "*:0"), (ADDRESSES, "localhost:80"),
    (ADDRESSES, "10.0.0.0/8"), (ADDRESSES, "2001:db8::/32"), (ADDRESSES, "::ffff:10.0.0.0/104"),
    (LOG, b"\xc8\x00\x04\x08referer\"agent\\GET /a\xff HTTP/1.1"), (LOG, b"\x00\x05\x00\x00GET"),
    (TICKETS, KEY), (TICKETS, "# keys\n\n" + KEY + KEY.replace("AAEC", "AAED")),
    (PEM, BLOCK), (PEM, "text\n" + BLOCK + "text\n" + BLOCK.replace("\n", "\r\n")),
    (RECORDS, records(1, (2, UPDATE), (3, b"data"), (2, ANSWER[:2]), (2, ANSWER[2:]), (1, b"\1\0"))),
    (RECORDS, records(0, (2, HELLO), (1, b"\1\x5a"), (3, b""), (2, HELLO[:5]), (2, HELLO[5:]), (1, b"\2\x28"))),
    (NAME, b"\0\x0b\0\0\x08a.b.test"), (NAME, b"\0\x05\0\0\x02a."),
    (PROTOCOLS, b"\0\x0c\x02h2\x08http/1.1"), (PROTOCOLS, b"\0\x07\x03h2c\x02h2"),
    (ANSWERS, "\0HTTP/1.1 200 OK\r\nX: y\r\n\r\n"), (ANSWERS, "\4HTTP/1.0 503\n"), (ANSWERS, "\1SSH-2.0-x\r\n"),
    (ANSWERS, "\7" + 2 * "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + "HTTP/1.1 204 \r\n"),
]
for number, (reader, text) in enumerate(SEEDS):
    data = text.encode() if isinstance(text, str) else text
    pathlib.Path(sys.argv[1]).joinpath(f"seed-{number}").write_bytes(bytes([reader]) + data)
