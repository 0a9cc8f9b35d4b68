# SPDX-License-Identifier: BSD-2-Clause
"""send-proxy: each connection to the application begins with a PROXY header, once, before anything else."""
import json
import re
import socket
from pathlib import Path

import pytest

import machine
import prefix
from client import Client, request, tls_context
from kedge import Config, Kedge, Listener
from process import Process
from rawapp import Connection, RawApp

CLIENT, SERVER = ("198.51.100.22", 35646), ("203.0.113.7", 443)
ALL_TLVS = [word for name in ("authority", "alpn", "ssl", "unique-id", "crc32c", "pass") for word in ("--proxy-tlvs", name)]
V1, V2 = ("--send-proxy", "v1"), ("--send-proxy", "v2")


def read_header(conn):
    """The header at the begin of a connection; None: the connection ended before."""
    while (header := prefix.decode(conn.received)) is None:
        if not conn.fill():
            conn.close()
            return None
    with conn.app.changed:
        conn.header, conn._at = header, header.length
        conn.app.changed.notify_all()
    return header


def behind_header(conn):
    """Requests, behind a header."""
    if read_header(conn):
        Connection.serve(conn)


def echo(conn):
    header = read_header(conn)
    at = header.length if header else 0
    while header and conn.fill():
        conn.send(conn.received[at:])
        at = len(conn.received)
    conn.close()


def listeners():
    return [Listener("tls"), Listener("clear", tls=False), Listener("proxy", proxy="optional"),
            Listener("clear_proxy", tls=False, proxy="optional")]


def header_of(app, number=0):
    conn = app.connection(number)
    app.wait(lambda: hasattr(conn, "header"), what="a header")
    return conn.header


# --- in each combination of what the kernel does ----------------------------------------------------
@pytest.fixture(scope="module")
def whole_front(certs, cgroup, combo):
    with RawApp(cgroup=cgroup, serve=behind_header) as app, \
            Kedge(certs, app.text, listeners(), combo, cgroup, flags=[*V2, *ALL_TLVS]) as kedge:
        kedge.app = app
        yield kedge


@pytest.fixture
def front(whole_front):
    whole_front.app.forget()
    whole_front.app.serve, whole_front.app.read_size = behind_header, 65536
    yield whole_front
    whole_front.wait_idle()


@pytest.mark.each_kernel
def test_the_header_is_sent_once(front, tls):
    own = prefix.tlv(0xEA, b"x") + prefix.tlv(prefix.TYPE_NOOP, b"...") + prefix.tlv(prefix.TYPE_AUTHORITY, b"old")
    before = prefix.v2(*[CLIENT[0], SERVER[0], CLIENT[1], SERVER[1]], tlvs=own, crc=True)
    with Client(front["proxy"], before, tls) as c:
        for number in range(3):
            assert c.request().status == 200
        c.send(request() * 20)
        for _ in range(20):
            assert c.response().status == 200
    header = header_of(front.app)
    assert (header.version, header.command, header.family) == (2, prefix.PROXY, 0x11)
    assert (header.src, header.dst) == (CLIENT, SERVER)
    assert header.values(prefix.TYPE_AUTHORITY) == [b"localhost"]
    assert header.values(0xEA) == [b"x"] and not header.values(prefix.TYPE_NOOP)
    assert header.crc and len(header.values(prefix.TYPE_UNIQUE_ID)[0]) == 32
    client, verify, sub = header.ssl()
    assert client == 1 and verify != 0
    assert sub[prefix.SSL_VERSION].startswith(b"TLSv1.") and sub[prefix.SSL_CIPHER]
    assert sub[prefix.SSL_KEY_ALG] in (b"EC256", b"RSA2048") and sub[prefix.SSL_SIG_ALG]
    conn = front.app.wait_ended()
    assert len(conn.requests) == 23 and not conn.fault
    assert {r.xff for r in conn.requests} == {CLIENT[0]}
    assert len(front.app.connections) == 1


