# SPDX-License-Identifier: BSD-2-Clause
"""kedge reload and SIGHUP: what changes, what stays, and that clients do not notice."""
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

import machine
import prefix
from client import Client, request, tls_context
from kedge import BINARY, Config, Kedge, Listener
from rawapp import RawApp
from run import run


class Running:
    """A kedge with a configuration file, and two applications for it to name."""

    def __init__(self, tmp_path, certs, cgroup, combination, flags=(), listeners=None, **keys):
        self.first, self.second = RawApp(cgroup=cgroup), RawApp(cgroup=cgroup)
        self.listeners = listeners or [Listener("tls"), Listener("clear", tls=False)]
        self.config = Config(tmp_path, certs)
        self.keys = {"app": self.first.text, **keys}
        self.write()
        self.kedge = Kedge(certs, None, self.listeners, combination, cgroup, flags,
                           config=self.config)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.kedge.__exit__(*args)
        self.first.stop()
        self.second.stop()

    def write(self, listeners=None, **keys):
        self.keys.update(keys)
        self.config.write(listeners or self.listeners, **self.keys)

    def reload(self, listeners=None, **keys):
        """Writes the file and reloads, which must succeed. Returns the lines of the answer."""
        self.write(listeners, **keys)
        done = self.kedge.reload()
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def clear(self, **kwargs):
        return Client(self.kedge["clear"], **kwargs)


@pytest.fixture
def running(tmp_path, certs, cgroup, most):
    with Running(tmp_path, certs, cgroup, most) as r:
        yield r


def xff(app):
    """X-Forwarded-For of the last request on the newest connection that has one."""
    return [req for conn in app.connections for req in conn.requests][-1].xff


