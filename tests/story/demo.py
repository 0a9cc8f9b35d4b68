#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The whole story: Express, HAProxy, curl and a raw client, with kedge between them.

Prints each command, its answer, and whether the answer is right. Starts everything itself on ports that
the kernel chooses, stops everything, and exits with 1 if an answer is wrong.
"""
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
os.environ.setdefault("KEDGE_BIN", str(Path(__file__).resolve().parents[2] / "build/kedge"))

import kedge as kedge_module  # noqa: E402
import machine  # noqa: E402
import prefix  # noqa: E402
import run  # noqa: E402
from client import Client, request, tls_context  # noqa: E402
from kedge import Kedge, Listener  # noqa: E402
from story import Balancer, Express  # noqa: E402

TRUE = "198.51.100.22"
BEFORE = "127.0.0.4, 127.0.0.3, 127.0.0.2"


class Leaf:
    def __init__(self, cert, key):
        self.cert, self.key = cert, key

    def flags(self):
        return ["--cert", str(self.cert), "--key", str(self.key)]


class MkcertCerts:
    """A CA of mkcert's, as a developer would have, in a temporary directory."""

    def __init__(self, base):
        self.ca = Path(base) / "rootCA.pem"
        cert, key = Path(base) / "cert.pem", Path(base) / "key.pem"
        subprocess.run(["mkcert", "-cert-file", cert, "-key-file", key, "localhost", "127.0.0.1",
                        "::1"], check=True, capture_output=True, env=dict(os.environ, CAROOT=base))
        self.leaf = Leaf(cert, key)


class Demo:
    def __init__(self, base):
        self.base, self.wrong, self.skipped, self.steps = base, 0, 0, 0
        self.certs = MkcertCerts(base)
        self.ipv6 = machine.has_ipv6()
        self.tls = tls_context(self.certs.ca)

    # --- telling --------------------------------------------------------------------------
    def title(self, name, text):
        print(f"\n{name}  {text}")

    def judge(self, answer, good, wanted):
        self.steps += 1
        print("".join(f"     | {line}\n" for line in answer.strip().splitlines()), end="")
        if good:
            print("     as expected")
        else:
            self.wrong += 1
            print(f"     WRONG, expected {wanted}")
        sys.stdout.flush()

    def expect(self, answer, count=1, **wanted):
        """wanted: xff and ip; None means undefined. The answer must say so `count` times."""
        lines = [f"req.{k}: " + ("undefined" if v is None else f'"{v}"') for k, v in wanted.items()]
        self.judge(answer, all(answer.count(line + "\n") == count for line in lines),
                   " and ".join(lines) + (f", {count} times" if count > 1 else ""))

    def curl(self, *args):
        words = [str(a) for a in args]
        shown = [w.replace(self.base, "$CAROOT") for w in words]
        print("   $ curl " + " ".join(shlex.quote(w) if "$" not in w else w for w in shown))
        done = run.curl(*words)
        return done.returncode, done.stdout + done.stderr

    def ca(self):
        return "--cacert", self.certs.ca

    # --- the story ------------------------------------------------------------------------
    def s1(self, app):
        self.title("S1", "the application alone")
        self.expect(self.curl(f"http://{app.text}")[1], ip="127.0.0.1", xff=None)

    def s2_s3(self, kedge):
        families = [("-4", "tls", "127.0.0.1")]
        if self.ipv6:
            families.append(("-6", "tls6", "::1"))
        for flag, name, address in families:
            url = run.url(kedge[name])
            self.title("S2", f"TLS, {'IPv4' if flag == '-4' else 'IPv6'}: kedge adds the address "
                       "of the socket")
            self.expect(self.curl(flag, *self.ca(), url)[1], xff=address)
            self.title("S3", "an existing value stays, the new one comes last")
            got = self.curl(flag, *self.ca(), "-H", "X-Forwarded-For: 127.0.0.2", url)[1]
            self.expect(got, xff=f"127.0.0.2, {address}")
        if not self.ipv6:
            self.skipped += 2
            print("\nS2 S3  over IPv6: skipped, this machine has no ::1")

    def s4(self, kedge):
        self.title("S4", "curl itself sends the PROXY prefix")
        got = self.curl("-4", "--interface", "127.0.0.9", "--haproxy-protocol", *self.ca(),
                        run.url(kedge["proxy"]))[1]
        self.expect(got, xff="127.0.0.9")

    def wrapped(self, kedge, first, *requests):
        """A raw client: prefix, TLS around what follows, then the requests in one go."""
        shown = first.decode() if first.startswith(b"PROXY") else "PROXY v2: " + first.hex()
        print(f"   > {shown.strip()}")
        with Client(kedge["proxy"], first, self.tls) as c:
            print(f"   > {c.tls.version()} handshake, {c.tls.cipher()[0]}")
            for r in requests:
                lines = r.decode().strip().splitlines()
                print(f"   > {lines[0]}" + "".join(f" | {x}" for x in lines[2:]))
            c.send(b"".join(requests))
            return "".join(c.response().text for _ in requests)

    def s5(self, kedge):
        field = [("X-Forwarded-For", BEFORE)]
        for version, make in (("1", prefix.v1), ("2", prefix.v2)):
            self.title("S5", f"a raw client with PROXY version {version} and existing values")
            got = self.wrapped(kedge, make(), request(fields=field))
            self.expect(got, xff=f"{BEFORE}, {TRUE}")

    def s6(self, kedge):
        self.title("S6", "the same, before an application with `trust proxy` = 1")
        got = self.wrapped(kedge, prefix.v1(), request(fields=[("X-Forwarded-For", BEFORE)]))
        self.expect(got, ip=TRUE, xff=f"{BEFORE}, {TRUE}")

    def s7(self, kedge):
        for send in ("send-proxy", "send-proxy-v2"):
            self.title("S7", f"HAProxy in TCP mode with {send} before kedge; its client is 127.0.0.5")
            with Balancer(kedge["proxy"], send) as balancer:
                got = self.curl("-4", "--interface", "127.0.0.5", *self.ca(),
                                run.url(balancer.address))[1]
            self.expect(got, xff="127.0.0.5")

    def s8(self, kedge):
        self.title("S8", "a client that does not know the CA")
        before = kedge.reason("tls_client_alert")
        status, got = self.curl("-4", run.url(kedge["tls"]))
        self.judge(got + f"exit status {status}\n", status == 60, "curl's error 60")
        if status != 60:
            print("     curl needs certificates of others to compare with: is ca-certificates installed?")
            return
        kedge.wait_reason("tls_client_alert", before + 1)
        print("     kedge counted it as tls_client_alert, the client's doing, and stays up:")
        self.expect(self.curl("-4", *self.ca(), run.url(kedge["tls"]))[1], xff="127.0.0.1")

    def s9(self, app):
        self.title("S9", "why only kedge may reach the application: asked directly, it believes "
                   "anybody")
        got = self.curl("-H", "X-Forwarded-For: 192.0.2.66", f"http://{app.text}")[1]
        self.expect(got, ip="192.0.2.66", xff="192.0.2.66")

    def s10(self, kedge):
        self.title("S10", "ten requests pipelined on one connection: every one carries the address")
        forged = [("X-Forwarded-For", "192.0.2.66")]
        got = self.wrapped(kedge, prefix.v1(), *[request(target=f"/{i}", fields=forged)
                                                 for i in range(10)])
        self.expect(got, count=10, ip=TRUE, xff=f"192.0.2.66, {TRUE}")
        self.title("S10", "three requests one after the other on a connection that is kept")
        got = self.curl("-4", *self.ca(), *[run.url(kedge["tls"], f"/{i}") for i in range(3)])[1]
        self.expect(got, count=3, xff="127.0.0.1")

    def listeners(self):
        leaves = [self.certs.leaf]
        listeners = [Listener("tls", leaves=leaves), Listener("proxy", proxy="require", leaves=leaves,
                                                              trust=["127.0.0.0/8"])]
        if self.ipv6:
            listeners.append(Listener("tls6", addr="[::1]:0", leaves=leaves))
        return listeners

    def tell(self, cgroup, probed):
        # Express reads its sockets in a way that works with it, see docs/bypass.md.
        flags = ["--bypass", "off" if probed["bypass"] else "require"]
        root = not machine.bpffs_missing()
        with Express(cgroup) as plain, Express(cgroup, trust_proxy=1) as trusting:
            with Kedge(self.certs, plain.text, self.listeners(), None, cgroup, flags, root=root) as kedge, \
                    Kedge(self.certs, trusting.text, self.listeners(), None, cgroup, flags, root=root) as second:
                print("   $ " + " ".join(kedge.process.argv).replace(self.base, "$CAROOT"))
                for line in kedge.process.matches("capabilities:|ready:"):
                    print(f"     | {line.string}")
                self.s1(plain)
                self.s2_s3(kedge)
                self.s4(kedge)
                self.s5(kedge)
                self.s6(second)
                self.s7(kedge)
                self.s8(kedge)
                self.s9(trusting)
                self.s10(second)
                self.capabilities(kedge, second)

    def capabilities(self, kedge, second):
        print("\nWhich capabilities were in use (kedge status, both of them)")
        print(f"     {kedge.process.matches('capabilities: .*')[0][0]}")
        first, other = kedge.status(), second.status()
        print("".join(f"     {k:24} {v + other['stats'][k]}\n" for k, v in first["stats"].items()
                      if v + other["stats"][k]), end="")


