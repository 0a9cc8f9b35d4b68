# SPDX-License-Identifier: BSD-2-Clause
"""
Clients and applications that do anything at any time, with short timeouts, reloads, few descriptors and a drain.
kedge must live, a client must never get an answer of kedge within another response, nor clear text on a TLS
listener, and nothing may be left of the connections.

    KEDGE_TEST_CHAOS   rounds (1); each has another seed
    KEDGE_TEST_SEED    the first seed (drawn; printed)

A seed fixes what each client and each connection of the application does, and the reloads; not their order.
"""
import contextlib
import json
import os
import random
import resource
import socket
import struct
import threading
import time

import pytest

import machine
import prefix
from client import Client, chunked, request, tls_context
from foreign import Agent
from kedge import Config, Kedge, Listener
from rawapp import Fault, RawApp, answer

ROUNDS = int(os.environ.get("KEDGE_TEST_CHAOS", "1"))
SEED = int(os.environ.get("KEDGE_TEST_SEED", random.randrange(1 << 32)))
THREADS = 10
CONNECTIONS = 16  # of each thread, between a reload and the next
RELOADS = 2
LIMITS = ("prefix-timeout-ms", "handshake-timeout-ms", "head-timeout-ms", "idle-timeout-ms", "linger-timeout-ms",
          "response-timeout-ms", "connect-timeout-ms", "rate-grace-ms")
NO_BODY = b"No-Body: it was a HEAD\r\n"
MARK = b"HTTP/1."  # in no body
DEAD = (OSError, EOFError)  # ssl.SSLError is an OSError


def listeners():
    return [Listener("tls"), Listener("tls_proxy", proxy="optional"), Listener("clear", tls=False),
            Listener("clear_proxy", tls=False, proxy="require"), Listener("tls_tcp", mode="tcp"),
            Listener("clear_tcp", tls=False, mode="tcp")]


def nap(draw):
    time.sleep(draw.choice([0, 0, 0.001, 0.01, 0.05, 0.15, 0.35]))


# --- the application ------------------------------------------------------------------------------

def body_of(draw):
    return b"b" * draw.choice([0, 1, 100, 100, 5000, 5000, 70000, 70000, 400000, 5000000])


def answer_to(req, head, body):
    """A head without its last line, and a body unless a HEAD asked for it: a client must know which."""
    return head + NO_BODY + b"\r\n" if req.method == "HEAD" else head + b"\r\n" + body


