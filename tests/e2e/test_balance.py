# SPDX-License-Identifier: BSD-2-Clause
"""Several servers behind one application: who gets what, and that a dead, full or changed one costs no request."""
import contextlib
import re
import threading

import pytest

from client import Client, tls_context
from kedge import BINARY, Kedge, Listener
from machine import Deadline
from rawapp import RawApp, answer
from run import run
from test_reload import Running

LISTENERS = [Listener("tls"), Listener("clear", tls=False)]


def who(name):
    """An application that says its name, and whom it was asked for."""
    def respond(_conn, req):
        return answer(body=f"{name} {req.target} {req.xff}".encode())
    return respond


@contextlib.contextmanager
def stage(certs, cgroup, combination, names, *flags, paths=()):
    """kedge with one worker before so many servers, those of `paths` on unix sockets."""
    with contextlib.ExitStack() as stack:
        apps = [stack.enter_context(RawApp(who(name), cgroup, path=path, restarts=True))
                for name, path in zip(names, [*paths, *[None] * len(names)])]
        more = [word for app in apps[1:] for word in ("--app", app.text)]
        kedge = stack.enter_context(Kedge(certs, apps[0].text, LISTENERS, combination, cgroup,
                                          ["--workers", "1", *more, *flags]))
        yield kedge, apps


def ask(kedge, target="/", leg=("clear", None), **kwargs):
    with Client(kedge[leg[0]], tls=leg[1]) as c:
        return c.request(target=target, **kwargs)


def dead_port():
    with RawApp(accepting=False) as app:
        return app.text


@pytest.mark.each_kernel
def test_all_get_their_share(certs, cgroup, ends, leg):
    with stage(certs, cgroup, ends, "abc") as (kedge, apps):
        said = [ask(kedge, f"/{n}", leg).text for n in range(60)]
        assert [text.split()[1:] for text in said] == [[f"/{n}", "127.0.0.1"] for n in range(60)]
        times = [sum(text[0] == name for text in said) for name in "abc"]
        assert min(times) > 5, times
        assert [len(app.connections) for app in apps] == times


def test_a_kept_connection_keeps_its_server(certs, cgroup, ends, leg):
    with stage(certs, cgroup, ends, "abc") as (kedge, _), Client(kedge[leg[0]], tls=leg[1]) as c:
        assert len({c.request().text[0] for _ in range(20)}) == 1


def test_servers_of_all_kinds(certs, cgroup, leg, tmp_path):
    """BPF edits what goes to TCP, kedge itself what goes to a unix socket: nobody sees a difference."""
    with stage(certs, cgroup, None, "ab", paths=[tmp_path / "app.sock"]) as (kedge, _):
        said = {ask(kedge, leg=leg).text for _ in range(30)}
        assert said == {"a / 127.0.0.1", "b / 127.0.0.1"}


@pytest.mark.each_kernel
def test_a_dead_server_costs_no_request(certs, cgroup, ends, leg):
    """It is asked three times, and then for a while not at all."""
    dead = dead_port()
    with stage(certs, cgroup, ends, "a", "--app", dead) as (kedge, _):
        for n in range(40):
            got = ask(kedge, f"/{n}", leg, method="POST", body=b"x")
            assert (got.status, got.text) == (200, f"a /{n} 127.0.0.1")
        stats = kedge.status()["stats"]
        assert 3 <= stats["connects_again"] <= 5
        assert kedge.log().count(f"server {dead} is out: the last 3 connections failed: Connection refused") == 1


def test_all_are_dead(certs, cgroup, ends, leg):
    with stage(certs, cgroup, ends, "a", "--app", dead_port(), "--app", dead_port()) as (kedge, apps):
        apps[0].stop()
        for _ in range(20):
            assert ask(kedge, leg=leg).status == 502
        assert kedge.reason("app_refused") == 20


def test_a_backup_is_for_when_no_other_is_up(certs, cgroup, ends, leg):
    with RawApp(who("b"), cgroup) as backup, \
            stage(certs, cgroup, ends, "a", "--backup", backup.text) as (kedge, apps):
        assert {ask(kedge, leg=leg).text[0] for _ in range(20)} == {"a"}
        apps[0].stop()
        assert {ask(kedge, leg=leg).text[0] for _ in range(20)} == {"b"}


