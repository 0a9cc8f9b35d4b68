# SPDX-License-Identifier: BSD-2-Clause
"""What is left in kedge's memory of the keys of a connection that has ended: nothing."""
import hashlib
import hmac

import pytest

import kedge as module
import machine
import memory
from client import CIPHERS12, CIPHERS13, Client, tls_context
from kedge import Combination, Kedge, Listener
from rawapp import RawApp

CLIENTS = 5


def expand_label(digest, secret, label, length):
    """HKDF-Expand-Label of RFC 8446, section 7.1, with no context; at most as long as the digest."""
    full = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(full)]) + full + b"\0"
    return hmac.new(secret, info + b"\1", digest).digest()[:length]


def secrets_of(keylog, cipher):
    """{name: bytes} of all connections in a key log: traffic secrets, and the keys and IVs that come of them."""
    digest = hashlib.sha384 if "SHA384" in cipher else hashlib.sha256
    key_len = 16 if "AES_128" in cipher else 32
    out = {}
    for i, line in enumerate(keylog.read_text().splitlines()):
        if line.startswith("#"):
            continue
        label, _, value = line.split()
        out[f"{label} {i}"] = bytes.fromhex(value)
        if label.endswith("TRAFFIC_SECRET_0"):
            out[f"{label} {i} key"] = expand_label(digest, bytes.fromhex(value), b"key", key_len)
            out[f"{label} {i} iv"] = expand_label(digest, bytes.fromhex(value), b"iv", 12)
    return out


@pytest.fixture
def plain_build(monkeypatch):
    monkeypatch.setattr(module, "BINARY", machine.ROOT / "build/kedge")  # the sanitizers map terabytes


@pytest.mark.parametrize("cipher", CIPHERS13)
def test_keys_are_wiped(certs, cgroup, plain_build, tmp_path, cipher):
    """While the connections live, their traffic keys are there, which shows that the look finds them."""
    log = tmp_path / "keys"
    context = tls_context(certs.ca, "1.3", cipher)
    context.keylog_filename = str(log)
    with RawApp(cgroup=cgroup) as app, Kedge(certs, app.text, [Listener("tls", tls=True)], Combination()) as kedge:
        clients = [Client(kedge["tls"], tls=context) for _ in range(CLIENTS)]
        for c in clients:
            assert c.request().status == 200
        secrets = secrets_of(log, cipher)
        traffic = {name for name in secrets if "_TRAFFIC_SECRET_0" in name}
        assert len(traffic) == CLIENTS * 6
        assert memory.found(kedge.pid, secrets) >= traffic
        for c in clients:
            c.close()
        kedge.wait_idle()
        assert memory.found(kedge.pid, secrets) == set()


# --- TLS 1.2 -------------------------------------------------------------------------------------
class Heard(Client):
    """Keeps what came first: the ServerHello."""

    first = b""

    def _feed(self):
        data = self.sock.recv(262144)
        self.first = self.first or data
        self._in.write(data) if data else self._in.write_eof()

    @property
    def server_random(self):
        assert self.first[0] == 22 and self.first[5] == 2, self.first[:8]
        return self.first[11:43]


def prf(digest, secret, seed, length):
    """P_hash of RFC 5246, section 5."""
    out, a = b"", seed
    while len(out) < length:
        a = hmac.new(secret, a, digest).digest()
        out += hmac.new(secret, a + seed, digest).digest()
    return out[:length]


def secrets12_of(keylog, clients, cipher):
    """{name: bytes}: of each connection the master secret, and of its key block what is long enough to look for."""
    digest = hashlib.sha384 if "AES256" in cipher else hashlib.sha256
    key_len = 16 if "AES128" in cipher else 32
    iv_len = 12 if "CHACHA20" in cipher else 4
    lines = [line.split() for line in keylog.read_text().splitlines() if line.startswith("CLIENT_RANDOM ")]
    assert len(lines) == len(clients)
    out = {}
    for i, ((_, random, value), c) in enumerate(zip(lines, clients)):
        master = bytes.fromhex(value)
        block = prf(digest, master, b"key expansion" + c.server_random + bytes.fromhex(random),
                    2 * key_len + 2 * iv_len)
        out[f"master {i}"] = master
        for n, side in enumerate(("client", "server")):
            out[f"{side} key {i}"] = block[n * key_len:(n + 1) * key_len]
            if iv_len == 12:
                at = 2 * key_len + n * iv_len
                out[f"{side} iv {i}"] = block[at:at + iv_len]
    return out


@pytest.mark.parametrize("cipher", CIPHERS12)
def test_keys_of_tls12_are_wiped(certs, cgroup, plain_build, tmp_path, cipher):
    """While the connections live, their keys are there. The master secret is not: no handshake will need it."""
    log = tmp_path / "keys"
    context = tls_context(certs.ca, "1.2", f"ECDHE-ECDSA-{cipher}:ECDHE-RSA-{cipher}")
    context.keylog_filename = str(log)
    with RawApp(cgroup=cgroup) as app, Kedge(certs, app.text, [Listener("tls", tls=True)], Combination()) as kedge:
        clients = [Heard(kedge["tls"], tls=context) for _ in range(CLIENTS)]
        for c in clients:
            assert c.request().status == 200
        secrets = secrets12_of(log, clients, cipher)
        assert memory.found(kedge.pid, secrets) == {name for name in secrets if "master" not in name}
        for c in clients:
            c.close()
        kedge.wait_idle()
        assert memory.found(kedge.pid, secrets) == set()
