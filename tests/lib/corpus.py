# SPDX-License-Identifier: BSD-2-Clause
"""Reads tests/corpus/http1 (the format: tests/corpus/http1.txt)."""
import re
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parents[1] / "corpus/http1"
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}


def unescape(text):
    times = re.match(r"\\\*(\d+) ", text)
    if times:
        return unescape(text[times.end():]) * int(times[1])

    def one(match):
        return (bytes.fromhex(match[2]) if match[2] else ESCAPES[match[1]]).decode("latin-1")
    return re.sub(r"\\(?:([rnt\\])|x([0-9a-f]{2}))", one, text).encode("latin-1")


class Case:
    def __init__(self, path):
        self.name, self.mode, self.flags, self.resume = path.name, "append", frozenset(), None
        self.inputs, self.output, self.refuse, self.ends = [], b"", None, None
        self.head_bytes_max = None
        data = None
        for line in path.read_text().splitlines():
            if line.startswith("\t"):
                if data == "input":
                    self.inputs[-1] += unescape(line[1:])
                else:
                    self.output += unescape(line[1:])
            elif line and not line.startswith("#"):
                key, value = (part.strip() for part in line.split(":", 1))
                data = key
                if key == "input":
                    self.inputs.append(b"")
                elif key == "flags":
                    self.flags = frozenset(value.split())
                elif key in ("mode", "resume", "refuse", "ends", "head-bytes-max"):
                    setattr(self, key.replace("-", "_"), value)
        self.ends = self.ends or ("refused" if self.refuse else "between")

    @property
    def group(self):
        """The flags kedge must be started with."""
        words = ["--xff", self.mode]
        words += ["--xff-trust", "192.0.2.0/24"] if "drop" in self.flags else []
        words += ["--xff-trust", "198.51.100.0/24"] if "trusted" in self.flags else []
        words += ["--forwarding-fields", "strip" if "strip" in self.flags else "keep"]
        words += ["--x-forwarded-proto", "on" if "proto" in self.flags else "off"]
        words += ["--x-forwarded-port", "on"] if "port" in self.flags else []
        words += ["--x-real-ip", "on"] if "real" in self.flags else []
        words += ["--forwarded", "on"] if "forwarded" in self.flags else []
        words += ["--forwarding-aliases", "remove"] if "aliases" in self.flags else []
        words += ["--h2c", "remove" if "h2c" in self.flags else "refuse"]
        words += ["--head-bytes-max", self.head_bytes_max] if self.head_bytes_max else []
        return tuple(words)


def load():
    cases = [Case(path) for path in sorted(DIRECTORY.iterdir()) if path.name[0] != "."]
    assert len(cases) > 100, f"{DIRECTORY}: only {len(cases)} cases"
    return cases
