# SPDX-License-Identifier: BSD-2-Clause
"""Unix sockets: the application's and the listeners'. What is seen, what is refused, and what happens to files."""
import contextlib
import os
import re
import signal
import socket
import stat
import threading
from pathlib import Path

import pytest

import machine
import prefix
from client import Client, request
from kedge import BINARY, SANITIZER_OPTIONS, Config, Kedge, Listener
from pattern import pattern
from process import Process
from rawapp import RawApp, answer
from run import curl, run
from story import Balancer

NODE = """
require('http').createServer((req, res) => res.end(JSON.stringify(req.rawHeaders)))
    .listen(process.argv[1], () => console.log('listens'));
"""


@pytest.fixture
def paths(tmp_path):
    """Names for sockets; short ones, since sun_path ends at 107 bytes."""
    return lambda name: f"{tmp_path}/{name}"


def unix_listeners(paths):
    return [Listener("tls", addr=f"unix:{paths('tls.sock')}"),
            Listener("clear", tls=False, addr=f"unix:{paths('clear.sock')}"),
            Listener("tcp", tls=False)]


def last(app):
    return [req for conn in app.connections for req in conn.requests][-1]


def mode_of(path):
    st = os.stat(path)
    assert stat.S_ISSOCK(st.st_mode)
    return stat.S_IMODE(st.st_mode)


# --- what is seen ----------------------------------------------------------------------------------
def test_both_legs(paths, certs, tls):
    """Nobody knows a client of a unix socket. An application behind one is edited for by kedge itself."""
    with RawApp(path=paths("app.sock")) as app, \
            Kedge(certs, app.text, unix_listeners(paths), flags=["--x-forwarded-port", "on", "--x-real-ip", "on",
                                                                 "--access-log", "stdout"]) as kedge:
        assert mode_of(paths("tls.sock")) == mode_of(paths("clear.sock")) == 0o660
        for name, context, xff, port in (("tls", tls, "unknown", []), ("clear", None, "unknown", []),
                                         ("tcp", None, "127.0.0.1", [str(kedge["tcp"][1])])):
            with Client(kedge[name], tls=context) as c:
                assert c.request(fields=[("X-Forwarded-Port", "1")]).status == 200
                assert c.request(method="POST", body=b"x" * 100000).status == 200
            seen = last(app)
            assert (seen.xff, seen.values("X-Real-IP"), seen.values("X-Forwarded-Port")) == (xff, [xff], port)
        kedge.wait_idle()
        status = kedge.status()
        assert status["edit"] == "user" and status["bypass"] == status["peername"] == "off"
        stats = status["stats"]
        assert (stats["flows"], stats["flows_edit_user"], stats["flows_edit_kernel"]) == (3, 3, 0)
        assert stats["flows_record_user"] == 1 and not status["capability_losses"]
        assert {x["listener"] for x in status["listeners"]} >= {f"unix:{paths('tls.sock')}"}
        assert kedge.process.matches(r"edit user space \(the application is on a unix socket") or \
            kedge.process.matches(r"edit user space \(switched off\)")
        machine.wait_for(lambda: kedge.process.matches(r'^- - - \[.*"GET / HTTP/1.1" 200'), what="a line of the log")
    assert not Path(paths("tls.sock")).exists() and not Path(paths("clear.sock")).exists()


def test_abstract_names(certs):
    """They have no file, and everybody on this host may connect."""
    at = f"@kedge test {os.getpid()}"
    with RawApp(path=f"{at} app") as app, \
            Kedge(certs, app.text, [Listener("clear", tls=False, addr=f"unix:{at}")], wait=False) as kedge:
        kedge.process.wait_line("kedge: info: ready", seconds=60)
        with Client(at) as c:
            assert c.request().status == 200
        assert last(app).xff == "unknown"


