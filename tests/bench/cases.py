# SPDX-License-Identifier: BSD-2-Clause
"""The cases: each is one kind of request, in a fixed number."""
import dataclasses
import fnmatch


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    requests: int
    connections: int = 32
    size: int = 100
    upload: int = 0
    mode: str = "keep"      # of the load client
    load: float = 0         # share of the rate that the reference peer reaches; 0: as fast as it goes
    group: str = "small"    # small, bulk or handshake: the main part of the cost
    warm: int = 0           # requests before; 0: a share of the measured ones
    calls: bool = False     # its system calls are counted, too
    plain: bool = False     # no TLS

    def warmup(self, requests):
        """So many requests warm caches and pools, and use every connection."""
        return self.warm or max(requests // 10, 2 * self.connections if self.mode != "new" else self.connections)


KB, MB = 1 << 10, 1 << 20

NATIVE = [
    Case("get100", "100 B, 64 connections", 20000, 64),
    Case("get1k", "1 KB, 64 connections", 20000, 64, KB, calls=True),
    Case("get1k-c1", "1 KB, 1 connection", 6000, 1, KB),
    Case("get1k-c32", "1 KB, 32 connections", 20000, 32, KB),
    Case("get1k-c256", "1 KB, 256 connections", 20000, 256, KB),
    Case("get1k-paced", "1 KB, 64 connections, at 70 % of the best peer's rate", 20000, 64, KB, load=0.7),
    Case("get16k", "16 KB", 12000, size=16 * KB, group="bulk"),
    Case("get64k", "64 KB", 5000, size=64 * KB, group="bulk", calls=True),
    Case("get1m", "1 MB", 500, size=MB, group="bulk", calls=True),
    Case("post1m", "1 MB upload", 400, upload=MB, group="bulk", calls=True),
    Case("handshake", "full handshake and one request", 800, mode="new", group="handshake", calls=True),
    Case("resume", "resumed handshake and one request", 1000, mode="resume", group="handshake"),
]

# Few, because a guest is some ten times slower. Its counts hardly vary.
GUEST = [
    Case("get100", "100 B", 1000, warm=300),
    Case("get1k", "1 KB", 1000, size=KB, warm=300),
    Case("get16k", "16 KB", 400, size=16 * KB, group="bulk"),
    Case("get64k", "64 KB", 200, size=64 * KB, group="bulk"),
    Case("get1m", "1 MB", 64, size=MB, group="bulk", warm=32),
    Case("post1m", "1 MB upload", 64, upload=MB, group="bulk", warm=32),
    Case("handshake", "full handshake and one request", 160, mode="new", group="handshake", warm=64),
    Case("resume", "resumed handshake and one request", 320, mode="resume", group="handshake", warm=64),
]


def words(case, requests=None, rate=None):
    """The arguments of the load client."""
    requests = requests or case.requests
    said = {"--mode": case.mode, "--connections": case.connections, "--size": case.size,
            "--upload": case.upload, "--requests": requests, "--warmup": case.warmup(requests)}
    if rate:
        said["--rate"] = int(rate)
    return [str(word) for pair in said.items() for word in pair] + ["--plain"] * case.plain


def chosen(cases, patterns):
    """The cases whose name matches one of the words; all without words."""
    words = patterns.split()
    known = [c for c in cases if not words or any(fnmatch.fnmatchcase(c.name, w) for w in words)]
    for word in words:
        if not any(fnmatch.fnmatchcase(c.name, word) for c in cases):
            raise SystemExit(f"no case {word!r}; there are {', '.join(c.name for c in cases)}")
    return known
