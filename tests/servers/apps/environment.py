"""Gives back its environment: a CGI script, a WSGI application, and by itself a server of Python's own."""
import os
import sys
import wsgiref.simple_server


def lines(environ):
    return "".join(f"{name}={value}\n" for name, value in environ.items() if isinstance(value, str))


def application(environ, start_response):
    body = lines(environ).encode("latin-1", "replace")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def serve():
    with wsgiref.simple_server.make_server("127.0.0.1", 0, application) as server:
        print(f"listening on {server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    if "GATEWAY_INTERFACE" in os.environ:
        sys.stdout.write("Content-Type: text/plain\r\n\r\n" + lines(os.environ))
    else:
        serve()
