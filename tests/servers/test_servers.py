# SPDX-License-Identifier: BSD-2-Clause
"""Real servers behind kedge see the requests that kedge counted, and no others.

Every stream of the corpus, the same behind another request and cut, and changed ones, through each editor to
each server. In each request that a server saw, the last element of X-Forwarded-For is the client of that stream.
A server may refuse what kedge passes: docs/servers.md lists these cases.
"""
import collections

import pytest

import backends
import streams
from kedge import Combination
from play import Run, Verdict
from report import DOCUMENT, documented, rows_of

EDITORS = [Combination(), Combination(edit=True)]
FAMILIES = ("corpus", "long", "second", "mutant", "removed")
REQUESTS = ("requests_user", "requests_bpf")


@pytest.fixture(scope="session")
def everything():
    return streams.load()


@pytest.fixture(scope="session")
def runs(request, certs, everything):
    """{(server, editor): Run}, each made at first use."""
    made = {}

    def get(server, editor):
        key = server, str(editor)
        missing = next((why for c, why in request.config.kedge_missing.items()
                        if str(c) == str(editor)), None)
        if missing:
            pytest.skip(f"{editor}: {missing}")
        if key not in made:
            try:
                made[key] = Run(server, editor, certs, everything)
            except Exception as error:
                made[key] = error
        if isinstance(made[key], Exception):
            raise made[key]
        return made[key]
    return get


@pytest.fixture(params=EDITORS, ids=str, scope="session")
def editor(request):
    return request.param


@pytest.fixture(params=backends.ALL, ids=lambda b: b.name, scope="session")
def server(request):
    return request.param


@pytest.fixture
def run(runs, server, editor):
    return runs(server, editor)


def test_streams_are_worth_it(everything):
    """There are streams of every kind: accepted and refused, late and early, with several requests."""
    for family in ("corpus", "second", "mutant"):
        ours = [s for s in everything if s.family == family]
        assert len(ours) > 300
        assert sum(s.reason == "none" for s in ours) > 60
        assert sum(s.reason != "none" for s in ours) > 60
        assert sum(s.reason != "none" and len(s.heads) > 0 for s in ours) > 40
    assert sum(len(s.heads) > 2 for s in everything) > 30
    assert {s.family for s in everything} == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_saw_what_kedge_counted(run, server, family):
    faults = [f"{p.stream}: {fault}" for p in run.family(family) for fault in Verdict(server, p).faults]
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:20])


def test_saw_nobody_elses(run):
    """Requests without the address of their client are only in a server's log, and were refused."""
    strange = [s for s in run.strangers if s.status is None or s.status < 400]
    assert not strange, strange[:20]


@pytest.mark.parametrize("family", FAMILIES)
def test_kedge_counted_them(run, family):
    """kedge's counter is the number of requests in the streams; exactly, if none is cut."""
    counted = run.grown(family, "stats", *REQUESTS)
    ranges = [p.stream.counted for p in run.family(family)]
    assert sum(r[0] for r in ranges) <= counted <= sum(r[-1] for r in ranges)


def test_kedge_refused_with_the_reason(run):
    """A server that leaves requests unanswered ends the connection before kedge can refuse one."""
    everybody = collections.Counter(p.stream.reason for p in run.family("corpus"))
    alone = collections.Counter(p.stream.reason for p in run.family("corpus")
                                if not run.backend.at_once or len(p.stream.heads) < 2)
    for name in everybody.keys() - {"none"}:
        assert alone[name] <= run.grown("corpus", "reasons", name) <= everybody[name], name


def test_kedge_could_follow_the_answers(run):
    for reason in ("app_response_bad", "edit_failed", "edit_short_send", "internal_error"):
        assert sum(run.grown(f, "reasons", reason) for f in FAMILIES) == 0, reason


def test_differences_are_documented(runs, server):
    """docs/servers.md has what this server treats otherwise, and both editors give the same."""
    version, rows = documented().get(server.name, (None, None))
    found = [rows_of(runs(server, editor)) for editor in EDITORS]
    assert found[0] == found[1]
    if version != server.version():
        pytest.skip(f"{DOCUMENT.name} is about {server.name} {version}, this is {server.version()}")
    assert found[0] == rows, f"make servers-doc writes {DOCUMENT.name} anew"
