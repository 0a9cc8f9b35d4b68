# SPDX-License-Identifier: BSD-2-Clause
"""The two balancers in front of the fleet, configured as docs/scaling.md says."""
import csv
import shutil
import socket
from pathlib import Path

from fleet_nodes import PORT, VIRTUAL
from machine import PATIENCE, wait_for
from process import Process


class Haproxy:
    """HAProxy in TCP mode. It tells the client's address by a PROXY header."""

    name = "HAProxy"

    def __init__(self, network, nodes, base):
        self.nodes, self.address = nodes, (VIRTUAL[self.name], 443)
        self.config, self.control = Path(base) / "haproxy.cfg", Path(base) / "haproxy.sock"
        inter = int(300 * PATIENCE)
        servers = "".join(f"\tserver {n.name} {n.address}:{PORT[self.name]} check send-proxy-v2\n" for n in nodes)
        self.config.write_text(f"""\
global
	log stdout format raw daemon
	stats socket {self.control}
defaults
	mode tcp
	log global
	timeout connect 5s
	timeout client 300s
	timeout server 300s
frontend clients
	bind {self.address[0]}:{self.address[1]}
	log-format "client %ci %cp %s %ts"
	default_backend kedges
backend kedges
	balance roundrobin
	option redispatch 1
	retries 3
	default-server inter {inter}ms fall 2 rise 2
{servers}""")
        haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
        self.process = Process([*network.balancer.argv, haproxy, "-db", "-f", self.config], name="haproxy")
        network.stack.callback(self.process.stop)
        self.wait_in_service(nodes)

    def shown(self):
        text = self.config.read_text()
        return text[text.index("\nbackend kedges"):]

    def in_service(self):
        """The names of the kedges that get connections."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5 * PATIENCE)
                s.connect(str(self.control))
                s.sendall(b"show stat\n")
                text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        except OSError:
            return None
        rows = csv.DictReader(text.lstrip("# ").splitlines())
        return {row["svname"] for row in rows if row["pxname"] == "kedges" and row["status"].startswith("UP")
                and row["svname"] != "BACKEND"}

    def wait_in_service(self, nodes):
        names = {node.name for node in nodes}
        wait_for(lambda: self.in_service() == names, 30, f"{self.name}: {sorted(names)} in service")
