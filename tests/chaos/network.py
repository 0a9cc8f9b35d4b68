# SPDX-License-Identifier: BSD-2-Clause
"""
The loopback of a network namespace of our own: it can lose segments, by netem or by lossy.bpf.c, and sockets (ss -K).
"""
import os
import socket
import subprocess
import sys

import machine

OBJECT = machine.ROOT / "build/lossy.bpf.o"
NETEM = (("loss", "2%", "duplicate", "5%", "delay", "2ms", "3ms"),
         ("loss", "10%", "duplicate", "5%"),
         ("loss", "1%", "corrupt", "3%", "delay", "5ms", "reorder", "25%"),
         ("delay", "20ms", "15ms", "25%", "reorder", "20%", "50%"))


def is_own():
    """Not the network of the machine: nothing leads out of it."""
    done = subprocess.run(["ip", "-o", "link", "show", "up"], capture_output=True, text=True, check=True)
    return [line.split(": ")[1] for line in done.stdout.splitlines()] == ["lo"]


def own_network():
    """Starts this program again in one, if it is not in one."""
    if not is_own():
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "-", sys.executable, "-B",
                              *sys.argv])


def tc(*words):
    return subprocess.run(["tc", *map(str, words), ], capture_output=True, text=True, check=False)


def kill_sockets(near, port, low, high):
    """
    The established connections with this port at the near end ("sport", "dport"), and at the other end one from low to
    high. This end is told of an error, the other gets a reset.
    """
    far = {"sport": "dport", "dport": "sport"}[near]
    subprocess.run(["ss", "-K", "-tnH", "state", "established", near, "=", f":{port}", "and", far, "ge", f":{low}", "and",
                    far, "le", f":{high}"], capture_output=True, check=True)


def kills_sockets():
    """Has this kernel CONFIG_INET_DIAG_DESTROY?"""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as c:
        kill_sockets("sport", c.getsockname()[1], 1, 65535)
        return c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


class Network:
    def __init__(self):
        self.how, _ = self.find()

    @staticmethod
    def find():
        """("netem" or "bpf" or None, why not)."""
        if not is_own():
            return None, "the network is that of the machine"
        if tc("qdisc", "add", "dev", "lo", "root", "netem", "loss", "0%").returncode == 0:
            tc("qdisc", "del", "dev", "lo", "root")
            return "netem", ""
        if not OBJECT.exists():
            return None, f"no netem in this kernel, and {OBJECT} is not built: make chaos"
        tc("qdisc", "add", "dev", "lo", "clsact")
        done = tc("filter", "add", "dev", "lo", "egress", "bpf", "da", "obj", OBJECT, "sec", "tc/light")
        tc("qdisc", "del", "dev", "lo", "clsact")
        return ("bpf", "") if done.returncode == 0 else (None, f"neither netem nor BPF: {done.stderr.strip()}")

    @classmethod
    def missing(cls):
        """{kind of event: why this machine cannot do it}."""
        how, why = cls.find()
        out = {} if how else {"net": why}
        if not is_own() or not kills_sockets():
            out["sockets"] = "ss -K ends no socket (CONFIG_INET_DIAG_DESTROY), or the network is that of the machine"
        return out

    def worsen(self, draw):
        if self.how == "netem":
            done = tc("qdisc", "add", "dev", "lo", "root", "netem", *draw.choice(NETEM))
        else:
            tc("qdisc", "add", "dev", "lo", "clsact")
            done = tc("filter", "add", "dev", "lo", "egress", "bpf", "da", "obj", OBJECT, "sec",
                      draw.choice(("tc/light", "tc/heavy")))
        assert done.returncode == 0, done.stderr

    def mend(self):
        if self.how:
            tc("qdisc", "del", "dev", "lo", "root" if self.how == "netem" else "clsact")
