# SPDX-License-Identifier: BSD-2-Clause
"""
The clients of a run: each makes one connection after the other, as planned, and compares every byte that it gets. A
client never sends a request twice.
"""
import contextlib
import re
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass

import plan
import prefix
from client import Client, tls_context
from machine import PATIENCE

STALL = 15 * PATIENCE  # seconds without a byte or an end: nothing in a run lasts that long
TCP_REPAIR = 19
OWN = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z -]+\r\nDate: [^\r]+\r\nContent-Type: text/plain\r\n"
                 rb"Content-Length: (\d+)\r\nConnection: close\r\n\r\n")
TUNNELED = bytes(range(1, 256)) * 30


class Wrong(Exception):
    """What no client may get."""


@dataclass
class Result:
    """What became of a request at its client."""
    plan: plan.Connection
    request: plan.Request
    sent: str = "no"      # "part": not its last byte; "whole": perhaps all of it
    got: str = "nothing"  # "answer": the whole one; "part" of it; "own": an answer of kedge itself
    status: int = 0       # of that
    opened: float = 0.0   # its connection
    begun: float = 0.0
    ended: float = 0.0
    end: str = ""         # how its connection ended, if it did
    first: bool = True    # no request of the connection was answered before


class Stream:
    """What comes back on a connection, held against the answers that are due."""

    def __init__(self):
        self.due, self.data, self.own, self.answered = [], b"", None, 0

    def expect(self, result):
        self.due.append(result)

    def take(self, data):
        self.data += data
        while self.data:
            if self.own:
                raise Wrong(f"bytes behind an answer of kedge: {self.data[:200]!r}")
            if not self.due:
                raise Wrong(f"bytes that answer nothing: {self.data[:200]!r}")
            if not self.one(self.due[0]):
                return

    def one(self, result):
        """Takes one answer from the data. False: it is not whole yet."""
        wire = result.request.answer
        result.first = not self.answered
        if self.data.startswith(wire):
            self.done(result, "answer", len(wire))
            return True
        if wire.startswith(self.data):
            if len(self.data) > wire.rindex(b"HTTP/1.1 ") + 9:  # more than interim ones, and not kedge's own
                result.got = "part"
            return False
        return self.own_answer(result, wire)

    def own_answer(self, result, wire):
        """kedge's own, which begins where an answer could, or behind an interim one."""
        at = 0
        while wire[at:].startswith(b"HTTP/1.1 1") and self.data[at:].startswith(b"HTTP/1.1 1"):
            at = wire.index(b"\r\n\r\n", at) + 4
        head = OWN.match(self.data, at)
        if not head and b"\r\n\r\n" in self.data[at:] or not b"HTTP/1.1 ".startswith(self.data[at:at + 9]):
            same = next((n for n, (a, b) in enumerate(zip(self.data, wire)) if a != b), 0)
            raise Wrong(f"{result.request.id}: byte {same} of its answer ({len(wire)} bytes) is wrong: "
                        f"{self.data[max(same - 60, 0):same + 200]!r} instead of {wire[max(same - 60, 0):same + 60]!r}")
        if not head:
            return False
        size = 0 if result.request.method == "HEAD" else int(head[2])
        if len(self.data) < head.end() + size:
            return False
        self.own, result.status = True, int(head[1])
        self.done(result, "own", head.end() + size)
        return True

    def done(self, result, got, size):
        result.got, result.ended = got, time.monotonic()
        self.data = self.data[size:]
        self.due.pop(0)
        self.answered += got == "answer"


class Left(Exception):
    """The client goes, and has no more to ask for."""


class Clients:
    """threads: how many. ports: by the name of a listener. reuse: app-reuse is not off. shared: it is shared."""

    def __init__(self, seed, ports, certs, manners, threads, reuse, shared):
        self.seed, self.ports, self.manners, self.reuse, self.shared = seed, ports, manners, reuse, shared
        self.contexts = {v: tls_context(certs.ca, v) for v in ("1.2", "1.3")}
        self.over = threading.Event()
        self.results, self.wrong, self.vanished, self.connections, self.at = {}, [], 0, 0, {}
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(threads)]
        for t in self.threads:
            t.start()

    def stop(self):
        """No more connections; those that are open come to their end."""
        self.over.set()
        for t in self.threads:
            t.join(4 * STALL)
            if t.is_alive():
                where = "".join(traceback.format_stack(sys._current_frames()[t.ident]))
                self.wrong.append((None, f"client {t.name} does not end: it is in {self.at.get(t.name)}\n{where}"))

    def run(self, number):
        count = 0
        while not self.over.is_set():
            c = plan.connection(self.seed, number, count, self.manners)
            if self.shared:
                plan.without_unasked(c)
            count += 1
            self.connections += 1
            self.at[threading.current_thread().name] = c
            one = One(self, c)
            one.run()
            if not one.stream.answered:
                time.sleep(0.02)  # nobody is there: do not run through all plans meanwhile