@pytest.mark.each_kernel
@pytest.mark.parametrize("read_size", [1, 100])
def test_what_is_behind_it_keeps_its_place(front, tls, read_size):
    """Bytes that bypass TCP must not overtake a header that is read slowly."""
    front.app.read_size = read_size
    for number in range(10):
        with Client(front["tls"], tls=tls) as c:
            c.send(request("POST", body=b"x" * 1000) * 10)
            for _ in range(10):
                assert c.response("POST").status == 200
        conn = front.app.wait_ended(number)
        assert len(conn.requests) == 10 and not conn.fault


@pytest.mark.each_kernel
def test_nothing_is_read_before_all_was_sent(certs, cgroup, combo, tls):
    """The application accepts only when header and request lie in its socket."""
    with RawApp(cgroup=cgroup, accepting=False, serve=behind_header) as app, \
            Kedge(certs, app.text, listeners(), combo, cgroup, flags=V2) as kedge, \
            Client(kedge["tls"], tls=tls) as c:
        c.send(request())
        kedge.wait_status(lambda s: s["stats"]["requests_user"] + s["stats"]["requests_bpf"] == 1, "a request")
        sock, peer = app.sock.accept()
        conn = Connection(app, sock, peer)
        assert read_header(conn).version == 2
        assert conn.read_request().xff == "127.0.0.1"
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert c.response().status == 200
        sock.close()


@pytest.mark.parametrize("form", ["combined", "json"])
def test_the_access_log_has_the_unique_id(certs, cgroup, ends, tls, tmp_path, form):
    """So what the application says of a connection can be found in it. Another application gets no ID."""
    log = tmp_path / "access.log"
    which = [Listener("tls"), Listener("clear", tls=False)]
    with RawApp(cgroup=cgroup, serve=behind_header) as app, RawApp(cgroup=cgroup, serve=behind_header) as plain:
        config = Config(tmp_path, certs)
        apps = {"with": {"servers": [app.text], "send-proxy": "v2", "proxy-tlvs": ["unique-id"]},
                "without": {"servers": [plain.text], "send-proxy": "v1"}}
        which[0].app, which[1].app = "with", "without"
        config.write(which, apps=apps, access_log=str(log), access_log_format=form, workers=1,
                     app_idle_timeout_ms=1)
        with Kedge(certs, None, which, ends, cgroup, config=config) as kedge:
            for number in range(2):
                with Client(kedge["tls"], tls=tls) as c:
                    assert c.request(target=f"/{number}/a").status == 200
                    app.wait_ended(2 * number)
                    assert c.request(target=f"/{number}/b").status == 200
            with Client(kedge["clear"]) as c:
                assert c.request(target="/none").status == 200
            assert (kedge.stat("proxy_headers_v1"), kedge.stat("proxy_headers_v2")) == (1, 4)
        ids = [header_of(app, number).values(prefix.TYPE_UNIQUE_ID)[0].decode() for number in range(4)]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    lines = log.read_text().splitlines()
    if form == "json":
        assert [(row["target"], row.get("unique_id")) for row in map(json.loads, lines)] == \
            [("/0/a", ids[0]), ("/0/b", ids[0]), ("/1/a", ids[2]), ("/1/b", ids[2]), ("/none", None)]
    else:
        ends_of = [re.search(r"(?:,id=(\w+))?$", line)[1] for line in lines]
        assert ends_of == [*ids, None]


def test_each_leg_has_one(certs, cgroup, combo, tls):
    """An idle client gives its leg up; the next one begins with the same header."""
    with RawApp(cgroup=cgroup, serve=behind_header) as app, \
            Kedge(certs, app.text, listeners(), combo, cgroup,
                  flags=[*V2, *ALL_TLVS, "--app-idle-timeout-ms", "1"]) as kedge, \
            Client(kedge["tls"], tls=tls) as c:
        for number in range(3):
            assert c.request().status == 200
            app.wait_ended(number)
        headers = [header_of(app, number) for number in range(3)]
        assert headers[0].src == c.sock.getsockname() and headers[0].dst == c.sock.getpeername()
        assert all((h.src, h.tlvs) == (headers[0].src, headers[0].tlvs) for h in headers)
        assert len(app.connections) == 3


