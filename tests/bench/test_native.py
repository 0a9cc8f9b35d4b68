# SPDX-License-Identifier: BSD-2-Clause
"""A whole benchmark in small, and the check before it."""
import dataclasses
import json

import cases
import kedge as kedge_module
import native
import native_report
import peers
import pytest
from stand import Stand
from verify import verify


@pytest.fixture(scope="module")
def who():
    haproxy = peers.Peer("haproxy", program=peers.PROGRAMS["haproxy"])
    ours, _ = peers.kedge_peers({"kedge": kedge_module.BINARY})
    return [haproxy, ours[0], ours[-1]]


@pytest.fixture(scope="module")
def stands(who, certs):
    found = []
    try:
        for peer in who:
            found.append(Stand(peer, certs))
        yield found
    finally:
        for stand in found:
            stand.stop()


def test_every_proxy_passes_the_check(stands, certs):
    for stand in stands:
        verify(stand, certs)


def test_workers_as_many_as_the_name_says(certs):
    for peer in peers.kedge_peers({"kedge": kedge_module.BINARY}, (1, 2))[0][:2]:
        stand = Stand(peer, certs)
        try:
            assert stand.proxy.kedge.status()["workers"] == peer.workers == (2 if peer.name == "kedge@2" else 1)
        finally:
            stand.stop()


def test_the_check_sees_an_address_that_should_not_be_there(stands, certs):
    class Other:
        name, adds_xff = "hitch", False
    stand = dataclasses.make_dataclass("Stand", ["peer", "proxy"])(Other, stands[0].proxy)
    with pytest.raises(RuntimeError, match="X-Forwarded-For"):
        verify(stand, certs)


def test_every_case_in_small_and_its_report(stands, who, tmp_path, monkeypatch, capsys):
    bench = native.Native(cases.NATIVE, stands, rounds=2, scale=0.002)
    bench.run()
    bench.calls = {"get1k": {peer.name: {"recvfrom": 1.0, "epoll_wait": 0.25} for peer in who}}
    monkeypatch.setenv("BENCH_OUT", str(tmp_path))
    native_report.write(bench, who, {"kedge+record": "a reason"}, whole=False)
    text = (tmp_path / "native.md").read_text()
    data = json.loads((tmp_path / "native.json").read_text())
    assert native_report.NativeReport(data).text() == text  # nothing that is not stored
    assert "`kedge+record` (a reason)" in text
    assert "| get1k |" + " 1.25 |" * len(who) in text
    for case in cases.NATIVE:
        assert f"| {case.name} |" in text
        for peer in who:
            assert len(data["cases"][case.name]["peers"][peer.name]["rate"]["rounds"]) == 2