class One:
    """One connection."""

    def __init__(self, clients, c):
        self.clients, self.plan, self.stream = clients, c, Stream()
        now = time.monotonic()
        self.results = [Result(c, r, opened=now) for r in c.requests]
        self.client = None

    def run(self):
        try:
            self.connect()
            self.talk()
        except TimeoutError:
            late = next((r for r in self.results if r.sent != "no" and r.got not in ("answer", "own")), None)
            self.fault(late, f"nothing came for {STALL:g} s")
            self.end("stalled")
        except EOFError:
            self.end(self.client.ended)
        except Left:
            self.end("we left")
        except OSError as error:
            self.end(type(error).__name__)
        except Wrong as wrong:
            self.fault(self.stream.due[0] if self.stream.due else self.results[-1], str(wrong))
        finally:
            if self.client:
                self.client.close()
        for r in self.results:
            if r.sent != "no":
                r.ended = r.ended or time.monotonic()
                self.clients.results[r.request.id] = r

    def fault(self, result, text):
        self.clients.wrong.append((result.request.id if result else self.plan.name, text))

    def end(self, how):
        for r in self.results:
            if r.got not in ("answer", "own"):
                r.end = str(how)

    def connect(self):
        p, ours = self.plan, self.clients
        head = {"v1": prefix.v1, "v2": prefix.v2, "": lambda src: b""}[p.prefix](src=p.shown)
        tls = ours.contexts[p.version] if p.listener.startswith("tls") else None
        self.client = Client(("127.0.0.1", ours.ports[p.listener]), tls=tls, source=p.source, rcvbuf=p.rcvbuf or None,
                             timeout=STALL / PATIENCE, handshake=False)
        self.client.cut = p.cut or None
        self.ask_who_is_there()
        self.client.send_raw(head)
        if tls:
            self.client.handshake()

    def ask_who_is_there(self):
        """A reset can be lost. The kernel asks a side that says nothing, and gets another one."""
        for option, value in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 100)):
            self.client.sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    # --- sending and reading ----------------------------------------------------------------------
    def send(self, result, part=1.0):
        """Sends a request, or a part of it. The state is set before the bytes go."""
        wire = result.request.wire
        size = len(wire) if part == 1.0 else int((len(wire) - 1) * part)
        body = len(wire) - len(result.request.body)
        result.begun = result.begun or time.monotonic()
        self.stream.expect(result)
        result.sent = "part"
        if self.plan.slow and size > body:
            for at in range(body, size, max((size - body) // 4, 1)):
                self.client.send(wire[:body] if at == body else b"")
                time.sleep(self.plan.slow / 1000)
                self.give(result, wire, at, min(at + max((size - body) // 4, 1), size))
        else:
            self.give(result, wire, 0, size)

    def give(self, result, wire, begin, end):
        if end == len(wire):
            result.sent = "whole"
        if self.plan.together and result is self.results[-1]:
            self.client.send_and_notify(wire[begin:end])
        else:
            self.client.send(wire[begin:end])

    def read(self, what="the answers that are due"):
        """Until nothing is due, or the end."""
        while self.stream.due and not self.stream.own:
            data = self.client.recv(262144)
            if not data:
                raise EOFError(what)
            self.stream.take(data)

    def talk(self):
        self.all_of(self.results[:-1] if self.plan.ending == "tunnel" else self.results)
        ending = getattr(self, self.plan.ending.replace("-", "_"))
        ending()

    def all_of(self, results):
        left = list(results)
        for group in self.plan.groups:
            now, left = left[:len(group)], left[len(group):]
            for n in range(self.plan.updates):
                self.client.key_update(requested=n % 2 == 0)
            for r in now:
                last = r is self.results[-1] and not left
                if last and self.plan.ending == "abort":
                    return
                self.send(r)
                if self.plan.ending == "vanish" and last or self.plan.ending == "reset" and last:
                    return
            self.read()
            if group[-1].do in plan.UNASKED:  # with another request on its way it would be that one's answer
                self.no_more_answers()
            time.sleep(self.plan.pause / 1000)

    # --- endings ----------------------------------------------------------------------------------
    def close(self):
        self.client.close()

    def half_close(self):
        if not self.plan.together:
            self.client.half_close()
        self.to_the_end()

    def no_more_answers(self):
        """With app-reuse, a leg may go with the answer that nobody asked for, and the connection stays."""
        if not self.clients.reuse:
            self.to_the_end()
        self.client.sock.settimeout(0.3)
        try:
            self.to_the_end()
        except TimeoutError:
            raise Left from None

    def to_the_end(self):
        while data := self.client.recv(262144):
            self.stream.take(data)
        raise EOFError

    def reset(self):
        self.client.reset()
        self.end("we reset it")

    def vanish(self):
        """The socket goes without a word: no FIN, no reset."""
        self.client.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        self.clients.vanished += 1
        self.end("we vanished")

    def abort(self):
        self.send(self.results[-1], self.plan.part)
        if self.plan.part < 0.3:
            self.client.reset()
        self.end("we left")

    def tunnel(self):
        self.send(self.results[-1])
        self.read()
        if self.results[-1].got != "answer":
            return
        self.client.send(TUNNELED)
        got = b""
        while len(got) < len(TUNNELED):
            data = self.client.recv(262144)
            if not data:
                break
            got += data
        if not TUNNELED.startswith(got[:len(TUNNELED)]) or len(got) > len(TUNNELED):
            raise Wrong(f"a tunnel gave other bytes: {got[:100]!r}")
        with contextlib.suppress(OSError):
            self.client.close()