def sockets_of(port):
    """Inodes of the sockets that listen on a port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}


def certificate(kedge, name="tls"):
    with Client(kedge[name], tls=tls_context()) as c:
        return c.tls.getpeercert(binary_form=True)


def test_application(running, tls):
    """Open connections keep their application, new ones go to the new one."""
    with Client(running.kedge["tls"], tls=tls) as old, running.clear() as old_clear:
        assert old.request().status == old_clear.request().status == 200
        said = running.reload(app=running.second.text)
        assert said == [f"app: {running.first.text} -> {running.second.text}",
                        "reloaded (configuration 2)"]
        assert old.request().status == old_clear.request().status == 200
        assert running.second.connections == []
        with running.clear() as new:
            assert new.request().status == 200
        assert len(running.second.connections) == 1 and len(running.first.connections) == 2
        running.kedge.wait_status(lambda s: s["generations_in_use"] == 2)
    running.kedge.wait_status(lambda s: s["generations_in_use"] == 1, "the old one released")


def test_nothing_changed(running):
    assert running.reload() == ["reloaded, no changes (configuration 2)"]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_certificates(tmp_path, certs, cgroup, most, version):
    """
    The same file names with other contents. Sessions survive a reload, but not a change of the certificates
    that they began with: the old ones may have been replaced because their key was stolen.
    """
    tls = tls_context(certs.ca, version)
    leaf, other = certs.leaf(tmp_path, "one", "*.one.test", "ec", "-pkeyopt",
                             "ec_paramgen_curve:P-256"), certs.rsa
    listeners = [Listener("tls", leaves=[leaf]), Listener("clear", tls=False)]
    with Running(tmp_path, certs, cgroup, most, listeners=listeners) as r:
        before = certificate(r.kedge)
        with Client(r.kedge["tls"], tls=tls) as old:
            assert old.request().status == 200
            session = old.tls.session
            r.reload()
            with Client(r.kedge["tls"], tls=tls, session=session) as c:
                assert c.request().status == 200
                assert c.tls.session_reused
                session = c.tls.session
            leaf.cert.write_bytes(other.cert.read_bytes())
            leaf.key.write_bytes(other.key.read_bytes())
            assert certificate(r.kedge) == before
            said = r.reload()
            assert said[0] == "listener 127.0.0.1:0: new certificates", said
            assert certificate(r.kedge) == ssl.PEM_cert_to_DER_cert(other.cert.read_text())
            assert old.request().status == 200
        with Client(r.kedge["tls"], tls=tls, session=session) as c:
            assert c.request().status == 200
            assert not c.tls.session_reused
        # A key that does not fit: refused, and the pair in force stays.
        leaf.key.write_bytes(certs.ec.key.read_bytes())
        done = r.kedge.reload()
        assert done.returncode == 1 and "does not belong" in done.stderr
        assert certificate(r.kedge) == ssl.PEM_cert_to_DER_cert(other.cert.read_text())


def test_listeners_come_and_go(running, tls):
    more = [*running.listeners, Listener("more", tls=False, proxy="require")]
    running.reload(more)
    address = running.kedge.wait_bound(3)[2]
    with Client(address, prefix.v1()) as kept, Client(address, prefix.v1()) as silent:
        assert kept.request().status == 200
        assert xff(running.first) == "198.51.100.22"
        inodes = [sockets_of(running.kedge[name][1]) for name in ("tls", "clear")]
        said = running.reload(running.listeners)
        assert said[0] == "listener 127.0.0.1:0: removed", said
        assert machine.refused(address)
        # A connection of the listener that was removed goes on.
        assert kept.request().status == silent.request().status == 200
        assert inodes == [sockets_of(running.kedge[name][1]) for name in ("tls", "clear")]
    with Client(running.kedge["tls"], tls=tls) as c:
        assert c.request().status == 200


def test_who_waits_at_a_listener_that_goes(running):
    """Clients that connected before and were not accepted, or not read, are served."""
    more = [*running.listeners, Listener("more", tls=False)]
    running.reload(more)
    address = running.kedge.wait_bound(3)[2]
    waiting = [Client(address) for _ in range(30)]
    running.reload(running.listeners)
    assert [c.request().status for c in waiting] == [200] * 30
    for c in waiting:
        c.close()


def test_a_listener_changes(running, tls):
    """tls, proxy-protocol and trust change for the same socket."""
    port = running.kedge["clear"][1]
    inodes = sockets_of(port)
    with running.clear() as old:
        assert old.request().status == 200
        said = running.reload([running.listeners[0], Listener("clear", proxy="require",
                                                              trust=["127.0.0.0/8"])])
        assert [line.split(": ", 1)[1] for line in said[:3]] == [
            "tls: off -> on", "proxy-protocol: off -> require", "trust: everybody -> 127.0.0.0/8"]
        assert old.request().status == 200
    assert sockets_of(port) == inodes
    with Client(running.kedge["clear"], prefix.v2(), tls) as c:
        assert c.request().status == 200
    assert xff(running.first) == "198.51.100.22"
    running.reload([running.listeners[0], Listener("clear", proxy="require",
                                                   trust=["192.0.2.0/24"])])
    before = running.kedge.reason("prefix_forbidden")
    with pytest.raises((ConnectionError, ssl.SSLError)):
        Client(running.kedge["clear"], prefix.v2(), tls)
    running.kedge.wait_reason("prefix_forbidden", before + 1)


def test_header_modes_and_limits(running):
    with running.clear() as old:
        running.reload(xff="replace", x_forwarded_proto="on", head_timeout_ms=300,
                       idle_timeout_ms=60000, connections_max=1000, log_level="debug")
        old.request(fields=[("X-Forwarded-For", "192.0.2.9")])
        assert xff(running.first) == "192.0.2.9, 127.0.0.1"
        with running.clear() as new:
            new.request(fields=[("X-Forwarded-For", "192.0.2.9")])
            req = running.first.connection(1).requests[-1]
            assert (req.xff, req.values("X-Forwarded-Proto")) == ("127.0.0.1", ["http"])
            new.send(b"GET / HTTP/1.1\r\n")
            assert new.response().status == 408
        old.send(b"GET / HTTP/1.1\r\n")
        running.kedge.wait_reason("head_timeout")
        old.send(b"Host: a\r\n\r\n")
        assert old.response().status == 200


def test_size_of_a_head(running):
    """Connections keep the limit that they were accepted with."""
    def head(size):
        begin, end = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: ", b"\r\n\r\n"
        return begin + b"v" * (size - len(begin + end)) + end

    def status(client, size):
        client.send(head(size))
        return client.response().status

    with running.clear() as old, running.clear() as over:
        assert status(old, 32768) == status(over, 32768) == 200
        assert "head-bytes-max: 32768 -> 65536" in running.reload(head_bytes_max=65536)
        assert status(over, 32769) == 431
        with running.clear() as new, running.clear() as last:
            assert status(new, 65536) == status(old, 32768) == 200
            assert status(last, 65537) == 431
    running.reload(head_bytes_max=8192)
    with running.clear() as new:
        assert status(new, 8192) == 200
        assert status(new, 8193) == 431


def test_what_needs_a_restart(running):
    said = running.reload(workers=7, xff="never")
    assert "xff: append -> never" in said
    assert any(line.startswith("needs a restart: workers: ") and line.endswith("-> 7")
               for line in said), said
    assert running.kedge.status()["workers"] != 7
    with running.clear() as c:
        c.request()
    assert xff(running.first) is None


def test_more_connections_than_the_maps_have_room_for(running):
    said = running.reload(connections_max=20000)
    in_bpf = running.kedge.status()["edit"] == "kernel"
    assert said[0].startswith("needs a restart: " if in_bpf else "connections-max: 16384 -> 20000")


def test_flags_win_over_the_file(tmp_path, certs, cgroup, most):
    with Running(tmp_path, certs, cgroup, most, flags=["--xff", "replace"]) as r:
        assert r.reload(xff="never") == ["reloaded, no changes (configuration 2)"]
        with r.clear() as c:
            c.request()
        assert xff(r.first) == "127.0.0.1"


def test_json(running):
    running.write(xff="never")
    answer = json.loads(running.kedge.reload("--json").stdout)
    assert answer == {"ok": True, "generation": 2, "changed": ["xff: append -> never"],
                      "restart": [], "lines": []}
    assert running.kedge.status()["generation"] == 2


def broken_files(running):
    text = running.config.path.read_text()
    yield "value", text.replace("app:", "xff: perhaps\napp:", 1)
    yield "several", "colour: 1\n" + text.replace("127.0.0.1:0", "nowhere", 1)
    yield "yaml", text + "]"
    yield "certificates", text.replace("-cert.pem", "-lost.pem")


def test_a_file_that_is_wrong_changes_nothing(running, tls):
    """The answer has the lines of kedge check."""
    texts = dict(broken_files(running))
    for name, text in texts.items():
        running.config.path.write_text(text)
        checked = run(BINARY, "check", "-c", running.config.path)
        done = running.kedge.reload()
        # A file that is missing may come yet: it is no mistake.
        assert checked.returncode == (1 if name == "certificates" else 2) and done.returncode == 1, name
        assert checked.stderr and done.stderr.startswith(checked.stderr), name
        answer = json.loads(running.kedge.reload("--json").stdout)
        assert not answer["ok"] and answer["changed"] == answer["restart"] == []
    assert running.kedge.status()["generation"] == 1
    with Client(running.kedge["tls"], tls=tls) as c:
        assert c.request().status == 200
    assert xff(running.first) == "127.0.0.1"


def test_the_journal_has_one_copy(running, tmp_path):
    """ExecReload=kedge reload: its standard error is the journal, which has kedge's own log, too."""
    running.config.path.write_text(running.config.path.read_text() + "colour: 1\n")
    path = tmp_path / "journal"
    for ours, said in ((True, "kedge: error: reload refused: the log of kedge says why\n"), (False, "colour: unknown key")):
        with path.open("w") as journal:
            st = os.fstat(journal.fileno())
            stream = f"{st.st_dev}:{st.st_ino}" if ours else "1:1"
            done = subprocess.run([BINARY, "reload", "--control", running.kedge.control], stderr=journal,
                                  env={**os.environ, "JOURNAL_STREAM": stream}, check=False)
        assert done.returncode == 1
        assert path.read_text() == said if ours else said in path.read_text(), path.read_text()


