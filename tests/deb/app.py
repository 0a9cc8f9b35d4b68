# SPDX-License-Identifier: BSD-2-Clause
"""The application, on port 3000: its answer is X-Forwarded-For; that of /slow comes after two seconds."""
import http.server
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        if self.path == "/slow":
            time.sleep(2)
        body = f"xff {self.headers['X-Forwarded-For']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 3000), Handler).serve_forever()
