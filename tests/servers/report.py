# SPDX-License-Identifier: BSD-2-Clause
"""
docs/servers.md: what real servers treat otherwise than kedge, and how they read other names and unread bodies.
Run as a program, it rewrites the tables.
"""
import re
import tempfile
from pathlib import Path

import backends
import corpus
import fronts
import machine
import streams
from certs import Certs
from kedge import Combination
from play import Run, Verdict

DOCUMENT = machine.ROOT / "docs/servers.md"
BEGIN, END = "<!-- differences: made by `make servers-doc` -->\n", "<!-- end of differences -->"
NAMES_BEGIN, NAMES_END = "<!-- names: made by `make servers-doc` -->\n", "<!-- end of names -->"


def rows_of(run):
    """{case: what the server treats otherwise}, for the streams of the corpus."""
    rows = {}
    for played in run.family("corpus") + run.family("long"):
        found = Verdict(run.backend, played).differences
        if found:
            rows[played.stream.name] = "; ".join(
                f"{what} (request {at + 1})" if at else what for at, what in found)
    return rows


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def documented():
    """{server: (version, {case: what})} from the document."""
    text = DOCUMENT.read_text()
    lines = text[text.index(BEGIN) + len(BEGIN):text.index(END)].splitlines()
    servers = [cell.rsplit(" ", 1) for cell in cells(lines[0])[2:]]
    found = {name: (version, {}) for name, version in servers}
    for line in lines[2:]:
        case, _, *row = cells(line)
        for (name, _), what in zip(servers, row):
            if what:
                found[name][1][case.strip("`")] = what
    return found


def about(case):
    text = (corpus.DIRECTORY / case).read_text()
    return re.search(r"^# (.*)$", text, re.M)[1].replace("|", "or")


def row(*words):
    return "| " + " | ".join(words) + " |"


def table(found):
    """The inverse of documented()."""
    yield row("case", "about", *(f"{name} {version}" for name, (version, _) in found.items()))
    yield "|---" * (2 + len(found)) + "|"
    for case in sorted({case for _, rows in found.values() for case in rows}):
        yield row(f"`{case}`", about(case), *(rows.get(case, "") for _, rows in found.values()))


def shown(characters):
    """No vertical bar and no backtick is in code in a table."""
    if len(characters) == len(fronts.names.SEPARATORS) - 1:
        return "all"
    return " ".join(f"`{c}`" for c in characters) or "none"


def names_table():
    """The table of fronts.py, which test_names.py and test_unread.py compare with the servers."""
    yield row("server", "application", "takes for a dash", "takes an unread body for a request")
    yield "|---" * 4 + "|"
    for server in (*fronts.ALL, *fronts.PLAIN):
        for door in server.doors:
            taken = "; newer: ".join(map(shown, fronts.fooled_by(server, door)))
            yield row(server.name, door or "its own", taken, server.takes_bodies)


def with_section(text, begin, end, lines):
    return text[:text.index(begin) + len(begin)] + "\n".join(lines) + "\n" + text[text.index(end):]


def main():
    with tempfile.TemporaryDirectory(prefix="kedge-servers-") as base:
        certs, everything = Certs(Path(base)), streams.load()
        found = {server.name: (server.version(),
                               rows_of(Run(server, Combination(), certs, everything)))
                 for server in backends.ALL}
    text = with_section(DOCUMENT.read_text(), BEGIN, END, table(found))
    DOCUMENT.write_text(with_section(text, NAMES_BEGIN, NAMES_END, names_table()))


if __name__ == "__main__":
    main()
