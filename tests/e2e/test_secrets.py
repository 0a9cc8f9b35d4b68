# SPDX-License-Identifier: BSD-2-Clause
"""What is left in kedge's memory of the keys of a connection that has ended: nothing."""
import hashlib
import hmac

import pytest

import kedge as module
import machine
import memory
from client import CIPHERS13, Client, tls_context
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
