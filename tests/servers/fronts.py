# SPDX-License-Identifier: BSD-2-Clause
"""
Servers that pass a request's fields to an application as variables: CGI, FastCGI, SCGI, uwsgi, WSGI, Rack.
Each application returns its variables. The name of a variable has letters, digits and "_" only, so several
names of fields become one.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import backends
import names
from backends import APPS, BUILD, Elsewhere, Listening, run
from process import Process

PYTHON = "/usr/bin/python3"


def compiled():
    """The CGI program in C."""
    binary, source = BUILD / "environment", APPS / "environment.c"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-o", binary, source], check=True)
    return binary


class Configured(Elsewhere):
    """
    A server with a configuration file. In it and in argv BASE, HOST and PORT are replaced, and SOCKETS by the
    directory of the sockets of Behind. doors: {protocol in between: target}. fooled_by: {door: characters that it
    takes for a dash, or a list: those, and those of a newer one}; "" is for all doors without a name there. keeps:
    a connection serves more than one request.
    takes_bodies: it takes a body that the application does not read for the next request (no, yes, at times).
    chunks: it reads bodies in chunks.
    """

    argv, config, doors, fooled_by, keeps, takes_bodies = (), "", {"": "/"}, {"": "_"}, True, "no"
    chunks = True
    sockets = Path()

    def start(self):
        host, port = self.free_port()
        root = self.base / "root"
        root.mkdir()
        for path in APPS.glob("environment.*"):
            shutil.copy(path, root)
        shutil.copy(APPS / "environment.php", root / "environment.phpcgi")
        shutil.copy(compiled(), root / "environment.cgi")
        (root / "environment.cgi").chmod(0o755)

        def fill(text):
            for word, value in (("BASE", self.base), ("SOCKETS", self.sockets), ("HOST", host), ("PORT", port)):
                text = text.replace(word, str(value))
            return text
        (self.base / "config").write_text(fill(self.config))
        env = {**os.environ, "HOME": str(self.base)}
        self.process = Process([fill(str(word)) for word in self.argv], name=self.name, env=env)
        self.wait_listening((host, port))
        return host, port


def fooled_by(server, door):
    """The characters that it takes for a dash: of each version that is known."""
    found = server.fooled_by.get(door, server.fooled_by[""])
    return [found] if isinstance(found, str) else found


def php_fpm():
    """Its name ends in a version."""
    return next(Path("/usr/sbin").glob("php-fpm*"))


class Behind(Elsewhere):
    """The applications behind FastCGI, SCGI and uwsgi. Their sockets are in `base`."""

    name = "PHP-FPM and uwsgi"
    sockets = ("php", "uwsgi", "scgi", "fastcgi", "wrap")

    def start(self):
        (self.base / "fpm").write_text(f"""
[global]
error_log = /dev/stderr
[php]
listen = {self.base}/php
listen.mode = 0666
user = root
group = root
pm = static
pm.max_children = 2
""")
        self.others = [
            Process([php_fpm(), "-n", "-F", "-R", "-y", self.base / "fpm"], name="PHP-FPM"),
            Process(["/usr/sbin/fcgiwrap", "-s", f"unix:{self.base}/wrap"], name="fcgiwrap")]
        self.process = Process(
            ["/usr/bin/uwsgi-core", "--plugin", "python3", "--socket", self.base / "uwsgi", "--scgi-socket",
             self.base / "scgi", "--fastcgi-socket", self.base / "fastcgi", *UWSGI], name="uwsgi")
        for name in self.sockets:
            backends.machine.wait_for((self.base / name).exists, what=f"{name}: no socket")
        for path in ("uwsgi", "scgi", "fastcgi", "wrap"):
            (self.base / path).chmod(0o666)
        return "", 0

    def stop(self):
        for process in getattr(self, "others", ()):
            process.stop()
        super().stop()


UWSGI = ("--wsgi-file", APPS / "environment.py", "--processes", "1", "--threads", "4", "--buffer-size", "65535",
         "--max-vars", "1024", "--die-on-term", "--disable-logging")


class Lighttpd(Configured):
    name = "lighttpd"
    argv = ("/usr/sbin/lighttpd", "-D", "-f", "BASE/config")
    doors = {"CGI: C": "/environment.cgi", "CGI: Perl": "/environment.pl", "CGI: Python": "/environment.py",
             "CGI: Ruby": "/environment.rb", "CGI: Node": "/environment.cgi.js", "CGI: PHP": "/environment.phpcgi",
             "FastCGI: PHP": "/environment.php", "FastCGI: Python": "/fastcgi/", "SCGI: Python": "/scgi/"}
    fooled_by = {"": names.SEPARATORS.replace("-", "")}
    config = f"""