def shown(running):
    return run(BINARY, "status", "--control", running.kedge.control).stdout


def test_a_restart_that_is_due_is_shown(running, tmp_path):
    """Until kedge is started again, or the file is as it was."""
    assert "restart pending" not in shown(running)
    before = running.config.path.read_text()
    running.config.path.write_text(before + f"metrics: 127.0.0.1:0\naccess-log: {tmp_path}/log\n")
    done = running.kedge.reload()
    assert done.returncode == 0 and done.stdout.count("needs a restart: ") == 2, done.stdout
    assert "\nrestart pending: access-log, metrics\n" in shown(running)
    assert [text.split(":")[0] for text in running.kedge.status()["restart_pending"]] == ["access-log", "metrics"]
    running.config.path.write_text(before)
    assert running.kedge.reload().returncode == 0
    assert running.kedge.status()["restart_pending"] == []
    assert "restart pending" not in shown(running)


def test_a_file_that_is_gone_changes_nothing(running):
    running.config.path.unlink()
    done = running.kedge.reload()
    assert done.returncode == 1 and "cannot be read" in done.stderr
    with running.clear() as c:
        assert c.request().status == 200


def test_all_or_nothing(running):
    """One of two new listeners cannot be opened: the other one is not opened either, and nothing else changes."""
    fds = running.kedge.fds()
    with RawApp() as occupied, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        spare = free.getsockname()
        free.close()
        running.write([*running.listeners, Listener("free", tls=False, addr="127.0.0.1:%d" % spare[1]),
                       Listener("occupied", tls=False, addr=occupied.text)], xff="never")
        done = running.kedge.reload()
        assert done.returncode == 1 and occupied.text in done.stderr, done.stderr
        assert machine.refused(spare)
    with running.clear() as c:
        c.request()
    assert xff(running.first) == "127.0.0.1"
    running.kedge.wait_idle()
    machine.wait_for(lambda: running.kedge.fds() <= fds, what="descriptors left open")


