# SPDX-License-Identifier: BSD-2-Clause
"""What the name that a client asks for decides: certificates, refusal, and which sessions are resumed."""
import ssl

import pytest

from client import Client, tls_context
from kedge import Kedge, Listener
from rawapp import RawApp


@pytest.fixture
def front(certs, cgroup, ends):
    listeners = [Listener("lax"), Listener("strict", strict_sni=True), Listener("ec", leaves=[certs.ec]),
                 Listener("rsa", leaves=[certs.rsa])]
    with RawApp(cgroup=cgroup) as app, Kedge(certs, app.text, listeners, ends, cgroup) as kedge:
        kedge.app = app
        yield kedge


def is_refused(address, version, sni):
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
        Client(address, tls=tls_context(version=version), sni=sni)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_strict(front, certs, version):
    for sni in ("localhost", "LocalHost", "a.example.test"):
        with Client(front["strict"], tls=tls_context(version=version), sni=sni) as c:
            assert c.request().status == 200
    for number, sni in enumerate(("unknown.test", "a.b.example.test", "example.test", None), 1):
        is_refused(front["strict"], version, sni)
        front.wait_reason("tls_unknown_name", number)
        with Client(front["lax"], tls=tls_context(version=version), sni=sni) as c:
            assert c.request().status == 200
    assert front.reason("tls_unknown_name") == 4


def session_of(address, context, sni):
    with Client(address, tls=context, sni=sni) as c:
        c.request()
        return c.tls.session


def is_resumed(address, context, sni, session):
    with Client(address, tls=context, sni=sni, session=session) as c:
        assert c.request().status == 200
        return c.tls.session_reused


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_session_is_for_its_name_and_listener(front, version):
    """Both names are in the certificate of both listeners, and all listeners have the same ticket keys."""
    context = tls_context(version=version)
    session = session_of(front["ec"], context, "localhost")
    assert not is_resumed(front["rsa"], context, "localhost", session)
    assert not is_resumed(front["lax"], context, "localhost", session)
    assert not is_resumed(front["ec"], context, "a.example.test", session)
    assert not is_resumed(front["ec"], context, None, session)
    assert is_resumed(front["ec"], context, "localhost", session)
    # What is strict is no matter of certificates.
    session = session_of(front["lax"], context, "localhost")
    assert is_resumed(front["strict"], context, "localhost", session)
    assert front.stat("handshakes_resumed") == 2