# --- what it says -------------------------------------------------------------------------------------
@pytest.fixture
def one(certs, cgroup, ends):
    """kedge with flags of the test's own: one(flags, listeners=..., serve=...)."""
    opened = []

    def start(flags, serve=behind_header, which=None, path=None):
        app = RawApp(cgroup=cgroup, serve=serve, path=path)
        kedge = Kedge(certs, app.text, which or listeners(), None if path else ends, cgroup, flags=flags)
        kedge.app = app
        opened.append(kedge)
        return kedge
    yield start
    for kedge in opened:
        kedge.stop()
        kedge.app.stop()


def test_version_1(one, tls):
    kedge = one(V1)
    with Client(kedge["tls"], tls=tls) as c, Client(kedge["clear_proxy"], prefix.v1(CLIENT[0], SERVER[0], *[CLIENT[1], SERVER[1]])) as d:
        assert c.request().status == d.request().status == 200
        own = c.sock.getsockname(), c.sock.getpeername()
    header = header_of(kedge.app)
    assert (header.version, header.src, header.dst) == (1, *own)
    header = header_of(kedge.app, 1)
    assert (header.version, header.src, header.dst) == (1, CLIENT, SERVER)


def test_only_what_was_asked_for(one, tls):
    kedge = one(V2)
    with Client(kedge["proxy"], prefix.v2(tlvs=prefix.tlv(0xEA, b"x"), crc=True), tls) as c:
        assert c.request().status == 200
    assert header_of(kedge.app).tlvs == []


def test_nobody_knows_the_client(one):
    """The application must not take the balancer for the client."""
    kedge = one(V2)
    with Client(kedge["clear_proxy"], prefix.v1_unknown()) as c, Client(kedge["clear_proxy"], prefix.v2_local()) as d:
        assert c.request().status == d.request().status == 200
        balancer = d.sock.getsockname(), d.sock.getpeername()
    header = header_of(kedge.app)
    assert (header.command, header.family, header.src) == (prefix.PROXY, 0, None)
    header = header_of(kedge.app, 1)  # a balancer's own request, which comes from the balancer
    assert (header.command, header.src, header.dst) == (prefix.PROXY, *balancer)


def test_two_families(one):
    """nginx sends a client's IPv6 address with its own IPv4 address."""
    kedge = one(V1)
    with Client(kedge["clear_proxy"], b"PROXY TCP6 2001:db8::1 203.0.113.7 5 443\r\n") as c:
        assert c.request().status == 200
    header = header_of(kedge.app)
    assert (header.src, header.dst) == (("2001:db8::1", 5), ("::ffff:203.0.113.7", 443))


@pytest.mark.parametrize("listen, host, family", [("*:0", "127.0.0.1", 0x11), ("[::1]:0", "::1", 0x21)])
def test_families_of_listeners(one, listen, host, family):
    kedge = one(V2, which=[Listener("any", tls=False, addr=listen)])
    with Client((host, kedge["any"][1])) as c:
        assert c.request().status == 200
        own = c.sock.getsockname()[:2], c.sock.getpeername()[:2]
    header = header_of(kedge.app)
    assert (header.family, header.src, header.dst) == (family, *own)


def test_unix_sockets(one, tmp_path):
    """Of the listener and of the application."""
    tmp_path.chmod(0o755)
    here = tmp_path / "kedge.sock"
    kedge = one(V2, which=[Listener("unix", tls=False, addr=f"unix:{here}")], path=tmp_path / "app.sock")
    with Client(str(here)) as c:
        assert c.request().status == 200
    header = header_of(kedge.app)
    assert (header.family, header.src.strip(b"\0"), header.dst.rstrip(b"\0")) == (0x31, b"", str(here).encode())


