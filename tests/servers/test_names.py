# SPDX-License-Identifier: BSD-2-Clause
"""
No field gets past kedge under a name that a server could take for one that kedge sets or strips. With CGI,
FastCGI, SCGI, uwsgi, WSGI and Rack, many names of fields become one variable.
"""
import concurrent.futures

import pytest

import backends
import fronts
from client import Client, request, tls_context
from kedge import Kedge, Listener
from names import ALIASES, SEPARATORS, STRIPPED, cases, variable
from play import OWN

MANY = 80  # fields of one request; some servers take 100
AT_ONCE = 4  # connections
FORGED = "203.0.113.66 forged"
CLEAR = Listener("clear", tls=False)


@pytest.fixture(params=fronts.ALL, ids=lambda f: f.name, scope="module")
def front(request, applications):
    made = request.param()
    yield made
    made.stop()


class Kept:
    """A connection that is made again after the server has ended it. keeps: the server says so when it closes."""

    def __init__(self, address, keeps):
        self.address, self.keeps, self.client = address, keeps, None

    def ask(self, target, fields=()):
        """(status, {variable: [values]}) as the application returns them."""
        self.client = self.client or Client(self.address)
        answer = self.client.request("GET", target, fields)
        if answer.field("Connection") == "close" or not self.keeps:
            self.close()
        rows = {}
        for line in answer.body.decode("latin-1").splitlines():
            name, _, value = line.partition("=")
            rows.setdefault(name, []).append(value)
        return answer.status, rows

    def close(self):
        if self.client:
            self.client.close()
        self.client = None


def forged(rows):
    return {name: values for name, values in rows.items() if any("forged" in v for v in values)}


def batches(names):
    numbered = [(name, f"{FORGED}{number}") for number, name in enumerate(names)]
    return [numbered[at:at + MANY] for at in range(0, len(numbered), MANY)]


def is_fooled_by(kept, target):
    """The separators with which a name becomes ours, found without kedge."""
    found = ""
    for separator in SEPARATORS.replace("-", ""):
        status, rows = kept.ask(target, [(f"X{separator}Real{separator}IP", FORGED)])
        if status == 200 and variable("X-Real-IP") in forged(rows):
            found += separator
    return found


def test_servers_take_other_names_for_ours(front):
    """Without kedge. Otherwise the tests below prove nothing. fronts.py says which names."""
    for door, target in front.doors.items():
        kept = Kept((front.host, front.port), front.keeps)
        assert is_fooled_by(kept, target) in fronts.fooled_by(front, door), door
        kept.close()


def test_removed(front, editor, certs, cgroup):
    with Kedge(certs, front.text, [CLEAR], editor, cgroup, ("--forwarding-aliases", "remove")) as kedge:
        for door, target in front.doors.items():
            kept = Kept(kedge["clear"], front.keeps)
            # An interpreter that starts for each request is slow, and gets the same from its server.
            few = door.startswith("CGI: ") and door != "CGI: C"
            for some in batches((cases(ALIASES)[::8] if few else cases(ALIASES)) + cases(STRIPPED) * 3):
                status, rows = kept.ask(target, [*some, ("X-Control", "passed")])
                assert not forged(rows), f"{door}: {forged(rows)}"
                assert status == 200 and set(rows["HTTP_X_CONTROL"]) == {"passed"}
                assert {e.strip() for v in rows["HTTP_X_FORWARDED_FOR"] for e in v.split(",")} == {"127.0.0.1"}
            kept.close()


def ask_alone(address, name):
    """The status of a request with this field, and whether kedge itself has answered."""
    with Client(address) as c:
        c.send(request(fields=[(name, FORGED)]))
        answer = c.response()
    return answer.status, bool(OWN.fullmatch(answer.body))


def test_refused(editor, certs, cgroup):
    """Each name by itself, with the defaults. No server receives a request with one of them."""
    with backends.behind(backends.Node, certs, cgroup, [CLEAR], editor) as kedge:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda name: ask_alone(kedge["clear"], name), cases(ALIASES)))
        passed = [(name, got) for name, got in zip(cases(ALIASES), answers) if got != (400, True)]
        assert not passed, f"{len(passed)}: {passed[:20]}"
        kedge.wait_idle()
        assert kedge.reason("http_forwarding_alias") == len(ALIASES)
        kedge.server.stop()
        assert not kedge.server.seen()


def test_a_request_behind_another(front, editor, certs, cgroup):
    """With the defaults, on a connection that has had a good request: some names of each separator."""
    if not front.keeps:
        return  # there is no second request on a connection
    chosen = [alias for separator in SEPARATORS for alias in ALIASES if separator in alias][::97]
    with Kedge(certs, front.text, [CLEAR], editor, cgroup) as kedge:
        target = list(front.doors.values())[0]
        for name in chosen:
            with Client(kedge["clear"]) as c:
                assert c.request(target=target).status == 200
                c.send(request(target=target, fields=[(name, FORGED)]))
                answer = c.response()
            assert answer.status == 400 and OWN.fullmatch(answer.body), name
        kedge.wait_idle()
        assert kedge.reason("http_forwarding_alias") == len(chosen)


def test_express_believes_kedge(editor, certs, cgroup):
    """trust proxy: 1. Host and scheme are the true ones, unless a client in xff-trust sends others."""
    said = [("X-Forwarded-Host", "forged.example"), ("X-Forwarded-Proto", "gopher"),
            ("Forwarded", "for=203.0.113.66;host=forged.example"), ("X-Forwarded-For", "203.0.113.66")]
    for flags, hostname, protocols in (((), "localhost", ("http", "https")),
                                       (("--xff-trust", "10.0.0.0/8"), "localhost", ("http", "https")),
                                       (("--xff-trust", "127.0.0.0/8"), "forged.example", ("gopher", "gopher"))):
        with backends.behind(fronts.Express, certs, cgroup, [CLEAR, Listener("tls")], editor, flags) as kedge:
            for listener, protocol in zip(("clear", "tls"), protocols):
                with Client(kedge[listener], tls=tls_context(certs.ca) if listener == "tls" else None) as c:
                    rows = dict(line.split("=", 1) for line in c.request(fields=said).text.splitlines())
                assert (rows["ip"], rows["hostname"], rows["protocol"]) == ("127.0.0.1", hostname, protocol), flags
