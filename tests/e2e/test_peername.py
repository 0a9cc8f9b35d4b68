# SPDX-License-Identifier: BSD-2-Clause
"""
The true peer: an application that asks its socket gets the client, and no other socket changes.

    KEDGE_TEST_PEERS   how many are open at once (1000)
"""
import contextlib
import os
import signal
import socket
import struct

import pytest

import machine
import prefix
from bpftool import bpftool, objects
from client import Client, request
from kedge import Combination, Kedge, Listener
from process import Process
from rawapp import RawApp

CLIENT4, CLIENT6, PORT = "198.51.100.22", "2001:db8::22", 35646
NOBODY = "192.0.0.8"
MANY = int(os.environ.get("KEDGE_TEST_PEERS", "1000"))
ON = ("--peername", "require")


def attached(cgroup):
    return sorted(x["attach_type"] for x in objects("cgroup", "show", cgroup.path))


@pytest.fixture(scope="module", autouse=True)
def able():
    if os.geteuid() != 0:
        pytest.skip("only root may attach to a cgroup")


def start(certs, cgroup, app, combination=None, flags=ON, app_cgroup=None):
    return Kedge(certs, app, [Listener("clear", tls=False, proxy="optional"),
                              Listener("tls", proxy="optional")],
                 combination or Combination(), cgroup,
                 flags=(*flags, "--app-cgroup", (app_cgroup or cgroup).path))


@pytest.fixture
def app(cgroup):
    with RawApp(cgroup=cgroup) as app:
        yield app


@pytest.fixture
def front(certs, cgroup, app):
    with start(certs, cgroup, app.text) as kedge:
        yield kedge


def ask(kedge, header, name="clear", tls=None):
    c = Client(kedge[name], header, tls)
    assert c.request().status == 200
    return c


@pytest.mark.each_kernel
@pytest.mark.parametrize("name", ["clear", "tls"])
def test_client_is_the_peer(certs, cgroup, app, tls, combo, name):
    """By accept() and getpeername(), for as long as the connection lives, with every other capability."""
    with start(certs, cgroup, app.text, combo) as kedge:
        with ask(kedge, prefix.v2(CLIENT4, sport=PORT), name, tls if name == "tls" else None) as c:
            conn = app.connection()
            assert conn.peer == (CLIENT4, PORT)
            for _ in range(3):
                assert conn.sock.getpeername() == (CLIENT4, PORT)
                assert c.request().status == 200
        stats = kedge.status()["peername_stats"]
        assert (stats["peers"], stats["shown"], stats["not_shown"], stats["lost"]) == (1, 4, 0, 0)
        # The peer must be known even after kedge's socket has ended.
        assert kedge.status()["peername"] == "on"


def test_without_a_prefix_it_is_the_peer_of_kedge(front, app):
    with ask(front, b"") as c:
        assert app.connection().peer == c.sock.getsockname()


def test_others_keep_their_peers(front, app):
    """Sockets of the same application that have nothing to do with kedge keep their peers."""
    with ask(front, prefix.v1(CLIENT4, sport=PORT)), Client(app.address) as direct:
        assert direct.request().status == 200
        assert app.connection(0).peer == (CLIENT4, PORT)
        assert app.connection(1).peer == direct.sock.getsockname()
        assert app.connection(1).sock.getpeername() == direct.sock.getsockname()
        # The other end of the application's socket and kedge's own socket keep their peers, too.
        assert direct.sock.getpeername() == app.address


@pytest.mark.parametrize("host, target, client, shown", [
    ("127.0.0.1", "127.0.0.1", CLIENT4, CLIENT4),
    ("::1", "[::1]", CLIENT6, CLIENT6),
    ("::1", "[::1]", CLIENT4, f"::ffff:{CLIENT4}"),
    ("::", "127.0.0.1", CLIENT4, f"::ffff:{CLIENT4}"),
    ("::", "127.0.0.1", CLIENT6, CLIENT6),
    ("127.0.0.1", "127.0.0.1", CLIENT6, None),
], ids=["4-4", "6-6", "4-6", "4-dual", "6-dual", "6-4"])
@pytest.mark.each_kernel
def test_address_families(certs, cgroup, ipv6, host, target, client, shown):
    """An IPv4 socket cannot show an IPv6 client. It shows nobody's address, and kedge counts it."""
    with RawApp(cgroup=cgroup, host=host) as app, \
            start(certs, cgroup, f"{target}:{app.address[1]}", flags=("--peername", "prefer")) as kedge:
        with ask(kedge, prefix.v1(client, dst="2001:db8::7" if ":" in client else "203.0.113.7",
                                  sport=PORT)):
            peer = app.connection().peer[:2]
            if shown:
                assert peer == app.connection().sock.getpeername()[:2] == (shown, PORT)
            else:
                assert peer == (NOBODY, PORT)
            stats = kedge.status()["peername_stats"]
            assert (stats["shown"], stats["not_shown"]) == ((2, 0) if shown else (0, 1))