def whole(conn, req, draw):
    body = body_of(draw)
    close = draw.choice([b"", b"Connection: close\r\n"])
    conn.send(answer_to(req, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s" % (len(body), close), body))


def in_chunks(conn, req, draw):
    conn.send(answer_to(req, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
                        chunked(b"b" * 10, b"b" * 3000)))


def to_the_end(conn, req, draw):
    conn.send(answer_to(req, b"HTTP/1.1 200 OK\r\n", body_of(draw)))
    nap(draw)
    raise EOFError


def interim(conn, req, draw):
    conn.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
    nap(draw)
    whole(conn, req, draw)


def no_body(conn, req, draw):
    conn.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")


def in_parts(conn, req, draw):
    out = answer(body=b"" if req.method == "HEAD" else b"b" * 50)
    for at in range(0, len(out), 30):
        conn.send(out[at:at + 30])
        nap(draw)


def half(conn, req, draw):
    out = answer_to(req, b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n", b"b" * 9000)
    conn.send(out[:draw.choice([1, 8, 11, 12, 20, 40, 60, 5000, 5000, 5000])])
    time.sleep(draw.choice([0, 0.05, 0.35]))
    if draw.random() < 0.5:
        conn.reset()
    raise EOFError


def twice(conn, req, draw):
    whole(conn, req, draw)
    nap(draw)
    conn.send(answer())
    raise EOFError


def garbage(conn, req, draw):
    chunks = answer_to(req, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", b"zz\r\n")
    conn.send(draw.choice([b"x", b"hello\n", b"HTTP/1.1 99 No\r\n\r\n", chunks, b"HTTP/1.1 200 OK\r\n: \r\n\r\n",
                           bytes(300)]))
    nap(draw)
    raise EOFError


def switch(conn, req, draw):
    conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + b"b" * 10)
    nap(draw)
    conn.send(b"b" * 100)


def silent(conn, req, draw):
    time.sleep(0.4)
    raise EOFError


def leave(conn, req, draw):
    nap(draw)
    if draw.random() < 0.5:
        conn.reset()
    raise EOFError


ANSWERS = [whole, whole, whole, in_chunks, to_the_end, interim, no_body, in_parts, half, half, half, twice, garbage,
           switch, silent, leave]


class ChaosApp(RawApp):
    """Its connections are numbered; each has random numbers of its own."""

    def __init__(self, cgroup, seed):
        self.numbers = iter(range(1 << 40))
        super().__init__(cgroup=cgroup, serve=self.chaos, rcvbuf=16384)
        self.seed = seed

    def chaos(self, conn):
        draw = random.Random(f"{self.seed} app {next(self.numbers)}")
        try:
            self.connection_begins(conn, draw)
            early = draw.random() < 0.1
            if early:
                conn.head_read = lambda req: draw.choice(ANSWERS)(conn, req, draw)
            while True:
                req = conn.read_request()
                if not early:
                    draw.choice(ANSWERS if draw.random() < 0.5 else ANSWERS[:4])(conn, req, draw)
                if draw.random() < 0.1:
                    conn.sock.shutdown(socket.SHUT_WR)
        except (EOFError, Fault, OSError):
            pass
        conn.close()
        conn.sock.close()

    @staticmethod
    def connection_begins(conn, draw):
        kind = draw.randrange(20)
        if kind == 0:
            conn.reset()
        elif kind == 1:
            nap(draw)
            raise EOFError
        elif kind == 2:
            conn.send(answer("503 Service Unavailable"))
        elif kind == 3:
            nap(draw)
            conn.send(answer("408 Request Timeout"))
            raise EOFError
        elif kind == 4:
            time.sleep(0.5)  # takes nothing
        elif kind == 5:
            conn.send(draw.choice([b"\r\n", b"H", b"HTTP/1.1 ", b"HTTP/1.1 2"]))
            nap(draw)
            raise EOFError
        elif kind == 6:
            nap(draw)
            conn.reset()


# --- a client -------------------------------------------------------------------------------------

class Watched(Client):
    """Keeps what it got: the bytes of the socket, and what they say."""

    def __init__(self, *args, **kwargs):
        self.wire, self.got = bytearray(), bytearray()
        super().__init__(*args, timeout=2, **kwargs)

    def _feed(self):
        data = self.sock.recv(262144)
        self.wire += data
        self._in.write(data) if data else self._in.write_eof()

    def take(self, seconds):
        """Reads for so long, or to the end."""
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                self.sock.settimeout(left)
                data = self.recv(262144)
                self.got += data
                if not data:
                    return True
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(OSError):
                self.sock.settimeout(2)
        return False


POST = b"POST /p HTTP/1.1\r\nHost: a\r\n"
REQUESTS = [
    request(), request(fields=[("Connection", "close")]), request("HEAD"), request("POST", body=b"c" * 3000),
    request("POST", body=b"c" * 90000),
    POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"c" * 10, b"c" * 2000),
    POST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\ncccc",
    request(fields=[("Connection", "upgrade"), ("Upgrade", "x")]), request(fields=[("X-Forwarded-For", "203.0.113.9")]),
]
WRONG = [b"x", b"\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6\r\n\r\n", bytes(50),
         POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
         POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\ncccccc\r\n", b"\x16\x03\x01\0\x05hello"]


def act_requests(c, draw):
    for _ in range(draw.choice([1, 1, 1, 2, 3, 40])):
        c.send(draw.choice(REQUESTS))


def act_part(c, draw):
    data = draw.choice(REQUESTS)
    c.send(data[:draw.randrange(1, min(len(data), 200))])


def act_by_bytes(c, draw):
    data = draw.choice(REQUESTS[:3])
    for at in range(0, len(data), 7):
        c.send(data[at:at + 7])


def act_wrong(c, draw):
    c.send(draw.choice(WRONG))


def act_nap(c, draw):
    nap(draw)


def act_take(c, draw):
    if c.take(draw.choice([0.01, 0.1, 0.5])):
        raise EOFError


def act_half_close(c, draw):
    c.half_close()


def act_close_notify(c, draw):
    if c.tls:
        c.close_notify()


def act_raw(c, draw):
    """On TLS: a bad record, an alert in clear, half a record, an empty one."""
    c.send_raw(draw.choice([b"\x17\x03\x03\0\x20" + bytes(32), b"\x15\x03\x03\0\x02\x02\x28", b"\x17\x03\x03\x40\0x",
                            b"\x17\x03\x03\0\0", b"GET / HTTP/1.1\r\n\r\n"]) if c.tls else b"x")


def act_key_update(c, draw):
    if c.tls and c.tls.version() == "TLSv1.3":
        for _ in range(draw.choice([1, 3, 40])):
            c.key_update(draw.random() < 0.7)
            c.send(b"\r")


def act_renegotiate(c, draw):
    if c.tls and c.tls.version() == "TLSv1.2":
        c.renegotiate()


def act_urgent(c, draw):
    c.sock.send(b"!", socket.MSG_OOB)


def act_reset(c, draw):
    c.reset()


ACTS = [act_requests] * 6 + [act_take] * 4 + [act_nap] * 3 + [
    act_part, act_by_bytes, act_wrong, act_half_close, act_close_notify, act_raw, act_key_update, act_renegotiate,
    act_urgent, act_reset, act_reset]


def before(c, name, draw):
    """What comes before the first request: PROXY prefix, handshake."""
    if "proxy" in name:
        lead = draw.choice([prefix.v1(), prefix.v2()] * 3 + [prefix.v2_local(), prefix.v1_unknown(), b"",
                                                             prefix.v2(crc=7)])
        lead = lead if draw.random() < 0.9 else lead[:draw.randrange(30)]
        step = draw.choice([1, 500])
        for at in range(0, len(lead), step):
            c.send_raw(lead[at:at + step])
    if not c.tls:
        return
    kind = draw.randrange(10)
    if kind < 4:
        hello = c.client_hello()
        cut = draw.choice([0, 1, 5, 100, len(hello), len(hello)])
        c.send_raw(hello[:cut])
        nap(draw)
        if kind == 0:
            c.send_raw(draw.choice([b"", b"GET / HTTP/1.1\r\n\r\n", b"\x15\x03\x01\0\x02\x02\x28", bytes(100)]))
            c.wire += c.sock.recv(100000)
            raise EOFError
        if kind == 1:
            raise EOFError
        c.send_raw(hello[cut:])
        nap(draw)
    c.handshake()


def one(kedge, contexts, draw):
    """One connection. Returns the client, for its bytes."""
    name = draw.choice([x.name for x in kedge.listeners for _ in range(1 if x.mode == "tcp" else 2)])
    c = Watched(kedge[name], tls=draw.choice(contexts) if "tls" in name else None, handshake=False,
                rcvbuf=draw.choice([None, None, 4096]))
    try:
        with c:
            before(c, name, draw)
            for _ in range(draw.randrange(8)):
                draw.choice(ACTS)(c, draw)
            if draw.random() < 0.7:
                c.take(1)
            if draw.random() < 0.2:
                c.reset()
    except DEAD:
        pass
    return name, c


# --- what a client may have got -------------------------------------------------------------------

def check_records(wire):
    """On a TLS listener: records and nothing else."""
    at = 0
    while len(wire) - at >= 5:
        kind, version, length = struct.unpack_from("!BHH", wire, at)
        assert kind in (20, 21, 22, 23) and version in (0x301, 0x303) and length <= 16384 + 256, bytes(wire[at:at + 80])
        at += 5 + length
    assert at >= len(wire) or wire[at] in (20, 21, 22, 23), bytes(wire[at:])


def check_chunks(data, at):
    """Returns where they end; None if they do not, or cannot be read."""
    while True:
        end = data.find(b"\r\n", at)
        line = data[at:end if end >= 0 else len(data)]
        assert MARK not in line, data[at:at + 300]
        try:
            size = int(line, 16)
        except ValueError:
            return None
        if end < 0:
            return None
        assert MARK not in data[end:end + size + 4], data[end:end + 300]
        at = end + 4 + size
        if len(data) < at:
            return None
        if not size:
            return at


def check_responses(data):
    """Each begins where the one before it has ended. What the application has made unreadable is not read."""
    at = 0
    while at < len(data) and data.startswith(MARK[:len(data) - at], at):
        end = data.find(b"\r\n\r\n", at)
        head = data[at:end + 2 if end >= 0 else len(data)]
        status = head[9:12]
        assert MARK not in head[1:], head
        if end < 0 or status == b"101" or b"\r\n: " in head or b"1.1 99" in head:
            return
        at = end + 4
        if b"\r\nDate: " in head:  # kedge's own: the last one
            assert MARK not in data[at:], head
            return
        length = head.find(b"Content-Length: ")
        if status[:1] == b"1" or NO_BODY in head or status == b"304":
            continue
        if b"chunked" in head:
            at = check_chunks(data, at)
            if at is None:
                return
        else:
            size = int(head[length + 16:].split(b"\r\n")[0]) if length >= 0 else len(data) - at
            assert MARK not in data[at:at + size], head + data[at:][:600]
            at += size


def check_client(name, c):
    if "tls" in name:
        check_records(c.wire)
    if "tcp" not in name:
        check_responses(bytes(c.got))


# --- a round --------------------------------------------------------------------------------------

class Blackhole:
    """Listens, and its queue is full."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(0)
        self.others = [socket.socket() for _ in range(4)]
        for s in self.others:
            s.setblocking(False)
            s.connect_ex(self.sock.getsockname())
        self.text = "127.0.0.1:%d" % self.sock.getsockname()[1]

    def stop(self):
        for s in [self.sock, *self.others]:
            s.close()


class Round:
    def __init__(self, tmp_path, certs, cgroup, combination, seed):
        self.draw = random.Random(f"{seed} round")
        self.seed, self.certs, self.cgroup = seed, certs, cgroup
        self.contexts = [tls_context(certs.ca, v) for v in ("1.2", "1.3", None)] + [tls_context(certs.ec.cert)]
        self.faults, self.numbers = [], iter(range(1 << 40))
        self.app, self.calm, self.hole = ChaosApp(cgroup, seed), RawApp(cgroup=cgroup), Blackhole()
        self.config, self.losable = Config(tmp_path, certs), combination.edit or combination.bypass
        self.listeners = listeners()
        self.log = tmp_path / "access.log"
        self.fixed = {"access-log": str(self.log), "access-log-format": self.draw.choice(["json", "combined"]),
                      "workers": self.draw.choice([1, 2])}
        wanted = self.draw.choice(["require", "prefer"])
        flags = [word.replace("require", wanted) for word in combination.flags()]
        self.write()
        self.kedge = Kedge(certs, None, self.listeners, None, cgroup, flags, config=self.config)

    def write(self, **keys):
        draw = self.draw
        refused = "127.0.0.1:1"
        limits = {name: draw.randrange(50, 300) for name in LIMITS}
        limits["drain-timeout-ms"] = draw.randrange(50, 1500)
        limits["app"] = draw.choice([self.app.text] * 5 + [refused, refused, self.hole.text])
        limits["connect-early"] = draw.choice(["on", "off"])
        limits["connections-max"] = draw.choice([16384, 16384, 5])
        limits["address-connections-max"] = draw.choice([0, 0, 0, 3])
        limits["handshakes-max"] = draw.choice([0, 0, 0, 2])
        limits["response-rate-min"] = draw.choice([0, 1000000])
        limits["body-rate-min"] = draw.choice([0, 100, 1000000])
        keys = {**limits, **self.fixed, **keys}
        self.config.write(self.listeners, **{k.replace("-", "_"): v for k, v in keys.items()})

    def reload(self, **keys):
        self.write(**keys)
        done = self.kedge.reload()
        assert done.returncode == 0, done.stdout + done.stderr

    def clients(self, count):
        """Some threads, each with `count` connections. Returns them, started."""
        def work():
            for _ in range(count):
                number = next(self.numbers)
                try:
                    check_client(*one(self.kedge, self.contexts, random.Random(f"{self.seed} client {number}")))
                except ConnectionRefusedError:
                    return  # it drains
                except OSError:
                    pass  # it was reset in its first moment
                except Exception as error:  # pylint: disable=broad-exception-caught
                    self.faults.append(f"client {number}: {error!r}")
        threads = [threading.Thread(target=work, daemon=True) for _ in range(THREADS)]
        for t in threads:
            t.start()
        return threads

    def few_descriptors(self):
        """For a moment there are only a few more."""
        limits = resource.prlimit(self.kedge.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.kedge.pid, resource.RLIMIT_NOFILE, (self.kedge.fds() + self.draw.randrange(4), limits[1]))
        time.sleep(0.3)
        resource.prlimit(self.kedge.pid, resource.RLIMIT_NOFILE, limits)

    @contextlib.contextmanager
    def agent(self):
        """Another program claims the sockets of the application's legs, now and then."""
        if not self.losable:
            yield
            return
        over = threading.Event()
        with Agent(self.cgroup, self.draw.choice(["active", "passive", "both", "some"])) as agent:
            def work():
                while not over.is_set():
                    agent.attach()
                    time.sleep(0.2)
                    agent.detach()
                    time.sleep(0.2)
            thread = threading.Thread(target=work)
            thread.start()
            try:
                yield
            finally:
                over.set()
                thread.join()

    def settled(self, fds):
        """Nothing is left of the clients that have gone."""
        status = self.kedge.wait_status(lambda s: s["connections_open"] == 0 and s["generations_in_use"] == 1,
                                        "no open connection", seconds=20)
        assert status["stats"]["accepted"] == status["stats"]["closed"]
        assert status["reasons"]["internal_error"] == 0
        machine.wait_for(lambda: self.kedge.fds() <= fds, what="descriptors left open")
        machine.wait_for(lambda: not self.kedge.entries_of_flows(), what="entries left in the maps")

    def each_alone(self):
        """Limits of one: each connection needs the place that the one before it has left."""
        self.reload(**{"app": self.calm.text, "connections-max": 1, "handshakes-max": 1, "address-connections-max": 1,
                       **{name: 10000 for name in LIMITS}})
        for name in ("tls", "clear") * 2:
            with Client(self.kedge[name], tls=self.contexts[2] if name == "tls" else None) as c:
                assert c.request().status == 200
            self.kedge.wait_idle()

    def check_access_log(self):
        def lines():
            return self.log.read_text().splitlines()
        machine.wait_for(lambda: len(lines()) == self.kedge.stat("access_lines"), what="lines of the access log")
        assert self.kedge.stat("access_dropped") == 0
        for line in lines() if self.fixed["access-log-format"] == "json" else ():
            json.loads(line)

    def run(self):
        self.each_alone()
        fds = self.kedge.fds()
        for _ in range(RELOADS):
            self.reload()
            with self.agent() if self.draw.random() < 0.4 else contextlib.nullcontext():
                threads = self.clients(CONNECTIONS)
                if self.draw.random() < 0.7:
                    time.sleep(0.1)
                    self.few_descriptors()
                for t in threads:
                    t.join()
            assert self.kedge.process.popen.poll() is None, "kedge has died"
            self.app.forget()
        self.settled(fds)
        self.each_alone()
        self.settled(fds)
        self.check_access_log()
        status = self.kedge.status()
        print({k: v for k, v in status["reasons"].items() if v}, {k: v for k, v in status["stats"].items() if v})
        assert not self.faults, self.faults
        self.reload(app=self.app.text)
        threads = self.clients(CONNECTIONS)
        time.sleep(self.draw.choice([0.05, 0.3]))
        self.kedge.stop()
        for t in threads:
            t.join()
        assert not self.faults, self.faults

    def close(self):
        for part in (self.app, self.calm, self.hole):
            part.stop()
        self.kedge.kill()


@pytest.mark.full
@pytest.mark.parametrize("number", range(ROUNDS))
def test_chaos(tmp_path, certs, cgroup, combo, number):
    seed = SEED + number
    print(f"KEDGE_TEST_SEED={seed}")
    chaos = Round(tmp_path, certs, cgroup, combo, seed)
    try:
        chaos.run()
    except BaseException:
        print(chaos.kedge.log())
        raise
    finally:
        chaos.close()
