# SPDX-License-Identifier: BSD-2-Clause
"""An application by its name: resolved at start, at a reload and by check; never by a worker."""
import os
import socket
import tempfile
import time
from pathlib import Path

import pytest

from client import Client
from kedge import BINARY, SANITIZER_OPTIONS, Config, Kedge, Listener
from machine import wait_for
from names import A, AAAA, Dns, Names
from process import Process
from rawapp import RawApp
from run import run

FLAGS = ["--listen", "127.0.0.1:0", "--tls", "off", "--edit", "off", "--pin", "off", "--control", "off"]


@pytest.fixture
def dns():
    if os.geteuid() != 0:
        pytest.skip("port 53, and a mount namespace, need root")
    server = Dns()
    yield server
    server.stop()


@pytest.fixture
def hosts(tmp_path, dns):
    return Names(tmp_path, dns)


@pytest.fixture
def two():
    """Two applications at one port, of which names decide."""
    with RawApp(host="127.0.0.2") as first:
        with RawApp(host="127.0.0.3", port=first.address[1]) as second:
            yield first, second


def started(certs, names, config, listeners):
    return Kedge(certs, None, listeners, config=config, argv_prefix=names.prefix, flags=["--edit", "off"])


def ask(kedge):
    with Client(kedge["clear"]) as c:
        return c.request().status


def test_hosts_and_a_reload(tmp_path, certs, hosts, two):
    """A reload looks the name up again. One that is not known any more refuses the reload."""
    first, second = two
    port = first.address[1]
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    hosts.write(app="127.0.0.2")
    config.write(listeners, app=f"app:{port}")
    with started(certs, hosts, config, listeners) as kedge:
        assert ask(kedge) == 200 and len(first.connections) == 1
        assert kedge.process.matches(rf"application app:{port}: 127.0.0.2:{port}, the first of 1 address")
        assert kedge.process.matches(f"ready: .*application app:{port}")
        hosts.write(app="127.0.0.3")
        assert ask(kedge) == 200 and not second.connections  # nobody asks again by himself
        done = kedge.reload()
        assert done.stdout.splitlines() == [f"app: app:{port}: 127.0.0.2:{port} -> 127.0.0.3:{port}",
                                            "reloaded (configuration 2)"]
        assert ask(kedge) == 200 and len(second.connections) == 1
        hosts.write()
        done = kedge.reload()
        assert done.returncode == 1
        assert f"application app:{port}: cannot be resolved: Name or service not known" in done.stderr
        assert ask(kedge) == 200 and len(second.connections) == 2
        config.write(listeners, app=first.text)
        assert kedge.reload().stdout.splitlines()[0] == f"app: app:{port} -> {first.text}"
        assert ask(kedge) == 200 and len(first.connections) == 3


def test_a_name_that_leads_back(tmp_path, certs, hosts, two):
    """To the listener itself. Names are resolved after the configuration was read: by check, at the start and in a reload."""
    port = two[0].address[1]
    said = f"listener 127.0.0.9:{port}: the application app:{port} is this listener itself"
    hosts.write(app="127.0.0.9")
    for command in ("check", "run"):
        done = run(*hosts.prefix, BINARY, command, *FLAGS[2:], "--listen", f"127.0.0.9:{port}", "--app", f"app:{port}")
        assert done.returncode == 2 and said in done.stderr, done.stderr
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False, addr=f"127.0.0.9:{port}")]
    config.write(listeners, app=f"app:{port}")
    hosts.write(app="127.0.0.2")
    with started(certs, hosts, config, listeners) as kedge:
        hosts.write(app="127.0.0.9")
        done = kedge.reload()
        assert done.returncode == 1 and said in done.stderr, done.stderr
        assert ask(kedge) == 200