def test_node_and_curl(paths, certs):
    """A real application on its socket, a real client of ours."""
    node = Process(["node", "-e", NODE, paths("node.sock")], name="node")
    try:
        node.wait_line("listens", seconds=30)
        with Kedge(certs, f"unix:{paths('node.sock')}", unix_listeners(paths)) as kedge:
            for name, scheme in (("tls", "https"), ("clear", "http")):
                done = curl("--cacert", certs.ca, "--unix-socket", kedge[name], f"{scheme}://localhost/")
                assert '"X-Forwarded-For","unknown"' in done.stdout, done
                assert f'"X-Forwarded-Proto","{scheme}"' in done.stdout
    finally:
        node.stop()


def test_nginx(paths, certs):
    """nginx behind us on a socket, with a response larger than its buffer."""
    base = Path(paths("nginx"))
    base.mkdir()
    (base / "large").write_bytes(pattern(3 << 20))
    (base / "conf").write_text(f"""
daemon off;
error_log stderr;
pid {base}/pid;
user root;
events {{}}
http {{
	access_log off;
	server {{ listen unix:{base}/sock; root {base}; location = /ip {{ return 200 $http_x_forwarded_for; }} }}
}}
""")
    nginx = Process(["/usr/sbin/nginx", "-p", base, "-c", base / "conf"], name="nginx")
    try:
        machine.wait_for((base / "sock").exists, what="nginx")
        with Kedge(certs, f"unix:{base}/sock", unix_listeners(paths)) as kedge:
            done = curl("--cacert", certs.ca, "--unix-socket", kedge["tls"], "https://localhost/ip")
            assert done.stdout == "unknown", done
            run("curl", "-sS", "--max-time", 60, "-o", base / "got", f"http://127.0.0.1:{kedge['tcp'][1]}/large")
            assert (base / "got").read_bytes() == pattern(3 << 20)
    finally:
        nginx.stop()


@pytest.mark.parametrize("splice", [False, True])
def test_large_bodies(paths, certs, tls, splice):
    """Both directions, at both kinds of listener; a splice to and from a unix socket is one too."""
    size = 8 << 20
    listeners = unix_listeners(paths)
    for listener in listeners:
        listener.splice = splice

    def respond(_conn, req):
        return answer(body=pattern(size) if req.method == "GET" else str(req.body == pattern(size)).encode())
    with RawApp(respond, path=paths("app.sock")) as app, Kedge(certs, app.text, listeners) as kedge:
        for name, context in (("tls", tls), ("clear", None), ("tcp", None)):
            with Client(kedge[name], tls=context, timeout=60) as c:
                assert c.request().body == pattern(size)
                assert c.request("PUT", body=pattern(size)).body == b"True"
        if splice:
            assert kedge.stat("flows_splice") == 2 and kedge.stat("splice_down_bytes") > size


# --- PROXY prefixes --------------------------------------------------------------------------------
def test_a_prefix_names_the_client(paths, certs, tls):
    """Whoever may open the socket may send one; without one, or with one that names nobody, it is unknown."""
    listeners = [Listener("require", addr=f"unix:{paths('r')}", proxy="require"),
                 Listener("optional", addr=f"unix:{paths('o')}", proxy="optional")]
    with RawApp() as app, Kedge(certs, app.text, listeners) as kedge:
        for name, sent, xff in (("require", prefix.v2(src="198.51.100.22"), "198.51.100.22"),
                                ("require", prefix.v1(src="2001:db8::22", dst="2001:db8::1"), "2001:db8::22"),
                                ("require", prefix.v1_unknown(), "unknown"),
                                ("require", prefix.v2(command=prefix.LOCAL), "unknown"),
                                ("optional", prefix.v1(), "198.51.100.22"),
                                ("optional", b"", "unknown")):
            with Client(kedge[name], sent, tls=tls) as c:
                assert c.request().status == 200
            assert last(app).xff == xff
        with pytest.raises((ConnectionError, EOFError)), Client(kedge["require"], tls=tls) as c:
            c.request()
        kedge.wait_reason("prefix_missing")


