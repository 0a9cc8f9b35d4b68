# SPDX-License-Identifier: BSD-2-Clause
"""
More servers for the table of names: those that give an application a request's fields under their own names, proxies
with Node behind them, and modules of Apache that run an application inside the server.
"""
from pathlib import Path

import backends
import fronts
from backends import APPS, BUILD, Haproxy, Listening, run
from fronts import Configured


class Node(Listening):
    name, argv = "Node", ("node", APPS / "fields.js")
    doors, keeps = {"": "/"}, True
    version = backends.Node.version


class Go(backends.Go):
    name, argv, source = "Go", (BUILD / "fields-go", "127.0.0.1:0"), APPS / "fields.go"
    doors, keeps = {"": "/"}, True


class Java(Listening):
    """The server of the JDK. It is compiled at each start."""

    name, argv = "Java's HttpServer", ("java", "-XX:TieredStopAtLevel=1", APPS / "Fields.java")
    doors, keeps = {"": "/"}, True

    @classmethod
    def version(cls):
        return run("java", "--version").split()[1]


class Proxy(Configured):
    """A proxy in front of Node. In its configuration NODE is replaced by the address of that."""

    doors = {"HTTP: Node": "/raw"}
    node = None

    def start(self):
        self.node = Node()
        self.config = self.config.replace("NODE", self.node.text)
        return super().start()

    def stop(self):
        super().stop()
        if self.node:
            self.node.stop()


class NginxProxy(Proxy):
    name = "nginx"
    argv = fronts.Nginx.argv
    extra = ""
    config = r"""
daemon off;
user root;
worker_processes 1;
pid BASE/pid;
error_log BASE/error;
events { worker_connections 512; }
http {
	EXTRA
	access_log off;
	client_body_temp_path BASE/body;
	proxy_temp_path BASE/proxy;
	fastcgi_temp_path BASE/fastcgi;
	uwsgi_temp_path BASE/uwsgi;
	scgi_temp_path BASE/scgi;
	server {
		listen HOST:PORT;
		location / { proxy_pass http://NODE; }
	}
}
"""
    version = backends.Nginx.version

    def start(self):
        self.config = self.config.replace("EXTRA", self.extra)
        return super().start()


class NginxUnderscores(NginxProxy):
    name, extra = "nginx, underscores_in_headers on", "underscores_in_headers on;"


class NginxInvalid(NginxProxy):
    name, extra = "nginx, ignore_invalid_headers off", "ignore_invalid_headers off;"


class ApacheProxy(Proxy):
    name = "Apache"
    argv = fronts.Apache.argv
    config = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in (
        "mpm_event", "authz_core", "proxy", "proxy_http")) + r"""
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
ErrorLog BASE/error
ProxyPass / http://NODE/
"""
    version = backends.Apache.version


class ApacheInside(Configured):
    """An application inside the processes of Apache. In the configuration ROOM is replaced by what loads it."""

    name, room = "Apache", ""
    # At its end this kind of Apache ends its whole process group.
    argv = ("/usr/bin/setsid", *fronts.Apache.argv)
    config = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in (
        "mpm_prefork", "authz_core")) + r"""
ServerName localhost
Listen HOST:PORT
PidFile BASE/pid
DefaultRuntimeDir BASE
User www-data
Group www-data
StartServers 2
MaxRequestWorkers 8
DocumentRoot BASE/root
ErrorLog BASE/error
ROOM
"""
    version = backends.Apache.version

    def start(self):
        self.config = self.config.replace("ROOM", self.room)
        return super().start()


class ModPhp(ApacheInside):
    doors = {"mod_php": "/environment.php"}

    @property
    def room(self):
        """Its file's name has a version."""
        module = next(Path("/usr/lib/apache2/modules").glob("libphp*.so"))
        return (f"LoadModule php_module {module}\nPHPIniDir BASE\n"
                "<FilesMatch \\.php$>\nSetHandler application/x-httpd-php\n</FilesMatch>")


class ModWsgi(ApacheInside):
    doors = {"mod_wsgi": "/wsgi"}
    room = """LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so
WSGIScriptAlias /wsgi BASE/root/environment.py"""


class LighttpdProxy(Proxy):
    name = "lighttpd"
    argv = fronts.Lighttpd.argv
    config = r"""
server.modules = ("mod_proxy")
server.document-root = "BASE/root"
server.bind = "HOST"
server.port = PORT
server.errorlog = "BASE/error"
proxy.server = ("" => (("host" => "NODE_HOST", "port" => "NODE_PORT")))
"""
    version = backends.Lighttpd.version

    def start(self):
        self.node = Node()
        self.config = self.config.replace("NODE_HOST", self.node.host).replace("NODE_PORT", str(self.node.port))
        return Configured.start(self)


class CaddyProxy(Proxy):
    name = "Caddy"
    argv = fronts.Caddy.argv
    config = """
{
	admin off
	auto_https off
}
:PORT {
	bind HOST
	reverse_proxy NODE {
		trusted_proxies 127.0.0.0/8
	}
}
"""
    version = fronts.Caddy.version


class HaproxyProxy(Haproxy):
    """As in backends.py, with another Node behind it."""

    doors, keeps, make_node = {"HTTP: Node": "/raw"}, True, Node


ALL = (Node, Go, Java, NginxProxy, NginxUnderscores, NginxInvalid, ApacheProxy, LighttpdProxy, CaddyProxy, HaproxyProxy,
       ModPhp, ModWsgi)
