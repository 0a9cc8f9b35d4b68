# SPDX-License-Identifier: BSD-2-Clause
"""TLS: versions, ciphers, certificates, resumption, and everything that is not a handshake."""
import contextlib
import json
import os
import signal
import socket
import ssl

import pytest

import s_client
from client import CIPHERS12, CIPHERS13, Client, tls_context
from kedge import Kedge, Listener
from run import curl, run, seen, url
from story import Express, node_env

NODE_CLIENT = """
const https = require('https'), fs = require('fs');
const [url, ca, version] = process.argv.slice(1);
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
const options = { ca: fs.readFileSync(ca), agent, minVersion: version, maxVersion: version };
const get = () => new Promise((resolve, reject) => https.get(url, options, (res) => {
	let body = '';
	const protocol = res.socket.getProtocol();
	res.on('data', (d) => body += d).on('end', () =>
		resolve({ body, protocol, reused: res.req.reusedSocket }));
}).on('error', reject));
(async () => {
	const all = [];
	for (let i = 0; i < 3; i++) all.push(await get());
	console.log(JSON.stringify(all));
	agent.destroy();
})();
"""


def suite12(cipher, kind):
    return f"ECDHE-{kind}-{cipher}"


@pytest.mark.parametrize("kind,sni", [("RSA", "a.rsa.test"), ("ECDSA", "a.example.test")])
@pytest.mark.parametrize("version,cipher", [("1.3", c) for c in CIPHERS13]
                         + [("1.2", c) for c in CIPHERS12])
def test_version_and_cipher_with_certificate_by_sni(end_front, certs, version, cipher, kind, sni):
    name = cipher if version == "1.3" else suite12(cipher, kind)
    before = end_front.status()["stats"]
    with Client(end_front["tls"], tls=tls_context(certs.ca, version, name), sni=sni) as c:
        assert c.tls.cipher()[0] == name
        assert f"DNS', '*.{sni[2:]}'" in str(c.tls.getpeercert()["subjectAltName"])
        for size in (1, 16384, 100000):
            assert len(c.request(target=f"/bytes/{size}").body) == size
        assert seen(c.request().text)["xff"] == "127.0.0.1"
    counter = f"handshakes_tls{version.replace('.', '')}"
    assert end_front.status()["stats"][counter] == before[counter] + 1


def test_certificate_by_what_the_client_can_verify(end_front, certs):
    """Both certificates are for localhost, so the suite decides."""
    for kind in ("RSA", "ECDSA"):
        context = tls_context(certs.ca, "1.2", suite12(CIPHERS12[0], kind))
        with Client(end_front["tls"], tls=context) as c:
            assert c.request().status == 200


def test_no_sni_and_unknown_sni_get_a_certificate(end_front, certs):
    context = tls_context()
    for sni in (None, "nobody.invalid"):
        with Client(end_front["tls"], tls=context, sni=sni) as c:
            assert c.request().status == 200


@pytest.mark.parametrize("offer,chosen", [(["http/1.1"], "http/1.1"),
                                          (["h2", "http/1.1"], "http/1.1"), (None, None)])
def test_alpn(end_front, certs, offer, chosen):
    with Client(end_front["tls"], tls=tls_context(certs.ca, alpn=offer)) as c:
        assert c.tls.selected_alpn_protocol() == chosen
        assert c.request().status == 200


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_resumption(end_front, certs, version):
    context = tls_context(certs.ca, version)
    before = end_front.stat("handshakes_resumed")
    with Client(end_front["tls"], tls=context) as c:
        c.request()
        session = c.tls.session
        assert not c.tls.session_reused
    with Client(end_front["tls"], tls=context, session=session) as c:
        assert c.tls.session_reused
        assert seen(c.request().text)["xff"] == "127.0.0.1"
    assert end_front.stat("handshakes_resumed") == before + 1


def test_every_resumption_brings_the_ticket_of_the_next(end_front, certs):
    """TLS 1.3: a ticket is for one use, so a client that resumes must get another."""
    context = tls_context(certs.ca, "1.3")
    session, seen_ids = None, set()
    for _ in range(4):
        with Client(end_front["tls"], tls=context, session=session) as c:
            assert c.request().status == 200
            assert c.tls.session_reused == bool(seen_ids)
            session = c.tls.session
            assert session.id not in seen_ids
            seen_ids.add(session.id)