def test_sighup(running):
    running.write(xff="never")
    running.kedge.process.popen.send_signal(signal.SIGHUP)
    running.kedge.process.wait_line(r"reload: xff: append -> never")
    running.kedge.process.wait_line(r"reload: configuration 2 is in force")
    with running.clear() as c:
        c.request()
    assert xff(running.first) is None
    running.config.path.write_text("app: [\n")
    running.kedge.process.popen.send_signal(signal.SIGHUP)
    running.kedge.process.wait_line(r"error: .*not YAML")
    running.kedge.process.wait_line(r"warning: reload: refused; configuration 2 stays")
    with running.clear() as c:
        assert c.request().status == 200


def test_reload_while_draining_is_refused(running):
    with running.clear() as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
        running.first.connection()
        running.kedge.process.popen.send_signal(signal.SIGTERM)
        running.kedge.process.wait_line("draining")
        done = running.kedge.reload()
        assert done.returncode == 1 and "draining" in done.stderr
        c.send(b"x")
        assert c.response().status == 200
    assert running.kedge.process.wait() == 0


def test_without_a_kedge(tmp_path):
    done = run(BINARY, "reload", "--control", tmp_path / "nobody")
    assert done.returncode == 1 and "nobody" in done.stderr


class Load(threading.Thread):
    """Sends requests on new and on kept connections until told to stop. Every one must be answered."""

    def __init__(self, address, tls, head=b""):
        super().__init__(daemon=True)
        self.address, self.tls, self.head = address, tls, head
        self.stop, self.done, self.fault = threading.Event(), 0, None

    def run(self):
        try:
            while not self.stop.is_set():
                with Client(self.address, self.head, self.tls) as c:
                    for _ in range(20):
                        assert c.request().status == 200
                        self.done += 1
                    c.send(request() * 3)
                    assert [c.response().status for _ in range(3)] == [200] * 3
        except Exception as error:  # pylint: disable=broad-except
            self.fault = error

    def end(self):
        self.stop.set()
        self.join(machine.Deadline(30).left())
        assert self.fault is None, repr(self.fault)
        assert self.done


def test_under_load(tmp_path, certs, cgroup, ends, tls):
    """Twenty reloads in a row that change everything that can change. No request is lost."""
    base = [Listener("tls"), Listener("clear", tls=False), Listener("proxy", proxy="require")]
    with Running(tmp_path, certs, cgroup, ends, listeners=base, workers=2) as r:
        loads = [Load(r.kedge["tls"], tls), Load(r.kedge["clear"], None),
                 Load(r.kedge["proxy"], tls, prefix.v2())]
        for load in loads:
            load.start()
        for n in range(20):
            r.reload([*base, Listener(f"more{n}", tls=False)] if n % 2 else base,
                     app=(r.first, r.second)[n % 2].text, xff=("append", "replace")[n % 2],
                     idle_timeout_ms=60000 + n)
        for load in loads:
            load.end()
        status = r.kedge.wait_idle()
        assert status["generation"] == 21
        r.kedge.wait_status(lambda s: s["generations_in_use"] == 1)
        print(f"{sum(load.done for load in loads)} requests during 20 reloads, reasons "
              f"{ {k: v for k, v in status['reasons'].items() if v} }")
        assert os.path.exists(r.kedge.control)
