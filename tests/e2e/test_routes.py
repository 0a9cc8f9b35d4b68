# SPDX-License-Identifier: BSD-2-Clause
"""Routes: which application and which certificate a client gets, by the name and the protocols of its ClientHello."""
import ssl

import pytest

import prefix
from client import Client, tls_context
from kedge import Combination, Config, Kedge, Listener
from rawapp import RawApp
from run import run

NAMES = ("web", "other", "tcp")


def echo(conn):
    at = 0
    while conn.fill():
        conn.send(conn.received[at:])
        at = len(conn.received)
    conn.close()


class Front:
    """A kedge with three applications, one of them in mode tcp, and two listeners, of which one has strict-sni."""

    def __init__(self, base, certs, cgroup, combination, **keys):
        self.apps = {name: RawApp(cgroup=cgroup) for name in NAMES}
        self.apps["tcp"].serve = echo
        self.base, self.certs = base, certs
        self.leaves = {name: certs.leaf(base, name, f"*.{name}.test", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
                       for name in NAMES}
        self.routes = [
            {"names": ["a.tcp.test", "*.wild.test"], "app": "tcp", "alpn": ["h2", "imap"], "certs": self.pair("tcp")},
            {"names": ["split.test"], "app": "tcp", "alpn": ["h2"], "certs": self.pair("tcp")},
            {"names": ["split.test"], "app": "other", "certs": self.pair("other")},
            {"names": ["b.web.test"], "app": "other"},
        ]
        self.config = Config(base, certs)
        self.keys = {"app": "web", "apps": {name: {"servers": [app.text]} for name, app in self.apps.items()}, **keys}
        self.keys["apps"]["tcp"]["mode"] = "tcp"
        self.write()
        self.kedge = Kedge(certs, None, self.listeners, combination, cgroup, config=self.config)

    def pair(self, name):
        return [{"cert": str(self.leaves[name].cert), "key": str(self.leaves[name].key)}]

    def write(self):
        self.listeners = [Listener("tls", leaves=[self.leaves["web"]], routes=self.routes),
                          Listener("strict", leaves=[self.leaves["web"]], routes=self.routes, strict_sni=True)]
        self.config.write(self.listeners, **self.keys)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.kedge.__exit__(*args)
        for app in self.apps.values():
            app.stop()

    def forget(self):
        for app in self.apps.values():
            app.forget()

    def client(self, sni, alpn=None, listener="tls", version=None, session=None, context=None):
        return Client(self.kedge[listener], tls=context or tls_context(version=version, alpn=alpn), sni=sni,
                      session=session)

    def served_by(self, c):
        """Sends something on a new connection. Returns the names of the applications that saw it."""
        text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        c.send(text)
        c.recv_until(b"\n")
        found = [name for name, app in self.apps.items() if any(conn.received for conn in app.connections)]
        # In mode tcp nothing was added.
        assert found != ["tcp"] or self.apps["tcp"].connections[0].received == text
        assert found == ["tcp"] or b"X-Forwarded-For: 127.0.0.1\r\n" in self.apps[found[0]].connections[0].received
        return found


@pytest.fixture
def front(tmp_path, certs, cgroup, ends):
    with Front(tmp_path, certs, cgroup, ends) as f:
        yield f
        f.kedge.wait_idle()


def subject(c):
    """The name of the certificate's file, which is its common name."""
    der = c.tls.getpeercert(binary_form=True)
    out = run("openssl", "x509", "-inform", "PEM", "-noout", "-subject", input=ssl.DER_cert_to_PEM_cert(der)).stdout
    return out.split("CN = ")[1].strip()


CLIENTS = [
    # name, offer, application, certificate, protocol
    ("a.tcp.test", ["h2"], "tcp", "tcp", "h2"),
    ("A.TCP.test", ["http/1.1", "imap"], "tcp", "tcp", "imap"),
    ("x.wild.test", ["h2", "http/1.1"], "tcp", "tcp", "h2"),
    ("split.test", ["h2", "http/1.1"], "tcp", "tcp", "h2"),
    ("split.test", ["http/1.1"], "other", "other", "http/1.1"),
    ("split.test", None, "other", "other", None),
    ("b.web.test", ["http/1.1"], "other", "web", "http/1.1"),
    ("c.web.test", ["http/1.1"], "web", "web", "http/1.1"),
    # No route: the listener's own, whatever the name.
    ("a.tcp.test", ["http/1.1"], "web", "web", "http/1.1"),
    ("x.y.wild.test", ["http/1.1"], "web", "web", "http/1.1"),
    ("wild.test", None, "web", "web", None),
    ("unknown.test", None, "web", "web", None),
    (None, None, "web", "web", None),
]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_by_name_and_protocol(front, version):
    for sni, offer, app, cert, protocol in CLIENTS:
        front.forget()
        with front.client(sni, offer, version=version) as c:
            assert (subject(c), c.tls.selected_alpn_protocol()) == (cert, protocol), sni
            assert front.served_by(c) == [app], sni


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_strict(front, version):
    """A name is known if it has a route, or a certificate of the listener."""
    for sni, offer, app, cert, protocol in CLIENTS:
        front.forget()
        if app != "web" or cert == "web" and sni == "c.web.test":
            with front.client(sni, offer, "strict", version) as c:
                assert (subject(c), c.tls.selected_alpn_protocol()) == (cert, protocol), sni
                assert front.served_by(c) == [app], sni
            continue
        # The name has a route, but none for such a client.
        alert = "no.application.protocol" if sni == "a.tcp.test" else "unrecognized.name"
        with pytest.raises(ssl.SSLError, match=f"(?i){alert}"):
            front.client(sni, offer, "strict", version)
    front.kedge.wait_reason("tls_no_protocol", 1)
    front.kedge.wait_reason("tls_unknown_name", 4)
    assert all(not app.connections for app in front.apps.values())


def test_no_protocol_of_the_route(front):
    """The listener's own list is http/1.1, which the client does not offer either."""
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        front.client("a.tcp.test", ["h3"])
    front.kedge.wait_reason("tls_no_protocol")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_session_is_for_its_route(front, version):
    context = tls_context(version=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with front.client("split.test", context=context) as c:
        assert front.served_by(c) == ["tcp"]
        session = c.tls.session
    # The same name, the other route. The client shows its session all the same.
    context.set_alpn_protocols(["http/1.1"])
    for sni, resumed in (("split.test", False), ("b.web.test", False), ("a.tcp.test", False), (None, False)):
        with front.client(sni, context=context, session=session) as c:
            assert c.tls.session_reused == resumed
    context.set_alpn_protocols(["h2"])
    front.forget()
    with front.client("split.test", context=context, session=session) as c:
        assert c.tls.session_reused
        assert front.served_by(c) == ["tcp"]
    # Names of one route, with one certificate.
    with front.client("a.tcp.test", context=context, session=session) as c:
        assert not c.tls.session_reused


def test_connect_early_goes_to_the_route(tmp_path, certs, cgroup):
    with Front(tmp_path, certs, cgroup, Combination(), connect_early="on") as front:
        with front.client("split.test", ["http/1.1"]) as c:
            assert front.served_by(c) == ["other"]
        assert [len(front.apps[name].connections) for name in NAMES] == [0, 1, 0]


def test_a_reload_changes_routes(front):
    """An open connection keeps its route; new ones get the new one."""
    with front.client("split.test", ["http/1.1"]) as old, front.client("x.wild.test", ["h2"]) as old_tcp:
        assert old.request().status == 200
        front.routes[2] = {**front.routes[2], "app": "web"}
        del front.routes[0]
        front.routes.append({"names": ["new.test"], "app": "other"})
        front.write()
        done = front.kedge.reload()
        assert done.returncode == 0, done.stderr
        assert "routes[1]: names: split.test; app: tcp; alpn: h2" in done.stdout
        assert "routes[3]: names: b.web.test; app: other -> names: new.test; app: other" in done.stdout
        front.forget()
        assert old.request().status == 200
        old_tcp.send(b"still")
        assert old_tcp.recv_exactly(5) == b"still"
        assert not front.apps["web"].connections
        with front.client("split.test", ["http/1.1"]) as c:
            assert front.served_by(c) == ["web"]
        front.forget()
        with front.client("new.test") as c:
            assert front.served_by(c) == ["other"]
        front.forget()
        with front.client("x.wild.test", ["http/1.1"]) as c:
            assert front.served_by(c) == ["web"]


def test_a_route_with_a_header_of_its_own(tmp_path, certs, cgroup, ends):
    """The prefix comes before the name, and kedge does not know then who wants it."""
    with RawApp(cgroup=cgroup) as web, RawApp(cgroup=cgroup) as told, RawApp(cgroup=cgroup) as passed:
        told.serve = passed.serve = echo
        routes = [{"names": ["told.test"], "app": "told"}, {"names": ["passed.test"], "app": "passed"}]
        listener, config = Listener("tls", proxy="require", routes=routes), Config(tmp_path, certs)
        config.write([listener], app=web.text, apps={
            "told": {"servers": [told.text], "mode": "tcp", "send-proxy": "v1"},
            "passed": {"servers": [passed.text], "mode": "tcp", "send-proxy": "v2", "proxy-tlvs": ["pass"]}})
        with Kedge(certs, None, [listener], ends, cgroup, config=config) as kedge:
            tlv = b"\xe0\0\x03abc"
            head = prefix.v2("198.51.100.22", tlvs=tlv)
            for sni, app in (("told.test", told), ("passed.test", passed), ("other.test", web)):
                with Client(kedge["tls"], head, tls_context(), sni) as c:
                    c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    c.recv_until(b"\n")
                got = bytes(app.connections[0].received)
                assert got.startswith(b"PROXY TCP4 198.51.100.22 " if app is told else
                                      b"\r\n\r\n\0\r\nQUIT\n" if app is passed else b"GET / ")
                assert (tlv in got) == (app is passed)
                assert len(web.connections) == (app is web)


def test_check_reads_routes(front, tmp_path):
    done = run(front.kedge.binary, "check", "-c", front.config.path)
    assert done.returncode == 0 and "TLS 4 routes" in done.stdout, done.stdout + done.stderr
    assert "route split.test: no certificate of it has this name" in done.stderr
    front.routes[1]["certs"][0]["cert"] = str(tmp_path / "nowhere.pem")
    front.write()
    for argv in (("check", "-c", front.config.path), ("reload", "--control", front.kedge.control)):
        done = run(front.kedge.binary, *argv)
        assert done.returncode != 0 and "nowhere.pem: cannot open" in done.stderr, done.stderr
    front.routes[1]["app"] = "wep"
    front.write()
    done = run(front.kedge.binary, "check", "-c", front.config.path)
    assert done.returncode == 2
    assert 'routes[1].app: "wep" is not in apps; did you mean web?' in done.stderr
