# SPDX-License-Identifier: BSD-2-Clause
"""Node as an application that can restart on its port, and that says in each answer who asked for what."""
import json
import os
import signal

import backends
from client import Client
from process import Process


class Asked(backends.Elsewhere):
    name, env = "Node", {}

    def __init__(self, **env):
        self.env = env
        super().__init__()

    def start(self):
        address = self.free_port()
        self.launch(*address)
        return address

    def launch(self, host, port):
        env = {**os.environ, "HOST": host, "PORT": str(port), **self.env}
        self.process = Process(["node", backends.APPS / "asked.js"], env=env, name=self.name)
        self.process.wait_line(r"listening on", seconds=60)

    def restart(self):
        """SIGTERM, its end, and another one on the same port."""
        status = self.process.stop()
        assert status == (-signal.SIGTERM if self.env.get("NODE_ENDS") else 0), status
        self.launch(self.host, self.port)

    def counts(self):
        """{"requests": N, "connections": N, "mixed": requests on a connection that was another client's}"""
        with Client((self.host, self.port)) as c:
            return json.loads(c.request(target="/counts").text)


def answer_to(method, target, source="127.0.0.1", body=""):
    return f"{method} {target} {source} {body}"