def test_haproxy_sends_prefixes_to_a_socket(paths, certs, tls):
    """The balancer on this host: send-proxy-v2 over a unix socket, TLS behind it."""
    listeners = [Listener("tls", addr=f"unix:{paths('tls.sock')}", proxy="require")]
    with RawApp(path=paths("app.sock")) as app, Kedge(certs, app.text, listeners) as kedge:
        balancer = Balancer(kedge["tls"], "send-proxy-v2")
        try:
            with Client(balancer.address, tls=tls, source="127.0.0.9") as c:
                assert c.request().status == 200
                assert c.request().status == 200
            assert last(app).xff == "127.0.0.9"
        finally:
            balancer.stop()


# --- the application's queue -----------------------------------------------------------------------
def test_a_full_queue_is_waited_for(paths, certs):
    """connect(2) gives EAGAIN, and no event tells when there is room. Nobody is refused for that."""
    clients = 12
    with RawApp(path=paths("app.sock"), backlog=0, accepting=False) as app, \
            Kedge(certs, app.text, unix_listeners(paths), flags=["--connect-timeout-ms", "60000"]) as kedge, \
            contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(Client(kedge["tcp"], timeout=60)) for _ in range(clients)]
        for c in waiting:
            c.send(request())
        kedge.wait_status(lambda s: s["connections_open"] == clients, "all of them accepted")
        threading.Thread(target=app._accept, daemon=True).start()
        for c in waiting:
            assert c.response().status == 200
        assert sum(kedge.status()["reasons"].values()) == 0


def test_a_queue_that_stays_full(paths, certs):
    with RawApp(path=paths("app.sock"), backlog=0, accepting=False) as app, \
            Kedge(certs, app.text, unix_listeners(paths), flags=["--connect-timeout-ms", "300"]) as kedge, \
            Client(kedge["tcp"]) as first, Client(kedge["tcp"]) as second:
        first.send(request())
        kedge.wait_status(lambda s: s["stats"]["flows"] == 1, "the one that fits")
        assert second.request().status == 504
        kedge.wait_reason("app_timeout")
        app.sock.close()


def test_no_application(paths, certs):
    with Kedge(certs, f"unix:{paths('none')}", unix_listeners(paths)) as kedge:
        with Client(kedge["tcp"]) as c:
            assert c.request().status == 502
        kedge.wait_reason("app_refused")
        # One that comes later is found, also at a path that another one has left.
        for _ in range(2):
            with RawApp(path=paths("none")), Client(kedge["tcp"]) as c:
                assert c.request().status == 200
            os.unlink(paths("none"))


# --- files -----------------------------------------------------------------------------------------
def test_the_socket_of_a_killed_kedge_is_replaced(paths, certs):
    listeners = unix_listeners(paths)
    with RawApp() as app:
        first = Kedge(certs, app.text, listeners)
        busy = run(BINARY, "run", "--app", app.text, "--control", "off", "--pin", "off", "--edit", "off",
                   "--tls", "off", "--listen", f"unix:{paths('clear.sock')}")
        assert busy.returncode == 1 and "another process listens there" in busy.stderr
        first.process.popen.send_signal(signal.SIGKILL)
        first.process.wait()
        first.kill()
        assert Path(paths("clear.sock")).is_socket()
        with Kedge(certs, app.text, listeners) as kedge, Client(kedge["clear"]) as c:
            assert c.request().status == 200


def test_another_file_is_left_alone(paths, certs):
    Path(paths("clear.sock")).write_text("precious")
    with RawApp() as app:
        done = run(BINARY, "run", "--app", app.text, "--control", "off", "--pin", "off", "--edit", "off",
                   "--tls", "off", "--listen", f"unix:{paths('clear.sock')}")
    assert done.returncode == 2
    assert "there is a file that is no socket" in done.stderr
    assert Path(paths("clear.sock")).read_text() == "precious"


def test_a_successor_may_take_the_path_while_we_drain(paths, certs):
    """The file goes when the drain begins. What the next kedge puts there is not ours any more."""
    listeners = [Listener("clear", tls=False, addr=f"unix:{paths('k.sock')}")]
    with RawApp() as app:
        first = Kedge(certs, app.text, listeners)
        with Client(first["clear"]) as c:
            c.send(b"GET / HTTP/1.1\r\n")
            machine.wait_for(lambda: first.stat("bytes_up"), what="its first line")
            first.process.popen.send_signal(signal.SIGTERM)
            machine.wait_for(lambda: not Path(paths("k.sock")).exists(), what="the file is gone")
            with Kedge(certs, app.text, listeners) as second:
                c.send(b"Host: a\r\n\r\n")
                assert c.response().status == 200
                assert first.process.wait() == 0
                first.kill()
                with Client(second["clear"]) as other:
                    assert other.request().status == 200


