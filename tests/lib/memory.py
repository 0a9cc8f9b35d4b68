# SPDX-License-Identifier: BSD-2-Clause
"""Looks into the memory of another process. Not of one with sanitizers: they map terabytes."""


def regions(pid):
    """What can be read of it, one bytes object after another."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if line.split()[1][0] != "r" or "[v" in line:
                continue
            mem.seek(begin)
            held = bytearray()
            while len(held) < end - begin and (piece := mem.read(end - begin - len(held))):
                held += piece
            yield bytes(held)


def has(pid, secret):
    """Is it anywhere?"""
    return any(secret in held for held in regions(pid))


def found(pid, secrets):
    """The names of those of {name: bytes} that are anywhere in it."""
    names = set()
    for held in regions(pid):
        names |= {name for name, secret in secrets.items() if secret in held}
    return names
