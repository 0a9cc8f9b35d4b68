# SPDX-License-Identifier: BSD-2-Clause
"""
docs/servers.md: what real servers treat otherwise than kedge, how they read unread bodies, and how they map names.
Run as a program, it rewrites the tables.
"""
import re
import tempfile
from pathlib import Path

import backends
import corpus
import fronts
import machine
import mapping
import streams
from certs import Certs
from kedge import Combination
from play import Run, Verdict

DOCUMENT = machine.ROOT / "docs/servers.md"
BEGIN, END = "<!-- differences: made by `make servers-doc` -->\n", "<!-- end of differences -->"
BODIES_BEGIN, BODIES_END = "<!-- bodies: made by `make servers-doc` -->\n", "<!-- end of bodies -->"
MAPPING_BEGIN, MAPPING_END = "<!-- mapping: made by `make servers-doc` -->\n", "<!-- end of mapping -->"


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


def bodies_table():
    """The table of fronts.py, which test_unread.py compares with the servers."""
    yield row("server", "application", "takes an unread body for a request")
    yield "|---" * 3 + "|"
    for server in (*fronts.ALL, *fronts.PLAIN):
        for door in server.doors:
            yield row(server.name, door or "its own", server.takes_bodies)


def mapping_row(server, asked, door):
    return row(f"{server.name} {server.version()}", door or "its own", *mapping.row(asked, asked.all_fates()))


def documented_mapping(server, door):
    """(version, line) of the table of names."""
    text = DOCUMENT.read_text()
    for line in text[text.index(MAPPING_BEGIN):text.index(MAPPING_END)].splitlines()[3:]:
        name, version = cells(line)[0].rsplit(" ", 1)
        if (name, cells(line)[1]) == (server.name, door or "its own"):
            return version, line
    return None, None


def mapping_table():
    """How each server maps names, found by asking it."""
    yield row(*mapping.HEADINGS)
    yield "|---" * len(mapping.HEADINGS) + "|"
    behind = fronts.Behind()
    fronts.Configured.sockets = behind.base
    try:
        for make in mapping.ALL:
            server = make()
            try:
                for door, target in mapping.targets(server).items():
                    yield mapping_row(make, mapping.Asked((server.host, server.port), target), door)
            finally:
                server.stop()
    finally:
        behind.stop()


def with_section(text, begin, end, lines):
    return text[:text.index(begin) + len(begin)] + "\n".join(lines) + "\n" + text[text.index(end):]


def main():
    with tempfile.TemporaryDirectory(prefix="kedge-servers-") as base:
        certs, everything = Certs(Path(base)), streams.load()
        found = {server.name: (server.version(),
                               rows_of(Run(server, Combination(), certs, everything)))
                 for server in backends.ALL}
    text = with_section(DOCUMENT.read_text(), BEGIN, END, table(found))
    text = with_section(text, BODIES_BEGIN, BODIES_END, bodies_table())
    DOCUMENT.write_text(with_section(text, MAPPING_BEGIN, MAPPING_END, mapping_table()))


if __name__ == "__main__":
    main()