@pytest.fixture
def place():
    """A directory with a short name: the path of a socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="kedge-", dir="/tmp") as name:
        yield Path(name)


def test_a_reload_looks_for_circles_under_the_filter(tmp_path, place, certs):
    """The questions to the kernel are all allowed: does this host have the address, and is this the same file?"""
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with RawApp() as app:
        config.write(listeners, app=app.text, seccomp="enforce")
        with Kedge(certs, None, listeners, config=config, flags=["--edit", "off"]) as kedge:
            other = Listener("other", tls=False, addr=f":{port}")
            unix = Listener("unix", tls=False, addr=f"unix:{place}/listener")
            for text in (f"192.0.2.1:{port}", f"[2001:db8::1]:{port}", f"unix:{place}/x/listener"):
                config.write([*listeners, other, unix], app=text, seccomp="enforce")
                done = kedge.reload()
                assert done.returncode == 0, done.stderr
            config.write([*listeners, other, unix], app=f"unix:{place}/../{place.name}/listener", seccomp="enforce")
            done = kedge.reload()
            assert done.returncode == 1 and "is this listener itself" in done.stderr
            config.write(listeners, app=app.text, seccomp="enforce")
            assert kedge.reload().returncode == 0 and ask(kedge) == 200


def test_names_are_looked_up_again(tmp_path, certs, hosts, dns, two):
    """Nobody tells kedge. Connections that are there stay, the next ones go to the new address; an address that is gone from
    the name service for a while is kept."""
    first, second = two
    port = first.address[1]
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    dns.names["app.internal"] = ["127.0.0.2"]
    config.write(listeners, apps={"web": {"servers": [f"app.internal:{port}"], "resolve-ms": 50, "check": {"every-ms": 50}}},
                 app="web", seccomp="enforce", app_idle_timeout_ms=60000)
    name = f"application web: server app.internal:{port}"

    def address(status):
        return status["applications"][0]["servers"][0]["address"]

    with started(certs, hosts, config, listeners) as kedge, Client(kedge["clear"]) as kept:
        assert kept.request().status == 200
        first.forget()
        dns.names["app.internal"] = ["127.0.0.3"]
        kedge.wait_status(lambda s: address(s) == f"127.0.0.3:{port}")
        assert kedge.process.matches(f"info: {name}: 127.0.0.2:{port} -> 127.0.0.3:{port}$")
        assert ask(kedge) == 200 and any(c.requests for c in second.connections)
        assert kept.request(target="/kept").status == 200
        assert not [c for c in second.connections for r in c.requests if r.target == "/kept"]
        del dns.names["app.internal"]
        kedge.process.wait_line(f"warning: {name}: cannot be resolved any more: .*: it stays at 127.0.0.3:{port}")
        asked = len(dns.asked)
        wait_for(lambda: len(dns.asked) > asked + 8, what="more questions")
        assert ask(kedge) == 200 and address(kedge.status()) == f"127.0.0.3:{port}"
        assert len(kedge.process.matches("cannot be resolved any more")) == 1
        dns.silent = True  # and the end does not wait for it
        asked = len(dns.asked)
        wait_for(lambda: len(dns.asked) > asked, what="a question without an answer")
        assert ask(kedge) == 200


def test_a_reload_says_where_a_name_was(tmp_path, certs, hosts, two):
    first, _ = two
    port = first.address[1]
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    hosts.write(app="127.0.0.2")
    config.write(listeners, app=f"app:{port}", resolve_ms=50)
    with started(certs, hosts, config, listeners) as kedge:
        hosts.write(app="127.0.0.3")
        kedge.process.wait_line(f"application app:{port}: 127.0.0.2:{port} -> 127.0.0.3:{port}")
        assert kedge.reload().stdout.splitlines() == ["reloaded, no changes (configuration 2)"]
        config.write(listeners, app=f"app:{port}")
        hosts.write(app="127.0.0.2")
        lines = kedge.reload().stdout.splitlines()
        moved = f"app:{port}: 127.0.0.3:{port} -> 127.0.0.2:{port}"
        # The names' thread may have seen it before the reload did.
        assert f"app: {moved}" in lines or kedge.process.matches(f"application {moved}$")
        assert ask(kedge) == 200 and len(first.connections) == 1
        hosts.write(app="127.0.0.3")
        assert f"app: app:{port}: 127.0.0.2:{port} -> 127.0.0.3:{port}" in kedge.reload().stdout.splitlines()


def test_dns_under_the_filter(tmp_path, certs, hosts, dns, two):
    """The system call filter is in force (kedge would end), and the C library asks by itself."""
    first, second = two
    port = first.address[1]
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    config.write(listeners, app=first.text, seccomp="enforce")
    dns.names["app.internal"] = ["127.0.0.3", "127.0.0.3", "::1"]
    with started(certs, hosts, config, listeners) as kedge:
        assert ask(kedge) == 200
        config.write(listeners, app=f"app.internal:{port}", seccomp="enforce")
        done = kedge.reload()
        assert done.returncode == 0, done.stderr
        assert {("app.internal", A), ("app.internal", AAAA)} <= set(dns.asked)
        assert kedge.process.matches(f"application app.internal:{port}: .*, the first of 2 addresses")
        dns.names["app.internal"] = ["127.0.0.2"]
        assert kedge.reload().returncode == 0
        first.forget()
        assert ask(kedge) == 200 and len(first.connections) == 1
        # A server that is not there: the error comes back through the socket at once.
        dns.stop()
        began = time.monotonic()
        done = kedge.reload()
        assert done.returncode == 1 and "cannot be resolved: " in done.stderr
        assert time.monotonic() - began < 12
        assert ask(kedge) == 200


def test_a_dead_server_does_not_hang_a_reload(tmp_path, certs, hosts, dns, two):
    """Workers go on meanwhile; the old configuration stays; the next reload is refused while the thread hangs."""
    first, _ = two
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    config.write(listeners, app=first.text)
    with started(certs, hosts, config, listeners) as kedge:
        dns.silent = True
        config.write(listeners, app=f"app.internal:{first.address[1]}")
        done = kedge.reload()
        assert done.returncode == 1 and "cannot be resolved: no answer within 12000 ms" in done.stderr
        assert ask(kedge) == 200
        done = kedge.reload()
        assert done.returncode == 1 and "still hangs with an earlier name" in done.stderr
        config.write(listeners, app=first.text)
        assert kedge.reload().returncode == 0
        assert ask(kedge) == 200


def test_check(hosts, dns):
    def check(app):
        return run(*hosts.prefix, BINARY, "check", "--listen", ":1", "--tls", "off", "--app", app,
                   env={**os.environ, **SANITIZER_OPTIONS}, timeout=60)
    hosts.write(app="192.0.2.7 2001:db8::7")
    done = check("app:3000")
    assert done.returncode == 0
    assert ", app app:3000 (" in done.stdout and "the first of 2 addresses" in done.stderr
    done = check("nobody.internal:3000")
    assert done.returncode == 1 and done.stdout == ""
    assert "application nobody.internal:3000: cannot be resolved: Name or service not known " \
        "(getent ahosts nobody.internal shows what this host knows)" in done.stderr
    done = check("nobody..internal:3000")
    assert done.returncode == 2 and "is neither an IPv4 address nor the name of a host" in done.stderr
    dns.silent = True
    done = check("nobody.internal:3000")
    assert done.returncode == 1 and "no answer within 12000 ms" in done.stderr


def test_localhost_is_not_looked_up(tmp_path, certs, hosts, two):
    """It is 127.0.0.1, whatever the files say."""
    hosts.hosts.write_text("127.0.0.3 localhost\n")
    config, listeners = Config(tmp_path, certs), [Listener("clear", tls=False)]
    with RawApp() as app:
        config.write(listeners, app=f"localhost:{app.address[1]}")
        with started(certs, hosts, config, listeners) as kedge:
            assert ask(kedge) == 200 and len(app.connections) == 1


def test_a_start_that_fails(hosts):
    process = Process([*hosts.prefix, BINARY, "run", *FLAGS, "--app", "nobody.internal:3000"],
                      env={**os.environ, **SANITIZER_OPTIONS}, name="kedge")
    assert process.wait(60) == 1
    assert process.matches("error: application nobody.internal:3000: cannot be resolved")
    process.stop()
