# SPDX-License-Identifier: BSD-2-Clause
"""The log on standard error: its three styles, why a connection failed, and that nobody can forge a line."""
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess

import pytest

import machine
import prefix
from client import Client, request, tls_context
from kedge import Config, Kedge, Listener
from rawapp import RawApp
from run import run

# As systemd does it: the environment names the socket (here it is a pipe) that standard error is.
AS_JOURNAL = ["sh", "-c", 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"', "sh"]
STYLES = {
    "time": ([], [], r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z kedge: (error|warning|info|debug): (.*)"),
    "journal": (AS_JOURNAL, [], r"<[3467]>(error|warning|info|debug): (.*)"),
    "json": ([], ["--log-format", "json"], r'\{"time":"[^"]*","level":"(error|warning|info|debug)","message":"(.*)\}'),
}
LISTENERS = ("tls", "strict", "tls_proxy", "untrusted", "clear", "clear_proxy")
HOSTILE = [
    b'a"\\,sni=b application c: "',
    b"a\nkedge: error: forged\r\n<3>error: forged",
    b"\x1b[2J\x1b]0;title\x07\x9b31m\xc2\x9b31m",
    b'","level":"error","message":"forged"}\n{"x":"',
    bytes(range(1, 32)) + bytes(range(127, 256)),
    b"\xe2\x80\xa8\xe2\x80\xae\xf0\x9f\x99\x82\xff\xfe%s%n",
]


def listeners():
    return [Listener("tls"), Listener("strict", strict_sni=True), Listener("tls_proxy", proxy="require"),
            Listener("untrusted", proxy="require", trust=["192.0.2.0/24"]),
            Listener("clear", tls=False), Listener("clear_proxy", tls=False, proxy="require")]


def start(certs, app, style="json", *flags, root=False, **kwargs):
    before, style_flags, _ = STYLES[style]
    return Kedge(certs, app, listeners(), root=root, argv_prefix=before,
                 flags=["--workers", "1", "--edit", "off", "--bypass", "off", *style_flags, *flags], **kwargs)


def check_lines(kedge, style):
    """Every line has its style, and nothing that a terminal would obey."""
    for line in kedge.process.lines:
        assert re.fullmatch(STYLES[style][2], line), line
        assert not re.search("[\0-\x1f\x7f-\x9f\u2028-\u202e]", line), repr(line)
        assert len(line.encode()) < 4096
        if style == "json":
            json.loads(line)


def found(kedge, reason):
    """The line about a reason, as an object."""
    return json.loads(kedge.process.wait_line(rf'"reason":"{reason}"')[0].string)


def ends(address, data=b""):
    """Sends it without TLS, and waits for the end."""
    try:
        with Client(address) as c:
            c.send_raw(data)
            c.sock.shutdown(socket.SHUT_WR)
            while c.sock.recv(65536):
                pass
    except OSError:
        pass  # it was reset


def hello(name):
    """A ClientHello that asks for these bytes."""
    inn, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = tls_context().wrap_bio(inn, out, server_hostname="x" * len(name) if len(name) < 64 else
                                 ".".join("x" * 60 for _ in range(9))[:len(name)])
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return re.sub(rb"[x.]{%d}" % len(name), lambda _: name, out.read(), count=1)


@pytest.mark.parametrize("style", STYLES)
def test_each_style(certs, app, style):
    with start(certs, app.text, style) as kedge:
        ends(kedge["clear_proxy"], b"PROXY nonsense\r\n")
        line = kedge.process.wait_line("prefix_bad: ")[0].string
    assert re.fullmatch(STYLES[style][2], line)[1] == "info"
    if style == "journal":
        assert line.startswith("<6>info: listener 127.0.0.1:0: prefix_bad: client 127.0.0.1:")
    assert "next step: look at what the balancer sends" in line
    check_lines(kedge, style)


def test_without_the_descriptor_of_the_journal_there_is_none(certs, app):
    """JOURNAL_STREAM is inherited by children whose standard error is somewhere else."""
    with start(certs, app.text, "time", env={**os.environ, "JOURNAL_STREAM": "8:1"}) as kedge:
        pass
    check_lines(kedge, "time")


def test_a_reload_changes_the_format(certs, app, tmp_path):
    config = Config(tmp_path, certs)
    config.write([Listener("clear", tls=False)], app=app.text, edit="off", bypass="off", workers=1)
    with Kedge(certs, None, [Listener("clear", tls=False)], root=False, config=config) as kedge:
        assert "kedge: info: ready" in kedge.log()
        config.write([Listener("clear", tls=False)], app=app.text, edit="off", bypass="off", workers=1, log_format="json")
        done = kedge.reload()
        assert done.returncode == 0, done.stderr
        ends(kedge["clear"], b"GET\r\n\r\n")
        assert found(kedge, "http_request_line")["level"] == "info"


# --- why a connection failed ---------------------------------------------------------------------

def tls_alert(kedge):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it trusts nobody
    with pytest.raises(ssl.SSLError):
        Client(kedge["tls"], tls=context)


def old_client(kedge):
    assert run("openssl", "s_client", "-connect", "{}:{}".format(*kedge["tls"]), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0",
               stdin=-3).returncode


def unknown_name(kedge):
    with pytest.raises(ssl.SSLError):
        Client(kedge["strict"], tls=tls_context(), sni="unknown.test")


def malformed(kedge):
    with Client(kedge["tls_proxy"], prefix.v1(), tls_context(), sni="a.example.test") as c:
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        assert c.response().status == 400


REASONS = {
    "prefix_bad": ("info", "clear_proxy", lambda k: ends(k["clear_proxy"], b"PROXY nonsense\r\n"), {}),
    "prefix_missing": ("info", "tls_proxy", lambda k: ends(k["tls_proxy"], b"\x16\x03\x01\x00\x05hello" * 3), {}),
    "prefix_forbidden": ("info", "untrusted", lambda k: ends(k["untrusted"], prefix.v1()), {}),
    "tls_plain_http": ("info", "tls", lambda k: ends(k["tls"], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), {}),
    "tls_client_alert": ("info", "tls", tls_alert, {"sni": "localhost", "alert": "48 unknown_ca"}),
    "tls_no_shared": ("info", "tls", old_client, {}),
    "tls_unknown_name": ("info", "strict", unknown_name, {"sni": "unknown.test"}),
    "http_host": ("info", "tls_proxy", malformed, {"sni": "a.example.test", "client": "198.51.100.22:35646"}),
}


@pytest.fixture(scope="module")
def one(certs, app):
    with start(certs, app.text) as kedge:
        yield kedge
    check_lines(kedge, "json")


@pytest.mark.parametrize("reason", REASONS)
def test_each_kind_of_reason(one, reason):
    level, name, act, fields = REASONS[reason]
    act(one)
    line = found(one, reason)
    assert (line["level"], line["listener"]) == (level, "127.0.0.1:0")
    assert {key: line[key] for key in fields} == fields
    assert line["next"] and f"next step: {line['next']}" in line["message"]
    assert re.match(rf"listener 127\.0\.0\.1:0: {reason}: client ", line["message"])
    assert ("balancer" in line) == ("client" in fields)
    for key in ("client", "balancer"):
        assert key not in line or key in fields or line[key].startswith("127.0.0.1:")


def test_what_is_known_of_a_handshake(certs, app):
    """An old client: no setting helps. A silent one: nothing is said of lost packets."""
    with start(certs, app.text, "json", "--handshake-timeout-ms", "300") as kedge:
        old_client(kedge)
        line = found(kedge, "tls_no_shared")
        assert "client offers TLS 1.1 at most" in line["message"] and "tls-min" not in line["message"]
        with socket.create_connection(kedge["tls"]) as silent:
            silent.settimeout(60)
            with contextlib.suppress(ConnectionResetError):
                assert silent.recv(1) == b""
        line = found(kedge, "tls_handshake_timeout")
        assert "no byte came" in line["message"] and "packet" not in line["message"]


def test_an_application_that_is_down(certs):
    down = RawApp()
    down.stop()
    flags = ["--connect-retry-ms", "0"]
    with start(certs, down.text, "json", *flags) as kedge, Client(kedge["clear"]) as c:
        assert c.request().status == 502
        line = found(kedge, "app_refused")
        assert (line["level"], line["application"]) == ("warning", down.text)
        assert line["client"] == "{}:{}".format(*c.sock.getsockname())
        assert f"application {down.text}: application refused the connection" in line["message"]


def test_health_checks_are_not_told_of(one):
    ends(one["clear_proxy"])
    one.wait_reason("client_gone")
    assert not one.process.matches("client_gone")


def test_at_debug_each_connection_has_its_line(certs, app):
    with start(certs, app.text, "json", "--log-level", "debug") as kedge:
        for _ in range(5):
            ends(kedge["clear_proxy"], b"PROXY nonsense\r\n")
        ends(kedge["clear_proxy"])
        kedge.wait_reason("client_gone")
        lines = [json.loads(m.string) for m in kedge.process.wait_line('"reason":"prefix_bad"', count=5)]
        assert [line["level"] for line in lines] == ["info"] + ["debug"] * 4
        assert found(kedge, "client_gone")["level"] == "debug"
    assert not kedge.process.matches("left_out")


def test_a_flood_is_a_few_lines(certs, app):
    """One a minute, and at the end how many were left out: none is forgotten."""
    count = 300
    with start(certs, app.text) as kedge:
        for _ in range(count):
            ends(kedge["clear_proxy"], b"PROXY nonsense\r\n")
        kedge.wait_reason("prefix_bad", count)
    lines = [json.loads(line) for line in kedge.process.lines]
    lines = [line for line in lines if line.get("reason") == "prefix_bad"]
    assert 2 <= len(lines) < 10
    told = [line for line in lines if "next" in line]
    assert len(told) + sum(line.get("left_out", 0) for line in lines) == count


def test_the_door_says_why(certs, app):
    with start(certs, app.text, "json", "--connections-max", "1") as kedge, Client(kedge["clear"]) as c:
        assert c.request().status == 200
        ends(kedge["clear"])
        line = found(kedge, "limit_connections")
    assert (line["level"], line["client"].split(":")[0]) == ("warning", "127.0.0.1")


# --- nobody can forge a line ---------------------------------------------------------------------

@pytest.mark.parametrize("style", STYLES)
def test_a_hostile_name(certs, app, style):
    with start(certs, app.text, style, "--log-level", "debug") as kedge:
        for number, name in enumerate([*HOSTILE, b"\n" * 255], 1):
            ends(kedge["strict"], hello(name))
            kedge.wait_reason("tls_unknown_name", number)
        lines = [m.string for m in kedge.process.wait_line("tls_unknown_name", count=len(HOSTILE) + 1)]
    check_lines(kedge, style)
    assert len(lines) == len(HOSTILE) + 1
    for line in lines:
        level, message = re.fullmatch(STYLES[style][2], line).groups()
        assert level in ("info", "debug")
        assert re.match(r"listener 127\.0\.0\.1:0: tls_unknown_name: client 127\.0\.0\.1:\d+ for ", message)
    if style == "json":
        assert [json.loads(line)["sni"] for line in lines] == [n.decode("latin-1") for n in [*HOSTILE, b"\n" * 255]]


@pytest.mark.parametrize("style", STYLES)
def test_after_the_handshake(certs, app, style):
    """The name is kept until a request turns out to be malformed."""
    with start(certs, app.text, style) as kedge:
        host, port = kedge["tls"]
        subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", HOSTILE[2] + b'"\nforged'],
                       input=b"GET\r\n\r\n", capture_output=True, check=False, timeout=20)
        line = kedge.process.wait_line("http_request_line: ")[0].string
        kedge.wait_idle()
    check_lines(kedge, style)
    assert r"\x1B[2J\x1B]0;title\x07\x9B31m\xC2\x9B31m\x22\x0Aforged" in line.replace(r"\\", "\\")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("form", ["common", "combined", "json"])
def test_hostile_fields(certs, app, tmp_path, style, form):
    """Host and X-Request-Id, in both logs."""
    path = tmp_path / "access"
    values = [v.replace(b"\n", b"\n ") for v in HOSTILE] + [b"x" * 65536]
    with start(certs, app.text, style, "--access-log", path, "--access-log-format", form, "--log-level", "debug") as kedge:
        for value in values:
            for head in (b"Host: " + value, b"Host: a\r\nX-Request-Id: " + value):
                with Client(kedge["clear"]) as c:
                    try:
                        c.send(b"GET / HTTP/1.1\r\n" + head + b"\r\nConnection: close\r\n\r\n")
                        c.recv_all()
                    except OSError:
                        pass  # refused before all of it was sent
        with Client(kedge["clear"]) as c:
            assert c.request(fields=[("X-Request-Id", "a,id=b c\x80")]).status == 200
        kedge.wait_idle()
    check_lines(kedge, style)
    lines = path.read_bytes().splitlines()
    assert len(lines) == 2 * len(values) + 1
    for line in lines:
        assert re.fullmatch(rb"[ -~]+", line), line
        if form == "json":
            assert json.loads(line)["client"] == "127.0.0.1"
        else:
            assert re.match(rb"127\.0\.0\.1 - - \[", line) and line.count(b'"') == (6 if form == "combined" else 2)
            assert re.search(rb" record=\w+,edit=\w+,bypass=\w+,splice=\w+(,host=[^ ,]*)?(,request=[^ ,]*)?$", line), line
    if form != "json":
        assert lines[-1].endswith(rb",request=a\x2Cid=b\x20c\x80")


def test_names_and_ids_of_requests(certs, app, tmp_path):
    path = tmp_path / "access"
    with start(certs, app.text, "json", "--access-log", path, "--access-log-format", "json") as kedge:
        with Client(kedge["tls"], tls=tls_context(), sni="a.example.test") as c:
            c.send(request(fields=[("X-Request-Id", "7f-1")]))
            assert c.response().status == 200
        kedge.wait_idle()
    line = json.loads(path.read_text())
    assert (line["sni"], line["host"], line["request_id"]) == ("a.example.test", "localhost", "7f-1")
    assert line["protocol"] == "HTTP/1.1"


# --- a reader that stands still ------------------------------------------------------------------

def test_a_standard_error_that_nobody_reads(certs, app, tmp_path):
    """No request waits for it, and the lines that are lost are counted."""
    fifo, path = tmp_path / "stderr", tmp_path / "listener"
    os.mkfifo(fifo)
    tmp_path.chmod(0o755)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    clear = Listener("clear", tls=False, addr=f"unix:{path}")
    clear.address = str(path)
    with Kedge(certs, app.text, [clear], root=False, wait=False,
               argv_prefix=["sh", "-c", f'exec "$@" 2>{fifo}', "sh"],
               flags=["--workers", "1", "--edit", "off", "--bypass", "off", "--log-level", "debug"]) as kedge:
        machine.wait_for(path.exists, 60, "the listener")
        machine.wait_for(kedge.control.exists, 60, "the control socket")
        count = 1000
        for _ in range(count):
            ends(clear.address, b"GET\r\n\r\n")
        kedge.wait_reason("http_request_line", count)
        with Client(clear.address) as c:
            assert c.request().status == 200
        early = read_all(reader)
        ends(clear.address, b"GET\r\n\r\n")
        late = machine.wait_for(lambda: read_all(reader), 20, "a line")
    os.close(reader)
    lost = int(re.search(rb"standard error was full: (\d+) lines before this one are lost", late)[1])
    assert lost > 100
    assert early.count(b"http_request_line") + lost >= count
    assert early.endswith(b"\n")


def read_all(fd):
    data = b""
    try:
        while piece := os.read(fd, 65536):
            data += piece
    except BlockingIOError:
        pass
    return data


# --- what kedge cannot have ----------------------------------------------------------------------

@pytest.mark.skipif(os.geteuid() != 0, reason="BPF takes root")
def test_trouble_with_pins_is_a_warning(certs, app, cgroup, tmp_path):
    """The directory is on no bpffs: kedge works, and says in a line of its own what it does without, and why."""
    with Kedge(certs, app.text, [Listener("clear", tls=False)], cgroup=cgroup, root=False,
               flags=["--edit", "prefer", "--pin", tmp_path / "pins"]) as kedge:
        with Client(kedge["clear"]) as c:
            assert c.request().status == 200
        line = kedge.process.wait_line("edit: preferred, but not possible: ")[0].string
        assert kedge.status()["edit"] == "user"
    assert re.search(rf"kedge: warning: edit: preferred, but not possible: .*pin directory {tmp_path}/pins: not on a bpffs: name a "
                     r"directory below /sys/fs/bpf, or --pin off; next step: .*\(edit: off silences this\)$", line)
