# SPDX-License-Identifier: BSD-2-Clause
"""Real servers as packaged. Each tells which requests it has received.

Applications (tests/servers/apps) write a line for each request; the others write an access log. `seen()`
is valid after stop(): [Seen, ...] in the order of each connection.
"""
import collections
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import machine
from kedge import Kedge
from process import Process

APPS = Path(__file__).parent / "apps"
BUILD = machine.ROOT / "build/servers"
# Each server's body for /large; the applications make the same.
LARGE = (bytes(range(251)) * ((8 << 20) // 251 + 1))[:8 << 20]


class Seen:
    """
    A request that a server has received. done: its body was complete; None if the server cannot tell. peer:
    "ADDRESS PORT" of the connection, as the server logs it.
    """

    def __init__(self, xff, method, target, done=None, status=None, peer=None):
        self.peer, self.xff = peer, xff  # xff: the lines of X-Forwarded-For
        self.method, self.target, self.done, self.status = method, target, done, status

    def __repr__(self):
        return f"{self.method} {self.target[:60]} {self.xff} done={self.done} status={self.status}"


def run(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


class Backend:
    """
    name: as in docs/servers.md. at_once: the client ends its direction right after its last byte. Otherwise it
    does so after its answers, because many servers then take the client for gone. origin_form, upper_case: the
    server logs targets without the authority, methods in upper case.
    """

    name, at_once, origin_form, upper_case = "", False, False, False

    def __init__(self):
        self.base = Path(tempfile.mkdtemp(prefix=f"kedge-servers-{os.getpid()}-"))
        self.base.chmod(0o755)
        self.process = None
        try:
            self.host, self.port = self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def text(self):
        return f"{self.host}:{self.port}"

    @classmethod
    def version(cls):
        """The version number of its package or vendor."""
        raise NotImplementedError

    def start(self):
        """Starts it. Returns (host, port)."""
        raise NotImplementedError

    def seen(self):
        return [Seen(row["xff"], row["method"], row["target"], row["done"], peer=row["peer"])
                for row in (json.loads(m[1]) for m in self.process.matches(r"^seen (.*)$"))]

    def stop(self):
        if self.process:
            self.process.stop(seconds=30)
            # After the process has ended: lines that were still in its pipe.
            self.process.wait()
        shutil.rmtree(self.base, ignore_errors=True)


@contextlib.contextmanager
def behind(make, certs, cgroup, listeners, combination, flags=()):
    """A kedge before the server that make() starts in the cgroup; `server` names it."""
    with cgroup.inside():
        server = make()
    try:
        with Kedge(certs, server.text, listeners, combination, cgroup, flags) as kedge:
            kedge.server = server
            yield kedge
    finally:
        server.stop()


class Listening(Backend):
    """A server that prints the port that the kernel chose."""

    argv, env = (), {}

    def start(self):
        self.process = Process(self.argv, env={**os.environ, **self.env}, name=self.name)
        port = self.process.wait_line(r"(?:listening on|Listening at: http://127.0.0.1:) ?(\d+)",
                                      seconds=60)[0][1]
        return "127.0.0.1", int(port)


class Node(Listening):
    name, argv, env = "Node", ("node", APPS / "seen.js"), {"HOST": "127.0.0.1", "PORT": "0"}

    @classmethod
    def version(cls):
        return run("node", "--version").strip().lstrip("v")


class Go(Listening):
    name, argv, source = "Go", (BUILD / "seen-go", "127.0.0.1:0"), APPS / "seen.go"

    @classmethod
    def version(cls):
        return re.search(r"go(\d\S*)", run("go", "version"))[1]

    def start(self):
        go_build(self.argv[0], self.source)
        return super().start()


def go_build(binary, source):
    # Checked here: in a guest even a compiler that finds nothing to do takes a minute.
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, "GOCACHE": str(BUILD / "go-cache"), "GO111MODULE": "off"}
        subprocess.run(["go", "build", "-o", binary, source], env=env, check=True)


class Gunicorn(Listening):
    name, upper_case = "gunicorn", True
    # Its threads read a request that came with an earlier one only when more bytes come.
    at_once = True
    # Threads, because the default worker of Debian's gunicorn closes after each answer.
    argv = ("/usr/bin/python3", "-B", "-m", "gunicorn", "--bind", "127.0.0.1:0", "--worker-class",
            "gthread", "--threads", "16", "--chdir", APPS, "seen:wsgi")

    @classmethod
    def version(cls):
        return run("/usr/bin/python3", "-m", "gunicorn", "--version").split()[-1].rstrip(")")


class Elsewhere(Backend):
    """
    A server that must be told a port. It has a loopback address of its own, so that a port that was free there
    stays free: nothing else uses that address.
    """

    count = 0

    def free_port(self):
        Elsewhere.count += 1
        pid = os.getpid()
        host = f"127.{64 + Elsewhere.count % 64}.{pid >> 8 & 255}.{pid & 255}"
        with socket.socket() as s:
            s.bind((host, 0))
            return host, s.getsockname()[1]

    def wait_listening(self, address):
        def try_it():
            if self.process.popen.poll() is not None:
                raise RuntimeError(f"{self.name} ended:\n{self.process.log()}")
            with socket.socket() as s:
                return s.connect_ex(address) == 0
        machine.wait_for(try_it, 30, f"{self.name}: nobody listens")


class Uvicorn(Elsewhere):
    name = "uvicorn"

    @classmethod
    def version(cls):
        return run("/usr/bin/python3", "-m", "uvicorn", "--version").split()[2]

    def start(self):
        host, port = self.free_port()
        self.process = Process(
            ["/usr/bin/python3", "-B", "-m", "uvicorn", "--app-dir", APPS, "--host", host, "--port",
             port, "--http", "h11", "--ws", "none", "--lifespan", "off", "--no-access-log",
             "--log-level", "warning", "seen:asgi"], name=self.name)
        self.wait_listening((host, port))
        return host, port


class Logging(Elsewhere):
    """A server with a configuration file. Its access log tells which requests it has received."""

    argv, config = (), ""

    def start(self):
        host, port = self.free_port()
        root = self.base / "root"
        root.mkdir()
        (root / "index.html").write_text("seen\n")
        (root / "large").write_bytes(LARGE)
        self.base.joinpath("config").write_text(
            self.config.replace("BASE", str(self.base)).replace("HOST", host)
            .replace("PORT", str(port)))
        self.process = Process([str(word).replace("BASE", str(self.base)) for word in self.argv],
                               name=self.name)
        self.wait_listening((host, port))
        return host, port

    def stop(self):
        if self.process:
            self.process.stop(seconds=30)
        self.lines = {path.name: path.read_bytes().decode("latin-1").splitlines()
                      for path in self.base.glob("access*")}
        super().stop()


def split_line(request):
    """Method and target of a request line from a log."""
    method, _, rest = request.partition(" ")
    return method, rest.rpartition(" ")[0] if " HTTP/" in rest else rest


def origin_form(target):
    """The part of an absolute-form target behind the authority."""
    match = re.fullmatch(r"https?://[^/?]*(.*)", target, re.I)
    if not match:
        return target
    return match[1] if match[1].startswith("/") else "/" + match[1]


class Nginx(Logging):
    name = "nginx"
    argv = ("/usr/sbin/nginx", "-p", "BASE", "-e", "BASE/error", "-c", "BASE/config")
    # Requests go through its proxy to itself. The proxy sends them after it has the whole body.
    config = r"""
daemon off;
user root;
worker_processes 1;
pid BASE/pid;
error_log BASE/error;
events { worker_connections 2048; }
http {
	log_format seen escape=json
		'{"peer":"$remote_addr $remote_port","xff":"$http_x_forwarded_for","line":"$request","status":$status}';
	client_body_temp_path BASE/body;
	proxy_temp_path BASE/proxy;
	fastcgi_temp_path BASE/fastcgi;
	uwsgi_temp_path BASE/uwsgi;
	scgi_temp_path BASE/scgi;
	keepalive_requests 100000;
	client_max_body_size 0;
	server {
		listen HOST:PORT backlog=1024;
		access_log BASE/access seen;
		location / { proxy_pass http://unix:BASE/inner; }
		location = /large { root BASE/root; }
	}
	server {
		listen unix:BASE/inner;
		access_log BASE/access-whole seen;
		location / { return 200 "seen\n"; }
	}
}
"""

    @classmethod
    def version(cls):
        return re.search(r"nginx/(\S+)", run("/usr/sbin/nginx", "-v"))[1]

    def rows(self, name):
        for line in self.lines[name]:
            row = json.loads(line)
            yield Seen([row["xff"]] if row["xff"] else [], *split_line(row["line"]), None,
                       row["status"], row["peer"])

    def seen(self):
        """The requests that came in; done if they came out of the proxy. Those that only came out are left over."""
        inner = collections.defaultdict(list)
        for row in self.rows("access-whole"):
            inner[str(row.xff)].append(row)
        rows = list(self.rows("access"))
        for row in rows:
            here = inner[str(row.xff)]
            row.done = bool(here) and here[0].method == row.method and \
                here[0].target == origin_form(row.target)
            if row.done:
                here.pop(0)
        return rows + [row for here in inner.values() for row in here]


class Apache(Logging):
    name = "Apache"
    argv = ("/usr/sbin/apache2", "-X", "-d", "BASE", "-f", "BASE/config")
    # The file is sent after the whole body has been read.
    config = r"""
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
ServerName localhost
Listen HOST:PORT
ListenBacklog 1024
PidFile BASE/pid
DefaultRuntimeDir BASE
User www-data
Group www-data
ServerLimit 1
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
MaxKeepAliveRequests 0
DocumentRoot BASE/root
FallbackResource /index.html
ErrorLog BASE/error
LogFormat "%a %{remote}p\t%r\t%>s %{X-Forwarded-For}i" seen
CustomLog BASE/access seen
"""

    @classmethod
    def version(cls):
        return re.search(r"Apache/(\S+)", run("/usr/sbin/apache2", "-v"))[1]

    def seen(self):
        rows = []
        for whole in self.lines["access"]:
            peer, _, line = whole.partition("\t")
            # The log escapes quotes, backslashes and invisible characters.
            request, _, rest = (re.sub(r'\\(x[0-9a-f]{2}|["\\])', lambda m: chr(int(m[1][1:], 16))
                                       if m[1][0] == "x" else m[1], part)
                                for part in line.partition("\t"))
            status, _, xff = rest.partition(" ")
            rows.append(Seen([] if xff == "-" else [xff], *split_line(request),
                             True if int(status) < 400 else None, int(status), peer))
        return rows


class Lighttpd(Logging):
    name, origin_form = "lighttpd", True
    argv = ("/usr/sbin/lighttpd", "-D", "-f", "BASE/config")
    config = r"""
server.modules = ("mod_accesslog", "mod_rewrite")
server.document-root = "BASE/root"
server.bind = "HOST"
server.port = PORT
server.listen-backlog = 1024
server.max-keep-alive-requests = 65535
server.errorlog = "BASE/error"
server.pid-file = "BASE/pid"
url.rewrite-once = ("^/large$" => "/large", ".*" => "/index.html")
accesslog.filename = "BASE/access"
accesslog.format = "%a %{remote}p	%r	%s %{X-Forwarded-For}i"
"""

    @classmethod
    def version(cls):
        return re.search(r"lighttpd/(\S+)", run("/usr/sbin/lighttpd", "-v"))[1]

    def seen(self):
        rows = Apache.seen(self)
        for row in rows:
            row.done = None
        return rows


class Haproxy(Backend):
    """A second proxy, as packaged, with Node behind it."""

    name, make_node = "HAProxy", Node

    @classmethod
    def version(cls):
        return re.search(r"version (\S+)", run("/usr/sbin/haproxy", "-v"))[1]

    def start(self):
        self.node = self.make_node()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        config = self.base / "config"
        config.write_text(f"""
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
frontend clients
	bind fd@{listener.fileno()}
	default_backend node
backend node
	server node {self.node.text}
""")
        listener.listen(1024)
        self.process = Process(["/usr/sbin/haproxy", "-db", "-f", config], name=self.name,
                               pass_fds=[listener.fileno()])
        address = listener.getsockname()
        listener.close()
        return address

    def seen(self):
        return self.node.seen()

    def stop(self):
        super().stop()
        self.node.stop()


ALL = (Node, Go, Nginx, Apache, Lighttpd, Gunicorn, Uvicorn, Haproxy)
