# SPDX-License-Identifier: BSD-2-Clause
"""Certificates that can be read but are of no use to clients: check and run warn of each, once."""
import contextlib
import re
import ssl
import subprocess

import pytest

from certs import Leaf
from client import Client, tls_context
from kedge import BINARY, Kedge, Listener
from rawapp import RawApp
from run import run

EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Maker:
    def __init__(self, base):
        self.base = base

    def own(self, name, san, newkey=EC):
        """Self-signed, so that no issuer is missing."""
        leaf = Leaf(self.base, name)
        openssl("req", "-x509", "-newkey", *newkey, "-nodes", "-keyout", leaf.key, "-out", leaf.cert, "-days", 7,
                "-subj", f"/CN={name}", *(["-addext", f"subjectAltName={san}"] if san else []))
        leaf.key.chmod(0o600)
        return leaf

    def issued(self, name, by, san=None):
        """Issued by another certificate. Without a san it is an authority."""
        leaf, request, extensions = Leaf(self.base, name), self.base / f"{name}.csr", self.base / f"{name}.ext"
        extensions.write_text(f"subjectAltName={san}\n" if san else "basicConstraints=critical,CA:TRUE\n")
        openssl("req", "-new", "-newkey", *EC, "-nodes", "-keyout", leaf.key, "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", by.cert, "-CAkey", by.key, "-CAcreateserial", "-days", 7,
                "-out", leaf.cert, "-extfile", extensions)
        leaf.key.chmod(0o600)
        return leaf

    def file(self, name, leaf, *chain):
        """A file with the same leaf, and these certificates behind it."""
        whole = Leaf(self.base, name)
        whole.cert.write_text("".join(x.cert.read_text() for x in (leaf, *chain)))
        whole.key.write_bytes(leaf.key.read_bytes())
        whole.key.chmod(0o600)
        return whole


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    m = Maker(tmp_path_factory.mktemp("made"))
    a, root = m.own("a", "DNS:a.test"), m.own("root", None)
    middle = m.issued("middle", root)
    leaf = m.issued("leaf", middle, "DNS:l.test")
    return {"a": a, "same_names": m.own("same_names", "DNS:A.TEST"), "rsa": m.own("rsa", "DNS:a.test", ["rsa:2048"]),
            "more_names": m.own("more_names", "DNS:a.test,DNS:b.test"), "no_san": m.own("no_san", None),
            "address": m.own("address", "IP:192.0.2.1"), "leaf": leaf, "root": root,
            "chain": m.file("chain", leaf, middle), "unordered": m.file("unordered", leaf, root, middle),
            "wrong": m.file("wrong", leaf, root)}


NO_CLIENT = "no client gets it"
WARNED = {
    "one": (["a"], {}),
    "another_type_of_key": (["a", "rsa"], {}),
    "one_name_more": (["a", "more_names"], {}),
    "names_taken": (["a", "same_names"], {"same_names": NO_CLIENT}),
    "twice": (["a", "a"], {"a": "is given twice"}),
    "no_san": (["no_san"], {"no_san": "has no subjectAltName, which clients go by: they refuse it"}),
    "no_san_second": (["a", "no_san"], {"no_san": "has no subjectAltName, which clients go by: no client gets it"}),
    "address": (["address"], {}),
    "address_second": (["a", "address"], {"address": NO_CLIENT}),
    "chain": (["chain"], {}),
    "chain_unordered": (["unordered"], {}),
    "intermediate_missing": (["leaf"], {"leaf": "its issuer (/CN=middle) is neither in the file nor trusted by this host"}),
    "another_one_instead": (["wrong"], {"wrong": "its issuer (/CN=middle) is neither"}),
}


def warnings(lines):
    return [line for line in lines if "warning: certificate " in line]


def expect(lines, made, wanted):
    found = warnings(lines)
    assert len(found) == len(wanted), found
    for name, words in wanted.items():
        assert any(f"certificate {made[name].cert}: " in line and words in line for line in found), found


