# SPDX-License-Identifier: BSD-2-Clause
"""Suites by policy, tickets that several machines share, stapling, and the verdict of testssl.sh."""
import base64
import json
import os
import re
import shutil
import ssl
from pathlib import Path

import pytest

import machine
from client import CIPHERS12, CIPHERS13, Client, tls_context
from kedge import Kedge, Listener
from rawapp import RawApp
from run import run

DOC = machine.ROOT / "docs/configuration.md"
SUITES = [("1.3", c) for c in CIPHERS13] + [("1.2", c) for c in CIPHERS12]
# What testssl.sh checks, and its words for a check without findings.
CHECKS = ("--protocols", "--std", "--vulnerable")
HARMLESS = ("OK", "INFO", "LOW", "DEBUG")


@pytest.fixture
def starts(certs, cgroup, ends):
    """Starts a kedge with flags of the test's own before one application for all of them."""
    with RawApp(cgroup=cgroup) as app:
        def start(*flags, leaf=None):
            return Kedge(certs, app.text, [Listener("tls", leaves=[leaf] if leaf else None)], ends, cgroup,
                         [str(f) for f in flags])
        yield start


# --- policies ------------------------------------------------------------------------------------
def documented_policies():
    """{name: [(version, suite), ...]} of the table in docs/configuration.md."""
    policies = {}
    for line in DOC.read_text().split("<!-- policies")[1].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 4 and re.fullmatch(r"`\w+`", cells[0]):
            named = [re.findall(r"`([\w-]+)`", cell) for cell in cells[2:]]
            policies[cells[0].strip("`")] = ([("1.3", c) for c in named[0] if "1.3" in cells[1]]
                                             + [("1.2", c) for c in named[1] if "1.2" in cells[1]])
        elif line.startswith("`tls-min"):
            break
    return policies


def offered(kedge, certs):
    """The suites that kedge takes. Each is offered alone, with both kinds of certificate."""
    taken = []
    for version, suite in SUITES:
        kinds = ("",) if version == "1.3" else ("ECDHE-ECDSA-", "ECDHE-RSA-")
        answers = set()
        for kind in kinds:
            try:
                with Client(kedge["tls"], tls=tls_context(certs.ca, version, kind + suite)) as c:
                    answers.add(c.request().status)
            except (ssl.SSLError, ConnectionError):
                answers.add(None)
        assert len(answers) == 1, (version, suite, answers)
        if answers == {200}:
            taken.append((version, suite))
    return taken


@pytest.mark.parametrize("name", ["intermediate", "modern", "high"])
def test_policy_offers_what_the_table_says(starts, certs, name):
    documented = documented_policies()
    assert sorted(documented) == ["high", "intermediate", "modern"]
    with starts("--tls-policy", name) as kedge:
        assert offered(kedge, certs) == documented[name]


def test_the_minimum_version_takes_from_a_policy(starts, certs):
    with starts("--tls-policy", "high", "--tls-min", "1.3") as kedge:
        assert offered(kedge, certs) == [s for s in documented_policies()["high"] if s[0] == "1.3"]


# --- tickets -------------------------------------------------------------------------------------
def ticket_file(path, *keys):
    path.write_text("# keys\n" + "".join(base64.b64encode(k).decode() + "\n" for k in keys))
    path.chmod(0o600)
    return path


def session_of(kedge, context, session=None):
    """(the session for the next connection, whether this one was resumed)"""
    with Client(kedge["tls"], tls=context, session=session) as c:
        assert c.request().status == 200
        return c.tls.session, c.tls.session_reused


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_two_kedges_resume_each_others_sessions(starts, certs, tmp_path, version):
    old, new, alien = (os.urandom(80) for _ in range(3))
    context = tls_context(certs.ca, version)
    # Two machines in the middle of a change of keys, and one with other keys.
    with starts("--ticket-keys", ticket_file(tmp_path / "a", old, new)) as a, \
            starts("--ticket-keys", ticket_file(tmp_path / "b", new, old)) as b, \
            starts("--ticket-keys", ticket_file(tmp_path / "c", alien)) as c:
        session, resumed = session_of(a, context)
        assert not resumed
        at_b, resumed = session_of(b, context, session)
        assert resumed and b.stat("handshakes_resumed") == 1
        assert session_of(a, context, at_b)[1]
        assert not session_of(c, context, session)[1]
        assert c.stat("handshakes_resumed") == 0


