# SPDX-License-Identifier: BSD-2-Clause
"""The access log: one line for each request, however it ends. Logging never delays a request."""
import json
import os
import re
import signal
import socket
import threading

import pytest

import machine
import prefix
from client import Client, chunked, request
from kedge import BINARY, Kedge, Listener
from rawapp import RawApp, answer, default_answer
from run import curl, run, url

TRUE = "198.51.100.22"
COMMON = re.compile(r'(\S+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "([^"]*)" (\d{3}|-) (\d+)'
                    r'(?: "([^"]*)" "([^"]*)")? (\d+\.\d{6}) (\S+) (\S+)'
                    r' record=(\w+),edit=(\w+),bypass=(\w+),splice=(\w+)'
                    r'((?:,(?:host|sni|request|id)=[^ ,"]+)*)')


def listeners():
    return [Listener("tls"), Listener("tls_proxy", proxy="require"),
            Listener("clear", tls=False), Listener("clear_proxy", tls=False, proxy="require")]


class Logged:
    """kedge in front of the recording application, with a log in a file of its own."""

    def __init__(self, certs, cgroup, combination, path, form="json", app=None, **kwargs):
        self.path = path
        self.app = app or RawApp(cgroup=cgroup)
        self.kedge = Kedge(certs, self.app if isinstance(self.app, str) else self.app.text,
                           listeners(), combination, cgroup,
                           ["--access-log", path, "--access-log-format", form], **kwargs)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        try:
            self.kedge.__exit__(kind, *rest)
        finally:
            if not isinstance(self.app, str):
                self.app.stop()

    def __getitem__(self, name):
        return self.kedge[name]

    def text_lines(self, count=None):
        """All lines, as soon as there are `count` of them."""
        def whole():
            lines = self.path.read_text().splitlines() if self.path.exists() else []
            return lines if count is None or len(lines) >= count else None
        return machine.wait_for(whole, what=f"{count} lines in the access log") if count else whole()

    def lines(self, count):
        lines = [json.loads(line) for line in self.text_lines(count)]
        assert len(lines) == count, lines
        return lines


@pytest.fixture(scope="session")
def one_kedge(certs, cgroup, combo, tmp_path_factory):
    with Logged(certs, cgroup, combo, tmp_path_factory.mktemp("access") / "json") as one:
        one.combo = combo
        yield one


@pytest.fixture
def logged(one_kedge):
    """kedge with every combination. A test must read all of its lines."""
    one_kedge.app.forget()
    one_kedge.app.respond = default_answer
    yield one_kedge
    one_kedge.kedge.wait_idle()
    one_kedge.path.write_text("")  # it is opened to append


def short(line):
    return line["method"], line["target"], line["status"], line["bytes"]


def respond(conn, req):
    """One answer of each kind of framing."""
    if req.target == "/chunked":
        return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc", b"defgh"))
    if req.target == "/to-end":
        conn.send(b"HTTP/1.1 203 Other\r\n\r\nuntil the end")
        conn.close()
        return None
    if req.target == "/early":
        return b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + answer("404 Not Found", b"no")
    if req.target == "/upgrade":
        return b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n" + b"tunnel!"
    if req.target == "/half":
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
        conn.close()
        return None
    if req.target == "/none":
        conn.close()
        return None
    whole = answer(body=b"12345")
    return whole[:-5] if req.method == "HEAD" else whole


def test_every_request_has_its_line(logged, tls):
    logged.app.respond = respond
    with Client(logged["tls_proxy"], prefix.v1(), tls) as c:
        c.request(target="/a?b=c", fields=[("User-Agent", 'x"\\y'), ("Referer", "http://r/")])
        c.request("HEAD", "/head")
        c.request("POST", "/post", body=b"x" * 70000)
        c.send(b"PUT /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
               + chunked(b"abc") + request(target="/pipe1") + request(target="/pipe2"))
        assert [c.response().status for _ in range(3)] == [200] * 3
        c.request(target="/chunked")
        c.request(target="/early")
        c.send(request(target="/to-end"))
        c.recv_all()
        cipher = c.tls.cipher()[0]
    lines = logged.lines(9)
    assert [short(line) for line in lines] == [
        ("GET", "/a?b=c", 200, 5), ("HEAD", "/head", 200, 0), ("POST", "/post", 200, 5),
        ("PUT", "/chunks", 200, 5), ("GET", "/pipe1", 200, 5), ("GET", "/pipe2", 200, 5),
        ("GET", "/chunked", 200, 8), ("GET", "/early", 404, 2), ("GET", "/to-end", 203, 13)]
    first = lines[0]
    assert (first["user_agent"], first["referer"]) == ('x"\\y', "http://r/")
    assert lines[1]["user_agent"] is None
    for line in lines:
        assert (line["client"], line["client_port"]) == (TRUE, 35646)
        assert line["listener"] == "{}:{}".format(*logged["tls_proxy"])
        assert (line["protocol"], line["reason"]) == ("HTTP/1.1", None)
        assert line["tls"] == "TLSv1.3" and line["cipher"] in cipher.replace("_", "-")
        assert line["record"] == ("kernel" if logged.combo.record else "user")
        assert line["edit"] == ("kernel" if logged.combo.edit else "user")
        assert line["bypass"] == ("on" if logged.combo.bypass else "off")
        assert 0 <= line["duration_us"] < 60e6


