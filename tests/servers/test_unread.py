# SPDX-License-Identifier: BSD-2-Clause
"""
An application that answers a POST without reading its body. If its server takes the body for the next request,
it sends an answer too many. kedge must not pass that as the answer to another request.
"""
import pytest

import backends
import fronts
import report
from client import Client, chunked, request
from kedge import Listener


class Answers(list):
    """All bodies that came on one connection, in order. Each has the X-Number of its request."""

    @property
    def smuggled(self):
        return any(b"HTTP_X_SMUGGLED=yes" in body for body in self)

    @property
    def whole(self):
        return len(self) == 3 and all(b"HTTP_X_NUMBER=%d\n" % i in body for i, body in enumerate(self))


def together(c, post, body, second, last):
    c.send(post + body + second)
    answer = c.response().body
    # Some read a request that came with an earlier one only when more bytes come.
    c.send(last)
    return [answer]


def body_later(c, post, body, second, last):
    c.send(post)
    c.send(body + second)
    answer = c.response().body
    c.send(last)
    return [answer]


def one_by_one(c, post, body, second, last):
    c.send(post + body)
    answers = [c.response().body]
    c.send(second)
    answers += [c.response().body]
    c.send(last)
    return answers


WAYS = (together, body_later, one_by_one)


def ask(address, target, way, is_chunked=False):
    """A POST with a request as its body, then two GETs."""
    body = request(target=target, fields=[("X-Smuggled", "yes")])
    framing = ("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", len(body))
    post = request("POST", target, [("X-Number", 0), framing])
    body = chunked(body) if is_chunked else body
    found = Answers()
    with Client(address) as c:
        try:
            found += way(c, post, body, request(target=target, fields=[("X-Number", 1)]),
                         request(target=target, fields=[("X-Number", 2), ("Connection", "close")]))
            while True:
                found.append(c.response().body)
        except (EOFError, ConnectionError, ValueError):
            pass
    return found


ASKED = [(way, is_chunked) for is_chunked in (False, True) for way in WAYS]


@pytest.mark.parametrize("make", (*fronts.ALL, *fronts.PLAIN), ids=lambda f: f.name)
def test_a_body_that_is_not_read(make, applications, editor, certs, cgroup):
    """
    fronts.py has the results without kedge. With kedge the client gets no more answers than it has asked for, and
    an application that sends one too many is counted.
    """
    with backends.behind(make, certs, cgroup, [Listener("clear", tls=False)], editor) as kedge:
        server = kedge.server
        ways = ASKED if server.chunks else ASKED[:len(WAYS)]
        for door, target in server.doors.items():
            if door.startswith("CGI: ") and door != "CGI: C":
                continue  # the server reads the body, and an interpreter is slow
            direct = [ask((server.host, server.port), target, *how) for how in ways]
            if server.takes_bodies != "at times":
                assert any(a.smuggled for a in direct) == (server.takes_bodies == "yes"), door
            found = [ask(kedge["clear"], target, *how) for how in ways]
            assert max(map(len, found)) <= 3, door
            smuggled = sum(a.smuggled for a in found)
            assert server.takes_bodies != "no" or not smuggled, door
            kedge.wait_idle()
            if server.takes_bodies == "yes":  # kedge knows of some answers before it passes them that they are too many
                assert len(ways) >= kedge.reason("app_unasked") >= max(smuggled, 1)


def test_the_document_has_them():
    text = report.DOCUMENT.read_text()
    assert text == report.with_section(text, report.BODIES_BEGIN, report.BODIES_END, report.bodies_table()), \
        f"make servers-doc writes {report.DOCUMENT.name} anew"
