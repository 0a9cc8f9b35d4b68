# SPDX-License-Identifier: BSD-2-Clause
"""How connections end, an application that is down or slow, time limits, drain."""
import contextlib
import os
import signal
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path

import pytest

import machine
import prefix
from bpftool import objects
from client import Client, request
from kedge import BINARY, Kedge, Listener
from pattern import pattern
from process import Process
from rawapp import RawApp, answer
from story import Express

ENDS_WELL = {"tls": "close_notify", "clear": "eof"}


def connect(kedge, leg, **kwargs):
    return Client(kedge[leg[0]], tls=leg[1], **kwargs)


def two_listeners():
    return [Listener("tls"), Listener("clear", tls=False), Listener("tls_proxy", proxy="require")]


@pytest.fixture(scope="session")
def started(certs, cgroup):
    """Starts a kedge with flags of the test's own; ends it properly when the test is done."""
    def start(combination, app, *flags):
        return Kedge(certs, app if isinstance(app, str) else app.text, two_listeners(), combination,
                     cgroup, flags)
    return start


# --- ends of connections ----------------------------------------------------------------------
def test_client_ends_first(raw, leg):
    """close_notify and FIN after a request: the answer still comes, then kedge's close_notify and FIN."""
    with connect(raw, leg) as c:
        c.send(request())
        c.half_close()
        assert c.response().status == 200
        assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])
    assert raw.app.wait_ended().ended == "eof"


def test_half_close_before_a_late_answer(raw, leg):
    """The client's end reaches the application at once. The other direction stays open."""
    seen_end = threading.Event()

    def serve(conn):
        while conn.fill():
            pass
        seen_end.set()
        conn.send(answer(body=pattern(200000)))
        conn.close()
    raw.app.serve = serve
    with connect(raw, leg) as c:
        c.send(request())
        c.half_close()
        assert seen_end.wait(machine.Deadline(10).left())
        assert c.response().body == pattern(200000)
        assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])


def test_application_ends_first(raw, leg):
    def respond(conn, req):
        conn.send(answer(body=b"last", fields=[("Connection", "close")]))
        conn.sock.shutdown(socket.SHUT_WR)
    raw.app.respond = respond
    with connect(raw, leg) as c:
        assert c.request().body == b"last"
        assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])
        c.half_close()
    assert raw.app.wait_ended().ended in ("eof", "closed")


def test_close_notify_without_fin_ends_the_request_side(raw, tls):
    with Client(raw["tls"], tls=tls) as c:
        c.send(request())
        c.close_notify()
        assert c.response().status == 200
        assert (c.recv_all(), c.ended) == (b"", "close_notify")


def test_fin_without_close_notify_is_a_truncation_inside_a_request(raw, tls):
    before = raw.reason("client_truncated")
    with Client(raw["tls"], tls=tls) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        conn = raw.app.connection()
        raw.app.wait(lambda: conn.received.endswith(b"half"))
        c.sock.shutdown(socket.SHUT_WR)
        c.recv_all()
    raw.wait_reason("client_truncated", before + 1)
    assert raw.app.wait_ended().requests == []


def test_reset_by_the_client(raw, leg):
    for sent in (b"", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"):
        raw.app.forget()
        c = connect(raw, leg)
        assert c.request().status == 200
        c.send(sent)
        c.reset()
        raw.app.wait_ended()
        raw.wait_idle()


def test_reset_by_the_client_in_an_answer(raw, leg):
    gone = threading.Event()

    def respond(conn, req):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                conn.send(bytes(65536))
        except OSError:
            gone.set()
    raw.app.respond = respond
    c = connect(raw, leg)
    c.send(request())
    c.recv_exactly(100000)
    c.reset()
    assert gone.wait(machine.Deadline(15).left())
    raw.wait_idle()


def test_reset_by_the_application_in_an_answer(raw, leg):
    """A cut answer must not look like a whole one: no close_notify."""
    before = raw.reason("app_reset")

    def respond(conn, req):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbeginning")
        machine.wait_for(arrived.is_set)
        conn.reset()
    arrived = threading.Event()
    raw.app.respond = respond
    with connect(raw, leg) as c:
        c.send(request())
        c.recv_until(b"beginning")
        arrived.set()
        c.recv_all()
        assert c.ended in ("reset", "truncated"), c.ended
    raw.wait_reason("app_reset", before + 1)


def test_application_ends_in_an_answer(raw, leg):
    def respond(conn, req):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbeginning")
        conn.close()
    raw.app.respond = respond
    with connect(raw, leg) as c:
        c.send(request())
        with pytest.raises(EOFError):
            c.response()
        if leg[1]:
            assert c.ended != "close_notify"


def test_application_closes_without_an_answer(raw, leg):
    before = raw.reason("app_gone")

    def respond(conn, req):
        conn.close()
    raw.app.respond = respond
    with connect(raw, leg) as c:
        assert c.request().status == 502
        assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])
    raw.wait_reason("app_gone", before + 1)


