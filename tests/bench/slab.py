# SPDX-License-Identifier: BSD-2-Clause
"""
What the kernel's slab has: objects that are in use, and the pages that they are on. The pages of a cache go back
only when the last object on them is freed. Until then their free places are for the next objects of that cache.
"""
import re

# A cache whose objects in use changed by less, in bytes a connection, is not named.
NAMED_BYTES = 16


def parse(text):
    """{cache: (objects in use, bytes of one, bytes of its pages)} of /proc/slabinfo."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        words = re.match(r" *(\d+) +\d+ +(\d+) +\d+ +(\d+) .*: slabdata +\d+ +(\d+)", rest)
        if words:
            used, size, pages, slabs = map(int, words.groups())
            found[name] = used, size, slabs * pages * 4096
    return found


def grown(before, after, count):
    """{cache: [objects, bytes in use, bytes of pages]}, each for one of `count` connections."""
    found = {}
    for name, (used, size, pages) in after.items():
        used_before, _, pages_before = before.get(name, (0, 0, 0))
        used, pages = used - used_before, pages - pages_before
        if used or pages:
            found[name] = [used / count, used * size / count, pages / count]
    return found


def total(caches, index):
    return sum(cache[index] for cache in caches.values())


def named(runs):
    """The caches worth a row, by what they use in any of these, the most first."""
    most = {}
    for caches in runs:
        for name, (_, used, _) in caches.items():
            most[name] = max(most.get(name, 0), used)
    return sorted((name for name in most if most[name] >= NAMED_BYTES), key=lambda name: -most[name])
