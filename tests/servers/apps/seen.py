# SPDX-License-Identifier: BSD-2-Clause
"""Applications for gunicorn (wsgi) and uvicorn (asgi): a line for each request they were given."""
import json
import os

# Each byte follows from its place, as in backends.py.
LARGE = (bytes(range(251)) * ((8 << 20) // 251 + 1))[:8 << 20]


def body_of(target):
    return LARGE if target == "/large" else b"seen\n"


def report(peer, xff, method, target, done):
    line = json.dumps({"peer": peer, "xff": xff, "method": method, "target": target, "done": done})
    os.write(1, f"seen {line}\n".encode())  # one write: threads share the descriptor


def wsgi(environ, start_response):
    try:
        while environ["wsgi.input"].read(65536):
            pass
        done = True
    except Exception:  # any error of the server: the body was not complete
        done = False
    forwarded = environ.get("HTTP_X_FORWARDED_FOR")
    report(f'{environ["REMOTE_ADDR"]} {environ["REMOTE_PORT"]}',
           [] if forwarded is None else [forwarded], environ["REQUEST_METHOD"],
           environ["RAW_URI"], done)
    body = body_of(environ["RAW_URI"])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    assert scope["type"] == "http", scope["type"]
    while True:
        event = await receive()
        if event["type"] == "http.disconnect" or not event.get("more_body"):
            break
    query = scope["query_string"].decode("latin-1")
    forwarded = [v.decode("latin-1") for n, v in scope["headers"] if n == b"x-forwarded-for"]
    report("{} {}".format(*scope["client"]), forwarded, scope["method"],
           scope["raw_path"].decode("latin-1") + (f"?{query}" if query else ""),
           event["type"] == "http.request")
    body = body_of(scope["path"])
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
