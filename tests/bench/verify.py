# SPDX-License-Identifier: BSD-2-Clause
"""The check before a benchmark: every proxy gives the right bytes, and adds the address if it can."""
import string

from client import Client, request, tls_context

ALPHABET = string.ascii_lowercase.encode()
FNV_BASIS, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


def body(size):
    return (ALPHABET * (size // 26 + 1))[:size]


def fnv1a(data):
    value = FNV_BASIS
    for byte in data:
        value = (value ^ byte) * FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}".encode()


def expect(what, got, wanted):
    if got != wanted:
        shown = [f"{x[:80]!r}{'...' if len(x) > 80 else ''} ({len(x)} bytes)" for x in (got, wanted)]
        raise RuntimeError(f"{what}: {shown[0]} instead of {shown[1]}")


def verify(stand, certs, sizes=(0, 100, 1 << 10, 16 << 10, 64 << 10, 1 << 20)):
    """
    Sends several requests on one kept connection: each must carry the address. certs: None for clear text.
    """
    name = stand.peer.name
    tls = certs and tls_context(certs.ca, version="1.3", cipher="TLS_AES_128_GCM_SHA256")
    with Client(stand.proxy.address, tls=tls) as c:
        for size in sizes:
            c.send(request(target=f"/{size}"))
            expect(f"{name}: GET /{size}", c.response().body, body(size))
        before = b"192.0.2.66"
        wanted = before + b", 127.0.0.1" if stand.peer.adds_xff else before
        for _ in range(3):
            c.send(request(target="/xff", fields=[("X-Forwarded-For", before.decode())]))
            expect(f"{name}: X-Forwarded-For", c.response().body, wanted)
        upload = body(100001)[::-1]
        c.send(request("POST", "/digest", body=upload))
        expect(f"{name}: digest of an upload", c.response().body, fnv1a(upload))
