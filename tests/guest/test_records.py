# SPDX-License-Identifier: BSD-2-Clause
"""Kernel records of a running kedge: a socket that another program has claimed, and the end after a fault."""
import ssl

import pytest

import machine
from client import Client, tls_context
from foreign import Agent
from kedge import Kedge, Listener
from rawapp import RawApp

pytestmark = pytest.mark.each_kernel


@pytest.fixture
def app():
    with RawApp() as app:
        yield app


def start(certs, cgroup, app, record):
    return Kedge(certs, app.text, [Listener("tls")], None, cgroup,
                 ("--record", record, "--edit", "off", "--bypass", "off"))


def ask(kedge, certs, version="1.3"):
    with Client(kedge["tls"], tls=tls_context(certs.ca, version)) as c:
        return [c.request().status for _ in range(3)]


def lost(kedge):
    return {x["capability"]: x for x in kedge.status()["capability_losses"]}.get("record")


def test_an_agent_has_the_socket(certs, own_cgroup, app):
    """prefer: OpenSSL takes over a socket that kernel TLS has begun with. Later connections use the kernel again."""
    with start(certs, own_cgroup, app, "prefer") as kedge, Agent(own_cgroup, "passive") as agent:
        assert ask(kedge, certs) == [200] * 3
        assert kedge.stat("flows_record_kernel") == 1 and not lost(kedge)
        agent.attach()
        for version in ("1.2", "1.3") * 3:
            assert ask(kedge, certs, version) == [200] * 3
        if kedge.stat("flows_record_user"):  # 6.12 before .117 takes keys on such a socket
            kedge.process.wait_line(r"warning: record: lost: another program has the socket .*"
                                    r"user space carries the records")
            assert lost(kedge)["lost"] and lost(kedge)["without"] == kedge.stat("flows_record_user") == 6
            assert len(kedge.process.matches(r"record: lost")) == 1
        agent.detach()
        machine.wait_for(lambda: ask(kedge, certs) == [200] * 3 and not (lost(kedge) or {}).get("lost"),
                         what="the recovery")
        assert kedge.reason("handoff_failed") == kedge.reason("internal_error") == 0


def a_fault_ends_after_its_alert(kedge, certs, version):
    """Also if the client is in the middle of a long write."""
    before = kedge.reason("record_bad")
    with Client(kedge["tls"], tls=tls_context(certs.ca, version)) as c:
        assert c.request().status == 200
        record = bytearray(c.records(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        record[-1] ^= 1
        c.send_raw(bytes(record) + b"\x17\x03\x03\x40\x00" + bytes(2 << 20))
        with pytest.raises(ssl.SSLError, match="(?i)bad.record.mac"):
            c.response()
    kedge.wait_reason("record_bad", before + 1)


def test_required(certs, own_cgroup, app):
    with start(certs, own_cgroup, app, "require") as kedge, Agent(own_cgroup, "passive") as agent:
        for version in ("1.2", "1.3"):
            a_fault_ends_after_its_alert(kedge, certs, version)
        agent.attach()
        try:
            assert ask(kedge, certs) == [200] * 3
        except (OSError, EOFError):
            assert kedge.reason("handoff_failed") == 1
            kedge.process.wait_line(r"error: record: lost: another program has the socket .*refused")
            assert kedge.stat("flows_record_user") == 0
        agent.detach()
        assert ask(kedge, certs) == [200] * 3