def test_application_closes_between_requests(raw, leg):
    """The client does not notice, unless it has asked for the end itself: then it waits for it."""
    def respond(conn, req):
        conn.send(answer())
        conn.close()
    raw.app.respond = respond
    with connect(raw, leg) as c:
        for _ in range(3):
            assert c.request().status == 200
        assert c.request(fields=[("Connection", "close")]).status == 200
        assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])
    with connect(raw, leg) as c:
        c.send(b"GET / HTTP/1.0\r\n\r\n")
        assert c.response().status == 200
        assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])


def test_application_down_is_502(started, ends, leg, cgroup):
    with socket.socket() as reserved:  # bound and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        with started(ends, "127.0.0.1:%d" % reserved.getsockname()[1]) as kedge:
            for _ in range(2):
                with connect(kedge, leg) as c:
                    got = c.request()
                    assert (got.status, got.field("Connection")) == (502, "close")
                    assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])
            kedge.wait_reason("app_refused", 2)


def test_application_that_takes_no_connection_is_504(started, ends, leg, cgroup):
    with RawApp(cgroup=cgroup, backlog=0, accepting=False) as app:
        # Fills the queue until the kernel lets one connection wait.
        waiting = []
        for _ in range(8):
            s = socket.socket()
            s.settimeout(0.2)
            waiting.append(s)
            try:
                s.connect(app.address)
            except TimeoutError:
                break
        else:
            pytest.fail("the queue of the listener does not fill up")
        with started(ends, app, "--connect-timeout-ms", "300") as kedge:
            with connect(kedge, leg) as c:
                assert c.request().status == 504
                assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])
            kedge.wait_reason("app_timeout")
        for s in waiting:
            s.close()


def test_application_comes_back(started, ends, leg, cgroup):
    with socket.socket() as reserved:
        with cgroup.inside():
            server = socket.socket()
        server.bind(("127.0.0.1", 0))
        reserved.close()
        with started(ends, "127.0.0.1:%d" % server.getsockname()[1]) as kedge:
            with connect(kedge, leg) as c:
                assert c.request().status == 502
            server.listen(8)
            c = connect(kedge, leg)
            c.send(request())
            server.settimeout(machine.Deadline(10).left())
            conn, _ = server.accept()
            conn.sendall(answer())
            assert c.response().status == 200
            c.close()
            conn.close()
        server.close()


# --- time limits ------------------------------------------------------------------------------
def test_prefix_limit(started, ends, cgroup):
    with RawApp(cgroup=cgroup) as app, started(ends, app, "--prefix-timeout-ms", "200") as kedge:
        for begin in (b"PROXY TCP4 1.", prefix.v2()[:20]):
            with Client(kedge["tls_proxy"], begin) as c:
                assert c.recv_all() == b""
        kedge.wait_reason("prefix_timeout", 2)
        assert app.connections == []


def test_handshake_limit(started, ends, tls, cgroup):
    with RawApp(cgroup=cgroup) as app, started(ends, app, "--handshake-timeout-ms", "200") as kedge:
        with Client(kedge["tls"], tls=tls, handshake=False) as c:
            c.send_raw(c.client_hello()[:30])
            with contextlib.suppress(ConnectionResetError):
                while c.sock.recv(1000):
                    pass
        kedge.wait_reason("tls_handshake_timeout")
        assert app.connections == []


