# SPDX-License-Identifier: BSD-2-Clause
"""The clients of the fleet: what each asks, is answered, and loses."""
import collections
import json
import select
import threading
import time
from dataclasses import dataclass

from client import Client
from machine import PATIENCE, Deadline, wait_for

KEPT = 10        # requests on a connection
TRY_AGAIN_S = 0.05


@dataclass
class Connection:
    source: tuple         # (address, port) of the client
    use: int              # how many connections before had the same source
    offered: bool         # a TLS session
    resumed: bool = False
    kedge: str = ""       # the address of the one that has answered


@dataclass
class Answer:
    id: str
    app: str
    kedge: str
    xff: str
    connection: Connection


@dataclass
class Lost:
    """A request that was sent, whole or in part, and has no whole answer."""
    id: str
    connection: Connection
    error: str


class Wrong(Exception):
    """An answer that no client may get."""


class Caller:
    """One connection at a time, and the TLS session of the last one, which is offered on the next."""

    uses = collections.Counter()

    def __init__(self, space, target, tls, source):
        self.space, self.target, self.tls, self.source = space, target, tls, source
        self.session, self.client, self.connection = None, None, None
        self.last = False  # the other side has said that no request may follow

    def connect(self):
        self.connection = None
        with self.space.inside():
            self.client = Client(self.target, tls=self.tls, source=self.source, session=self.session, handshake=False)
        source = self.client.sock.getsockname()
        self.connection = Connection(source, self.uses[source], bool(self.session))
        self.uses[source] += 1
        self.client.handshake()
        self.connection.resumed = self.client.tls.session_reused
        return self.connection

    def ended(self):
        """Has the other side ended the connection while nothing was asked on it? What a client looks at first."""
        if not select.select([self.client.sock], [], [], 0)[0]:
            return False
        if self.client.recv():
            raise Wrong("bytes that answer nothing")
        return True

    def send(self, name, path="/"):
        self.client.send(f"GET {path}{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def answer(self, name):
        got = self.client.response()
        self.session = self.client.tls.session
        if got.status != 200:
            raise Wrong(f"{name}: {got.status} {got.text!r}")
        self.last = (got.field("Connection") or "").lower() == "close"
        said = json.loads(got.text)
        if said["id"] != name:
            raise Wrong(f"{name}: the answer to {said['id']}")
        self.connection.kedge = said["kedge"]
        return Answer(name, said["app"], said["kedge"], said["xff"], self.connection)

    def ask(self, name):
        self.send(name)
        return self.answer(name)

    def hang_up(self):
        if self.client:
            self.client.close()
            self.client = None


class Load:
    """
    Callers that ask, `pause` seconds apart, until they are stopped. A request that is lost is asked again, on a new
    connection, until it is answered.
    """

    def __init__(self, name, callers, pause):
        self.name, self.callers, self.pause = name, callers, pause
        self.answers, self.lost, self.connections, self.wrong = [], [], [], []
        self.refused, self.cut, self.ended = 0, [], []  # connections: not made, ended in the handshake, ended when idle
        self.asked, self.done = collections.Counter(), [0] * len(callers)
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n, c), daemon=True) for n, c in enumerate(callers)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(60 * PATIENCE)
        if any(thread.is_alive() for thread in self.threads):
            self.wrong.append("a client that does not end")

    def text(self):
        return f"{len(self.answers)} requests on {len(self.connections)} connections"

    def go_on(self, count):
        """Waits until each client has had so many more answers."""
        until = [n + count for n in self.done]
        wait_for(lambda: self.wrong or all(n >= m for n, m in zip(self.done, until)), 60, "answers")

    def run(self, number, caller):
        time.sleep(self.pause * number / len(self.callers))  # not all in step
        try:
            while not self.stopped.wait(self.pause):
                self.until_answered(caller, f"{self.name}-{number}-{self.done[number]}")
                self.done[number] += 1
                if caller.last or (self.done[number] + number) % KEPT == 0:  # not all at once
                    caller.hang_up()
        except (Wrong, TimeoutError, AssertionError, ValueError) as error:
            self.wrong.append(repr(error))
        finally:
            caller.hang_up()

    def until_answered(self, caller, name):
        deadline = Deadline(30, name)
        while not self.once(caller, name):
            deadline.left()

    def once(self, caller, name):
        if caller.client and caller.ended():
            self.ended.append(caller.connection)
            caller.hang_up()
        if not caller.client and not self.connect(caller):
            time.sleep(TRY_AGAIN_S)
            return False
        self.asked[name] += 1
        try:
            caller.send(name)
            return self.read(caller, name)
        except TimeoutError:
            raise
        except OSError as error:
            return self.gone(caller, name, error)

    def read(self, caller, name):
        """True if it is answered, false if it is lost."""
        try:
            self.answers.append(caller.answer(name))
            return True
        except TimeoutError:
            raise
        except (OSError, EOFError) as error:
            return self.gone(caller, name, error)

    def gone(self, caller, name, error):
        self.lost.append(Lost(name, caller.connection, repr(error)))
        caller.hang_up()
        return False

    def lose(self, caller, name):
        """A request that was sent apart from the load, and whose kedge is dead: read to its end, and asked again."""
        if self.read(caller, name):
            self.wrong.append(f"{name} was answered by a dead kedge")
        self.until_answered(caller, name)

    def connect(self, caller):
        try:
            self.connections.append(caller.connect())
            return True
        except TimeoutError:
            raise
        except (OSError, EOFError):
            if caller.connection:
                self.cut.append(caller.connection)
            else:
                self.refused += 1
            caller.hang_up()
            return False