def test_duration_is_that_of_the_answer(logged):
    release = threading.Event()

    def late(conn, req):
        release.wait(20)
        return answer()
    logged.app.respond = late
    with Client(logged["clear"]) as c:
        c.send(request())
        logged.app.connection()
        threading.Timer(0.3, release.set).start()
        assert c.response().status == 200
    line, = logged.lines(1)
    assert 0.2e6 < line["duration_us"] < 60e6
    assert line["tls"] is None and line["cipher"] is None and line["record"] == "plain"


REFUSED = {
    "host": (b"GET /r HTTP/1.1\r\n\r\n", ("GET", "/r", 400), "http_host"),
    "line": (b"GET /r\"\xff x HTTP/1.1\r\n\r\n", ("GET", '/r"\xff x', 400), "http_target"),
    "bytes": (b"\x16\x03\x01\x02", ("\x16\x03\x01\x02", None, 400), "http_request_line"),
    "chunk": (b"POST /r HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxx",
              ("POST", "/r", 400), "http_chunk"),
    "version": (b"GET /r HTTP/2.0\r\n\r\n", ("GET", "/r", 505), "http_version"),
}


def test_refused_requests_are_logged(logged):
    for sent, expected, _ in REFUSED.values():
        with Client(logged["clear_proxy"], prefix.v1()) as c:
            assert c.request(target="/before").status == 200
            c.send(sent)
            assert c.response().status == expected[2]
            c.recv_all()
    lines = [line for line in logged.lines(2 * len(REFUSED)) if line["target"] != "/before"]
    for sent, expected, reason in REFUSED.values():
        line, = [x for x in lines if x["reason"] == reason]
        assert (line["method"], line["target"], line["status"]) == expected
        assert line["client"] == TRUE and line["bytes"] > 0


def test_what_ends_early_is_logged(logged):
    logged.app.respond = respond
    with Client(logged["clear"]) as c:
        c.send(request(target="/half"))
        c.recv_all()
    with Client(logged["clear"]) as c:
        c.send(request(target="/none"))
        assert c.response().status == 502
    with Client(logged["clear"]) as c:
        c.send(b"GET /cut HTTP/1.1\r\nHo")
        c.half_close()
        c.recv_all()
    with Client(logged["clear"]) as c:
        c.send(request(target="/upgrade", fields=[("Connection", "upgrade"), ("Upgrade", "echo")]))
        assert c.response().status == 101
        assert c.recv_exactly(7) == b"tunnel!"
    with Client(logged["clear"]):
        pass  # a health check: no request, no line
    logged.kedge.wait_idle()
    lines = {line["target"]: line for line in logged.lines(4)}
    assert short(lines["/half"])[2:] == (200, 10) and lines["/half"]["reason"] == "app_reset"
    assert lines["/none"]["status"] == 502 and lines["/none"]["reason"] == "app_gone"
    assert short(lines["/cut"])[2:] == (None, 0) and lines["/cut"]["reason"] == "client_truncated"
    assert short(lines["/upgrade"])[2:] == (101, 7)


