#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
make bench-docs: writes everything that is made from docs/bench/*.json again: tables and pictures. Measures nothing.
"""
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib"), str(Path(__file__).resolve().parent)]

import machine  # noqa: E402
import readme_tables  # noqa: E402

README = machine.ROOT / "README.md"


def made():
    """{file: its text}, of all files that are text."""
    blocks = {name: make() for name, make in readme_tables.BLOCKS.items()}
    return {README: readme_tables.filled(README.read_text(), blocks)}


def main():
    for file, text in made().items():
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            print(f"written: {file.relative_to(machine.ROOT)}")


if __name__ == "__main__":
    main()