def test_a_retired_key_opens_nothing(starts, certs, tmp_path):
    old, new = os.urandom(80), os.urandom(80)
    context = tls_context(certs.ca)
    with starts("--ticket-keys", ticket_file(tmp_path / "a", old)) as kedge:
        session, _ = session_of(kedge, context)
    with starts("--ticket-keys", ticket_file(tmp_path / "b", new, old)) as kedge:
        session, resumed = session_of(kedge, context, session)
        assert resumed  # and the ticket that came was made with the new key
    with starts("--ticket-keys", ticket_file(tmp_path / "c", new)) as kedge:
        session, resumed = session_of(kedge, context, session)
        assert resumed
    with starts("--ticket-keys", ticket_file(tmp_path / "d", old)) as kedge:
        assert not session_of(kedge, context, session)[1]


def test_random_keys_are_kedges_own(starts, certs):
    context = tls_context(certs.ca)
    with starts() as a, starts() as b:
        session, _ = session_of(a, context)
        assert session_of(a, context, session)[1]
        assert not session_of(b, context, session)[1]


# --- stapling --------------------------------------------------------------------------------------
class Responder:
    """The CA of the session with its index, as `openssl ocsp` wants it."""

    def __init__(self, certs, base):
        self.certs, self.base = certs, base
        self.chain = base / "chain.pem"
        self.chain.write_text(certs.ec.cert.read_text() + certs.ca.read_text())

    def flags(self):
        return ["--cert", str(self.chain), "--key", str(self.certs.ec.key)]

    def respond(self, name, about=None, revoked=False):
        serial = run("openssl", "x509", "-noout", "-serial", "-in", about or self.certs.ec.cert)
        index, out = self.base / "index", self.base / name
        gone = "250101000000Z" if revoked else ""
        index.write_text("{}\t{}\t{}\t{}\tunknown\t/CN=x\n".format(
            "R" if revoked else "V", "401231235959Z", gone, serial.stdout.strip().split("=")[1]))
        done = run("openssl", "ocsp", "-index", index, "-rsigner", self.certs.ca, "-rkey",
                   self.certs._ca_key, "-CA", self.certs.ca, "-issuer", self.certs.ca, "-cert",
                   about or self.certs.ec.cert, "-respout", out, "-ndays", "1")
        assert done.returncode == 0 and out.exists(), done.stderr
        return out


def stapled(kedge, certs):
    """What s_client says of the stapled response, which it verifies against the CA."""
    done = run("openssl", "s_client", "-connect", "%s:%d" % kedge["tls"], "-CAfile", certs.ca, "-status",
               input="")
    return done.stdout


@pytest.mark.parametrize("revoked", [False, True])
def test_response_is_stapled(starts, certs, tmp_path, revoked):
    responder = Responder(certs, tmp_path)
    with starts("--ocsp", responder.respond("ocsp.der", revoked=revoked), leaf=responder) as kedge:
        said = stapled(kedge, certs)
        assert "OCSP Response Status: successful" in said, said
        assert f"Cert Status: {'revoked' if revoked else 'good'}" in said
        assert bool(kedge.process.matches("warning: OCSP response .* revoked")) == revoked


def test_no_response_no_staple(starts, certs, tmp_path):
    with starts(leaf=Responder(certs, tmp_path)) as kedge:
        assert "OCSP response: no response sent" in stapled(kedge, certs)


def test_a_response_about_another_certificate_is_refused(certs, tmp_path):
    responder = Responder(certs, tmp_path)
    response = responder.respond("other.der", about=certs.rsa.cert)
    import kedge as module
    done = run(module.BINARY, "check", "--listen", ":1", "--app", "127.0.0.1:9", *responder.flags(), "--ocsp",
               response)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "other.der: is not about this certificate" in done.stderr


