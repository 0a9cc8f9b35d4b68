#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
make bench-docs: writes everything that is made from docs/bench/*.json again: reports, README's tables, pictures. Measures
nothing. docs/bench/mover.md and splice.md are not among them: they are written when they are measured.
"""
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib"), str(Path(__file__).resolve().parent)]

import machine  # noqa: E402
import memory_report  # noqa: E402
import pictures  # noqa: E402
import readme_tables  # noqa: E402
from guest_report import GuestReport  # noqa: E402
from native_report import NativeReport  # noqa: E402
from readme_tables import load  # noqa: E402
from report import DOCS  # noqa: E402

SHARED = "Connections to the application that clients share"


def texts():
    """{file: its text}"""
    pages = {machine.ROOT / "README.md": "docs/bench", machine.ROOT / "docs/benchmarks.md": "bench"}
    return {DOCS / "native.md": NativeReport(load("native")).text(),
            DOCS / "shared-native.md": NativeReport(load("shared-native")).text(f"{SHARED}, natively", drawn=False),
            DOCS / "guest.md": GuestReport(load("guest")).text(),
            DOCS / "shared-guest.md": GuestReport(load("shared-guest")).text(f"{SHARED}, instruction by instruction"),
            DOCS / "memory.md": memory_report.text(load("memory")),
            **{page: readme_tables.filled(page.read_text(), to_bench) for page, to_bench in pages.items()}}


def drawings():
    """{file name: (script, what it shows)}"""
    return {**pictures.native(NativeReport(load("native"))), **pictures.overview(load("guest"))}


def main():
    stale = {file: text for file, text in texts().items() if not file.exists() or file.read_text() != text}
    for file, text in stale.items():
        file.write_text(text)
    for file in [*stale, *pictures.write(drawings(), DOCS)]:
        print(f"written: {file.relative_to(machine.ROOT)}")
    return 1 if pictures.stale(drawings(), DOCS) else 0


if __name__ == "__main__":
    sys.exit(main())
