# SPDX-License-Identifier: BSD-2-Clause
"""The story's other parts: the Express application and HAProxy as a layer-4 balancer."""
import os
import shutil
import socket
import tempfile
from pathlib import Path

from machine import ROOT
from process import Process

APP = ROOT / "tests/story/app.js"


def node_env(**more):
    env = dict(os.environ, NODE_PATH=f"{ROOT}/build/node/node_modules:/usr/share/nodejs")
    env.update({k: str(v) for k, v in more.items()})
    return env


class Express(Process):
    """trust_proxy: the number of hops that Express trusts; None for none. port: 0 lets the kernel choose."""

    def __init__(self, cgroup=None, trust_proxy=None, host="127.0.0.1", port=0):
        env = node_env(HOST=host, PORT=port)
        if trust_proxy is not None:
            env["TRUST_PROXY"] = str(trust_proxy)
        super().__init__(["node", APP], env=env, cgroup=cgroup, name="express")
        port = self.wait_line(r"^port (\d+)$", seconds=30)[0][1]
        self.address = (host, int(port))
        self.text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Balancer(Process):
    """
    HAProxy in TCP mode on a port of the kernel's choice. server: (host, port), or the path of a unix socket. send:
    "send-proxy", "send-proxy-v2".
    """

    def __init__(self, server, send, more=""):
        self.base = Path(tempfile.mkdtemp(prefix="kedge-balancer-"))
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.address = listener.getsockname()
        self.config = self.base / "haproxy.cfg"
        server_text = f"unix@{server}" if isinstance(server, str) else "%s:%d" % server
        self.config.write_text(f"""\
defaults
	mode tcp
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend clients
	bind fd@{listener.fileno()}
	default_backend kedge
backend kedge
	server kedge {server_text} {send} {more}
""")
        # The socket listens from here on, so that no test has to wait for HAProxy.
        listener.listen(128)
        haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
        super().__init__([haproxy, "-db", "-f", self.config], name="haproxy",
                         pass_fds=[listener.fileno()])
        listener.close()

    def stop(self, *args, **kwargs):
        status = super().stop(*args, **kwargs)
        shutil.rmtree(self.base, ignore_errors=True)
        return status