def test_a_client_that_cannot_be_shown_is_refused(front, app):
    """peername: require, an IPv6 client, an IPv4 application: refused before the first byte."""
    with Client(front["clear"], prefix.v2(CLIENT6, dst="2001:db8::7", sport=PORT)) as c:
        assert c.request().status == 503
    assert front.reason("peername_family") == 1
    ask(front, prefix.v2(CLIENT4, sport=PORT)).close()
    app.wait_ended()
    assert [r.target for conn in app.connections for r in conn.requests] == ["/"]
    assert not front.status()["capability_losses"]


@pytest.mark.parametrize("header, shown", [
    (prefix.v1_unknown(), NOBODY), (prefix.v2_unix(), NOBODY), (prefix.v2_local(), "127.0.0.1"),
], ids=["v1 UNKNOWN", "v2 unix", "v2 LOCAL"])
def test_prefixes_that_name_nobody(front, app, header, shown):
    """LOCAL is the balancer itself. A client that nobody knows is not shown as the balancer."""
    with ask(front, header):
        assert app.connection().peer[0] == app.connection().sock.getpeername()[0] == shown


# --- rows that nobody uses -----------------------------------------------------------------------

def coming(kedge):
    return kedge.pin.with_name(f"{kedge.pin.name}-peername") / "kdg_coming"


def rows(kedge):
    return objects("map", "dump", "pinned", coming(kedge))


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_a_refused_connect_leaves_nothing(certs, own_cgroup, ipv6, family):
    """The application is down. When it is up, clients that connect directly are shown as themselves."""
    host, target = ("127.0.0.1", "127.0.0.1") if family == "v4" else ("::1", "[::1]")
    port = closed_port()
    with start(certs, own_cgroup, f"{target}:{port}") as kedge:
        for i in range(50):
            with Client(kedge["clear"], prefix.v2(f"198.51.100.{i}", sport=PORT)) as c:
                assert c.request().status == 502
        assert rows(kedge) == []
        with RawApp(cgroup=own_cgroup, host=host, port=port) as app:
            for _ in range(50):
                with Client(app.address) as c:
                    assert c.request().status == 200
                    assert app.connections[-1].peer[:2] == c.sock.getsockname()[:2]
        assert kedge.status()["peername_stats"]["shown"] == 0


def test_a_connect_that_is_given_up_leaves_nothing(certs, own_cgroup):
    """The listener takes no SYN. When the client ends, or connect-timeout, the row is removed with the socket."""
    with own_cgroup.inside(), socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        where = listener.getsockname()
        with contextlib.ExitStack() as stack:
            for _ in range(2):  # its queue is full
                s = stack.enter_context(socket.socket())
                s.setblocking(False)
                s.connect_ex(where)
            with start(certs, own_cgroup, f"127.0.0.1:{where[1]}",
                       flags=(*ON, "--connect-timeout-ms", "1000", "--linger-timeout-ms", "100")) as kedge:
                with Client(kedge["clear"], prefix.v2(CLIENT4, sport=PORT)) as c:
                    c.send(request())
                    machine.wait_for(lambda: len(rows(kedge)) == 1, what="the row")
                    assert c.response().status == 504
                machine.wait_for(lambda: rows(kedge) == [], what="the end of the row")
                with Client(kedge["clear"], prefix.v2(CLIENT4, sport=PORT)) as c:
                    c.send(request())
                    machine.wait_for(lambda: len(rows(kedge)) == 1, what="the row")
                    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                machine.wait_for(lambda: rows(kedge) == [], what="the end of the row")


def test_an_application_that_accepts_late(certs, own_cgroup):
    """TCP_DEFER_ACCEPT: the application's socket is made at the first byte. The name waits for it."""
    with RawApp(cgroup=own_cgroup) as app:
        app.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
        with start(certs, own_cgroup, app.text) as kedge:
            for i in range(5):
                with ask(kedge, prefix.v2(CLIENT4, sport=PORT + i)):
                    assert app.connections[-1].peer == (CLIENT4, PORT + i)
            assert rows(kedge) == []


