# SPDX-License-Identifier: BSD-2-Clause
"""The clients of the fleet: what each asks, is answered, and loses."""
import json
from dataclasses import dataclass

from client import Client


@dataclass
class Connection:
    source: tuple         # (address, port) of the client
    offered: bool         # a TLS session
    resumed: bool
    kedge: str = ""       # the address of the one that has answered


@dataclass
class Answer:
    id: str
    app: str
    kedge: str
    xff: str
    connection: Connection


class Wrong(Exception):
    """An answer that no client may get."""


class Caller:
    """One connection at a time, and the TLS session of the last one, which is offered on the next."""

    def __init__(self, space, target, tls, source):
        self.space, self.target, self.tls, self.source = space, target, tls, source
        self.session, self.client, self.connection = None, None, None

    def connect(self):
        with self.space.inside():
            self.client = Client(self.target, tls=self.tls, source=self.source, session=self.session)
        self.connection = Connection(self.client.sock.getsockname(), bool(self.session),
                                     self.client.tls.session_reused)
        return self.connection

    def ask(self, name, path="/"):
        got = self.client.request(target=path + name)
        self.session = self.client.tls.session
        if got.status != 200:
            raise Wrong(f"{name}: {got.status} {got.text!r}")
        said = json.loads(got.text)
        if said["id"] != name:
            raise Wrong(f"{name}: the answer to {said['id']}")
        self.connection.kedge = said["kedge"]
        return Answer(name, said["app"], said["kedge"], said["xff"], self.connection)

    def hang_up(self):
        if self.client:
            self.client.close()
            self.client = None
