# SPDX-License-Identifier: BSD-2-Clause
"""Completion in bash and zsh: it offers all commands, options and values that kedge has, and no others."""
import re
import shlex
import shutil

import pytest

import machine
from kedge import BINARY
from run import run

BASH = """. dist/kedge.bash
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ echo FILES; }}
_kedge {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# What completion is made of, in the place of zsh's own.
ZSH = """words=({words}) CURRENT=$#words
compadd() {{ shift; print -rl -- ${{(M)@:#$words[CURRENT]*}} }}
_files() {{ print FILES }}
. dist/kedge.zsh
"""


@pytest.fixture(params=["bash", "zsh"])
def offers(request):
    """offers(WORD...): the set of words that could take the last one's place; "FILES" for names of files."""
    assert shutil.which(request.param), "tests/deps.sh test"

    def ask(*words):
        words = " ".join(map(shlex.quote, (str(BINARY), *words)))
        script = {"bash": BASH, "zsh": ZSH}[request.param].format(words=words, program=shlex.quote(str(BINARY)))
        options = {"bash": ["--norc"], "zsh": ["-f"]}[request.param]
        done = run(request.param, *options, "-c", script, cwd=machine.ROOT)
        assert done.returncode == 0 and not done.stderr, done.stderr
        found = done.stdout.split()
        return {"FILES"} if "FILES" in found else set(found)
    return ask


def commands():
    found = set(re.findall(r"^  (\w+) ", run(BINARY, "help").stdout, re.M))
    assert len(found) >= 8
    return found


def test_the_commands(offers):
    assert offers("") == offers("help", "") == commands()
    assert offers("re") == {"reload"} and offers("nothing") == set()


@pytest.mark.parametrize("command", ["run", "check"])
def test_the_options_of_a_configuration(offers, command):
    flags = set(re.findall(r"^  (--[\w-]+)", run(BINARY, command, "--help").stdout, re.M))
    assert len(flags) > 80
    assert offers(command, "--") == flags and offers(command, "") == flags | {"-c"}
    assert offers(command, "--tls", "off", "--x-re") == {"--x-real-ip"}


def test_the_options_of_every_other_command(offers):
    """Each option that its usage shows, and each word."""
    for command in commands() - {"run", "check", "help", "version"}:
        usage = run(BINARY, "help", command).stdout
        flags = set(re.findall(r"--[\w-]+", usage))
        assert flags and offers(command, "--") == flags, command
    assert offers("server", "web", "d") == {"drain", "down"}
    assert offers("status", "--json", "--c") == {"--control"}


def test_values(offers):
    assert offers("run", "--seccomp", "") == {"off", "log", "errno", "enforce"}
    assert offers("run", "--tls-min", "1") == {"1.2", "1.3"}
    assert offers("run", "--guard-mode", "a") == {"auto"}
    assert offers("run", "-c", "") == offers("run", "--cert", "") == offers("status", "--control", "") == {"FILES"}
    # Nothing is known of a number. A switch may stand alone.
    assert offers("run", "--workers", "") == set()
    assert "--cert" in offers("run", "--splice", "--c")


def test_nothing_is_offered_where_nothing_may_follow(offers):
    assert offers("version", "") == offers("version", "--") == offers("help", "run", "") == set()


def test_an_option_that_is_none_is_no_pattern(offers):
    """A file's name, or half a word, is not a part of an expression that completion looks for."""
    for word in ("--a/b", "--[", "--(x", "--.*"):
        assert "--cert" in offers("run", word, "--c"), word