def test_head_limit(started, ends, leg, cgroup):
    """The time is for the whole head, even if bytes come now and then."""
    with RawApp(cgroup=cgroup) as app, started(ends, app, "--head-timeout-ms", "400") as kedge:
        with connect(kedge, leg) as c:
            assert c.request().status == 200
            c.send(b"GET /slow HTTP/1.1\r\nHost: a\r\nX: ")
            stop = threading.Event()

            def trickle():
                while not stop.wait(0.05):
                    try:
                        c.sock.sendall(c.records(b"x") if c.tls else b"x")
                    except (OSError, ssl.SSLError):
                        return
            if not leg[1]:
                # Two threads cannot share an OpenSSL object; clear text shows the limit as well.
                threading.Thread(target=trickle, daemon=True).start()
            got = c.response()
            stop.set()
            assert (got.status, got.field("Connection")) == (408, "close")
        kedge.wait_reason("head_timeout")
        assert [r.target for r in app.wait_ended().requests] == ["/"]


def test_idle_limit(started, ends, leg, cgroup):
    with RawApp(cgroup=cgroup) as app, started(ends, app, "--idle-timeout-ms", "300") as kedge:
        with connect(kedge, leg) as c:
            assert c.request().status == 200
            assert (c.recv_all(), c.ended) == (b"", ENDS_WELL[leg[0]])
        kedge.wait_reason("idle_timeout")
        app.wait_ended()


def test_idle_limit_spares_a_connection_that_moves(started, ends, leg, cgroup):
    go_on = threading.Event()

    def respond(conn, req):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            go_on.wait(0.25)  # the pace is the test: three times the limit in all
            conn.send(b".")
    with RawApp(respond, cgroup) as app, started(ends, app, "--idle-timeout-ms", "1000") as kedge:
        if machine.PATIENCE > 1:
            pytest.skip("paces are not for a slow machine")
        with connect(kedge, leg) as c:
            assert c.request().body == b"." * 12


def test_client_that_does_not_close_after_our_end(started, ends, leg, cgroup):
    def respond(conn, req):
        conn.send(answer())
        conn.close()
    with RawApp(respond, cgroup) as app, started(ends, app, "--linger-timeout-ms", "200") as kedge:
        with connect(kedge, leg) as c:
            c.request(fields=[("Connection", "close")])
            c.recv_all()
            kedge.wait_idle()


# --- limits, drain ----------------------------------------------------------------------------
def test_connections_limit(started, ends, cgroup):
    with RawApp(cgroup=cgroup) as app, \
            started(ends, app, "--connections-max", "3", "--workers", "1") as kedge:
        kept = [Client(kedge["clear"]) for _ in range(3)]
        assert [c.request().status for c in kept] == [200] * 3
        try:  # the reset may come as early as in connect(2)
            with Client(kedge["clear"]) as c:
                c.send(request())
                assert b" 200 " not in c.recv_all()
        except ConnectionError:
            pass
        kedge.wait_reason("limit_connections")
        kept.pop().close()
        kedge.wait_status(lambda s: s["connections_open"] == 2)
        with Client(kedge["clear"]) as c:
            assert c.request().status == 200
        for c in kept:
            c.close()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_drain_lets_a_running_request_finish(started, combo, leg, cgroup, sig):
    if sig != signal.SIGTERM and leg[0] == "clear":
        pytest.skip("one leg is enough for the second signal")
    with Express(cgroup) as app, started(combo, app) as kedge:
        idle = connect(kedge, leg)
        assert idle.request().status == 200
        running = connect(kedge, leg)
        running.send(request(target="/hold/a"))
        with Client(app.address) as direct:
            assert direct.request(target="/held/a").text == "held\n"
            os.kill(kedge.pid, sig)

            machine.wait_for(lambda: machine.refused(kedge[leg[0]]), what="the listener still takes connections")
            # The idle connection is closed at once, the running one is not.
            assert (idle.recv_all(), idle.ended) == (b"", ENDS_WELL[leg[0]])
            assert kedge.process.popen.poll() is None
            assert direct.request(target="/release/a").status == 200
        assert running.response().text == "released\n"
        assert (running.recv_all(), running.ended) == (b"", ENDS_WELL[leg[0]])
        idle.close()
        running.close()
        assert kedge.process.wait() == 0