def test_a_user_of_its_own(paths, certs, nobody, tmp_path):
    """The file belongs to the user that kedge becomes; an application that it may not open is warned of."""
    binary, _ = nobody
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    config = Config(tmp_path, certs)
    listeners = [Listener("clear", tls=False, addr=f"unix:{paths('k.sock')}")]
    with RawApp(path=paths("app.sock")) as app:
        os.chmod(app.address, 0o600)
        config.write(listeners, app=app.text, user="nobody", socket_mode="0600", control="off")
        process = Process([binary, "run", "-c", config.path, "--edit", "off", "--pin", "off"],
                          env={**os.environ, **SANITIZER_OPTIONS}, name="kedge")
        try:
            process.wait_line("kedge: info: ready", seconds=60)
            assert process.matches(r"warning: application unix:\S+: user nobody may not connect: requests get 502: it is "
                                   r"\S+ mode 0\d+, and kedge runs as nobody:\S+: chgrp")
            assert os.stat(paths("k.sock")).st_uid == 65534 and mode_of(paths("k.sock")) == 0o600
            with Client(paths("k.sock")) as c:
                assert c.request().status == 502
            os.chmod(app.address, 0o666)
            with Client(paths("k.sock")) as c:
                assert c.request().status == 200
        finally:
            assert process.stop() == 0
        # Not its directory: so the file stays, and that is said.
        assert process.matches("socket file .* stays behind")