def last_flight(c, data, version):
    """Runs the handshake up to the client's last flight. Returns that flight with data as records behind it."""
    c.send_raw(c.client_hello())
    while True:
        c._feed()
        try:
            c.tls.do_handshake()
        except ssl.SSLWantReadError:
            if version == "1.2" and c._out.pending:
                c._flush()
            continue
        return c._out.read() + c.records(data)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_requests_in_the_same_segment_as_the_finish(front, certs, version):
    """The last flight of the handshake and the first requests in one segment: no byte may be lost."""
    two = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
    with Client(front["tls"], tls=tls_context(certs.ca, version), handshake=False) as c:
        c.send_raw(last_flight(c, two, version))
        assert [seen(c.response().text)["xff"] for _ in range(2)] == ["127.0.0.1"] * 2


def test_client_has_ended_before_the_hand_off(front, certs):
    """Finished, request, close_notify and FIN arrive before kedge reads any of them."""
    with Client(front["tls"], tls=tls_context(certs.ca, "1.3"), handshake=False) as c:
        flight = last_flight(c, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "1.3")
        with contextlib.suppress(ssl.SSLWantReadError):
            c.tls.unwrap()
        # Stopped, so that it wakes up to all of it.
        os.kill(front.pid, signal.SIGSTOP)
        try:
            c.send_raw(flight + c._out.read())
            c.sock.shutdown(socket.SHUT_WR)
        finally:
            os.kill(front.pid, signal.SIGCONT)
        assert seen(c.response().text)["xff"] == "127.0.0.1"
        assert (c.recv_all(), c.ended) == (b"", "close_notify")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_records_of_every_kind_of_size(front, certs, version):
    """One byte a record, a record in one-byte segments, several records in one segment."""
    text = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    context = tls_context(certs.ca, version)
    with Client(front["tls"], tls=context) as c:
        for byte in text:
            c.send(bytes([byte]))
        assert seen(c.response().text)["xff"] == "127.0.0.1"
        c.cut = 1
        c.send(text)
        assert seen(c.response().text)["xff"] == "127.0.0.1"
        c.cut = None
        c.send_raw(c.records(text[:20]) + c.records(text[20:]) + c.records(text))
        assert [seen(c.response().text)["xff"] for _ in range(2)] == ["127.0.0.1"] * 2


def test_empty_records_are_no_end(front, certs):
    with Client(front["tls"], tls=tls_context(certs.ca, "1.3")) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: ")
        # OpenSSL writes no empty record by itself, and CBC's trick does not help here.
        c.send(b"localhost\r\n\r\n")
        assert c.response().status == 200


def test_plain_http_on_the_tls_port(end_raw):
    before = end_raw.reason("tls_plain_http")
    with Client(end_raw["tls"]) as c:
        c.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = c.recv_all()
    assert b"200 OK" not in answer
    end_raw.wait_reason("tls_plain_http", before + 1)
    assert end_raw.app.connections == []


NOT_TLS = {
    "zeros": bytes(32),
    "ssh": b"SSH-2.0-scan\r\n",
    "sslv2": b"\x80\x2e\x01\x00\x02" + bytes(43),
    "huge_record": b"\x16\x03\x01\xff\xff" + bytes(64),
}


@pytest.mark.parametrize("name", NOT_TLS)
def test_not_tls(end_raw, name):
    before = sum(v for k, v in end_raw.status()["reasons"].items() if k.startswith("tls_"))
    with Client(end_raw["tls"]) as c:
        c.send_raw(NOT_TLS[name])
        c.recv_all()
    end_raw.wait_status(lambda s: sum(v for k, v in s["reasons"].items() if k.startswith("tls_"))
                        > before)
    assert end_raw.app.connections == []


def test_no_common_version(end_front, certs, cgroup, ends):
    before = end_front.reason("tls_no_shared")
    answer = run("openssl", "s_client", "-connect", "%s:%d" % end_front["tls"], "-tls1_1",
                 "-cipher", "ALL:@SECLEVEL=0", stdin=-3)
    assert answer.returncode != 0
    end_front.wait_reason("tls_no_shared", before + 1)


def test_no_common_cipher(end_front):
    before = end_front.reason("tls_no_shared")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        Client(end_front["tls"], tls=tls_context(version="1.2", cipher="ECDHE-RSA-AES128-SHA256"))
    end_front.wait_reason("tls_no_shared", before + 1)


