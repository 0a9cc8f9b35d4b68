# SPDX-License-Identifier: BSD-2-Clause
"""Several real servers of one application behind one kedge, and clients that ask all the time and judge each answer."""
import contextlib
import threading

from asked import answer_to
from client import Client
from kedge import BINARY, Config, Kedge, Listener
from machine import wait_for
from run import run

KEPT, ONE_SHOT = 4, 2
PAUSE_S = 0.002  # between the requests of a client: leaves time to the servers


class Load:
    """
    Clients that ask until they are stopped. Every answer that is not the right one is a fault. answer(method, target,
    body=): the right one. pause(turn): seconds before a client's next request.
    """

    def __init__(self, address, methods, answer=answer_to, pause=lambda turn: PAUSE_S):
        self.address, self.methods, self.answer, self.pause = address, methods, answer, pause
        self.faults, self.done, self.stopped = [], [0] * (KEPT + ONE_SHOT), threading.Event()
        self.closes = 0  # answers with Connection: close, about
        self.threads = [threading.Thread(target=self.client, args=(n, n < KEPT), daemon=True)
                        for n in range(KEPT + ONE_SHOT)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self.threads)

    def client(self, number, kept):
        while not self.stopped.is_set():
            try:
                with Client(self.address) as c:
                    while self.ask(c, number) and kept and not self.stopped.wait(self.pause(self.done[number])):
                        pass
                self.stopped.wait(PAUSE_S)
            except (OSError, EOFError, AssertionError) as error:
                self.faults.append((number, self.done[number], repr(error)))

    def ask(self, c, number):
        """Asks, and judges. May another request follow?"""
        method = self.methods[self.done[number] % len(self.methods)]
        target = f"/{number}/{self.done[number]}"
        body = f"body-{target}" if method in ("POST", "PUT") else ""
        got = c.request(method, target, body=body.encode())
        if (got.status, got.text) != (200, self.answer(method, target, body=body)):
            self.faults.append((number, self.done[number], method, got.status, got.text))
        self.done[number] += 1
        closes = (got.field("Connection") or "").lower() == "close"
        self.closes += closes
        return not closes

    def go_on(self, count=20):
        """Waits until each client has had so many more answers."""
        until = [n + count for n in self.done]
        wait_for(lambda: all(n >= m for n, m in zip(self.done, until)), 60, "answers")


@contextlib.contextmanager
def farm(tmp_path, certs, cgroup, combination, make, count, listener=None, flags=(), **app):
    """A kedge before so many servers, which make() starts; `servers` names them. app: further keys of the application."""
    with contextlib.ExitStack() as stack:
        servers = []
        for _ in range(count):
            with cgroup.inside():
                servers.append(make())
            stack.callback(servers[-1].stop)
        listener, config = listener or Listener("clear", tls=False), Config(tmp_path, certs)
        names = [s.text for s in servers]
        backups = app.pop("backups", 0)
        if backups:
            names, app["backup"] = names[:-backups], names[-backups:]
        config.write([listener], apps={"web": {"servers": names, **app}}, app="web", workers=2)
        kedge = stack.enter_context(Kedge(certs, None, [listener], combination, cgroup, flags, config=config))
        kedge.servers = servers
        yield kedge


def restart(kedge, server):
    with kedge.cgroup.inside():
        server.restart()


def command(kedge, server, word):
    done = run(BINARY, "server", f"web/{server.text}", word, "--control", kedge.control)
    assert done.returncode == 0, done.stdout + done.stderr


def status_of(status, server):
    """What a status of kedge says of a server."""
    return next(s for s in status["applications"][0]["servers"] if s["server"] == server.text)


def told(kedge):
    """What kedge counted, for people."""
    status = kedge.status()
    names = ("flows", "requests_again", "connects_again", "legs_closed", "legs_idle", "legs_old", "legs_doubted",
             "responses_own")
    return {name: status["stats"][name] for name in names}, {k: v for k, v in status["reasons"].items() if v}
