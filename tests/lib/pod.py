# SPDX-License-Identifier: BSD-2-Clause
"""The pod of dist/kubernetes/web.yaml: what the file tells its readers to put in place, and what the pod then has to do."""
import base64
import copy
import re
import shutil
import ssl
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

import machine
import prefix
from client import Client
from machine import ROOT

WEB = list(yaml.safe_load_all((ROOT / "dist/kubernetes/web.yaml").read_text()))
# In the file this is a subnet of the balancer, which here is the host: it has the first address, and pods have the others.
SUBNET, CLIENT, STRANGER = "10.0.0.0/28", "198.51.100.22", "192.0.2.9"
USER = 65532


def of_kind(kind, objects=()):
    return next(o for o in objects or WEB if o["kind"] == kind)


def spec(objects=()):
    return of_kind("Deployment", objects)["spec"]["template"]["spec"]


def kedge():
    return next(c for c in spec()["containers"] if c["name"] == "kedge")


def port(name):
    return next(p["containerPort"] for p in kedge()["ports"] if p["name"] == name)


def filled_in(app_image, kedge_image):
    """
    The objects of the file with these images, in the form that docs/containers.md describes for what does not know native
    sidecars; everything else as it is.
    """
    objects = copy.deepcopy(WEB)
    pod = spec(objects)
    app, = pod.pop("initContainers")
    assert app.pop("restartPolicy") == "Always"
    page = (ROOT / "docs/containers.md").read_text()
    app.update(yaml.safe_load(re.search(r"^ +(lifecycle: .*preStop.*)$", page, re.M)[1]))
    pod["containers"].insert(0, app)
    for one, image in zip(pod["containers"], (app_image, kedge_image)):
        assert one["image"].startswith("registry.example/")
        one["image"] = image
    assert SUBNET in yaml.safe_load(of_kind("ConfigMap")["data"]["kedge.yaml"])["listeners"][0]["trust"]
    return objects


def secret(leaf):
    """What `kubectl create secret tls web-tls` makes."""
    def encoded(path):
        return base64.b64encode(path.read_bytes()).decode()
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "web-tls"},
                           "data": {"tls.crt": encoded(leaf.cert), "tls.key": encoded(leaf.key)}})


def application(path):
    """Makes the root of an image, as a tar: this machine's node, its libraries, sleep, and an application."""
    programs = [Path(shutil.which(name)).resolve() for name in ("node", "sleep")]
    linked = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    with tarfile.open(path, "w") as tar:
        for program, name in zip(programs, ("node", "sleep")):
            tar.add(program, f"bin/{name}")
        for library in sorted(set(re.findall(r"(/\S+\.so\S*)", linked))):
            tar.add(Path(library).resolve(), library.lstrip("/"))
        # Debian's node has parts of its own library here.
        for part in ("undici", "acorn", "acorn-walk", "cjs-module-lexer"):
            if Path("/usr/share/nodejs", part).exists():
                tar.add(Path("/usr/share/nodejs", part).resolve(), f"usr/share/nodejs/{part}")
        tar.add(ROOT / "tests/containers/web.js", "app/web.js")


APPLICATION = ["--change", 'ENTRYPOINT ["/bin/node", "/app/web.js"]', "--change", "ENV PATH=/bin"]


class Pod:
    """
    A running one. `space`: the network that the balancer and the prober are in. `log`: kedge's log, a Process. Who makes one
    also gives it inside(*argv), a command that sees the processes of both containers, and pids, by container.
    """

    def __init__(self, space, address, log):
        self.space, self.address, self.log = space, address, log

    def connect(self, tls, prefix=prefix.v2(src=CLIENT), source=None):  # pylint: disable=redefined-outer-name
        with self.space.inside():
            return Client((self.address, port("https")), prefix=prefix, tls=tls, source=source)

    def get(self, path, port_name):
        """The status that somebody without TLS gets."""
        with self.space.inside(), Client((self.address, port(port_name))) as c:
            return c.request(target=path).status

    def health(self):
        """What the balancer's check, the readiness probe and the liveness probe of the file get."""
        probes = (kedge()[which]["httpGet"] for which in ("readinessProbe", "livenessProbe"))
        return self.get("/ready", "metrics"), *(self.get(one["path"], one["port"]) for one in probes)

    def status(self, name):
        text = self.inside("cat", f"/proc/{self.pids[name]}/status")
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def answers_those_the_balancer_names(pod, tls):
    with pod.connect(tls) as c:
        got = c.request()
        assert (got.status, got.text) == (200, CLIENT)


def refuses_all_others(pod, tls):
    """One without a prefix; and one with it, who is none of the balancers."""
    with pytest.raises((ssl.SSLError, OSError)):
        pod.connect(tls, prefix=b"").close()
    pod.log.wait_line("prefix_missing")
    pod.space.ip(f"addr add {STRANGER}/32 dev lo")
    try:
        with pytest.raises((ssl.SSLError, OSError)):
            pod.connect(tls, source=STRANGER).close()
        pod.log.wait_line(f"prefix_forbidden: client {STRANGER}:")
    finally:
        pod.space.ip(f"addr del {STRANGER}/32 dev lo")


def is_confined(pod):
    for name, filters in (("kedge", 2), ("app", 1)):
        status = pod.status(name)
        assert status["Uid"].split() == status["Gid"].split() == [str(USER)] * 4, name
        assert status["NoNewPrivs"] == "1" and int(status["Seccomp_filters"]) >= filters, name
        assert all(int(status[f"Cap{kind}"], 16) == 0 for kind in ("Prm", "Eff", "Bnd", "Amb", "Inh")), name
        assert re.search(r"^\S+ / \S+ ro[, ]", pod.inside("cat", f"/proc/{pod.pids[name]}/mounts"), re.M), name
    key = f"/proc/{pod.pids['kedge']}/root/tls/tls.key"
    assert pod.inside("stat", "-L", "-c", "%a %u:%g", key).strip() == f"440 0:{USER}"


def ends_gently(pod, tls, end, at_last):
    """
    SIGTERM while a request waits for its answer. at_last() is called when all have theirs. The log ends with "stopped" unless
    the grace period was over first.
    """
    with pod.connect(tls) as held, pod.connect(tls) as other:
        held.send(b"GET /held HTTP/1.1\r\nHost: web\r\n\r\n")
        assert machine.wait_for(lambda: other.request(target="/waiting").text == "1", what="the request is with the application")
        assert pod.health() == (200, 200, 200)
        end()
        pod.log.wait_line("shutting down: not ready any more", seconds=30)
        assert pod.health() == (503, 200, 200)
        # The balancer sends new clients for some seconds more.
        with pod.connect(tls) as late:
            got = late.request(target="/go")
            assert (got.status, got.field("Connection")) == (200, "close")
        got = held.response()
        assert (got.status, got.text) == (200, "held")
    at_last()
    pod.log.wait_line(r"\bstopped\b", seconds=spec()["terminationGracePeriodSeconds"])
