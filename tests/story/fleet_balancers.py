# SPDX-License-Identifier: BSD-2-Clause
"""The two balancers in front of the fleet, configured as docs/scaling.md says."""
import collections
import csv
import re
import shutil
import socket
from pathlib import Path

from fleet_nodes import PORT, VIRTUAL
from machine import PATIENCE, wait_for
from process import Process


CHECK_S = 0.3 * min(PATIENCE, 4)


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
        inter = int(1000 * CHECK_S)
        servers = "".join("\tserver %s %s:%d check send-proxy-v2\n" % (n.name, *self.target(n)) for n in self.nodes)
        return f"""\
global
	log stdout format raw daemon
	stats socket {self.base}/haproxy.sock
defaults
	mode tcp
	log global
	timeout connect 5s
	timeout check 30s
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
{servers}"""

    def command(self):
        return shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", self.config

    def shown(self):
        return "backend " + self.configuration().partition("\nbackend ")[2]

    def in_service(self):
        """The names of the kedges that get connections; None: nobody knows yet."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5 * PATIENCE)
                s.connect(f"{self.base}/haproxy.sock")
                s.sendall(b"show stat\n")
                text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        except OSError:
            return None
        rows = csv.DictReader(text.lstrip("# ").splitlines())
        return {row["svname"] for row in rows if row["pxname"] == "kedges" and row["svname"] != "BACKEND" and
                row["status"].startswith("UP")}

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
        servers = "".join("""\
	real_server %s %d {
		TCP_CHECK {
			connect_timeout 10
			retry 1
			delay_before_retry 1
		}
	}
""" % self.target(n) for n in self.nodes)
        return f"""\
virtual_server {self.address[0]} {self.address[1]} {{
	delay_loop 1
	lb_algo rr
	lb_kind NAT
	protocol TCP
{servers}}}
"""

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

    def kedge_of(self, connection):
        """The kernel remembers a connection for a while after its end."""
        source = re.escape("%s:%d" % connection.source)
        found = re.search(rf" {source} +\S+ +(\S+):\d+ *$", self.ipvs("-c"), re.M)
        return next((node.name for node in self.nodes if found and node.address == found[1]), None)