# --- a reload reads them again, as the user that kedge has become ---------------------------------
def give_to_nobody(path, base):
    """As the documents say: the group of kedge's user may read it."""
    os.chown(path, 0, 65534)
    path.chmod(0o640)
    for directory in (base, *list(base.parents)[:2]):
        directory.chmod(directory.stat().st_mode | 0o011)
    return path


def test_reload_reads_tickets_and_response_again(starts, certs, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    responder, context = Responder(certs, tmp_path), tls_context(certs.ca)
    old, new = os.urandom(80), os.urandom(80)
    tickets = give_to_nobody(ticket_file(tmp_path / "tickets", old), tmp_path)
    key = give_to_nobody(Path(shutil.copy(certs.ec.key, tmp_path / "key.pem")), tmp_path)
    leaf = type("Leaf", (), {"flags": lambda self: ["--cert", str(responder.chain), "--key", str(key)]})()
    with starts("--ocsp", responder.respond("ocsp.der"), "--ticket-keys", tickets, "--user", "nobody:nogroup",
                "--control", tmp_path / "own" / "socket", leaf=leaf) as kedge:
        kedge.control = tmp_path / "own" / "socket"
        assert not kedge.process.matches("cannot be read again"), kedge.log()
        session, _ = session_of(kedge, context)
        assert "Cert Status: good" in stapled(kedge, certs)
        responder.respond("ocsp.der", revoked=True)
        give_to_nobody(ticket_file(tickets, new, old), tmp_path)
        done = kedge.reload()
        assert done.returncode == 0 and "new certificates" in done.stdout, done.stdout + done.stderr
        assert "Cert Status: revoked" in stapled(kedge, certs)
        session, resumed = session_of(kedge, context, session)
        assert resumed
        give_to_nobody(ticket_file(tickets, old), tmp_path)
        assert kedge.reload().returncode == 0
        assert not session_of(kedge, context, session)[1]
        # A reload of a file that can no longer be read changes nothing.
        tickets.chmod(0o644)
        done = kedge.reload()
        assert done.returncode == 1 and "chmod 640" in done.stdout + done.stderr
        assert "Cert Status: revoked" in stapled(kedge, certs)


# --- testssl.sh ------------------------------------------------------------------------------------
@pytest.mark.full
def test_testssl_finds_no_weakness(certs, cgroup, tmp_path, capfd):
    """
    Protocols, categories of ciphers and every vulnerability that it knows. Left out because they take minutes:
    forward secrecy (every suite of every policy has it), the simulation of clients, the order of ciphers, and
    the server's defaults, which are mostly about the test's own certificate.
    """
    report = tmp_path / "report.json"
    with RawApp(cgroup=cgroup) as app, Kedge(certs, app.text, [Listener("tls")], cgroup=cgroup) as kedge:
        done = run("testssl", "--quiet", "--color", "0", "--warnings", "off", "--jsonfile", report, "--nodns",
                   "none", *CHECKS, "https://127.0.0.1:%d" % kedge["tls"][1], timeout=500)
    assert report.exists(), done.stdout + done.stderr
    # Lines about the openssl that it uses itself are not about kedge.
    findings = [f for f in json.loads(report.read_text()) if f["id"] != "engine_problem"]
    bad = [f"{f['severity']} {f['id']}: {f['finding']}" for f in findings if f["severity"] not in HARMLESS]
    count = {word: sum(f["severity"] == word for f in findings) for word in {f["severity"] for f in findings}}
    with capfd.disabled():
        print(f"\nmeasured testssl.sh {' '.join(CHECKS)}: " + ", ".join(f"{n} {word}" for word, n in sorted(count.items())))
    assert bad == []
    tried = {f["id"] for f in findings}
    assert {"SSLv3", "TLS1_2", "TLS1_3", "cipherlist_NULL", "heartbleed", "ROBOT", "LOGJAM"} <= tried, tried