@pytest.mark.parametrize("case", WARNED)
def test_check_warns(made, case):
    names, wanted = WARNED[case]
    flags = [word for name in names for word in made[name].flags()]
    # Two listeners with the same certificates are one warning.
    done = run(BINARY, "check", *flags, "--listen", ":1", "--listen", ":2", "--app", "127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    expect(done.stderr.splitlines(), made, wanted)


@pytest.mark.parametrize("case", ["one", "names_taken", "twice", "no_san", "intermediate_missing"])
def test_run_warns(certs, made, case):
    names, wanted = WARNED[case]
    leaves = [made[name] for name in names]
    with Kedge(certs, "127.0.0.1:9", [Listener("one", leaves=leaves), Listener("two", leaves=leaves)],
               flags=["--workers", "2"]) as kedge:
        expect(kedge.process.lines, made, wanted)


def test_an_issuer_that_this_host_trusts_is_not_missing(made):
    done = run("env", f"SSL_CERT_FILE={made['root'].cert}", BINARY, "check", *made["wrong"].flags(), "--listen", ":1",
               "--app", "127.0.0.1:9")
    assert len(warnings(done.stderr.splitlines())) == 1
    middle = made["root"].cert.parent / "middle-cert.pem"
    done = run("env", f"SSL_CERT_FILE={middle}", BINARY, "check", *made["leaf"].flags(), "--listen", ":1",
               "--app", "127.0.0.1:9")
    assert warnings(done.stderr.splitlines()) == []


# --- sessions --------------------------------------------------------------------------------------
def ask(address, context, session=None):
    with Client(address, tls=context, sni="localhost", session=session) as c:
        assert c.request().status == 200
        return c.tls.session, c.tls.session_reused


@contextlib.contextmanager
def three_listeners(certs):
    listeners = [Listener("one", leaves=[certs.ec]), Listener("alike", leaves=[certs.ec]),
                 Listener("other", leaves=[certs.rsa])]
    with RawApp() as app, Kedge(certs, app.text, listeners) as kedge:
        yield kedge


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_session_is_no_ones_where_the_certificates_are_others(certs, version):
    context = tls_context(certs.ca, version)
    with three_listeners(certs) as kedge:
        for _ in range(4):  # any worker
            session, _ = ask(kedge["one"], context)
            assert ask(kedge["one"], context, session)[1]
            session, _ = ask(kedge["one"], context)
            assert ask(kedge["alike"], context, session)[1]
            session, _ = ask(kedge["one"], context)
            assert not ask(kedge["other"], context, session)[1]
            session, _ = ask(kedge["other"], context)
            assert not ask(kedge["one"], context, session)[1]


# --- files -----------------------------------------------------------------------------------------
BEGIN = "-----BEGIN CERTIFICATE-----"
DAMAGED = {
    "no_end": (lambda text: text + text[:200], "damaged|ends in the middle"),
    "a_dash_is_missing": (lambda text: text + text.replace(BEGIN, BEGIN[1:]), r":\d+: damaged"),
    "a_mark": (lambda text: "\ufeff" + text + text, r":1: damaged"),
    "nul": (lambda text: text + "\0", r":\d+: damaged"),
    "end_alone": (lambda text: text + "-----END CERTIFICATE-----\n", r":\d+: damaged"),
}


@pytest.mark.parametrize("what", ["cert", "key"])
@pytest.mark.parametrize("case", DAMAGED)
def test_damage_behind_the_first_block_is_found(made, tmp_path, case, what):
    change, words = DAMAGED[case]
    leaf = Leaf(tmp_path, "site")
    for part in ("cert", "key"):
        text = getattr(made["a"], part).read_text()
        if part == what:
            text = change(text.replace("PRIVATE KEY", "CERTIFICATE")).replace("CERTIFICATE", "PRIVATE KEY") \
                if part == "key" else change(text)
        getattr(leaf, part).write_text(text)
        getattr(leaf, part).chmod(0o600)
    done = run(BINARY, "check", *leaf.flags(), "--listen", ":1", "--app", "127.0.0.1:9")
    assert done.returncode == 2, done.stderr
    assert re.search(words, done.stderr) and str(getattr(leaf, what)) in done.stderr, done.stderr


def test_words_between_blocks_are_allowed(made, tmp_path):
    leaf = Leaf(tmp_path, "site")
    text = made["a"].cert.read_text()
    leaf.cert.write_text(f"Bag Attributes\n  x: y\n{text}\nsubject=CN = a\n\n{text.replace(chr(10), chr(13) + chr(10))}\n# the end")
    leaf.key.write_text(f"of {made['a'].cert}\n" + made["a"].key.read_text() + text)
    leaf.key.chmod(0o600)
    done = run(BINARY, "check", *leaf.flags(), "--listen", ":1", "--app", "127.0.0.1:9")
    assert done.returncode == 0, done.stderr


# --- the one that kedge makes ----------------------------------------------------------------------
class SelfSigned(Listener):
    def flags(self, certs):
        return ["--listen", self.addr, "--self-signed"]


def presented(kedge):
    return ssl.get_server_certificate(kedge["trial"])


def test_self_signed_serves_a_client_that_trusts_it_alone(certs, tmp_path):
    ca = tmp_path / "kedge.pem"
    with RawApp() as app, Kedge(certs, app.text, [SelfSigned("trial")], flags=["--workers", "2"]) as kedge:
        assert any("certificate self-signed: made by kedge" in line for line in kedge.process.lines)
        ca.write_text(presented(kedge))
        url = f"https://localhost:{kedge['trial'][1]}/"
        # Another one than a test's: curl's own check of name, dates and use.
        assert run("curl", "-4sS", "--cacert", ca, url).returncode == 0
        assert run("curl", "-4sS", url).returncode == 60
        before = presented(kedge)
        kedge.reload()
        assert presented(kedge) == before
    with RawApp() as app, Kedge(certs, app.text, [SelfSigned("trial")]) as kedge:
        assert presented(kedge) != before


def test_self_signed_in_a_file(tmp_path, made):
    conf = tmp_path / "kedge.yaml"
    conf.write_text("app: 127.0.0.1:9\nself-signed: on\nlisteners:\n  - listen: :1\n")
    done = run(BINARY, "check", "-c", conf)
    assert done.returncode == 0 and "certificate self-signed" in done.stderr, done.stderr
    conf.write_text(f"app: 127.0.0.1:9\nlisteners:\n  - listen: :1\n    self-signed: on\n"
                    f"    certs: [{{cert: {made['a'].cert}, key: {made['a'].key}}}]\n")
    done = run(BINARY, "check", "-c", conf)
    assert done.returncode == 2 and "remove one of them" in done.stderr, done.stderr
