# SPDX-License-Identifier: BSD-2-Clause
"""
Returns its environment: a CGI script, applications for WSGI and ASGI, and as a program one of Python's own
servers, wsgiref or http.server. None of them reads a request's body.
"""
import http.server
import os
import sys
import wsgiref.simple_server


def lines(environ):
    return "".join(f"{name}={value}\n" for name, value in environ.items() if isinstance(value, str))


def application(environ, start_response):
    body = lines(environ).encode("latin-1", "replace")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def named(path, fields):
    """As they are for /raw, otherwise as variables."""
    return "".join(f"{name if path == '/raw' else 'HTTP_' + name.upper().replace('-', '_')}={value}\n"
                   for name, value in fields).encode("latin-1", "replace")


async def asgi(scope, receive, send):
    body = lines({"REMOTE_ADDR": scope["client"][0], "scheme": scope["scheme"]}).encode()
    body += named(scope["path"], [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]])
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections

    def do_GET(self):
        body = f"REMOTE_ADDR={self.client_address[0]}\n".encode() + named(self.path, self.headers.items())
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


def serve(kind):
    if kind == "wsgiref":
        server = wsgiref.simple_server.make_server("127.0.0.1", 0, application)
    else:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    if "GATEWAY_INTERFACE" in os.environ:
        sys.stdout.write("Content-Type: text/plain\r\n\r\n" + lines(os.environ))
    else:
        serve(sys.argv[1])
