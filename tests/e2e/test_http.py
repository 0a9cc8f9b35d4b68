# SPDX-License-Identifier: BSD-2-Clause
"""HTTP/1.1 through kedge: methods, framing, connections that stay, upgrades, the header's modes."""
import hashlib

import pytest

import prefix
from client import Client, chunked, request
from kedge import Kedge, Listener
from pattern import pattern
from rawapp import RawApp, answer
from run import curl, seen, url

TRUE = "198.51.100.22"


def connect(front, leg, prefixed=True, **kwargs):
    listener, tls = leg
    if prefixed:
        return Client(front[listener + "_proxy"], prefix.v1(), tls, **kwargs)
    return Client(front[listener], tls=tls, **kwargs)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_methods(front, leg, method):
    body = b"x=1" if method in ("POST", "PUT", "PATCH") else b""
    with connect(front, leg) as c:
        for _ in range(2):
            got = c.request(method, "/headers", body=body)
            assert got.status == 200
            if method != "HEAD":
                assert f"X-Forwarded-For: {TRUE}\n" in got.text
            else:
                assert got.body == b"" and int(got.field("Content-Length")) > 0


def test_options_asterisk(raw, leg):
    with connect(raw, leg) as c:
        assert c.request("OPTIONS", "*").status == 200
    assert raw.app.connection().requests[0].target == "*"


def test_field_order_and_spelling_are_kept(raw, leg):
    fields = [("X-b", "2"), ("x-A", "1"), ("X-b", "3"), ("Cookie", "a=b; c=d"), ("X-Empty", "")]
    with connect(raw, leg) as c:
        c.request(fields=fields)
    got = raw.app.connection().requests[0]
    proto = "https" if leg[0] == "tls" else "http"
    assert got.fields == [("Host", "localhost"), *fields, ("X-Forwarded-For", TRUE),
                          ("X-Forwarded-Proto", proto)]


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 70000, 1000000])
def test_bodies_both_ways(front, leg, size):
    body = pattern(size)
    with connect(front, leg) as c:
        c.send(f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode() + body)
        assert c.response().body == body
        assert c.request(target=f"/bytes/{size}").body == body
        assert seen(c.request().text)["xff"] == TRUE


def test_chunked_both_ways(front, leg):
    parts = [pattern(1), pattern(10), pattern(70000), b"\r\n0\r\n\r\n"]
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(front, leg) as c:
        c.send(head % b"/sha" + chunked(*parts, trailer="X-Sum: 1\r\n"))
        whole = b"".join(parts)
        assert c.response().text.split()[1:] == [str(len(whole)), hashlib.sha256(whole).hexdigest()]
        c.send(head % b"/echo" + chunked(*parts))
        assert c.response().body == whole
        assert c.request(target="/chunked/100000").body == pattern(100000)
        assert seen(c.request().text)["xff"] == TRUE