def say_probed(probed):
    print("what this kernel can do (kedge probe):")
    for name, why in probed.items():
        print(f"     {name}: " + (f"no ({why})" if why else "yes"))


def check_needs():
    """Ends the program with a message if something is missing."""
    if os.geteuid() != 0:
        raise SystemExit("demo: needs root, for the parts of kedge that run in the kernel")
    if not kedge_module.BINARY.exists():
        raise SystemExit(f"demo: {kedge_module.BINARY}: not there; `make` builds it")
    needs = run.run(machine.ROOT / "tests/deps.sh", "-n", "demo")
    if needs.returncode:
        raise SystemExit(needs.stderr.strip())


def main():
    print(f"kedge's story, on Linux {os.uname().release}")
    check_needs()
    machine.remove_stale()
    probed = kedge_module.probe()
    say_probed(probed)
    cgroup = machine.try_cgroup()
    if not cgroup:
        print(f"no cgroup for this ({cgroup.why}): the demo runs without the bypass")
    if why := machine.bpffs_missing():
        print(f"no place for pinned maps ({why}): kedge runs with --pin off")
    try:
        with tempfile.TemporaryDirectory(prefix="kedge-demo-") as base:
            demo = Demo(base)
            demo.tell(cgroup, probed)
    finally:
        cgroup.remove()
    print(f"\n{demo.steps - demo.wrong} of {demo.steps} answers as expected; all processes, pins and "
          "cgroups are gone")
    print(f"demo: {demo.steps - demo.wrong} passed, {demo.wrong} failed, {demo.skipped} skipped")
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
