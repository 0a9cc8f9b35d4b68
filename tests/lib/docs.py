# SPDX-License-Identifier: BSD-2-Clause
"""The commands and messages of documents, and the format strings of the source."""
import re

from machine import ROOT


def sections(path):
    """[(heading, text), ...] of a Markdown file."""
    parts = re.split(r"^#+ (.*)$", path.read_text(), flags=re.M)
    return list(zip(parts[1::2], parts[2::2]))


def blocks(text):
    """Indented blocks that are not the continuation of a list."""
    return [re.sub(r"^    ", "", block, flags=re.M).rstrip("\n")
            for block in re.findall(r"(?:(?<=\n\n)|\A)((?: {4}.*\n|\n(?= {4}))+)", text)]


class Command:
    """One command of a block: its text, its comment, whether it goes on in the background."""

    def __init__(self, line):
        self.text, _, comment = line.partition("  # ")
        self.text, self.comment = self.text.strip(), comment.strip()
        self.background = self.text.endswith("&") or bool(re.match(r"(build/)?kedge run ", self.text))
        self.text = self.text.removesuffix("&").strip()

    def __repr__(self):
        return self.text


def commands(block):
    """The commands of a block, lines that end with a backslash joined."""
    joined = re.sub(r"\\\n\s*", "", block)
    return [Command(line) for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def is_patch(block):
    return block.startswith("--- a/")


def is_shell(block):
    """True for a block of commands, false for one of YAML, output, a patch or a drawing."""
    if is_patch(block):
        return False
    first = commands(block)[0].text.split(" ", 1)[0] if commands(block) else ""
    return bool(re.fullmatch(r"(?![\d.]+$)[\w./-]+[\w-]", first)) and block.isascii()


WILD = "\0"


def format_strings():
    """Every string literal of the daemon, neighbours joined, with WILD for what printf fills in."""
    literal = r'"(?:[^"\\\n]|\\.)*"'
    found = []
    for path in sorted((ROOT / "user").glob("*/*.c")):
        for run in re.findall(rf"{literal}(?:\s+{literal})*", path.read_text()):
            text = "".join(part[1:-1] for part in re.findall(literal, run))
            text = re.sub(r"%[-+ #0]*[\d.*]*(?:hh|h|ll|l|z)?[a-zA-Z]", WILD, text.replace("%%", "%"))
            found.append(text.replace('\\"', '"').replace("\\n", ""))
    return found


def is_printed(message, formats):
    """Some format string gives this message, in which <...> stands for what printf fills in."""
    message = message.replace("\\|", "|")
    own = len(re.sub(r"<[^>]*>", "", message))
    for text in formats:
        literal = len(text.replace(WILD, ""))
        # A format of "%s: %s" would give anything.
        if literal >= 0.6 * own and re.fullmatch(".*".join(map(re.escape, text.split(WILD))), message):
            return True
    return False
