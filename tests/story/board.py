#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make board-picture: the panels of dist/grafana-kedge.json as docs/pictures/board.svg.

Runs kedge with two servers for SECONDS (180), with requests, mistakes of clients and a server that dies in between, and a
Prometheus that scrapes it. Prometheus answers the expressions of each panel, and gnuplot draws the answers. It is not
Grafana that draws, so the picture shows what the panels say, not how they look there.
"""
import json
import math
import os
import socket
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from subprocess import run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
os.environ.setdefault("KEDGE_BIN", str(Path(__file__).resolve().parents[2] / "build/kedge"))

import machine  # noqa: E402
from demo import MkcertCerts  # noqa: E402
from kedge import Config, Kedge, Listener  # noqa: E402
from process import Process  # noqa: E402

BOARD = machine.ROOT / "dist/grafana-kedge.json"
PICTURE = machine.ROOT / "docs/pictures/board.svg"
STEP = 5  # seconds between two points
WINDOW = "20s"  # for $__rate_interval
APP = machine.ROOT / "docs/examples/hello.js"


def panels():
    """[(title, unit, [(expression, legend)])] of the board, with its variables filled in."""
    found = []
    for panel in json.loads(BOARD.read_text())["panels"]:
        asked = [(target["expr"].replace('job=~"$job",instance=~"$instance"', "").replace(
            ",}", "}").replace("$__rate_interval", WINDOW), target.get("legendFormat", "")) for target in panel.get("targets", [])]
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
        if asked:
            found.append((panel["title"], unit, asked))
    return found


# --- something to see ------------------------------------------------------------------------------
class Traffic(threading.Thread):
    """Clients that come and go, ask, and make a mistake now and then."""

    def __init__(self, address, ca, number):
        super().__init__(daemon=True)
        self.address, self.number, self.stopping = address, number, False
        self.context = ssl.create_default_context(cafile=ca)

    def run(self):
        turn = self.number
        while not self.stopping:
            turn += 1
            try:
                self.one(turn)
            except OSError:
                pass
            time.sleep(0.05 + 0.05 * math.sin(time.monotonic() / 20) ** 2)

    def one(self, turn):
        with socket.create_connection(self.address, timeout=10) as raw:
            if turn % 29 == 0:
                raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # no TLS
                return
            with self.context.wrap_socket(raw, server_hostname="localhost") as tls:
                for k in range(5):
                    bad = turn % 17 == 0 and k == 4
                    tls.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\n%s\r\n" % (k, b"Content-Length: 1, 2\r\n" if bad else b""))
                    if not tls.recv(65536):
                        return


def app(port=0):
    process = Process(["node", APP], env=dict(os.environ, PORT=str(port)), name="app")
    return process, int(process.wait_line(r"^port (\d+)$", seconds=30)[0][1])


def incident(second, port, process, seconds):
    """The second server is away from a third of the time to a half."""
    if second == seconds // 3:
        process.stop()
    if second == seconds // 2:
        process, _ = app(port)
    return process


# --- Prometheus ------------------------------------------------------------------------------------
class Prometheus:
    def __init__(self, base, target):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        conf = Path(base) / "prometheus.yml"
        conf.write_text(json.dumps({"global": {"scrape_interval": f"{STEP}s"}, "scrape_configs": [
            {"job_name": "kedge", "static_configs": [{"targets": [target]}]}]}))
        self.process = Process(["prometheus", f"--config.file={conf}", f"--storage.tsdb.path={base}/tsdb",
                                f"--web.listen-address=127.0.0.1:{self.port}"], name="prometheus")
        self.process.wait_line("Server is ready to receive", seconds=60)

    def ask(self, expression, start, end):
        """[(labels, [(seconds, value)])]"""
        query = urllib.parse.urlencode({"query": expression, "start": start, "end": end, "step": STEP})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query_range?{query}", timeout=30) as answer:
            result = json.load(answer)["data"]["result"]
        return [(row["metric"], [(float(t) - start, float(v)) for t, v in row["values"] if v != "NaN"]) for row in result]


def legend(pattern, labels):
    for name, value in labels.items():
        pattern = pattern.replace("{{%s}}" % name, Path(value).name if value.startswith("/") else value)
    return pattern


# --- the picture -----------------------------------------------------------------------------------
def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plot(title, unit, lines):
    """gnuplot's commands for one panel. lines: [(legend, points)]"""
    data = "".join(f"$d{n} << END\n" + "\n".join(f"{t:.0f} {v:.6g}" for t, v in points) + "\nEND\n"
                   for n, (_, points) in enumerate(lines))
    unit = {"s": "seconds", "Bps": "bytes/s", "reqps": "a second", "ops": "a second", "cps": "a second", "short": ""}.get(unit, unit)
    top = max((v for _, points in lines for _, v in points), default=0) or 1
    drawn = ", ".join(f"$d{n} with lines linewidth 1.6 title {quoted(name)}" for n, (name, _) in enumerate(lines))
    return (f"{data}set title {quoted(title)} noenhanced\nset ylabel {quoted(unit)} noenhanced\n"
            f"set yrange [0:{1.6 * top:.6g}]\nplot {drawn or 'NaN notitle'}\n")


def draw(found):
    rows = (len(found) + 1) // 2
    script = (f"set terminal svg size 1100,{rows * 170} font 'sans-serif,11' background rgb 'white'\n"
              f"set output {quoted(str(PICTURE))}\nset grid linecolor rgb '#dddddd'\n"
              "set key inside left top Left reverse noenhanced samplen 1 spacing 0.85 font ',10'\n"
              f"set multiplot layout {rows},2 margins 0.07,0.98,0.03,0.97 spacing 0.09,{0.38 / rows:.3f}\n"
              + "".join(plot(*panel) for panel in found) + "unset multiplot\n")
    run(["gnuplot"], input=script, text=True, check=True)


def show(prometheus, start, end):
    found, empty = [], []
    for title, unit, asked in panels():
        lines = [(legend(name, labels), points) for expression, name in asked
                 for labels, points in prometheus.ask(expression, start, end) if points]
        if not lines:
            empty.append(title)
        found.append((title, unit, lines))
    draw(found)
    return empty


def main():
    seconds = int(os.environ.get("SECONDS_OF_TRAFFIC", "180"))
    with tempfile.TemporaryDirectory() as base:
        certs = MkcertCerts(base)
        first, one = app(3000)
        second, two = app(3001)
        config = Config(base, certs)
        listener = Listener("https", leaves=[certs.leaf], addr="127.0.0.1:3443")
        config.write([listener], app=[f"127.0.0.1:{one}", f"127.0.0.1:{two}"], check={"path": "/", "every-ms": 1000},
                     metrics="127.0.0.1:0", access_log=f"{base}/access.log")
        with Kedge(certs, None, [listener], config=config) as kedge:
            host, port = kedge.metrics_address()
            prometheus = Prometheus(base, f"{host}:{port}")
            clients = [Traffic(kedge["https"], certs.ca, 7 * n) for n in range(4)]
            for client in clients:
                client.start()
            start = time.time()
            for at in range(seconds):
                second = incident(at, two, second, seconds)
                time.sleep(max(0, start + at + 1 - time.time()))
            for client in clients:
                client.stopping = True
            empty = show(prometheus, start + 2 * STEP, time.time())
        for process in (first, second, prometheus.process):
            process.stop()
    print(f"written: {PICTURE.relative_to(machine.ROOT)}")
    if empty:
        print("without data: " + ", ".join(empty))


if __name__ == "__main__":
    main()