server.modules = ("mod_cgi", "mod_fastcgi", "mod_scgi")
server.document-root = "BASE/root"
server.bind = "HOST"
server.port = PORT
server.max-keep-alive-requests = 65535
server.errorlog = "BASE/error"
cgi.assign = (".cgi" => "", ".pl" => "/usr/bin/perl", ".py" => "{PYTHON}", ".rb" => "/usr/bin/ruby",
	".js" => "{shutil.which("node")}", ".phpcgi" => "/usr/bin/php-cgi")
fastcgi.server = (".php" => (("socket" => "SOCKETS/php")),
	"/fastcgi/" => (("socket" => "SOCKETS/fastcgi", "check-local" => "disable")))
scgi.server = ("/scgi/" => (("socket" => "SOCKETS/scgi", "check-local" => "disable")))
"""
    version = backends.Lighttpd.version


class Apache(Configured):
    name = "Apache"
    argv = ("/usr/sbin/apache2", "-DFOREGROUND", "-d", "BASE", "-f", "BASE/config")
    doors = {"CGI: C": "/environment.cgi", "FastCGI: PHP": "/environment.php", "SCGI: Python": "/scgi/",
             "uwsgi: Python": "/uwsgi/"}
    fooled_by = {"": ""}
    config = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in (
        "mpm_event", "authz_core", "cgid", "proxy", "proxy_fcgi", "proxy_scgi", "proxy_uwsgi")) + r"""
ServerName localhost
Listen HOST:PORT
PidFile BASE/pid
DefaultRuntimeDir BASE
User www-data
Group www-data
ServerLimit 1
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 16
MaxKeepAliveRequests 0
DocumentRoot BASE/root
ErrorLog BASE/error
ScriptSock BASE/cgid
<Directory BASE/root>
Options ExecCGI
</Directory>
<Files environment.cgi>
SetHandler cgi-script
</Files>
<Files environment.php>
SetHandler "proxy:unix:SOCKETS/php|fcgi://localhost"
</Files>
ProxyPass /scgi/ unix:SOCKETS/scgi|scgi://localhost/
ProxyPass /uwsgi/ unix:SOCKETS/uwsgi|uwsgi://localhost/
"""
    version = backends.Apache.version


class Nginx(Configured):
    name = "nginx"
    argv = ("/usr/sbin/nginx", "-p", "BASE", "-e", "BASE/error", "-c", "BASE/config")
    doors = {"FastCGI: PHP": "/php", "FastCGI: C": "/wrap", "FastCGI: Python": "/fastcgi", "SCGI: Python": "/scgi",
             "uwsgi: Python": "/uwsgi"}
    fooled_by = {"": "_", "FastCGI: PHP": "._"}
    # By default it drops fields with other characters than letters, digits and dashes.
    config = r"""
