# SPDX-License-Identifier: BSD-2-Clause
"""Bytes that both ends can make and check: the same as in tests/story/app.js."""
BLOCK = bytes((i * i * 31 + i * 7 + 3) & 255 for i in range(65521))


def pattern(size):
    return (BLOCK * (size // len(BLOCK) + 1))[:size]


class Checker:
    """Compares a stream with the pattern while it arrives."""

    def __init__(self):
        self.size = 0

    def take(self, data):
        at = self.size % len(BLOCK)
        expected = (BLOCK * ((at + len(data)) // len(BLOCK) + 1))[at:at + len(data)]
        if data != expected:
            wrong = next(i for i, (a, b) in enumerate(zip(data, expected)) if a != b)
            raise AssertionError(f"first wrong byte at {self.size + wrong}")
        self.size += len(data)
