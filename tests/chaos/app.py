#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
app.py PORT LOG: the application of a run, in a process that can be killed at any time. LOG gets a line for each thing
that it sees, with one write(2), before it does anything else: what the kernel has of the log outlives the process. Each
line ends with the time.

    H ID CONN                    the head of a request is there
    S ID CONN METHOD XFF BODY    the request is complete; BODY is the hash of its body
    A ID CONN                    the answer begins
    D ID CONN                    the socket has taken all of the answer
    F CONN TEXT                  bytes that are no request
    C CONN PEER                  a connection; PEER is what the kernel says of its other end
    E CONN                       the application closes the connection by itself, or has seen its end

SIGTERM: no new connections, those that wait for a request end, the others after their answer. SIGUSR1: accepts
nobody, and its queue is short; SIGUSR2 ends that.
"""
import itertools
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

import plan  # noqa: E402
from rawapp import Connection, Fault  # noqa: E402

BACKLOG = 128
UNASKED = b"HTTP/1.1 200 OK\r\n" + plan.SURPLUS + b": 1\r\nContent-Length: 0\r\n\r\n"


class Log:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def say(self, *words):
        os.write(self.fd, f"{' '.join(words)} {time.monotonic():.4f}\n".encode())


class Served(Connection):
    """A connection of the application that answers as the path of each request says."""

    def __init__(self, app, sock, peer, number):
        super().__init__(app, sock, peer)
        self.number, self.waiting = number, True

    def head_read(self, req):
        self.waiting = False
        name, do, _, _ = plan.of_path(req.target)
        self.app.log.say("H", name, self.number)
        if do.startswith("early"):
            self.begin(req)
            self.give(req)
        elif req.values("Expect"):
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def begin(self, req):
        name, _, _, wait = plan.of_path(req.target)
        if wait:
            time.sleep(wait / 1000)
        self.app.log.say("A", name, self.number)

    def give(self, req):
        """Sends the answer."""
        name, do, size, _ = plan.of_path(req.target)
        data = plan.answer(name, req.method, do, size)
        if do in ("half", "half-reset"):
            self.send(data[:len(data) * 2 // 3])
            return
        step = {"parts": max(700, len(data) // 50), "early-slow": len(data) // 5 + 1}.get(do, len(data))
        for at in range(0, len(data), step):
            self.send(data[at:at + step])
            if step < len(data) and at < 10 * step:
                time.sleep(0.002 if do == "parts" else 0.05)
        self.app.log.say("D", name, self.number)

    def one(self):
        """One request. False: it was the last one."""
        self.waiting = True
        req = self.read_request()
        del self.received[:self._at]
        self._at = 0
        name, do, _, _ = plan.of_path(req.target)
        self.app.log.say("S", name, self.number, req.method, (req.xff or "-").replace(" ", ""), plan.digest(req.body))
        if do in ("leave", "reset"):
            return self.leave(do)
        if not do.startswith("early"):
            self.begin(req)
            self.give(req)
        return self.after(do) and not self.app.ending

    def leave(self, do):
        if do in ("reset", "half-reset"):
            self.reset()
        return False

    def after(self, do):
        if do in ("to-end", "close", "half"):
            return False
        if do == "half-reset":
            return self.leave(do)
        if do == "late-close":
            time.sleep(0.02)
            return False
        if do in ("twice", "idle-408"):
            time.sleep(0.005)
            self.send(UNASKED.replace(b"200 OK", b"408 Request Timeout") if do == "idle-408" else UNASKED)
            return False
        if do == "upgrade":
            self.echo()
            return False
        return True

    def echo(self):
        while self.fill():
            self.send(bytes(self.received))
            self.received.clear()

    def run(self):
        try:
            while self.one():
                pass
        except (EOFError, OSError):
            pass
        except Fault as fault:
            self.app.log.say("F", self.number, str(fault))
        self.app.log.say("E", self.number)
        self.close()
        self.sock.close()
        self.app.served.discard(self)


class Application:
    read_size = 65536

    def __init__(self, port, log):
        self.log, self.served, self.ending = log, set(), False
        self.changed = threading.Condition()  # for rawapp.Connection
        self.open = threading.Event()
        self.open.set()
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", port))
        self.sock.listen(BACKLOG)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for number in itertools.count():
            self.open.wait()
            try:
                sock, peer = self.sock.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conn = Served(self, sock, peer, f"{os.getpid()}-{number}")
            self.log.say("C", conn.number, peer[0])
            self.served.add(conn)
            threading.Thread(target=conn.run, daemon=True).start()

    def deaf(self):
        self.open.clear()
        self.sock.listen(0)

    def hear(self):
        self.sock.listen(BACKLOG)
        self.open.set()

    def end(self):
        """In order: idle connections end now, the others after the answer that is due."""
        self.ending = True
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        deadline = time.monotonic() + 2
        while self.served and time.monotonic() < deadline:
            for conn in list(self.served):
                if conn.waiting:
                    conn.close()
            time.sleep(0.01)


def main():
    log = Log(sys.argv[2])
    signals = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    app = Application(int(sys.argv[1]), log)
    print("ready", flush=True)
    while True:
        number = signal.sigwait(signals)
        if number == signal.SIGUSR1:
            app.deaf()
        elif number == signal.SIGUSR2:
            app.hear()
        else:
            app.end()
            os._exit(0)


if __name__ == "__main__":
    main()