daemon off;
user root;
worker_processes 1;
pid BASE/pid;
error_log BASE/error;
events { worker_connections 512; }
http {
	ignore_invalid_headers off;
	underscores_in_headers on;
	access_log off;
	keepalive_requests 100000;
	client_body_temp_path BASE/body;
	proxy_temp_path BASE/proxy;
	fastcgi_temp_path BASE/fastcgi;
	uwsgi_temp_path BASE/uwsgi;
	scgi_temp_path BASE/scgi;
	fastcgi_param REQUEST_METHOD $request_method;
	fastcgi_param PATH_INFO /;
	fastcgi_param SERVER_NAME localhost;
	fastcgi_param SERVER_PORT 80;
	uwsgi_param REQUEST_METHOD $request_method;
	uwsgi_param PATH_INFO /;
	uwsgi_param SERVER_NAME localhost;
	uwsgi_param SERVER_PORT 80;
	scgi_param REQUEST_METHOD $request_method;
	scgi_param PATH_INFO /;
	scgi_param SERVER_NAME localhost;
	scgi_param SERVER_PORT 80;
	scgi_param SCGI 1;
	server {
		listen HOST:PORT;
		location = /php {
			fastcgi_param REQUEST_METHOD $request_method;
			fastcgi_param SCRIPT_FILENAME BASE/root/environment.php;
			fastcgi_pass unix:SOCKETS/php;
		}
		location = /wrap {
			fastcgi_param REQUEST_METHOD $request_method;
			fastcgi_param SCRIPT_FILENAME BASE/root/environment.cgi;
			fastcgi_pass unix:SOCKETS/wrap;
		}
		location = /fastcgi { fastcgi_pass unix:SOCKETS/fastcgi; }
		location = /uwsgi { uwsgi_pass unix:SOCKETS/uwsgi; }
		location = /scgi { scgi_pass unix:SOCKETS/scgi; }
	}
}
"""
    version = backends.Nginx.version


class Caddy(Configured):
    name = "Caddy"
    argv = ("/usr/bin/caddy", "run", "--config", "BASE/config", "--adapter", "caddyfile")
    doors, fooled_by = {"FastCGI: PHP": "/environment.php"}, {"": ["._", "."]}
    # PHP-FPM waits for ever for the end of a body in chunks.
    chunks = False
    config = """
{
	admin off
	auto_https off
}
:PORT {
	bind HOST
	root * BASE/root
	php_fastcgi unix/SOCKETS/php {
		trusted_proxies 127.0.0.0/8
	}
}
"""

    @classmethod
    def version(cls):
        return run("/usr/bin/caddy", "version").split()[0]


class UwsgiSocket(Configured):
    name, keeps = "uwsgi, http-socket", False
    argv = ("/usr/bin/uwsgi-core", "--plugin", "python3", "--http-socket", "HOST:PORT", *UWSGI)

    @classmethod
    def version(cls):
        return run("/usr/bin/uwsgi-core", "--version").strip()


class UwsgiHttp(UwsgiSocket):
    name, keeps = "uwsgi, http", True
    argv = ("/usr/bin/uwsgi-core", "--plugin", "http", "--plugin", "python3", "--http", "HOST:PORT",
            "--http-keepalive", *UWSGI)


class UwsgiHttp11(UwsgiSocket):
    name, keeps, takes_bodies = "uwsgi, http11-socket", True, "at times"
    argv = ("/usr/bin/uwsgi-core", "--plugin", "python3", "--http11-socket", "HOST:PORT", *UWSGI)


class Puma(Configured):
    name = "puma"
    argv = ("/usr/bin/puma", "-q", "-C", "-", "-b", "tcp://HOST:PORT", "BASE/root/environment.ru")

    @classmethod
    def version(cls):
        return run("/usr/bin/puma", "--version").split()[-1]


class Gunicorn(backends.Gunicorn):
    argv = tuple("environment:application" if word == "seen:wsgi" else word for word in backends.Gunicorn.argv)
    doors, fooled_by, keeps = {"": "/"}, {"": ["_", ""]}, True
    takes_bodies, chunks = "no", True


class Wsgiref(Listening):
    name, argv = "wsgiref", (PYTHON, "-B", APPS / "environment.py", "wsgiref")
    doors, fooled_by, keeps = {"": "/"}, {"": "_"}, False
    takes_bodies, chunks = "no", True

    @classmethod
    def version(cls):
        return run(PYTHON, "--version").split()[-1]


class HttpServer(Wsgiref):
    name, argv = "http.server", (PYTHON, "-B", APPS / "environment.py", "http.server")
    fooled_by, keeps, takes_bodies, as_they_are = {"": ""}, True, "yes", {"": "/raw"}


class Uvicorn(Configured):
    name, fooled_by, as_they_are = "uvicorn", {"": ""}, {"": "/raw"}
    argv = (PYTHON, "-B", "-m", "uvicorn", "--app-dir", APPS, "--host", "HOST", "--port", "PORT", "--http", "h11",
            "--ws", "none", "--lifespan", "off", "--no-access-log", "--log-level", "warning", "environment:asgi")
    version = backends.Uvicorn.version


class Express(Listening):
    name, argv, as_they_are = "Express", ("node", APPS / "environment.express.js"), {"": "/raw"}
    doors, fooled_by, keeps = {"": "/"}, {"": ""}, True
    takes_bodies, chunks = "no", True
    env = {"NODE_PATH": "/usr/share/nodejs"}  # Debian's place; only Debian's own node looks there by itself

    @classmethod
    def version(cls):
        """And Node's, which parses: 18 lets a space into a name, 20 does not."""
        package = Path("/usr/share/nodejs/express/package.json").read_text()
        return re.search(r'"version": "(.*?)"', package)[1] + "/Node-" + backends.Node.version()


ALL = (Lighttpd, Apache, Nginx, Caddy, UwsgiSocket, UwsgiHttp, UwsgiHttp11, Puma, Gunicorn, Wsgiref, Express)
# Servers whose applications get a request's fields under their own names.
PLAIN = (HttpServer, Uvicorn)
