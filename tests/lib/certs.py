# SPDX-License-Identifier: BSD-2-Clause
"""Certificates made for one session: a CA and two leaves, one ECDSA and one RSA."""
import subprocess
from pathlib import Path

NAMES = "DNS:localhost,IP:127.0.0.1,IP:::1"


def _openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Leaf:
    def __init__(self, base, name):
        self.cert, self.key = base / f"{name}-cert.pem", base / f"{name}-key.pem"

    def flags(self):
        return ["--cert", str(self.cert), "--key", str(self.key)]


class Certs:
    """`ec` is for *.example.test, `rsa` for *.rsa.test, and both are for localhost."""

    def __init__(self, base):
        base = Path(base)
        self.ca = base / "ca-cert.pem"
        self._ca_key = base / "ca-key.pem"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", self._ca_key, "-out", self.ca, "-days", "7", "-subj", "/CN=kedge test CA",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.ec = self.leaf(base, "ec", "*.example.test",
                            "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        self.rsa = self.leaf(base, "rsa", "*.rsa.test", "rsa:2048")

    def leaf(self, base, name, wildcard, *newkey):
        leaf = Leaf(base, name)
        request, extensions = base / f"{name}.csr", base / f"{name}.ext"
        extensions.write_text(f"subjectAltName={NAMES},DNS:{wildcard}\n"
                              "basicConstraints=critical,CA:FALSE\n"
                              "extendedKeyUsage=serverAuth\n")
        _openssl("req", "-new", "-newkey", *newkey, "-nodes", "-keyout", leaf.key, "-out", request,
                 "-subj", f"/CN={name}")
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key,
                 "-CAcreateserial", "-days", "7", "-out", leaf.cert, "-extfile", extensions)
        return leaf