class Slow:
    """Answers when it is told to, and knows how many requests it has at a time."""

    def __init__(self):
        self.lock, self.now, self.most, self.go = threading.Lock(), 0, 0, threading.Event()

    def __call__(self, _conn, req):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.go.wait(30)
        with self.lock:
            self.now -= 1
        return answer(body=req.target.encode())


def in_threads(count, work):
    """Runs work(n) in so many threads, and returns what they return, or raises what they raise."""
    results = [None] * count

    def run_one(n):
        try:
            results[n] = work(n)
        except BaseException as error:
            results[n] = error
    threads = [threading.Thread(target=run_one, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()

    def finish():
        deadline = Deadline(60, "all clients")
        for thread in threads:
            thread.join(deadline.left())
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results
    return finish


def test_a_full_server_lets_clients_wait(certs, cgroup, ends, leg):
    """Two connections to each of two servers; ten clients: six wait, and all are served."""
    slow = Slow()
    with RawApp(slow, cgroup) as one, RawApp(slow, cgroup) as other, \
            Kedge(certs, one.text, LISTENERS, ends, cgroup,
                  ["--workers", "2", "--app", other.text, "--server-connections-max", "2",
                   "--queue-timeout-ms", "60000", "--metrics", "127.0.0.1:0"]) as kedge:
        finish = in_threads(10, lambda n: ask(kedge, f"/{n}", leg).text)
        status = kedge.wait_status(lambda s: s["stats"]["connects_queued"] == 6)
        assert status["applications"][0]["waiting"] == 6
        shown = run(BINARY, "server", "--control", kedge.control).stdout
        assert re.search(r"^\S+: 6 clients wait for a server$", shown, re.M), shown
        assert re.search(r"^kedge_application_waiting\{application=.* 6$", kedge.metrics(), re.M)
        slow.go.set()
        assert finish() == [f"/{n}" for n in range(10)]
        assert slow.most <= 4
        assert kedge.status()["applications"][0]["waiting"] == 0


def test_the_queue_has_an_end(certs, cgroup, ends, leg):
    slow = Slow()
    with RawApp(slow, cgroup) as app, \
            Kedge(certs, app.text, LISTENERS, ends, cgroup,
                  ["--workers", "1", "--server-connections-max", "1", "--queue-max", "1",
                   "--queue-timeout-ms", "300"]) as kedge:
        first = in_threads(1, lambda n: ask(kedge, "/first", leg).text)
        app.wait(lambda: slow.now == 1)
        second = in_threads(1, lambda n: ask(kedge, "/second", leg).status)
        kedge.wait_status(lambda s: s["stats"]["connects_queued"] == 1)
        assert ask(kedge, "/third", leg).status == 503
        assert second() == [503]
        slow.go.set()
        assert first() == ["/first"]
        assert kedge.reason("app_queue") == 2
        assert ask(kedge, "/fourth", leg).text == "/fourth"


@pytest.mark.each_kernel
def test_an_idle_client_gives_its_place_up(certs, cgroup, ends, leg):
    """The server has room for one. An idle client does not notice that others were served in between."""
    with stage(certs, cgroup, ends, "a", "--server-connections-max", "1", "--app-idle-timeout-ms", "600000",
               "--queue-timeout-ms", "60000") as (kedge, apps), \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(kedge[leg[0]], tls=leg[1])) for _ in range(5)]
        for round_ in range(3):
            for n, c in enumerate(clients):
                assert c.request(target=f"/{round_}/{n}").text == f"a /{round_}/{n} 127.0.0.1"
        assert len(apps[0].connections) == 15
        assert kedge.stat("legs_wanted") == 14


@pytest.mark.each_kernel
def test_an_application_that_restarts_is_waited_for(certs, cgroup, ends, leg):
    with stage(certs, cgroup, ends, "a", "--connect-retry-ms", "60000") as (kedge, apps):
        port = apps[0].address[1]
        assert ask(kedge, leg=leg).status == 200
        apps[0].stop()
        finish = in_threads(5, lambda n: ask(kedge, f"/{n}", leg, method="POST", body=b"x").text)
        kedge.wait_status(lambda s: s["connections_open"] == 5)
        with RawApp(who("new"), cgroup, port=port, restarts=True):
            assert finish() == [f"new /{n} 127.0.0.1" for n in range(5)]