@pytest.mark.parametrize("sig", [signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO,
                                 signal.SIGPWR, signal.SIGXFSZ, signal.SIGPIPE, signal.SIGRTMIN, signal.SIGRTMAX],
                         ids=lambda sig: signal.Signals(sig).name)
def test_signals_that_mean_nothing_do_nothing(end_front, sig):
    with Client(end_front["clear"]) as c:
        assert c.request().status == 200
        os.kill(end_front.pid, sig)
        # A signal that kills does so before the process can answer again.
        assert end_front.status()["connections_open"] == 1
        assert c.request().status == 200


def test_a_read_only_file_system_has_no_control_socket(certs):
    """As in a container with a read-only root: its directory cannot be made."""
    prefix = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro tmpfs /mnt && exec "$0" "$@"']
    for path in ("/mnt/socket", "/mnt/kedge/socket"):
        process = Process([*prefix, BINARY, "run", "--listen", "127.0.0.1:0", "--tls", "off", "--app", "127.0.0.1:9",
                           "--pin", "off", "--control", path], name="kedge")
        try:
            process.wait_line(rf"warning: control socket {path}: cannot be made, so kedge status and kedge reload will not work \(set --control PATH\): Read-only file system")
            process.wait_line("info: ready")
        finally:
            process.stop()


def test_drain_has_an_end(started, ends, leg, cgroup):
    with Express(cgroup) as app, started(ends, app, "--drain-timeout-ms", "300") as kedge:
        with connect(kedge, leg) as c, Client(app.address) as direct:
            c.send(request(target="/hold/b"))
            assert direct.request(target="/held/b").text == "held\n"
            kedge.process.popen.send_signal(signal.SIGTERM)
            c.recv_all()
        assert kedge.process.wait() == 0


def test_second_signal_ends_at_once(started, ends, cgroup):
    with Express(cgroup) as app:
        kedge = started(ends, app, "--drain-timeout-ms", "600000")
        try:
            with Client(kedge["clear"]) as c, Client(app.address) as direct:
                c.send(request(target="/hold/c"))
                assert direct.request(target="/held/c").text == "held\n"
                kedge.process.popen.send_signal(signal.SIGTERM)
                kedge.process.wait_line("drain", seconds=10)
                kedge.process.popen.send_signal(signal.SIGTERM)
                assert kedge.process.wait() == 1
                assert b"200" not in c.recv_all()
            kedge.check_log()
            assert not kedge.control.exists()
            assert not kedge.pin.exists(), list(kedge.pin.iterdir())
        finally:
            kedge.kill()


def test_killed_kedge_leaves_no_traffic_stuck(certs, cgroup, ends):
    """After SIGKILL the next kedge starts on the same pins, and the application goes on."""
    with RawApp(cgroup=cgroup) as app:
        first = Kedge(certs, app.text, two_listeners(), ends, cgroup)
        second = None
        try:
            with Client(first["clear"]) as c:
                assert c.request().status == 200
                first.process.popen.kill()
                first.process.wait()
            app.wait_ended()
            flags = ["--pin", first.pin]
            second = Kedge(certs, app.text, two_listeners(), ends, cgroup, flags)
            with Client(second["clear"]) as c:
                assert c.request().status == 200
            second.stop()
            assert not first.pin.exists() or list(first.pin.iterdir()) == []
        finally:
            if second:
                second.kill()
            first.kill()


def test_a_killed_kedge_is_attached_nowhere(certs, own_cgroup, most):
    """The bypass has a program on the cgroup, which a pin would keep there."""
    with RawApp(cgroup=own_cgroup) as app:
        kedge = Kedge(certs, app.text, two_listeners(), most, own_cgroup)
        try:
            with Client(kedge["clear"]) as c:
                assert c.request().status == 200
                assert len(objects("cgroup", "show", own_cgroup.path)) == most.bypass
                kedge.process.popen.kill()
                kedge.process.wait()
            assert objects("cgroup", "show", own_cgroup.path) == []
        finally:
            kedge.kill()


