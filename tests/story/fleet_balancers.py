# SPDX-License-Identifier: BSD-2-Clause
"""The two balancers in front of the fleet, configured by the examples of docs/scaling.md."""
import collections
import csv
import re
import shutil
import socket
from pathlib import Path

import docs
from fleet_nodes import PORT, VIRTUAL
from machine import PATIENCE, ROOT, wait_for
from process import Process


PAGE = ROOT / "docs/scaling.md"
CHECK_S = 0.3 * min(PATIENCE, 4)


def example(name):
    """The configuration on the page: the only block of the section."""
    return docs.blocks(dict(docs.sections(PAGE))[name])[0] + "\n"


class Balancer:
    """network, nodes: of the fleet. Begins when all nodes get connections."""

    name, refuses = "", False  # refuses: clients hear of a dead kedge before the checks do

    def __init__(self, network, nodes, base):
        self.network, self.nodes, self.base = network, nodes, Path(base)
        self.address = (VIRTUAL[self.name], 443)
        self.config = self.base / f"{self.name}.conf"
        self.config.write_text(self.configuration())
        self.process = Process([*network.balancer.argv, *self.command()], name=self.name)
        network.stack.callback(self.process.stop)
        self.wait_in_service(nodes)

    def target(self, node):
        return node.address, PORT[self.name]

    def wait_in_service(self, nodes):
        names = {node.name for node in nodes}
        wait_for(lambda: self.in_service() == names, 30, f"{self.name}: {sorted(names)} in service", pause=0.1)


class Haproxy(Balancer):
    """HAProxy in TCP mode. It tells the client's address by a PROXY header."""

    name = "HAProxy"

    def configuration(self):
        """The page's, which also logs each connection, and checks more often."""
        return (example(self.name).replace("/run/haproxy.sock", f"{self.base}/haproxy.sock")
                .replace("inter 1s", f"inter {int(1000 * CHECK_S)}ms")
                .replace("global\n", "global\n    log stdout format raw daemon\n")
                .replace("frontend clients\n", 'frontend clients\n    log global\n    log-format "client %ci %cp %s %ts"\n'))

    def command(self):
        return shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", self.config

    def shown(self):
        return "backend " + self.configuration().partition("\nbackend ")[2]

    def command_line(self, text):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5 * PATIENCE)
            s.connect(f"{self.base}/haproxy.sock")
            s.sendall(text.encode() + b"\n")
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()

    def in_service(self):
        """The names of the kedges that get connections; None: nobody knows yet."""
        try:
            text = self.command_line("show stat")
        except OSError:
            return None
        rows = csv.DictReader(text.lstrip("# ").splitlines())
        return {row["svname"] for row in rows if row["pxname"] == "kedges" and row["svname"] != "BACKEND" and
                row["status"].startswith("UP")}

    def set_state(self, node, state):
        said = self.command_line(f"set server kedges/{node.name} state {state}").strip()
        assert not said, said

    def take_out(self, node):
        self.set_state(node, "drain")
        self.wait_in_service([n for n in self.nodes if n is not node])

    def take_in(self, node):
        self.set_state(node, "ready")
        self.wait_in_service(self.nodes)

    def kedge_of(self, connection):
        """The name of the kedge that a connection went to: HAProxy logs it when it has ended. None: not yet."""
        found = collections.defaultdict(list)
        for match in self.process.matches(r"^client (\S+) (\d+) (\S+) "):
            found[match[1], int(match[2])].append(match[3])
        names = found[connection.source]
        return names[connection.use] if len(names) > connection.use else None


class Ipvs(Balancer):
    """
    The kernel's balancer, configured and checked by keepalived. It rewrites destinations only (NAT), so that kedge sees
    the client's address on the socket.
    """

    name, refuses = "IPVS", True

    @staticmethod
    def missing(network):
        """Why this kernel has none; "" if it has."""
        done = network.balancer.run("ipvsadm", "-L", "-n")
        return "" if done.returncode == 0 else "no IPVS in this kernel: " + done.stderr.strip().splitlines()[0]

    def configuration(self):
        return example(self.name)

    def command(self):
        done = self.network.balancer.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        assert done.returncode == 0, done.stderr
        pids = [word for flag in "pc" for word in (f"-{flag}", f"{self.base}/keepalived-{flag}.pid")]
        return "keepalived", "--dont-fork", "--check", "--log-console", "--use-file", self.config, *pids

    def shown(self):
        return self.configuration()

    def ipvs(self, *flags):
        done = self.network.balancer.run("ipvsadm", "-L", "-n", *flags)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def in_service(self):
        targets = re.findall(r"^ +-> (\S+):\d+ +Masq +[1-9]", self.ipvs(), re.M)
        return {node.name for node in self.nodes if node.address in targets}

    def set_weight(self, node, weight):
        done = self.network.balancer.run("ipvsadm", "-e", "-t", "%s:%d" % self.address, "-r", "%s:%d" % self.target(node), "-m",
                                         "-w", weight)
        return done.returncode == 0

    def take_out(self, node):
        assert self.set_weight(node, 0)
        self.wait_in_service([n for n in self.nodes if n is not node])

    def take_in(self, node):
        """keepalived has removed the kedge, and adds it when a check is good."""
        wait_for(lambda: self.set_weight(node, 1), 30, f"keepalived adds {node.name}", pause=0.1)
        self.wait_in_service(self.nodes)

    def kedge_of(self, connection):
        """The kernel remembers a connection for a while after its end."""
        source = re.escape("%s:%d" % connection.source)
        found = re.search(rf" {source} +\S+ +(\S+):\d+ *$", self.ipvs("-c"), re.M)
        return next((node.name for node in self.nodes if found and node.address == found[1]), None)