def port_left(kedge, tls):
    """The port of a socket of kedge that was reset before the application's existed."""
    with Client(kedge["tls"], prefix.v2(CLIENT4, sport=PORT), tls) as c:
        machine.wait_for(lambda: len(rows(kedge)) == 1, what="the row")
        port = rows(kedge)[0]["formatted"]["key"]["remote_port"]
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    kedge.wait_idle()
    assert rows(kedge) == []
    return port


def bound_to(port):
    """A socket, or None: an earlier connection to another application may be in TIME-WAIT there."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        return None
    return sock


def test_a_port_that_is_used_again(certs, own_cgroup, tls):
    """Somebody else connects from the port of a socket of kedge."""
    with RawApp(cgroup=own_cgroup) as app:
        app.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
        with start(certs, own_cgroup, app.text, flags=(*ON, "--connect-early", "on")) as kedge, own_cgroup.inside():
            with machine.wait_for(lambda: bound_to(port_left(kedge, tls)), what="a free port") as direct:
                direct.connect(app.address)
                direct.sendall(request())
                assert app.connection().peer == direct.getsockname()


def fill(kedge, n, verb="update"):
    """Puts n rows that belong to nobody into kdg_coming, or removes them."""
    batch = "".join(f"map {verb} pinned {coming(kedge)} key hex {i.to_bytes(8, 'big').hex(' ')} {' 00' * 40}"
                    + (f" value hex {' 00' * 32}" if verb == "update" else "") + "\n" for i in range(n))
    bpftool("batch", "file", "-", input=batch)


@pytest.mark.each_kernel
@pytest.mark.parametrize("policy, status", [("prefer", 200), ("require", 503)])
def test_a_full_map(certs, own_cgroup, policy, status):
    """No row is evicted: the flow learns that there was no room for its own."""
    with RawApp(cgroup=own_cgroup) as app, \
            start(certs, own_cgroup, app.text,
                  flags=("--peername", policy, "--connections-max", "16")) as kedge:
        fill(kedge, 1024 + 16)
        with Client(kedge["clear"], prefix.v2(CLIENT4, sport=PORT)) as c:
            assert c.request().status == status
        kedge.process.wait_line(r"peername: lost: its map is full")
        assert kedge.status()["peername"] == "off"
        fill(kedge, 1024 + 16, "delete")

        def again():
            with Client(kedge["clear"], prefix.v2(CLIENT4, sport=PORT)) as c:
                return c.request().status == 200 and kedge.process.matches("peername: works again")
        machine.wait_for(again, what="the recovery")
        assert app.connections[-1].peer == (CLIENT4, PORT)


@pytest.mark.parametrize("policy, status", [("prefer", 200), ("require", 503)])
def test_an_application_outside(certs, own_cgroup, policy, status):
    """No program is attached where the application runs: it would see kedge."""
    outside = machine.Cgroup()
    try:
        with RawApp(cgroup=outside) as app, \
                start(certs, own_cgroup, app.text, flags=("--peername", policy)) as kedge:
            with Client(kedge["clear"], prefix.v2(CLIENT4, sport=PORT)) as c:
                assert c.request().status == status
            kedge.process.wait_line(r"peername: lost: its program does not see the application's socket")
            assert kedge.reason("capability_lost") == (status == 503)
            app.wait_ended()
            assert sum(len(conn.requests) for conn in app.connections) == (status == 200)
    finally:
        outside.remove()


@pytest.mark.each_kernel
@pytest.mark.parametrize("kind", ["cgroup_inet4_getpeername", "cgroup_sock_ops"])
def test_a_program_that_somebody_detaches(certs, own_cgroup, kind):
    """The application would see kedge from then on."""
    with RawApp(cgroup=own_cgroup) as app, start(certs, own_cgroup, app.text) as kedge:
        ask(kedge, prefix.v2(CLIENT4, sport=PORT)).close()
        number = next(x["id"] for x in objects("cgroup", "show", own_cgroup.path) if x["attach_type"] == kind)
        link = next(x["id"] for x in objects("link", "show") if x.get("prog_id") == number)
        bpftool("link", "detach", "id", link)

        def refused():
            with Client(kedge["clear"], prefix.v2(CLIENT4, sport=PORT)) as c:
                return c.request().status == 503
        machine.wait_for(refused, what="the loss")  # it is looked once a second
        kedge.process.wait_line(r"error: peername: lost: its program")


def test_many_at_once(front, app):
    """Many connections at once: each shows its own client."""
    clients = [(f"198.51.{i // 250}.{i % 250 + 1}", 1024 + i) for i in range(MANY)]
    open_now = []
    try:
        for address, port in clients:
            open_now.append(Client(front["clear"], prefix.v2(address, sport=port)))
            open_now[-1].send(request(target=f"/{address}:{port}"))
        for c in open_now:
            assert c.response().status == 200
        got = {conn.requests[0].target: conn for conn in app.connections}
        assert sorted(got) == sorted(f"/{a}:{p}" for a, p in clients)
        for address, port in clients:
            conn = got[f"/{address}:{port}"]
            assert conn.peer == conn.sock.getpeername() == (address, port)
    finally:
        for c in open_now:
            c.close()
    front.wait_idle()
    assert front.status()["peername_stats"]["peers"] == MANY


def test_peer_is_known_after_the_end(front, app):
    """The client has gone before the application asks for it the first time."""
    asked = []

    def ask_late(conn):
        while conn.fill():
            pass
        with app.changed:
            asked.append(conn.sock.getpeername())
            app.changed.notify_all()
        conn.sock.close()
    app.serve = ask_late
    with Client(front["clear"], prefix.v2(CLIENT4, sport=PORT)) as c:
        c.send(request())
        app.connection()
    assert app.wait(lambda: asked) == [(CLIENT4, PORT)]


def test_nothing_is_attached_after_a_kill(certs, own_cgroup):
    with RawApp(cgroup=own_cgroup) as app:
        kedge = start(certs, own_cgroup, app.text)
        try:
            ask(kedge, prefix.v2(CLIENT4, sport=PORT)).close()
            assert attached(own_cgroup) == ["cgroup_inet4_getpeername", "cgroup_inet6_getpeername",
                                            "cgroup_sock_ops"]
            os.kill(kedge.pid, signal.SIGKILL)
            kedge.process.popen.wait()
            assert attached(own_cgroup) == []
        finally:
            kedge.kill()


def test_counters_and_maps(front, app):
    for _ in range(3):
        ask(front, prefix.v2(CLIENT4, sport=PORT)).close()
    front.wait_idle()
    maps = front.pin.with_name(f"{front.pin.name}-peername")
    value = objects("map", "dump", "pinned", maps / "kdg_peer_stats")[0]["formatted"]["value"]
    assert value == front.status()["peername_stats"]
    assert value["peers"] == 3 and value["shown"] == 3
    assert objects("map", "dump", "pinned", maps / "kdg_coming") == []


def test_metrics(certs, cgroup, app):
    with start(certs, cgroup, app.text, flags=(*ON, "--metrics", "127.0.0.1:0")) as kedge:
        ask(kedge, prefix.v2(CLIENT4, sport=PORT)).close()
        text = kedge.metrics()
        assert 'kedge_capability{capability="peername"} 1\n' in text
        assert "kedge_peername_peers_total 1\n" in text


# --- what it costs ---------------------------------------------------------------------------------
COSTED = 300


class Cost:
    """
    Measures the peername programs of a cgroup during the body: {name: (runs, ns)}. Other suites may have programs of
    these names, too.
    """

    def __init__(self, cgroup):
        self.ids = {x["id"] for x in objects("cgroup", "show", cgroup.path)}

    def __enter__(self):
        self.before = self.now()
        return self

    def __exit__(self, *_):
        self.spent = {name: tuple(now - then for now, then in zip(took, self.before[name]))
                      for name, took in self.now().items()}

    def now(self):
        return {x["name"]: (x.get("run_cnt", 0), x.get("run_time_ns", 0)) for x in objects("prog", "show")
                if x["id"] in self.ids}

    def __str__(self):
        sockops, name = self.spent["kdg_peer_ops"], self.spent["kdg_peername4"]
        return (f"{(sockops[1] + name[1]) / COSTED:.0f} ns a connection (sockops {sockops[0] / COSTED:.1f} runs of "
                f"{sockops[1] / max(sockops[0], 1):.0f} ns, the name {name[1] / max(name[0], 1):.0f} ns)")


def test_cost_of_an_accept(certs, own_cgroup, bpf_stats, capsys):
    """The cost for a connection of kedge (its client leg and both ends of the app leg), and for another one."""
    with RawApp(cgroup=own_cgroup) as app, start(certs, own_cgroup, app.text) as kedge:
        with Cost(own_cgroup) as ours:
            for _ in range(COSTED):
                ask(kedge, prefix.v2(CLIENT4, sport=PORT)).close()
            kedge.wait_idle()
        with Cost(own_cgroup) as others:
            for _ in range(COSTED):
                with Client(app.address) as c:
                    assert c.request().status == 200
        with capsys.disabled():
            print(f"\nmeasured peername: kedge's own: {ours}\nmeasured peername: others: {others}")
        # Each accept asks once, for every client; kedge's own accept is in the same cgroup.
        assert ours.spent["kdg_peername4"][0] == 2 * COSTED
        assert others.spent["kdg_peername4"][0] == COSTED
        assert ours.spent["kdg_peername4"][1] > 0
        assert kedge.status()["peername_stats"]["shown"] == COSTED


def test_off_unless_asked(certs, own_cgroup):
    with RawApp(cgroup=own_cgroup) as app, start(certs, own_cgroup, app.text, flags=()) as kedge:
        with ask(kedge, prefix.v2(CLIENT4, sport=PORT)):
            assert app.connection().peer[0] == "127.0.0.1"
        assert attached(own_cgroup) == []
        assert kedge.status()["peername"] == "off"


def test_another_cgroup_for_the_application(certs, app):
    """kedge's sockets in one cgroup, the application's in another: each gets its programs once."""
    ours, theirs = machine.Cgroup(), machine.Cgroup()
    try:
        with RawApp(cgroup=theirs) as app, \
                start(certs, ours, app.text, app_cgroup=theirs) as kedge:
            with ask(kedge, prefix.v2(CLIENT4, sport=PORT)):
                assert app.connection().peer == (CLIENT4, PORT)
            assert kedge.status()["peername_stats"]["shown"] == 1
            assert attached(ours) == attached(theirs) and len(attached(theirs)) == 3
        assert attached(ours) == attached(theirs) == []
    finally:
        ours.remove()
        theirs.remove()


@pytest.mark.usefixtures("own_cgroup")
def test_without_app_cgroup_the_application_is_in_cgroup(certs, app, cgroup):
    """Not in the root of the hierarchy: --cgroup says where both are."""
    with Kedge(certs, app.text, [Listener("clear", tls=False, proxy="optional")], Combination(), cgroup, flags=ON) as kedge:
        with Client(kedge["clear"], prefix.v1(CLIENT4, sport=PORT)) as c:
            assert c.request().status == 200
        assert app.connection().peer[0] == CLIENT4
        assert {"cgroup_sock_ops", "cgroup_inet4_getpeername"} <= set(attached(cgroup))
        assert not kedge.process.matches("root of the cgroup hierarchy")


@pytest.mark.parametrize("edit", ["prefer", "off"])
def test_pins_of_a_killed_kedge_go_with_the_next(certs, app, cgroup, edit):
    """Also if that one has no use for them."""
    with start(certs, cgroup, app.text, Combination(False, True, False)) as kedge:
        peername = kedge.pin.with_name(f"{kedge.pin.name}-peername")
        kedge.process.popen.kill()
        kedge.process.popen.wait()
        assert list(peername.iterdir()) and list(kedge.pin.iterdir())
        kedge.process = Process([kedge.binary, "run", "--listen", "127.0.0.1:0", "--tls", "off", "--app", app.text,
                                 "--edit", edit, "--peername", "off", "--cgroup", cgroup.path,
                                 "--pin", kedge.pin, "--control", kedge.control], name="kedge")
        kedge.process.wait_line(r"ready\b", seconds=60)
        assert not peername.exists()
        assert kedge.pin.exists() == (edit == "prefer")
        assert kedge.process.stop() == 0
        if edit == "prefer":
            kedge.pin.rmdir()  # it was there before, so it stays


@pytest.mark.parametrize("where, says", [
    ("/nowhere", r"peername: required, .*cgroup /nowhere: No such file or directory"),
    ("/tmp", r"peername: required, .*cgroup /tmp: not a cgroup v2 directory"),
])
def test_a_cgroup_that_is_none(certs, app, cgroup, where, says):
    kedge = Kedge(certs, app.text, [Listener("clear", tls=False)], Combination(), cgroup,
                  flags=(*ON, "--app-cgroup", where), wait=False)
    kedge.process.wait_line(says)
    kedge.stop(status=1)


def test_unprivileged(certs, app, nobody):
    """With require kedge does not start; with prefer it goes on without peername and says so."""
    binary, become = nobody
    for policy, status in (("require", 1), ("prefer", 0)):
        kedge = Kedge(certs, app.text, [Listener("clear", tls=False)], Combination(), root=False,
                      flags=("--peername", policy), argv_prefix=become, binary=binary, wait=not status)
        kedge.process.wait_line(r"peername.*no CAP_BPF")
        kedge.stop(status=status)