def test_mode_tcp(one, certs):
    """The application speaks first, behind the header; then bytes pass unread, headers among them."""
    def greet(conn):
        if read_header(conn):
            conn.send(b"220 ready\r\n")
            at = conn._at
            while conn.fill():
                conn.send(conn.received[at:])
                at = len(conn.received)
        conn.close()
    kedge = one([*V2, *ALL_TLVS], serve=greet, which=[Listener("tcp", mode="tcp"), Listener("clear", tls=False, mode="tcp")])
    for number, context in enumerate((tls_context(certs.ca), None)):
        with Client(kedge["tcp" if context else "clear"], tls=context) as c:
            assert c.recv_exactly(11) == b"220 ready\r\n"
            for text in (prefix.v1(), prefix.v2(), b"\0\1\2" * 1000):
                c.send(text)
                assert c.recv_exactly(len(text)) == text
            own = c.sock.getsockname()
        header = header_of(kedge.app, number)
        assert header.src == own and bool(header.ssl()) == bool(context) and header.crc


def test_connect_early(one, tls):
    """The leg is there before the client's name is known; the header waits for it."""
    kedge = one([*V2, "--proxy-tlvs", "authority", "--connect-early", "on"])
    with Client(kedge["proxy"], prefix.v2(*[CLIENT[0], SERVER[0]]), tls) as c:
        conn = kedge.app.connection()
        assert not conn.received  # the client has asked for nothing yet
        assert c.request().status == 200
    header = header_of(kedge.app)
    assert header.src[0] == CLIENT[0] and header.values(prefix.TYPE_AUTHORITY) == [b"localhost"]


def test_too_much_to_pass_on(one):
    """A header is sent whole or not at all."""
    kedge = one([*V2, "--proxy-tlvs", "pass", "--proxy-tlvs", "crc32c"])
    before = prefix.v2(tlvs=prefix.tlv(0xE0, bytes(4096 - 16 - 12 - 3)))
    assert len(before) == 4096
    with Client(kedge["clear_proxy"], before) as c:
        assert c.recv_all() == b"" and c.ended == "reset"
    kedge.wait_reason("prefix_too_long")
    assert not kedge.app.connections


def test_an_application_that_is_gone(one):
    def gone(conn):
        conn.reset()
        conn.ended = "reset"
    kedge = one(V2, serve=gone)
    for _ in range(10):
        with Client(kedge["clear"]) as c:
            assert c.request().status == 502
    kedge.wait_idle()


def test_a_reload_changes_it(certs, tmp_path):
    """For new connections; one that is open keeps what it has."""
    def both(conn):
        while not conn.received:
            if not conn.fill():
                conn.close()
                return
        if conn.received[:1] in (b"P", b"\r"):
            read_header(conn)
        Connection.serve(conn)
    which = [Listener("clear", tls=False)]
    config = Config(tmp_path, certs)
    with RawApp(serve=both) as app:
        config.write(which, app=app.text, app_idle_timeout_ms=1)
        with Kedge(certs, None, which, config=config) as kedge, Client(kedge["clear"]) as old:
            assert old.request().status == 200
            config.write(which, app=app.text, app_idle_timeout_ms=1, send_proxy="v2", proxy_tlvs=["unique-id"])
            done = kedge.reload()
            assert done.returncode == 0, done
            app.wait_ended()
            assert old.request().status == 200
            with Client(kedge["clear"]) as new:
                assert new.request().status == 200
            assert not hasattr(app.connection(1), "header")
            assert len(header_of(app, 2).values(prefix.TYPE_UNIQUE_ID)) == 1


# --- other receivers ----------------------------------------------------------------------------------
def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def receiver(name, base, port, cgroup):
    """HAProxy or nginx: answers with the client, the destination and, where it can, the server name."""
    if name == "haproxy":
        (base / "conf").write_text(f"""
global
	maxconn 100
defaults
	mode http
	timeout client 20s
	timeout server 20s
	timeout connect 20s
frontend f
	bind 127.0.0.1:{port} accept-proxy
	http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port] %[fc_pp_authority]"
""")
        return Process(["/usr/sbin/haproxy", "-db", "-f", base / "conf"], name=name, cgroup=cgroup)
    (base / "conf").write_text(f"""
daemon off;
error_log stderr;
pid {base}/pid;
user root;
events {{}}
http {{
	access_log off;
	server {{
		listen 127.0.0.1:{port} proxy_protocol;
		return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
	}}
}}
""")
    return Process(["/usr/sbin/nginx", "-p", base, "-e", base / "error", "-c", base / "conf"], name=name, cgroup=cgroup)


