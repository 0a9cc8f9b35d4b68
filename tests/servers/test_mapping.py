# SPDX-License-Identifier: BSD-2-Clause
"""
How servers map the names of fields: each byte in each place of a name, as docs/servers.md has it, and nothing that a
server takes for a name of ours arrives through kedge.
"""
import concurrent.futures

import pytest

import mapping
import passing
import report
from client import Client
from kedge import Combination, Kedge, Listener
from play import OWN

CLEAR = Listener("clear", tls=False)
# An interpreter that starts for each request is slow, and gets its names from the server in front of it.
SLOW = {"CGI: Python", "CGI: Ruby", "CGI: Node", "CGI: PHP"}
DOORS = [pytest.param((make, door), id=f"{make.name} {door}".strip().replace(" ", "_"),
                      marks=[pytest.mark.full] if door in SLOW else [])
         for make in mapping.ALL for door in mapping.targets(make)]
# What a client can set through kedge. docs/configuration.md tells operators of these fields.
PASSES = {("HTTP_PROXY", "Proxy"), ("SCRIPT_NAME", "Script_Name"), ("PATH_INFO", "Script_Name")}


class Running:
    """The server that was asked for last."""

    def __init__(self):
        self.server = None

    def get(self, make):
        if type(self.server) is not make:
            self.stop()
            self.server = make()
        return self.server

    def stop(self):
        if self.server:
            self.server.stop()
        self.server = None


@pytest.fixture(scope="module")
def running(applications):
    one = Running()
    yield one
    one.stop()


class Door:
    def __init__(self, server, door):
        self.server, self.door, self.target = server, door, mapping.targets(server)[door]
        self.asked = mapping.Asked((server.host, server.port), self.target)
        self.fates = self.asked.all_fates()


@pytest.fixture(params=DOORS, scope="module")
def door(request, running):
    make, name = request.param
    return Door(running.get(make), name)


@pytest.fixture(scope="module")
def editor(request):
    """In the kernel where that can be: test_names.py has both."""
    wanted = Combination(edit=True)
    return Combination() if str(wanted) in map(str, request.config.kedge_missing) else wanted


def test_the_document_has_it(door):
    version, line = report.documented_mapping(door.server, door.door)
    assert version, f"make servers-doc adds a row to {report.DOCUMENT.name}"
    if version != door.server.version():
        pytest.skip(f"{report.DOCUMENT.name} is about {door.server.name} {version}, this is {door.server.version()}")
    found = report.row(f"{door.server.name} {version}", door.door or "its own", *mapping.row(door.asked, door.fates))
    assert found == line, f"make servers-doc writes {report.DOCUMENT.name} anew"


def is_refused_by_kedge(address, target, lines):
    answer = mapping.ask(address, target, lines)
    return bool(answer) and answer.status == 400 and bool(OWN.fullmatch(answer.body))


def test_nothing_that_it_takes_for_ours_arrives(door, editor, certs, cgroup):
    """Refused by default; with `forwarding-aliases: remove` a server does not see the field."""
    ways = mapping.taken_for_ours(door.fates)
    framing = [name.replace("-", sep.decode()) for name, some in door.asked.framing().items() for sep in some]
    if ways or framing:
        with Kedge(certs, door.server.text, [CLEAR], editor, cgroup) as kedge:
            for shape, byte in ways:
                assert is_refused_by_kedge(kedge["clear"], door.target, mapping.lines_of(byte, [shape])), (shape, byte)
            for name in framing:
                assert is_refused_by_kedge(kedge["clear"], door.target, [f"{name}: 0".encode()]), name
    if ways:
        with Kedge(certs, door.server.text, [CLEAR], editor, cgroup, ("--forwarding-aliases", "remove")) as kedge:
            asked = mapping.Asked(kedge["clear"], door.target, door.asked.shown)
            for shape, byte in ways:
                assert (asked.fates_of(byte, [shape]) or {shape: "refused"})[shape] in ("refused", "dropped"), (shape, byte)


def test_a_client_sets_none_of_its_variables(door, editor, certs, cgroup):
    """A client that is not trusted."""
    if not door.asked.sets():
        return
    with Kedge(certs, door.server.text, [CLEAR], editor, cgroup, ("--xff-trust", "10.0.0.0/8")) as kedge:
        asked = mapping.Asked(kedge["clear"], door.target, door.asked.shown)
        found = {(name, field) for name, fields in asked.sets().items() for field in fields}
    assert found <= PASSES, found - PASSES


def shapes_of(name):
    """The places of mapping.SHAPES in another name, as (bytes before, letter or dash, bytes behind)."""
    dash, name = name.index("-"), name.encode()
    return {"dash": (name[:dash], name[dash + 1:]), "letter": (name[:dash + 1], name[dash + 2:]), "front": (b"", name),
            "inside": (name[:dash + 3], name[dash + 3:]), "behind": (name, b"")}


def expected(name, shape, byte, made):
    """The fate of a made name behind kedge."""
    if byte not in mapping.TOKEN:
        return "refused"
    if shape == "dash" and byte in mapping.SEPARATORS:
        return "refused"
    return "dropped" if made.lower().startswith(b"x-forwarded-") else "own"


def fate(address, made):
    """What Node behind kedge sees of a field."""
    answer = mapping.ask(address, "/raw", [b"X-Before: b", made + b": mark.", b"X-Behind: b"])
    if answer and answer.status == 400 and OWN.fullmatch(answer.body):
        return "refused"
    assert answer and answer.status == 200, (made, answer)
    return "own" if mapping.names_of(mapping.lines_in(answer), "mark.") else "dropped"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Content-Length",
                                  *(pytest.param(name, marks=pytest.mark.full) for name in (
                                      "X-Forwarded-Proto", "X-Real-IP", "Client-IP", "Transfer-Encoding"))])
def test_each_byte_in_each_place(name, editor, certs, cgroup):
    """Without regard to what a server makes of it. A colon ends a name."""
    made = {(shape, byte): before + byte + behind for shape, (before, behind) in shapes_of(name).items()
            for byte in mapping.EVERY if byte != b":"}
    made = {way: text for way, text in made.items() if text.lower() != name.lower().encode()}
    server = passing.Node()
    try:
        with Kedge(certs, server.text, [CLEAR], editor, cgroup) as kedge, \
                concurrent.futures.ThreadPoolExecutor(mapping.AT_ONCE) as pool:
            found = dict(zip(made, pool.map(lambda text: fate(kedge["clear"], text), made.values())))
    finally:
        server.stop()
    assert len(found) == 5 * 255 - 3
    wrong = {made[way]: got for way, got in found.items() if got != expected(name, *way, made[way])}
    assert not wrong, f"{len(wrong)}: {dict(list(wrong.items())[:20])}"