def test_a_server_that_dies_with_the_first_request_of_a_leg(certs, cgroup, ends, leg):
    """Another one gets it, if it may be repeated; and no third one."""
    dies = [0]

    def serve(conn):
        with contextlib.suppress(EOFError, OSError):
            conn.read_request()
            dies[0] += 1
        conn.reset()
    with RawApp(cgroup=cgroup, serve=serve) as bad, \
            stage(certs, cgroup, ends, "a", "--app", bad.text) as (kedge, _):
        for n in range(30):
            assert ask(kedge, f"/{n}", leg).text == f"a /{n} 127.0.0.1"
        assert dies[0] == kedge.stat("requests_again") > 0
    with RawApp(cgroup=cgroup, serve=serve) as bad, RawApp(cgroup=cgroup, serve=serve) as worse, \
            Kedge(certs, bad.text, LISTENERS, ends, cgroup, ["--app", worse.text]) as kedge:
        dies[0] = 0
        assert ask(kedge, leg=leg).status == 502
        assert dies[0] == 2
        assert ask(kedge, leg=leg, method="POST", body=b"x").status == 502
        assert dies[0] == 3


def hammer(kedge, leg, stop, targets):
    """Requests on connections of a few each, until it is told to stop. Returns how many."""
    done = 0
    while not stop.is_set():
        with Client(kedge[leg[0]], tls=leg[1]) as c:
            for _ in range(5):
                target = f"/{targets}/{done}"
                got = c.request(target=target)
                assert (got.status, got.text.split()[1:]) == (200, [target, "127.0.0.1"]), got.text
                done += 1
    return done


def under_load(kedge, leg, work):
    stop = threading.Event()
    finish = in_threads(3, lambda n: hammer(kedge, leg, stop, n))
    try:
        work()
    finally:
        stop.set()
    assert sum(finish()) > 0


def test_a_reload_changes_servers_and_no_request_is_lost(tmp_path, certs, cgroup, most, leg):
    with Running(tmp_path, certs, cgroup, most) as r:
        r.first.respond, r.second.respond = who("a"), who("b")
        lists = [[r.first.text, r.second.text], [r.second.text], [r.first.text]]

        def work():
            for n in range(9):
                asked = r.kedge.stat("flows")
                r.reload(app=lists[n % 3])
                r.kedge.wait_status(lambda s, asked=asked: s["stats"]["flows"] > asked + 5)
        under_load(r.kedge, leg, work)
        stats = r.kedge.status()
        assert not {k: v for k, v in stats["reasons"].items() if v and k != "client_gone"}


def test_a_rolling_restart_loses_nothing(certs, cgroup, ends, leg):
    """One server after the other ends, with all that it has, and comes back."""
    with stage(certs, cgroup, ends, "abc") as (kedge, apps), contextlib.ExitStack() as stack:
        def work():
            for turn in range(2):
                for n, name in enumerate("abc"):
                    port = apps[n].address[1]
                    asked = kedge.stat("flows")
                    apps[n].stop()
                    kedge.wait_status(lambda s, asked=asked: s["stats"]["flows"] > asked + 20)
                    apps[n] = stack.enter_context(RawApp(who(name), cgroup, port=port, restarts=True))
                    apps[n].wait(lambda n=n: apps[n].connections, seconds=60, what=f"{name} in turn {turn}")
        under_load(kedge, leg, work)
        assert not kedge.reason("app_gone") and not kedge.reason("app_refused")


def test_two_applications(tmp_path, certs, cgroup, most):
    """By their names; each listener has its own, and one of them is no HTTP."""
    def greet(conn):
        conn.send(b"220 hi\r\n")
        conn.close()
    with RawApp(who("web"), cgroup) as web, RawApp(cgroup=cgroup, serve=greet) as mail, \
            Running(tmp_path, certs, cgroup, most) as r:
        r.write()
        text = r.config.path.read_text().replace("listeners:", f"""
apps:
  web: {{servers: "{web.text}"}}
  mail: {{servers: ["{mail.text}"], mode: tcp}}
listeners:""")
        head, *entries = text.split("\n- ")
        assert len(entries) == 2
        for n, name in enumerate(("web", "mail")):
            entries[n] = entries[n].replace('"mode": "http", ', "").replace("{", f'{{"app": "{name}", ', 1)
        r.config.path.write_text("\n- ".join([head, *entries]))
        assert r.kedge.reload().returncode == 0
        with Client(r.kedge["tls"], tls=tls_context()) as c:
            assert c.request().text == "web / 127.0.0.1"
        with Client(r.kedge["clear"]) as c:
            assert c.recv_exactly(8) == b"220 hi\r\n"