def test_a_manager_passes_a_socket(paths, tmp_path):
    """It is found by its path, and its file stays the manager's."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(paths("m.sock"))
    sock.listen(16)
    listen = 'exec 3<&"$0"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
    with RawApp() as app, Client(paths("m.sock")) as waiting:
        process = Process(["bash", "-c", listen, sock.fileno(), BINARY, "run", "--app", app.text, "--edit", "off",
                           "--pin", "off", "--control", tmp_path / "control", "--workers", "3", "--tls", "off",
                           "--listen", f"unix:{paths('m.sock')}"],
                          env={**os.environ, **SANITIZER_OPTIONS}, name="kedge", pass_fds=[sock.fileno()])
        try:
            process.wait_line("kedge: info: ready", seconds=60)
            assert process.matches("passed by the service manager")
            assert waiting.request().status == 200
            for _ in range(10):
                with Client(paths("m.sock")) as c:
                    assert c.request().status == 200
        finally:
            assert process.stop() == 0
    assert Path(paths("m.sock")).is_socket()
    sock.close()


# --- what cannot be had ----------------------------------------------------------------------------
@pytest.mark.parametrize("option", ["edit", "bypass", "peername"])
def test_require_is_refused(paths, option):
    for command in ("check", "run"):
        done = run(BINARY, command, "--listen", ":1", "--tls", "off", "--app", "unix:/run/app.sock", f"--{option}",
                   "require")
        assert done.returncode == 2
        assert re.search(rf"--{option}: required, but BPF does not see a unix socket, and app is unix:/run/app.sock: "
                         "set prefer or off, or let the application listen at ADDR:PORT", done.stderr)


def test_check_says_what_it_is():
    done = run(BINARY, "check", "--listen", "unix:/run/k.sock", "--tls", "off", "--app", "unix:@app")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("options: ok: 1 listener (unix:/run/k.sock), app unix:@app, ")


# --- reload ----------------------------------------------------------------------------------------
class Load:
    """Clients that come one after the other, to whichever address takes them. A request must never be lost."""

    def __init__(self, addresses, threads=4):
        self.addresses, self.done, self.faults = addresses, 0, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def connect(self):
        for _ in range(100):
            for address in self.addresses:
                with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
                    return Client(address)
        raise AssertionError("nobody listens")

    def run(self):
        try:
            while not self.over.is_set():
                with self.connect() as c:
                    for _ in range(3):
                        assert c.request().status == 200
                self.done += 1
        except Exception as error:  # pylint: disable=broad-except
            self.faults.append(error)

    def more(self, count=20):
        until = self.done + count
        machine.wait_for(lambda: self.done >= until or self.faults, what="more clients")
        assert not self.faults, self.faults

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def reload(kedge, config, listeners, **keys):
    config.write(listeners, **keys)
    done = kedge.reload()
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_application_moves_under_load(paths, certs, tmp_path):
    """From TCP to a unix socket and back."""
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    with RawApp() as tcp, RawApp(path=paths("app.sock")) as unix:
        config.write(listeners, app=tcp.text)
        with Kedge(certs, None, listeners, config=config) as kedge, Load([kedge["clear"]]) as load:
            for _ in range(4):
                assert f"app: {tcp.text} -> {unix.text}" in reload(kedge, config, listeners, app=unix.text)
                unix.forget()
                load.more()
                assert len(unix.connections) >= 10 and kedge.status()["edit"] == "user"
                assert f"app: {unix.text} -> {tcp.text}" in reload(kedge, config, listeners, app=tcp.text)
                tcp.forget()
                load.more()
                assert len(tcp.connections) >= 10
            assert kedge.process.matches("a unix socket, which BPF does not see")
            load.over.set()
        assert not load.faults, load.faults


def test_a_listener_stays_or_moves_under_load(paths, certs, tmp_path):
    """A path that stays keeps its socket. One that goes loses its file, and nobody who was let in."""
    config = Config(tmp_path, certs)
    a, b = (Listener(name, tls=False, addr=f"unix:{paths(name)}") for name in "ab")
    with RawApp() as app:
        config.write([a], app=app.text, workers=3)
        with Kedge(certs, None, [a], config=config) as kedge, Load([paths("a"), paths("b")]) as load:
            inode = os.stat(paths("a")).st_ino
            for _ in range(3):
                reload(kedge, config, [a], app=app.text, workers=3, idle_timeout_ms=60000)
                load.more()
                assert os.stat(paths("a")).st_ino == inode
            for _ in range(4):
                reload(kedge, config, [b], app=app.text, workers=3)
                assert not Path(paths("a")).exists() and mode_of(paths("b")) == 0o660
                load.more()
                reload(kedge, config, [a, b], app=app.text, workers=3)
                load.more()
                reload(kedge, config, [a], app=app.text, workers=3)
                assert not Path(paths("b")).exists()
                load.more()
        assert not load.faults, load.faults


def test_a_refused_reload_leaves_no_file(paths, certs, tmp_path):
    """Policies stay until a restart, so they still count; and a second listener fails behind the first."""
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    new = Listener("new", tls=False, addr=f"unix:{paths('new')}")
    bad = Listener("bad", tls=False, addr="unix:/nonexistent/sock")
    with RawApp() as app:
        config.write(listeners, app=app.text, bypass="off")
        with Kedge(certs, None, listeners, config=config) as kedge:
            config.write([*listeners, new, bad], app=app.text, bypass="off")
            done = kedge.reload()
            assert done.returncode == 1 and "its directory must exist" in done.stderr
            assert not Path(paths("new")).exists()
            with Client(kedge["clear"]) as c:
                assert c.request().status == 200


def test_a_reload_to_what_cannot_be_had(paths, certs, tmp_path, cgroup, most):
    if not most.edit:
        pytest.skip("no edit in this kernel")
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    with RawApp(cgroup=cgroup) as app:
        config.write(listeners, app=app.text, edit="require")
        with Kedge(certs, None, listeners, config=config, cgroup=cgroup) as kedge:
            config.write(listeners, app=f"unix:{paths('app')}", edit="prefer")
            done = kedge.reload()
            assert done.returncode == 1
            assert "edit: required, but BPF does not see a unix socket" in done.stderr
            with Client(kedge["clear"]) as c:
                assert c.request().status == 200
            assert kedge.status()["generation"] == 1