def test_an_application_that_is_down(certs, cgroup, ends, tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        text = "127.0.0.1:{}".format(nobody.getsockname()[1])
        with Logged(certs, cgroup, ends, tmp_path / "log", app=text) as logged:
            with Client(logged["clear_proxy"], prefix.v1()) as c:
                c.send(request())
                assert c.response().status == 502
            line, = logged.lines(1)
    assert (line["client"], line["status"], line["reason"]) == (TRUE, 502, "app_refused")
    assert line["method"] is None  # it was never read


@pytest.mark.parametrize("form", ["common", "combined"])
def test_curl_in_the_old_forms(certs, cgroup, ends, tmp_path, form):
    with Logged(certs, cgroup, ends, tmp_path / "log", form) as logged:
        done = curl("--cacert", certs.ca, "--haproxy-protocol", "-A", "agent", "-e", "http://from/",
                    url(logged["tls_proxy"], "/x"), url(logged["tls_proxy"], "/y"))
        assert done.returncode == 0, done.stderr
        lines = [COMMON.fullmatch(line) for line in logged.text_lines(2)]
    assert all(lines), logged.path.read_text()
    assert [m[2] for m in lines] == ["GET /x HTTP/1.1", "GET /y HTTP/1.1"]
    for m in lines:
        assert (m[1], m[3]) == ("127.0.0.1", "200") and int(m[4]) > 0
        assert (m[5], m[6]) == (("http://from/", "agent") if form == "combined" else (None, None))
        assert m[8] == "TLSv1.3" and m[11] == ("kernel" if ends.edit else "user")


def test_standard_output(certs, cgroup):
    """stdout and stderr are one pipe here: messages and lines stay whole."""
    with RawApp(cgroup=cgroup) as app, Kedge(certs, app.text, listeners(), cgroup=cgroup,
                                             flags=["--access-log", "stdout"]) as kedge:
        with Client(kedge["clear"]) as c:
            for i in range(50):
                assert c.request(target=f"/{i}").status == 200
        found = kedge.process.wait_line(COMMON.pattern, count=50)
        assert [m[2] for m in found] == [f"GET /{i} HTTP/1.1" for i in range(50)]


def test_rotation(certs, cgroup, tmp_path):
    path, old = tmp_path / "log", tmp_path / "log.1"
    with Logged(certs, cgroup, None, path) as logged, Client(logged["clear"]) as c:
        c.request(target="/1")
        logged.lines(1)
        path.rename(old)
        os.kill(logged.kedge.pid, signal.SIGUSR1)
        machine.wait_for(path.exists, what="a new file")
        c.request(target="/2")
        assert logged.lines(1)[0]["target"] == "/2"
        assert len(old.read_text().splitlines()) == 1
        assert path.stat().st_mode & 0o777 == 0o640


def test_sigusr1_without_a_log_is_harmless(certs, cgroup):
    with RawApp(cgroup=cgroup) as app, Kedge(certs, app.text, listeners(), cgroup=cgroup) as kedge:
        os.kill(kedge.pid, signal.SIGUSR1)
        with Client(kedge["clear"]) as c:
            assert c.request().status == 200
        assert kedge.stat("access_lines") == 0


def test_a_log_that_nobody_reads_costs_lines_and_no_request(certs, cgroup, ends, tmp_path):
    """The pipe and the ring fill up. Every request is answered, and lost lines are counted."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    count, batch = 12000, 50
    try:
        with Logged(certs, cgroup, ends, path) as logged:
            many = request(target="/" + "x" * 300, fields=[("User-Agent", "y" * 300)]) * batch
            with Client(logged["clear"], timeout=120) as c:
                for _ in range(count // batch):
                    c.send(many)
                    assert [c.response().status for _ in range(batch)] == [200] * batch
            stats = logged.kedge.status()["stats"]
            assert stats["responses"] == count
            assert stats["access_dropped"] > 0, "the ring is too large for this test"
            assert stats["access_lines"] < count - stats["access_dropped"]
            # A new request does not wait either.
            assert curl(url(logged["clear"], scheme="http")).returncode == 0
            # Now the pipe is read: the lines that were kept arrive, then later ones.
            os.set_blocking(reader, True)
            threading.Thread(target=drain, args=(reader,), daemon=True).start()
            kept = count + 1 - stats["access_dropped"]
            logged.kedge.wait_status(
                lambda s: s["stats"]["access_lines"] + s["stats"]["access_dropped"] == count + 1,
                f"{kept} lines")
    finally:
        os.close(reader)


def drain(fd):
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass


def test_no_place_for_the_log_is_an_error(certs, tmp_path):
    with RawApp() as app:
        done = run(*argv_before(app), "--access-log", tmp_path / "no/such/dir/log")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(errors) == 1 and "no/such/dir/log" in errors[0], done.stderr


def argv_before(app):
    return [BINARY, "run", "--listen", "127.0.0.1:0", "--tls", "off", "--app", app.text, "--pin", "off",
            "--control", "off", "--edit", "off"]


# --- the journal ------------------------------------------------------------------------------
@pytest.fixture
def journal(tmp_path):
    """A socket that acts as journald's, and the command prefix that puts it in the journal's place."""
    base = tmp_path / "journal"
    base.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(base / "socket"))
        sock.settimeout(machine.Deadline(10).left())
        script = ('mount -t tmpfs none /run && mkdir -p /run/systemd/journal && '
                  f'mount --bind {base} /run/systemd/journal && exec "$@"')
        yield sock, ["unshare", "--mount", "sh", "-ec", script, "sh"]


def test_the_journal(journal, certs, cgroup):
    sock, within = journal
    with RawApp(cgroup=cgroup) as app, Kedge(certs, app.text, listeners(), cgroup=cgroup,
                                             argv_prefix=within,
                                             flags=["--access-log", "journal"]) as kedge:
        with Client(kedge["clear"]) as c:
            for i in range(3):
                c.request(target=f"/{i}")
        for i in range(3):
            fields = dict(line.split("=", 1) for line in sock.recv(65536).decode().splitlines())
            assert fields["PRIORITY"] == "6" and fields["SYSLOG_IDENTIFIER"] == "kedge"
            assert COMMON.fullmatch(fields["MESSAGE"])[2] == f"GET /{i} HTTP/1.1"


def test_no_journal_is_an_error(certs):
    if os.path.exists("/run/systemd/journal/socket"):
        pytest.skip("this machine has a journal")
    with RawApp() as app:
        done = run(*argv_before(app), "--access-log", "journal")
    assert done.returncode == 1 and "journald" in done.stderr, done.stderr
