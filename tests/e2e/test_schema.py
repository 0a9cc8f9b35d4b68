# SPDX-License-Identifier: BSD-2-Clause
"""
dist/kedge.schema.json: what kedge takes is valid, and what it rejects for its shape is not. Each configuration that a test
starts kedge with is judged as well (tests/lib/kedge.py).
"""
import json
import re

import jsonschema
import pytest

import docs
import machine
import schema
from kedge import BINARY
from run import run

DOCUMENTS = sorted([*machine.ROOT.glob("*.md"), *machine.ROOT.glob("docs/*.md")])
TOP = set(json.loads(schema.SCHEMA.read_text())["properties"])
LISTENERS = "listeners:\n  - {listen: '127.0.0.1:0', tls: off}\n"
APP = "app: 127.0.0.1:9\n"


def test_it_is_a_schema_and_up_to_date():
    text = schema.SCHEMA.read_text()
    jsonschema.Draft7Validator.check_schema(json.loads(text))
    done = run(BINARY, "check", "--schema")
    assert done.returncode == 0 and done.stdout == text, "make reference"


@pytest.mark.parametrize("path", ["dist/kedge.yaml", "debian/kedge.yaml"])
def test_a_configuration_of_ours_is_valid(path):
    text = (machine.ROOT / path).read_text()
    assert schema.load(text)["app"] and schema.faults(text) == []
    # And so is the default of each key that has one.
    assert schema.faults(re.sub(r"^(\s*)#([a-z0-9-]+: .*)$", r"\1\2", text, flags=re.M)) == []


def fragments():
    """The YAML of the documents: blocks whose first line is a key of a file's top level, or of a listener."""
    for path in DOCUMENTS:
        for _, text in docs.sections(path):
            for block in docs.blocks(text):
                first = next((line for line in block.splitlines() if not line.startswith("#")), "")
                key = re.match(r"([a-z0-9-]+):( |$)", first)
                if key and key[1] in TOP:
                    yield pytest.param(block, id=f"{path.name}-{key[1]}")


def test_the_documents_have_some():
    assert len(list(fragments())) >= 5


@pytest.mark.parametrize("block", fragments())
def test_the_yaml_of_a_document_is_valid(block):
    assert schema.faults(block) == []


def test_variables_are_valid(tmp_path):
    """In each kind of value."""
    text = ("app: ${APP}\nworkers: ${N}\nxff: ${XFF:-append}\nforwarded: ${ON}\ncheck: {status: '${FROM}-399', path: '${PATH}'}\n"
            "socket-mode: ${MODE:-0660}\nxff-trust: ['${NET}']\nproxy-tlvs: ['${TLV}']\nsend-proxy: v2\n"
            "listeners:\n  - {listen: '127.0.0.1:${PORT}', tls: off}\n")
    path = tmp_path / "kedge.yaml"
    path.write_text(text)
    done = run(BINARY, "check", "-c", path, env={"APP": "127.0.0.1:9", "N": "1", "ON": "on", "FROM": "200", "PATH": "/", "NET": "::/0",
                                                 "TLV": "alpn", "PORT": "0"})
    assert done.returncode == 0, done.stderr
    assert schema.faults(text) == []


WRONG = {
    "unknown_key": APP + LISTENERS + "colour: red\n",
    "misspelt_key": APP + LISTENERS + "worker: 1\n",
    "key_of_another_level": APP + LISTENERS + "listen: '127.0.0.1:1'\n",
    "check_detail_at_the_top": APP + LISTENERS + "check-path: /x\n",
    "unknown_key_of_a_listener": APP + "listeners:\n  - {listen: '127.0.0.1:0', tls: off, workers: 1}\n",
    "unknown_key_of_a_cert": APP + LISTENERS + "certs:\n  - {cert: a, key: b, chain: c}\n",
    "unknown_key_of_an_app": "apps:\n  a: {servers: ['127.0.0.1:9'], workers: 1}\n" + LISTENERS,
    "unknown_key_of_a_check": APP + LISTENERS + "check: {paths: /x}\n",
    "no_listen": APP + "listeners:\n  - {tls: off}\n",
    "no_key_for_a_cert": APP + LISTENERS + "certs:\n  - {cert: a}\n",
    "no_servers": "apps:\n  a: {check: tcp}\n" + LISTENERS,
    "no_names": APP + "listeners:\n  - {listen: '127.0.0.1:0', routes: [{app: '127.0.0.1:9'}]}\n",
    "bad_name_of_an_app": "apps:\n  'a b': {servers: ['127.0.0.1:9']}\n" + LISTENERS,
    "empty_check": APP + LISTENERS + "check: {}\n",
    "not_a_word": APP + LISTENERS + "xff: maybe\n",
    "true_is_not_on": APP + LISTENERS + "forwarded: true\n",
    "word_of_a_list": APP + LISTENERS + "proxy-tlvs: [alpn, colour]\n",
    "not_a_version": APP + LISTENERS + "tls-min: 1.1\n",
    "not_a_number": APP + LISTENERS + "workers: lots\n",
    "too_small": APP + LISTENERS + "connections-max: 0\n",
    "too_large": APP + LISTENERS + "workers: 100000\n",
    "not_whole": APP + LISTENERS + "workers: 1.5\n",
    "not_octal": APP + LISTENERS + "socket-mode: '0680'\n",
    "not_a_status": APP + LISTENERS + "check: {status: 99}\n",
    "list_for_one": APP + LISTENERS + "log-level: [info]\n",
    "one_for_a_list": APP + LISTENERS + "trust: 10.0.0.0/8\n",
    "mapping_for_one": APP + LISTENERS + "user: {name: kedge}\n",
    "listeners_as_a_mapping": APP + "listeners: {listen: '127.0.0.1:0'}\n",
    "address_as_a_list": APP + "listeners:\n  - {listen: [127.0.0.1], tls: off}\n",
    "apps_as_a_list": "apps:\n  - {servers: ['127.0.0.1:9']}\n" + LISTENERS,
    "empty_value": APP + LISTENERS + "user:\n",
    "list_of_lists": APP + LISTENERS + "xff-trust: [[10.0.0.0/8]]\n",
    "not_a_mapping": "- listen\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_shape_is_neither_taken_nor_valid(tmp_path, name):
    path = tmp_path / "kedge.yaml"
    path.write_text(WRONG[name])
    done = run(BINARY, "check", "-c", path)
    assert done.returncode == 2, done.stdout
    assert schema.faults(WRONG[name]) != [], done.stderr