def test_body_that_looks_like_a_request(raw, leg):
    inner = b"GET /inner HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    with connect(raw, leg) as c:
        c.request("POST", "/1", body=inner)
        c.send(b"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(inner))
        c.response()
        c.request(target="/3")
    got = raw.app.connection().requests
    assert [r.target for r in got] == ["/1", "/2", "/3"]
    assert [r.body for r in got] == [inner, inner, b""]
    assert [r.xff for r in got] == [TRUE] * 3


def test_expect_continue(front, certs, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(pattern(200000))
    got = curl("-4", "-v", "--cacert", certs.ca, "-H", "Expect: 100-continue", "--expect100-timeout",
               "60", "--data-binary", f"@{body}", url(front["tls"], "/sha"), url(front["tls"], "/sha"))
    assert got.stderr.count("< HTTP/1.1 100 Continue") == 2, got.stderr
    assert got.stdout.count(hashlib.sha256(body.read_bytes()).hexdigest()) == 2


def test_expect_continue_answered_with_a_refusal(raw, leg):
    """417 before the body is read: the client does not send it, and the connection ends."""
    def serve(conn):
        while b"\r\n\r\n" not in conn.received:
            conn.fill()
        conn.send(answer("417 Expectation Failed", fields=[("Connection", "close")]))
        conn.close()
    raw.app.serve = serve
    with connect(raw, leg) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert c.response().status == 417
        assert c.recv_all() == b""


def test_kept_alive_100(front, leg):
    with connect(front, leg) as c:
        for i in range(100):
            assert seen(c.request(fields=[("X-Forwarded-For", f"10.0.0.{i}")]).text)["xff"] \
                == f"10.0.0.{i}, {TRUE}"


@pytest.mark.parametrize("cut", [None, 1, 7, 1000])
def test_pipelined_50(raw, leg, cut):
    whole = b"".join(
        request("POST" if i % 3 == 0 else "GET", f"/{i}", [("X-Forwarded-For", "1.1.1.1")] * (i % 2),
                body=pattern(i) if i % 3 == 0 else b"") for i in range(50))
    with connect(raw, leg) as c:
        step = cut or len(whole)
        for at in range(0, len(whole), step):
            c.send(whole[at:at + step])
        for i in range(50):
            assert c.response().text.split()[2] == f"/{i}"
    got = raw.app.connection().requests
    assert [r.xff for r in got] == [f"1.1.1.1, {TRUE}" if i % 2 else TRUE for i in range(50)]
    assert [len(r.body) for r in got] == [i if i % 3 == 0 else 0 for i in range(50)]


def test_pipelined_1000_short_ones(raw, leg):
    """More than one send holds, and more than the ring of answers has room for."""
    with connect(raw, leg) as c:
        c.send(b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * 1000)
        for i in range(1000):
            assert c.response().text.split()[0] == str(i + 1)
    assert [r.xff for r in raw.app.connection().requests] == [TRUE] * 1000


@pytest.mark.parametrize("lines, heads", [(127, 2), (120, 4), (60, 50)])
@pytest.mark.parametrize("line", [b"x:\r\n", b"X-Forwarded-For: \r\n", b"u:\r\n"])
def test_pipelined_heads_of_one_sort_of_line(raw, leg, line, lines, heads):
    """As many lines as a head may have, each held until it is known whether it stays."""
    with connect(raw, leg) as c:
        c.send((b"GET / HTTP/1.1\r\nHost: a\r\n" + line * lines + b"\r\n") * heads)
        for _ in range(heads):
            assert c.response().status == 200
    assert [r.xff for r in raw.app.connection().requests] == [TRUE] * heads


def test_http_1_0(raw, leg):
    with connect(raw, leg) as c:
        c.send(b"GET /old HTTP/1.0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n")
        c.response()
    with connect(raw, leg) as c:
        for _ in range(2):
            c.send(b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            c.response()
    assert raw.app.connections[0].requests[0].xff == f"1.1.1.1, {TRUE}"
    assert [r.xff for r in raw.app.connections[1].requests] == [TRUE] * 2


def test_http_1_0_answer_until_the_end(raw, leg):
    def respond(conn, req):
        conn.send(b"HTTP/1.0 200 OK\r\n\r\n" + pattern(100000))
        conn.close()
    raw.app.respond = respond
    listener, tls = leg
    with connect(raw, leg) as c:
        c.send(b"GET / HTTP/1.0\r\n\r\n")
        assert c.response().body == pattern(100000)
        assert c.ended == ("close_notify" if tls else "eof")


def test_connection_close_is_honoured(front, leg):
    with connect(front, leg) as c:
        assert c.request(fields=[("Connection", "close")]).field("Connection") == "close"
        assert c.recv_all() == b""
        assert c.ended == ("close_notify" if leg[1] else "eof")


@pytest.mark.parametrize("cut", [None, 1])
def test_upgrade_becomes_a_tunnel(front, leg, cut):
    before = front.stat("tunnels")
    upgrade = [("Connection", "Upgrade"), ("Upgrade", "echo")]
    with connect(front, leg, cut=cut) as c:
        assert seen(c.request().text)["xff"] == TRUE
        got = c.request(target="/ws", fields=upgrade)
        assert (got.status, got.field("X-Seen")) == (101, TRUE)
        # In the tunnel bytes are only bytes, even when they look like a request.
        text = b"get / http/1.1\r\nhost: a\r\n\r\n\0\n\xff"
        for _ in range(3):
            c.send(text)
            assert c.recv_exactly(len(text)) == text.upper()
        big = b"a" * (3000 if cut else 300000)
        c.send(big)
        assert c.recv_exactly(len(big)) == big.upper()
        c.half_close()
        assert c.recv_all() == b""
    assert front.stat("tunnels") == before + 1


def test_bytes_behind_an_upgrade_wait_for_the_answer(raw, leg):
    """Bytes behind an upgrade are a request if it is refused, and tunnel bytes if it is accepted."""
    evil = request(target="/behind", fields=[("X-Forwarded-For", "6.6.6.6")])
    upgrade = request(target="/up", fields=[("Connection", "upgrade"), ("Upgrade", "x")])

    def refuse(conn, req):
        return answer("403 Forbidden" if req.target == "/up" else "200 OK")
    raw.app.respond = refuse
    with connect(raw, leg) as c:
        c.send(upgrade + evil)
        assert [c.response().status, c.response().status] == [403, 200]
        assert c.request(target="/more").status == 200
    assert [(r.target, r.xff) for r in raw.app.connection().requests] == [
        ("/up", TRUE), ("/behind", f"6.6.6.6, {TRUE}"), ("/more", TRUE)]

    raw.app.forget()

    def accept(conn, req):
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        while len(conn.received) < conn._at + len(evil):
            if not conn.fill():
                break
        conn.send(b"bye")
        conn.close()
    raw.app.respond = accept
    with connect(raw, leg) as c:
        c.send(upgrade + evil)
        assert c.response().status == 101
        assert c.recv_all() == b"bye"
    assert bytes(raw.app.wait_ended().received).endswith(b"\r\n\r\n" + evil)


def test_interim_answers_pass(raw, leg):
    def respond(conn, req):
        return (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + b"HTTP/1.1 102 P\r\n\r\n"
                + answer(body=b"done"))
    raw.app.respond = respond
    with connect(raw, leg) as c:
        for _ in range(2):
            got = c.request()
            assert (got.interim, got.body) == ([103, 103, 102], b"done")


def test_answers_byte_by_byte(raw, leg):
    def respond(conn, req):
        for byte in answer(body=b"slow"):
            conn.send(bytes([byte]))
    raw.app.respond = respond
    with connect(raw, leg) as c:
        assert [c.request().body for _ in range(3)] == [b"slow"] * 3


def test_answers_without_bodies(raw, leg):
    def respond(conn, req):
        if req.method == "HEAD":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
        return b"HTTP/1.1 %s X\r\n%s\r\n" % (
            req.target[1:].encode(), b"Content-Length: 700\r\n" if req.target == "/304" else b"")
    raw.app.respond = respond
    with connect(raw, leg) as c:
        c.send(request(target="/204") + request(target="/304") + request("HEAD", "/")
               + request(target="/204") + request("HEAD", "/"))
        methods = ["GET", "GET", "HEAD", "GET", "HEAD"]
        assert [c.response(m).status for m in methods] == [204, 304, 200, 204, 200]


def test_answer_before_the_body_has_come(raw, leg):
    def serve(conn):
        while b"\r\n\r\n" not in conn.received:
            conn.fill()
        conn.send(answer("413 Payload Too Large", b"no", [("Connection", "close")]))
        while conn.fill():
            pass
        conn.sock.close()
    raw.app.serve = serve
    with connect(raw, leg) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + bytes(1000))
        got = c.response()
        assert (got.status, got.body) == (413, b"no")


REFUSED = {
    "two_lengths": (b"Content-Length: 1\r\nContent-Length: 1\r\n", 400),
    "length_and_chunked": (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    "coding": (b"Transfer-Encoding: xchunked\r\n", 400),
    "fold": (b"A: b\r\n c\r\n", 400),
    "space_before_colon": (b"A : b\r\n", 400),
    "alias": (b"X_Forwarded_For: 1.2.3.4\r\n", 400),
    "connection_lists_it": (b"Connection: close, X-Forwarded-For\r\n", 400),
    "second_host": (b"Host: b\r\n", 400),
    "connection_malformed": (b"Connection: close close\r\n", 400),
    "h2c_or_another": (b"Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", 400),
    "large": (b"A: " + b"b" * 40000 + b"\r\n", 431),
    "long_xff": (b"X-Forwarded-For: " + b"10.0.0.1, " * 100 + b"10.0.0.2\r\n", 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_request_is_answered_and_never_arrives(raw, leg, name):
    lines, status = REFUSED[name]
    good = request(target="/good")
    with connect(raw, leg) as c:
        c.send(good + b"GET /bad HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n" + good)
        assert c.response().status == 200
        got = c.response()
        assert (got.status, got.field("Connection")) == (status, "close")
        assert c.recv_all() == b""
        assert c.ended == ("close_notify" if leg[1] else "eof")
    conn = raw.app.wait_ended()
    assert [r.target for r in conn.requests] == ["/good"]
    assert conn.fault is None
    # The beginning of a long head may pass before its fault is seen, but never its end.
    after = bytes(conn.received).partition(b"/bad")[2]
    assert b"\r\n\r\n" not in after and (not after or name == "large")


XFF = [
    (["--xff", "append"], "9.9.9.9", f"9.9.9.9, {TRUE}"),
    (["--xff", "append"], None, TRUE),
    (["--xff", "replace"], "9.9.9.9", TRUE),
    (["--xff", "replace"], None, TRUE),
    (["--xff", "if-none"], "9.9.9.9", "9.9.9.9"),
    (["--xff", "if-none"], None, TRUE),
    (["--xff", "never"], "9.9.9.9", None),
    (["--xff", "never", "--forwarding-fields", "keep"], "9.9.9.9", "9.9.9.9"),
    (["--xff", "never", "--xff-trust", "198.51.100.0/24"], "9.9.9.9", "9.9.9.9"),
    (["--xff", "never"], None, None),
    # The prefix names 198.51.100.22, and trust in incoming values goes by that address.
    (["--xff-trust", "198.51.100.0/24"], "9.9.9.9", f"9.9.9.9, {TRUE}"),
    (["--xff-trust", "10.0.0.0/8"], "9.9.9.9", TRUE),
    (["--xff-trust", "10.0.0.0/8", "--xff", "if-none"], "9.9.9.9", TRUE),
    (["--xff-trust", "10.0.0.0/8", "--xff", "never"], "9.9.9.9", None),
]


@pytest.fixture(scope="session")
def by_flags(certs, cgroup):
    """kedge with certain flags before a recording application; one at a time."""
    cache = {}

    def get(combination, flags):
        key = combination, tuple(flags)
        if key not in cache:
            while cache:
                end(cache.popitem()[1])
            app = RawApp(cgroup=cgroup)
            listeners = [Listener("tls_proxy", proxy="require"),
                         Listener("clear_proxy", tls=False, proxy="require"),
                         Listener("clear", tls=False)]
            cache[key] = Kedge(certs, app.text, listeners, combination, cgroup, flags), app
        kedge, app = cache[key]
        app.forget()
        return kedge, app

    def end(pair):
        pair[0].stop()
        pair[1].stop()
    yield get
    while cache:
        end(cache.popitem()[1])


@pytest.mark.parametrize("flags,incoming,expected", XFF, ids=lambda v: "_".join(v).replace("/", "-")
                         if isinstance(v, list) else None)
def test_modes(by_flags, ends, flags, incoming, expected):
    kedge, app = by_flags(ends, flags)
    fields = [("X-Forwarded-For", incoming)] if incoming else []
    with Client(kedge["clear_proxy"], prefix.v1()) as c:
        for _ in range(2):
            assert c.request(fields=fields).status == 200
    assert [r.xff for r in app.connection().requests] == [expected] * 2


def test_http2_in_clear_is_not_asked_for(raw, leg):
    """What Java's HttpClient and curl --http2 send with their first request."""
    ask = [("Connection", "close, Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
           ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA")]
    with connect(raw, leg) as c:
        assert c.request("POST", fields=ask, body=b"abc").status == 200
    got = raw.app.connection().requests[0]
    assert not got.values("Upgrade") and not got.values("HTTP2-Settings")
    assert got.values("Connection") == ["close"]


def test_several_incoming_lines_become_one(front, leg):
    fields = [("X-Forwarded-For", "1.1.1.1"), ("A", "b"), ("x-forwarded-for", " 2.2.2.2 , 3.3.3.3 "),
              ("X-FORWARDED-FOR", "")]
    with connect(front, leg) as c:
        assert seen(c.request(fields=fields).text)["xff"] == f"1.1.1.1, 2.2.2.2 , 3.3.3.3, {TRUE}"


def test_proto_and_port(by_flags, ends, tls):
    kedge, app = by_flags(ends, ["--x-forwarded-proto", "on", "--x-forwarded-port", "on"])
    forged = [("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Port", "1")]
    for number, (name, context, proto) in enumerate((("tls_proxy", tls, "https"),
                                                     ("clear_proxy", None, "http"))):
        with Client(kedge[name], prefix.v1(dport=8443), context) as c:
            for _ in range(2):
                c.request(fields=forged)
        for req in app.connection(number).requests:
            assert req.values("X-Forwarded-Proto") == [proto]
            assert req.values("X-Forwarded-Port") == ["8443"]
            assert req.xff == TRUE


# A client's own forwarding fields, and what kedge adds for a client on a listener without TLS.
FORGED = [("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Port", "1"), ("X-Forwarded-Host", "evil.example"),
          ("X-Forwarded-Prefix", "/evil"), ("X-Forwarded-Server", "evil"), ("X-Forwarded-Ssl", "on"),
          ("Forwarded", "for=6.6.6.6;host=evil.example"), ("X-Real-IP", "6.6.6.6"),
          ("True-Client-IP", "6.6.6.6"), ("X-Client-IP", "6.6.6.6")]
PROTO, PORT, REAL = ("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", "8443"), ("X-Real-IP", TRUE)
FORWARDED = ("Forwarded", f"for={TRUE};proto=http")
SET_ALL = ["--x-forwarded-port", "on", "--x-real-ip", "on", "--forwarded", "on"]
TRUST = ["--xff-trust", "198.51.100.0/24"]
FIELDS = {
    "defaults": ([], FORGED, [PROTO]),
    "nobody_forges": ([], [], [PROTO]),
    "all_set": (SET_ALL, FORGED, [FORWARDED, PROTO, PORT, REAL]),
    "another_is_trusted": (["--xff-trust", "10.0.0.0/8"], FORGED, [PROTO]),
    "keep": (["--forwarding-fields", "keep"], FORGED, FORGED[1:] + [PROTO]),
    "keep_and_off": (["--forwarding-fields", "keep", "--x-forwarded-proto", "off"], FORGED, FORGED),
    "trusted": (TRUST, FORGED, FORGED),
    "trusted_without": (TRUST, [], [PROTO]),
    "trusted_all_set": (TRUST + SET_ALL, FORGED, FORGED + [FORWARDED]),
    "trusted_some": (TRUST + SET_ALL, FORGED[1:2], FORGED[1:2] + [FORWARDED, PROTO, REAL]),
    "xff_never": (["--xff", "never"], FORGED, [PROTO]),
}


@pytest.mark.parametrize("flags,sent,expected", FIELDS.values(), ids=FIELDS)
def test_forwarding_fields(by_flags, ends, flags, sent, expected):
    kedge, app = by_flags(ends, flags)
    with Client(kedge["clear_proxy"], prefix.v1(dport=8443)) as c:
        for _ in range(2):
            assert c.request(fields=[*sent, ("A", "b")]).status == 200
    for req in app.connection().requests:
        assert sorted(f for f in req.fields if f[0] not in ("Host", "X-Forwarded-For")) \
            == sorted([*expected, ("A", "b")])


def test_forwarded_with_an_ipv6_address(by_flags, ends):
    kedge, app = by_flags(ends, SET_ALL)
    with Client(kedge["clear_proxy"], b"PROXY TCP6 2001:db8::22 2001:db8::1 1 443\r\n") as c:
        assert c.request().status == 200
    req = app.connection().requests[0]
    assert req.values("Forwarded") == ['for="[2001:db8::22]";proto=http']
    assert req.values("X-Real-IP") == [req.xff] == ["2001:db8::22"]


def test_counters_tell_who_edited(raw):
    """The capability that was asked for does the work."""
    combo, before = raw_combo(raw), raw.status()["stats"]
    with Client(raw["clear"]) as c:
        for _ in range(5):
            c.request()
    raw.wait_idle()
    after = raw.status()["stats"]
    grown = {k for k in after if after[k] > before[k]}
    assert ("flows_edit_kernel" if combo["edit"] else "flows_edit_user") in grown
    assert ("requests_bpf" if combo["edit"] else "requests_user") in grown
    assert ("flows_bypass" in grown) == combo["bypass"]
    assert ("steer_redirected" in grown) == combo["bypass"]


def test_counters_tell_who_encrypts(raw, tls):
    combo, before = raw_combo(raw), raw.status()["stats"]
    with Client(raw["tls"], tls=tls) as c:
        c.request()
    after = raw.status()["stats"]
    name = "flows_record_kernel" if combo["record"] else "flows_record_user"
    assert after[name] == before[name] + 1


def raw_combo(kedge):
    argv = kedge.process.argv
    return {name: argv[argv.index(f"--{name}") + 1] == "require"
            for name in ("record", "edit", "bypass")}
