"""docs/servers.md: what real servers do otherwise than kedge. Run as a program, writes its table anew."""
import re
import tempfile
from pathlib import Path

import backends
import corpus
import machine
import streams
from certs import Certs
from kedge import Combination
from play import Run, Verdict

DOCUMENT = machine.ROOT / "docs/servers.md"
BEGIN, END = "<!-- differences: made by `make servers-doc` -->\n", "<!-- end of differences -->"


def rows_of(run):
    """{case: what the server did otherwise}, for the streams of the corpus."""
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
    """{server: (version, {case: what})} as the document has it."""
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


def table(found):
    """The inverse of documented()."""
    def row(*words):
        return "| " + " | ".join(words) + " |"
    yield row("case", "about", *(f"{name} {version}" for name, (version, _) in found.items()))
    yield "|---" * (2 + len(found)) + "|"
    for case in sorted({case for _, rows in found.values() for case in rows}):
        yield row(f"`{case}`", about(case), *(rows.get(case, "") for _, rows in found.values()))


def main():
    with tempfile.TemporaryDirectory(prefix="kedge-servers-") as base:
        certs, everything = Certs(Path(base)), streams.load()
        found = {server.name: (server.version(),
                               rows_of(Run(server, Combination(), certs, everything)))
                 for server in backends.ALL}
    text = DOCUMENT.read_text()
    head, tail = text[:text.index(BEGIN)], text[text.index(END):]
    DOCUMENT.write_text(head + BEGIN + "\n".join(table(found)) + "\n" + tail)


if __name__ == "__main__":
    main()