def test_two_kedges_beside_each_other(certs, cgroup, ends):
    with RawApp(cgroup=cgroup) as one, RawApp(cgroup=cgroup) as two, \
            Kedge(certs, one.text, two_listeners(), ends, cgroup) as first, \
            Kedge(certs, two.text, two_listeners(), ends, cgroup) as second:
        for kedge, app in ((first, one), (second, two), (first, one)):
            with Client(kedge["clear"]) as c:
                assert [c.request().status for _ in range(3)] == [200] * 3
            assert all(r.xff == "127.0.0.1" for r in app.wait_ended().requests)


@contextlib.contextmanager
def squatters(*names):
    """Abstract sockets that a local user takes before kedge starts."""
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)).bind(f"\0{name}")
        yield


def test_no_lock_is_for_everybody(certs, cgroup, ends, tmp_path):
    """Names that anybody may take have no effect: they lock nothing of kedge's."""
    with machine_bpffs(tmp_path) as pins, RawApp(cgroup=cgroup) as app, \
            squatters(f"kedge:{pins}/kedge", f"kedge:{pins}/kedge-peername"):
        with Kedge(certs, app.text, two_listeners(), ends, cgroup,
                   ["--pin", pins / "kedge", "--peername", "prefer"]) as kedge:
            assert kedge.status()["edit"] == ("kernel" if ends.edit else "user")
            assert kedge.status()["peername"] == "on"
            assert (pins / "kedge-peername").exists()
            # Others cannot lock anything that is there.
            for path in pins.glob("kedge*"):
                assert path.stat().st_mode & 0o077 == 0
            for line in Path("/proc/net/unix").read_text().splitlines():
                if line.endswith(f" @kedge:{pins}/kedge"):
                    assert " 0002 " in line  # the squatter's datagram socket, and no other
        assert list(pins.glob("kedge*")) == []


@pytest.mark.parametrize("flags", [("--edit", "prefer"), ("--edit", "require"), ("--peername", "prefer"),
                                   ("--bypass", "require", "--edit", "off")], ids=" ".join)
def test_a_second_kedge_on_the_same_pins_does_not_start(certs, cgroup, tmp_path, flags):
    """It does not fall back to user space."""
    def one_more(wait=True):
        return Kedge(certs, app.text, two_listeners(), None, cgroup,
                     ["--record", "off", *flags, "--pin", pins / "k"], wait=wait)
    with machine_bpffs(tmp_path) as pins, RawApp(cgroup=cgroup) as app:
        first = one_more()
        second = one_more(wait=False)
        try:
            assert second.process.wait(60) == 1
            second.process.wait_line(r"error: another kedge is running here \(pin directory \S+\): stop it, or give "
                                     r"this one a --pin and a --control of its own")
            with Client(first["clear"]) as c:
                assert c.request().status == 200
            first.process.popen.kill()
            first.process.wait()
            one_more().stop()
        finally:
            second.kill()
            first.kill()


@contextlib.contextmanager
def machine_bpffs(base):
    fs = machine.Bpffs(base)
    try:
        yield fs.path
    finally:
        fs.remove()


def test_refused_application_socket_options(raw):
    """Urgent data and odd options from a client do no harm."""
    with Client(raw["clear"]) as c:
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        c.sock.send(b"!", socket.MSG_OOB)
        c.send(b"\r\n")
        try:
            assert c.response().status in (200, 400)
        except EOFError:
            pass


def test_closed_standard_streams_are_no_sockets(tmp_path):
    """A parent may have closed them. The numbers must not go to sockets, or log lines reach clients."""
    control = str(tmp_path / "control")
    argv = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", BINARY, "run", "--listen", "127.0.0.1:0", "--tls", "off",
            "--app", "127.0.0.1:1", "--edit", "off", "--bypass", "off", "--pin", "off", "--control", control]
    with subprocess.Popen(argv, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}) as kedge:
        try:
            machine.wait_for(lambda: subprocess.run([BINARY, "status", "--control", control], check=False,
                                                    capture_output=True).returncode == 0, 30, "kedge's status")
            streams = [os.readlink(f"/proc/{kedge.pid}/fd/{number}") for number in range(3)]
        finally:
            kedge.terminate()
    assert streams == ["/dev/null"] * 3
    assert kedge.returncode == 0
