# SPDX-License-Identifier: BSD-2-Clause
"""
The nodes of the fleet, each in a network namespace of its own:

    clients 198.51.100.21 to .26 -- balancer -- 10.0.0.0/24: three kedges, three applications

A namespace has no name: it ends with the process that holds it, and that one with this program, however it ends.
"""
import json
import signal
from pathlib import Path

import machine
from kedge import Config, Kedge, Listener
from netns import Namespace, join
from process import Process
from run import run
from story import node_env

PLACE = Path(__file__).resolve().parent
CLIENTS = [f"198.51.100.{n}" for n in range(21, 27)]
BALANCER = "10.0.0.1"
# One address for each kind of balancer, and a port of the kedges for each.
VIRTUAL = {"HAProxy": "198.51.100.10", "IPVS": "198.51.100.11"}
PORT = {"HAProxy": 443, "IPVS": 444}
APP_PORT = 3000


class Network:
    """A switch, and what is plugged into it."""

    def __init__(self, stack):
        self.stack = stack
        self.switch = self.space("switch")
        self.switch.ip("link add br0 type bridge")
        self.switch.ip("link set br0 up")
        self.balancer = self.node("balancer", BALANCER)
        self.clients = self.space("clients")
        join(self.balancer, "eth1", self.clients, "eth0")
        for address in ("198.51.100.1", *VIRTUAL.values()):
            self.balancer.ip(f"addr add {address}/24 dev eth1")
        for address in CLIENTS:
            self.clients.ip(f"addr add {address}/24 dev eth0")

    def space(self, name):
        space = Namespace(name)
        self.stack.callback(space.stop)
        return space

    def node(self, name, address):
        space = self.space(name)
        join(self.switch, f"to-{name}", space, "eth0")
        self.switch.ip(f"link set to-{name} master br0")
        space.ip(f"addr add {address}/24 dev eth0")
        return space


class App:
    def __init__(self, network, number):
        self.name, self.address = f"app{number}", f"10.0.0.{20 + number}"
        self.space = network.node(self.name, self.address)
        self.lives, self.process = [], None
        network.stack.callback(self.end)

    def start(self):
        env = node_env(NAME=self.name, HOST=self.address, PORT=APP_PORT)
        self.process = Process([*self.space.argv, "node", PLACE / "fleet.js"], env=env, name=self.name)
        self.lives.append(self.process)

    def wait_ready(self):
        self.process.wait_line("^listening", seconds=60)

    def end(self):
        if self.process:
            self.process.stop()

    def kill(self):
        self.process.stop(signal.SIGKILL)

    def requests(self):
        """[(ID, the address of the kedge), ...] of all lives, in the order of their arrival."""
        return [tuple(line.split()[1:]) for life in self.lives for line in list(life.lines)
                if line.startswith("request ")]


class Node:
    """A kedge: configured like the others, and started as often as the story wants."""

    def __init__(self, network, number, base, certs, apps, keys):
        self.name, self.address = f"kedge{number}", f"10.0.0.{10 + number}"
        self.space, self.certs = network.node(self.name, self.address), certs
        self.space.ip(f"route add default via {BALANCER}")  # IPVS rewrites addresses: answers must pass it again
        self.base = Path(base) / self.name
        self.base.mkdir()
        self.config = Config(self.base, certs)
        self.listeners = [Listener("HAProxy", addr=f"{self.address}:{PORT['HAProxy']}", proxy="require",
                                   trust=[f"{BALANCER}/32"]),
                          Listener("IPVS", addr=f"{self.address}:{PORT['IPVS']}")]
        every = int(300 * min(machine.PATIENCE, 4))
        self.config.write(self.listeners, ticket_keys=str(keys), app="web", apps={"web": {
            "servers": [f"{app.address}:{APP_PORT}" for app in apps],
            "check": {"path": "/health", "every-ms": every, "timeout-ms": 10 * every, "rise": 1, "fall": 2}}})
        self.kedge = None
        network.stack.callback(self.kill)

    def start(self):
        self.kedge = Kedge(self.certs, None, self.listeners, config=self.config, argv_prefix=self.space.argv,
                           wait=False, root=not machine.bpffs_missing())

    def wait_ready(self):
        self.kedge.wait_ready()

    def kill(self):
        if self.kedge:
            self.kedge.kill()
            self.kedge = None

    def stop(self):
        """In order: Kedge.stop() checks that nothing is left. One that a step has left dead is that step's fault."""
        if self.kedge:
            self.kedge.stop()
            self.kedge = None

    def reload(self):
        done = self.kedge.reload()
        assert done.returncode == 0, done.stdout + done.stderr

    def stat(self, name):
        return self.kedge.stat(name)


def new_key():
    """A line of the file of ticket keys: the only thing that the kedges share."""
    return run("openssl", "rand", "-base64", "80").stdout.replace("\n", "") + "\n"


def shown(config):
    """A configuration file, for people: without its empty keys and the place of its files."""
    lines = []
    for line in config.path.read_text().replace(str(config.certs.ca.parent), "$DIR").splitlines():
        key, mark, value = line.partition("- " if line.startswith("- {") else ": ")
        if value.startswith("{"):
            value = ", ".join(f"{k}: {plain(v)}" for k, v in json.loads(value).items() if v not in ([], "off", "http"))
            value = f"{{{value}}}"
        lines.append(key + mark + value)
    return "\n".join(lines)


def plain(value):
    return json.dumps(value).replace('"', "")
