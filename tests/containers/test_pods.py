# SPDX-License-Identifier: BSD-2-Clause
"""
dist/kubernetes/web.yaml as a pod of podman. What podman does not do for a pod, this does in the place of the kubelet: it gives
the files of volumes the group fsGroup, asks the probes, and spares the application, whose preStop sleeps, while kedge ends.
"""
import json

import pytest
import yaml

import machine
import pod as pod_module
from pod import Pod
from process import Process


class PodmanPod(Pod):
    def __init__(self, podman):
        def shown(form, name):
            return podman("inspect", "--format", form, name).stdout.strip()
        self.podman = podman
        infra = podman("pod", "inspect", "--format", "{{.InfraContainerID}}", "web-pod").stdout.strip()
        address = shown("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", infra)
        log = Process([*podman.argv, "logs", "--follow", "web-pod-kedge"], name="kedge")
        super().__init__(podman.place.space, address, log)
        self.pids = {name: shown("{{.State.Pid}}", f"web-pod-{name}") for name in ("kedge", "app")}

    def inside(self, *argv):
        return self.podman.place(*argv)


@pytest.fixture(scope="module")
def pod(pods, examples, certs):
    pods("network", "create", "--subnet", pod_module.SUBNET, "pods")
    pods("kube", "play", "-", input=pod_module.secret(certs.ec))
    pods("kube", "play", "--start=false", "--network", "pods", "-", input=yaml.safe_dump_all(pod_module.filled_in(*examples)))
    group = pod_module.spec()["securityContext"]["fsGroup"]
    for volume in ("web-tls", "web-kedge"):
        pods.place("chgrp", "-R", group, pods("volume", "inspect", "--format", "{{.Mountpoint}}", volume).stdout.strip())
    pods("pod", "start", "web-pod")
    it = PodmanPod(pods)
    it.log.wait_line(r"\bready: 2 listeners")
    yield it
    pods("pod", "rm", "--force", "--time", "0", "web-pod")
    it.log.stop()


def test_it_is_ready(pod):
    """Through kedge to the application, which may start later."""
    machine.wait_for(lambda: pod.health() == (200, 200, 200), what="an answer to each probe")


def test_it_answers_those_the_balancer_names(pod, tls):
    pod_module.answers_those_the_balancer_names(pod, tls)


def test_it_refuses_all_others(pod, tls):
    pod_module.refuses_all_others(pod, tls)


def test_it_is_confined(pod):
    pod_module.is_confined(pod)


def test_it_ends_gently(pod, tls):
    """A second SIGTERM spares us the rest of shutdown-delay-ms. podman, too, kills after terminationGracePeriodSeconds."""
    def shown():
        return json.loads(pod.podman("inspect", "web-pod-kedge").stdout)[0]
    assert shown()["Config"]["StopTimeout"] == pod_module.spec()["terminationGracePeriodSeconds"]
    stopping = []
    pod_module.ends_gently(
        pod, tls, lambda: stopping.append(Process([*pod.podman.argv, "stop", "web-pod-kedge"], name="podman stop")),
        lambda: pod.inside("sh", "-c", f"kill -s TERM {pod.pids['kedge']}"))
    assert stopping[0].wait() == 0
    assert shown()["State"]["ExitCode"] == 0