def test_minimum_version_by_flag(ends, certs, cgroup):
    with Express(cgroup) as app, \
            Kedge(certs, app.text, [Listener("tls")], ends, cgroup, ["--tls-min", "1.3"]) as kedge:
        with pytest.raises(ssl.SSLError):
            Client(kedge["tls"], tls=tls_context(certs.ca, "1.2"))
        with Client(kedge["tls"], tls=tls_context(certs.ca, "1.3")) as c:
            assert c.request().status == 200


def test_client_gives_up_in_the_handshake(end_raw, tls):
    for part in (5, 60, None):
        before = end_raw.status()["stats"]["closed"]
        with Client(end_raw["tls"], tls=tls, handshake=False) as c:
            c.send_raw(c.client_hello()[:part])
            if part is None:
                c._feed()
        end_raw.wait_status(lambda s: s["stats"]["closed"] > before)
    assert end_raw.reason("tls_client_gone") > 0
    # kedge may have connected to it during the handshake, but has sent nothing.
    assert not any(conn.received for conn in end_raw.app.connections)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client(front, certs, version):
    answer = run("openssl", "s_client", "-connect", "%s:%d" % front["tls"], "-CAfile", certs.ca,
                 "-verify_return_error", "-servername", "localhost", "-quiet", "-ign_eof", version,
                 input="GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert 'req.xff: "127.0.0.1"' in answer.stdout, answer.stderr


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_node_client(front, certs, version):
    answer = run("node", "-e", NODE_CLIENT, url(front["tls"], host="127.0.0.1"), certs.ca, version,
                 env=node_env())
    all_ = json.loads(answer.stdout or "[]")
    assert [a["protocol"] for a in all_] == [version] * 3, answer.stderr
    assert [a["reused"] for a in all_] == [False, True, True]
    assert all(seen(a["body"])["xff"] == "127.0.0.1" for a in all_)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_by_version(front, certs, version):
    answer = curl("-4", f"--tlsv{version}", "--tls-max", version, "--cacert", certs.ca,
                  url(front["tls"]), url(front["tls"]))
    assert answer.stdout.count('req.xff: "127.0.0.1"') == 2, answer.stderr


def test_key_update(front, certs):
    """Followed if records are in user space or the kernel can. Else the connection ends, and no byte is corrupted."""
    refused = front.reason("key_update_refused")
    with Client(front["tls"], tls=tls_context(certs.ca, "1.3")) as c:
        assert c.request().status == 200
        c.key_update()
        try:
            for _ in range(3):
                assert seen(c.request().text)["xff"] == "127.0.0.1"
            return
        except (EOFError, ssl.SSLError, ConnectionError):
            pass
    front.wait_reason("key_update_refused", refused + 1)


def test_key_updates_asked_for_in_a_download(front, combo, certs):
    """openssl s_client asks while the sockets are full of the response."""
    if combo.record:
        return  # what each kernel can do is in tests/guest
    before = front.stat("key_updates")
    asked = s_client.download(front["tls"], certs.ca, 16 << 20)
    assert front.stat("key_updates") - before >= asked - 1 > 0  # the last one may come too late


def test_corrupt_record_ends_the_connection(front, certs):
    for version in ("1.2", "1.3"):
        before = front.reason("record_bad")
        with Client(front["tls"], tls=tls_context(certs.ca, version)) as c:
            assert c.request().status == 200
            record = bytearray(c.records(b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"))
            record[-1] ^= 1
            c.send_raw(bytes(record))
            with pytest.raises(ssl.SSLError, match="(?i)bad.record.mac"):
                c.response()
        front.wait_reason("record_bad", before + 1)


def test_missing_certificate_files(certs, cgroup, tmp_path):
    for cert, key, word in ((tmp_path / "no.pem", certs.ec.key, "no.pem"),
                            (certs.ec.cert, certs.rsa.key, "rsa-key.pem"),
                            (certs.ec.key, certs.ec.key, "ec-key.pem")):
        leaf = type("Leaf", (), {"flags": lambda self, a=cert, b=key:
                                 ["--cert", str(a), "--key", str(b)]})()
        kedge = Kedge(certs, "127.0.0.1:9", [Listener("tls", leaves=[leaf])], wait=False)
        try:
            assert kedge.process.wait() in (1, 2)
            kedge.check_log()
            errors = [x for x in kedge.process.lines if "error:" in x]
            assert len(errors) == 1 and word in errors[0], kedge.log()
        finally:
            kedge.kill()
