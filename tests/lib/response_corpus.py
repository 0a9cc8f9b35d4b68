# SPDX-License-Identifier: BSD-2-Clause
"""Reads tests/corpus/response (the format: tests/corpus/response.txt)."""
import re
from pathlib import Path

import corpus

DIRECTORY = Path(__file__).resolve().parents[1] / "corpus/response"


class Case:
    def __init__(self, path):
        self.name, self.methods, self.standing = path.name, ["GET"], "between"
        self.event, self.state, self.last, self.clean = "quiet", "line", "no", None
        self.done = None
        self.lines = []  # (how often, bytes)
        self.passes = self.stays = b""
        data = None
        for line in path.read_text().splitlines():
            if line.startswith("\t"):
                self._add(data, line[1:])
            elif line and not line.startswith("#"):
                data, value = (part.strip() for part in line.split(":", 1))
                if data == "methods":
                    self.methods = [] if value == "none" else value.split()
                elif data not in ("passes", "stays"):
                    setattr(self, data.replace("-", "_"), value)
        self.done = len(self.methods) if self.done is None else int(self.done)
        self.last, self.clean = self.last == "yes", self.clean == "yes"

    def _add(self, where, text):
        times = re.match(r"\\\*(\d+) ", text)
        self.lines.append((int(times[1]) if times else 1,
                           corpus.unescape(text[times.end():] if times else text)))
        setattr(self, where, getattr(self, where) + corpus.unescape(text))

    @property
    def data(self):
        return self.passes + self.stays


def load():
    cases = [Case(path) for path in sorted(DIRECTORY.iterdir()) if path.name[0] != "."]
    assert len(cases) > 150, f"{DIRECTORY}: only {len(cases)} cases"
    return cases