@pytest.fixture(params=["haproxy", "nginx"])
def other(request, tmp_path, cgroup):
    if not Path(f"/usr/sbin/{request.param}").exists():
        pytest.skip(f"needs {request.param}")
    tmp_path.chmod(0o755)
    port = free_port()
    process = receiver(request.param, tmp_path, port, cgroup)
    try:
        machine.wait_for(lambda: listens(port), what=request.param)
        yield request.param, f"127.0.0.1:{port}"
    finally:
        process.stop()


@pytest.mark.parametrize("flags", [V1, V2, [*V2, *ALL_TLVS]], ids=["v1", "v2", "all"])
def test_other_receivers(other, certs, cgroup, ends, tls, flags):
    name, address = other
    authority = " localhost" if name == "haproxy" and "authority" in flags else " " if name == "haproxy" else ""
    which = listeners() + [Listener("tcp", tls=False, mode="tcp", proxy="optional")]
    with Kedge(certs, address, which, ends, cgroup, flags=flags) as kedge:
        for at, context in (("proxy", tls), ("clear_proxy", None), ("tcp", None)):
            for src, dst in (("198.51.100.22", "203.0.113.7"), ("2001:db8::1", "2001:db8::2")):
                with Client(kedge[at], prefix.v2(src, dst, 35646, 443, tlvs=prefix.tlv(0xEA, b"x")), context) as c:
                    for _ in range(2):
                        answer = c.request()
                        assert answer.status == 200
                        assert answer.text == f"{src} 35646 {dst} 443" + (authority if context else authority[:1])


@pytest.mark.parametrize("flags", [V1, [*V2, *ALL_TLVS]], ids=["v1", "all"])
def test_checks_of_other_receivers(other, certs, flags):
    """A check has a header, too: without one these would refuse it."""
    _, address = other
    with Kedge(certs, address, [Listener("clear", tls=False)],
               flags=[*flags, "--check", "http", "--check-every-ms", "50", "--check-rise", "2"]) as kedge:
        kedge.wait_status(lambda s: s["applications"][0]["servers"][0]["health"] == "good", "a good check")
        with Client(kedge["clear"]) as c:
            assert c.request().status == 200
        server, = kedge.status()["applications"][0]["servers"]
        assert server["health"] == "good", server


def test_a_check_is_nobodys(certs):
    with RawApp(serve=behind_header) as app, \
            Kedge(certs, app.text, [Listener("clear", tls=False)],
                  flags=[*V2, *ALL_TLVS, "--check", "http", "--check-every-ms", "50"]):
        header = header_of(app)
        assert (header.command, header.family, header.crc) == (prefix.LOCAL, 0, True)
        app.wait(lambda: app.connection().requests, what="the check")


def test_kedge_behind_kedge(certs, cgroup, ends, tls):
    """The second one reads what the first one sends, and passes it on."""
    with RawApp(cgroup=cgroup, serve=behind_header) as app, \
            Kedge(certs, app.text, [Listener("in", tls=False, proxy="require")], ends, cgroup,
                  flags=[*V2, "--proxy-tlvs", "pass", "--proxy-tlvs", "crc32c"]) as second, \
            Kedge(certs, "%s:%d" % second["in"], listeners(), ends, cgroup, flags=[*V2, *ALL_TLVS]) as first, \
            Client(first["tls"], tls=tls) as c:
        assert c.request().status == 200
        header = header_of(app)
        assert (header.src, header.dst) == (c.sock.getsockname(), c.sock.getpeername())
        assert header.values(prefix.TYPE_AUTHORITY) == [b"localhost"]
        assert len(header.values(prefix.TYPE_UNIQUE_ID)) == 1 and header.crc
        assert header.ssl() is None  # that was about the first one's connection
        assert app.connection().requests[0].xff == f"127.0.0.1, {c.sock.getsockname()[0]}"
